//! What the person in front of the terminal reads.

use std::io::{Write, stderr, stdout};

use crate::failure::Failure;

/// Columns that a line may take where it can be broken.
const WIDTH: usize = 100;

const INDENT: &str = "      ";

/// The terminal.
pub(crate) struct Screen;

impl Screen {
    /// A line at the margin.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = stdout().lock();
        writeln!(out, "{text}")
            .and_then(|()| out.flush())
            .map_err(Failure::Output)
    }

    /// The title of a step.
    pub(crate) fn step(&mut self, number: usize, of: usize, title: &str) -> Result<(), Failure> {
        self.line(&format!("\n[{number}/{of}] {title}"))
    }

    /// A sentence about the step.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Failure> {
        for line in broken(text, WIDTH - INDENT.len(), 0) {
            self.line(format!("{INDENT}{line}").trim_end())?;
        }
        Ok(())
    }

    /// A command as a user would type it.
    pub(crate) fn command(&mut self, command: &str) -> Result<(), Failure> {
        self.line(&continued(&format!("{INDENT}$ {command}")))
    }

    /// What a command printed. The last column of a table is broken where it is too long, another line
    /// where it goes on below its beginning.
    pub(crate) fn output(&mut self, text: &str) -> Result<(), Failure> {
        let column = last_column(text);
        for line in text.lines() {
            let line = line.trim_end();
            let hanging = column.unwrap_or(line.len() - line.trim_start().len());
            for part in broken(line, WIDTH - INDENT.len(), hanging) {
                self.line(format!("{INDENT}{part}").trim_end())?;
            }
        }
        Ok(())
    }

    /// Says something that matters only if somebody still reads.
    pub(crate) fn aside(&mut self, text: &str) {
        let _ = self.line(&format!("\n{text}"));
    }

    /// An error.
    pub(crate) fn complain(&mut self, text: &str) {
        // Nothing is left to be told when the standard error stream is gone.
        let _ = writeln!(stderr().lock(), "\nkeywright-demo: {text}");
    }
}

/// Where the last column of a table begins, if its first line is a heading in capitals.
fn last_column(table: &str) -> Option<usize> {
    let heading = table.lines().next().unwrap_or_default().trim_end();
    let is_heading = heading
        .chars()
        .all(|c| c.is_ascii_uppercase() || " _-".contains(c));
    heading.rfind("  ").filter(|_| is_heading).map(|gap| gap + 2)
}

/// A command that a shell still understands where it is too long for a line: broken before flags.
fn continued(command: &str) -> String {
    let mut words = command.split(" -");
    let mut text = words.next().unwrap_or_default().to_owned();
    let mut column = text.chars().count();
    for word in words {
        let length = word.chars().count() + " -".len();
        if column + length + " \\".len() > WIDTH {
            text.push_str(&format!(" \\\n{INDENT}    -{word}"));
            column = INDENT.len() + 3 + length;
        } else {
            text.push_str(&format!(" -{word}"));
            column += length;
        }
    }
    text
}

/// Breaks a line at spaces. Where `hanging` is not zero, only the text from that column on is broken, and
/// goes on below itself.
fn broken(line: &str, width: usize, hanging: usize) -> Vec<String> {
    let too_long = line.chars().count() > width;
    if !too_long || hanging >= width || !line.is_char_boundary(hanging.min(line.len())) {
        return vec![line.to_owned()];
    }
    let (start, rest) = line.split_at(hanging.min(line.len()));
    let mut lines = vec![start.to_owned()];
    for word in rest.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        let is_first = last.chars().count() == hanging;
        if !is_first && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{}{word}", " ".repeat(hanging)));
        } else {
            if !is_first {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_stays() {
        assert_eq!(broken("a  b", 10, 0), ["a  b"]);
    }

    #[test]
    fn a_long_line_is_broken_at_spaces() {
        assert_eq!(broken("one two three", 8, 0), ["one two", "three"]);
        assert_eq!(broken("unbreakable", 5, 0), ["unbreakable"]);
    }

    #[test]
    fn a_long_last_column_goes_on_below_itself() {
        let table = "TYPE  MESSAGE\nA     one two three";
        assert_eq!(last_column(table), Some(6));
        assert_eq!(
            broken("A     one two three", 14, 6),
            ["A     one two", "      three"]
        );
    }

    #[test]
    fn a_heading_may_have_hyphens() {
        assert_eq!(last_column("NAME  E-MAIL  AGE"), Some(14));
    }

    #[test]
    fn what_is_no_table_has_no_columns() {
        assert_eq!(last_column("secret/x  created"), None);
        assert_eq!(last_column(""), None);
    }

    #[test]
    fn a_long_command_is_broken_before_flags() {
        assert_eq!(continued("      $ kubectl get -n a"), "      $ kubectl get -n a");
        let long = format!("      $ run {} --last b", "-x yyyy ".repeat(11).trim_end());
        let lines: Vec<_> = continued(&long).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with(" \\") && lines[0].len() <= WIDTH, "{lines:?}");
        assert!(lines[1].starts_with("          -"), "{lines:?}");
    }
}
