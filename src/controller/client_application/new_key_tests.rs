//! An application that gets another key, while its token waits after a failure.

use std::time::Duration;

use super::plan::plan;
use super::state::{Evidence, Observed, SecretContent, SecretView, Step};
use super::take_in;
use super::tests::{POLICY, now, ours, with_accepted_key};
use crate::api::token::TokenSettings;
use crate::controller::token::findings::Trouble;
use crate::controller::token::pauses::Pause;

/// No token was given out for the key that is published, and the next try is far.
fn waiting() -> Observed {
    let mut observed = with_accepted_key();
    observed.spec.access_token = Some(TokenSettings::default());
    observed.token.can_be_had = true;
    let refused = Trouble::to_mend("InvalidClient", "apx.didit.me refused the client".into());
    observed.token.pause = Some(Pause {
        trouble: refused,
        until: now() + Duration::from_secs(1200),
        failures: 1,
    });
    observed
}

/// Whether a token is asked for once the Secret is written, which held credentials of this digest before.
fn asks_after_writing(earlier: Option<&str>) -> bool {
    let mut observed = waiting();
    let SecretView::Ours { published, .. } = ours(SecretContent::Current) else {
        panic!("not ours")
    };
    if let (SecretView::Ours { published, .. }, Some(earlier)) = (&mut observed.secret, earlier) {
        published.application_digest = earlier.to_owned();
    }
    take_in(
        &mut observed,
        Evidence::SecretWritten {
            published,
            token: None,
        },
    );
    matches!(plan(&observed, &POLICY, now()).step, Some(Step::ObtainToken(_)))
}

#[test]
fn a_new_key_ends_the_pause_that_the_earlier_one_has_caused() {
    assert!(asks_after_writing(Some("another key")));
    assert!(!asks_after_writing(None), "the same key would be refused again");
}
