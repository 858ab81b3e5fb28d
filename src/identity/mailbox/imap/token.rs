//! The words of a response.

/// A response as it came: its text, and the literals with the places in the text where they stood.
#[derive(Default)]
pub(super) struct Response {
    pub(super) text: Vec<u8>,
    pub(super) literals: Vec<(usize, Vec<u8>)>,
}

/// A word of a response (RFC 3501 section 4).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// An atom or number; what stands in square brackets belongs to it, as in `BODY[HEADER]<0>`.
    Atom(&'a [u8]),
    Quoted(Vec<u8>),
    Literal(&'a [u8]),
}

impl Token<'_> {
    /// The bytes of a string. `None` for parentheses and for `NIL`.
    pub(super) fn string(self) -> Option<Vec<u8>> {
        match self {
            Self::Open | Self::Close => None,
            Self::Atom(atom) => (!atom.eq_ignore_ascii_case(b"NIL")).then(|| atom.to_vec()),
            Self::Quoted(bytes) => Some(bytes),
            Self::Literal(bytes) => Some(bytes.to_vec()),
        }
    }
}

/// Reads a response word by word, whatever it holds: a quote that is never closed ends with the response.
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    offset: usize,
    literals: &'a [(usize, Vec<u8>)],
}

impl<'a> Tokens<'a> {
    pub(super) fn new(response: &'a Response) -> Self {
        Self {
            rest: &response.text,
            offset: 0,
            literals: &response.literals,
        }
    }

    /// What has not been read, as text.
    pub(super) fn remaining_text(&self) -> String {
        String::from_utf8_lossy(self.rest).trim().to_owned()
    }

    fn take_literal(&mut self) -> Option<&'a [u8]> {
        let ((at, bytes), others) = self.literals.split_first()?;
        if *at > self.offset {
            return None;
        }
        self.literals = others;
        Some(bytes)
    }

    fn advance(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        self.offset = self.offset.saturating_add(taken.len());
        taken
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut length = 0_usize;
        let mut escaped = false;
        for &byte in self.rest {
            length = length.saturating_add(1);
            match byte {
                b'"' if !escaped => break,
                b'\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                _ => content.push(byte),
            }
            escaped = false;
        }
        self.advance(length);
        content
    }

    fn atom_length(&self) -> usize {
        let mut bracketed = false;
        self.rest
            .iter()
            .take_while(|&&byte| {
                match byte {
                    b'[' => bracketed = true,
                    b']' => bracketed = false,
                    _ => {}
                }
                bracketed || !matches!(byte, b' ' | b'(' | b')' | b'"')
            })
            .count()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if let Some(literal) = self.take_literal() {
                return Some(Token::Literal(literal));
            }
            match self.rest.first()? {
                b' ' => {
                    self.advance(1);
                }
                b'(' => {
                    self.advance(1);
                    return Some(Token::Open);
                }
                b')' => {
                    self.advance(1);
                    return Some(Token::Close);
                }
                b'"' => {
                    self.advance(1);
                    return Some(Token::Quoted(self.quoted()));
                }
                _ => {
                    let length = self.atom_length();
                    return Some(Token::Atom(self.advance(length)));
                }
            }
        }
    }
}
