//! What an authorization server may support, and how each of it is tried out through the operator.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::access_token::AccessTokenStatus;
use keywright::api::names::REVOKE_REQUESTED_ANNOTATION;
use keywright::api::{AccessToken, IdentityProvider, conditions};
use keywright_authorization_servers::{
    AuthenticationMethod, AuthorizationServer, ClientSettings, SigningAlgorithm,
};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::stage::{BASIC, PROVIDER, Stage, claims, client_block};
use crate::harness::{PATIENCE, entries, eventually};

/// A resource (RFC 8707), or audience, that a test asks for where the server has none of its own.
pub(super) const SOME_RESOURCE: &str = "https://api.example.com/";

/// Something that one server supports and another may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    OAuthMetadata,
    OpenIdMetadata,
    Method(AuthenticationMethod),
    Scopes,
    NarrowedScope,
    Audience,
    Resource,
    RefreshToken,
    Introspection,
    RevocationOnDeletion,
    RevocationOnDemand,
}

impl Feature {
    /// What it is called on the page.
    pub(super) fn title(self) -> String {
        match self {
            Self::OAuthMetadata => "Metadata by RFC 8414".to_owned(),
            Self::OpenIdMetadata => "Metadata by OpenID Connect Discovery".to_owned(),
            Self::Method(AuthenticationMethod::PrivateKeyJwt(algorithm)) => {
                format!("`private_key_jwt`, {}", algorithm.name())
            }
            Self::Method(AuthenticationMethod::ClientSecretBasic) => "`client_secret_basic`".to_owned(),
            Self::Method(AuthenticationMethod::ClientSecretPost) => "`client_secret_post`".to_owned(),
            Self::Method(AuthenticationMethod::TlsClientAuth) => "`tls_client_auth`".to_owned(),
            Self::Scopes => "`scopes`".to_owned(),
            Self::NarrowedScope => {
                "A scope that the client may not have is told in `TokenAsRequested`".to_owned()
            }
            Self::Audience => "`audience`".to_owned(),
            Self::Resource => "`resources` (RFC 8707)".to_owned(),
            Self::RefreshToken => "Refresh tokens with client credentials".to_owned(),
            Self::Introspection => "`verification.method: Introspection` (RFC 7662)".to_owned(),
            Self::RevocationOnDeletion => "`revocationPolicy: OnDeletion` (RFC 7009)".to_owned(),
            Self::RevocationOnDemand => "Revocation by annotation (RFC 7009)".to_owned(),
        }
    }

    /// Tries it out; an error is what there was instead. `resource` is one that the server knows, if it knows any.
    pub(super) async fn tried<S: AuthorizationServer>(
        self,
        stage: &Stage<S>,
        resource: &str,
    ) -> Result<(), String> {
        match self {
            Self::OAuthMetadata => oauth_metadata(stage).await,
            Self::OpenIdMetadata => openid_metadata(stage).await,
            Self::Method(method) => authenticates(stage, method).await,
            Self::Scopes => scopes(stage).await,
            Self::NarrowedScope => narrowed_scope(stage).await,
            Self::Audience => audience(stage, "audience", json!({"audience": resource}), resource).await,
            Self::Resource => audience(stage, "resource", json!({"resources": [resource]}), resource).await,
            Self::RefreshToken => refresh_token(stage).await,
            Self::Introspection => introspection(stage).await,
            Self::RevocationOnDeletion => revocation_on_deletion(stage).await,
            Self::RevocationOnDemand => revocation_on_demand(stage).await,
        }
    }
}

async fn oauth_metadata<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let issuer = stage.server.issuer();
    let (origin, path) = issuer.split_at(issuer.find('/').unwrap() + 2);
    let (host, path) = path.split_once('/').unwrap_or((path, ""));
    let url = format!("{origin}{host}/.well-known/oauth-authorization-server/{path}");
    metadata(stage, url.trim_end_matches('/')).await
}

async fn openid_metadata<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let url = format!("{}/.well-known/openid-configuration", stage.server.issuer());
    metadata(stage, &url).await
}

