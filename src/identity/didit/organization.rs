//! Which of the account's organizations is meant.

use crate::identity::http::tidy;
use crate::identity::{CallError, ErrorKind, Organization};

/// How the organization to manage is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrganizationChoice {
    /// The account's only one.
    Only,
    /// The one with this UUID.
    Id(String),
    /// The one with exactly this name.
    Name(String),
}

/// How many organizations an error names.
const MAX_NAMED: usize = 10;

pub(super) fn choose(
    choice: &OrganizationChoice,
    account: &str,
    organizations: &[Organization],
) -> Result<Organization, CallError> {
    let matching: Vec<&Organization> = organizations
        .iter()
        .filter(|organization| match choice {
            OrganizationChoice::Only => true,
            OrganizationChoice::Id(id) => organization.id.eq_ignore_ascii_case(id),
            OrganizationChoice::Name(name) => organization.name == *name,
        })
        .collect();
    match *matching.as_slice() {
        [organization] => Ok(organization.clone()),
        [] => Err(error(
            "OrganizationNotFound",
            not_found(choice, account, organizations),
        )),
        [..] => Err(error(
            "OrganizationAmbiguous",
            ambiguous(choice, account, &matching),
        )),
    }
}

fn not_found(choice: &OrganizationChoice, account: &str, organizations: &[Organization]) -> String {
    let wanted = match choice {
        OrganizationChoice::Id(id) => format!("with the id `{}`", tidy(id)),
        OrganizationChoice::Name(name) => format!("named `{}`", tidy(name)),
        OrganizationChoice::Only => String::new(),
    };
    if organizations.is_empty() {
        return format!(
            "the account {account} is a member of no organization; add it to one in Didit's console"
        );
    }
    let all: Vec<_> = organizations.iter().collect();
    format!(
        "the account {account} is not a member of an organization {wanted}, only of: {}; correct \
         `spec.didit.organization`, or add the account to the organization in Didit's console",
        list(&all)
    )
}

fn ambiguous(choice: &OrganizationChoice, account: &str, matching: &[&Organization]) -> String {
    let (count, list) = (matching.len(), list(matching));
    match choice {
        OrganizationChoice::Only => format!(
            "the account {account} is a member of {count} organizations: {list}; name one of them in \
             `spec.didit.organization`"
        ),
        OrganizationChoice::Id(_) | OrganizationChoice::Name(_) => format!(
            "{count} organizations of the account {account} match: {list}; give the id of one of them in \
             `spec.didit.organization`"
        ),
    }
}

fn list(organizations: &[&Organization]) -> String {
    let mut named: Vec<String> = organizations
        .iter()
        .take(MAX_NAMED)
        .map(|organization| format!("{} ({})", tidy(&organization.name), organization.id))
        .collect();
    if organizations.len() > MAX_NAMED {
        named.push(format!("and {} more", organizations.len() - MAX_NAMED));
    }
    named.join(", ")
}

fn error(reason: &'static str, message: String) -> CallError {
    CallError {
        operation: "listOrganizations",
        kind: ErrorKind::Misconfigured { reason },
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(id: &str, name: &str) -> Organization {
        Organization {
            id: id.to_owned(),
            name: name.to_owned(),
        }
    }

    fn refused(choice: &OrganizationChoice, organizations: &[Organization]) -> (ErrorKind, String) {
        let error = choose(choice, "ops@corp.example.net", organizations).unwrap_err();
        (error.kind, error.message)
    }

    #[test]
    fn the_only_one_an_id_or_an_exact_name_chooses() {
        let (ops, shop) = (organization("0b-1", "ops"), organization("0b-2", "shop"));
        let both = [ops.clone(), shop.clone()];
        let choose = |choice, all: &[Organization]| choose(&choice, "ops@corp.example.net", all).unwrap();
        assert_eq!(choose(OrganizationChoice::Only, std::slice::from_ref(&ops)), ops);
        assert_eq!(choose(OrganizationChoice::Id("0B-2".to_owned()), &both), shop);
        assert_eq!(choose(OrganizationChoice::Name("ops".to_owned()), &both), ops);
    }

    #[test]
    fn none_is_not_found() {
        const NOT_FOUND: ErrorKind = ErrorKind::Misconfigured {
            reason: "OrganizationNotFound",
        };
        assert_eq!(
            refused(&OrganizationChoice::Only, &[]),
            (
                NOT_FOUND,
                "the account ops@corp.example.net is a member of no organization; add it to one in Didit's \
                 console"
                    .to_owned()
            )
        );
        assert_eq!(
            refused(&OrganizationChoice::Name("Ops".to_owned()), &[organization("0b-1", "ops")]),
            (
                NOT_FOUND,
                "the account ops@corp.example.net is not a member of an organization named `Ops`, only of: ops \
                 (0b-1); correct `spec.didit.organization`, or add the account to the organization in Didit's \
                 console"
                    .to_owned()
            )
        );
    }

    #[test]
    fn several_are_ambiguous() {
        const AMBIGUOUS: ErrorKind = ErrorKind::Misconfigured {
            reason: "OrganizationAmbiguous",
        };
        let twins = [organization("0b-1", "ops"), organization("0b-2", "ops")];
        assert_eq!(
            refused(&OrganizationChoice::Only, &twins),
            (
                AMBIGUOUS,
                "the account ops@corp.example.net is a member of 2 organizations: ops (0b-1), ops (0b-2); name \
                 one of them in `spec.didit.organization`"
                    .to_owned()
            )
        );
        assert_eq!(
            refused(&OrganizationChoice::Name("ops".to_owned()), &twins),
            (
                AMBIGUOUS,
                "2 organizations of the account ops@corp.example.net match: ops (0b-1), ops (0b-2); give the id \
                 of one of them in `spec.didit.organization`"
                    .to_owned()
            )
        );
        let many: Vec<_> = (0..25)
            .map(|n| organization(&format!("id-{n}"), &"x".repeat(5000)))
            .collect();
        let (_, sentence) = refused(&OrganizationChoice::Only, &many);
        assert!(sentence.contains("(id-9), and 15 more;"), "{sentence}");
        assert!(!sentence.contains("id-10"));
        assert!(sentence.chars().count() < 4000);
    }
}
