use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::layout::LayoutError;
use super::{
    Content, Format, Layout, Member, Vocabulary, digest, entries, fingerprint, read_back, recognise,
};

fn content() -> Content {
    Content::default()
        .with(Member::AccessToken, "at.value")
        .with(Member::TokenType, "bearer")
        .with_expiry("2027-01-15T08:00:00.9Z".parse::<Timestamp>().unwrap())
        .with_known(Member::Scope, None::<String>)
        .with(Member::ClientId, "client")
        .with_known(Member::ApiKey, Some("sk_value"))
}

fn layout(formats: &[Format]) -> Layout {
    Layout::new(Vocabulary::Didit, formats.to_vec(), BTreeMap::new())
}

fn all_formats() -> [Format; 5] {
    [
        Format::Keys,
        Format::Environment,
        Format::json(),
        Format::dotenv(),
        Format::authorization_header(),
    ]
}

fn texts(entries: &BTreeMap<String, ByteString>) -> Vec<(&str, &str)> {
    entries
        .iter()
        .map(|(key, value)| (key.as_str(), str::from_utf8(&value.0).unwrap()))
        .collect()
}

#[test]
fn every_format_is_written_to_the_byte() {
    type Entries<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&[Format], Entries<'_>); 5] = [
        (
            &[],
            &[
                ("access_token", "at.value"),
                ("api_key", "sk_value"),
                ("client_id", "client"),
                ("expires_at", "2027-01-15T08:00:00Z"),
                ("token_type", "bearer"),
            ],
        ),
        (
            &[Format::Environment],
            &[
                ("DIDIT_ACCESS_TOKEN", "at.value"),
                ("DIDIT_API_KEY", "sk_value"),
                ("DIDIT_CLIENT_ID", "client"),
                ("DIDIT_EXPIRES_AT", "2027-01-15T08:00:00Z"),
                ("DIDIT_TOKEN_TYPE", "bearer"),
            ],
        ),
        (
            &[Format::json()],
            &[(
                "credentials.json",
                r#"{"client_id":"client","api_key":"sk_value","access_token":"at.value","token_type":"bearer","expires_at":"2027-01-15T08:00:00Z"}"#,
            )],
        ),
        (
            &[Format::dotenv()],
            &[(
                "credentials.env",
                "DIDIT_CLIENT_ID=\"client\"\nDIDIT_API_KEY=\"sk_value\"\nDIDIT_ACCESS_TOKEN=\"at.value\"\n\
                 DIDIT_TOKEN_TYPE=\"bearer\"\nDIDIT_EXPIRES_AT=\"2027-01-15T08:00:00Z\"\n",
            )],
        ),
        (
            &[Format::authorization_header()],
            &[("authorization", "Authorization: Bearer at.value")],
        ),
    ];
    for (formats, expected) in cases {
        let entries = entries(&content(), &layout(formats)).unwrap();
        assert_eq!(texts(&entries), expected, "{formats:?}");
    }
}

#[test]
fn a_dotenv_file_says_the_same_to_a_shell_and_runs_nothing() {
    let odd = [
        "plain",
        "",
        "two words",
        "#no comment",
        "a\"b",
        "it's",
        r"back\slash",
        r"end\",
        "$HOME",
        "${HOME}",
        "$(echo run)",
        "`echo run`",
        "it's `echo run`",
        r"'\`$(echo run)`",
        r#"'"\$"#,
        "!history",
        "ünïcode",
    ];
    for value in odd {
        let content = Content::default().with(Member::Scope, value);
        let written = entries(&content, &layout(&[Format::dotenv()])).unwrap();
        let file = str::from_utf8(&written["credentials.env"].0).unwrap();
        let shell = std::process::Command::new("sh")
            .args(["-c", "eval \"$1\"; printf %s \"$DIDIT_SCOPE\"", "sh", file])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), value, "{file}");
        assert!(shell.stderr.is_empty(), "{file}");
    }
}

