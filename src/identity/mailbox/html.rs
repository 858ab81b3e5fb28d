//! The words of an HTML text, without its tags.

/// Elements whose content nobody sees.
const UNSEEN: [&str; 5] = ["head", "style", "script", "template", "title"];

/// Elements within a line. Everything else begins a line of its own.
const WITHIN_LINE: [&str; 20] = [
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "em", "font", "i", "mark", "small", "span",
    "strong", "sub", "sup", "tt", "u", "wbr",
];

/// Elements that stand beside each other.
const CELLS: [&str; 2] = ["td", "th"];

/// The text as lines, about as a mail program would show it. Never fails: what is no HTML stays as it is.
pub(super) fn to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    let mut unseen: Option<String> = None;
    while let Some((before, from_tag)) = split_before(rest, '<') {
        if unseen.is_none() {
            push_words(&mut text, before);
        }
        let (tag, after) = split_tag(from_tag);
        rest = after;
        let Some(tag) = tag else {
            if unseen.is_none() {
                text.push('<');
            }
            continue;
        };
        match &unseen {
            Some(name) if tag.closes && tag.name == *name => unseen = None,
            Some(_) => {}
            None if UNSEEN.contains(&tag.name.as_str()) => {
                unseen = (!tag.closes && !tag.is_empty).then_some(tag.name);
            }
            None => text.push_str(separator(&tag.name)),
        }
    }
    if unseen.is_none() {
        push_words(&mut text, rest);
    }
    text
}

struct Tag {
    /// In lower case; empty for a comment and the like.
    name: String,
    closes: bool,
    is_empty: bool,
}

fn separator(name: &str) -> &'static str {
    if name.is_empty() || WITHIN_LINE.contains(&name) {
        ""
    } else if CELLS.contains(&name) {
        " "
    } else {
        "\n"
    }
}

fn split_before(text: &str, mark: char) -> Option<(&str, &str)> {
    text.split_at_checked(text.find(mark)?)
}

/// The tag at the start of a text and what follows it. No tag if the `<` stands for itself.
fn split_tag(text: &str) -> (Option<Tag>, &str) {
    let inner = text.strip_prefix('<').unwrap_or(text);
    if let Some(comment) = inner.strip_prefix("!--") {
        let after = comment.split_once("-->").map_or("", |(_, after)| after);
        return (Some(nameless()), after);
    }
    let is_tag =
        inner.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '?'));
    if !is_tag {
        return (None, inner);
    }
    let (content, after) = inner.split_once('>').unwrap_or((inner, ""));
    let closes = content.starts_with('/');
    let name: String = content
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let tag = Tag {
        name,
        closes,
        is_empty: content.ends_with('/'),
    };
    (Some(tag), after)
}

const fn nameless() -> Tag {
    Tag {
        name: String::new(),
        closes: false,
        is_empty: true,
    }
}

/// Appends words; line ends in HTML are spaces, and entities are the characters that they stand for.
fn push_words(text: &mut String, words: &str) {
    let mut rest = words;
    while let Some((before, from_entity)) = split_before(rest, '&') {
        push_plain(text, before);
        let (character, after) = split_entity(from_entity);
        text.push(character);
        rest = after;
    }
    push_plain(text, rest);
}

fn push_plain(text: &mut String, words: &str) {
    text.extend(words.chars().map(|character| match character {
        '\r' | '\n' | '\t' => ' ',
        other => other,
    }));
}

/// The character at the start of a text that begins with `&`, and what follows it.
fn split_entity(text: &str) -> (char, &str) {
    let inner = text.strip_prefix('&').unwrap_or(text);
    let end = inner.bytes().take(12).position(|byte| byte == b';');
    let entity = end.and_then(|end| inner.split_at_checked(end));
    let Some((name, after)) = entity else {
        return ('&', inner);
    };
    match entity_character(name) {
        Some(character) => (character, after.strip_prefix(';').unwrap_or(after)),
        None => ('&', inner),
    }
}

/// Numbers, and the few names that matter between words and digits.
fn entity_character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" => '\'',
        "nbsp" | "ensp" | "emsp" | "thinsp" => ' ',
        "zwnj" | "zwj" | "shy" => '\u{200b}',
        "ndash" | "mdash" => '–',
        "colon" => ':',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(html: &str) -> Vec<String> {
        to_text(html)
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect()
    }

    #[test]
    fn lines_are_those_that_a_person_sees() {
        for (html, expected) in [
            (
                "<p>Your code:</p><p><b>K7Q2ZD</b></p>",
                &["Your code:", "K7Q2ZD"][..],
            ),
            (
                "Your code\r\nis <span>K7</span><span>Q2ZD</span>",
                &["Your code is K7Q2ZD"],
            ),
            (
                "<table><tr><td>Code</td><td>K7Q2ZD</td></tr></table>",
                &["Code K7Q2ZD"],
            ),
            ("one<br>two<BR/>three", &["one", "two", "three"]),
            ("<style>.x{color:#A1B2C3}</style><p>seen</p>", &["seen"]),
            ("<head><title>T</title><style>x</style></head>seen", &["seen"]),
            ("<!-- <p>K7Q2ZD</p> -->seen", &["seen"]),
            ("<a href=\"https://example.net/AB12CD\">link</a>", &["link"]),
            (
                "5 &lt; 6 &amp;&nbsp;7 &#75;&#x37; &unknown; &",
                &["5 < 6 & 7 K7 &unknown; &"],
            ),
            ("1 < 2", &["1 < 2"]),
            ("cut <p", &["cut"]),
            ("cut <!-- off", &["cut"]),
            ("<script>never closed", &[]),
        ] {
            assert_eq!(lines(html), expected, "{html}");
        }
    }
}
