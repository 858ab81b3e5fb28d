//! The operator is killed between any two calls, and at each call with and without its effect; what follows
//! is always one application, and a Secret with its key.
//!
//! A walk first looks at the calls of an undisturbed run: each call to the identity API, and each call to the
//! Kubernetes API that changes something. (A kill at one that merely reads is the same as one after the call
//! before it.) Then it kills a process at each of them, just before the call arrives and just after it took
//! effect, and lets another process go on.

mod crowd;
mod faults;
mod late;
mod life;
mod names;
mod points;
mod proxy;
mod sign_up;

use std::collections::BTreeSet;

use life::Life;
use points::Point;

/// Kills a process at each point of a life, which has to have these calls.
fn walk(life: Life, expected: &[&str]) {
    let calls = crowd::alone(life.undisturbed());
    let names: BTreeSet<_> = calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(
        names,
        expected.iter().copied().collect(),
        "the calls of {life:?}: {calls:#?}"
    );
    let points: Vec<_> = calls.iter().flat_map(Point::of).collect();
    crowd::each(&points, async |point| life.killed_at(point).await);
}

#[test]
fn on_the_way_to_a_published_key() {
    walk(
        Life::Creation,
        &[
            "login begun",
            "login",
            "login ended",
            "listOrganizations",
            "provider status",
            "finalizer added",
            "listApplications",
            "intent recorded",
            "createApplication",
            "application id recorded",
            "Secret applied",
            "getBalance",
            "outcome recorded",
        ],
    );
}

#[test]
fn while_it_takes_up_what_a_killed_process_left() {
    walk(
        Life::Recovery,
        &[
            "login begun",
            "login",
            "login ended",
            "listOrganizations",
            "listApplications",
            "getApplication",
            "application id recorded",
            "Secret applied",
            "getBalance",
            "outcome recorded",
        ],
    );
}

#[test]
fn while_it_adopts_an_application() {
    walk(
        Life::Adoption,
        &[
            "login begun",
            "login",
            "login ended",
            "listOrganizations",
            "provider status",
            "finalizer added",
            "getApplication",
            "updateApplication",
            "application id recorded",
            "Secret applied",
            "getBalance",
            "outcome recorded",
        ],
    );
}

#[test]
fn while_the_secret_gets_another_name() {
    walk(
        Life::Renaming,
        &[
            "getApplication",
            "Secret applied",
            "getBalance",
            "Secret deleted",
            "outcome recorded",
        ],
    );
}

#[test]
fn while_the_resource_is_deleted() {
    walk(
        Life::Deletion,
        &["getApplication", "updateApplication", "finalizer removed"],
    );
}

#[test]
fn on_the_way_from_an_address_to_an_account() {
    let calls = crowd::alone(sign_up::undisturbed());
    let names: BTreeSet<_> = calls.iter().map(|call| call.name.as_str()).collect();
    let expected = [
        "Secret applied",
        "Register begun",
        "register",
        "VerifyEmail begun",
        "verifyEmail",
        "account recorded",
    ];
    assert_eq!(names, expected.into(), "{calls:#?}");
    let points: Vec<_> = calls.iter().flat_map(Point::of).collect();
    crowd::each(&points, async |point| sign_up::killed_at(point).await);
}
