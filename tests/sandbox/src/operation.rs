//! The operations of the API: their names, methods and paths, stated once.

use std::fmt;
use std::str::FromStr;

use axum::http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Declares the operations: variant, name, method (`*` for any) and path.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident $name:literal $method:literal $path:literal;)+) => {
        /// One operation of the API, named as in the OpenAPI description.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[$doc])* $variant,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, which is the `operationId` of the OpenAPI description.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP method, or `*` where every method is the same operation.
            #[must_use]
            pub const fn method(self) -> &'static str {
                match self { $(Self::$variant => $method,)+ }
            }

            /// The path below the sandbox's root, in the router's notation.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)+ }
            }
        }
    };
}

operations! {
    /// Contract 2.1.
    Register "register" "POST" "/auth/v2/programmatic/register/";
    /// Contract 2.2.
    ResendOtp "resendOtp" "POST" "/auth/v2/programmatic/resend-otp/";
    /// Contract 2.3.
    VerifyEmail "verifyEmail" "POST" "/auth/v2/programmatic/verify-email/";
    /// Contract 2.4.
    Login "login" "POST" "/auth/v2/programmatic/login/";
    /// Contract 2.4.
    VerifySecondFactor "verifySecondFactor" "POST" "/auth/v2/2fa/verify/";
    /// Contract 4.1.
    ListOrganizations "listOrganizations" "GET" "/auth/v2/organizations/me/";
    /// Contract 4.2.
    ListApplications "listApplications" "GET" "/auth/v2/organizations/me/{org_id}/applications/";
    /// Contract 4.3.
    CreateApplication "createApplication" "POST" "/auth/v2/organizations/me/{org_id}/applications/";
    /// Contract 4.4.
    GetApplication "getApplication" "GET" "/auth/v2/organizations/me/{org_id}/applications/{app_id}/";
    /// Contract 4.5.
    UpdateApplication "updateApplication" "PATCH" "/auth/v2/organizations/me/{org_id}/applications/{app_id}/";
    /// Contract 4.6.
    DeleteApplicationUnsupported "deleteApplicationUnsupported" "DELETE" "/auth/v2/organizations/me/{org_id}/applications/{app_id}/";
    /// Contract 5.1.
    ClientCredentialsToken "clientCredentialsToken" "POST" "/auth/v2/token/";
    /// Contract 5.3.
    Introspect "introspect" "POST" "/auth/v2/introspect/";
    /// Contract 7.
    AuthenticationSetup "authenticationSetup" "*" "/auth/v2/organizations/{org_id}/applications/{app_id}/authentication/{*rest}";
    /// Contract 9.1.
    GetBalance "getBalance" "GET" "/v3/billing/balance/";
    /// Contract 8.1.
    GetWebhookConfig "getWebhookConfig" "GET" "/v3/webhook/";
    /// Contract 8.2.
    UpdateWebhookConfig "updateWebhookConfig" "PATCH" "/v3/webhook/";
    /// Contract 8.3.
    ListWebhookDestinations "listWebhookDestinations" "GET" "/v3/webhook/destinations/";
    /// Contract 8.3.
    CreateWebhookDestination "createWebhookDestination" "POST" "/v3/webhook/destinations/";
    /// Contract 8.3.
    GetWebhookDestination "getWebhookDestination" "GET" "/v3/webhook/destinations/{destination_uuid}/";
    /// Contract 8.3.
    UpdateWebhookDestination "updateWebhookDestination" "PATCH" "/v3/webhook/destinations/{destination_uuid}/";
    /// Contract 8.3.
    DeleteWebhookDestination "deleteWebhookDestination" "DELETE" "/v3/webhook/destinations/{destination_uuid}/";
    /// Contract 9.1.
    Healthcheck "healthcheck" "GET" "/system/healthcheck";
}

