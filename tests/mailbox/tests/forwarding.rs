//! Mails of a sandbox arrive in the mailbox.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

use keywright_mailbox_server::{Folder, MailboxServer};
use keywright_sandbox::{Config, Sandbox};
use reqwest::Client;

const EMAIL: &str = "ops@corp.example.net";

#[tokio::test]
async fn each_mail_of_a_sandbox_arrives_once() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let server = MailboxServer::start().await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let url = sandbox.url();
    let forward = || server.forward(&client, &url, EMAIL);
    assert_eq!(forward().await.unwrap(), 0);

    for expected in 1..=2 {
        register(&client, &url).await;
        assert_eq!(forward().await.unwrap(), 1);
        assert_eq!(forward().await.unwrap(), 0);
        let folder = server.folder(MailboxServer::INBOX).await.unwrap();
        assert_eq!(
            folder,
            Folder {
                mails: expected,
                unseen: expected
            }
        );
    }
    sandbox.stop().await;
}

async fn register(client: &Client, sandbox: &str) {
    let response = client
        .post(format!("{sandbox}/auth/v2/programmatic/register/"))
        .json(&serde_json::json!({"email": EMAIL, "password": "Correct-horse-1"}))
        .send()
        .await
        .unwrap();
    assert!(response.status().is_success(), "{}", response.status());
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_told() {
    let server = MailboxServer::start().await.unwrap();
    assert!(
        server
            .deliver("Nowhere", "From: a@example.net\r\n\r\nx\r\n")
            .await
            .is_err()
    );
    assert!(server.folder("Nowhere").await.is_err());
}
