//! What a trace costs: the whole core before stores that bill, on a clock that the trace moves. `docs/cost.md` is written from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod platform;
mod trace;

use platform::Bill;
use trace::{Trace, run};

#[test]
fn tmp() {
    for skew in [0.8, 1.0, 1.2] {
        for config in ["admit = \"always\"", "admit = \"second-hit\"", "admit=\"second-hit\"\nwrites=\"5/m\""] {
            let t = std::time::Instant::now();
            let out = run(&Trace { seed: 7, skew, keys: 100_000, requests: 200_000, per_second: 20 }, config);
            println!("{skew} {config}: {out:?} {:?}", t.elapsed());
        }
    }
}
