//! Spans of time as kubectl shows them.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span without its sign, in at most two units: `90s`, `5m30s`, `52m`, `3h12m`, `30h`, `3d4h`, `12d`.
pub(super) fn short(span: SignedDuration) -> String {
    let seconds = span.unsigned_abs().as_secs();
    let two = |first: u64, name: &str, second: u64, other: &str| match second {
        0 => format!("{first}{name}"),
        _ => format!("{first}{name}{second}{other}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        _ => format!("{}d", seconds / DAY),
    }
}

/// A moment as seen from now: `in 41m`, or `8m ago`.
pub(super) fn relative(moment: Timestamp, now: Timestamp) -> String {
    let span = moment.duration_since(now);
    if span.as_secs() > 0 {
        format!("in {}", short(span))
    } else {
        format!("{} ago", short(span))
    }
}

/// A moment for people: RFC 3339, and how far off it is.
pub(super) fn moment(moment: Timestamp, now: Timestamp) -> String {
    format!("{moment:.0} ({})", relative(moment, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_units_that_matter() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (3120, "52m"),
            (11_520, "3h12m"),
            (10_800, "3h"),
            (108_000, "30h"),
            (273_600, "3d4h"),
            (1_036_800, "12d"),
            (-330, "5m30s"),
        ] {
            assert_eq!(short(SignedDuration::from_secs(seconds)), expected);
        }
        assert_eq!(short(SignedDuration::MIN), "106751991167300d");
    }

    #[test]
    fn moments_say_on_which_side_of_now_they_are() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        assert_eq!(relative(at(2460), now), "in 41m");
        assert_eq!(relative(at(-480), now), "8m ago");
        assert_eq!(relative(now, now), "0s ago");
        assert_eq!(moment(at(60), now), "2027-01-15T08:01:00Z (in 60s)");
    }
}
