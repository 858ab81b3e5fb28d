//! How long pods take to read what was written.

use std::time::Duration;

/// The times of several refreshes and pods.
#[derive(Debug, Default)]
pub(crate) struct Propagation(Vec<Duration>);

impl Propagation {
    /// One pod read a token this long after it was written.
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
        self.0.sort();
    }

    /// The longest; zero when there is none.
    pub(crate) fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// A sentence about all of them, compared with what the operator counts for it.
    pub(crate) fn summary(&self, budget: Duration) -> String {
        let shortest = self.0.first().copied().unwrap_or_default();
        let median = self.0.get(self.0.len() / 2).copied().unwrap_or_default();
        format!(
            "{} readings: {:.1} s at the least, {:.1} s in the middle, {:.1} s at the most. The default of \
             --propagation-budget is {} s, {:.1} times the longest.",
            self.0.len(),
            shortest.as_secs_f64(),
            median.as_secs_f64(),
            self.longest().as_secs_f64(),
            budget.as_secs(),
            budget.as_secs_f64() / self.longest().as_secs_f64().max(0.001),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_compares_the_longest_with_the_budget() {
        let mut propagation = Propagation::default();
        for seconds in [60, 10, 80] {
            propagation.add(Duration::from_secs(seconds));
        }
        assert_eq!(
            propagation.summary(Duration::from_secs(240)),
            "3 readings: 10.0 s at the least, 60.0 s in the middle, 80.0 s at the most. The default of \
             --propagation-budget is 240 s, 3.0 times the longest."
        );
    }
}
