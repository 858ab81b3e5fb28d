//! The token that somebody wants revoked, once another has taken its place.

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::api::token::{FulfilledRequests, TokenStatus};
use crate::controller::token::findings::Trouble;

/// Whether a pass that never came to its end has published another token for the request already. While an earlier request
/// is unfinished, what is `to_revoke` is that one's, and says nothing of the token that is `held` now.
pub(super) fn is_replaced(
    fulfilled: Option<&FulfilledRequests>,
    to_revoke: &[SecretString],
    held: Option<&SecretString>,
) -> bool {
    let earlier_is_unfinished = fulfilled.is_some_and(|fulfilled| fulfilled.revoking.is_some());
    let Some(held) = held.filter(|_| !earlier_is_unfinished && !to_revoke.is_empty()) else {
        return false;
    };
    let is_held = |token: &SecretString| token.expose_secret() == held.expose_secret();
    !to_revoke.iter().any(is_held)
}

/// What to tell when no token was found to revoke, although one is `recorded` that is still good.
pub(super) fn lost(found: usize, recorded: Option<&TokenStatus>, now: Timestamp) -> Option<Trouble> {
    let expires_at = recorded.filter(|_| found == 0)?.expires_at.0;
    (expires_at > now).then(|| {
        Trouble::to_mend(
            "TokenLost",
            format!("its Secret does not hold it any more. It may be valid until {expires_at:.0}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::SignedDuration;

    use super::*;

    fn tokens(names: &[&str]) -> Vec<SecretString> {
        names.iter().map(|name| (*name).to_owned().into()).collect()
    }

    #[test]
    fn a_second_request_revokes_the_token_that_the_first_has_brought() {
        let revoking = FulfilledRequests {
            revoking: Some("first".into()),
            ..FulfilledRequests::default()
        };
        for (says, fulfilled, to_revoke, held, expected) in [
            ("a crash before the status", None, vec!["old"], Some("new"), true),
            (
                "the first is unfinished",
                Some(&revoking),
                vec!["old"],
                Some("new"),
                false,
            ),
            ("a crash before the Secret", None, vec!["old"], Some("old"), false),
            ("nothing begun", None, vec![], Some("old"), false),
            ("nothing held", None, vec!["old"], None, false),
        ] {
            let held = held.map(|held| held.to_owned().into());
            assert_eq!(
                is_replaced(fulfilled, &tokens(&to_revoke), held.as_ref()),
                expected,
                "{says}"
            );
        }
    }

    #[test]
    fn a_token_that_is_not_found_is_not_passed_over_in_silence() {
        let now = Timestamp::UNIX_EPOCH;
        let recorded = |seconds| TokenStatus {
            issued_at: Time(now),
            expires_at: Time(now + SignedDuration::from_secs(seconds)),
            refresh_at: Time(now),
            allowance_seconds: 0,
            token_type: "Bearer".into(),
            scope: None,
            request_digest: String::new(),
            fingerprint: String::new(),
            remark: None,
        };
        let trouble = lost(0, Some(&recorded(60)), now).unwrap();
        assert!(!trouble.passes, "it does not come back");
        assert!(trouble.message.ends_with("valid until 1970-01-01T00:01:00Z"));
        assert_eq!(lost(1, Some(&recorded(60)), now), None);
        assert_eq!(lost(0, Some(&recorded(0)), now), None, "it has ended");
        assert_eq!(lost(0, None, now), None, "there never was one");
    }
}
