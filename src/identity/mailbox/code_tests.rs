use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::code::{Extraction, extract};
use super::mail::{self, Content};

/// The code, `-` for none, `?` for ambiguous.
fn outcome(extraction: &Extraction) -> String {
    match extraction {
        Extraction::Code(code) => code.expose_secret().to_owned(),
        Extraction::Nothing => "-".to_owned(),
        Extraction::Ambiguous => "?".to_owned(),
    }
}

fn of_text(text: &str) -> String {
    outcome(&extract(&Content {
        subject: String::new(),
        texts: vec![text.to_owned()],
    }))
}

fn of_mail(mail: &str) -> String {
    outcome(&extract(&mail::content(mail.replace('\n', "\r\n").as_bytes())))
}

#[test]
fn the_code_is_found_however_the_sentence_is_put() {
    for text in [
        "Your verification code is K7Q2ZD.",
        "Your verification code is: K7Q2ZD",
        "Verification code:K7Q2ZD",
        "K7Q2ZD is your Didit verification code.",
        "Use code K7Q2ZD to finish signing up. It expires in 10 minutes.",
        "Enter \"K7Q2ZD\" as your one-time code",
        "OTP=K7Q2ZD",
        "Your code:\n\n    K7Q2ZD\n\nIt ends in 10 minutes.",
        "Your one-time password\n**K7Q2ZD**",
        "K7Q2ZD\nThis is your code. Tell nobody.",
        "Here is the code you asked for.\nTell nobody.\n\nK7Q2ZD",
        "Your code\nK 7 Q 2 Z D",
        "K7Q2ZD",
    ] {
        assert_eq!(of_text(text), "K7Q2ZD", "{text}");
    }
}

#[test]
fn other_languages_are_read() {
    for text in [
        "Ihr Bestätigungscode lautet K7Q2ZD.",
        "Votre code de vérification est K7Q2ZD.",
        "Tu código de verificación es: K7Q2ZD",
        "Il tuo codice è K7Q2ZD",
        "Seu código é K7Q2ZD",
        "Ваш код: K7Q2ZD",
        "Twój kod to K7Q2ZD",
        "您的验证码是K7Q2ZD，请在10分钟内输入。",
        "認証コード：K7Q2ZD",
        "인증 코드: K7Q2ZD",
        "Doğrulama kodu: K7Q2ZD",
    ] {
        assert_eq!(of_text(text), "K7Q2ZD", "{text}");
    }
}

#[test]
fn codes_of_one_kind_of_character_need_a_label() {
    for (text, expected) in [
        ("Your code is QWXRTZ.", "QWXRTZ"),
        ("YOUR CODE: QWXRTZ", "QWXRTZ"),
        ("Your code:\nQWXRTZ\nVERIFY", "QWXRTZ"),
        ("QWXRTZ is your code", "QWXRTZ"),
        ("Your code is 482913.", "482913"),
        ("Your code\n482913", "482913"),
        ("验证码：QWXRTZ", "QWXRTZ"),
        ("QWXRTZ", "-"),
        ("482913", "-"),
        ("Call 482913 about the code", "-"),
    ] {
        assert_eq!(of_text(text), expected, "{text}");
    }
}

#[test]
fn ordinary_words_and_other_numbers_are_no_codes() {
    for text in [
        "Welcome to Didit",
        "VERIFY YOUR EMAIL ADDRESS WITH THE CODE PLEASE",
        "Confirm your address\nVERIFY",
        "Your code is in the app. PLEASE do not reply.",
        "See https://example.net/verify?code=K7Q2ZD",
        "Open example.net/K7Q2ZD to verify",
        "Your order #123456 was sent. Code inside.",
        "Mail K7Q2ZD@example.net to verify",
        "Verified on 2026-11-24 at 10:30:45",
        "The code came to +49 30 123456-789, for $123456",
        "Discount code: SAVE20",
        "Your postcode\nEC1A1B",
        "Error code E12345",
        "code k7q2zd",
        "Your code is K7Q2Z",
        "Your code is K7Q2ZDX",
        "Your code is XK7Q2ZD-1",
        "Your code is ÄK7Q2Z",
    ] {
        assert_eq!(of_text(text), "-", "{text}");
    }
}

