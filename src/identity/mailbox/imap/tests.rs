use std::io;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::date;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;

use super::response::{Answer, read};
use super::token::Response;
use super::{Condition, Connection, Failure, Fetched, Query, Session};

/// What the server says from the start, whatever it is told. Commands are numbered from `K1`.
async fn session<T, F>(
    server: Vec<u8>,
    act: impl FnOnce(Session<tokio::io::DuplexStream>) -> F,
) -> (T, String)
where
    F: Future<Output = T>,
{
    let (ours, mut theirs) = duplex(64 << 10);
    let script = tokio::spawn(async move {
        let (mut reading, mut writing) = tokio::io::split(&mut theirs);
        // Either may end first: a client gives up, a server hangs up.
        let mut heard = Vec::new();
        let said = async {
            let _ = writing.write_all(&server).await;
            let _ = writing.shutdown().await;
        };
        let _ = tokio::join!(said, reading.read_to_end(&mut heard));
        String::from_utf8_lossy(&heard).into_owned()
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let result = act(Session::new(Connection::new(ours, deadline))).await;
    (result, script.await.unwrap())
}

async fn mail(server: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, Failure> {
    session(
        server.into(),
        |mut session| async move { session.mail(7, 100).await },
    )
    .await
    .0
}

#[tokio::test]
async fn a_mail_is_read_from_its_literal() {
    for answer in [
        "* 1 FETCH (UID 7 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[]<0> {11}\r\na (b\r\n{3}\r\n)\r\nK1 OK\r\n",
        "* 1 FETCH (BODY[]<0> {11}\r\na (b\r\n{3}\r\n UID 7)\r\nK1 OK done\r\n",
        "* 1 FETCH (FLAGS (\\Seen (\"(\" NIL)) BODY[]<0> ~{11+}\r\na (b\r\n{3}\r\n UID 7)\r\nK1 OK done\r\n",
        "* OK still here {5}\r\n* 3 EXISTS\r\n* 1 FETCH (UID 7 BODY[] {11}\r\na (b\r\n{3}\r\n)\r\nK1 OK done {9}\r\n",
    ] {
        assert_eq!(
            mail(answer).await.unwrap().unwrap(),
            b"a (b\r\n{3}\r\n",
            "{answer}"
        );
    }
    assert_eq!(
        mail("* 1 FETCH (UID 8 BODY[] \"x\")\r\nK1 OK\r\n").await.unwrap(),
        None
    );
    assert_eq!(
        mail("* 1 FETCH (UID 7 BODY[] NIL)\r\nK1 OK\r\n").await.unwrap(),
        None
    );
    assert_eq!(
        mail("* 1 FETCH (UID 7 BODY[] \"q\\\"\")\r\nK1 OK\r\n")
            .await
            .unwrap()
            .unwrap(),
        b"q\""
    );
}

#[tokio::test]
async fn a_server_that_sends_too_much_is_given_up() {
    let endless_line = vec![b'x'; 2 << 20];
    let many_lines = "* 1 EXISTS\r\n".repeat(1 << 20).into_bytes();
    let many_literals = "{1}\r\nx".repeat(20).into_bytes();
    let claims = b"* 1 FETCH (UID 7 BODY[] {4294967295}\r\n".to_vec();
    let claims_more = b"* 1 FETCH (UID 7 BODY[] {99999999999999999999999}\r\n".to_vec();
    for (server, words) in [
        (endless_line, Some("longer than 1 MiB")),
        (many_lines, Some("more than 8 MiB")),
        (many_literals, Some("too many parts")),
        (claims, Some("more than was asked for")),
        (claims_more, None),
    ] {
        match (mail(server).await, words) {
            (Err(Failure::Senseless(problem)), Some(words)) => assert!(problem.contains(words), "{problem}"),
            (Err(Failure::Lost(io::ErrorKind::UnexpectedEof)), None) => {}
            (other, _) => panic!("{other:?}, not {words:?}"),
        }
    }
}

#[tokio::test]
async fn of_what_a_server_repeats_without_end_little_is_kept() {
    let uids: String = (1..=50_000).map(|uid| format!(" {uid}")).collect();
    let many = "* OK there is more\r\n* SEARCH 1\r\n* CAPABILITY A\r\n".repeat(50_000);
    let (found, _) = session(
        format!("{many}* SEARCH{uids}\r\nK1 OK\r\n").into_bytes(),
        |mut session| async move {
            let query = Query {
                since: date(2026, 11, 23),
                from: &[],
            };
            session.search(&query).await
        },
    )
    .await;
    assert!(found.unwrap().len() <= 1020);
    let Answer::Search(highest) = answer(&format!("* SEARCH{uids}")) else {
        panic!("no search")
    };
    assert_eq!(highest, (49_981..=50_000).collect::<Vec<_>>());
    let names = " A".repeat(5000);
    let Answer::Capabilities(names) = answer(&format!("* CAPABILITY{names}")) else {
        panic!("no capabilities")
    };
    assert_eq!(names.len(), 100);
}

fn answer(text: &str) -> Answer {
    read(&Response {
        text: text.as_bytes().to_vec(),
        ..Response::default()
    })
}

#[tokio::test]
async fn nesting_does_no_harm() {
    let deep = "(".repeat(900_000);
    let answer = format!("* 1 FETCH (BODYSTRUCTURE {deep}\r\n* 1 FETCH (UID 7 BODY[] \"x\")\r\nK1 OK\r\n");
    assert_eq!(mail(answer).await.unwrap().unwrap(), b"x");
}

#[tokio::test]
async fn a_connection_that_ends_is_lost() {
    for answer in [
        "",
        "* 1 FET",
        "* 1 FETCH (UID 7 BODY[] {100}\r\nabc",
        "* 1 EXISTS\r\n",
    ] {
        let error = mail(answer).await.unwrap_err();
        assert!(
            matches!(error, Failure::Lost(io::ErrorKind::UnexpectedEof)),
            "{answer}: {error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_not_waited_for_longer_than_the_deadline() {
    let (ours, _theirs) = duplex(64);
    let mut session = Session::new(Connection::new(ours, Instant::now() + Duration::from_secs(5)));
    let begun = Instant::now();
    assert!(matches!(session.mail(7, 100).await, Err(Failure::TimedOut)));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dribbles_is_not_waited_for_longer_than_the_deadline() {
    let (ours, mut theirs) = duplex(1 << 20);
    tokio::spawn(async move {
        while theirs.write_all(b"* 1 EXISTS\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let mut session = Session::new(Connection::new(ours, Instant::now() + Duration::from_secs(5)));
    assert!(matches!(session.mail(7, 100).await, Err(Failure::TimedOut)));
}

#[tokio::test]
async fn a_refusal_tells_its_code() {
    let (result, _) = session(
        b"K1 NO [NONEXISTENT] no such folder\r\n".to_vec(),
        |mut session| async move { session.examine("Entwürfe").await },
    )
    .await;
    let Err(Failure::Refused(status)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(status.condition, Condition::No);
    assert!(status.has_code("nonexistent") && !status.has_code("NON"));
    assert_eq!(status.text, "no such folder");
}

#[tokio::test]
async fn a_folder_is_opened_with_its_validity() {
    let answer = "* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 3857529045] UIDs valid\r\nK1 OK [READ-ONLY] done\r\n";
    let (validity, sent) = session(answer.into(), |mut session| async move {
        session.examine("INBOX").await
    })
    .await;
    assert_eq!(validity.unwrap(), 3_857_529_045);
    assert_eq!(sent, "K1 EXAMINE \"INBOX\"\r\n");
}

#[tokio::test]
async fn a_search_names_the_day_and_all_senders() {
    let answer = "* SEARCH 2 84 882\r\n* SEARCH\r\n* SEARCH x 4294967296 883\r\nK1 OK\r\n";
    let senders = [
        "a@example.net".to_owned(),
        "@b.example".to_owned(),
        "c@example.net".to_owned(),
    ];
    let (uids, sent) = session(answer.into(), |mut session| async move {
        let query = Query {
            since: date(2026, 2, 3),
            from: &senders,
        };
        session.search(&query).await
    })
    .await;
    assert_eq!(uids.unwrap(), [2, 84, 882, 883]);
    assert_eq!(
        sent,
        "K1 UID SEARCH SINCE 3-Feb-2026 OR FROM \"a@example.net\" OR FROM \"@b.example\" FROM \"c@example.net\"\r\n"
    );
}

#[tokio::test]
async fn a_server_that_cannot_move_copies_and_removes_only_that_mail() {
    for (capabilities, expected) in [
        ("IMAP4rev1 MOVE UIDPLUS", &["K2 UID MOVE 7 \"Done\""][..]),
        (
            "IMAP4rev1 uidplus",
            &[
                "K2 UID COPY 7 \"Done\"",
                "K3 UID STORE 7 +FLAGS.SILENT (\\Deleted)",
                "K4 UID EXPUNGE 7",
            ],
        ),
        (
            "IMAP4rev1",
            &[
                "K2 UID COPY 7 \"Done\"",
                "K3 UID STORE 7 +FLAGS.SILENT (\\Deleted)",
            ],
        ),
    ] {
        let answer = format!("* CAPABILITY {capabilities}\r\nK1 OK\r\nK2 OK\r\nK3 OK\r\nK4 OK\r\n");
        let (result, sent) = session(answer.into(), |mut session| async move {
            session.move_to(7, "Done").await
        })
        .await;
        result.unwrap();
        let sent: Vec<_> = sent.lines().skip(1).collect();
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn a_password_of_any_characters_is_sent_only_when_the_server_asks() {
    let (ours, mut theirs) = duplex(1 << 10);
    let server = tokio::spawn(async move {
        theirs.write_all(b"* OK hello\r\n").await.unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 64];
        while !heard.ends_with(b"{9}\r\n") {
            let count = theirs.read(&mut buffer).await.unwrap();
            heard.extend(&buffer[..count]);
        }
        theirs.write_all(b"+ go on\r\n").await.unwrap();
        while !heard.ends_with("pässword\r\n".as_bytes()) {
            let count = theirs.read(&mut buffer).await.unwrap();
            heard.extend(&buffer[..count]);
        }
        theirs.write_all(b"K1 OK\r\n").await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    let mut connection = Connection::new(ours, Instant::now() + Duration::from_secs(60));
    Session::greet(&mut connection).await.unwrap();
    Session::log_in(&mut connection, "me", &"pässword".into())
        .await
        .unwrap();
    assert_eq!(server.await.unwrap(), "K1 LOGIN \"me\" {9}\r\npässword\r\n");
}

#[tokio::test]
async fn only_a_greeting_that_asks_for_a_login_is_taken() {
    for (greeting, taken) in [
        ("* OK ready\r\n", true),
        ("* PREAUTH you are somebody\r\n", false),
        ("* BYE too busy\r\n", false),
        ("220 mail.example.net ESMTP\r\n", false),
        ("HTTP/1.1 400 Bad Request\r\n", false),
        ("\r\n", false),
    ] {
        let (ours, mut theirs) = duplex(1 << 10);
        theirs.write_all(greeting.as_bytes()).await.unwrap();
        let mut connection = Connection::new(ours, Instant::now() + Duration::from_secs(60));
        assert_eq!(Session::greet(&mut connection).await.is_ok(), taken, "{greeting}");
    }
}

fn fetched(text: &str) -> Fetched {
    let response = Response {
        text: text.as_bytes().to_vec(),
        literals: Vec::new(),
    };
    match read(&response) {
        Answer::Fetch(fetched) => fetched,
        other => panic!("{other:?}"),
    }
}

#[test]
fn dates_are_read_with_their_zone() {
    for (text, expected) in [
        ("17-Jul-1996 02:44:25 -0700", Some("1996-07-17T09:44:25Z")),
        (" 1-Dec-2026 00:00:00 +0000", Some("2026-12-01T00:00:00Z")),
        ("1-Dec-2026 00:00:00 +0530", Some("2026-11-30T18:30:00Z")),
        ("31-Feb-2026 00:00:00 +0000", None),
        ("yesterday", None),
        ("", None),
    ] {
        let read = fetched(&format!("* 1 FETCH (UID 1 INTERNALDATE \"{text}\")")).received;
        let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
        assert_eq!(read, expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_response_is_too_odd(
        text in prop::collection::vec(any::<u8>(), 0..300),
        literals in prop::collection::vec((0..300_usize, prop::collection::vec(any::<u8>(), 0..10)), 0..5),
    ) {
        read(&Response { text, literals });
    }

    #[test]
    fn no_words_of_a_response_are_too_odd(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "*", "+", "K1", "OK", "NO", "1", "FETCH", "SEARCH", "(", ")", "\"", "\\", "UID", "BODY[", "]", "NIL",
                "INTERNALDATE", "\"17-Jul-1996 02:44:25 -0700\"", "[", "{3}",
            ]),
            0..30,
        ),
    ) {
        read(&Response { text: words.join(" ").into_bytes(), literals: Vec::new() });
    }
}
