//! Looks again and again at what its arguments name, `file:PATH` or `env:NAME`, and says when something else is
//! there. Without arguments it does nothing, forever, as the container does that holds a pod's namespaces.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keywright_witness::{Sighting, digest};

/// How often it looks, which is how exact its times are.
const INTERVAL: Duration = Duration::from_millis(10);

fn main() {
    let mut places: Vec<(String, Option<Option<u64>>)> =
        std::env::args().skip(1).map(|place| (place, None)).collect();
    loop {
        for (place, last) in &mut places {
            let seen = look(place);
            if last.replace(seen) != Some(seen) {
                say(place, seen);
            }
        }
        std::thread::sleep(INTERVAL);
    }
}

fn look(place: &str) -> Option<u64> {
    let content = match place.split_once(':')? {
        ("file", path) => std::fs::read(path).ok(),
        ("env", name) => std::env::var(name).ok().map(String::into_bytes),
        _ => None,
    };
    content.map(|content| digest(&content))
}

fn say(place: &str, digest: Option<u64>) {
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let sighting = Sighting {
        at,
        place: place.to_owned(),
        digest,
    };
    let mut stdout = std::io::stdout().lock();
    // Nothing is left to be told when nobody reads.
    let _ = writeln!(stdout, "{sighting}").and_then(|()| stdout.flush());
}
