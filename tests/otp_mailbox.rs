//! Codes are read from a real IMAP server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keywright::identity::mailbox::{Absence, AfterRead, Lookup, Mailbox, MailboxConfig, MailboxError};
use keywright_mailbox_server::{CodeMail, Folder, MailboxServer};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

fn config(server: &MailboxServer) -> MailboxConfig {
    MailboxConfig {
        host: server.address().ip().to_string(),
        port: server.address().port(),
        username: server.username().to_owned(),
        password: server.password().clone(),
        folder: MailboxServer::INBOX.to_owned(),
        senders: vec![server.sender().to_owned()],
        ca_bundle: Some(server.ca_pem().into()),
        after_read: AfterRead::Keep,
        deadline: Duration::from_secs(60),
    }
}

fn mailbox(config: MailboxConfig) -> Mailbox {
    Mailbox::new(config).unwrap()
}

fn code_mail(code: &str) -> CodeMail {
    CodeMail {
        to: "ops@corp.example.net".to_owned(),
        subject: "Your verification code".to_owned(),
        code: code.to_owned(),
        sent_at: Timestamp::now(),
    }
}

fn plain_mail(from: &str, text: &str) -> String {
    format!("From: {from}\r\nTo: ops@corp.example.net\r\nSubject: Hello\r\n\r\n{text}\r\n")
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

fn code(lookup: Lookup) -> String {
    match lookup {
        Lookup::Found(found) => found.code.expose_secret().to_owned(),
        Lookup::Absent(absence) => panic!("no code: {absence}"),
    }
}

fn absence(lookup: Lookup) -> Absence {
    match lookup {
        Lookup::Found(found) => panic!("found a code in {:?}", found.mail),
        Lookup::Absent(absence) => absence,
    }
}

#[tokio::test]
async fn the_code_of_a_mail_that_came_is_found_as_often_as_one_looks() {
    let server = MailboxServer::start().await.unwrap();
    let mailbox = mailbox(config(&server));
    let asked = ago(1);
    assert_eq!(absence(mailbox.find_code(asked).await.unwrap()), Absence::NoMail);
    server.deliver_code(&code_mail("K7Q2ZD")).await.unwrap();
    for _ in 0..2 {
        let lookup = mailbox.find_code(asked).await.unwrap();
        assert!(!format!("{lookup:?}").contains("K7Q2ZD"));
        assert_eq!(code(lookup), "K7Q2ZD");
    }
    let inbox = server.folder(MailboxServer::INBOX).await.unwrap();
    assert_eq!(inbox, Folder { mails: 1, unseen: 1 }, "looking changes nothing");
}

#[tokio::test]
async fn the_newest_mail_wins_and_old_ones_do_not_count() {
    let server = MailboxServer::start().await.unwrap();
    let mailbox = mailbox(config(&server));
    for (name, seconds) in [
        ("AAA111", 10),
        ("BBB222", 100),
        ("CCC333", 20),
        ("DDD444", 200_000),
    ] {
        let message = code_mail(name).to_message();
        let at = ago(seconds);
        server
            .deliver_at(MailboxServer::INBOX, message, at)
            .await
            .unwrap();
    }
    let find = async |seconds| mailbox.find_code(ago(seconds)).await.unwrap();
    assert_eq!(code(find(60).await), "AAA111");
    assert_eq!(code(find(500_000).await), "AAA111");
    let ahead = Timestamp::now() + SignedDuration::from_secs(60);
    let lookup = mailbox.find_code(ahead).await.unwrap();
    assert_eq!(absence(lookup), Absence::NoMail);
}

#[tokio::test]
async fn mails_of_others_do_not_count_whatever_they_say() {
    let server = MailboxServer::start().await.unwrap();
    let text = "Your verification code is K7Q2ZD.";
    for from in [
        "thief@example.net",
        "\"no-reply@didit.me\" <thief@example.net>",
        "no-reply@didit.me.example.net",
    ] {
        server
            .deliver(MailboxServer::INBOX, plain_mail(from, text))
            .await
            .unwrap();
    }
    let lookup = mailbox(config(&server)).find_code(ago(1)).await.unwrap();
    assert_eq!(absence(lookup), Absence::OtherSenders { mails: 3 });

    let mut anybody = config(&server);
    anybody.senders.clear();
    let lookup = mailbox(anybody).find_code(ago(1)).await.unwrap();
    assert_eq!(code(lookup), "K7Q2ZD");

    let mut domain = config(&server);
    domain.senders = vec!["@EXAMPLE.net".to_owned()];
    let lookup = mailbox(domain).find_code(ago(1)).await.unwrap();
    assert_eq!(code(lookup), "K7Q2ZD");
}

#[tokio::test]
async fn a_mail_without_a_code_is_told_from_one_with_several() {
    let server = MailboxServer::start().await.unwrap();
    let mailbox = mailbox(config(&server));
    let deliver = async |text| {
        let message = plain_mail(server.sender(), text);
        server.deliver(MailboxServer::INBOX, message).await.unwrap();
    };
    deliver("Welcome!").await;
    let lookup = mailbox.find_code(ago(1)).await.unwrap();
    assert_eq!(absence(lookup), Absence::NoCode { mails: 1 });
    deliver("Code: K7Q2ZD\r\nCode: AB12CD").await;
    let lookup = mailbox.find_code(ago(1)).await.unwrap();
    assert_eq!(absence(lookup), Absence::Ambiguous);
}

#[tokio::test]
async fn a_mail_whose_code_was_used_is_marked_or_moved() {
    let folders = async |server: &MailboxServer| {
        let inbox = server.folder(MailboxServer::INBOX).await.unwrap();
        let done = server.folder(MailboxServer::DONE).await.unwrap();
        (inbox.mails, inbox.unseen, done.mails)
    };
    for (after_read, expected) in [
        (AfterRead::Keep, (2, 2, 0)),
        (AfterRead::MarkSeen, (2, 1, 0)),
        (AfterRead::Move(MailboxServer::DONE.to_owned()), (1, 1, 1)),
    ] {
        let server = MailboxServer::start().await.unwrap();
        let other = plain_mail("friend@example.net", "Hello");
        server.deliver(MailboxServer::INBOX, other).await.unwrap();
        server.deliver_code(&code_mail("K7Q2ZD")).await.unwrap();
        let mut config = config(&server);
        config.after_read = after_read.clone();
        let mailbox = mailbox(config);
        let found = mailbox.find_code(ago(1)).await.unwrap().found().unwrap();
        // Done again after a crash, it changes nothing more.
        for _ in 0..2 {
            mailbox.settle(found.mail).await.unwrap();
            assert_eq!(folders(&server).await, expected, "{after_read:?}");
        }
        let mut foreign = found.mail;
        foreign.uid_validity += 1;
        foreign.uid = 1;
        mailbox.settle(foreign).await.unwrap();
        assert_eq!(folders(&server).await, expected, "another folder's number");
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_refused_login() {
    let server = MailboxServer::start().await.unwrap();
    for (username, password) in [
        (server.username(), "hunter2"),
        (server.username(), "h\"unt\\er 2"),
        (server.username(), "hünter2"),
        ("nobody", "hunter2"),
    ] {
        let mut config = config(&server);
        config.username = username.to_owned();
        config.password = password.into();
        let error = mailbox(config).find_code(ago(1)).await.unwrap_err();
        assert!(error.is_login_refused(), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("app password") && !text.contains(password),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let server = MailboxServer::start().await.unwrap();
    server.deliver_code(&code_mail("K7Q2ZD")).await.unwrap();
    let missing = |folder: &str| MailboxError::FolderMissing {
        server: server.address().to_string(),
        folder: folder.to_owned(),
    };
    let mut inbox = config(&server);
    inbox.folder = "Codes".to_owned();
    let error = mailbox(inbox).find_code(ago(1)).await.unwrap_err();
    assert_eq!(error, missing("Codes"));

    let mut target = config(&server);
    target.after_read = AfterRead::Move("Used codes".to_owned());
    let mailbox = mailbox(target);
    let found = mailbox.find_code(ago(1)).await.unwrap().found().unwrap();
    let error = mailbox.settle(found.mail).await.unwrap_err();
    assert_eq!(error, missing("Used codes"));
}

#[tokio::test]
async fn a_folder_may_have_a_name_in_any_language() {
    let server = MailboxServer::start().await.unwrap();
    let message = code_mail("K7Q2ZD").to_message();
    server.deliver(MailboxServer::DRAFTS, message).await.unwrap();
    let mut drafts = config(&server);
    drafts.folder = MailboxServer::DRAFTS.to_owned();
    let lookup = mailbox(drafts).find_code(ago(1)).await.unwrap();
    assert_eq!(code(lookup), "K7Q2ZD");
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_gets_no_password() {
    let server = MailboxServer::start().await.unwrap();
    let other = MailboxServer::start().await.unwrap();
    let mut config = config(&server);
    config.ca_bundle = Some(other.ca_pem().into());
    let error = mailbox(config).find_code(ago(1)).await.unwrap_err();
    let MailboxError::TlsRefused { problem, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(problem.contains("CA bundle"), "{problem}");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_password() {
    let server = MailboxServer::start().await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut plain = config(&server);
    plain.port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"* OK IMAP4rev1 ready\r\n").await.unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        heard
    });
    let error = mailbox(plain).find_code(ago(1)).await.unwrap_err();
    assert!(matches!(error, MailboxError::TlsRefused { .. }), "{error:?}");
    assert!(error.to_string().contains("993"), "{error}");
    let heard = heard.await.unwrap();
    let password = server.password().expose_secret().as_bytes();
    assert!(!heard.windows(password.len()).any(|window| window == password));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_silent_is_unreachable() {
    let server = MailboxServer::start().await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut silent = config(&server);
    silent.port = listener.local_addr().unwrap().port();
    silent.deadline = Duration::from_millis(200);
    let begun = Instant::now();
    let error = mailbox(silent.clone()).find_code(ago(1)).await.unwrap_err();
    assert!(matches!(error, MailboxError::Unreachable { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    drop(listener);
    let error = mailbox(silent).find_code(ago(1)).await.unwrap_err();
    assert!(error.to_string().ends_with("connection refused"), "{error}");
}

#[tokio::test]
async fn a_full_mailbox_costs_no_more_than_a_small_one() {
    let server = MailboxServer::start().await.unwrap();
    let large = "x".repeat(70) + "\r\n";
    let code = code_mail("K7Q2ZD").to_message();
    server.deliver(MailboxServer::INBOX, code).await.unwrap();
    for number in 0..300 {
        let message = plain_mail(
            "news@example.net",
            &format!("Number {number}: your code is AB12CD"),
        );
        server.deliver(MailboxServer::INBOX, message).await.unwrap();
    }
    for _ in 0..3 {
        let message = plain_mail(server.sender(), &large.repeat(60_000));
        server.deliver(MailboxServer::INBOX, message).await.unwrap();
    }
    let lookup = mailbox(config(&server)).find_code(ago(60)).await.unwrap();
    assert_eq!(self::code(lookup), "K7Q2ZD");

    let start = plain_mail(
        server.sender(),
        &format!("Your code is BBB222.\r\n{}", large.repeat(60_000)),
    );
    server.deliver(MailboxServer::INBOX, start).await.unwrap();
    let lookup = mailbox(config(&server)).find_code(ago(60)).await.unwrap();
    assert_eq!(self::code(lookup), "BBB222");
}

#[tokio::test]
async fn a_connection_may_end_anywhere() {
    let server = MailboxServer::start().await.unwrap();
    server.deliver_code(&code_mail("K7Q2ZD")).await.unwrap();
    let mut cut = 0;
    loop {
        let mut config = config(&server);
        config.port = cut_after(server.address(), cut).await;
        match mailbox(config).find_code(ago(600)).await {
            Ok(lookup) => {
                assert_eq!(code(lookup), "K7Q2ZD");
                break;
            }
            Err(error) => assert!(
                matches!(error, MailboxError::Unreachable { .. }),
                "{cut}: {error:?}"
            ),
        }
        cut += 101;
    }
    assert!(cut > 2000, "only {cut} bytes: the mail was not part of it");
}

/// A port that passes one connection on, and hangs up when the server has sent that many bytes.
async fn cut_after(server: SocketAddr, bytes: u64) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (from_server, mut to_server) = server.into_split();
        let mut from_server = from_server.take(bytes);
        tokio::select! {
            _ = copy(&mut from_server, &mut to_client) => {}
            // A client that says nothing more may still listen.
            () = async {
                let _ = copy(&mut from_client, &mut to_server).await;
                std::future::pending::<()>().await;
            } => {}
        }
    });
    port
}
