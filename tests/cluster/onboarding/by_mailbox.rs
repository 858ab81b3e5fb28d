//! The operator reads the mail itself, on a real IMAP server.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use keywright::api::IdentityAccount;
use keywright::api::identity_account::AccountState;
use keywright_mailbox_server::{CodeMail, Folder, MailboxServer};
use keywright_sandbox::Operation::{Register, ResendOtp, VerifyEmail};
use secrecy::ExposeSecret;

use super::stage::{NAME, Stage, by_mailbox};
use crate::harness::{EMAIL, PATIENCE, eventually};

#[tokio::test]
async fn the_newest_mail_of_the_right_sender_brings_the_code_and_is_moved() {
    let stage = Stage::new("by-mailbox").await;
    let mailbox = stage.mailbox().await;
    let now = Timestamp::now();
    // Who writes into a mailbox does not decide what is tried.
    let foreign = code_mail("FALSE1").replace(mailbox.sender(), "no-reply@didit.me.example.net");
    let old = code_mail("FALSE2");
    let inbox = MailboxServer::INBOX;
    mailbox.deliver_at(inbox, foreign, now).await.unwrap();
    let earlier = now - Duration::from_secs(3600);
    mailbox.deliver_at(inbox, old, earlier).await.unwrap();

    stage
        .world
        .apply(stage.account(NAME, EMAIL, by_mailbox(&mailbox)))
        .await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    stage
        .world
        .until::<IdentityAccount>(NAME, ("CodeReceived", "False", "OnlyOtherSenders"))
        .await;
    stage.mail_arrives(&mailbox, Timestamp::now()).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 1)]);
    until_moved(&mailbox, 1).await;
    let left = mailbox.folder(inbox).await.unwrap();
    assert_eq!(left, Folder { mails: 2, unseen: 2 });

    let log = stage.operator.log();
    let mut secrets = stage.world.sandbox.known_secrets();
    secrets.push(mailbox.password().expose_secret().to_owned());
    assert!(
        secrets.iter().all(|secret| !log.contains(secret)),
        "a secret stands in the log"
    );
}

fn code_mail(code: &str) -> String {
    let mail = CodeMail {
        to: EMAIL.to_owned(),
        subject: "Your verification code".to_owned(),
        code: code.to_owned(),
        sent_at: Timestamp::now(),
    };
    mail.to_message()
}

async fn until_moved(mailbox: &MailboxServer, mails: u32) {
    eventually("the mail is moved", PATIENCE, async || {
        let done = mailbox.folder(MailboxServer::DONE).await.unwrap();
        if done.mails == mails {
            Ok(())
        } else {
            Err(format!("{done:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_that_refuses_the_password_is_named_until_it_is_right() {
    let stage = Stage::new("mailbox-password").await;
    let mailbox = stage.mailbox().await;
    stage.apply_mailbox_secret(&mailbox, "wrong").await;
    stage
        .world
        .apply(stage.account(NAME, EMAIL, by_mailbox(&mailbox)))
        .await;
    let refused = stage
        .world
        .until::<IdentityAccount>(NAME, ("CodeReceived", "False", "MailboxLoginRefused"))
        .await;
    assert!(refused.message.contains("ops-mailbox"), "{}", refused.message);
    assert!(
        stage.world.sandbox.mailbox(EMAIL).is_empty(),
        "a mail that nobody could read"
    );
    stage
        .apply_mailbox_secret(&mailbox, mailbox.password().expose_secret())
        .await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    stage.mail_arrives(&mailbox, Timestamp::now()).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 1)]);
}

#[tokio::test]
async fn a_wrong_mail_costs_a_try_and_a_mail_that_came_while_no_operator_ran_is_read_first() {
    let mut stage = Stage::new("mail-waits").await;
    let mailbox = stage.mailbox().await;
    stage
        .world
        .apply(stage.account(NAME, EMAIL, by_mailbox(&mailbox)))
        .await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    mailbox
        .deliver(MailboxServer::INBOX, code_mail("FALSE1"))
        .await
        .unwrap();
    stage.until_refused(1).await;
    stage
        .world
        .until::<IdentityAccount>(NAME, ("CodeReceived", "False", "CodeRefused"))
        .await;
    stage.falls_asleep().await;
    stage.mail_arrives(&mailbox, Timestamp::now()).await;
    // By now another mail would be asked for.
    stage.wakes_after(Duration::from_secs(4 * 60)).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 2)]);
}

#[tokio::test]
async fn a_mail_that_does_not_come_is_asked_for_again_and_the_newest_counts() {
    let mut stage = Stage::new("mail-lost").await;
    let mailbox = stage.mailbox().await;
    stage
        .world
        .apply(stage.account(NAME, EMAIL, by_mailbox(&mailbox)))
        .await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    stage
        .world
        .until::<IdentityAccount>(NAME, ("CodeReceived", "False", "NoMail"))
        .await;
    stage.falls_asleep().await;
    let first = stage.mailed(EMAIL);
    stage.wakes_after(Duration::from_secs(4 * 60)).await;
    eventually("another mail is sent", PATIENCE, async || {
        let newest = stage.mailed(EMAIL);
        if newest == first { Err(newest) } else { Ok(()) }
    })
    .await;
    stage.mail_arrives(&mailbox, Timestamp::now()).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 1), (ResendOtp, 1), (VerifyEmail, 1)]);
    until_moved(&mailbox, 1).await;
}
