//! Starts oidc-provider.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::Error;
use crate::directory::{self, AUTHORITY_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY};
use crate::pki::Authority;
use crate::process::ServerProcess;
use crate::ready;
use crate::tools::OIDC_PROVIDER;

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The URL of an oidc-provider on `port`, which is its issuer, too.
pub(crate) fn base_url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Starts the installed package with what `server.js` reads, and waits until it is ready.
pub(crate) async fn start(
    installed: &Path,
    directory: &Path,
    authority: &Authority,
    port: u16,
    administrator_token: &str,
) -> Result<ServerProcess, Error> {
    let configuration = directory.join("oidc-provider.json");
    let content = json!({
        "port": port,
        "adminToken": administrator_token,
        "ca": directory.join(AUTHORITY_CERTIFICATE),
        "certificate": directory.join(SERVER_CERTIFICATE),
        "key": directory.join(SERVER_KEY),
    });
    directory::write_private(&configuration, &content.to_string())?;
    let mut command = Command::new("node");
    command
        .arg("server.js")
        .arg(&configuration)
        .current_dir(installed)
        .env_remove("NODE_OPTIONS");
    let mut process = ServerProcess::spawn(OIDC_PROVIDER, &command, directory.join("oidc-provider.log"))?;
    let url = format!("{}/.well-known/openid-configuration", base_url(port));
    ready::wait(&mut process, authority, &url, READY_TIMEOUT).await?;
    Ok(process)
}
