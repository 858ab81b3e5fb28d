//! A sandbox and a client that speaks to it.

use keywright_sandbox::{Config, NewAccount, Sandbox, Switches};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

pub(crate) const EMAIL: &str = "ops@corp.example.net";
pub(crate) const PASSWORD: &str = "Corr3ct!horse";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null if the body is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A string field of the body.
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field} in {self:?}"))
            .to_owned()
    }

    /// `Retry-After` in seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after").map(|value| value.parse().unwrap())
    }
}

/// A sandbox with one account, and a client.
pub(crate) struct Api {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

/// An account that is logged in.
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) organization: String,
}

impl Session {
    pub(crate) fn applications(&self) -> String {
        format!("/auth/v2/organizations/me/{}/applications/", self.organization)
    }

    pub(crate) fn application(&self, uuid: &str) -> String {
        format!("{}{uuid}/", self.applications())
    }
}

impl Api {
    pub(crate) async fn start(config: Config) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { sandbox, client }
    }

    /// With the usual account and these answers to open questions.
    pub(crate) async fn with(switches: Switches) -> Self {
        let accounts = vec![NewAccount::new(EMAIL, PASSWORD)];
        Self::start(Config {
            accounts,
            switches,
            ..Config::default()
        })
        .await
    }

    pub(crate) async fn usual() -> Self {
        Self::with(Switches::default()).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.sandbox.url()))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    /// Registers from an IP address of its own, so that the budget is not shared.
    pub(crate) async fn register_from(&self, address: &str, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        let path = "/auth/v2/programmatic/register/";
        send(
            self.request(Method::POST, path)
                .header("x-forwarded-for", address)
                .json(&body),
        )
        .await
    }

    pub(crate) async fn login_as(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/auth/v2/programmatic/login/",
            json!({"email": email, "password": password}),
        )
        .await
    }

    pub(crate) async fn login(&self) -> Session {
        self.session_of(EMAIL, PASSWORD).await
    }

    pub(crate) async fn session_of(&self, email: &str, password: &str) -> Session {
        let token = self.login_as(email, password).await.text("access_token");
        let list = self.get("/auth/v2/organizations/me/", &token).await;
        let organization = list.body[0]["uuid"].as_str().unwrap_or_default().to_owned();
        Session { token, organization }
    }

    /// GET with a Bearer token.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(token)).await
    }

    /// A call with a Bearer token and a JSON body.
    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        send(self.request(method, path).bearer_auth(token).json(&body)).await
    }

    /// A call with an API key and, unless it is null, a JSON body.
    pub(crate) async fn keyed(&self, method: Method, path: &str, key: &str, body: Value) -> Answer {
        let request = self.request(method, path).header("x-api-key", key);
        send(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }

    /// The key of the first application.
    pub(crate) fn first_key(&self) -> String {
        self.sandbox.api_key(self.sandbox.applications()[0].uuid).unwrap()
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or_default(),
    }
}
