use async_trait::async_trait;
use keywright_sandbox::{Config, NewAccount, Sandbox};

use super::*;
use crate::identity::didit::{Didit, DiditConfig, OrganizationChoice};
use crate::identity::session::{LoginLedger, LoginRecord, SessionRegistry};
use crate::identity::{Application, ApplicationMetadata, IdentityApi};

const EMAIL: &str = "ops@corp.example.net";
const PASSWORD: &str = "Corr3ct!horse";

struct NoLedger;

#[async_trait]
impl LoginLedger for NoLedger {
    async fn record(&self, _: &LoginRecord) -> Result<(), String> {
        Ok(())
    }
}

/// A sandbox, and an application in it.
async fn sandbox() -> (Sandbox, Application) {
    let config = Config {
        accounts: vec![NewAccount::new(EMAIL, PASSWORD)],
        ..Config::default()
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    let account = DiditConfig {
        auth_url: sandbox.auth_url(),
        api_url: sandbox.api_url(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        totp_seed: None,
        organization: OrganizationChoice::Only,
        ca_bundle: None,
        allow_insecure: true,
        request_timeout: Duration::from_secs(30),
        budget: None,
    };
    let record = LoginRecord::for_credentials(None, "v1");
    let registry = SessionRegistry::new();
    let didit = Didit::connect(
        account,
        Arc::new(Observed::default()),
        &registry,
        Arc::new(NoLedger),
        &record,
    );
    let metadata = ApplicationMetadata {
        name: Some("payments".to_owned()),
        ..ApplicationMetadata::default()
    };
    let application = didit.unwrap().create_application(&metadata).await.unwrap();
    (sandbox, application)
}

#[tokio::test]
async fn an_application_of_didit_gets_tokens_and_can_have_them_checked() {
    let (sandbox, application) = sandbox().await;
    let config = Asked::didit(
        &sandbox.auth_url(),
        application.client_id.clone(),
        application.api_key.clone(),
        true,
    );
    let client = connect(config.unwrap());
    let offers = client.offers().await.unwrap();
    assert_eq!((offers.introspection, offers.revocation), (true, false));

    let answer = client.request_token(&TokenRequest::default()).await.unwrap();
    assert_eq!(answer.token_type, "Bearer", "Didit names none");
    assert_eq!(answer.expires_in, Some(86400));
    assert!(answer.refresh_token.is_none());
    assert_eq!(
        client.introspect(&answer.access_token).await.unwrap(),
        Introspection::Active
    );
    assert!(matches!(
        client.introspect(&"t0ken".into()).await.unwrap(),
        Introspection::Inactive { .. }
    ));
    let error = client
        .revoke(&answer.access_token, TokenKind::Access)
        .await
        .unwrap_err();
    assert_eq!(reason(&error.call), "RevocationNotOffered");
}

#[tokio::test]
async fn another_key_is_refused() {
    let (sandbox, application) = sandbox().await;
    let config = Asked::didit(
        &sandbox.auth_url(),
        application.client_id,
        "sk_wrong".into(),
        true,
    );
    let error = connect(config.unwrap())
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.call.kind, ErrorKind::Unauthorized);
    assert_eq!(error.code, Some(OAuthErrorCode::InvalidClient));
}

#[test]
fn the_address_of_didit_has_to_be_good() {
    let error = Asked::didit(
        "http://apx.didit.me/auth/v2",
        "id".to_owned(),
        "key".into(),
        false,
    )
    .unwrap_err();
    assert_eq!(reason(&error), "InsecureEndpoint");
    let config = Asked::didit(
        "https://apx.didit.me/auth/v2/",
        "id".to_owned(),
        "key".into(),
        false,
    )
    .unwrap();
    assert_eq!(
        config.endpoints.token.as_deref(),
        Some("https://apx.didit.me/auth/v2/token/")
    );
    assert_eq!(
        config.endpoints.introspection.as_deref(),
        Some("https://apx.didit.me/auth/v2/introspect/")
    );
}
