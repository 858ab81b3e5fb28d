use std::sync::Mutex;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate authority for servers and clients.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key as PEM.
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    fn client(&self, name: &str) -> (String, String) {
        self.issue(name, ExtendedKeyUsagePurpose::ClientAuth)
    }
}

/// TLS before a plain server: one request for each connection. It ends when it is dropped.
pub(super) struct Front {
    port: u16,
    replacement: Arc<Mutex<(String, String)>>,
    shown: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Front {
    pub(super) async fn start(authority: &Authority, server: &Server, asks_for_certificate: bool) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(authority, asks_for_certificate)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let replacement: Arc<Mutex<(String, String)>> = Arc::default();
        let shown: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (to, replace, log) = (
            server.host().to_owned(),
            Arc::clone(&replacement),
            Arc::clone(&shown),
        );
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
                log.lock()
                    .unwrap()
                    .extend(certificates.first().map(|der| der.to_vec()));
                let mut request = vec![0; 64 * 1024];
                let length = stream.read(&mut request).await.unwrap();
                let mut behind = TcpStream::connect(&to).await.unwrap();
                behind.write_all(&request[..length]).await.unwrap();
                let mut answer = String::new();
                behind.read_to_string(&mut answer).await.unwrap();
                let (from, by) = replace.lock().unwrap().clone();
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                let body = if from.is_empty() {
                    body.to_owned()
                } else {
                    body.replace(&from, &by)
                };
                let status = head.lines().next().unwrap();
                let answer = format!(
                    "{status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
        Self {
            port,
            replacement,
            shown,
            task,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Puts `by` in place of `from` in every body that goes out.
    pub(super) fn replace(&self, from: &str, by: &str) {
        *self.replacement.lock().unwrap() = (from.to_owned(), by.to_owned());
    }

    /// The certificates that clients have shown.
    fn shown(&self) -> Vec<Vec<u8>> {
        self.shown.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn server_config(authority: &Authority, asks_for_certificate: bool) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks_for_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let (certificate, key) = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    builder.with_single_cert(vec![der(&certificate)], key).unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn with_certificate(url: &str, authority: &Authority, certificate: &str, key: &str) -> Asked {
    Asked {
        ca_bundle: Some(authority.pem().into_bytes()),
        allow_insecure: false,
        ..config(
            url,
            ClientAuthentication::TlsClientAuth {
                certificate: certificate.as_bytes().to_vec(),
                key: key.into(),
            },
        )
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_says_its_name() {
    let authority = Authority::new();
    let server = token_server().await;
    let front = Front::start(&authority, &server, true).await;
    let (certificate, key) = authority.client("payments");
    connect(with_certificate(&front.url(), &authority, &certificate, &key))
        .request_token(&TokenRequest::default())
        .await
        .unwrap();
    assert_eq!(front.shown(), [der(&certificate).to_vec()]);
    let received = &server.received()[0];
    assert_eq!(received.header("authorization"), None);
    assert_eq!(
        form(received),
        pairs(&[
            ("grant_type", "client_credentials"),
            ("client_id", "payments:prod")
        ])
    );
}

#[tokio::test]
async fn a_client_without_the_certificate_is_not_let_in() {
    let authority = Authority::new();
    let server = token_server().await;
    let front = Front::start(&authority, &server, true).await;
    let config = Asked {
        ca_bundle: Some(authority.pem().into_bytes()),
        ..basic(&front.url())
    };
    let error = connect(config)
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.call.kind, ErrorKind::Unavailable);
    assert!(server.received().is_empty());
}

/// With TLS 1.3 the request is under way when the server says so.
#[tokio::test]
async fn a_certificate_of_an_unknown_authority_has_to_be_replaced() {
    let authority = Authority::new();
    let server = token_server().await;
    let front = Front::start(&authority, &server, true).await;
    let (certificate, key) = Authority::new().client("payments");
    let error = connect(with_certificate(&front.url(), &authority, &certificate, &key))
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err();
    let reason = "ClientCertificateRefused";
    assert_eq!(error.call.kind, ErrorKind::Misconfigured { reason }, "{error}");
    assert!(
        error.call.message.contains("an authority that the server trusts"),
        "{error}"
    );
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_client_with_a_certificate_goes_where_these_are_asked_for() {
    let authority = Authority::new();
    let server = Server::start(|request| match request.line.as_str() {
        line if line.starts_with("GET") => json_answer(
            200,
            json!({
                "issuer": "HERE",
                "token_endpoint": "HERE/plain",
                "revocation_endpoint": "HERE/revoke",
                "mtls_endpoint_aliases": {"token_endpoint": "HERE/mutual"},
            }),
        ),
        _ => json_answer(200, json!({"access_token": "t0ken"})),
    })
    .await;
    let front = Front::start(&authority, &server, true).await;
    front.replace("HERE", &front.url());
    let (certificate, key) = authority.client("payments");
    let client = connect(Asked {
        issuer: Some(front.url()),
        endpoints: ManualEndpoints::default(),
        ..with_certificate(&front.url(), &authority, &certificate, &key)
    });
    client.request_token(&TokenRequest::default()).await.unwrap();
    client.revoke(&"t0ken".into(), TokenKind::Access).await.unwrap();
    let lines: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.line)
        .collect();
    assert_eq!(
        lines,
        [
            "GET /.well-known/oauth-authorization-server",
            "POST /mutual",
            "POST /revoke"
        ]
    );
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_without_being_shown() {
    let authority = Authority::new();
    let (certificate, key) = authority.client("payments");
    let (other, _) = authority.client("other");
    let broken = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    for (certificate, key, expected) in [
        (
            "",
            key.as_str(),
            "no block that begins with `-----BEGIN CERTIFICATE-----`",
        ),
        ("-----BEGIN CERTIFICATE-----\nc2Vj", &key, "not valid PEM"),
        (broken, &key, "not an X.509 certificate"),
        (&certificate, "hunter2", "not a private key in PEM"),
        (&certificate, &certificate, "not a private key in PEM"),
        (&other, &key, "does not belong to the first certificate"),
    ] {
        let (reason, message) = refused(with_certificate(
            "https://idp.example.com",
            &authority,
            certificate,
            key,
        ));
        assert_eq!(reason, "InvalidClientCertificate");
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let chain = format!("{certificate}{}", authority.pem());
    connect(with_certificate(
        "https://idp.example.com",
        &authority,
        &chain,
        &key,
    ));
}