#[test]
fn the_likeliest_of_several_words_is_taken_or_none() {
    for (text, expected) in [
        ("Reference AB12CD\n\nYour verification code is K7Q2ZD.", "K7Q2ZD"),
        ("Your code is K7Q2ZD. Flight LH1234 leaves soon.", "K7Q2ZD"),
        ("Code: K7Q2ZD\nCode: K7Q2ZD", "K7Q2ZD"),
        ("Code: K7Q2ZD\nCode: AB12CD", "?"),
        ("Your code is K7Q2ZD\n\n--\nGITHUB", "K7Q2ZD"),
        (
            "Order 123456 of 2026\nVerification code\nK7Q2ZD\nValid for 10 minutes",
            "K7Q2ZD",
        ),
    ] {
        assert_eq!(of_text(text), expected, "{text}");
    }
}

const PLAIN: &str = "From: Didit <no-reply@didit.me>
To: ops@corp.example.net
Subject: Your verification code
Content-Type: text/plain; charset=utf-8

Hello,

your verification code is K7Q2ZD. It expires in 10 minutes.
";

const SUBJECT_ONLY: &str = "From: no-reply@didit.me
Subject: =?utf-8?B?SzdRMlpEIGlzIHlvdXIgRGlkaXQgY29kZQ==?=

See the subject.
";

const HTML: &str = "From: no-reply@didit.me
Subject: Welcome
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<html><head><style>.c{color:#A1B2C3;background:#ABC123}</style><title>DIDIT1</title></head>
<body><h1>VERIFY</h1><p>Your verification code</p>
<div style=\"font-size:32px\"><span>K7Q</span><span>2ZD</span></div>
<p>Valid until 24 November 2026, 10:45. <a href=\"https://didit.me/AB12CD\">Help</a></p>
<img src=\"https://didit.me/p/XX11YY.png\"></body></html>
";

const MULTIPART: &str = "From: no-reply@didit.me
Subject: Confirm your e-mail
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=\"AB12CD\"

--AB12CD
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Your verification c=
ode is =4B7Q2=
ZD=2E
--AB12CD
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+WW91ciB2ZXJpZmljYXRpb24gY29kZTwvcD48cD5LN1EyWkQ8L3A+
--AB12CD--
";

#[test]
fn whole_mails_are_read_whatever_their_encoding() {
    for (name, mail) in [
        ("plain", PLAIN),
        ("subject", SUBJECT_ONLY),
        ("HTML", HTML),
        ("multipart", MULTIPART),
    ] {
        assert_eq!(of_mail(mail), "K7Q2ZD", "{name}");
    }
}

#[test]
fn a_mail_that_is_cut_off_is_read_as_far_as_it_goes() {
    let end = MULTIPART.find("--AB12CD\nContent-Type: text/html").unwrap();
    assert_eq!(of_mail(&MULTIPART[..end]), "K7Q2ZD");
}

#[test]
fn the_code_does_not_show() {
    let extraction = extract(&mail::content(PLAIN.as_bytes()));
    assert_eq!(outcome(&extraction), "K7Q2ZD");
    assert!(!format!("{extraction:?}").contains("K7Q2ZD"));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        extract(&mail::content(&bytes));
        mail::from_addresses(&bytes);
    }

    #[test]
    fn no_damage_to_a_mail_is_too_bad(
        at in 0..MULTIPART.len(),
        length in 0..200_usize,
        replacement in prop::collection::vec(any::<u8>(), 0..20),
        of in prop::sample::select(vec![HTML, MULTIPART]),
    ) {
        let mut bytes = of.as_bytes().to_vec();
        let at = at.min(bytes.len());
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, replacement);
        extract(&mail::content(&bytes));
        mail::from_addresses(&bytes);
    }

    #[test]
    fn every_code_is_found_in_the_sentence_of_a_provider(code in "[A-Z0-9]{6}") {
        prop_assume!(!is_ordinary(&code));
        prop_assert_eq!(of_text(&format!("Your verification code is {code}.")), code.clone());
        prop_assert_eq!(of_text(&format!("Your verification code:\n\n{code}\n\nIt ends soon.")), code);
    }

    #[test]
    fn what_is_found_is_always_a_code(text in "[A-Za-z0-9 :.\n#/-]{0,200}") {
        if let Extraction::Code(code) = extract(&Content { subject: text.clone(), texts: vec![text] }) {
            let code = code.expose_secret();
            prop_assert_eq!(code.len(), 6);
            prop_assert!(code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        }
    }
}

/// Letters alone that are a word cannot be told from a code.
fn is_ordinary(code: &str) -> bool {
    ["VERIFY", "PLEASE"].contains(&code)
}
