//! `docs/cost.md`, written from traces. `cargo xtask cost --bless` writes it.

use super::trace::{self, API_TAKES, INSTANCES, LIFETIMES, OBJECTS, Outcome, PER_SECOND, REQUESTS};
use std::fmt::Write as _;

/// What everything follows from.
const SEED: u64 = 1;

/// In US dollars per million, as docs/deploy-cloudflare.md has them: a request, a read of KV, a write or delete of KV, a row written
/// to D1. Every transaction of a trace writes one row.
const PRICES: [f64; 4] = [0.30, 0.50, 5.00, 1.00];

/// How far a figure of the page may be from what comes out, in percent: a draw more anywhere is another trace.
const TOLERANCE: f64 = 3.0;

struct Row {
    skew: f64,
    shown: &'static str,
    outcome: Outcome,
}

fn rows() -> Vec<Row> {
    let always = "admit = \"always\"";
    let budget = "writes = \"5/m\"";
    let row = |skew, shown, l1: &str| Row { skew, shown, outcome: trace::run(SEED, skew, REQUESTS, l1) };
    let each = [0.8, 1.0, 1.2].into_iter();
    let mut rows: Vec<Row> =
        each.flat_map(|skew| [row(skew, "`always`", always), row(skew, "`second-hit`", "")]).collect();
    rows.insert(4, row(1.0, "`second-hit`, `writes = \"5/m\"`", budget));
    rows
}

fn price(outcome: &Outcome) -> f64 {
    let million = |count: u64| count as f64 / outcome.requests as f64;
    let cost = &outcome.cost;
    let counts = [outcome.requests, cost.kv_gets, outcome.kv_writes(), cost.batches].map(million);
    counts.iter().zip(PRICES).map(|(count, price)| count * price).sum()
}

fn render(rows: &[Row]) -> String {
    let mut lifetimes = String::new();
    for (n, (share, secs)) in LIFETIMES.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(lifetimes, "{comma}{share} for {secs} s");
    }
    let mut out = format!(
        "# What a trace costs

How many operations a site costs depends on what is asked for how often. These are traces of {REQUESTS} requests, {PER_SECOND} a second,
for {OBJECTS} objects by Zipf's law: the n-th is asked for 1/n^s as often as the first. Of ten objects
{lifetimes} are fresh; an object changes after one to four such times, and is confirmed by a 304
before. They run through the whole core, at {INSTANCES} instances over stores as they are on Workers: KV shows a write elsewhere up to a
minute later and takes one a second of a key. The API takes {API_TAKES} ms.

Everything is per million requests. Prices are those of [deploy-cloudflare.md](deploy-cloudflare.md), as of November 2026; CPU time
(some 0.2 ms a request) and rows read are below a cent and left out. All tiers are empty to begin with. Hits are answers that did not wait
for the API; what is refreshed behind them is asked of the API, too. That each object which is stored is removed one day, for a row
more, is not in it.

| s | `tiers.l1.admit` | hits | from L1 | KV writes | D1 rows written | asked of the API | $ |
|---:|---|---:|---:|---:|---:|---:|---:|
"
    );
    for Row { skew, shown, outcome } in rows {
        let million = |count: u64| (count as f64 * 1e6 / outcome.requests as f64).round();
        let _ = writeln!(
            out,
            "| {skew:.1} | {shown} | {:.1} % | {:.1} % | {} | {} | {} | {:.2} |",
            outcome.hit_ratio(),
            outcome.of_requests(outcome.l1_hits),
            million(outcome.kv_writes()),
            million(outcome.cost.batches),
            million(outcome.cost.fetches),
            price(outcome)
        );
    }
    out.push_str(
        "
- `second-hit`, the default on Workers, writes to KV what is asked for again in the time that it would stay there, and is fresh for a
  minute more. What it leaves out comes from D1, at the same price and some milliseconds later. The hit ratio is the same.
- With a budget (`tiers.l1.writes`, here 5 a minute in each instance) nothing else changes: fewer hits come from KV, more from D1.
- What `GET /_terrace/metrics` counts in each instance are these operations; `terrace_l1_not_admitted_total` says why writes were
  left out.

Written by `cargo xtask cost --bless`; a test fails when a figure is off by more than 3 %.
",
    );
    out
}

#[test]
fn second_hit_writes_a_third_at_most_and_hits_as_often_and_the_page_says_so() {
    let rows = rows();
    for pair in rows.chunk_by(|a, b| a.skew == b.skew) {
        let [always, others @ ..] = pair else { panic!("a pair") };
        for Row { skew, shown, outcome } in others {
            let (few, many) = (outcome.kv_writes(), always.outcome.kv_writes());
            assert!(few * 3 <= many, "{skew} {shown}: {few} writes to KV, {many} with always");
            let (hits, as_many) = (outcome.hit_ratio(), always.outcome.hit_ratio());
            assert!((hits - as_many).abs() <= 2.0, "{skew} {shown}: {hits} % hits, {as_many} % with always");
            assert_eq!(
                outcome.not_admitted.iter().any(|(why, n)| *why == "budget" && *n > 0),
                shown.contains("writes")
            );
        }
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cost.md");
    let right = render(&rows);
    if std::env::var_os("TERRACE_BLESS").is_some() {
        std::fs::write(&file, &right).expect("docs/cost.md");
    }
    let page = std::fs::read_to_string(&file).expect("docs/cost.md");
    let differs = page.lines().zip(right.lines()).position(|(page, right)| !is_near(page, right));
    let line = differs.or((page.lines().count() != right.lines().count()).then_some(0));
    assert_eq!(line, None, "docs/cost.md does not say what comes out: run `cargo xtask cost --bless`\n{right}");
}

/// Whether two lines are the same but for figures in their cells that are near each other.
fn is_near(page: &str, right: &str) -> bool {
    let number = |cell: &str| cell.trim().trim_end_matches(" %").parse::<f64>().ok();
    let (page, right): (Vec<&str>, Vec<&str>) = (page.split('|').collect(), right.split('|').collect());
    page.len() == right.len()
        && page.iter().zip(&right).all(|(page, right)| match (number(page), number(right)) {
            (Some(page), Some(right)) => (page - right).abs() * 100.0 <= right.abs() * TOLERANCE,
            _ => page == right,
        })
}

#[test]
fn figures_may_be_a_little_off_and_words_may_not() {
    for (page, right, near) in [
        ("| 1.0 | `always` | 65.4 % |", "| 1.0 | `always` | 65.0 % |", true),
        ("| 1.0 | `always` | 68.0 % |", "| 1.0 | `always` | 65.0 % |", false),
        ("| 1.0 | `never` | 65.0 % |", "| 1.0 | `always` | 65.0 % |", false),
        ("| 1.0 | `always` |", "| 1.0 | `always` | 65.0 % |", false),
    ] {
        assert_eq!(is_near(page, right), near, "{page}");
    }
}
