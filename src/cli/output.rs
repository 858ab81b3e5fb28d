//! Writing: text with colours where a terminal is, JSON for programs.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use super::Failure;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    // Without a line of its own in the help, which each use of it has.
    Json,
}

/// What a piece of text means to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Heading,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// A text in the colour of its meaning.
pub(super) fn toned(text: &str, tone: Tone) -> String {
    let (style, text) = (tone.style(), clean(text));
    format!("{style}{text}{style:#}")
}

/// A text from the cluster on one line, without anything that would steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A field of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field in the colour of its meaning.
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: clean(text.as_ref()),
            tone,
        }
    }

    /// A field without colour.
    pub(super) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Tone::Plain)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// A table as kubectl shows them. `indent` is what stands before each line.
pub(super) fn table(indent: &str, headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let heading = headings
        .iter()
        .map(|heading| Cell::new(heading, Tone::Heading))
        .collect();
    let lines: Vec<&Vec<Cell>> = std::iter::once(&heading).chain(rows).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(Cell::width)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        text.push_str(indent);
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text.push_str(&toned(&cell.text, cell.tone));
            if column + 1 < line.len() {
                // Writing into a String cannot fail.
                let _ = write!(text, "{:1$}", "", width.saturating_sub(cell.width()) + 3);
            }
        }
        text.push('\n');
    }
    text
}

/// Prints a text. Colours are taken out unless a terminal reads it and `NO_COLOR` is not set.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    written(anstream::stdout().lock().write_all(text.as_bytes()))
}

/// Prints one JSON document.
pub(super) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(document).map_err(|error| error.to_string())?;
    text.push('\n');
    written(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// Tells the person at the terminal something that is no part of the answer.
pub(super) fn note(note: &str) {
    // Nothing is left to be told when the standard error stream is gone.
    let _ = writeln!(std::io::stderr(), "keywright: {}", clean(note));
}

/// A reader that has seen enough, such as `head`, is no failure.
fn written(outcome: std::io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_whatever_their_colours() {
        let rows = [
            vec![
                Cell::plain("shop"),
                Cell::new("Ready", Tone::Good),
                Cell::plain("-"),
            ],
            vec![
                Cell::plain("s"),
                Cell::new("Not ready", Tone::Bad),
                Cell::plain("5m"),
            ],
        ];
        let text = table("  ", &["NAMESPACE", "STATE", "LEFT"], &rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            plain,
            "  NAMESPACE   STATE       LEFT\n  shop        Ready       -\n  s           Not ready   5m\n"
        );
        assert!(text.contains("\u{1b}[32mReady\u{1b}[0m"), "{text:?}");
    }

    #[test]
    fn a_text_from_the_cluster_cannot_steer_the_terminal() {
        let text = toned("red \u{1b}[31m\nand\ta bell \u{7}", Tone::Plain);
        assert_eq!(text, "red \u{fffd}[31m and a bell \u{fffd}");
    }
}
