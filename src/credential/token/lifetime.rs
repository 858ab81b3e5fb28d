//! How long a token lives by our clock, from whatever its server said about it.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::schedule::Recorded;
use super::{at_second, seconds_up, told};

/// What is assumed where the server says nothing about an end: an hour, which is what most servers give.
/// RFC 6749 section 5.1 only recommends `expires_in`.
pub const ASSUMED_LIFE: Duration = Duration::from_secs(3600);

/// No token is believed to live longer: ten years. What is longer is a mistake in a unit or an overflow.
pub const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `expires_in` and the claims may differ by this many seconds beside the latency without a remark.
const TOLERANCE: i64 = 10;

/// A difference of the clocks that is worth telling somebody, in seconds.
const NOTABLE_SKEW: i64 = 60;

/// `Date` has whole seconds (RFC 9110 section 5.6.7): a smaller difference of the clocks cannot be seen.
const DATE_RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

/// What a server said about the life of a token. Nothing in here is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When the token was asked for, by our clock.
    pub asked_at: Timestamp,
    /// When the answer was there, by our clock.
    pub received_at: Timestamp,
    /// The server's clock when it answered: its `Date` header.
    pub server_date: Option<Timestamp>,
    /// `expires_in` in seconds (RFC 6749 section 5.1), whatever the number.
    pub expires_in: Option<i64>,
    /// What `expires_in` held where that was no number: tidied and short, for a sentence.
    pub unreadable_expires_in: Option<String>,
    /// `exp` of a JWT in seconds since 1970 by the server's clock (RFC 7519 section 4.1.4).
    pub expiry_claim: Option<i64>,
    /// `iat` of a JWT, likewise (RFC 7519 section 4.1.6).
    pub issued_at_claim: Option<i64>,
}

/// The life of a token by our clock, told so that it rather ends too early than too late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When its life began at the earliest: when it was asked for, in whole seconds.
    pub issued_at: Timestamp,
    /// When it ends, in whole seconds.
    pub expires_at: Timestamp,
    /// From `issued_at` to `expires_at`.
    pub life: Duration,
    /// The server's clock minus ours. Zero where there was no `Date`, or no difference that it could show.
    pub skew: SignedDuration,
    /// How long the server took to answer.
    pub latency: Duration,
    /// What was odd about it.
    pub remarks: Vec<Remark>,
}

impl Lifetime {
    /// What the status keeps of it.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        Recorded::new(self.issued_at, self.expires_at, self.skew, self.latency)
    }
}

/// Something odd in what a server said about the life of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// `expires_in` and the token's own claims tell different lives. The shorter one counts.
    Disagree {
        /// `expires_in`, in seconds.
        expires_in: i64,
        /// The life by the claims `exp` and `iat`, in seconds.
        claimed: i64,
    },
    /// Nothing was said about an end: [`ASSUMED_LIFE`] counts.
    NoExpiry,
    /// The token has ended before it was there. It must not be published, and asking again soon does not help.
    AlreadyOver {
        /// The life that was left when the answer came, in seconds: zero or negative.
        left: i64,
    },
    /// The life is longer than [`LONGEST_LIFE`], which counts instead.
    Absurd {
        /// The life that was said, in seconds.
        said: i64,
    },
    /// `expires_in` is no number.
    Unreadable {
        /// What it is.
        expires_in: String,
    },
    /// The clocks differ by more than a minute.
    ClockSkew {
        /// The server's clock minus ours, in seconds.
        seconds: i64,
    },
}

impl Remark {
    /// A reason for an event or a condition, in CamelCase.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Disagree { .. } => "ExpiryDisagrees",
            Self::NoExpiry => "ExpiryUnknown",
            Self::AlreadyOver { .. } => "TokenAlreadyExpired",
            Self::Absurd { .. } => "ExpiryAbsurd",
            Self::Unreadable { .. } => "ExpiryUnreadable",
            Self::ClockSkew { .. } => "ClockSkew",
        }
    }

    /// What was odd, what is done about it, and what somebody could do.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Disagree { expires_in, claimed } => format!(
                "expires_in says that the token lives {}, its own claims say {}: the shorter life is believed",
                told(*expires_in),
                told(*claimed)
            ),
            Self::NoExpiry => format!(
                "the server does not say how long the token lives: {} are assumed; let the server send expires_in",
                told(seconds_up(ASSUMED_LIFE))
            ),
            Self::AlreadyOver { left } => format!(
                "the server gave a token that has already expired ({} left): it is not published; \
                 check the token lifetime and the clock of the server",
                told(*left)
            ),
            Self::Absurd { said } => format!(
                "the server says that the token lives {said} seconds: it is believed to live {} days; \
                 check the unit that the server uses",
                LONGEST_LIFE.as_secs() / 86_400
            ),
            Self::Unreadable { expires_in } => {
                format!("expires_in is not a number of seconds: '{expires_in}'")
            }
            Self::ClockSkew { seconds } => format!(
                "the server's clock is {} {} the cluster's: let both follow a time server",
                told(seconds.saturating_abs()),
                if *seconds < 0 { "behind" } else { "ahead of" }
            ),
        }
    }
}

