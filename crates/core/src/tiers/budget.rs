//! How many writes to L1 an instance makes (`tiers.l1.writes`): so many a period, spread over it, with at most a minute's share at once.
//!
//! What has to be written is, and is owed: what need not be waits for it. The debt is bounded, and so is the wait.

use crate::config::Rate;
use crate::time::Timestamp;
use std::cell::Cell;

/// The most that is owed, in shares of a minute.
const DEBT: u64 = 2;

/// What is left, as the time at which all that was taken is paid (the generic cell rate algorithm), in nanoseconds.
#[derive(Debug, Default)]
pub struct Budget(Cell<i64>);

impl Budget {
    /// Takes a write, if one is left.
    pub fn take(&self, rate: &Rate, now: Timestamp) -> bool {
        let left = !self.is_spent(rate, now);
        if left {
            self.owe(rate, now);
        }
        left
    }

    /// Takes a write that has to be made.
    pub fn owe(&self, rate: &Rate, now: Timestamp) {
        let (now, each, most) = (nanos(now), each(rate), share(rate).saturating_mul(DEBT as i64));
        self.0.set(self.0.get().max(now).saturating_add(each).min(now.saturating_add(most).saturating_add(each)));
    }

    /// Whether nothing is left.
    pub fn is_spent(&self, rate: &Rate, now: Timestamp) -> bool {
        self.0.get().saturating_sub(nanos(now)) > share(rate).saturating_sub(each(rate))
    }
}

/// What one write takes, and what may be taken at once.
fn each(rate: &Rate) -> i64 {
    let period = i64::try_from(rate.per.as_nanos()).unwrap_or(i64::MAX);
    period / i64::from(rate.count.max(1))
}

fn share(rate: &Rate) -> i64 {
    let period = rate.per.as_secs().max(1);
    let count = u64::from(rate.count);
    let at_once = if period <= 60 { count } else { (count * 60 / period).max(1) };
    each(rate).saturating_mul(i64::try_from(at_once).unwrap_or(i64::MAX))
}

fn nanos(at: Timestamp) -> i64 {
    at.0.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: i64 = 1_800_000_000_000;

    fn rate(count: u32, secs: u64) -> Rate {
        Rate { count, per: Duration::from_secs(secs) }
    }

    fn taken(budget: &Budget, rate: &Rate, at: i64) -> usize {
        (0..10_000).take_while(|_| budget.take(rate, Timestamp(at))).count()
    }

    #[test]
    fn so_many_at_once_and_so_many_later() {
        // Of a rate: how many at once, and how many after so many milliseconds.
        for (count, secs, at_once, after, then) in [
            (10, 60, 10, 6_000, 1),
            (10, 60, 10, 5_999, 0),
            (10, 60, 10, 3_600_000, 10),
            (5, 1, 5, 200, 1),
            (600, 3600, 10, 60_000, 10),
            (1000, 86_400, 1, 86_400, 1),
            (1000, 86_400, 1, 86_399, 0),
            (1, 86_400, 1, 86_400_000, 1),
        ] {
            let (budget, rate) = (Budget::default(), rate(count, secs));
            assert_eq!(taken(&budget, &rate, NOW), at_once, "{rate:?}");
            assert!(budget.is_spent(&rate, Timestamp(NOW)), "{rate:?}");
            assert_eq!(taken(&budget, &rate, NOW + after), then, "{rate:?} after {after} ms");
        }
    }

    #[test]
    fn a_day_at_the_limit_is_the_rate_and_no_more() {
        let (budget, rate) = (Budget::default(), rate(1000, 86_400));
        let taken: usize = (0..86_400).map(|second| taken(&budget, &rate, NOW + second * 1000)).sum();
        // Each is taken in the first whole second after it is there.
        assert!((990..=1000).contains(&taken), "{taken}");
    }

    #[test]
    fn what_is_owed_is_paid_before_anything_is_left_and_is_bounded() {
        let (budget, rate) = (Budget::default(), rate(10, 60));
        (0..15).for_each(|_| budget.owe(&rate, Timestamp(NOW)));
        // Five more than there were: half a minute until the last is paid.
        assert_eq!(taken(&budget, &rate, NOW + 30_000), 0);
        assert_eq!(taken(&budget, &rate, NOW + 36_000), 1);
        (0..1000).for_each(|_| budget.owe(&rate, Timestamp(NOW + 36_000)));
        assert_eq!(taken(&budget, &rate, NOW + 36_000 + 120_000), 9);
    }

    #[test]
    fn a_clock_that_is_set_back_costs_at_most_what_it_was_set_back_by() {
        let (budget, rate) = (Budget::default(), rate(10, 60));
        taken(&budget, &rate, NOW);
        assert_eq!(taken(&budget, &rate, NOW - 60_000), 0);
        assert_eq!(taken(&budget, &rate, NOW + 60_000), 10);
    }
}
