//! Words that say what kind of code a line speaks of.

/// Parts of words that mean a one-time code by themselves.
const CERTAIN: [&str; 30] = [
    "verif",
    "vérif",
    "one-time",
    "one time",
    "passcode",
    "security code",
    "login code",
    "sign-in code",
    "access code",
    "bestätigung",
    "einmal",
    "sicherheitscode",
    "confirm",
    "conferm",
    "usage unique",
    "un solo uso",
    "doğrulama",
    "potwierdz",
    "weryfikac",
    "ověřova",
    "overov",
    "подтвержд",
    "підтвердж",
    "επαλήθευσ",
    "验证",
    "驗證",
    "確認",
    "認証",
    "인증",
    "xác minh",
];

/// Parts of words that mean a code of some kind.
const SOME: [&str; 9] = [
    "code",
    "código",
    "codigo",
    "codice",
    "κωδικ",
    "код",
    "kód",
    "コード",
    "코드",
];

/// Whole words that mean a code.
const WORDS: [&str; 8] = ["otp", "pin", "tan", "kod", "koden", "koodi", "kodu", "mã"];

/// Codes of other kinds.
const OTHERS: [&str; 30] = [
    "barcode",
    "decode",
    "encode",
    "codec",
    "postcode",
    "post code",
    "postal code",
    "zip code",
    "zipcode",
    "promo",
    "discount",
    "coupon",
    "voucher",
    "gift",
    "error code",
    "country code",
    "source code",
    "qr code",
    "qr-code",
    "order",
    "invoice",
    "booking",
    "referral",
    "sort code",
    "area code",
    "tracking",
    "reference",
    "ticket",
    "rabatt",
    "gutschein",
];

/// Words of six letters that mails write in upper case: headings, buttons, names.
const COMMON: [&str; 44] = [
    "ACCEPT", "ACCESS", "ACTION", "ACTIVE", "BERLIN", "BUTTON", "CANCEL", "CENTER", "CLIENT", "CODICE",
    "CODIGO", "DELETE", "DOMAIN", "EXPIRE", "FOLLOW", "GITHUB", "GOOGLE", "HELPER", "IGNORE", "LONDON",
    "MADRID", "MOBILE", "NOTICE", "NUMBER", "OFFICE", "ONLINE", "PLEASE", "POLICY", "PORTAL", "RESEND",
    "SAMPLE", "SECURE", "SERVER", "SIGNIN", "SIGNUP", "SOCIAL", "STATUS", "SUBMIT", "SYSTEM", "THANKS",
    "TICKET", "UNIQUE", "UPDATE", "VERIFY",
];

/// What a line speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// A code that may be the one.
    Code,
    /// A code of another kind.
    OtherCode,
    /// No code.
    None,
}

pub(super) fn label(line: &str) -> Label {
    let line = line.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| line.contains(part));
    if has(&CERTAIN) {
        return Label::Code;
    }
    if has(&OTHERS) {
        return Label::OtherCode;
    }
    let is_word = |word: &str| WORDS.contains(&word);
    if has(&SOME)
        || line
            .split(|character: char| !character.is_alphanumeric())
            .any(is_word)
    {
        return Label::Code;
    }
    Label::None
}

/// Whether letters are a word rather than a code.
pub(super) fn is_common(letters: &str) -> bool {
    COMMON.contains(&letters)
}