/// Keywright looks at one address, then at the other, so the provider is ready if one of them works.
async fn metadata<S: AuthorizationServer>(stage: &Stage<S>, url: &str) -> Result<(), String> {
    stage
        .world
        .until::<IdentityProvider>(PROVIDER, ("MetadataResolved", "True", "Resolved"))
        .await;
    let (status, document) = stage.get(url).await;
    if status == 200 && document["token_endpoint"] == *stage.server.token_endpoint() {
        Ok(())
    } else {
        Err(format!("{url}: {status} {document}"))
    }
}

async fn authenticates<S: AuthorizationServer>(
    stage: &Stage<S>,
    method: AuthenticationMethod,
) -> Result<(), String> {
    let name = match method {
        AuthenticationMethod::ClientSecretBasic => "basic".to_owned(),
        AuthenticationMethod::ClientSecretPost => "post".to_owned(),
        AuthenticationMethod::TlsClientAuth => "certificate".to_owned(),
        AuthenticationMethod::PrivateKeyJwt(algorithm) => format!("key-{}", algorithm.name().to_lowercase()),
    };
    let spec = json!({"client": client_block(&name, method)});
    let client = stage
        .token_of_new_client(&name, &stage.client_settings(method), spec)
        .await;
    let token = settled(stage, &name).await?;
    let said = stage.introspect(&token).await;
    if said["active"] == true && said["client_id"] == *client.client_id {
        Ok(())
    } else {
        Err(said.to_string())
    }
}

/// A client that may have the scopes `read` and `write`.
fn with_scopes<S: AuthorizationServer>(stage: &Stage<S>) -> ClientSettings {
    ClientSettings {
        scopes: vec!["read".to_owned(), "write".to_owned()],
        ..stage.client_settings(BASIC)
    }
}

async fn scopes<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let name = "scopes";
    stage
        .token_of_new_client(name, &with_scopes(stage), json!({"scopes": ["read"]}))
        .await;
    let token = settled(stage, name).await?;
    let said = stage.introspect(&token).await;
    let told = condition(stage, name, "TokenAsRequested").await;
    if said["scope"] == "read" && told == ("True".to_owned(), "AsRequested".to_owned()) {
        Ok(())
    } else {
        Err(format!("{said}, {told:?}"))
    }
}

async fn narrowed_scope<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let name = "narrowed";
    stage
        .token_of_new_client(name, &with_scopes(stage), json!({"scopes": ["read", "erase"]}))
        .await;
    settled(stage, name).await?;
    let told = condition(stage, name, "TokenAsRequested").await;
    if told == ("False".to_owned(), "ScopeNarrowed".to_owned()) {
        Ok(())
    } else {
        Err(format!("{told:?}"))
    }
}

async fn audience<S: AuthorizationServer>(
    stage: &Stage<S>,
    name: &str,
    spec: Value,
    wanted: &str,
) -> Result<(), String> {
    stage
        .token_of_new_client(name, &stage.client_settings(BASIC), spec)
        .await;
    let token = settled(stage, name).await?;
    let said = match claims(&token) {
        Some(claims) => claims,
        None => stage.introspect(&token).await,
    };
    let named = match &said["aud"] {
        Value::Array(several) => several.iter().any(|one| one == wanted),
        one => one == wanted,
    };
    if named {
        Ok(())
    } else {
        Err(said["aud"].to_string())
    }
}

async fn refresh_token<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let name = "refresh-token";
    // oidc-provider cannot even be set up for it.
    let settings = ClientSettings {
        refresh_tokens: stage.is_keycloak(),
        ..stage.client_settings(BASIC)
    };
    stage.token_of_new_client(name, &settings, json!({})).await;
    settled(stage, name).await?;
    match companion(stage, name).await {
        Some(companion) if entries(&companion).contains_key("refresh_token") => Ok(()),
        _ => Err("none was given".to_owned()),
    }
}

/// The Secret that keeps what has to outlive the operator.
pub(super) async fn companion<S: AuthorizationServer>(stage: &Stage<S>, token: &str) -> Option<Secret> {
    let uid = stage.token(token).await.uid().unwrap();
    stage.world.secret(&format!("keywright-{uid}")).await
}

