//! The pods' network: a bridge, which has the addresses of the services that every cluster has.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::host::BRIDGE;
use crate::command::run;
use crate::failure::{Failure, ensure};

/// Where pods reach the API server: the first address of the services' range, which stands in its certificate. The
/// sandbox listens there too.
pub(crate) const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Where pods reach DNS.
pub(crate) const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

const NETWORK: &str = "10.0.0.0/24";

/// Of the network, what pods get.
const PODS: (&str, &str) = ("10.0.0.100", "10.0.0.200");

const API_SERVER_PORT: u16 = 443;

/// Where distributions and others put the network plugins.
const PLUGINS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// The bridge, and what takes the place of a service in front of the API server. It ends with the value; the bridge is
/// removed by [`super::host::Host::put_back`].
#[derive(Debug)]
pub(crate) struct Network {
    forwarding: JoinHandle<()>,
}

impl Network {
    /// Makes the bridge and forwards connections from it to the API server.
    pub(crate) async fn start(api_server: SocketAddr) -> Result<Self, Failure> {
        // Routes that hold the network, and those that it holds.
        for relation in ["match", "root"] {
            let taken = run("ip", &["-o", "route", "show", "to", relation, NETWORK]).await?;
            let others: Vec<_> = taken
                .lines()
                .filter(|route| !route.starts_with("default"))
                .collect();
            ensure(others.is_empty(), || {
                format!("{NETWORK} is in use on this machine, and the pods need it: {others:?}")
            })?;
        }
        run("ip", &["link", "add", BRIDGE, "type", "bridge"]).await?;
        for address in [API_SERVER, DNS] {
            run("ip", &["address", "add", &format!("{address}/24"), "dev", BRIDGE]).await?;
        }
        run("ip", &["link", "set", BRIDGE, "up"]).await?;
        let listener = TcpListener::bind((API_SERVER, API_SERVER_PORT))
            .await
            .map_err(|error| {
                Failure::said(format!(
                    "cannot listen on {API_SERVER}:{API_SERVER_PORT}: {error}"
                ))
            })?;
        Ok(Self {
            forwarding: tokio::spawn(forward(listener, api_server)),
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(listener: TcpListener, to: SocketAddr) {
    while let Ok((mut from_pod, _)) = listener.accept().await {
        tokio::spawn(async move {
            // Whichever side fails sees that its connection has ended.
            if let Ok(mut server) = TcpStream::connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut from_pod, &mut server).await;
            }
        });
    }
}

/// Where the network plugins are.
pub(crate) fn plugins() -> Result<PathBuf, Failure> {
    let found = PLUGINS
        .iter()
        .map(PathBuf::from)
        .find(|path| path.join("bridge").is_file());
    found.ok_or_else(|| {
        Failure::said(format!(
            "the network plugins are in none of {PLUGINS:?}: install them (Debian: apt-get install containernetworking-plugins)"
        ))
    })
}

/// Writes the configuration of the plugins. Pods reach the bridge and each other; nothing is routed further.
pub(crate) fn configure(directory: &Path, leases: &Path) -> Result<(), Failure> {
    let (first, last) = PODS;
    let list = json!({
        "cniVersion": "0.4.0",
        "name": "keywright",
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            "ipam": {
                "type": "host-local",
                "dataDir": leases,
                "ranges": [[{"subnet": NETWORK, "rangeStart": first, "rangeEnd": last}]],
            },
        }],
    });
    let path = directory.join("10-keywright.conflist");
    std::fs::write(&path, list.to_string()).map_err(Failure::file("write", &path))
}
