//! The base address of an identity API.

use url::Url;

use crate::identity::{CallError, ErrorKind};

/// A base address that has been checked: absolute, https (or http where that is allowed), and without user,
/// query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
}

impl Endpoint {
    /// Reads the address. `field` is the name under which the user gave it; `allow_insecure` permits http.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason `InvalidEndpoint` or `InsecureEndpoint`.
    pub fn parse(field: &'static str, address: &str, allow_insecure: bool) -> Result<Self, CallError> {
        let base = check(field, address.trim().trim_end_matches('/'), allow_insecure)?;
        if base.query().is_some() {
            return Err(misconfigured(
                "InvalidEndpoint",
                format!("`{field}` must not have a query (`?`) or a fragment (`#`)"),
            ));
        }
        Ok(Self { base })
    }

    /// Reads the address of one single route, which is used exactly as it is: with or without a final slash, and
    /// with its query (RFC 6749 section 3.2 allows one).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn exact(field: &str, address: &str, allow_insecure: bool) -> Result<Url, CallError> {
        check(field, address.trim(), allow_insecure)
    }

    /// The address of a route: the segments are percent-encoded, and the path ends in a slash.
    ///
    /// Segments that a user or a server chose have to be checked before: `.` and `..` are left out.
    #[must_use]
    pub fn route(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments).push("");
        }
        url
    }

    /// The address without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

fn check(field: &str, address: &str, allow_insecure: bool) -> Result<Url, CallError> {
    let invalid = |why: String| misconfigured("InvalidEndpoint", format!("`{field}` {why}"));
    // The address itself is never repeated: a password in it would end in a status.
    let url = Url::parse(address).map_err(|error| invalid(format!("is not an address: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(invalid("has to begin with https:// and a host name".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not carry a user name or a password".to_owned()));
    }
    if url.fragment().is_some() {
        return Err(invalid("must not have a fragment (`#`)".to_owned()));
    }
    if url.scheme() == "http" && !allow_insecure {
        return Err(misconfigured(
            "InsecureEndpoint",
            format!(
                "`{field}` begins with http://, which would send passwords and keys to {} in clear text; \
                 use https://, or set `allowInsecure: true` for a local sandbox",
                host(&url)
            ),
        ));
    }
    Ok(url)
}

/// The host as messages name it: with the port where it is not the scheme's own.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn misconfigured(reason: &'static str, message: String) -> CallError {
    CallError {
        operation: "connect",
        kind: ErrorKind::Misconfigured { reason },
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> String {
        let error = Endpoint::parse("authUrl", address, false).unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::Misconfigured {
                reason: "InvalidEndpoint"
            },
            "{address}"
        );
        error.message
    }

    #[test]
    fn routes_are_encoded_and_end_in_a_slash() {
        for base in [
            "https://apx.didit.me/auth/v2",
            "https://apx.didit.me/auth/v2/",
            " https://apx.didit.me/auth/v2// ",
        ] {
            let endpoint = Endpoint::parse("authUrl", base, false).unwrap();
            assert_eq!(endpoint.as_str(), "https://apx.didit.me/auth/v2");
            assert_eq!(
                endpoint.route(&["organizations", "me"]).as_str(),
                "https://apx.didit.me/auth/v2/organizations/me/"
            );
            assert_eq!(
                endpoint.route(&["a/b?c#d%e f"]).as_str(),
                "https://apx.didit.me/auth/v2/a%2Fb%3Fc%23d%25e%20f/"
            );
        }
        let bare = Endpoint::parse("authUrl", "https://apx.didit.me", false).unwrap();
        assert_eq!(bare.as_str(), "https://apx.didit.me");
        assert_eq!(
            bare.route(&["2fa", "verify"]).as_str(),
            "https://apx.didit.me/2fa/verify/"
        );
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_with_a_sentence() {
        assert_eq!(
            refused(""),
            "`authUrl` is not an address: relative URL without a base"
        );
        assert_eq!(
            refused("ftp://host/"),
            "`authUrl` has to begin with https:// and a host name"
        );
        assert_eq!(
            refused("mailto:ops@host"),
            "`authUrl` has to begin with https:// and a host name"
        );
        assert_eq!(
            refused("https://host/?a=b"),
            "`authUrl` must not have a query (`?`) or a fragment (`#`)"
        );
        let sentence = refused("https://ops:hunter2@host/");
        assert_eq!(sentence, "`authUrl` must not carry a user name or a password");
    }

    #[test]
    fn the_address_of_a_single_route_stays_as_it_is() {
        for address in [
            "https://idp.example.com/token",
            "https://idp.example.com/token/",
            "https://idp.example.com/token?tenant=1",
        ] {
            assert_eq!(
                Endpoint::exact("endpoints.token", address, false)
                    .unwrap()
                    .as_str(),
                address
            );
        }
        for address in [
            "",
            "token",
            "https://a:b@host/",
            "https://host/#top",
            "http://host/",
        ] {
            let error = Endpoint::exact("endpoints.token", address, false).unwrap_err();
            assert!(
                error.message.starts_with("`endpoints.token`"),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn http_has_to_be_allowed() {
        let error = Endpoint::parse("apiUrl", "http://10.0.0.7:8080/v3", false).unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::Misconfigured {
                reason: "InsecureEndpoint"
            }
        );
        assert_eq!(
            error.message,
            "`apiUrl` begins with http://, which would send passwords and keys to 10.0.0.7:8080 in clear text; \
             use https://, or set `allowInsecure: true` for a local sandbox"
        );
        assert!(Endpoint::parse("apiUrl", "http://10.0.0.7:8080/v3", true).is_ok());
    }
}
