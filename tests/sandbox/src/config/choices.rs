//! The answers among which the switches choose. The first of each is the one the contract proposes.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Declares a choice whose first variant is the contract's default.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident, $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[$first_doc])* #[default] $first,
            $($(#[$variant_doc])* $variant,)+
        }
    };
}

choice! {
    /// How a wrong, expired or used code is refused.
    WrongCode {
        /// 400 `{"detail": …}`
        Detail,
        /// 400 `{"code": […]}`
        Field,
        /// 401 `{"detail": …}`
        Unauthorized,
    }
}

choice! {
    /// How registering an address that is taken is refused.
    RegisteredAddress {
        /// 400 `{"email": […]}`
        Field,
        /// 400 `{"detail": …}`
        Detail,
        /// 409 `{"detail": …}`
        Conflict,
    }
}

choice! {
    /// How a wrong password and an unknown account are refused.
    WrongPassword {
        /// 401
        Unauthorized,
        /// 403
        Forbidden,
        /// 429, as a locked account may be, with `Retry-After` as long as the first lock
        Throttled,
    }
}

choice! {
    /// The status that refuses a credential.
    Refusal {
        /// 401
        Unauthorized,
        /// 403
        Forbidden,
    }
}

choice! {
    /// How a locked account is refused.
    Locked {
        /// 429 with `Retry-After`
        Throttled,
        /// 403 without it
        Forbidden,
    }
}

choice! {
    /// What consecutive failed logins are counted by.
    LockoutScope {
        /// The e-mail address
        Email,
        /// The caller's IP address
        Address,
        /// Both, each on its own
        Both,
    }
}

choice! {
    /// What the caller learns of an organization it is no member of.
    Foreign {
        /// 404, as if it did not exist
        NotFound,
        /// 403
        Forbidden,
    }
}

choice! {
    /// The status of a created application.
    Creation {
        /// 201
        Created,
        /// 200
        Ok,
    }
}

choice! {
    /// How a list is wrapped.
    ListShape {
        /// A bare array
        Array,
        /// `{"count": …, "next": null, "previous": null, "results": […]}`
        Results,
        /// `{"applications": […]}` (organizations: `{"organizations": […]}`)
        Named,
    }
}

choice! {
    /// The order of the list of applications.
    ListOrder {
        /// Oldest first
        Creation,
        /// Newest first
        Newest,
        /// By name
        Name,
    }
}

choice! {
    /// Whether an application can be deleted.
    ApplicationDelete {
        /// 405
        Refused,
        /// 204, and it is gone
        Allowed,
    }
}

choice! {
    /// What happens to a path without its last slash.
    TrailingSlash {
        /// 301 for a GET, 404 for everything else
        Strict,
        /// Served like the path with the slash
        Lenient,
    }
}

choice! {
    /// Whether an account's refresh token can be spent.
    AccountRefresh {
        /// Nowhere
        Absent,
        /// At the legacy token route, with `grant_type=refresh_token`
        TokenRoute,
    }
}

choice! {
    /// What a password change does to the tokens that are out.
    PasswordChange {
        /// They stay valid until they expire
        KeepsTokens,
        /// They are void at once
        RevokesTokens,
    }
}

choice! {
    /// Whether a resend needs the password.
    ResendPassword {
        /// The e-mail address is enough, as Didit's own client has it
        Optional,
        /// E-mail address and password, as the guide has it
        Required,
    }
}

choice! {
    /// Whether an account made in the console may log in here.
    ConsoleAccounts {
        /// With its password, like any other
        Allowed,
        /// Refused, as older pages have it
        Refused,
    }
}

choice! {
    /// Which pages are right about a wrong API key.
    WrongKey {
        /// 401 everywhere
        Newest,
        /// 401 in billing and webhook destinations, 403 elsewhere
        Older,
    }
}

choice! {
    /// The status for a call without an API key.
    MissingKey {
        /// 403
        Forbidden,
        /// 401
        Unauthorized,
    }
}

choice! {
    /// How `exp` and `expires_in` of a client-credentials token relate. The token ends at `expires_in`.
    ClientTokenExpiry {
        /// `exp` is `iat` plus `expires_in`
        Agrees,
        /// `exp` lies ten times as far ahead, as in the documented example
        TenTimes,
    }
}

choice! {
    /// What a webhook destination receives when `subscribed_events` was left out.
    UnnamedEvents {
        /// Nothing
        Nothing,
        /// Everything
        Everything,
    }
}

choice! {
    /// What deleting a webhook destination does.
    DestinationDelete {
        /// The record is gone
        Permanent,
        /// The record is kept out of sight
        Soft,
    }
}

choice! {
    /// The algorithm named in a token's header. Signatures are random bytes either way.
    TokenAlgorithm {
        /// RS256
        Rs256,
        /// ES256
        Es256,
    }
}
