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
const TOKEN: &str = "AccessToken";
const PROVIDER: &str = "IdentityProvider";
const CLUSTER_PROVIDER: &str = "ClusterIdentityProvider";

pub(super) const KEYS_CLASH: &str = "secret.keys gives the same name to two keys";
pub(super) const INSECURE_AUTH: &str = "didit.authUrl must start with https://";
pub(super) const INSECURE_API: &str = "didit.apiUrl must start with https://";
pub(super) const AUTH_URL: &str = "didit.authUrl must be an absolute http or https address";
const API_URL: &str = "didit.apiUrl must be an absolute http or https address";
const DATA_LOCATION: &str = "spec.didit.dataLocation cannot change";
const ADOPT: &str = "spec.adopt cannot change once it is set";
pub(super) const SECRET_TYPE: &str = "spec.secret.type cannot change while spec.secret.name stays";
const LABEL_VALUES: &str = "secret.labels may only have values that Kubernetes accepts for labels";

const ONE_API: &str = "spec needs exactly one of didit and oauth2";
const ANOTHER_API: &str = "spec.didit and spec.oauth2 cannot take each other's place";
const ONE_CLIENT: &str = "client needs exactly one of clientApplicationRef, secretRef and providerAccount";
const REMAINING: &str = "spec.minimumRemaining";
const NO_REQUEST: &str =
    "spec.scopes, spec.audience and spec.resources have no meaning with client.providerAccount";
const TOKEN_KEYS: &str =
    "spec.secret.keys: the Secret of an AccessToken holds accessToken, tokenType, expiresAt, scope";