#[test]
fn formats_stand_beside_each_other_and_keep_the_names_that_were_chosen() {
    let names = BTreeMap::from([(Member::AccessToken, "token".to_owned())]);
    let formats = vec![
        Format::Environment,
        Format::Json {
            key: "all.json".into(),
        },
        Format::authorization_header(),
    ];
    let layout = Layout::new(Vocabulary::OAuth2, formats, names);
    let token = Content::default()
        .with(Member::AccessToken, "at")
        .with(Member::Scope, "read write");
    assert_eq!(
        texts(&entries(&token, &layout).unwrap()),
        [
            ("OAUTH2_SCOPE", "read write"),
            ("all.json", r#"{"access_token":"at","scope":"read write"}"#),
            ("authorization", "Authorization: Bearer at"),
            ("token", "at"),
        ]
    );
}

#[test]
fn a_header_needs_a_token_and_follows_its_type() {
    let header = layout(&[Format::authorization_header()]);
    let key_only = Content::default().with(Member::ApiKey, "sk");
    assert!(entries(&key_only, &header).unwrap().is_empty());
    let other = content().with(Member::TokenType, "DPoP");
    assert_eq!(
        texts(&entries(&other, &header).unwrap()),
        [("authorization", "Authorization: DPoP at.value")]
    );
}

#[test]
fn a_key_for_two_things_is_refused_and_both_are_named() {
    let names = BTreeMap::from([
        (Member::AccessToken, "token".to_owned()),
        (Member::ApiKey, "token".to_owned()),
    ]);
    let twice = Layout::new(Vocabulary::Didit, vec![], names);
    assert_eq!(
        entries(&content(), &twice).unwrap_err().to_string(),
        "the key 'token' of the Secret is chosen for api_key and for access_token: \
         give one of them another name in secret.keys"
    );
    let token_only = Content::default().with(Member::AccessToken, "at");
    assert!(
        entries(&token_only, &twice).is_ok(),
        "what is not written takes no name"
    );

    let shadowed = layout(&[
        Format::Keys,
        Format::Json {
            key: "client_id".into(),
        },
    ]);
    let error = entries(&content(), &shadowed).unwrap_err().to_string();
    assert!(
        error.contains("for client_id and for the JSON document"),
        "{error}"
    );
}

#[test]
fn a_value_with_a_line_break_is_refused_without_being_shown() {
    let smuggled = content().with(Member::AccessToken, "at\nX-Admin: yes");
    let error = entries(&smuggled, &layout(&[Format::authorization_header()])).unwrap_err();
    assert_eq!(
        error,
        LayoutError::ControlCharacter {
            member: Member::AccessToken
        }
    );
    assert!(!error.to_string().contains("X-Admin"));
}

#[test]
fn debug_output_names_members_and_shows_no_value() {
    let shown = format!("{:?}", content());
    assert!(shown.contains("AccessToken"), "{shown}");
    for value in ["at.value", "sk_value"] {
        assert!(!shown.contains(value), "{shown}");
    }
}

#[test]
fn a_token_is_recognised_under_names_that_are_wanted_no_more() {
    for format in all_formats() {
        let names = BTreeMap::from([(Member::AccessToken, "OLD_NAME".to_owned())]);
        let old = Layout::new(Vocabulary::Didit, vec![format.clone()], names);
        let written = entries(&content(), &old).unwrap();
        let token = SecretString::from("at.value");
        let found = recognise(&written, "uid", &fingerprint("uid", &token));
        assert_eq!(found.unwrap().expose_secret(), "at.value", "{format:?}");
        assert!(recognise(&written, "uid", &fingerprint("other uid", &token)).is_none());
        assert!(recognise(&written, "uid", &fingerprint("uid", &"other".into())).is_none());
    }
}

#[test]
fn what_someone_else_put_there_is_no_token() {
    for format in all_formats() {
        let layout = layout(&[format]);
        for junk in [
            &b"\xff\xfe"[..],
            b"",
            b"{}",
            b"[1]",
            b"{\"access_token\":1}",
            b"DIDIT_ACCESS_TOKEN=\"at",
        ] {
            let all = layout.names([Member::AccessToken]).unwrap();
            let edited = all
                .into_iter()
                .map(|key| (key, ByteString(junk.to_vec())))
                .collect();
            let found = read_back(&edited, &layout, Member::AccessToken);
            // A plain key holds whatever it holds.
            let is_plain = matches!(layout.formats[0], Format::Keys | Format::Environment);
            assert!(
                found.is_none() || is_plain && !junk.is_empty(),
                "{layout:?} {junk:?}"
            );
        }
    }
}

/// Any text without control characters, and often those that mean something to a reader.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\\pC]{0,20}",
        r#"[a\\"'$`#{}= ]{0,12}"#,
        "[A-Za-z0-9._~+/-]{1,40}={0,2}",
    ]
}

