//! The service against a server that answers as it is told.

use std::collections::VecDeque;

use async_trait::async_trait;
use k8s_openapi::jiff::SignedDuration;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use url::Url;

use super::*;
use crate::api::token::VerificationMethod;
use crate::identity::CallError;
use crate::identity::token::{Introspection, Offers, TokenKind};

/// An authorization server. What it is not told otherwise, it answers with a new token that lives for an hour.
struct FakeServer {
    answers: Mutex<VecDeque<Result<TokenAnswer, TokenError>>>,
    requests: Mutex<Vec<TokenRequest>>,
    verdict: Mutex<Result<Introspection, TokenError>>,
    tried: Mutex<Vec<String>>,
    offers: Offers,
    /// One of these is used up by each request.
    gate: Semaphore,
}

impl FakeServer {
    fn new() -> Self {
        Self {
            answers: Mutex::default(),
            requests: Mutex::default(),
            verdict: Mutex::new(Ok(Introspection::Active)),
            tried: Mutex::default(),
            offers: Offers::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }

    fn answers(answers: impl IntoIterator<Item = Result<TokenAnswer, TokenError>>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            ..Self::new()
        }
    }

    fn says_of_tokens(verdict: Result<Introspection, TokenError>) -> Self {
        Self {
            verdict: Mutex::new(verdict),
            ..Self::new()
        }
    }

    fn requests(&self) -> Vec<TokenRequest> {
        self.requests.lock().unwrap().clone()
    }

    fn tried(&self) -> Vec<String> {
        self.tried.lock().unwrap().clone()
    }
}

#[async_trait]
impl TokenApi for FakeServer {
    async fn offers(&self) -> Result<Offers, TokenError> {
        Ok(self.offers)
    }

    async fn request_token(&self, request: &TokenRequest) -> Result<TokenAnswer, TokenError> {
        let number = {
            let mut requests = self.requests.lock().unwrap();
            requests.push(request.clone());
            requests.len()
        };
        self.gate.acquire().await.unwrap().forget();
        let prepared = self.answers.lock().unwrap().pop_front();
        prepared.unwrap_or_else(|| Ok(answer(&format!("token-{number}"), 3600)))
    }

    async fn introspect(&self, _token: &SecretString) -> Result<Introspection, TokenError> {
        self.tried.lock().unwrap().push("introspection".into());
        self.verdict.lock().unwrap().clone()
    }

    async fn revoke(&self, _token: &SecretString, _kind: TokenKind) -> Result<(), TokenError> {
        panic!("the service revokes nothing")
    }

    async fn probe(&self, url: &Url, _token: &SecretString) -> Result<Introspection, TokenError> {
        self.tried.lock().unwrap().push(url.to_string());
        self.verdict.lock().unwrap().clone()
    }
}

fn answer(token: &str, expires_in: i64) -> TokenAnswer {
    let now = Timestamp::now();
    TokenAnswer {
        access_token: token.to_owned().into(),
        token_type: "Bearer".into(),
        expires_in: Some(expires_in),
        unreadable_expires_in: None,
        expiry_claim: None,
        issued_at_claim: None,
        scope: None,
        refresh_token: None,
        asked_at: now,
        received_at: now,
        server_date: None,
    }
}

fn with_refresh_token(token: &str, refresh_token: &str) -> TokenAnswer {
    TokenAnswer {
        refresh_token: Some(refresh_token.to_owned().into()),
        ..answer(token, 3600)
    }
}

fn error(kind: ErrorKind, code: Option<OAuthErrorCode>) -> TokenError {
    let call = CallError {
        operation: "requestToken",
        kind,
        message: "login.example said no".into(),
    };
    TokenError { call, code }
}

fn settings(verification: Option<TokenVerification>) -> TokenSettings {
    TokenSettings {
        scopes: vec!["orders:read".into()],
        audience: Some("orders".into()),
        resources: vec!["urn:orders".into()],
        verification,
        ..TokenSettings::default()
    }
}