const ISSUER: &str = "oauth2.issuer must be an absolute https address";
const INSECURE_ENDPOINT: &str = "oauth2.endpoints must start with https://";
const ASSERTION_ONLY: &str = "signingAlgorithm and audience are for method private_key_jwt only";
const RESOURCES: &str = "resources must be absolute URIs without a fragment (RFC 8707 section 2)";
const PROBE: &str = "verification.probeUrl must be an absolute https address";

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
pub(super) fn merged(base: Value, change: Value) -> Value {
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

pub(super) fn create(kind: &'static str, says: &'static str, spec: Value, expected: Expected) -> Case {
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
    [
        applications(),
        inline_tokens(),
        secrets(),
        formats(),
        changes(),
        providers(),
        authorization_servers(),
        provider_changes(),
        budgets(),
        tokens(),
        token_clients(),
        token_changes(),
        super::accounts::accounts(),
    ]
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
            "an adoption of what came with an account",
            json!({"adopt": {"accountRef": {"name": "ops"}}}),
            Accepted,
        ),
        case(
            "an adoption of two applications",
            json!({"adopt": {"accountRef": {"name": "ops"}, "applicationId": "a"}}),
            ByRule("adopt needs exactly one of applicationId and accountRef"),
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
            "a name for an account's password",
            json!({"keys": {"password": "pass"}}),
            ByRule("spec.secret.keys: the Secret of a ClientApplication holds no email and no password"),
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
        case("no identity API", json!({"didit": null}), ByRule(ONE_API)),
        case(
            "two identity APIs",
            json!({"oauth2": {"issuer": "https://login.example"}}),
            ByRule(ONE_API),
        ),
        didit(
            "no account",
            json!({"accountSecretRef": null}),
            ByRule("didit needs exactly one of accountSecretRef and accountRef"),
        ),
        didit(
            "an account that is signed up",
            json!({"accountSecretRef": null, "accountRef": {"name": "ops"}}),
            Accepted,
        ),
        didit(
            "two accounts",
            json!({"accountRef": {"name": "ops"}}),
            ByRule("didit needs exactly one of accountSecretRef and accountRef"),
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
        shared("no identity API", json!({"didit": null}), ByRule(ONE_API)),
        shared(
            "two identity APIs",
            json!({"oauth2": {"issuer": "https://login.example"}}),
            ByRule(ONE_API),
        ),
        shared(
            "what namespaces may have",
            json!({"allowAdoption": true, "allowAccountTokens": false, "allowedScopes": ["orders:read"], "shareTokens": true}),
            Accepted,
        ),
        shared(
            "an allowed scope without a name",
            json!({"allowedScopes": [""]}),
            BySchema("spec.allowedScopes[0]"),
        ),
        shared(
            "an allowed scope that no request can name",
            json!({"allowedScopes": ["orders read"]}),
            BySchema("spec.allowedScopes[0]"),
        ),
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

fn inline_tokens() -> Vec<Case> {
    let case = |says, token: Value, expected| {
        create(
            APPLICATION,
            says,
            application(json!({"accessToken": token})),
            expected,
        )
    };
    vec![
        case("a token with all defaults", json!({}), Accepted),
        case(
            "a token with everything",
            json!({"scopes": ["orders:read"], "minimumRemaining": "10m", "revocationPolicy": "Never"}),
            Accepted,
        ),
        case(
            "a token that shall last too long",
            json!({"minimumRemaining": "721h"}),
            ByRule("minimumRemaining may be 720h at the most"),
        ),
        case(
            "a relative resource indicator",
            json!({"resources": ["/orders"]}),
            ByRule(RESOURCES),
        ),
    ]
}

/// Every name that a key of a Secret has by itself, with the field that changes it.
pub(crate) const KEYS: [(&str, &str); 13] = [
    ("clientId", "client_id"),
    ("apiKey", "api_key"),
    ("applicationId", "application_id"),
    ("organizationId", "organization_id"),
    ("apiUrl", "api_url"),
    ("accessToken", "access_token"),
    ("tokenType", "token_type"),
    ("expiresAt", "expires_at"),
    ("scope", "scope"),
    ("previousAccessToken", "previous_access_token"),
    ("json", "credentials.json"),
    ("dotenv", "credentials.env"),
    ("authorizationHeader", "authorization"),
];

fn formats() -> Vec<Case> {
    let case = |says, secret: Value, expected| {
        create(
            APPLICATION,
            says,
            application(json!({"secret": secret})),
            expected,
        )
    };
    let mut cases = vec![
        case(
            "formats side by side",
            json!({"formats": ["Keys", "Json", "Dotenv", "AuthorizationHeader"], "previousAccessToken": true}),
            Accepted,
        ),
        case(
            "one format twice",
            json!({"formats": ["Json", "Json"]}),
            ByRule("secret.formats may name each format once"),
        ),
        case(
            "two ways to name the same keys",
            json!({"formats": ["Keys", "Environment"]}),
            ByRule("secret.formats: Keys and Environment are two ways to name the same keys"),
        ),
        case(
            "a format that is none",
            json!({"formats": ["Yaml"]}),
            BySchema("spec.secret.formats[0]: Unsupported value"),
        ),
    ];
    for (index, (field, _)) in KEYS.iter().enumerate() {
        let (_, other) = KEYS[(index + 1) % KEYS.len()];
        let clash = json!({"keys": {*field: other}});
        cases.push(case("the usual name of the next key", clash, ByRule(KEYS_CLASH)));
        let free = json!({"keys": {*field: "another"}});
        cases.push(case("a name of its own", free, Accepted));
        let none = json!({"keys": {*field: "no key"}});
        cases.push(case("a key that is none", none, BySchema("spec.secret.keys.")));
    }
    cases
}

fn oauth2(change: Value) -> Value {
    json!({"oauth2": merged(json!({"issuer": "https://login.example"}), change)})
}

fn provider_changes() -> Vec<Case> {
    let case = |says, kind, earlier: Value, spec: Value, expected| Case {
        says,
        kind,
        earlier: Some(earlier),
        spec,
        expected,
    };
    let both = |says, earlier: Value, spec: Value, refused: bool| {
        [PROVIDER, CLUSTER_PROVIDER].map(|kind| {
            let expected = if refused { ByRule(ANOTHER_API) } else { Accepted };
            case(says, kind, earlier.clone(), spec.clone(), expected)
        })
    };
    let elsewhere = oauth2(json!({"issuer": "https://staging.example"}));
    let suspended = provider(json!({"suspend": true}));
    [
        both(
            "an OAuth 2.0 server after Didit",
            provider(json!({})),
            oauth2(json!({})),
            true,
        ),
        both(
            "Didit after an OAuth 2.0 server",
            oauth2(json!({})),
            provider(json!({})),
            true,
        ),
        both("another issuer", oauth2(json!({})), elsewhere, false),
        both("the same Didit, suspended", provider(json!({})), suspended, false),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn authorization_servers() -> Vec<Case> {
    let case = |says, server: Value, expected| create(PROVIDER, says, oauth2(server), expected);
    let mut cases = vec![
        case("an issuer", json!({}), Accepted),
        create(CLUSTER_PROVIDER, "a shared issuer", oauth2(json!({})), Accepted),
        case(
            "neither issuer nor endpoints",
            json!({"issuer": null}),
            ByRule("oauth2 needs issuer, whose metadata names the endpoints, or endpoints.token"),
        ),
        case(
            "endpoints without that for tokens",
            json!({"issuer": null, "endpoints": {"revocation": "https://login.example/revoke"}}),
            ByRule("oauth2 needs issuer, whose metadata names the endpoints, or endpoints.token"),
        ),
        case(
            "endpoints by hand",
            json!({"issuer": null, "endpoints": {"token": "https://login.example/token?tenant=1"}}),
            Accepted,
        ),
        case(
            "an endpoint in place of that of the metadata",
            json!({"endpoints": {"introspection": "https://login.example/introspect"}}),
            Accepted,
        ),
        case(
            "an issuer with a query",
            json!({"issuer": "https://login.example/?a=b"}),
            ByRule(ISSUER),
        ),
        case(
            "an issuer with a user",
            json!({"issuer": "https://me@login.example"}),
            ByRule(ISSUER),
        ),
        case(
            "an issuer with a fragment",
            json!({"issuer": "https://login.example/#a"}),
            ByRule(ISSUER),
        ),
        case(
            "an issuer that is no address",
            json!({"issuer": "login.example"}),
            ByRule(ISSUER),
        ),
        case(
            "an insecure issuer",
            json!({"issuer": "http://login.example"}),
            ByRule("oauth2.issuer must start with https://"),
        ),
        case(
            "an insecure server that is permitted",
            json!({"issuer": "http://login.example", "endpoints": {"token": "http://login.example/token"}, "allowInsecure": true}),
            Accepted,
        ),
        case(
            "an extra parameter",
            json!({"extraParameters": {"tenant": "shop", "actor": "x"}}),
            Accepted,
        ),
        case(
            "the method for all clients",
            json!({"clientAuthentication": {"method": "client_secret_post"}}),
            Accepted,
        ),
        case(
            "a signed assertion with all of it",
            json!({"clientAuthentication": {"method": "private_key_jwt", "signingAlgorithm": "ES256", "audience": "https://login.example/token"}}),
            Accepted,
        ),
        case(
            "an algorithm for a method that signs nothing",
            json!({"clientAuthentication": {"method": "client_secret_basic", "signingAlgorithm": "RS256"}}),
            ByRule(ASSERTION_ONLY),
        ),
        case(
            "an audience for a method that signs nothing",
            json!({"clientAuthentication": {"method": "tls_client_auth", "audience": "x"}}),
            ByRule(ASSERTION_ONLY),
        ),
        case(
            "an unknown method",
            json!({"clientAuthentication": {"method": "client_secret_jwt"}}),
            BySchema("spec.oauth2.clientAuthentication.method: Unsupported value"),
        ),
        case(
            "no method",
            json!({"clientAuthentication": {}}),
            BySchema("spec.oauth2.clientAuthentication.method: Required value"),
        ),
        case(
            "an algorithm without a key",
            json!({"clientAuthentication": {"method": "private_key_jwt", "signingAlgorithm": "HS256"}}),
            BySchema("spec.oauth2.clientAuthentication.signingAlgorithm: Unsupported value"),
        ),
        case(
            "an authorization server's CA by two sources",
            json!({"caBundle": {"configMapKeyRef": {"name": "a", "key": "b"}, "secretKeyRef": {"name": "a", "key": "b"}}}),
            ByRule("caBundle needs exactly one of"),
        ),
    ];
    for (name, sentence) in [
        (
            "token",
            "oauth2.endpoints.token must be an absolute https address",
        ),
        (
            "introspection",
            "oauth2.endpoints.introspection must be an absolute https address",
        ),
        (
            "revocation",
            "oauth2.endpoints.revocation must be an absolute https address",
        ),
    ] {
        for address in [
            "login.example/x",
            "https://me@login.example/x",
            "https://login.example/x#y",
            "ftp://login.example",
        ] {
            cases.push(case(
                "an endpoint that is no address",
                json!({"endpoints": {name: address}}),
                ByRule(sentence),
            ));
        }
        cases.push(case(
            "an insecure endpoint",
            json!({"endpoints": {name: "http://login.example/x"}}),
            ByRule(INSECURE_ENDPOINT),
        ));
    }
    for name in [
        "grant_type",
        "scope",
        "audience",
        "resource",
        "refresh_token",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
    ] {
        cases.push(case(
            "an extra parameter that Keywright sends itself",
            json!({"extraParameters": {name: "x"}}),
            ByRule("oauth2.extraParameters may not set what Keywright sends itself"),
        ));
    }
    cases
}

fn budgets() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [PROVIDER, CLUSTER_PROVIDER] {
        let case = |says, budget: Value, expected| {
            create(
                kind,
                says,
                merged(oauth2(json!({})), json!({"requestBudget": budget})),
                expected,
            )
        };
        cases.push(case("a budget with defaults", json!({}), Accepted));
        for (field, most) in [
            ("requestsPerMinute", 600_000),
            ("burst", 10_000),
            ("concurrency", 1_000),
        ] {
            cases.push(case("the least", json!({field: 1}), Accepted));
            cases.push(case("the most", json!({field: most}), Accepted));
            cases.push(case(
                "none at all",
                json!({field: 0}),
                BySchema("should be greater than or equal to 1"),
            ));
            cases.push(case(
                "too many",
                json!({field: most + 1}),
                BySchema("should be less than or equal to"),
            ));
        }
    }
    cases
}

fn token(change: Value) -> Value {
    merged(
        json!({
            "providerRef": {"kind": "IdentityProvider", "name": "login"},
            "client": {"secretRef": {"name": "orders-client"}},
            "secret": {"name": "orders-token"},
        }),
        change,
    )
}

fn tokens() -> Vec<Case> {
    let case = |says, spec, expected| create(TOKEN, says, token(spec), expected);
    let mut cases = vec![
        case("the least that is needed", json!({}), Accepted),
        case(
            "everything",
            json!({
                "scopes": ["orders:read", "openid"], "audience": "orders", "resources": ["https://orders.example/v1", "urn:orders"],
                "minimumRemaining": "10m", "verification": {"method": "Probe", "probeUrl": "https://orders.example/me?x=1"},
                "revocationPolicy": "OnDeletion", "suspend": false,
                "secret": {"formats": ["Environment", "AuthorizationHeader"], "previousAccessToken": true, "keys": {"accessToken": "TOKEN"}},
            }),
            Accepted,
        ),
        case(
            "no provider",
            json!({"providerRef": null}),
            BySchema("spec.providerRef: Required value"),
        ),
        case(
            "no client",
            json!({"client": null}),
            BySchema("spec.client: Required value"),
        ),
        case(
            "no secret",
            json!({"secret": null}),
            BySchema("spec.secret: Required value"),
        ),
        case(
            "an empty audience",
            json!({"audience": ""}),
            BySchema("spec.audience"),
        ),
        case(
            "an empty scope",
            json!({"scopes": [""]}),
            BySchema("spec.scopes[0]"),
        ),
        case(
            "two scopes in one",
            json!({"scopes": ["a b"]}),
            BySchema("spec.scopes[0]"),
        ),
        case(
            "a scope with a quote",
            json!({"scopes": ["a\"b"]}),
            BySchema("spec.scopes[0]"),
        ),
        case(
            "a scope with a backslash",
            json!({"scopes": ["a\\b"]}),
            BySchema("spec.scopes[0]"),
        ),
        case(
            "a scope beyond ASCII",
            json!({"scopes": ["prüfen"]}),
            BySchema("spec.scopes[0]"),
        ),
        case(
            "a scope like an address",
            json!({"scopes": ["https://orders.example/.default"]}),
            Accepted,
        ),
        case(
            "too many scopes",
            json!({"scopes": vec!["a"; 65]}),
            BySchema("spec.scopes: Too many"),
        ),
        case(
            "a relative resource indicator",
            json!({"resources": ["orders"]}),
            ByRule(RESOURCES),
        ),
        case(
            "a resource indicator with a fragment",
            json!({"resources": ["https://orders.example/#a"]}),
            ByRule(RESOURCES),
        ),
        case(
            "one good resource indicator and one bad",
            json!({"resources": ["https://orders.example", "/orders"]}),
            ByRule(RESOURCES),
        ),
        case("720 hours", json!({"minimumRemaining": "720h"}), Accepted),
        case(
            "more than 720 hours",
            json!({"minimumRemaining": "720h1s"}),
            ByRule("minimumRemaining may be 720h at the most"),
        ),
        case(
            "more hours than can be counted",
            json!({"minimumRemaining": "9999999999999999999999h"}),
            BySchema(REMAINING),
        ),
        case("revoked never", json!({"revocationPolicy": "Never"}), Accepted),
        case(
            "revoked always",
            json!({"revocationPolicy": "Always"}),
            BySchema("spec.revocationPolicy: Unsupported value"),
        ),
        case(
            "whatever verification there is",
            json!({"verification": {}}),
            Accepted,
        ),
        case(
            "introspection",
            json!({"verification": {"method": "Introspection"}}),
            Accepted,
        ),
        case(
            "a probe, if need be",
            json!({"verification": {"probeUrl": "https://orders.example/me"}}),
            Accepted,
        ),
        case(
            "a probe of nothing",
            json!({"verification": {"method": "Probe"}}),
            ByRule("verification.method Probe needs verification.probeUrl"),
        ),
        case(
            "introspection and a probe",
            json!({"verification": {"method": "Introspection", "probeUrl": "https://orders.example/me"}}),
            ByRule("verification.probeUrl is not used with method Introspection"),
        ),
        case(
            "a probe of no address",
            json!({"verification": {"probeUrl": "orders.example"}}),
            ByRule(PROBE),
        ),
        case(
            "a probe with a password",
            json!({"verification": {"probeUrl": "https://me:word@orders.example"}}),
            ByRule(PROBE),
        ),
        case(
            "another way to verify",
            json!({"verification": {"method": "Guess"}}),
            BySchema("spec.verification.method: Unsupported value"),
        ),
    ];
    for good in ["10m", "1h30m", "90s", "0s", "500ms", "1.5h"] {
        cases.push(case(
            "a good duration",
            json!({"minimumRemaining": good}),
            Accepted,
        ));
    }
    for bad in [
        "",
        "10",
        "m",
        "10 m",
        "-10m",
        "+10m",
        "10d",
        "1h-30m",
        "PT10M",
        "ten minutes",
        "10us",
    ] {
        cases.push(case(
            "a bad duration",
            json!({"minimumRemaining": bad}),
            BySchema(REMAINING),
        ));
    }
    for (field, _) in KEYS.iter().take(5) {
        cases.push(case(
            "a key that an application's Secret has",
            json!({"secret": {"keys": {*field: "another"}}}),
            ByRule(TOKEN_KEYS),
        ));
    }
    for (field, _) in KEYS.iter().skip(5) {
        cases.push(case(
            "a key that a token's Secret has",
            json!({"secret": {"keys": {*field: "another"}}}),
            Accepted,
        ));
    }
    cases
}

fn token_clients() -> Vec<Case> {
    let client = |says, client: Value, expected| {
        let mut spec = token(json!({"client": null}));
        spec["client"] = client;
        create(TOKEN, says, spec, expected)
    };
    let account = |says, spec: Value, expected| {
        let own = token(json!({"client": {"secretRef": null, "providerAccount": true}}));
        create(TOKEN, says, merged(own, spec), expected)
    };
    vec![
        client(
            "an application",
            json!({"clientApplicationRef": {"name": "payments"}}),
            Accepted,
        ),
        client(
            "a Secret with all there is to say of it",
            json!({"secretRef": {
                "name": "orders", "clientId": "orders",
                "keys": {"clientId": "a", "clientSecret": "b", "privateKey": "c", "keyId": "d", "certificate": "e", "certificateKey": "f"},
                "authentication": {"method": "private_key_jwt", "signingAlgorithm": "EdDSA"},
            }}),
            Accepted,
        ),
        client("the account", json!({"providerAccount": true}), Accepted),
        client("nobody", json!({}), ByRule(ONE_CLIENT)),
        client(
            "two clients",
            json!({"clientApplicationRef": {"name": "a"}, "secretRef": {"name": "b"}}),
            ByRule(ONE_CLIENT),
        ),
        client(
            "a client and the account",
            json!({"secretRef": {"name": "b"}, "providerAccount": true}),
            ByRule(ONE_CLIENT),
        ),
        client(
            "not the account",
            json!({"providerAccount": false}),
            ByRule("client.providerAccount may only be true"),
        ),
        client(
            "an application without a name",
            json!({"clientApplicationRef": {}}),
            BySchema("name: Required value"),
        ),
        client(
            "an empty name",
            json!({"secretRef": {"name": ""}}),
            BySchema("spec.client.secretRef.name"),
        ),
        client(
            "an empty client identifier",
            json!({"secretRef": {"name": "a", "clientId": ""}}),
            BySchema("spec.client.secretRef.clientId"),
        ),
        client(
            "a client's own method with what is not its",
            json!({"secretRef": {"name": "a", "authentication": {"method": "client_secret_post", "audience": "x"}}}),
            ByRule(ASSERTION_ONLY),
        ),
        account(
            "scopes of the account's token",
            json!({"scopes": ["a"]}),
            ByRule(NO_REQUEST),
        ),
        account(
            "an audience of the account's token",
            json!({"audience": "a"}),
            ByRule(NO_REQUEST),
        ),
        account(
            "resources of the account's token",
            json!({"resources": ["urn:a"]}),
            ByRule(NO_REQUEST),
        ),
        account(
            "no scopes and no resources",
            json!({"scopes": [], "resources": []}),
            Accepted,
        ),
        account(
            "a margin of the account's token",
            json!({"minimumRemaining": "5m"}),
            Accepted,
        ),
    ]
}

fn token_changes() -> Vec<Case> {
    let change = |says, earlier, spec, expected| Case {
        says,
        kind: TOKEN,
        earlier: Some(token(earlier)),
        spec: token(spec),
        expected,
    };
    vec![
        change("other scopes", json!({}), json!({"scopes": ["a"]}), Accepted),
        change(
            "another client",
            json!({}),
            json!({"client": {"secretRef": null, "clientApplicationRef": {"name": "payments"}}}),
            Accepted,
        ),
        change(
            "another provider",
            json!({}),
            json!({"providerRef": {"name": "other"}}),
            ByRule("spec.providerRef cannot change"),
        ),
        change(
            "another kind of provider",
            json!({}),
            json!({"providerRef": {"kind": "ClusterIdentityProvider"}}),
            ByRule("spec.providerRef cannot change"),
        ),
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
