//! Whether the tiers do as they are asked. An outage is said when it begins and when it is over, and not at every call.

use crate::time::Timestamp;
use std::cell::Cell;

/// How long a tier must do well before an outage counts as over, in milliseconds: one that comes and goes is said once.
const WELL_MS: u64 = 5_000;

/// What is asked of a tier: one that can be read may take no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Write,
}

/// What an instance knows of a tier.
#[derive(Debug, Default)]
pub struct Health {
    reads: Cell<Option<Outage>>,
    writes: Cell<Option<Outage>>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Timestamp,
    last: Timestamp,
    calls: u64,
    /// Whether it was said.
    said: bool,
    /// Whether the last call did well.
    well: bool,
}

impl Health {
    fn of(&self, call: Call) -> &Cell<Option<Outage>> {
        match call {
            Call::Read => &self.reads,
            Call::Write => &self.writes,
        }
    }

    /// Whether the last write failed, or the last read.
    pub(super) fn takes_writes(&self) -> bool {
        let fails = |outage: &Cell<Option<Outage>>| outage.get().is_some_and(|outage| !outage.well);
        !fails(&self.reads) && !fails(&self.writes)
    }

    /// A call failed. Returns what begins by that, in words that follow the name of the tier.
    pub(super) fn failed(&self, call: Call, now: Timestamp) -> Option<&'static str> {
        let outage = self.of(call);
        if let Some(before) = outage.get() {
            outage.set(Some(Outage { last: now, calls: before.calls.saturating_add(1), well: false, ..before }));
            return None;
        }
        // What cannot be read takes no writes either.
        let said = call == Call::Read || self.reads.get().is_none();
        outage.set(Some(Outage { since: now, last: now, calls: 1, said, well: false }));
        said.then_some(match call {
            Call::Read => "cannot be read",
            Call::Write => "takes no writes",
        })
    }

    /// A call did well. Returns what is over by that, in words that follow the name of the tier.
    pub(super) fn did_well(&self, call: Call, now: impl FnOnce() -> Timestamp) -> Option<String> {
        let outage = self.of(call).get()?;
        let now = now();
        if now.since(outage.last) < WELL_MS {
            self.of(call).set(Some(Outage { well: true, ..outage }));
            return None;
        }
        self.of(call).set(None);
        let again = match call {
            Call::Read => "can be read again",
            Call::Write => "takes writes again",
        };
        let (calls, seconds) = (outage.calls, outage.last.since(outage.since).div_ceil(1000));
        outage.said.then(|| format!("{again}, after {seconds} s; calls that failed: {calls}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp(1_000_000 + ms)
    }

    #[test]
    fn an_outage_is_said_when_it_begins_and_when_it_is_over() {
        let health = Health::default();
        assert_eq!(health.did_well(Call::Read, || at(0)), None);
        assert_eq!(health.failed(Call::Read, at(0)), Some("cannot be read"));
        for ms in 1..3000 {
            assert_eq!(health.failed(Call::Read, at(ms)), None);
        }
        assert_eq!(health.did_well(Call::Read, || at(7998)), None);
        let over = health.did_well(Call::Read, || at(7999));
        assert_eq!(over.as_deref(), Some("can be read again, after 3 s; calls that failed: 3000"));
        assert_eq!(health.did_well(Call::Read, || at(8000)), None);
        assert_eq!(health.failed(Call::Read, at(8001)), Some("cannot be read"));
    }

    #[test]
    fn one_that_comes_and_goes_is_said_once() {
        let (health, mut lines) = (Health::default(), 0);
        for ms in (0..60_000).step_by(100) {
            lines += usize::from(health.failed(Call::Write, at(ms)).is_some());
            lines += usize::from(health.did_well(Call::Write, || at(ms + 50)).is_some());
        }
        assert_eq!(lines, 1);
    }

    #[test]
    fn writes_are_not_spoken_of_where_nothing_can_be_read() {
        let health = Health::default();
        health.failed(Call::Read, at(0));
        assert_eq!(health.failed(Call::Write, at(1)), None);
        assert_eq!(health.did_well(Call::Write, || at(9000)), None);
        assert!(health.did_well(Call::Read, || at(9000)).is_some());
        assert_eq!(health.failed(Call::Write, at(9001)), Some("takes no writes"));
        assert_eq!(health.did_well(Call::Read, || at(9002)), None);
        let over = health.did_well(Call::Write, || at(20_000));
        assert_eq!(over.as_deref(), Some("takes writes again, after 0 s; calls that failed: 1"));
    }

    #[test]
    fn it_takes_writes_if_the_last_calls_did_well() {
        let health = Health::default();
        assert!(health.takes_writes());
        for call in [Call::Read, Call::Write] {
            health.failed(call, at(0));
            assert!(!health.takes_writes());
            health.did_well(call, || at(1));
            assert!(health.takes_writes());
        }
    }
}
