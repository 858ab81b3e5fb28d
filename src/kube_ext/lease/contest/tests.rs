//! Decisions of one replica, case by case.

use super::*;

const ME: &str = "me";
const OTHER: &str = "other";

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn contest() -> Contest {
    Contest::new("keywright", "keywright", ME.into(), Timings::default())
}

/// A Lease as the API server would return it; each `version` has its own time of renewal.
fn lease(holder: &str, version: i64) -> Lease {
    Lease {
        metadata: ObjectMeta {
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(Timestamp::from_second(version).unwrap())),
            ..LeaseSpec::default()
        }),
    }
}

fn holder(sent: Instant) -> Contest {
    let mut contest = contest();
    contest.tried(sent);
    contest.wrote(lease(ME, 1), sent, sent + Duration::from_millis(50));
    contest
}

#[test]
fn a_candidate_writes_when_the_lease_is_free() {
    let now = Instant::now();
    for (case, seen) in [
        ("nothing read yet", None),
        ("no Lease", Some(None)),
        ("a Lease without a spec", Some(Some(Lease::default()))),
        ("released", Some(Some(lease("", 1)))),
        (
            "ours, from a write whose answer was lost",
            Some(Some(lease(ME, 1))),
        ),
    ] {
        let mut contest = contest();
        if let Some(seen) = seen {
            contest.observed(seen, now);
        }
        assert_eq!(contest.decide(now), Decision::Write, "{case}");
    }
}

#[test]
fn a_candidate_waits_as_long_as_the_record_says_since_it_last_changed() {
    let start = Instant::now();
    let mut contest = contest();
    contest.observed(Some(lease(OTHER, 1)), start);
    contest.observed(Some(lease(OTHER, 1)), start + s(5));
    assert_eq!(contest.decide(start + s(5)), Decision::Wait(start + s(15)));

    contest.observed(Some(lease(OTHER, 2)), start + s(10));
    assert_eq!(contest.decide(start + s(24)), Decision::Wait(start + s(25)));
    assert_eq!(contest.decide(start + s(25)), Decision::Write);
}

#[test]
fn the_duration_is_that_of_the_holder_or_ours_if_the_holder_names_none() {
    let now = Instant::now();
    for (recorded, expected) in [
        (Some(60), 60),
        (Some(1), 1),
        (Some(0), 15),
        (Some(-5), 15),
        (None, 15),
    ] {
        let mut contest = contest();
        let mut lease = lease(OTHER, 1);
        lease.spec.as_mut().unwrap().lease_duration_seconds = recorded;
        contest.observed(Some(lease), now);
        assert_eq!(
            contest.decide(now),
            Decision::Wait(now + s(expected)),
            "{recorded:?}"
        );
    }
}

#[test]
fn a_change_of_metadata_is_no_renewal_and_is_not_overwritten_blindly() {
    let start = Instant::now();
    let mut contest = contest();
    contest.observed(Some(lease(OTHER, 1)), start);
    let mut labelled = lease(OTHER, 1);
    labelled.metadata.resource_version = Some("2".into());
    contest.observed(Some(labelled), start + s(14));
    assert_eq!(contest.decide(start + s(15)), Decision::Write);
    assert_eq!(
        contest
            .claim(Timestamp::UNIX_EPOCH)
            .metadata
            .resource_version
            .as_deref(),
        Some("2")
    );
}

#[test]
fn a_deleted_lease_does_not_cut_its_holders_time_short() {
    let start = Instant::now();
    let mut contest = contest();
    contest.observed(Some(lease(OTHER, 1)), start);
    contest.observed(None, start + s(3));
    assert_eq!(contest.decide(start + s(3)), Decision::Wait(start + s(15)));
    assert_eq!(contest.decide(start + s(15)), Decision::Write);
    assert_eq!(
        contest.claim(Timestamp::UNIX_EPOCH).metadata.resource_version,
        None
    );
}

