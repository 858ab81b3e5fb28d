//! The kubeconfig: one cluster, one user with a token.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::{Error, directory};

/// Name of the cluster and of the context.
const NAME: &str = "keywright-control-plane";

/// Who a kubeconfig is for and where the API server is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    /// `https://127.0.0.1:<port>`.
    pub(crate) server: &'a str,
    pub(crate) ca_certificate: &'a str,
    pub(crate) user: &'a str,
    pub(crate) token: &'a str,
}

/// The parts of <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/> that are used here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    current_context: String,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    contexts: Vec<NamedContext>,
}

#[derive(Debug, Serialize, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Debug, Serialize, Deserialize)]
struct User {
    token: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Debug, Serialize, Deserialize)]
struct Context {
    cluster: String,
    user: String,
    namespace: String,
}

/// Writes a kubeconfig that its owner alone can read, in one step.
pub(crate) fn write(path: &Path, access: Access<'_>) -> Result<(), Error> {
    directory::write_private(path, serde_saphyr::to_string(&kubeconfig(access))?.as_bytes())
}

fn kubeconfig(access: Access<'_>) -> Kubeconfig {
    let user = access.user.to_owned();
    Kubeconfig {
        api_version: "v1".to_owned(),
        kind: "Config".to_owned(),
        current_context: NAME.to_owned(),
        clusters: vec![NamedCluster {
            name: NAME.to_owned(),
            cluster: Cluster {
                server: access.server.to_owned(),
                certificate_authority_data: BASE64_STANDARD.encode(access.ca_certificate),
            },
        }],
        users: vec![NamedUser {
            name: user.clone(),
            user: User {
                token: access.token.to_owned(),
            },
        }],
        contexts: vec![NamedContext {
            name: NAME.to_owned(),
            context: Context {
                cluster: NAME.to_owned(),
                user,
                namespace: "default".to_owned(),
            },
        }],
    }
}

/// A kubeconfig at a place of the user's choice, which goes away with its control plane.
#[derive(Debug)]
pub(crate) struct Published(PathBuf);

impl Published {
    /// # Errors
    ///
    /// As [`refuse_foreign`].
    pub(crate) fn write(path: &Path, access: Access<'_>) -> Result<Self, Error> {
        refuse_foreign(path)?;
        write(path, access)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // Without its control plane the file is of no use, but it harms nobody if it cannot be removed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// # Errors
///
/// [`Error::ForeignKubeconfig`] if something else than a leftover of an earlier control plane is at `path`.
pub(crate) fn refuse_foreign(path: &Path) -> Result<(), Error> {
    if path.exists() && !is_ours(path) {
        return Err(Error::ForeignKubeconfig(path.to_owned()));
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    std::fs::read_to_string(path)
        .ok()
        .and_then(|text| serde_saphyr::from_str::<Kubeconfig>(&text).ok())
        .is_some_and(|config| {
            config.current_context == NAME && config.clusters.iter().all(|cluster| cluster.name == NAME)
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ACCESS: Access<'_> = Access {
        server: "https://127.0.0.1:6443",
        ca_certificate: "-----BEGIN CERTIFICATE-----\n",
        user: "admin",
        token: "0123: \"x",
    };

    #[test]
    fn is_read_back_as_written_and_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        write(&path, ACCESS).unwrap();

        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(value["apiVersion"], "v1");
        assert_eq!(value["kind"], "Config");
        assert_eq!(value["current-context"], value["contexts"][0]["name"]);
        assert_eq!(
            value["contexts"][0]["context"]["cluster"],
            value["clusters"][0]["name"]
        );
        assert_eq!(value["contexts"][0]["context"]["user"], value["users"][0]["name"]);
        assert_eq!(value["clusters"][0]["cluster"]["server"], ACCESS.server);
        assert_eq!(value["users"][0]["user"]["token"], ACCESS.token);
        assert_eq!(
            value["clusters"][0]["cluster"]["certificate-authority-data"],
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="
        );
    }

    #[test]
    fn a_foreign_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        let foreign = [
            String::new(),
            "current-context: keywright-control-plane".to_owned(),
            serde_saphyr::to_string(&kubeconfig(ACCESS))
                .unwrap()
                .replace(NAME, "production"),
        ];
        for text in foreign {
            std::fs::write(&path, &text).unwrap();
            let error = Published::write(&path, ACCESS).unwrap_err();
            assert!(matches!(error, Error::ForeignKubeconfig(_)), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_leftover_is_overwritten_and_the_file_goes_with_its_control_plane() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        write(&path, ACCESS).unwrap();
        let published = Published::write(
            &path,
            Access {
                user: "other",
                ..ACCESS
            },
        )
        .unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("other"));
        drop(published);
        assert!(!path.exists());
    }
}