fn contents() -> impl Strategy<Value = Content> {
    let values = prop::collection::btree_map(prop::sample::select(&Member::ALL[..]), value(), 0..12);
    values.prop_map(|values| {
        values
            .into_iter()
            .fold(Content::default(), |content, (member, value)| {
                content.with(member, value)
            })
    })
}

fn exposed(content: &Content) -> Vec<(Member, String)> {
    content
        .exposed()
        .map(|(member, value)| (member, value.to_owned()))
        .collect()
}

proptest! {
    #[test]
    fn the_token_is_read_back_from_whichever_format_holds_it(
        content in contents(),
        token in "[A-Za-z0-9._~+/-]{1,40}={0,2}",
        formats in prop::sample::subsequence(all_formats().to_vec(), 1..=5),
    ) {
        let content = content.with(Member::AccessToken, token.clone()).with(Member::TokenType, "Bearer");
        let layout = layout(&formats);
        let written = entries(&content, &layout).unwrap();
        let found = read_back(&written, &layout, Member::AccessToken).unwrap();
        prop_assert_eq!(found.expose_secret(), token);

        let without = BTreeMap::new();
        prop_assert!(read_back(&without, &layout, Member::AccessToken).is_none());
    }

    #[test]
    fn a_dotenv_file_says_the_same_to_a_reader_of_others(content in contents()) {
        let written = entries(&content, &layout(&[Format::dotenv()])).unwrap();
        let read: Vec<(String, String)> = dotenvy::from_read_iter(written["credentials.env"].0.as_slice())
            .collect::<Result<_, _>>()
            .unwrap();
        let expected: Vec<(String, String)> = exposed(&content)
            .into_iter()
            .map(|(member, value)| (Vocabulary::Didit.variable(member), value))
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_json_document_says_the_same_to_any_reader(content in contents()) {
        let written = entries(&content, &layout(&[Format::json()])).unwrap();
        let read: BTreeMap<String, String> = serde_json::from_slice(&written["credentials.json"].0).unwrap();
        let expected: BTreeMap<String, String> = exposed(&content)
            .into_iter()
            .map(|(member, value)| (member.name().to_owned(), value))
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn different_contents_have_different_digests_and_keys_of_others_do_not_count(
        one in contents(),
        other in contents(),
        formats in prop::sample::subsequence(all_formats().to_vec(), 1..=5),
    ) {
        // A header alone does not hold everything.
        prop_assume!(formats != [Format::authorization_header()]);
        let layout = layout(&formats);
        let digest_in = |content: &Content| {
            let mut written = entries(content, &layout).unwrap();
            written.insert("theirs".into(), ByteString(b"x".to_vec()));
            digest("uid", &written, layout.names(content.members()).unwrap()).unwrap()
        };
        prop_assert_eq!(exposed(&one) == exposed(&other), digest_in(&one) == digest_in(&other));

        let names = layout.names(one.members()).unwrap();
        let written = entries(&one, &layout).unwrap();
        prop_assert_eq!(digest("uid", &written, &names), Some(digest_in(&one)));
        for name in &names {
            let mut incomplete = written.clone();
            incomplete.remove(name);
            prop_assert_eq!(digest("uid", &incomplete, &names), None);
        }
    }
}
