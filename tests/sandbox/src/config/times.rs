//! How long things last, and how much is allowed in a while.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Period;

/// Every lifetime and window of the contract. [`scale`](Self::scale) shortens all of them at once.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Times")]
pub struct Times {
    /// Divide every other time by this number, so that nobody has to wait
    #[arg(long = "time-scale", default_value_t = Self::default().scale, value_parser = scale)]
    pub scale: f64,
    /// How long a mailed code is good (2.1; older pages say 15m)
    #[arg(long, default_value_t = Self::default().code_lifetime)]
    pub code_lifetime: Period,
    /// Least time between two resends to one address (2.2)
    #[arg(long, default_value_t = Self::default().resend_interval)]
    pub resend_interval: Period,
    /// Window in which registrations and resends of one IP address are counted (2.1)
    #[arg(long, default_value_t = Self::default().registration_window)]
    pub registration_window: Period,
    /// Life of an account's access token (2.5)
    #[arg(long, default_value_t = Self::default().access_token_lifetime)]
    pub access_token_lifetime: Period,
    /// Life of an account's refresh token (3; not documented)
    #[arg(long, default_value_t = Self::default().refresh_token_lifetime)]
    pub refresh_token_lifetime: Period,
    /// Life of a client-credentials token (5.1)
    #[arg(long, default_value_t = Self::default().client_token_lifetime)]
    pub client_token_lifetime: Period,
    /// Time to complete a login with a second factor (2.4)
    #[arg(long, default_value_t = Self::default().second_factor_lifetime)]
    pub second_factor_lifetime: Period,
    /// Lock after 5 consecutive failures (2.4)
    #[arg(long, default_value_t = Self::default().first_lock)]
    pub first_lock: Period,
    /// Lock after 10 consecutive failures (2.4)
    #[arg(long, default_value_t = Self::default().second_lock)]
    pub second_lock: Period,
    /// Lock after 20 consecutive failures (2.4)
    #[arg(long, default_value_t = Self::default().third_lock)]
    pub third_lock: Period,
    /// Sliding window of the verification host's rate limits (9.3)
    #[arg(long, default_value_t = Self::default().rate_window)]
    pub rate_window: Period,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            scale: 1.0,
            code_lifetime: Period::seconds(10 * 60),
            resend_interval: Period::seconds(60),
            registration_window: Period::seconds(60 * 60),
            access_token_lifetime: Period::seconds(86_400),
            refresh_token_lifetime: Period::seconds(30 * 86_400),
            client_token_lifetime: Period::seconds(86_400),
            second_factor_lifetime: Period::seconds(300),
            first_lock: Period::seconds(15 * 60),
            second_lock: Period::seconds(60 * 60),
            third_lock: Period::seconds(24 * 60 * 60),
            rate_window: Period::seconds(60),
        }
    }
}

impl Times {
    /// These times with the scale worked in.
    #[must_use]
    pub(crate) fn scaled(&self) -> Self {
        let scaled = |period: Period| period.scaled(self.scale);
        Self {
            scale: 1.0,
            code_lifetime: scaled(self.code_lifetime),
            resend_interval: scaled(self.resend_interval),
            registration_window: scaled(self.registration_window),
            access_token_lifetime: scaled(self.access_token_lifetime),
            refresh_token_lifetime: scaled(self.refresh_token_lifetime),
            client_token_lifetime: scaled(self.client_token_lifetime),
            second_factor_lifetime: scaled(self.second_factor_lifetime),
            first_lock: scaled(self.first_lock),
            second_lock: scaled(self.second_lock),
            third_lock: scaled(self.third_lock),
            rate_window: scaled(self.rate_window),
        }
    }
}

/// How much is allowed: the numbers of the contract that are not times.
#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits")]
pub struct Bounds {
    /// Registrations and resends of one IP address per window (2.1)
    #[arg(long, default_value_t = Self::default().registrations)]
    pub registrations: u32,
    /// Reads per API key and window on the verification host (9.3)
    #[arg(long, default_value_t = Self::default().reads)]
    pub reads: u32,
    /// Writes per API key and window on the verification host (9.3)
    #[arg(long, default_value_t = Self::default().writes)]
    pub writes: u32,
    /// Longest name of an application, in characters (10)
    #[arg(long, default_value_t = Self::default().name_length)]
    pub name_length: usize,
    /// Most applications of one organization; without it there is no cap (10)
    #[arg(long)]
    pub max_applications: Option<usize>,
    /// Wrong guesses after which a mailed code is void; without it guesses are not counted (2.3)
    #[arg(long)]
    pub code_attempts: Option<u32>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            registrations: 5,
            reads: 600,
            writes: 300,
            name_length: 255,
            max_applications: None,
            code_attempts: None,
        }
    }
}

/// Reads a scale: a number above zero.
fn scale(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|scale| scale.is_finite() && *scale > 0.0)
        .ok_or_else(|| format!("'{text}' is no scale: write a number above 0, such as 60"))
}