impl Operation {
    /// The operation that serves this method and path, if there is one.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| {
            let served = operation.method() == "*"
                || operation.method() == method.as_str()
                || (operation.method() == "GET" && method == Method::HEAD);
            served && operation.matches(path)
        })
    }

    /// Whether any operation, of whatever method, has this path.
    pub(crate) fn any_at(path: &str) -> bool {
        Self::ALL.iter().any(|operation| operation.matches(path))
    }

    /// Whether this legacy route is documented without its last slash as well (contract, 5.2 and 5.3).
    pub(crate) const fn documented_without_slash(self) -> bool {
        matches!(self, Self::ClientCredentialsToken | Self::Introspect)
    }

    fn matches(self, path: &str) -> bool {
        let mut actual = path.split('/');
        for expected in self.path().split('/') {
            let Some(segment) = actual.next() else {
                return false;
            };
            if expected.starts_with("{*") {
                return !segment.is_empty();
            }
            let fits = if expected.starts_with('{') {
                !segment.is_empty()
            } else {
                expected == segment
            };
            if !fits {
                return false;
            }
        }
        actual.next().is_none()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The name belongs to no operation.
#[derive(Debug, Clone, thiserror::Error)]
#[error("unknown operation '{name}'; valid operations: {}", valid_names())]
pub struct UnknownOperation {
    name: String,
}

fn valid_names() -> String {
    Operation::ALL
        .iter()
        .map(|operation| operation.name())
        .collect::<Vec<_>>()
        .join(", ")
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.name() == name)
            .ok_or_else(|| UnknownOperation {
                name: name.to_owned(),
            })
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Which operations something applies to. As text: an operation's name, or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Every operation.
    Any,
    /// This one.
    One(Operation),
}

impl Route {
    pub(crate) fn covers(self, operation: Operation) -> bool {
        self == Self::Any || self == Self::One(operation)
    }
}

impl From<Operation> for Route {
    fn from(operation: Operation) -> Self {
        Self::One(operation)
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("*"),
            Self::One(operation) => operation.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Route {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == "*" {
            return Ok(Self::Any);
        }
        name.parse().map(Self::One).map_err(|error: UnknownOperation| {
            serde::de::Error::custom(format_args!("{error}, or * for all of them"))
        })
    }
}

/// A path that may be logged: parameters other than UUIDs, and segments that belong to no operation, are
/// replaced by `…`, since a confused client may have put anything there.
pub(crate) fn loggable(path: &str) -> String {
    let known = |segment: &str| {
        segment.is_empty()
            || Uuid::try_parse(segment).is_ok()
            || Operation::ALL
                .iter()
                .any(|operation| operation.path().split('/').any(|part| part == segment))
    };
    path.split('/')
        .map(|segment| if known(segment) { segment } else { "…" })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_at_its_own_path() {
        for operation in Operation::ALL.iter().copied() {
            let method = if operation.method() == "*" {
                "PUT"
            } else {
                operation.method()
            };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let path = operation.path().replace("{*rest}", "a/b").replace(['{', '}'], "");
            assert_eq!(Operation::of(&method, &path), Some(operation), "{path}");
            assert_eq!(operation.name().parse::<Operation>().unwrap(), operation);
        }
    }

    #[test]
    fn other_paths_are_no_operation() {
        for path in [
            "/",
            "/auth/v2/programmatic/login",
            "/auth/v2/organizations/me//applications/",
            "/v3/x/",
        ] {
            assert_eq!(Operation::of(&Method::POST, path), None, "{path}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let message = "logon".parse::<Operation>().unwrap_err().to_string();
        assert!(
            message.contains("'logon'") && message.contains("login, "),
            "{message}"
        );
    }

    #[test]
    fn a_logged_path_shows_only_what_cannot_be_secret() {
        assert_eq!(
            loggable("/auth/v2/programmatic/login/hunter2"),
            "/auth/v2/programmatic/login/…"
        );
        let path = format!("/v3/webhook/destinations/{}/", Uuid::nil());
        assert_eq!(loggable(&path), path);
    }
}