async fn introspection<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let name = "introspection";
    let settings = ClientSettings {
        in_own_audience: true,
        ..stage.client_settings(BASIC)
    };
    let spec = json!({"verification": {"method": "Introspection"}});
    stage.token_of_new_client(name, &settings, spec).await;
    let token = settled(stage, name).await?;
    if stage.is_active(&token).await {
        Ok(())
    } else {
        Err("it is not active".to_owned())
    }
}

async fn revocation_on_deletion<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let name = "deleted";
    let spec = json!({"revocationPolicy": "OnDeletion"});
    stage
        .token_of_new_client(name, &stage.client_settings(BASIC), spec)
        .await;
    let token = settled(stage, name).await?;
    if !stage.is_active(&token).await {
        return Err("it was not active before".to_owned());
    }
    stage.world.delete::<AccessToken>(name).await;
    stage.world.until_gone::<AccessToken>(name).await;
    if stage.is_active(&token).await {
        Err("it is still active".to_owned())
    } else {
        Ok(())
    }
}

async fn revocation_on_demand<S: AuthorizationServer>(stage: &Stage<S>) -> Result<(), String> {
    let name = "revoked";
    stage
        .token_of_new_client(name, &stage.client_settings(BASIC), json!({}))
        .await;
    let old = settled(stage, name).await?;
    stage.annotate(name, REVOKE_REQUESTED_ANNOTATION, "now").await;
    eventually("the revocation is fulfilled", PATIENCE, async || {
        let status = stage.token(name).await.status.unwrap_or_default();
        let fulfilled = status.fulfilled_requests.and_then(|fulfilled| fulfilled.revoke);
        (fulfilled.as_deref() == Some("now"))
            .then_some(())
            .ok_or_else(|| format!("{:#?}", status.conditions))
    })
    .await;
    let new = stage.held(name).await;
    match (stage.is_active(&old).await, stage.is_active(&new).await) {
        (false, true) => Ok(()),
        active => Err(format!("{active:?}")),
    }
}

/// Waits until a token is published, or the server has refused one.
async fn settled<S: AuthorizationServer>(stage: &Stage<S>, name: &str) -> Result<String, String> {
    let outcome = eventually(&format!("{name} has settled"), PATIENCE, async || {
        let status = stage.token(name).await.status.unwrap_or_default();
        outcome(&status).ok_or_else(|| format!("{:#?}", status.conditions))
    })
    .await;
    outcome?;
    Ok(stage.held(name).await)
}

fn outcome(status: &AccessTokenStatus) -> Option<Result<(), String>> {
    const PASSING: [&str; 6] = [
        "Waiting",
        "Pending",
        "Unavailable",
        "Throttled",
        "OutcomeUnknown",
        "ProviderPending",
    ];
    let said = |type_| conditions::find(&status.conditions, type_);
    if said("Ready").is_some_and(|ready| ready.status == "True") {
        return Some(Ok(()));
    }
    let token = said("TokenFresh")?;
    (token.status == "False" && !PASSING.contains(&token.reason.as_str()))
        .then(|| Err(format!("{}: {}", token.reason, token.message)))
}

/// Status and reason.
async fn condition<S: AuthorizationServer>(stage: &Stage<S>, name: &str, type_: &str) -> (String, String) {
    let found = stage.world.condition::<AccessToken>(name, type_).await;
    (found.status, found.reason)
}

/// All of them, in the order of the page.
pub(super) fn all() -> Vec<Feature> {
    let mut features = vec![
        Feature::OAuthMetadata,
        Feature::OpenIdMetadata,
        Feature::Method(AuthenticationMethod::ClientSecretBasic),
        Feature::Method(AuthenticationMethod::ClientSecretPost),
    ];
    let with_keys = SigningAlgorithm::ALL.map(AuthenticationMethod::PrivateKeyJwt);
    features.extend(with_keys.map(Feature::Method));
    features.extend([
        Feature::Method(AuthenticationMethod::TlsClientAuth),
        Feature::Scopes,
        Feature::NarrowedScope,
        Feature::Audience,
        Feature::Resource,
        Feature::RefreshToken,
        Feature::Introspection,
        Feature::RevocationOnDeletion,
        Feature::RevocationOnDemand,
    ]);
    features
}
