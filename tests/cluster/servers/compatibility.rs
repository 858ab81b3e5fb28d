//! What Keycloak and oidc-provider support together with Keywright. Each cell is tried out, and
//! `docs/compatibility.md` shows the same.

use futures::future::join_all;
use keywright_authorization_servers::{AccessTokenFormat, AuthorizationServer};

use super::features::{self, Feature, SOME_RESOURCE};
use super::stage::{Stage, keycloak, oidc_provider};

/// Whether something works, and what is to be known about it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Support {
    Yes,
    /// With what has to be done for it at the server.
    YesIf(&'static str),
    /// With what happens instead.
    No(&'static str),
}

impl Support {
    pub(super) fn works(self) -> bool {
        !matches!(self, Self::No(_))
    }

    pub(super) fn note(self) -> Option<&'static str> {
        match self {
            Self::Yes => None,
            Self::YesIf(note) | Self::No(note) => Some(note),
        }
    }
}

/// What Keycloak supports.
pub(super) fn of_keycloak(feature: Feature) -> Support {
    match feature {
        Feature::NarrowedScope => Support::No(
            "Keycloak refuses the whole request with `invalid_scope`; `TokenFresh` says `InvalidScope` and names the \
             scopes",
        ),
        Feature::Audience => Support::No(
            "Keycloak passes over the parameter `audience` with this grant. Give the client a mapper of the type \
             Audience, or a client scope that has one, and name that in `scopes`",
        ),
        Feature::Resource => Support::No(
            "Keycloak passes over `resource` unless its experimental feature for it is on. Use an audience mapper",
        ),
        Feature::RefreshToken => Support::YesIf(
            "Only with \"Use refresh tokens for client credentials grant\" among the client's settings for \
             compatibility. It is off by default, and nothing is gained by it",
        ),
        Feature::Introspection => Support::YesIf(
            "Only if the client is an audience of its own tokens, which takes a mapper of the type Audience. Without \
             it Keycloak says that every token is not active, and no token is published: `TokenRefused`",
        ),
        Feature::Method(keywright_authorization_servers::AuthenticationMethod::TlsClientAuth) => {
            Support::YesIf(
                "Keycloak has to ask for certificates (`https-client-auth=request`), or its proxy has to pass them on",
            )
        }
        _ => Support::Yes,
    }
}

/// What oidc-provider supports.
pub(super) fn of_oidc_provider(feature: Feature) -> Support {
    match feature {
        Feature::OAuthMetadata => {
            Support::No("It has the document of OpenID Connect only, which is read then")
        }
        Feature::Audience => Support::No(
            "The parameter `audience` is passed over. The audience is the resource that is asked for: use `resources`",
        ),
        Feature::Scopes => Support::YesIf(
            "Only for a resource: name one in `resources`, or set `defaultResource` at the server",
        ),
        Feature::NarrowedScope => {
            Support::YesIf("It drops scopes that it does not know, and says which are left")
        }
        Feature::Resource => Support::YesIf("Needs the feature `resourceIndicators` at the server"),
        Feature::RefreshToken => {
            Support::No("It gives none with this grant, as RFC 6749 section 4.4.3 advises")
        }
        Feature::Introspection => Support::YesIf(
            "Only for opaque tokens, and with the feature `introspection`. It keeps no record of tokens that are JWTs, \
             and says that they are not active: `TokenRefused`",
        ),
        Feature::RevocationOnDeletion | Feature::RevocationOnDemand => Support::YesIf(
            "Only for opaque tokens, and with the feature `revocation`. For a JWT it answers that all is well, and \
             changes nothing",
        ),
        _ => Support::Yes,
    }
}

async fn is_as_the_table_says<S: AuthorizationServer>(
    stage: Stage<S>,
    resource: &str,
    support: fn(Feature) -> Support,
) {
    let _operator = stage.operator();
    let tried = join_all(features::all().into_iter().map(async |feature| {
        let outcome = feature.tried(&stage, resource).await;
        (feature, outcome)
    }))
    .await;
    let wrong: Vec<_> = tried
        .iter()
        .filter(|(feature, outcome)| support(*feature).works() != outcome.is_ok())
        .collect();
    assert!(wrong.is_empty(), "{}: {wrong:#?}", stage.server.name());
}

#[tokio::test]
async fn keycloak_supports_what_the_page_says() {
    if let Some(server) = keycloak().await {
        let stage = Stage::new("keycloak", server).await;
        is_as_the_table_says(stage, SOME_RESOURCE, of_keycloak).await;
    }
}

#[tokio::test]
async fn oidc_provider_supports_what_the_page_says() {
    if let Some(server) = oidc_provider().await {
        let stage = Stage::new("oidc-provider", server).await;
        let resource = server
            .create_resource_server(&[], AccessTokenFormat::Jwt)
            .await
            .unwrap();
        is_as_the_table_says(stage, &resource, of_oidc_provider).await;
    }
}
