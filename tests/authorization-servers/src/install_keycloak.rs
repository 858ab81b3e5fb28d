//! Installs Keycloak: downloads its distribution, builds it for these tests' options, and prepares a database
//! with the realm, so that a start need not do any of that.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio::process::Command;

use crate::cache::{self, Installation, Pending};
use crate::keycloak_server::{self, Place};
use crate::pki::Authority;
use crate::progress::say;
use crate::{Error, directory, download, step, tools};

/// Version of Keycloak.
///
/// To move to another one: state it and the checksum of its distribution here.
pub const VERSION: &str = "26.7.3";

/// SHA-256 of `keycloak-quarkus-dist-VERSION.tar.gz`.
const CHECKSUM: &str = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47";

const REALM: &str = include_str!("../keycloak/realm.json");

/// Options of `kc.sh build`. What no test needs is left out, which makes the start quicker.
const BUILD_OPTIONS: [&str; 4] = [
    "build",
    "--db=dev-file",
    "--https-client-auth=request",
    "--features-disabled=account,admin,admin-fine-grained-authz,authorization,ciba,device-flow,impersonation,\
     kerberos,organization,passkeys,passkeys-conditional-ui-authenticator,step-up-authentication,\
     step-up-authentication-saml,web-authn",
];

/// Where an installation keeps the secret of [`keycloak_server::ADMINISTRATOR`].
const ADMINISTRATOR_SECRET: &str = "administrator-secret";

/// An installed Keycloak.
#[derive(Debug, Clone)]
pub(crate) struct InstalledKeycloak {
    /// Keycloak's own directory.
    pub(crate) home: PathBuf,
    /// A directory with a database that has the realm; each start uses a copy.
    pub(crate) database: PathBuf,
    /// The secret of [`keycloak_server::ADMINISTRATOR`].
    pub(crate) administrator_secret: SecretString,
}

impl InstalledKeycloak {
    fn open(directory: &Path) -> Result<Self, Error> {
        let secret = directory.join(ADMINISTRATOR_SECRET);
        Ok(Self {
            home: directory.join("keycloak"),
            database: directory.join("database"),
            administrator_secret: std::fs::read_to_string(&secret)
                .map_err(Error::file("read", &secret))?
                .into(),
        })
    }
}

/// Installs Keycloak unless that was done before.
///
/// # Errors
///
/// If Java is missing, or the download, its build or its first start fails.
pub(crate) async fn installed() -> Result<InstalledKeycloak, Error> {
    tools::java()?;
    let contents: Vec<_> = [CHECKSUM, REALM]
        .into_iter()
        .chain(BUILD_OPTIONS)
        .chain(keycloak_server::START_OPTIONS)
        .collect();
    match cache::find(&format!("keycloak-{VERSION}"), &contents).await? {
        Installation::Complete(directory) => InstalledKeycloak::open(&directory),
        Installation::Pending(pending) => install(pending).await,
    }
}

async fn install(pending: Pending) -> Result<InstalledKeycloak, Error> {
    let working = pending.path();
    let finished = working.join("finished");
    let home = finished.join("keycloak");
    std::fs::create_dir_all(&home).map_err(Error::file("make the directory", &home))?;

    say(format_args!("downloading Keycloak {VERSION} (168 MiB)"));
    let archive = download::keycloak(VERSION, CHECKSUM, working).await?;
    unpack(&archive, &home).await?;
    say("building Keycloak, which takes about half a minute");
    let mut build = Command::new(home.join("bin/kc.sh"));
    build.args(BUILD_OPTIONS);
    step::run("building Keycloak (kc.sh build)", &mut build).await?;

    say("preparing Keycloak's database, which takes about half a minute");
    let secret = format!("{:032x}", rand::random::<u128>());
    directory::write_private(&finished.join(ADMINISTRATOR_SECRET), &secret)?;
    let installed = InstalledKeycloak::open(&finished)?;
    prepare_database(&installed, working).await?;
    InstalledKeycloak::open(&pending.finish(&finished)?)
}

async fn unpack(archive: &Path, home: &Path) -> Result<(), Error> {
    let mut tar = Command::new("tar");
    tar.args(["-xzf"])
        .arg(archive)
        .arg("-C")
        .arg(home)
        .arg("--strip-components=1");
    step::run("unpacking Keycloak (tar)", &mut tar).await
}

/// The first start makes the tables, the administrator and the realm.
async fn prepare_database(installed: &InstalledKeycloak, working: &Path) -> Result<(), Error> {
    let import = installed.home.join("data/import");
    std::fs::create_dir_all(&import).map_err(Error::file("make the directory", &import))?;
    let realm = import.join("realm.json");
    std::fs::write(&realm, REALM).map_err(Error::file("write", &realm))?;
    std::fs::create_dir(&installed.database)
        .map_err(Error::file("make the directory", &installed.database))?;

    let run = working.join("first-start");
    std::fs::create_dir(&run).map_err(Error::file("make the directory", &run))?;
    let authority = Authority::create()?;
    directory::write_certificates(&run, &authority)?;
    let place = Place {
        directory: &run,
        database: &installed.database,
        authority: &authority,
    };
    keycloak_server::start_first(installed, place)
        .await?
        .stop(keycloak_server::READY_TIMEOUT)
        .await;
    Ok(())
}
