//! The words of a line.

use super::{Candidate, LENGTH};

/// From here on are the scripts of East Asia, which put no spaces between words, and their punctuation.
const EAST_ASIAN: char = '\u{2e80}';

/// Of a longer line, the rest is not read.
const MAX_LINE: usize = 4000;

/// Words between a label and its code, or between a code and its label.
const COPULAS: [&str; 24] = [
    ":", "=", "->", "→", "–", "-", "is", "ist", "lautet", "est", "es", "é", "è", "e", "jest", "är", "er",
    "je", "on", "to", "adalah", "là", "este", "to:",
];

/// Of a line with more candidates, the rest is not looked at: nobody could tell which is the code.
const MOST_CANDIDATES: usize = 20;

/// The words of a line by what they are made of.
#[derive(Default)]
struct Counts {
    /// With a letter or a digit.
    words: usize,
    /// With a letter.
    lettered: usize,
    /// With a lower-case letter.
    lowered: usize,
}

/// A line of a text.
pub(super) struct Line {
    text: String,
    words: Vec<String>,
}

impl Line {
    pub(super) fn new(line: &str) -> Self {
        let text: String = line
            .chars()
            .filter(|character| !is_invisible(*character))
            .take(MAX_LINE)
            .collect();
        let words = split(&text);
        Self { text, words }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_blank(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn candidates(&self) -> Vec<Candidate> {
        if let Some(code) = self.spaced_code() {
            return vec![Candidate {
                code,
                alone: true,
                introduced: false,
                shouted: false,
            }];
        }
        let counts = self.counts();
        self.words
            .iter()
            .enumerate()
            .filter_map(|(index, word)| self.candidate(index, trim(word), &counts))
            .take(MOST_CANDIDATES)
            .collect()
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for word in self.words.iter().map(|word| trim(word)) {
            let add = |count: &mut usize, test: fn(char) -> bool| {
                *count = count.saturating_add(usize::from(word.chars().any(test)));
            };
            add(&mut counts.words, char::is_alphanumeric);
            add(&mut counts.lettered, char::is_alphabetic);
            add(&mut counts.lowered, char::is_lowercase);
        }
        counts
    }

    fn candidate(&self, index: usize, word: &str, counts: &Counts) -> Option<Candidate> {
        if !is_code(word) {
            return None;
        }
        let own = usize::from(word.chars().any(char::is_alphabetic));
        let alone = counts.words <= 1;
        let introduced = self.introduces(index);
        let shouting = counts.lettered > own && counts.lowered == 0;
        Some(Candidate {
            code: word.to_owned(),
            alone,
            introduced,
            shouted: shouting && !self.follows_colon(index),
        })
    }

    fn introduces(&self, index: usize) -> bool {
        let is_copula =
            |word: Option<&String>| word.is_some_and(|word| COPULAS.contains(&word.to_lowercase().as_str()));
        let after = || self.words.get(index.saturating_add(1));
        self.follows_colon(index) || is_copula(self.before(index)) || (index == 0 && is_copula(after()))
    }

    fn follows_colon(&self, index: usize) -> bool {
        self.before(index).is_some_and(|word| word.ends_with(':'))
    }

    fn before(&self, index: usize) -> Option<&String> {
        index.checked_sub(1).and_then(|before| self.words.get(before))
    }

    /// A code whose characters stand in boxes of their own.
    fn spaced_code(&self) -> Option<String> {
        let code = self.words.concat();
        let spaced = self.words.len() == LENGTH && self.words.iter().all(|word| word.len() == 1);
        (spaced && is_code(&code)).then_some(code)
    }
}

fn split(text: &str) -> Vec<String> {
    text.split_whitespace()
        .flat_map(|word| {
            // In an address a colon or an equals sign ends nothing.
            let is_address = word.contains(['/', '@', '\\']);
            separated(word, is_address)
                .split_whitespace()
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The word with spaces where it is more than one. East Asian words before a code introduce it.
fn separated(word: &str, is_address: bool) -> String {
    let mut parts = String::with_capacity(word.len());
    let mut east_asian = false;
    for character in word.chars() {
        if character >= EAST_ASIAN {
            if !east_asian {
                parts.push_str(" : ");
            }
            east_asian = true;
            continue;
        }
        east_asian = false;
        parts.push(character);
        if matches!(character, ':' | '=') && !is_address {
            parts.push(' ');
        }
    }
    parts
}

fn is_code(word: &str) -> bool {
    word.len() == LENGTH
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The word without the punctuation around it. What makes a number of another kind (`#`, `$`, `+`, `%`) stays.
fn trim(word: &str) -> &str {
    word.trim_matches(|character: char| {
        matches!(
            character,
            '"' | '\''
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | '*'
                | '_'
                | '`'
                | '|'
                | '.'
                | ','
                | ';'
                | ':'
                | '='
                | '!'
                | '?'
                | '¿'
                | '¡'
                | '…'
                | '•'
                | '–'
                | '—'
                | '«'
                | '»'
                | '“'
                | '”'
                | '„'
                | '‚'
                | '‘'
                | '’'
        )
    })
}

/// Zero-width characters and soft hyphens, which mails hide between others.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_full_of_candidates_the_rest_is_not_looked_at() {
        assert_eq!(
            Line::new(&"K7Q2ZD ".repeat(500)).candidates().len(),
            MOST_CANDIDATES
        );
    }
}
