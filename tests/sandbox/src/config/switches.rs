//! What the contract leaves open. Each switch names the section of the contract that asks the question;
//! its default is the answer that section proposes.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::choices::{
    AccountRefresh, ApplicationDelete, ClientTokenExpiry, ConsoleAccounts, Creation, DestinationDelete,
    Foreign, ListOrder, ListShape, Locked, LockoutScope, MissingKey, PasswordChange, Refusal,
    RegisteredAddress, ResendPassword, TokenAlgorithm, TrailingSlash, UnnamedEvents, WrongCode, WrongKey,
    WrongPassword,
};

/// Every open question of the contract, each with the default its section 10 names.
#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Open questions of the contract")]
pub struct Switches {
    /// How a wrong, expired or used code is refused (2.3, 10)
    #[arg(long, value_enum, default_value_t)]
    pub wrong_code: WrongCode,
    /// How registering a taken address is refused (2.1, 10)
    #[arg(long, value_enum, default_value_t)]
    pub registered_address: RegisteredAddress,
    /// How a wrong password or an unknown account is refused (2.4, 10)
    #[arg(long, value_enum, default_value_t)]
    pub wrong_password: WrongPassword,
    /// How a locked account is refused (2.4, 10)
    #[arg(long, value_enum, default_value_t)]
    pub locked: Locked,
    /// What failed logins are counted by (2.4, 10)
    #[arg(long, value_enum, default_value_t)]
    pub lockout_scope: LockoutScope,
    /// Keep counting failures across a successful login (2.4, 10; default: a success clears them)
    #[arg(long)]
    pub lockout_survives_success: bool,
    /// Status for a missing, bad or expired Bearer token (2.5, 10)
    #[arg(long, value_enum, default_value_t)]
    pub bad_token: Refusal,
    /// Answer for a foreign or unknown organization (4, 10)
    #[arg(long, value_enum, default_value_t)]
    pub foreign_organization: Foreign,
    /// Status of application creation (4.3, 10)
    #[arg(long, value_enum, default_value_t)]
    pub creation_status: Creation,
    /// Refuse a second application of the same name with 400 (4.3, 10; default: two records)
    #[arg(long)]
    pub unique_names: bool,
    /// Shape of the list of applications (4.2, 10)
    #[arg(long, value_enum, default_value_t)]
    pub application_list: ListShape,
    /// Shape of the list of organizations (4.1)
    #[arg(long, value_enum, default_value_t)]
    pub organization_list: ListShape,
    /// Show `api_key` in the list of applications (4.2, 10; default: only in the record)
    #[arg(long)]
    pub list_api_key: bool,
    /// Order of the list of applications (10)
    #[arg(long, value_enum, default_value_t)]
    pub list_order: ListOrder,
    /// Creating an application also makes its sandbox sibling (4.6, 10; default: it does not)
    #[arg(long)]
    pub sandbox_sibling: bool,
    /// Whether DELETE on an application works (4.6, 10)
    #[arg(long, value_enum, default_value_t)]
    pub application_delete: ApplicationDelete,
    /// Requests without the trailing slash (1, 10)
    #[arg(long, value_enum, default_value_t)]
    pub trailing_slash: TrailingSlash,
    /// Whether an account's refresh token can be spent (3, 10)
    #[arg(long, value_enum, default_value_t)]
    pub account_refresh: AccountRefresh,
    /// Access tokens after a password change (10)
    #[arg(long, value_enum, default_value_t)]
    pub password_change: PasswordChange,
    /// Whether resend-otp needs the password (2.2, 10)
    #[arg(long, value_enum, default_value_t)]
    pub resend_password: ResendPassword,
    /// Whether accounts made in the console may log in (2.4, 10)
    #[arg(long, value_enum, default_value_t)]
    pub console_accounts: ConsoleAccounts,
    /// Status for a wrong API key (9.1, 10)
    #[arg(long, value_enum, default_value_t)]
    pub wrong_key: WrongKey,
    /// Status for a call without an API key (9.1, 10)
    #[arg(long, value_enum, default_value_t)]
    pub missing_key: MissingKey,
    /// `exp` against `expires_in` of a client-credentials token (5.1, 10)
    #[arg(long, value_enum, default_value_t)]
    pub client_token_expiry: ClientTokenExpiry,
    /// A webhook destination made without `subscribed_events` (8.3, 10)
    #[arg(long, value_enum, default_value_t)]
    pub unnamed_events: UnnamedEvents,
    /// Deleting a webhook destination (8.3, 10)
    #[arg(long, value_enum, default_value_t)]
    pub destination_delete: DestinationDelete,
    /// Algorithm named in account tokens (2.5, 10)
    #[arg(long, value_enum, default_value_t)]
    pub token_algorithm: TokenAlgorithm,
    /// Leave `Retry-After` out of the auth host's 429 replies (9.3; default: it is sent)
    #[arg(long)]
    pub omit_retry_after: bool,
    /// Send `products` in application records (4.4; default: left out)
    #[arg(long)]
    pub products: bool,
    /// Send `token_type` in the reply of verify-email (2.3; default: left out)
    #[arg(long)]
    pub token_type: bool,
    /// Values of `data_location` that creation accepts; the first is the default (4.6, 10)
    #[arg(long, value_delimiter = ',', default_values_t = Self::default().data_locations)]
    pub data_locations: Vec<String>,
    /// The `balance` every application reports, a decimal string (9.1)
    #[arg(long, default_value_t = Self::default().balance)]
    pub balance: String,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            wrong_code: WrongCode::default(),
            registered_address: RegisteredAddress::default(),
            wrong_password: WrongPassword::default(),
            locked: Locked::default(),
            lockout_scope: LockoutScope::default(),
            lockout_survives_success: false,
            bad_token: Refusal::default(),
            foreign_organization: Foreign::default(),
            creation_status: Creation::default(),
            unique_names: false,
            application_list: ListShape::default(),
            organization_list: ListShape::default(),
            list_api_key: false,
            list_order: ListOrder::default(),
            sandbox_sibling: false,
            application_delete: ApplicationDelete::default(),
            trailing_slash: TrailingSlash::default(),
            account_refresh: AccountRefresh::default(),
            password_change: PasswordChange::default(),
            resend_password: ResendPassword::default(),
            console_accounts: ConsoleAccounts::default(),
            wrong_key: WrongKey::default(),
            missing_key: MissingKey::default(),
            client_token_expiry: ClientTokenExpiry::default(),
            unnamed_events: UnnamedEvents::default(),
            destination_delete: DestinationDelete::default(),
            token_algorithm: TokenAlgorithm::default(),
            omit_retry_after: false,
            products: false,
            token_type: false,
            data_locations: vec!["eu".to_owned()],
            balance: "10.0000".to_owned(),
        }
    }
}
