//! `GET /_terrace/metrics`: what this instance has counted since it began, as Prometheus reads it (text format 0.0.4). Whoever asks
//! reaches one instance of many.
//!
//! Written by hand: a library for metrics keeps its own counters, behind locks or atomics, and the format is four lines. No label comes
//! from a request, so none needs escaping, and there are never more lines than there are variants.

use crate::meter::{Meter, Service};
use crate::tiers::Counters;
use crate::tiers::admission::Admission;
use std::fmt::{Display, Write as _};

/// The type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All that is counted. `sql` is what the platform calls L2 on its bill.
pub fn text(meter: &Meter, sql: &str, admission: &Admission, counters: &Counters) -> String {
    let mut out = String::with_capacity(2048);
    // Comments are for people: `terrace serve` has one instance in each of its workers.
    out.push_str("# Of the instance that answered, since it began: each worker has its own, and counts for itself.\n");
    family(&mut out, "terrace_billable_ops_total", "Operations that a platform may bill.");
    // A platform that says nothing of rows bills none.
    let rows = meter.rows_read.get() + meter.rows_written.get() > 0;
    for (service, op, count) in meter.all().filter(|(_, op, _)| rows || !op.starts_with("rows")) {
        let service = match service {
            Service::Http => "http",
            Service::Origin => "origin",
            Service::Kv => "kv",
            Service::Sql => sql,
        };
        sample(&mut out, "terrace_billable_ops_total", format_args!("{{service=\"{service}\",op=\"{op}\"}}"), count);
    }
    family(&mut out, "terrace_l1_not_admitted_total", "Writes to L1 that were left out, by the reason.");
    for (why, count) in admission.declined() {
        sample(&mut out, "terrace_l1_not_admitted_total", format_args!("{{reason=\"{}\"}}", why.as_str()), count);
    }
    family(&mut out, "terrace_tier_errors_total", "Calls to a tier that failed or were late.");
    for (tier, errors) in [("L1", &counters.l1_errors), ("L2", &counters.l2_errors)] {
        sample(&mut out, "terrace_tier_errors_total", format_args!("{{tier=\"{tier}\"}}"), errors.get());
    }
    family(&mut out, "terrace_corrupt_entries_total", "Records in a tier that were not entries, or not whole.");
    sample(&mut out, "terrace_corrupt_entries_total", "", counters.corrupt.get());
    out
}

fn family(out: &mut String, name: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
}

fn sample(out: &mut String, name: &str, labels: impl Display, count: u64) {
    let _ = writeln!(out, "{name}{labels} {count}");
}
