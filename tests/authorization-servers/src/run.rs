//! Installs, starts and stops both servers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::random;

use crate::directory::{self, RunDirectory};
use crate::install_keycloak::{self, InstalledKeycloak};
use crate::pki::Authority;
use crate::process::ServerProcess;
use crate::progress::say;
use crate::servers::{Access, Description, Servers};
use crate::{Error, install_oidc_provider, keycloak_server, oidc_provider_server, ready};

/// How often another port is tried when the chosen one was taken before the server used it.
const PORT_ATTEMPTS: u32 = 5;

/// How often it is looked whether a server has ended.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What to do about a server that cannot run because Java or Node is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Say so, and go on without it.
    Skip,
    /// Fail.
    Fail,
}

/// What is installed; a server is missing only if it was skipped.
#[derive(Debug)]
pub struct Installed {
    keycloak: Option<InstalledKeycloak>,
    oidc_provider: Option<PathBuf>,
}

/// Installs both servers unless they are installed already.
///
/// The first time this downloads 170 MiB and takes a minute or two; it reports on stderr. Processes that call this
/// at once install once.
///
/// # Errors
///
/// See [`Error`]; the text says what to do.
pub async fn install(missing: Missing) -> Result<Installed, Error> {
    let (keycloak, oidc_provider) =
        tokio::join!(install_keycloak::installed(), install_oidc_provider::installed());
    Ok(Installed {
        keycloak: unless_missing(keycloak, missing)?,
        oidc_provider: unless_missing(oidc_provider, missing)?,
    })
}

fn unless_missing<T>(outcome: Result<T, Error>, missing: Missing) -> Result<Option<T>, Error> {
    match outcome {
        Ok(installed) => Ok(Some(installed)),
        Err(error @ Error::Missing { server, .. }) if missing == Missing::Skip => {
            say(format_args!("SKIPPED {server}: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Running servers, which are killed when the value is dropped.
#[derive(Debug)]
pub struct RunningServers {
    /// Dropped first, so that nothing writes when the directory is removed.
    processes: Vec<ServerProcess>,
    servers: Servers,
    directory: RunDirectory,
}

impl RunningServers {
    /// Installs the servers if need be, starts them, and waits until they are ready. Takes some ten seconds.
    ///
    /// # Errors
    ///
    /// See [`Error`]; the text says what to do. Nothing is left running.
    pub async fn start(missing: Missing) -> Result<Self, Error> {
        let installed = install(missing).await?;
        let mut attempt = 1;
        loop {
            match Self::start_installed(&installed).await {
                Err(error) if error.is_port_taken() && attempt < PORT_ATTEMPTS => {
                    say("another process took a port; trying again with other ones");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn start_installed(installed: &Installed) -> Result<Self, Error> {
        let begun = Instant::now();
        let directory = RunDirectory::create()?;
        let authority = Authority::create()?;
        directory::write_certificates(directory.path(), &authority)?;
        let (keycloak, oidc_provider) = tokio::try_join!(
            start_keycloak(installed, directory.path(), &authority),
            start_oidc_provider(installed, directory.path(), &authority),
        )?;
        let mut processes = Vec::new();
        let mut description = Description::default();
        if let Some((process, access)) = keycloak {
            processes.push(process);
            description.keycloak = Some(access);
        }
        if let Some((process, access)) = oidc_provider {
            processes.push(process);
            description.oidc_provider = Some(access);
        }
        description.write(directory.path())?;
        let names: Vec<_> = processes.iter().map(ServerProcess::name).collect();
        say(format_args!(
            "{} ready after {:.1} s",
            if names.is_empty() {
                "no server".to_owned()
            } else {
                names.join(" and ")
            },
            begun.elapsed().as_secs_f32()
        ));
        Ok(Self {
            processes,
            servers: Servers::open(directory.path())?,
            directory,
        })
    }

    /// The handles of the servers.
    #[must_use]
    pub const fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The directory that `KEYWRIGHT_TEST_AUTHORIZATION_SERVERS` is to name: `ca.crt` and `ca.key` of the
    /// authority, the servers' logs, and how an administrator reaches them.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What a command needs in its environment, so that it and its tests find the servers. A variable without a
    /// value is to be removed: it would be of other servers.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, Option<String>); 3] {
        let directory = self.directory().display().to_string();
        let keycloak = self.servers.keycloak();
        let provider = self.servers.oidc_provider();
        [
            (crate::servers::DIRECTORY_VARIABLE, Some(directory)),
            (
                "KEYWRIGHT_TEST_KEYCLOAK",
                keycloak.map(|server| server.base_url().to_owned()),
            ),
            (
                "KEYWRIGHT_TEST_OIDC_PROVIDER",
                provider.map(|server| server.base_url().to_owned()),
            ),
        ]
    }

    /// Waits until a server ends although nobody stopped it, and returns that as an error.
    pub async fn failure(&mut self) -> Error {
        loop {
            for process in &mut self.processes {
                if let Err(error) = process.check() {
                    return error;
                }
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    /// Ends the servers at once, since nothing of theirs is to last, and removes everything.
    ///
    /// # Errors
    ///
    /// If the directory cannot be removed. No server is left running.
    pub fn stop(mut self) -> Result<(), Error> {
        self.processes.clear();
        self.directory.close()
    }
}

async fn start_keycloak(
    installed: &Installed,
    directory: &Path,
    authority: &Authority,
) -> Result<Option<(ServerProcess, Access)>, Error> {
    let Some(keycloak) = &installed.keycloak else {
        return Ok(None);
    };
    let port = ready::free_port()?;
    let process = keycloak_server::start(keycloak, directory, authority, port).await?;
    let access = Access {
        base_url: keycloak_server::base_url(port),
        secret: keycloak.administrator_secret.clone(),
    };
    Ok(Some((process, access)))
}

async fn start_oidc_provider(
    installed: &Installed,
    directory: &Path,
    authority: &Authority,
) -> Result<Option<(ServerProcess, Access)>, Error> {
    let Some(package) = &installed.oidc_provider else {
        return Ok(None);
    };
    let port = ready::free_port()?;
    let token = format!("{:032x}", random::<u128>());
    let process = oidc_provider_server::start(package, directory, authority, port, &token).await?;
    let access = Access {
        base_url: oidc_provider_server::base_url(port),
        secret: token.into(),
    };
    Ok(Some((process, access)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_skips_its_server_or_fails() {
        let error = || Error::Missing {
            server: "server",
            problem: "a tool".to_owned(),
            remedy: "install it",
        };
        assert!(
            unless_missing::<()>(Err(error()), Missing::Skip)
                .unwrap()
                .is_none()
        );
        assert!(unless_missing::<()>(Err(error()), Missing::Fail).is_err());
        let other = Error::NoCacheDirectory;
        assert!(unless_missing::<()>(Err(other), Missing::Skip).is_err());
    }
}