fn ask<'a>(server: &'a FakeServer, settings: &'a TokenSettings, uid: &'a str) -> Ask<'a> {
    Ask {
        key: uid,
        uid,
        api: server,
        settings,
        request_digest: "digest",
        promise: Promise::new(std::time::Duration::from_secs(60)),
        why: Why::NonePublished,
        urgency: Urgency::NeverSynced,
        refresh_token: None,
    }
}

fn token_of(got: &Got) -> &str {
    got.obtained.access_token.expose_secret()
}

#[tokio::test]
async fn a_token_comes_with_all_that_is_recorded_of_it() {
    let server = FakeServer::answers([Ok(TokenAnswer {
        scope: Some("orders:read".into()),
        ..answer("token-1", 3600)
    })]);
    let settings = settings(None);
    let got = TokenService::default()
        .obtain(&ask(&server, &settings, "uid-1"))
        .await
        .unwrap();
    assert!(got.asked);
    assert_eq!(token_of(&got), "token-1");
    let status = &got.obtained.status;
    assert_eq!(
        status.expires_at.0.duration_since(status.issued_at.0),
        SignedDuration::from_secs(3600)
    );
    assert!(status.refresh_at.0 > status.issued_at.0 && status.refresh_at.0 < status.expires_at.0);
    assert_eq!(status.scope.as_deref(), Some("orders:read"));
    assert_eq!(
        (status.token_type.as_str(), status.request_digest.as_str()),
        ("Bearer", "digest")
    );
    assert!(!status.fingerprint.contains("token-1"));
    let request = &server.requests()[0];
    assert_eq!(request.scopes, ["orders:read"]);
    assert_eq!(request.audience.as_deref(), Some("orders"));
    assert_eq!(request.resources, ["urn:orders"]);
}

#[tokio::test]
async fn what_is_odd_about_a_life_is_kept_for_the_reader_and_an_expired_token_is_not_published() {
    let odd = TokenAnswer {
        expires_in: None,
        ..answer("token-1", 0)
    };
    let server = FakeServer::answers([Ok(odd), Ok(answer("token-2", 0)), Ok(answer("token-3", -5))]);
    let (service, settings) = (TokenService::default(), settings(None));
    let got = service.obtain(&ask(&server, &settings, "uid-1")).await.unwrap();
    assert_eq!(got.obtained.status.remark.unwrap().reason, "ExpiryUnknown");
    for uid in ["uid-2", "uid-3"] {
        let trouble = service.obtain(&ask(&server, &settings, uid)).await.unwrap_err();
        assert_eq!(trouble.reason, "TokenAlreadyExpired");
        assert!(trouble.message.contains("It is not published"));
        assert!(!trouble.passes);
    }
}

/// What comes of three asks for the same shared token that have all begun before the server answers the first.
async fn three_at_once(server: &FakeServer) -> [Result<Got, Trouble>; 3] {
    let (service, settings) = (TokenService::default(), settings(None));
    let shared = |uid| Ask {
        key: "shared",
        ..ask(server, &settings, uid)
    };
    server.gate.forget_permits(Semaphore::MAX_PERMITS);
    let release = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        server.gate.add_permits(3);
    };
    let (ask_1, ask_2, ask_3) = (shared("uid-1"), shared("uid-2"), shared("uid-3"));
    let (first, second, third, ()) = tokio::join!(
        service.obtain(&ask_1),
        service.obtain(&ask_2),
        service.obtain(&ask_3),
        release
    );
    [first, second, third]
}

#[tokio::test]
async fn those_who_come_together_share_one_call() {
    let server = FakeServer::new();
    let [first, second, third] = three_at_once(&server).await;
    assert_eq!(server.requests().len(), 1);
    let got = [first.unwrap(), second.unwrap(), third.unwrap()];
    assert_eq!(got.iter().filter(|got| got.asked).count(), 1);
    assert!(got.iter().all(|got| token_of(got) == "token-1"));
    let fingerprints: std::collections::BTreeSet<_> =
        got.iter().map(|got| &got.obtained.status.fingerprint).collect();
    assert_eq!(fingerprints.len(), 3, "each finds it in its own Secret only");
}

