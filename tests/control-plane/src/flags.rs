//! The servers' command lines.

use std::path::Path;

use crate::pki::{FRONT_PROXY_NAME, Pki};

/// etcd serves its clients on a socket in the run directory: nobody else reaches it, which matters since it asks
/// for no credentials, and no other process can take its address.
pub(crate) fn etcd_socket(directory: &Path) -> String {
    directory.join("etcd.sock").display().to_string()
}

pub(crate) fn etcd(directory: &Path) -> Vec<String> {
    vec![
        flag("data-dir", directory.join("etcd").display()),
        flag(
            "listen-client-urls",
            format_args!("unix://{}", etcd_socket(directory)),
        ),
        // etcd insists on addresses of these forms, but a single member uses neither.
        flag("advertise-client-urls", "http://127.0.0.1:1"),
        flag("listen-peer-urls", "http://127.0.0.1:0"),
        // Nothing of the data is to survive a crash.
        flag("unsafe-no-fsync", true),
        flag("quota-backend-bytes", 8_u64 << 30),
        // A single member elects itself as soon as this has passed (milliseconds).
        flag("heartbeat-interval", 10),
        flag("election-timeout", 100),
    ]
}

/// `extra` comes last, so that it prevails.
pub(crate) fn api_server(
    directory: &Path,
    pki: &Pki,
    tokens: &Path,
    port: u16,
    extra: &[String],
) -> Vec<String> {
    let mut flags = vec![
        flag("etcd-servers", format_args!("unix://{}", etcd_socket(directory))),
        flag("bind-address", "127.0.0.1"),
        flag("advertise-address", "127.0.0.1"),
        flag("secure-port", port),
        // There is one API server, and no other one to be reconciled with.
        flag("endpoint-reconciler-type", "none"),
        flag("tls-cert-file", pki.server_certificate.display()),
        flag("tls-private-key-file", pki.server_key.display()),
        flag("client-ca-file", pki.ca_certificate.display()),
        // A token costs the server less per request than a client certificate.
        flag("token-auth-file", tokens.display()),
        flag(
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        ),
        flag(
            "service-account-key-file",
            pki.service_account_public_key.display(),
        ),
        flag(
            "service-account-signing-key-file",
            pki.service_account_key.display(),
        ),
        flag(
            "requestheader-client-ca-file",
            pki.front_proxy_ca_certificate.display(),
        ),
        flag("requestheader-allowed-names", FRONT_PROXY_NAME),
        flag("requestheader-username-headers", "X-Remote-User"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        flag("proxy-client-cert-file", pki.front_proxy_certificate.display()),
        flag("proxy-client-key-file", pki.front_proxy_key.display()),
        flag("authorization-mode", "Node,RBAC"),
        flag("service-cluster-ip-range", "10.0.0.0/24"),
        flag("allow-privileged", true),
        flag("profiling", false),
    ];
    flags.extend_from_slice(extra);
    flags
}

pub(crate) fn controller_manager(pki: &Pki, kubeconfig: &Path) -> Vec<String> {
    vec![
        flag("kubeconfig", kubeconfig.display()),
        flag("authentication-kubeconfig", kubeconfig.display()),
        flag("authorization-kubeconfig", kubeconfig.display()),
        flag("bind-address", "127.0.0.1"),
        // Serves nothing, so that it needs no port.
        flag("secure-port", 0),
        flag("leader-elect", false),
        // With a credential per controller everything begins some five seconds later.
        flag("use-service-account-credentials", false),
        flag(
            "service-account-private-key-file",
            pki.service_account_key.display(),
        ),
        flag("root-ca-file", pki.ca_certificate.display()),
        flag("cluster-signing-cert-file", pki.ca_certificate.display()),
        flag("cluster-signing-key-file", pki.ca_key.display()),
    ]
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
