//! The running servers, as the environment describes them.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::directory::{self, AUTHORITY_CERTIFICATE, AUTHORITY_KEY};
use crate::keycloak::Keycloak;
use crate::oidc_provider::OidcProvider;
use crate::pki::Authority;

/// Names the directory that describes the running servers.
pub(crate) const DIRECTORY_VARIABLE: &str = "KEYWRIGHT_TEST_AUTHORIZATION_SERVERS";

/// In that directory.
const DESCRIPTION: &str = "servers.json";

/// Authorization servers that are running.
#[derive(Debug, Clone)]
pub struct Servers {
    keycloak: Option<Keycloak>,
    oidc_provider: Option<OidcProvider>,
}

impl Servers {
    /// The servers that `authorization-servers exec` has started; none if this is not run by it.
    ///
    /// # Errors
    ///
    /// If `KEYWRIGHT_TEST_AUTHORIZATION_SERVERS` is set to something else than its directory.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        std::env::var_os(DIRECTORY_VARIABLE)
            .map(|directory| Self::open(&PathBuf::from(directory)))
            .transpose()
    }

    /// Keycloak; none if it was not started because there is no Java.
    #[must_use]
    pub const fn keycloak(&self) -> Option<&Keycloak> {
        self.keycloak.as_ref()
    }

    /// oidc-provider; none if it was not started because there is no Node.
    #[must_use]
    pub const fn oidc_provider(&self) -> Option<&OidcProvider> {
        self.oidc_provider.as_ref()
    }

    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map_err(Error::file("read", &path))
        };
        let authority = Authority::new(read(AUTHORITY_CERTIFICATE)?, read(AUTHORITY_KEY)?.into());
        let description: Description =
            serde_json::from_str(&read(DESCRIPTION)?).map_err(|error| Error::Description {
                path: directory.join(DESCRIPTION),
                problem: error.to_string(),
            })?;
        let keycloak = description
            .keycloak
            .map(|access| Keycloak::new(access.base_url, access.secret, authority.clone()))
            .transpose()?;
        let oidc_provider = description
            .oidc_provider
            .map(|access| OidcProvider::new(access.base_url, access.secret, authority))
            .transpose()?;
        Ok(Self {
            keycloak,
            oidc_provider,
        })
    }
}

/// What the directory says of the servers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) keycloak: Option<Access>,
    pub(crate) oidc_provider: Option<Access>,
}

impl Description {
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(DESCRIPTION);
        let text = serde_json::to_string(self).map_err(|error| Error::Description {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        directory::write_private(&path, &text)
    }
}

/// How an administrator reaches a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) base_url: String,
    /// Written into a file of the owner's own, from which tests read it.
    #[serde(serialize_with = "expose", deserialize_with = "hide")]
    pub(crate) secret: SecretString,
}

fn expose<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn hide<'a, D: serde::Deserializer<'a>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_as_they_were_described() {
        let directory = tempfile::tempdir().unwrap();
        directory::write_certificates(directory.path(), &Authority::create().unwrap()).unwrap();
        let description = Description {
            keycloak: None,
            oidc_provider: Some(Access {
                base_url: "https://127.0.0.1:1".to_owned(),
                secret: "hidden-token".into(),
            }),
        };
        description.write(directory.path()).unwrap();
        let servers = Servers::open(directory.path()).unwrap();
        assert!(servers.keycloak().is_none());
        assert_eq!(servers.oidc_provider().unwrap().base_url(), "https://127.0.0.1:1");
        assert!(!format!("{servers:?}").contains("hidden-token"));
    }

    #[test]
    fn another_directory_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = Servers::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains(AUTHORITY_CERTIFICATE), "{error}");
    }
}