#[tokio::test]
async fn those_who_come_together_share_a_refusal_too() {
    let throttled = ErrorKind::Throttled {
        retry_after: Some(std::time::Duration::from_secs(30)),
    };
    for (kind, code, reason) in [
        (
            ErrorKind::Unauthorized,
            Some(OAuthErrorCode::InvalidClient),
            "InvalidClient",
        ),
        (throttled, None, "Throttled"),
    ] {
        let server = FakeServer::answers([Err(error(kind, code))]);
        for outcome in three_at_once(&server).await {
            assert_eq!(outcome.unwrap_err().reason, reason);
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_failure_that_may_pass_at_once_is_not_shared() {
    let server = FakeServer::answers([Err(error(ErrorKind::Unavailable, None))]);
    let [first, second, third] = three_at_once(&server).await;
    let trouble = first.unwrap_err();
    assert!(trouble.passes && trouble.concerns_provider);
    assert_eq!(
        (token_of(&second.unwrap()), token_of(&third.unwrap())),
        ("token-2", "token-2")
    );
}

#[tokio::test]
async fn a_refusal_is_not_for_who_comes_later() {
    for key in ["uid-1", "shared"] {
        let refused = error(ErrorKind::Unauthorized, Some(OAuthErrorCode::InvalidClient));
        let server = FakeServer::answers([Err(refused)]);
        let (service, settings) = (TokenService::default(), settings(None));
        let ask = Ask {
            key,
            ..ask(&server, &settings, "uid-1")
        };
        assert_eq!(service.obtain(&ask).await.unwrap_err().reason, "InvalidClient");
        let got = service.obtain(&ask).await.unwrap();
        assert_eq!(token_of(&got), "token-2");
    }
}

#[tokio::test]
async fn a_lost_secret_is_served_without_a_call() {
    let server = FakeServer::new();
    let (service, settings) = (TokenService::default(), settings(None));
    let first = service.obtain(&ask(&server, &settings, "uid-1")).await.unwrap();
    let again = service.obtain(&ask(&server, &settings, "uid-1")).await.unwrap();
    assert!(!again.asked && again.refresh_token.is_none());
    assert_eq!(token_of(&first), token_of(&again));
    assert_eq!(first.obtained.status, again.obtained.status);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_kept_token_does_not_serve_who_needs_another() {
    let server = FakeServer::new();
    let (service, settings) = (TokenService::default(), settings(None));
    let usual = ask(&server, &settings, "uid-1");
    service.obtain(&usual).await.unwrap();
    for (says, ask) in [
        (
            "a refresh on demand",
            Ask {
                why: Why::RefreshRequested,
                ..usual
            },
        ),
        (
            "a revocation",
            Ask {
                why: Why::RevocationRequested,
                ..usual
            },
        ),
        (
            "another request",
            Ask {
                request_digest: "other",
                ..usual
            },
        ),
        ("another resource", ask(&server, &settings, "uid-2")),
    ] {
        assert!(service.obtain(&ask).await.unwrap().asked, "{says}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_the_next_one_handed_back() {
    let server = FakeServer::answers([Ok(with_refresh_token("token-1", "next"))]);
    let (service, settings) = (TokenService::default(), settings(None));
    let used: SecretString = "used".to_owned().into();
    let ask = Ask {
        refresh_token: Some(&used),
        ..ask(&server, &settings, "uid-1")
    };
    let got = service.obtain(&ask).await.unwrap();
    assert_eq!(got.refresh_token.unwrap().expose_secret(), "next");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].refresh_token.as_ref().unwrap().expose_secret(),
        "used"
    );
}

#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays_good() {
    let server = FakeServer::new();
    let (service, settings) = (TokenService::default(), settings(None));
    let used: SecretString = "lasting".to_owned().into();
    let ask = Ask {
        refresh_token: Some(&used),
        ..ask(&server, &settings, "uid-1")
    };
    let got = service.obtain(&ask).await.unwrap();
    assert_eq!(got.refresh_token.unwrap().expose_secret(), "lasting");
}

#[tokio::test]
async fn a_refresh_token_that_did_not_work_is_given_up_for_the_clients_credentials() {
    for (kind, code) in [
        (ErrorKind::Rejected, Some(OAuthErrorCode::InvalidGrant)),
        (ErrorKind::Rejected, Some(OAuthErrorCode::UnsupportedGrantType)),
        (ErrorKind::Rejected, Some(OAuthErrorCode::InvalidRequest)),
        (ErrorKind::Rejected, Some(OAuthErrorCode::InvalidScope)),
        (ErrorKind::Rejected, Some(OAuthErrorCode::InvalidTarget)),
        (ErrorKind::Rejected, Some(OAuthErrorCode::UnauthorizedClient)),
        (ErrorKind::Rejected, None),
        (ErrorKind::Forbidden, None),
        (ErrorKind::Unknown, None),
    ] {
        let server = FakeServer::answers([Err(error(kind, code))]);
        let (service, settings) = (TokenService::default(), settings(None));
        let used: SecretString = "spent".to_owned().into();
        let ask = Ask {
            refresh_token: Some(&used),
            ..ask(&server, &settings, "uid-1")
        };
        let got = service.obtain(&ask).await.unwrap();
        assert_eq!(token_of(&got), "token-2");
        assert!(got.refresh_token.is_none(), "it is not used a second time");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests[1].refresh_token.is_none());
    }
}

#[tokio::test]
async fn other_failures_of_a_refresh_are_not_doubled() {
    for (kind, code, reason) in [
        (ErrorKind::Unavailable, None, "Unavailable"),
        (ErrorKind::Throttled { retry_after: None }, None, "Throttled"),
        (
            ErrorKind::Unauthorized,
            Some(OAuthErrorCode::InvalidClient),
            "InvalidClient",
        ),
        (ErrorKind::Unauthorized, None, "InvalidClient"),
    ] {
        let server = FakeServer::answers([Err(error(kind, code))]);
        let (service, settings) = (TokenService::default(), settings(None));
        let used: SecretString = "used".to_owned().into();
        let ask = Ask {
            refresh_token: Some(&used),
            ..ask(&server, &settings, "uid-1")
        };
        assert_eq!(service.obtain(&ask).await.unwrap_err().reason, reason);
        assert_eq!(server.requests().len(), 1);
    }
    // Without a refresh token there is nothing to fall back from.
    let server = FakeServer::answers([Err(error(ErrorKind::Unknown, None))]);
    let settings = settings(None);
    let trouble = TokenService::default()
        .obtain(&ask(&server, &settings, "uid-1"))
        .await
        .unwrap_err();
    assert_eq!(trouble.reason, "OutcomeUnknown");
    assert_eq!(server.requests().len(), 1);
}

fn verification(method: Option<VerificationMethod>, probe_url: Option<&str>) -> TokenSettings {
    settings(Some(TokenVerification {
        method,
        probe_url: probe_url.map(str::to_owned),
    }))
}

#[tokio::test]
async fn a_token_is_tried_in_the_way_that_is_wanted_or_offered() {
    use VerificationMethod::{Introspection, Probe};
    const URL: &str = "https://orders.example/me";
    for (method, url, offered, expected) in [
        (Some(Introspection), None, false, "introspection"),
        (Some(Probe), Some(URL), true, URL),
        (None, None, false, "introspection"),
        (None, Some(URL), true, "introspection"),
        (None, Some(URL), false, URL),
    ] {
        let server = FakeServer {
            offers: Offers {
                introspection: offered,
                revocation: false,
            },
            ..FakeServer::new()
        };
        let settings = verification(method, url);
        TokenService::default()
            .obtain(&ask(&server, &settings, "uid-1"))
            .await
            .unwrap();
        assert_eq!(server.tried(), [expected], "{method:?} {url:?} {offered}");
    }
    let server = FakeServer::new();
    let settings = settings(None);
    TokenService::default()
        .obtain(&ask(&server, &settings, "uid-1"))
        .await
        .unwrap();
    assert!(server.tried().is_empty(), "nobody wants it tried");
}

#[tokio::test]
async fn a_token_that_is_refused_or_cannot_be_tried_is_not_published() {
    let inactive = Ok(Introspection::Inactive {
        message: "active is false".into(),
    });
    let unknown = Err(error(ErrorKind::Unavailable, None));
    let not_offered = Err(error(
        ErrorKind::Misconfigured {
            reason: "IntrospectionNotOffered",
        },
        None,
    ));
    for (verdict, reason, passes, sentence, next) in [
        (
            inactive,
            "TokenRefused",
            false,
            "so it is not published: active is false",
            "token-2",
        ),
        (
            unknown,
            "VerificationFailed",
            true,
            "could not be tried, so it is not published",
            "token-1",
        ),
        (
            not_offered,
            "VerificationFailed",
            false,
            "could not be tried, so it is not published",
            "token-1",
        ),
    ] {
        let server = FakeServer::says_of_tokens(verdict);
        let settings = verification(Some(VerificationMethod::Introspection), None);
        let service = TokenService::default();
        let trouble = service
            .obtain(&ask(&server, &settings, "uid-1"))
            .await
            .unwrap_err();
        assert_eq!(
            (trouble.reason, trouble.passes),
            (reason, passes),
            "{}",
            trouble.message
        );
        assert!(trouble.message.contains(sentence), "{}", trouble.message);

        // What was refused is not kept either; what could not be tried is tried again.
        *server.verdict.lock().unwrap() = Ok(Introspection::Active);
        let got = service.obtain(&ask(&server, &settings, "uid-1")).await.unwrap();
        assert!(got.asked);
        assert_eq!(token_of(&got), next);
    }
}

#[tokio::test]
async fn while_nobody_can_tell_no_further_token_is_issued_and_nothing_of_the_first_is_lost() {
    let server = FakeServer::answers([Ok(with_refresh_token("token-1", "next"))]);
    *server.verdict.lock().unwrap() = Err(error(ErrorKind::Unavailable, None));
    let settings = verification(Some(VerificationMethod::Introspection), None);
    let service = TokenService::default();
    let ask = ask(&server, &settings, "uid-1");
    for _ in 0..3 {
        assert_eq!(
            service.obtain(&ask).await.unwrap_err().reason,
            "VerificationFailed"
        );
    }
    *server.verdict.lock().unwrap() = Ok(Introspection::Active);
    let got = service.obtain(&ask).await.unwrap();
    assert_eq!(token_of(&got), "token-1");
    assert_eq!(got.refresh_token.unwrap().expose_secret(), "next");
    assert_eq!(server.requests().len(), 1);
    // A refresh on demand is no matter of a token from before.
    *server.verdict.lock().unwrap() = Err(error(ErrorKind::Unavailable, None));
    let on_demand = Ask {
        why: Why::RefreshRequested,
        ..ask
    };
    service.obtain(&on_demand).await.unwrap_err();
    *server.verdict.lock().unwrap() = Ok(Introspection::Active);
    assert_eq!(token_of(&service.obtain(&on_demand).await.unwrap()), "token-3");
}

#[tokio::test]
async fn an_address_that_is_down_is_not_the_providers_trouble() {
    let probe = verification(Some(VerificationMethod::Probe), Some("https://orders.example/me"));
    let introspection = verification(Some(VerificationMethod::Introspection), None);
    for (settings, concerns_provider) in [(probe, false), (introspection, true)] {
        let server = FakeServer::says_of_tokens(Err(error(ErrorKind::Unavailable, None)));
        let trouble = TokenService::default()
            .obtain(&ask(&server, &settings, "uid-1"))
            .await
            .unwrap_err();
        assert!(trouble.passes);
        assert_eq!(trouble.concerns_provider, concerns_provider);
    }
}

#[tokio::test]
async fn a_shared_token_is_tried_for_each_who_wants_another_trial() {
    const URL: &str = "https://orders.example/me";
    let server = FakeServer::new();
    let service = TokenService::default();
    let [untried, introspected, probed] = [
        settings(None),
        verification(Some(VerificationMethod::Introspection), None),
        verification(Some(VerificationMethod::Probe), Some(URL)),
    ];
    for (settings, uid, tried) in [
        (&untried, "uid-1", &[] as &[&str]),
        (&introspected, "uid-2", &["introspection"]),
        (&probed, "uid-3", &["introspection", URL]),
        // What it has passed it need not pass again.
        (&introspected, "uid-4", &["introspection", URL]),
    ] {
        let ask = Ask {
            key: "shared",
            ..ask(&server, settings, uid)
        };
        assert_eq!(token_of(&service.obtain(&ask).await.unwrap()), "token-1");
        assert_eq!(server.tried(), tried, "{uid}");
    }
}

#[tokio::test]
async fn a_shared_token_that_is_refused_or_cannot_be_tried_stays_for_the_others_only() {
    let inactive = Ok(Introspection::Inactive {
        message: "active is false".into(),
    });
    for (verdict, reason) in [
        (inactive, "TokenRefused"),
        (Err(error(ErrorKind::Unavailable, None)), "VerificationFailed"),
    ] {
        let server = FakeServer::says_of_tokens(verdict);
        let service = TokenService::default();
        let tried = verification(Some(VerificationMethod::Introspection), None);
        let untried = settings(None);
        let content = Ask {
            key: "shared",
            ..ask(&server, &untried, "uid-1")
        };
        let wary = Ask {
            key: "shared",
            ..ask(&server, &tried, "uid-2")
        };
        service.obtain(&content).await.unwrap();
        assert_eq!(service.obtain(&wary).await.unwrap_err().reason, reason);
        assert_eq!(token_of(&service.obtain(&content).await.unwrap()), "token-1");
    }
}

#[tokio::test]
async fn a_probe_without_an_address_is_the_specs_fault() {
    for url in [None, Some("no address")] {
        let server = FakeServer::new();
        let settings = verification(Some(VerificationMethod::Probe), url);
        let trouble = TokenService::default()
            .obtain(&ask(&server, &settings, "uid-1"))
            .await
            .unwrap_err();
        assert_eq!(trouble.reason, "InvalidProbeUrl");
        assert!(trouble.message.contains("verification.probeUrl"));
        assert!(server.tried().is_empty());
    }
}

#[tokio::test]
async fn tokens_that_have_ended_are_not_kept_for_ever() {
    let server = FakeServer::new();
    let (service, settings) = (TokenService::default(), settings(None));
    service.obtain(&ask(&server, &settings, "alive")).await.unwrap();
    service.obtain(&ask(&server, &settings, "ended")).await.unwrap();
    let ended = service.slot("ended");
    let long_ago = Timestamp::from_second(1).unwrap();
    let mut state = ended.state.lock().await;
    state.kept.as_mut().unwrap().obtained.status.expires_at = Time(long_ago);
    drop(state);
    drop(ended);
    let in_use = service.slot("in use");
    for _ in 0..=SWEEP_EVERY {
        service.slot("alive");
    }
    let kept = service.lock();
    assert!(kept.slots.contains_key("alive") && kept.slots.contains_key("in use"));
    assert!(!kept.slots.contains_key("ended"));
    drop(in_use);
}

#[tokio::test]
async fn nothing_that_is_kept_shows_a_token() {
    let server = FakeServer::answers([Ok(with_refresh_token("token-secret", "refresh-secret"))]);
    let settings = settings(None);
    let got = TokenService::default()
        .obtain(&ask(&server, &settings, "uid-1"))
        .await
        .unwrap();
    let shown = format!("{got:?}");
    assert!(
        !shown.contains("token-secret") && !shown.contains("refresh-secret"),
        "{shown}"
    );
}
