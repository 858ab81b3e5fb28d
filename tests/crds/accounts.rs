//! Resources of kind IdentityAccount, and whether the API server shall take them.

use serde_json::{Value, json};

use super::cases::Expected::{Accepted, ByRule, BySchema};
use super::cases::{AUTH_URL, Case, INSECURE_API, INSECURE_AUTH, KEYS_CLASH, SECRET_TYPE, create, merged};

const ACCOUNT: &str = "IdentityAccount";
const ADDRESS: &str = "spec.email must be an e-mail address";
const RESERVED: &str = "spec.email: no mail reaches this domain";

fn account(change: Value) -> Value {
    merged(
        json!({
            "didit": {},
            "email": "ops@corp.example.net",
            "code": {"secretRef": {"name": "ops-code"}},
            "secret": {"name": "ops-account"},
        }),
        change,
    )
}

pub(super) fn accounts() -> Vec<Case> {
    let case = |says, spec, expected| create(ACCOUNT, says, account(spec), expected);
    let email = |says, email: &str, expected| case(says, json!({"email": email}), expected);
    let changed = |says, spec, expected| Case {
        says,
        kind: ACCOUNT,
        earlier: Some(account(json!({}))),
        spec: account(spec),
        expected,
    };
    let by_mailbox = |mailbox: Value| {
        let whole = merged(
            json!({"host": "imap.corp.example.net", "secretRef": {"name": "ops-mailbox"}}),
            mailbox,
        );
        json!({"code": {"secretRef": null, "mailbox": whole}})
    };
    let mailbox = |says, mailbox, expected| case(says, by_mailbox(mailbox), expected);
    vec![
        case("the least that is needed", json!({}), Accepted),
        case(
            "all of it",
            json!({
                "didit": {
                    "authUrl": "https://a.corp.example.net/auth/v2", "apiUrl": "https://b.corp.example.net/v3",
                    "caBundle": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
                },
                "passwordSecretRef": {"name": "ops-password", "key": "password"},
                "code": {"secretRef": {"name": "ops-code", "key": "one-time-code"}},
                "secret": {"keys": {"email": "DIDIT_EMAIL", "password": "DIDIT_PASSWORD"}},
                "keepToken": true, "suspend": false,
            }),
            Accepted,
        ),
        case(
            "no Didit",
            json!({"didit": null}),
            BySchema("spec.didit: Required value"),
        ),
        case(
            "no e-mail address",
            json!({"email": null}),
            BySchema("spec.email: Required value"),
        ),
        case(
            "no source of codes",
            json!({"code": null}),
            BySchema("spec.code: Required value"),
        ),
        case(
            "no Secret",
            json!({"secret": null}),
            BySchema("spec.secret: Required value"),
        ),
        email("an address with a tag", "ops+didit@corp.example.net", Accepted),
        email(
            "an address with an apostrophe",
            "o'neill@corp.example.net",
            Accepted,
        ),
        email("no address", "ops", ByRule(ADDRESS)),
        email(
            "an address with a name",
            "Ops <ops@corp.example.net>",
            ByRule(ADDRESS),
        ),
        email(
            "two addresses",
            "a@corp.example.net,b@corp.example.net",
            ByRule(ADDRESS),
        ),
        email("two ats", "a@b@corp.example.net", ByRule(ADDRESS)),
        email("a domain without a dot", "ops@localhost", ByRule(ADDRESS)),
        email(
            "a domain that ends with a dot",
            "ops@corp.example.net.",
            ByRule(ADDRESS),
        ),
        email("a line break", "ops@corp.example.net\n", ByRule(ADDRESS)),
        email("example.com", "ops@example.com", ByRule(RESERVED)),
        email(
            "a name below example.org in capitals",
            "ops@corp.EXAMPLE.org",
            ByRule(RESERVED),
        ),
        email("example.net", "ops@example.net", ByRule(RESERVED)),
        email("a name below test", "ops@corp.test", ByRule(RESERVED)),
        email("a name below example", "ops@corp.example", ByRule(RESERVED)),
        email("a name below invalid", "ops@a.b.invalid", ByRule(RESERVED)),
        email("a name below localhost", "ops@corp.localhost", ByRule(RESERVED)),
        email(
            "a domain that only looks reserved",
            "test@myexample.com",
            Accepted,
        ),
        email("a domain with a reserved word in it", "ops@test.io", Accepted),
        case(
            "an insecure auth host",
            json!({"didit": {"authUrl": "http://127.0.0.1:8477/auth/v2"}}),
            ByRule(INSECURE_AUTH),
        ),
        case(
            "an insecure verification host",
            json!({"didit": {"apiUrl": "http://127.0.0.1:8477/v3"}}),
            ByRule(INSECURE_API),
        ),
        case(
            "insecure hosts that are permitted",
            json!({"didit": {"authUrl": "http://127.0.0.1:8477/auth/v2", "apiUrl": "http://127.0.0.1:8477/v3", "allowInsecure": true}}),
            Accepted,
        ),
        case(
            "an auth host that is no address",
            json!({"didit": {"authUrl": "https://a.corp.example.net/?x=1"}}),
            ByRule(AUTH_URL),
        ),
        case(
            "two sources of codes",
            json!({"code": {"mailbox": {"host": "imap.corp.example.net", "secretRef": {"name": "a"}}}}),
            ByRule("code needs exactly one of secretRef and mailbox"),
        ),
        case(
            "an empty source of codes",
            json!({"code": {"secretRef": null}}),
            ByRule("code needs exactly one of secretRef and mailbox"),
        ),
        case(
            "a password in the Secret that is written",
            json!({"passwordSecretRef": {"name": "ops-account", "key": "password"}}),
            ByRule("spec.passwordSecretRef may not name the Secret of spec.secret"),
        ),
        case(
            "a code in the Secret that is written",
            json!({"code": {"secretRef": {"name": "ops-account"}}}),
            ByRule("spec.code.secretRef may not name the Secret of spec.secret"),
        ),
        case(
            "a key for a scope",
            json!({"secret": {"keys": {"scope": "scopes"}}}),
            ByRule("spec.secret.keys: the token of an account has no scope"),
        ),
        case(
            "a Secret without a place for the password",
            json!({"secret": {"formats": ["AuthorizationHeader"]}}),
            ByRule("spec.secret.formats: AuthorizationHeader alone"),
        ),
        case(
            "a header beside the password",
            json!({"secret": {"formats": ["Json", "AuthorizationHeader"]}, "keepToken": true}),
            Accepted,
        ),
        case(
            "the usual name of the password for another key",
            json!({"secret": {"keys": {"apiKey": "password"}}}),
            ByRule(KEYS_CLASH),
        ),
        mailbox("a mailbox", json!({}), Accepted),
        mailbox(
            "all of a mailbox",
            json!({
                "port": 10993, "secretRef": {"keys": {"username": "user", "password": "pass"}}, "folder": "Codes",
                "senders": ["no-reply@didit.me", "didit.me"], "caBundle": {"secretKeyRef": {"name": "a", "key": "b"}},
                "afterRead": {"action": "Move", "folder": "Archive"},
            }),
            Accepted,
        ),
        mailbox(
            "a mailbox without credentials",
            json!({"secretRef": null}),
            BySchema("spec.code.mailbox.secretRef: Required value"),
        ),
        mailbox(
            "a host with a scheme",
            json!({"host": "imaps://imap.corp.example.net"}),
            BySchema("spec.code.mailbox.host"),
        ),
        mailbox("no port", json!({"port": 0}), BySchema("spec.code.mailbox.port")),
        mailbox(
            "a sender that is neither address nor domain",
            json!({"senders": ["Didit <no-reply@didit.me>"]}),
            BySchema("spec.code.mailbox.senders"),
        ),
        mailbox(
            "mails marked as read",
            json!({"afterRead": {"action": "MarkSeen"}}),
            Accepted,
        ),
        mailbox(
            "a move without a folder",
            json!({"afterRead": {"action": "Move"}}),
            ByRule("mailbox.afterRead needs folder with action Move, and only then"),
        ),
        mailbox(
            "a folder without a move",
            json!({"afterRead": {"action": "Keep", "folder": "Archive"}}),
            ByRule("mailbox.afterRead needs folder with action Move, and only then"),
        ),
        changed(
            "another e-mail address",
            json!({"email": "other@corp.example.net"}),
            ByRule("spec.email cannot change"),
        ),
        changed(
            "another identity API",
            json!({"didit": {"authUrl": "https://other.corp.example.net/auth/v2"}}),
            ByRule("spec.didit.authUrl cannot change"),
        ),
        changed(
            "another type for the same account's Secret",
            json!({"secret": {"type": "keywright.dev/credentials"}}),
            ByRule(SECRET_TYPE),
        ),
        changed("another source of codes", by_mailbox(json!({})), Accepted),
        changed("a token that is kept", json!({"keepToken": true}), Accepted),
    ]
}
