//! What is read out of a mail.

use mail_parser::{HeaderName, HeaderValue, Message, MessageParser, MimeHeaders, PartType};

use super::html;

/// Of a mail with more parts, the rest is not read.
const MAX_PARTS: usize = 32;

/// A mail's readable content.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The subject line; empty without one.
    pub(super) subject: String,
    /// The texts, each the same for a person who reads it: what is written in HTML is without its tags.
    pub(super) texts: Vec<String>,
}

/// All addresses in the header fields `From`, even if there are several fields.
pub(super) fn from_addresses(header: &[u8]) -> Vec<String> {
    let Some(message) = MessageParser::new().parse_headers(header) else {
        return Vec::new();
    };
    message
        .header_values(HeaderName::From)
        .flat_map(|value| match value {
            HeaderValue::Address(address) => address
                .iter()
                .map(|entry| entry.address().unwrap_or_default().to_owned())
                .collect(),
            // A field that is there and cannot be read must not be passed over.
            _ => vec![String::new()],
        })
        .collect()
}

/// What a person would read. A mail that is cut off is read as far as it goes.
pub(super) fn content(mail: &[u8]) -> Content {
    let closed = closed(mail);
    let Some(message) = MessageParser::new().parse(&closed) else {
        return Content::default();
    };
    Content {
        subject: message.subject().unwrap_or_default().to_owned(),
        texts: texts(&message),
    }
}

/// The mail with the ends of its multiparts once more, innermost first. The parser decodes no part whose end is
/// missing, and behind the end of a mail they mean nothing (RFC 2046 section 5.1.1).
fn closed(mail: &[u8]) -> Vec<u8> {
    let mut closed = mail.to_vec();
    let Some(message) = MessageParser::new().parse(mail) else {
        return closed;
    };
    let boundaries = message
        .parts
        .iter()
        .take(MAX_PARTS)
        .filter_map(|part| part.content_type()?.attribute("boundary"));
    for boundary in boundaries.collect::<Vec<_>>().into_iter().rev() {
        closed.extend(format!("\r\n--{boundary}--\r\n").bytes());
    }
    closed
}

fn texts(message: &Message<'_>) -> Vec<String> {
    message
        .parts
        .iter()
        .take(MAX_PARTS)
        .filter_map(|part| match &part.body {
            PartType::Text(text) => Some(text.to_string()),
            PartType::Html(text) => Some(html::to_text(text)),
            _ => None,
        })
        .collect()
}