#[test]
fn a_holder_renews_in_time_and_steps_down_at_the_deadline() {
    let sent = Instant::now();
    let mut contest = holder(sent);
    for (after, expected) in [
        (s(0), Decision::Wait(sent + s(2))),
        (s(2), Decision::Write),
        (Duration::from_millis(9_999), Decision::Write),
        (s(10), Decision::StepDown),
    ] {
        assert_eq!(contest.decide(sent + after), expected, "{after:?}");
    }
    contest.tried(sent + s(9));
    assert_eq!(
        contest.decide(sent + s(9)),
        Decision::Wait(sent + s(10)),
        "never past the deadline"
    );
}

#[test]
fn a_holders_time_counts_from_before_its_write_was_sent() {
    let sent = Instant::now();
    let mut contest = contest();
    contest.wrote(lease(ME, 1), sent, sent + s(4));
    let term = contest.term();
    assert!(term.is_leading(sent + Duration::from_millis(9_999)) && !term.is_leading(sent + s(10)));
    assert!(term.may_write(sent + s(14)) && !term.may_write(sent + s(15)));
}

#[test]
fn a_holder_that_sees_another_may_write_no_more() {
    let sent = Instant::now();
    let mut contest = holder(sent);
    contest.observed(Some(lease(OTHER, 2)), sent + s(1));
    assert_eq!(contest.decide(sent + s(1)), Decision::StepDown);
    assert_eq!(contest.term(), Term::None);
    assert!(!contest.may_retry(sent + s(1)));
}

#[test]
fn a_holder_whose_lease_was_cleared_or_deleted_claims_it_again() {
    let sent = Instant::now();
    for seen in [Some(lease("", 2)), None] {
        let mut contest = holder(sent);
        contest.observed(seen, sent + s(2));
        assert_eq!(contest.decide(sent + s(2)), Decision::Write);
    }
}

#[test]
fn a_late_answer_does_not_bring_back_who_resigned() {
    let sent = Instant::now();
    let mut contest = holder(sent);
    contest.resign();
    contest.wrote(lease(ME, 2), sent + s(1), sent + s(2));
    assert_eq!(contest.term(), Term::None);
    assert_eq!(contest.decide(sent + s(2)), Decision::StepDown);
}

#[test]
fn a_request_ends_before_the_leadership_does() {
    let sent = Instant::now();
    assert_eq!(contest().deadline(sent), sent + s(5));
    let holder = holder(sent);
    assert_eq!(holder.deadline(sent + s(2)), sent + s(7));
    assert_eq!(holder.deadline(sent + s(8)), sent + s(10));
    assert_eq!(holder.deadline(sent + s(11)), sent + s(11));
}

#[test]
fn claims_count_transitions_and_keep_what_is_not_ours() {
    let wall = Timestamp::from_second(1_000).unwrap();
    let first = contest().claim(wall);
    assert_eq!(first.metadata.name.as_deref(), Some("keywright"));
    assert_eq!(first.spec.as_ref().unwrap().lease_transitions, Some(0));

    let mut candidate = contest();
    let mut seen = lease(OTHER, 7);
    seen.metadata.labels = Some([("team".to_owned(), "identity".to_owned())].into());
    candidate.observed(Some(seen.clone()), Instant::now());
    let claim = candidate.claim(wall);
    assert_eq!(claim.metadata, seen.metadata);
    let spec = claim.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some(ME));
    assert_eq!(spec.lease_transitions, Some(4));
    assert_eq!(
        (spec.acquire_time, spec.renew_time),
        (Some(MicroTime(wall)), Some(MicroTime(wall)))
    );

    let renewal = holder(Instant::now()).claim(wall).spec.unwrap();
    assert_eq!(renewal.lease_transitions, Some(3));
    assert_eq!(
        renewal.acquire_time, None,
        "a renewal leaves the time of acquisition alone"
    );
}

#[test]
fn only_a_holder_can_release() {
    let wall = Timestamp::from_second(1_000).unwrap();
    let released = holder(Instant::now()).release(wall).unwrap();
    assert_eq!(released.metadata.resource_version.as_deref(), Some("1"));
    let spec = released.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some(""));
    assert_eq!(spec.lease_transitions, Some(3));

    let mut candidate = contest();
    assert_eq!(candidate.release(wall), None);
    candidate.observed(Some(lease(OTHER, 2)), Instant::now());
    assert_eq!(candidate.release(wall), None);
}
