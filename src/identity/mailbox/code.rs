//! Finding the code among the words of a mail.
//!
//! A code is six upper-case letters and digits (Didit: contract section 2.1) that stand alone: what remains
//! of a word without the punctuation around it. Parts of addresses, dates, amounts and order numbers (`#`)
//! are longer words and no candidates. Six single characters that make up a whole line are one word.
//!
//! A candidate must have something in its favour:
//!
//! | It consists of | and is taken if |
//! | --- | --- |
//! | letters and digits | a label is near, or it is alone on its line |
//! | digits | a label is in its line or just above, and it is alone or introduced |
//! | letters | the same, and it is no common word, nor one of many in upper case |
//!
//! A *label* is a word that speaks of a code, in some twenty languages; it is *near* in the same line, the
//! two above, or the one below. Lines that speak of other codes (post, discount, errors) spoil it.
//! *Introduced* is what follows `:` or `is`, or what `is` follows.
//!
//! The candidate with most in its favour wins. Between two that have the same, none is chosen.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::mail::Content;

mod labels;
mod words;

use labels::{Label, label};
use words::Line;

/// How long a code is, in characters.
const LENGTH: usize = 6;

/// Of a longer text, the rest is not read.
const MAX_LINES: usize = 5000;

/// Of a text with more candidates, the rest is not looked at.
const MOST_CANDIDATES: usize = 1000;

/// How many lines above a candidate are looked at for a label.
const LINES_ABOVE: usize = 2;

/// What a mail holds.
#[derive(Debug)]
pub(super) enum Extraction {
    /// One word that is the code.
    Code(SecretString),
    /// Nothing that looks like a code.
    Nothing,
    /// Several words that may be it, and no reason to prefer one.
    Ambiguous,
}

/// Finds the code in a mail.
pub(super) fn extract(content: &Content) -> Extraction {
    let mut scores: BTreeMap<String, u32> = BTreeMap::new();
    for text in std::iter::once(&content.subject).chain(&content.texts) {
        for (code, score) in candidates(text) {
            let best = scores.entry(code).or_default();
            *best = score.max(*best);
        }
    }
    let Some(best) = scores.values().copied().max() else {
        return Extraction::Nothing;
    };
    let mut winners = scores.into_iter().filter(|(_, score)| *score == best);
    match (winners.next(), winners.next()) {
        (Some((code, _)), None) => Extraction::Code(code.into()),
        _ => Extraction::Ambiguous,
    }
}

/// The candidates of one text and how much speaks for each.
fn candidates(text: &str) -> Vec<(String, u32)> {
    let lines: Vec<_> = text
        .lines()
        .map(Line::new)
        .filter(|line| !line.is_blank())
        .take(MAX_LINES)
        .collect();
    let labels: Vec<_> = lines.iter().map(|line| label(line.text())).collect();
    lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Some((nearness(&labels, index)?, line)))
        .flat_map(|(nearness, line)| {
            line.candidates()
                .into_iter()
                .filter_map(move |candidate| Some((score(&candidate, nearness)?, candidate.code)))
        })
        .map(|(score, code)| (code, score))
        .take(MOST_CANDIDATES)
        .collect()
}

/// How near a label is to a line: 0 is nowhere, 4 is in the line itself. `None` where a line speaks of a code of
/// another kind.
fn nearness(labels: &[Label], index: usize) -> Option<u32> {
    let above = |distance: usize| index.checked_sub(distance).and_then(|above| labels.get(above));
    match labels.get(index)? {
        Label::Code => return Some(4),
        Label::OtherCode => return None,
        Label::None => {}
    }
    for distance in 1..=LINES_ABOVE {
        match above(distance) {
            Some(Label::Code) => return Some(if distance == 1 { 3 } else { 2 }),
            Some(Label::OtherCode) if distance == 1 => return None,
            _ => {}
        }
    }
    let below = labels.get(index.saturating_add(1));
    Some(u32::from(below == Some(&Label::Code)))
}

/// A candidate and how it stands in its line.
struct Candidate {
    code: String,
    /// It is all that the line says.
    alone: bool,
    /// It follows `:` or `is`, or `is` follows it.
    introduced: bool,
    /// All other words of the line are in upper case too, and nothing sets it off from them.
    shouted: bool,
}

/// What speaks for a candidate; `None` if too little does.
fn score(candidate: &Candidate, nearness: u32) -> Option<u32> {
    let has = |test: fn(&u8) -> bool| candidate.code.as_bytes().iter().any(test);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase);
    let set_off = candidate.alone || candidate.introduced;
    let is_eligible = if mixed {
        nearness > 0 || candidate.alone
    } else {
        let is_word = !has(u8::is_ascii_digit) && (candidate.shouted || labels::is_common(&candidate.code));
        nearness >= 3 && set_off && !is_word
    };
    let bonus = |applies: bool, points: u32| if applies { points } else { 0 };
    is_eligible.then(|| nearness * 3 + bonus(set_off, 3) + bonus(mixed, 2))
}
