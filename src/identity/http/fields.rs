//! Reading fields out of a JSON answer, with a sentence for each way it can be wrong.
//!
//! Deriving `Deserialize` would do less: its errors quote the value they tripped over, which here may be a
//! secret.

use serde_json::{Map, Value};

/// Why an answer could not be read, as a sentence that quotes no value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// One JSON object of an answer. Unknown fields are ignored, and null is the same as absent.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    label: String,
}

impl<'a> Fields<'a> {
    /// The answer itself.
    ///
    /// # Errors
    ///
    /// When it is not an object.
    pub fn of_answer(answer: &'a Value) -> Result<Self, Unreadable> {
        Self::labelled(answer, "the answer".to_owned())
    }

    /// One object of a list; `index` counts from zero.
    ///
    /// # Errors
    ///
    /// When it is not an object.
    pub fn of_item(item: &'a Value, index: usize) -> Result<Self, Unreadable> {
        Self::labelled(item, format!("item {} of the answer", index.saturating_add(1)))
    }

    fn labelled(value: &'a Value, label: String) -> Result<Self, Unreadable> {
        match value {
            Value::Object(object) => Ok(Self { object, label }),
            _ => Err(Unreadable(format!("{label} is not a JSON object"))),
        }
    }

    /// The field, if it is there and not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// An error about a field: `what` completes "the answer's `name` …".
    #[must_use]
    pub fn wrong(&self, name: &str, what: &str) -> Unreadable {
        Unreadable(format!("{}'s `{name}` {what}", self.label))
    }

    /// A field that has to be a string with something in it.
    ///
    /// # Errors
    ///
    /// When it is missing, empty or not a string.
    pub fn text(&self, name: &str) -> Result<&'a str, Unreadable> {
        match self.optional_text(name)? {
            None => Err(Unreadable(format!("{} has no `{name}`", self.label))),
            Some("") => Err(self.wrong(name, "is empty")),
            Some(text) => Ok(text),
        }
    }

    /// A field that is a string where it is given.
    ///
    /// # Errors
    ///
    /// When it is there and not a string.
    pub fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Unreadable> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "is not a string")),
        }
    }

    /// A field that is a list of strings where it is given.
    ///
    /// # Errors
    ///
    /// When it is there and not a list of strings.
    pub fn optional_texts(&self, name: &str) -> Result<Option<Vec<String>>, Unreadable> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_array()
            .and_then(|items| {
                items
                    .iter()
                    .map(|item| item.as_str().map(str::to_owned))
                    .collect()
            })
            .map(Some)
            .ok_or_else(|| self.wrong(name, "is not a list of strings"))
    }

    /// A field that is true; anything else, and its absence, is false.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_is_wrong_is_named_and_its_value_is_not_quoted() {
        let answer =
            json!({"number": 5, "empty": "", "null": null, "mixed": ["a", 1], "secret": {"a": "sk_live"}});
        let fields = Fields::of_answer(&answer).unwrap();
        assert_eq!(
            fields.text("client_id").unwrap_err().0,
            "the answer has no `client_id`"
        );
        assert_eq!(fields.text("null").unwrap_err().0, "the answer has no `null`");
        assert_eq!(
            fields.text("empty").unwrap_err().0,
            "the answer's `empty` is empty"
        );
        assert_eq!(
            fields.text("number").unwrap_err().0,
            "the answer's `number` is not a string"
        );
        assert_eq!(
            fields.text("secret").unwrap_err().0,
            "the answer's `secret` is not a string"
        );
        assert_eq!(
            fields.optional_texts("mixed").unwrap_err().0,
            "the answer's `mixed` is not a list of strings"
        );
        assert_eq!(fields.optional_text("null"), Ok(None));
        assert_eq!(fields.optional_texts("absent"), Ok(None));
        let item = json!("text");
        assert_eq!(
            Fields::of_item(&item, 2).err().map(|error| error.0).as_deref(),
            Some("item 3 of the answer is not a JSON object")
        );
    }
}
