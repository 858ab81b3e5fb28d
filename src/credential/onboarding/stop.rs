//! Why a sign-up has come to its end without an account.

/// Why nothing is tried any more. Another password or address of the identity API starts anew, and so does a request by
/// annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The address has an account, or waits for a code, and the password is another one.
    AddressTaken,
    /// The identity API does not take it for an address.
    InvalidEmail,
    /// The password does not keep the identity API's rules.
    WeakPassword,
    /// The password that the account was registered with is no longer there.
    PasswordLost,
    /// The verified account no longer lets the password in.
    PasswordRefused,
    /// The account asks for a second factor.
    SecondFactorRequired,
    /// Mails were sent, and nobody brought a code.
    CodeMissing,
    /// Codes were brought, and none was the right one.
    CodesRefused,
    /// The identity API could not hand the mails over.
    MailNotSent,
    /// The identity API refuses to register, or its answers are lost.
    RegistrationRefused,
}

impl Stop {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::AddressTaken,
        Self::InvalidEmail,
        Self::WeakPassword,
        Self::PasswordLost,
        Self::PasswordRefused,
        Self::SecondFactorRequired,
        Self::CodeMissing,
        Self::CodesRefused,
        Self::MailNotSent,
        Self::RegistrationRefused,
    ];

    /// The reason as a CamelCase word, as conditions show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddressTaken => "AddressTaken",
            Self::InvalidEmail => "InvalidEmail",
            Self::WeakPassword => "WeakPassword",
            Self::PasswordLost => "PasswordLost",
            Self::PasswordRefused => "PasswordRefused",
            Self::SecondFactorRequired => "SecondFactorRequired",
            Self::CodeMissing => "CodeMissing",
            Self::CodesRefused => "CodesRefused",
            Self::MailNotSent => "MailNotSent",
            Self::RegistrationRefused => "RegistrationRefused",
        }
    }

    /// The reason that a status holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stop| stop.as_str() == text)
    }

    /// What is and what to do, as a sentence without a final stop.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::AddressTaken => {
                "the address has an account already, or waits for a code, and the password is another one: put the \
                 account's password in the Secret that spec.passwordSecretRef names, or create another \
                 IdentityAccount with another address"
            }
            Self::InvalidEmail => {
                "Didit does not take spec.email for an address: create another IdentityAccount with another address"
            }
            Self::WeakPassword => {
                "the password does not keep Didit's rules: at least 8 characters, with an upper-case letter, a \
                 lower-case letter, a digit and a punctuation character. Put another one in the Secret that \
                 spec.passwordSecretRef names, or remove spec.passwordSecretRef to have one made"
            }
            Self::PasswordLost => {
                "the Secret with the password that was made for this account is gone: restore it, or set a new \
                 password for the address at Didit and name its Secret in spec.passwordSecretRef"
            }
            Self::PasswordRefused => {
                "the account no longer lets the password in: put the present one in the Secret that \
                 spec.passwordSecretRef names"
            }
            Self::SecondFactorRequired => {
                "the account asks for a second factor, which an account for machines should not have: switch it off \
                 in Didit's console. The login is tried again when the brake on logins ends"
            }
            Self::CodeMissing => {
                "codes were mailed and none was brought in time: see that mails to the address arrive, then ask for \
                 another code"
            }
            Self::CodesRefused => {
                "the codes that were brought were refused: see that each is the one of the newest mail, then ask for \
                 another code"
            }
            Self::MailNotSent => {
                "Didit cannot send mails to the address: see that it is right and that its domain takes mail, then \
                 ask for another code"
            }
            Self::RegistrationRefused => {
                "Didit did not register the address: see that spec.didit.authUrl is right. If it is, ask for another code; if not, \
                 create another IdentityAccount. To ask for another code"
            }
        }
    }
}