/// The life of a token by our clock.
///
/// It counts from the moment the token was asked for, since the server may have made it then, and ends with the
/// earliest of what is known:
///
/// - `expires_in` after it was asked for;
/// - `exp`, moved from the server's clock to ours by the difference that `Date` shows. Without `Date` and with
///   another measure at hand, an `exp` that has passed already says that the clocks differ, not that the token
///   has ended;
/// - `exp` minus `iat` after it was asked for, which holds whatever the clocks say. A token that the server had
///   made earlier ends sooner, which the second rule sees.
///
/// # Errors
///
/// [`Remark::AlreadyOver`] when nothing was left of the token when it arrived. To be treated like a refusal
/// ([`super::Failure::Refused`]): the next token will hardly be better.
pub fn lifetime(said: &Said) -> Result<Lifetime, Remark> {
    let clocks = Clocks::measure(said);
    let claimed = claimed_life(said, &clocks);
    let mut remarks = oddities(said, &clocks, claimed);

    let life = match (said.expires_in, claimed) {
        (Some(expires_in), Some(claimed)) => expires_in.min(claimed),
        (Some(life), None) | (None, Some(life)) => life,
        (None, None) => seconds_up(ASSUMED_LIFE),
    };
    if life > seconds_up(LONGEST_LIFE) {
        remarks.push(Remark::Absurd { said: life });
    }
    let issued = said.asked_at.as_second();
    let expires = issued.saturating_add(life.min(seconds_up(LONGEST_LIFE)));
    let left = expires.saturating_sub(clocks.received_at.as_second());
    if left <= 0 {
        return Err(Remark::AlreadyOver { left });
    }
    Ok(Lifetime {
        issued_at: at_second(issued),
        expires_at: at_second(expires),
        life: Duration::from_secs(u64::try_from(expires.saturating_sub(issued)).unwrap_or_default()),
        skew: clocks.skew,
        latency: clocks.latency,
        remarks,
    })
}

/// Our clock and the server's around an answer.
struct Clocks {
    received_at: Timestamp,
    latency: Duration,
    skew: SignedDuration,
    is_measured: bool,
}

impl Clocks {
    fn measure(said: &Said) -> Self {
        // Our own clock may have been set back in between.
        let received_at = said.received_at.max(said.asked_at);
        let latency = received_at.duration_since(said.asked_at);
        let middle = said.asked_at.saturating_add(latency / 2).unwrap_or(received_at);
        let skew = said
            .server_date
            .map(|date| date.duration_since(middle))
            .filter(|skew| skew.abs() > DATE_RESOLUTION.saturating_add(latency));
        Self {
            received_at,
            latency: latency.unsigned_abs(),
            skew: skew.unwrap_or_default(),
            is_measured: said.server_date.is_some(),
        }
    }
}

/// The life by the token's claims, in seconds from when it was asked for.
fn claimed_life(said: &Said, clocks: &Clocks) -> Option<i64> {
    let expiry = said.expiry_claim?;
    let issued = said.asked_at.as_second();
    let until = expiry
        .saturating_sub(rounded_up(clocks.skew))
        .saturating_sub(issued);
    let span = said
        .issued_at_claim
        .map(|issued_at| expiry.saturating_sub(issued_at))
        .filter(|span| *span > 0);
    let has_other_measure = span.is_some() || said.expires_in.is_some_and(|seconds| seconds > 0);
    if !clocks.is_measured
        && has_other_measure
        && issued.saturating_add(until) <= clocks.received_at.as_second()
    {
        return span;
    }
    Some(span.map_or(until, |span| span.min(until)))
}

fn oddities(said: &Said, clocks: &Clocks, claimed: Option<i64>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if let Some(expires_in) = &said.unreadable_expires_in {
        remarks.push(Remark::Unreadable {
            expires_in: expires_in.clone(),
        });
    }
    if said.expires_in.is_none() && claimed.is_none() {
        remarks.push(Remark::NoExpiry);
    }
    if let (Some(expires_in), Some(claimed)) = (said.expires_in, claimed)
        && expires_in.abs_diff(claimed)
            > TOLERANCE
                .saturating_add(seconds_up(clocks.latency))
                .unsigned_abs()
    {
        remarks.push(Remark::Disagree { expires_in, claimed });
    }
    let seconds = clocks.skew.as_secs();
    if seconds.saturating_abs() >= NOTABLE_SKEW {
        remarks.push(Remark::ClockSkew { seconds });
    }
    remarks
}

/// Towards the future, so that what it is taken from ends earlier.
fn rounded_up(duration: SignedDuration) -> i64 {
    duration
        .as_secs()
        .saturating_add(i64::from(duration.subsec_nanos() > 0))
}
