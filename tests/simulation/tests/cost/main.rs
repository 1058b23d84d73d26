//! What a trace costs where operations are billed, and the page that says so.

mod trace;

use trace::run;

#[test]
fn tmp() {
    for skew in [0.8, 1.0, 1.2] {
        for config in ["admit = \"always\"", "admit = \"second-hit\"", "admit=\"second-hit\"\nwrites=\"5/m\""] {
            let t = std::time::Instant::now();
            let out = run(1, skew, 200_000, config);
            println!("{skew} {config}: {out:?} {} {:?}", out.hit_ratio(), t.elapsed());
        }
    }
}
