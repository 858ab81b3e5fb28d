//! The ownership mark that Keywright leaves on an application.
//!
//! It stands on a line of its own at the end of the application's description, below whatever a person
//! wrote there:
//!
//! ```text
//! Checkout of the web shop
//! [keywright cluster=3f0c… namespace=shop name=payments uid=9a51…]
//! ```
//!
//! After a crash it tells which application was made for which resource, and to other clusters and people
//! it tells who holds the application.

use std::fmt;

const OPENING: &str = "[keywright ";

/// The resource that an application is held for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Identifier of the cluster: the UID of its `kube-system` namespace, unless it was configured.
    pub cluster: String,
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// UID of the resource.
    pub uid: String,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            namespace,
            name,
            uid,
        } = self;
        write!(
            f,
            "{OPENING}cluster={cluster} namespace={namespace} name={name} uid={uid}]"
        )
    }
}

impl Mark {
    /// Reads a line; anything that is not exactly a mark is somebody's text.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.trim().strip_prefix(OPENING)?.strip_suffix(']')?.split(' ');
        let mut field = |key: &str| {
            let value = fields.next()?.strip_prefix(key)?.strip_prefix('=')?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let mark = Self {
            cluster: field("cluster")?,
            namespace: field("namespace")?,
            name: field("name")?,
            uid: field("uid")?,
        };
        fields.next().is_none().then_some(mark)
    }

    /// Whether both name the same resource of the same cluster, though perhaps an earlier one of that name.
    #[must_use]
    pub fn same_place(&self, other: &Self) -> bool {
        (&self.cluster, &self.namespace, &self.name) == (&other.cluster, &other.namespace, &other.name)
    }
}

/// The mark in a description. Where several stand, the last one counts.
#[must_use]
pub fn find(description: &str) -> Option<Mark> {
    description.lines().rev().find_map(Mark::parse)
}

/// What a person wrote: the description without marks.
#[must_use]
pub fn strip(description: &str) -> String {
    description
        .lines()
        .filter(|line| Mark::parse(line).is_none())
        .collect::<Vec<_>>()
        .join("\n")
        .trim_end()
        .to_owned()
}

/// A description that carries the mark below the text.
#[must_use]
pub fn compose(text: &str, mark: &Mark) -> String {
    match strip(text) {
        text if text.is_empty() => mark.to_string(),
        text => format!("{text}\n{mark}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payments() -> Mark {
        Mark {
            cluster: "c-1".into(),
            namespace: "shop".into(),
            name: "payments".into(),
            uid: "9a51".into(),
        }
    }

    #[test]
    fn the_text_of_a_person_stays_readable_above_the_mark() {
        let described = compose("Checkout\nof the shop", &payments());
        assert_eq!(
            described,
            "Checkout\nof the shop\n[keywright cluster=c-1 namespace=shop name=payments uid=9a51]"
        );
        assert_eq!(find(&described), Some(payments()));
        assert_eq!(strip(&described), "Checkout\nof the shop");
    }

    #[test]
    fn text_that_only_resembles_a_mark_is_not_one() {
        for text in [
            "[keywright]",
            "[keywright cluster= namespace=a name=b uid=c]",
            "[keywright namespace=a cluster=c name=b uid=c]",
            "[keywright cluster=a namespace=a name=b uid=c more=d]",
            "see [keywright cluster=a namespace=a name=b uid=c]",
        ] {
            assert_eq!(find(text), None, "{text}");
            assert_eq!(strip(text), text);
        }
    }

    proptest! {
        #[test]
        fn any_description_survives_being_marked(text in any::<String>()) {
            let described = compose(&text, &payments());
            prop_assert_eq!(find(&described), Some(payments()));
            prop_assert_eq!(strip(&described), strip(&text));
            prop_assert_eq!(compose(&described, &payments()), described);
        }
    }
}
