//! A client of an authorization server, in a few lines.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_authorization_servers::{
    AuthorizationServer, Client, Credential, Keycloak, OidcProvider, PrivateKey, SigningAlgorithm, shared,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// Keycloak, unless this machine has no Java, which is said on stderr.
pub(crate) fn keycloak() -> Option<&'static Keycloak> {
    shared().unwrap().keycloak()
}

/// oidc-provider, unless this machine has no Node, which is said on stderr.
pub(crate) fn oidc_provider() -> Option<&'static OidcProvider> {
    shared().unwrap().oidc_provider()
}

/// Asks as a client does.
pub(crate) struct Requester<'a, S> {
    server: &'a S,
    client: Client,
    http: reqwest::Client,
    /// Whether a secret goes into the form rather than into the header.
    posts_secret: bool,
}

impl<'a, S: AuthorizationServer> Requester<'a, S> {
    pub(crate) fn new(server: &'a S, client: &Client) -> Self {
        let authority = reqwest::Certificate::from_pem(server.ca_certificate().as_bytes()).unwrap();
        let mut http = reqwest::Client::builder().tls_certs_only([authority]).no_proxy();
        if let Credential::Certificate { certificate, key } = &client.credential {
            let identity = format!("{certificate}\n{}", key.expose_secret());
            http = http.identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap());
        }
        Self {
            server,
            client: client.clone(),
            http: http.build().unwrap(),
            posts_secret: false,
        }
    }

    pub(crate) fn posting_its_secret(mut self) -> Self {
        self.posts_secret = true;
        self
    }

    pub(crate) fn with_secret(&self, secret: &str) -> Self {
        let mut client = self.client.clone();
        client.credential = Credential::Secret(secret.into());
        Self::new(self.server, &client)
    }

    async fn send(&self, url: &str, parameters: &[(&str, &str)]) -> reqwest::Response {
        let mut form: Vec<_> = parameters
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let mut request = self.http.post(url);
        let id = &self.client.client_id;
        match &self.client.credential {
            Credential::Secret(secret) if !self.posts_secret => {
                request = request.basic_auth(id, Some(secret.expose_secret()));
            }
            Credential::Secret(secret) => {
                form.push(("client_id", id.clone()));
                form.push(("client_secret", secret.expose_secret().to_owned()));
            }
            Credential::Certificate { .. } => form.push(("client_id", id.clone())),
            Credential::PrivateKey(key) => {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_assertion_type", kind.to_owned()));
                form.push(("client_assertion", assertion(id, key, &self.server.issuer())));
            }
        }
        request.form(&form).send().await.unwrap()
    }

    pub(crate) async fn request(&self, parameters: &[(&str, &str)]) -> (u16, Value) {
        answer(self.send(&self.server.token_endpoint(), parameters).await).await
    }

    pub(crate) async fn send_token_request(&self, parameters: &[(&str, &str)]) -> reqwest::Response {
        let parameters = [&[("grant_type", "client_credentials")], parameters].concat();
        self.send(&self.server.token_endpoint(), &parameters).await
    }

    pub(crate) async fn token(&self, parameters: &[(&str, &str)]) -> (u16, Value) {
        answer(self.send_token_request(parameters).await).await
    }

    pub(crate) async fn access_token(&self) -> String {
        let (status, answer) = self.token(&[]).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// The status and the error (RFC 6749, section 5.2) that a request for a token is answered with.
    pub(crate) async fn refusal(&self) -> (u16, String) {
        let (status, answer) = self.token(&[]).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn introspect(&self, token: &str) -> (u16, Value) {
        let url = self.server.introspection_endpoint();
        answer(self.send(&url, &[("token", token)]).await).await
    }

    pub(crate) async fn is_active(&self, token: &str) -> bool {
        let (status, answer) = self.introspect(token).await;
        assert_eq!(status, 200, "{answer}");
        answer["active"].as_bool().unwrap()
    }

    pub(crate) async fn revoke(&self, token: &str) -> u16 {
        let url = self.server.revocation_endpoint();
        self.send(&url, &[("token", token)]).await.status().as_u16()
    }
}

async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A client assertion (RFC 7523, section 3) that is good for a minute.
fn assertion(client_id: &str, key: &PrivateKey, audience: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let header = json!({ "alg": key.algorithm.name(), "kid": key.key_id, "typ": "JWT" });
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + 60,
        "jti": uuid::Uuid::new_v4(),
    });
    let [header, claims] = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn sign(key: &PrivateKey, message: &[u8]) -> Vec<u8> {
    let pem = pem::parse(key.pem.expose_secret()).unwrap();
    let der = pem.contents();
    let random = SystemRandom::new();
    let rsa = |encoding: &'static dyn RsaEncoding| {
        let pair = RsaKeyPair::from_pkcs8(der).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &random, message, &mut signature).unwrap();
        signature
    };
    match key.algorithm {
        SigningAlgorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
        SigningAlgorithm::Ps256 => rsa(&RSA_PSS_SHA256),
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap();
            pair.sign(&random, message).unwrap().as_ref().to_vec()
        }
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(der).unwrap();
            pair.sign(message).as_ref().to_vec()
        }
    }
}
