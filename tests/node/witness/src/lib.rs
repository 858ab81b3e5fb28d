//! What a witness says, for those who write it and those who read it.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::str::FromStr;

/// One line: at this time, this was read from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Nanoseconds since the beginning of 1970, by the clock of the machine.
    pub at: u128,
    /// Where: an argument of the witness, such as `file:/token/access_token`.
    pub place: String,
    /// What: the [`digest`] of it; nothing where there was nothing to read.
    pub digest: Option<u64>,
}

/// A number that stands for content and does not tell it. It is the same in every program of the same build.
#[must_use]
pub fn digest(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}

impl fmt::Display for Sighting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, place, digest } = self;
        match digest {
            Some(digest) => write!(formatter, "{at} {place} {digest:016x}"),
            None => write!(formatter, "{at} {place} nothing"),
        }
    }
}

impl FromStr for Sighting {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let read = || {
            let mut words = line.split(' ');
            let (at, place, digest) = (words.next()?, words.next()?, words.next()?);
            let digest = match digest {
                "nothing" => None,
                digits => Some(u64::from_str_radix(digits, 16).ok()?),
            };
            Some(Self {
                at: at.parse().ok()?,
                place: place.to_owned(),
                digest,
            })
        };
        read().ok_or_else(|| format!("{line:?} is no line of a witness"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for digest in [Some(digest(b"a token")), None] {
            let sighting = Sighting {
                at: 1_790_000_000_000_000_001,
                place: "file:/token/access_token".to_owned(),
                digest,
            };
            assert_eq!(sighting.to_string().parse(), Ok(sighting));
        }
        for line in ["", "now file:/x 0", "1 file:/x", "1 file:/x what"] {
            assert!(line.parse::<Sighting>().is_err(), "{line}");
        }
    }

    #[test]
    fn a_digest_tells_contents_apart_and_is_not_the_content() {
        assert_eq!(digest(b"a token"), digest(b"a token"));
        assert_ne!(digest(b"a token"), digest(b"a tokem"));
    }
}
