//! Tries tokens before they are published.

use secrecy::SecretString;
use url::Url;

use super::Ask;
use crate::api::token::{TokenVerification, VerificationMethod};
use crate::controller::token::findings::Trouble;
use crate::identity::token::Introspection;

/// Why a token is not published.
pub(super) enum Unproven {
    /// It is not accepted.
    Refused(Trouble),
    /// Nobody could tell.
    Unknown(Trouble),
}

impl From<Unproven> for Trouble {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Refused(trouble) | Unproven::Unknown(trouble) => trouble,
        }
    }
}

/// Tries a token as a resource asks for.
pub(super) async fn verify(
    ask: &Ask<'_>,
    verification: &TokenVerification,
    token: &SecretString,
) -> Result<(), Unproven> {
    let way = way(ask, verification).await.map_err(Unproven::Unknown)?;
    let answer = match &way {
        Way::Introspection => ask.api.introspect(token).await,
        Way::Probe(url) => ask.api.probe(url, token).await,
    };
    match answer {
        Ok(Introspection::Active) => Ok(()),
        Ok(Introspection::Inactive { message }) => Err(Unproven::Refused(Trouble::to_mend(
            "TokenRefused",
            format!("a new token was refused when it was tried, so it is not published: {message}"),
        ))),
        Err(error) => {
            let trouble = Trouble::of(&error, ask.settings);
            let message = format!(
                "a token could not be tried, so it is not published: {}",
                trouble.message
            );
            Err(Unproven::Unknown(Trouble {
                reason: "VerificationFailed",
                message,
                // A probed address is no part of the provider.
                concerns_provider: trouble.concerns_provider && matches!(way, Way::Introspection),
                ..trouble
            }))
        }
    }
}

enum Way {
    Introspection,
    Probe(Url),
}

async fn way(ask: &Ask<'_>, verification: &TokenVerification) -> Result<Way, Trouble> {
    let introspection = match verification.method {
        Some(VerificationMethod::Probe) => false,
        Some(VerificationMethod::Introspection) => true,
        None => {
            verification.probe_url.is_none()
                || ask
                    .api
                    .offers()
                    .await
                    .map_err(|error| Trouble::of(&error, ask.settings))?
                    .introspection
        }
    };
    match (introspection, &verification.probe_url) {
        (true, _) => Ok(Way::Introspection),
        (false, Some(url)) => Url::parse(url).map(Way::Probe).map_err(|_| {
            Trouble::to_mend(
                "InvalidProbeUrl",
                format!("verification.probeUrl {url:?} is not an address. Correct it"),
            )
        }),
        (false, None) => Err(Trouble::to_mend(
            "InvalidProbeUrl",
            "verification.method Probe needs verification.probeUrl".to_owned(),
        )),
    }
}
