//! Starts Keycloak.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::Error;
use crate::directory::{self, AUTHORITY_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY};
use crate::install_keycloak::InstalledKeycloak;
use crate::pki::Authority;
use crate::process::ServerProcess;
use crate::ready;
use crate::tools::KEYCLOAK;

/// The client in realm `master` that administers all realms.
pub(crate) const ADMINISTRATOR: &str = "keywright-administrator";

/// The realm of the tests' clients.
pub(crate) const REALM: &str = "keywright";

/// Much more than a start takes, for machines that are busy with something else.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(240);

/// Options of `kc.sh start` that are always the same.
pub(crate) const START_OPTIONS: [&str; 4] =
    ["start", "--optimized", "--cache=local", "--http-host=127.0.0.1"];

/// Memory is kept small, and the start quick: a server of a few minutes never earns back what the second
/// compiler of the JVM costs.
const JAVA_HEAP: &str = "-Xms64m -Xmx512m";
const JAVA_OPTIONS: &str = "-XX:TieredStopAtLevel=1";

/// Where one run of Keycloak has its files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Has the certificates, and takes the log and temporary files.
    pub(crate) directory: &'a Path,
    /// Has the database.
    pub(crate) database: &'a Path,
    pub(crate) authority: &'a Authority,
}

/// The URL of a Keycloak on `port`.
pub(crate) fn base_url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Starts Keycloak on a copy of the prepared database, and waits until it is ready.
pub(crate) async fn start(
    installed: &InstalledKeycloak,
    directory: &Path,
    authority: &Authority,
    port: u16,
) -> Result<ServerProcess, Error> {
    let database = directory.join("keycloak-database");
    directory::copy(&installed.database, &database)?;
    let place = Place {
        directory,
        database: &database,
        authority,
    };
    launch(&command(installed, place, port)?, place, port).await
}

/// Starts Keycloak on an empty database, in which it makes the administrator and imports the realm.
pub(crate) async fn start_first(
    installed: &InstalledKeycloak,
    place: Place<'_>,
) -> Result<ServerProcess, Error> {
    let port = ready::free_port()?;
    let mut command = command(installed, place, port)?;
    command
        .arg("--import-realm")
        .env("KC_BOOTSTRAP_ADMIN_CLIENT_ID", ADMINISTRATOR)
        .env(
            "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET",
            installed.administrator_secret.expose_secret(),
        );
    launch(&command, place, port).await
}

async fn launch(command: &Command, place: Place<'_>, port: u16) -> Result<ServerProcess, Error> {
    let mut process = ServerProcess::spawn(KEYCLOAK, command, place.directory.join("keycloak.log"))?;
    let url = format!("{}/realms/{REALM}", base_url(port));
    ready::wait(&mut process, place.authority, &url, READY_TIMEOUT).await?;
    Ok(process)
}

fn command(installed: &InstalledKeycloak, place: Place<'_>, port: u16) -> Result<Command, Error> {
    let temporary = place.directory.join("keycloak-temporary");
    std::fs::create_dir_all(&temporary).map_err(Error::file("make the directory", &temporary))?;
    let file = |name: &str| place.directory.join(name).display().to_string();
    let mut command = Command::new(installed.home.join("bin/kc.sh"));
    // Every option can be given by the environment, where the user may have some for a Keycloak of theirs.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KC_")) {
        command.env_remove(name);
    }
    command
        .args(START_OPTIONS)
        .arg(format!("--https-port={port}"))
        .arg(format!("--hostname={}", base_url(port)))
        .arg(format!("--https-certificate-file={}", file(SERVER_CERTIFICATE)))
        .arg(format!("--https-certificate-key-file={}", file(SERVER_KEY)))
        .arg(format!(
            "--https-trust-store-file={}",
            file(AUTHORITY_CERTIFICATE)
        ))
        .arg(format!(
            // VALUE is the name of a column in some of Keycloak's tables.
            "--db-url=jdbc:h2:file:{};NON_KEYWORDS=VALUE",
            place.database.join("keycloak").display()
        ))
        .env("JAVA_OPTS_KC_HEAP", JAVA_HEAP)
        .env(
            "JAVA_OPTS_APPEND",
            format!("{JAVA_OPTIONS} -Djava.io.tmpdir={}", temporary.display()),
        );
    Ok(command)
}
