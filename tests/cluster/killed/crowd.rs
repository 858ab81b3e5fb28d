//! Many runs side by side.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

/// Runs at the same time, of all tests of this process together.
const AT_ONCE: usize = 4;

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// Runs all of these, each in a runtime of its own, so that one which fails does not end the others.
///
/// # Panics
/// When one fails; the message names all that did.
pub(super) fn each<T: Display + Sync>(items: &[T], run: impl AsyncFn(&T) + Sync) {
    let remaining = Mutex::new(items.iter());
    let failed = Mutex::new(Vec::new());
    // A function, so that the lock is not held while an item is worked on.
    let next = || locked(&remaining).next();
    let work = || {
        while let Some(item) = next() {
            if catch_unwind(AssertUnwindSafe(|| alone(run(item)))).is_err() {
                locked(&failed).push(item.to_string());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(items.len()) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        items.len(),
        failed.join("\n")
    );
}

/// One run, when there is a place for it.
pub(super) fn alone<T>(run: impl Future<Output = T>) -> T {
    runtime().block_on(async {
        let _place = PLACES.acquire().await.unwrap();
        run.await
    })
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
