//! What is accepted and what is refused, with the sentence that the user reads.

use serde_json::{Value, json};

/// A resource that is created, or changed from an earlier form.
pub(crate) struct Case {
    pub(crate) says: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) earlier: Option<Value>,
    pub(crate) spec: Value,
    pub(crate) expected: Expected,
}

pub(crate) enum Expected {
    Accepted,
    /// Refused by a CEL rule with this sentence.
    ByRule(&'static str),
    /// Refused by the schema; the API server's answer holds this.
    BySchema(&'static str),
}

use Expected::{Accepted, ByRule, BySchema};

const APPLICATION: &str = "ClientApplication";
const PROVIDER: &str = "IdentityProvider";
const CLUSTER_PROVIDER: &str = "ClusterIdentityProvider";

const KEYS_CLASH: &str = "secret.keys gives the same name to two keys";
const INSECURE_AUTH: &str = "didit.authUrl must start with https://";
const INSECURE_API: &str = "didit.apiUrl must start with https://";
const AUTH_URL: &str = "didit.authUrl must be an absolute http or https address";
const API_URL: &str = "didit.apiUrl must be an absolute http or https address";
const DATA_LOCATION: &str = "spec.didit.dataLocation cannot change";
const ADOPT: &str = "spec.adopt cannot change once it is set";
const SECRET_TYPE: &str = "spec.secret.type cannot change while spec.secret.name stays";
const LABEL_VALUES: &str = "secret.labels may only have values that Kubernetes accepts for labels";

fn application(change: Value) -> Value {
    merged(
        json!({
            "providerRef": {"kind": "IdentityProvider", "name": "didit"},
            "secret": {"name": "payments-didit"},
        }),
        change,
    )
}

fn provider(change: Value) -> Value {
    merged(
        json!({"didit": {"accountSecretRef": {"name": "didit-account"}}}),
        change,
    )
}

/// JSON merge patch (RFC 7396).
fn merged(base: Value, change: Value) -> Value {
    match (base, change) {
        (Value::Object(mut base), Value::Object(change)) => {
            for (key, value) in change {
                let before = base.remove(&key).unwrap_or(Value::Null);
                if !value.is_null() {
                    base.insert(key, merged(before, value));
                }
            }
            Value::Object(base)
        }
        (_, change) => change,
    }
}

fn create(kind: &'static str, says: &'static str, spec: Value, expected: Expected) -> Case {
    Case {
        says,
        kind,
        earlier: None,
        spec,
        expected,
    }
}

fn change(says: &'static str, earlier: Value, spec: Value, expected: Expected) -> Case {
    Case {
        says,
        kind: APPLICATION,
        earlier: Some(application(earlier)),
        spec: application(spec),
        expected,
    }
}

pub(crate) fn all() -> Vec<Case> {
    [applications(), secrets(), changes(), providers()]
        .into_iter()
        .flatten()
        .collect()
}

fn applications() -> Vec<Case> {
    let case = |says, spec, expected| create(APPLICATION, says, application(spec), expected);
    let didit = |says, didit: Value, expected| {
        create(APPLICATION, says, application(json!({"didit": didit})), expected)
    };
    vec![
        case("the least that is needed", json!({}), Accepted),
        case(
            "no provider",
            json!({"providerRef": null}),
            BySchema("spec.providerRef: Required value"),
        ),
        case(
            "no secret",
            json!({"secret": null}),
            BySchema("spec.secret: Required value"),
        ),
        case(
            "an unknown kind of provider",
            json!({"providerRef": {"kind": "Vault"}}),
            BySchema("supported values: \"IdentityProvider\", \"ClusterIdentityProvider\""),
        ),
        case(
            "a display name",
            json!({"displayName": "payments-prod"}),
            Accepted,
        ),
        case(
            "an empty display name",
            json!({"displayName": ""}),
            BySchema("spec.displayName"),
        ),
        case(
            "a display name with a space at its end",
            json!({"displayName": "payments "}),
            ByRule("displayName may not begin or end with white space"),
        ),
        case(
            "a display name with a space inside",
            json!({"displayName": "Payments of the shop"}),
            Accepted,
        ),
        case("Retain", json!({"deletionPolicy": "Retain"}), Accepted),
        case(
            "Delete, which Didit cannot do",
            json!({"deletionPolicy": "Delete"}),
            ByRule(
                "spec.deletionPolicy: only Retain is possible, since Didit offers no call that deletes an application",
            ),
        ),
        case(
            "a revocation, which Didit cannot do",
            json!({"accessToken": {"revocationPolicy": "OnDeletion"}}),
            ByRule("spec.accessToken.revocationPolicy: only Never is possible"),
        ),
        case(
            "an adoption",
            json!({"adopt": {"applicationId": "7c1f3a52-0f2d-4f0b-8f57-0e6a4a3b9c02"}}),
            Accepted,
        ),
        case(
            "an adoption that would lead elsewhere",
            json!({"adopt": {"applicationId": "../../x"}}),
            BySchema("spec.adopt.applicationId"),
        ),
        didit(
            "all of Didit's fields",
            json!({
                "websiteUrl": "https://pay.corp.example.net", "redirectUris": ["https://pay.corp.example.net/done", "app://done"],
                "termsUrl": "http://pay.corp.example.net/terms", "privacyUrl": "https://pay.corp.example.net/privacy",
                "description": "Checkout", "dataLocation": "eu",
            }),
            Accepted,
        ),
        didit(
            "a website without scheme",
            json!({"websiteUrl": "pay.corp.example.net"}),
            ByRule("websiteUrl must be an absolute address"),
        ),
        didit(
            "a website by ftp",
            json!({"websiteUrl": "ftp://pay.corp.example.net"}),
            ByRule("websiteUrl must be an absolute address"),
        ),
        didit(
            "terms without scheme",
            json!({"termsUrl": "/terms"}),
            ByRule("termsUrl must be an absolute address"),
        ),
        didit(
            "privacy by another scheme",
            json!({"privacyUrl": "mailto:a@b"}),
            ByRule("privacyUrl must be an absolute address"),
        ),
        didit("no redirect URIs", json!({"redirectUris": []}), Accepted),
        didit(
            "a relative redirect URI",
            json!({"redirectUris": ["done"]}),
            ByRule("redirectUris must be absolute URIs without a fragment"),
        ),
        didit(
            "a redirect URI with a fragment",
            json!({"redirectUris": ["https://a.example/#x"]}),
            ByRule("redirectUris must be absolute URIs without a fragment"),
        ),
        didit(
            "a description that ends with a line break",
            json!({"description": "Checkout\n"}),
            ByRule("description may not begin or end with white space"),
        ),
        didit(
            "a description of two lines",
            json!({"description": "Checkout\nof the shop"}),
            Accepted,
        ),
        didit(
            "a description that poses as a mark",
            json!({"description": "x\n[keywright cluster=a"}),
            ByRule("description may not contain \"[keywright \""),
        ),
    ]
}

fn secrets() -> Vec<Case> {
    let case = |says, secret: Value, expected| {
        create(
            APPLICATION,
            says,
            application(json!({"secret": secret})),
            expected,
        )
    };
    vec![
        case(
            "all of a secret",
            json!({
                "type": "keywright.dev/credentials", "labels": {"team": "payments"}, "annotations": {"note": "any text: yes"},
                "keys": {"apiKey": "DIDIT_API_KEY", "clientId": "DIDIT_CLIENT_ID"},
            }),
            Accepted,
        ),
        case(
            "a name that is none",
            json!({"name": "Payments"}),
            BySchema("spec.secret.name"),
        ),
        case(
            "a service account's token",
            json!({"type": "kubernetes.io/service-account-token"}),
            BySchema("supported values: \"Opaque\", \"keywright.dev/credentials\""),
        ),
        case(
            "a key that is none",
            json!({"keys": {"apiKey": "api key"}}),
            BySchema("spec.secret.keys.apiKey"),
        ),
        case(
            "one name for two keys",
            json!({"keys": {"apiKey": "id", "clientId": "id"}}),
            ByRule(KEYS_CLASH),
        ),
        case(
            "the usual name of another key",
            json!({"keys": {"apiKey": "client_id"}}),
            ByRule(KEYS_CLASH),
        ),
        case(
            "two names exchanged",
            json!({"keys": {"apiKey": "client_id", "clientId": "api_key"}}),
            Accepted,
        ),
        case(
            "a label of ours",
            json!({"labels": {"app.kubernetes.io/managed-by": "me"}}),
            ByRule("secret.labels may not set"),
        ),
        case(
            "a label in our name",
            json!({"labels": {"keywright.dev/x": "y"}}),
            ByRule("secret.labels may not set"),
        ),
        case(
            "a label value with a space",
            json!({"labels": {"team": "pay ments"}}),
            ByRule(LABEL_VALUES),
        ),
        case("an empty label value", json!({"labels": {"team": ""}}), Accepted),
        case(
            "an annotation in our name",
            json!({"annotations": {"keywright.dev/owner-uid": "y"}}),
            ByRule("secret.annotations may not set"),
        ),
    ]
}

fn changes() -> Vec<Case> {
    let adopted = || json!({"adopt": {"applicationId": "a"}});
    vec![
        change(
            "a new display name",
            json!({"displayName": "a"}),
            json!({"displayName": "b"}),
            Accepted,
        ),
        change(
            "another provider",
            json!({}),
            json!({"providerRef": {"name": "other"}}),
            ByRule("spec.providerRef cannot change"),
        ),
        change(
            "a data location added",
            json!({}),
            json!({"didit": {"dataLocation": "eu"}}),
            ByRule(DATA_LOCATION),
        ),
        change(
            "a data location changed",
            json!({"didit": {"dataLocation": "eu"}}),
            json!({"didit": {"dataLocation": "au"}}),
            ByRule(DATA_LOCATION),
        ),
        change(
            "a data location removed",
            json!({"didit": {"dataLocation": "eu"}}),
            json!({}),
            ByRule(DATA_LOCATION),
        ),
        change(
            "a data location kept",
            json!({"didit": {"dataLocation": "eu"}}),
            json!({"didit": {"dataLocation": "eu", "description": "x"}}),
            Accepted,
        ),
        change("an adoption added", json!({}), adopted(), Accepted),
        change(
            "an adoption changed",
            adopted(),
            json!({"adopt": {"applicationId": "b"}}),
            ByRule(ADOPT),
        ),
        change("an adoption removed", adopted(), json!({}), ByRule(ADOPT)),
        change(
            "another type for the same Secret",
            json!({}),
            json!({"secret": {"type": "keywright.dev/credentials"}}),
            ByRule(SECRET_TYPE),
        ),
        change(
            "the usual type named",
            json!({}),
            json!({"secret": {"type": "Opaque"}}),
            Accepted,
        ),
        change(
            "another type with another name",
            json!({}),
            json!({"secret": {"name": "other", "type": "keywright.dev/credentials"}}),
            Accepted,
        ),
    ]
}

fn providers() -> Vec<Case> {
    let case = |says, spec, expected| create(PROVIDER, says, provider(spec), expected);
    let didit =
        |says, didit: Value, expected| create(PROVIDER, says, provider(json!({"didit": didit})), expected);
    let shared = |says, spec, expected| create(CLUSTER_PROVIDER, says, provider(spec), expected);
    vec![
        case("the least that is needed", json!({}), Accepted),
        case(
            "no identity API",
            json!({"didit": null}),
            BySchema("spec.didit: Required value"),
        ),
        didit(
            "no account",
            json!({"accountSecretRef": null}),
            BySchema("spec.didit.accountSecretRef: Required value"),
        ),
        didit(
            "all of it",
            json!({
                "accountSecretRef": {"name": "a", "keys": {"email": "user", "password": "pass", "totpSeed": "seed"}},
                "organization": {"name": "ops"}, "authUrl": "https://a.example/auth/v2", "apiUrl": "https://b.example/v3",
                "caBundle": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
            }),
            Accepted,
        ),
        didit(
            "an organization by two names",
            json!({"organization": {"name": "ops", "id": "x"}}),
            ByRule("didit.organization needs exactly one of id and name"),
        ),
        didit(
            "an organization by none",
            json!({"organization": {}}),
            ByRule("didit.organization needs exactly one of id and name"),
        ),
        didit(
            "two CA bundles",
            json!({"caBundle": {"configMapKeyRef": {"name": "a", "key": "b"}, "secretKeyRef": {"name": "a", "key": "b"}}}),
            ByRule("caBundle needs exactly one of"),
        ),
        didit(
            "no CA bundle in a caBundle",
            json!({"caBundle": {}}),
            ByRule("caBundle needs exactly one of"),
        ),
        didit(
            "an insecure auth host",
            json!({"authUrl": "http://127.0.0.1:8477/auth/v2"}),
            ByRule(INSECURE_AUTH),
        ),
        didit(
            "an insecure verification host",
            json!({"apiUrl": "http://127.0.0.1:8477/v3"}),
            ByRule(INSECURE_API),
        ),
        didit(
            "insecure hosts that are permitted",
            json!({"authUrl": "http://127.0.0.1:8477/auth/v2", "apiUrl": "http://127.0.0.1:8477/v3", "allowInsecure": true}),
            Accepted,
        ),
        didit(
            "an auth host that is no address",
            json!({"authUrl": "https://a.example/?x=1"}),
            ByRule(AUTH_URL),
        ),
        didit(
            "an auth host with a password",
            json!({"authUrl": "https://me:secret@a.example/"}),
            ByRule(AUTH_URL),
        ),
        didit(
            "a verification host that is no address",
            json!({"apiUrl": "https://a.example/#x"}),
            ByRule(API_URL),
        ),
        shared("nobody allowed", json!({}), Accepted),
        shared(
            "some allowed",
            json!({"allowedNamespaces": {"names": ["shop"], "selector": {"matchLabels": {"team": "payments"}}}}),
            Accepted,
        ),
        shared(
            "an insecure shared auth host",
            json!({"didit": {"authUrl": "http://a.example/auth/v2"}}),
            ByRule(INSECURE_AUTH),
        ),
    ]
}
