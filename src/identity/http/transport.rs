//! What became of a connection, in plain words.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::classify::Mishap;
use super::text::tidy;

/// Whether the request may have left, and the reason in plain words where it did not.
pub(super) fn explain(error: &reqwest::Error) -> (Mishap, String) {
    // Name resolution, proxy tunnel and TLS handshake are all parts of connecting.
    let mishap = if error.is_connect() || error.is_builder() {
        Mishap::NotSent
    } else {
        Mishap::Lost
    };
    (mishap, words(error))
}

/// The alerts by which a server says that it does not accept a client's certificate (RFC 8446 section 6.2).
const CERTIFICATE_ALERTS: [AlertDescription; 7] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    // An authority that was made anew under the same name.
    AlertDescription::DecryptError,
];

/// What the server said of the client's certificate, where it ended the connection because of it. With TLS 1.3 this
/// comes after the request may have left; it was not looked at.
pub(super) fn certificate_refused(error: &reqwest::Error) -> Option<String> {
    chain(error).find_map(certificate_alert)
}

fn certificate_alert(cause: &(dyn Error + 'static)) -> Option<String> {
    let alerts = CERTIFICATE_ALERTS.map(rustls::Error::AlertReceived);
    let found = match (find::<rustls::Error>(cause), find::<io::Error>(cause)) {
        (Some(error), _) => alerts.into_iter().find(|alert| alert == error),
        // HTTP/2 passes on only the text.
        (None, Some(error)) => {
            let text = error.to_string();
            alerts.into_iter().find(|alert| alert.to_string() == text)
        }
        (None, None) => None,
    };
    found.map(|alert| alert.to_string())
}

fn tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    chain(error).find_map(|cause| find::<rustls::Error>(cause))
}

fn words(error: &reqwest::Error) -> String {
    if let Some(tls) = tls(error) {
        return tls_words(tls);
    }
    if error.is_dns() {
        return "its name could not be resolved".to_owned();
    }
    if error.is_timeout() {
        return "no connection was made in time".to_owned();
    }
    if let Some(words) = chain(error).find_map(|cause| io_words(find::<io::Error>(cause)?)) {
        return words.to_owned();
    }
    // reqwest's own text holds the address with its query, so only what is below it is shown.
    chain(error)
        .skip(1)
        .filter(|cause| !cause.is::<reqwest::Error>())
        .last()
        .map_or_else(
            || "the connection failed".to_owned(),
            |cause| tidy(&cause.to_string()),
        )
}

fn io_words(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some("connection reset")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("no route to it"),
        io::ErrorKind::UnexpectedEof => Some("the connection was closed"),
        _ => None,
    }
}

fn tls_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return tidy(&format!("TLS failed: {error}"));
    };
    match reason {
        CertificateError::UnknownIssuer => {
            "its TLS certificate was not issued by an authority that is trusted here; add that authority's \
             certificate to the CA bundle"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its TLS certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its TLS certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its TLS certificate is for another name".to_owned()
        }
        other => tidy(&format!("its TLS certificate was refused: {other}")),
    }
}

fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&cause| cause.source())
}

/// The cause as `T`. An `io::Error` hides what it wraps from `source`, so that is looked into.
fn find<'a, T: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a T> {
    cause.downcast_ref::<T>().or_else(|| {
        let inner: &(dyn Error + 'static) = cause.downcast_ref::<io::Error>()?.get_ref()?;
        find(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_certificate_is_seen_as_error_and_as_text() {
        let alert = || rustls::Error::AlertReceived(AlertDescription::CertificateUnknown);
        let said = Some(alert().to_string());
        assert_eq!(certificate_alert(&alert()), said);
        assert_eq!(certificate_alert(&io::Error::other(alert())), said);
        assert_eq!(certificate_alert(&io::Error::other(alert().to_string())), said);
        let other = rustls::Error::AlertReceived(AlertDescription::InternalError);
        assert_eq!(certificate_alert(&io::Error::other(other.to_string())), None);
        assert_eq!(certificate_alert(&other), None);
    }
}
