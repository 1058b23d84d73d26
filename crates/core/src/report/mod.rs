//! Say what happened: the fields that every response carries, problem documents, and metrics. All of it is printed from [`crate::decision`].

pub mod metrics;
pub mod problem;

use crate::decision::{Forward, Outcome, ServedStale, Tier};
use crate::fields::Fields;

/// Our name in Cache-Status, Proxy-Status and Via.
pub const NAME: &str = "terrace";

/// Adds Cache-Status (RFC 9211), X-Cache-Tier, X-Cache and Via. Cache-Status and Via are appended to what the origin sent.
pub fn describe(outcome: &Outcome, fields: &mut Fields) {
    fields.append("cache-status", cache_status(outcome));
    fields.append("x-cache-tier", tier(outcome));
    fields.append("x-cache", if is_hit(outcome) { "HIT" } else { "MISS" });
    fields.append("via", "1.1 terrace");
}

/// The fields that only we may set; the origin's own are removed before a response is stored or passed on.
pub fn remove_ours(fields: &mut Fields) {
    fields.retain(|name, _| name != "x-cache" && name != "x-cache-tier");
}

fn cache_status(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Hit { tier, ttl, stale: None } => format!("{NAME}; hit; ttl={ttl}; detail={}", tier.as_str()),
        Outcome::Hit { tier, ttl, stale: Some(why) } => {
            format!("{NAME}; hit; ttl={ttl}; detail=\"{}, {}\"", tier.as_str(), why.as_str())
        }
        Outcome::Forwarded { why, detail, status, stored, from } => {
            let mut text = format!("{NAME}; fwd={}", why.as_str());
            if let Some(status) = status.filter(|_| from.is_some()) {
                text.push_str(&format!("; fwd-status={status}"));
            }
            if matches!(stored, Some(Ok(()))) {
                text.push_str("; stored");
            }
            match (from, stored, detail) {
                (Some(_), ..) => push_source(&mut text, *from),
                (None, Some(Err(reason)), _) => text.push_str(&format!("; detail={}", reason.as_str())),
                (None, _, Some(detail)) => text.push_str(&format!("; detail={detail}")),
                (None, _, None) => {}
            }
            text
        }
        Outcome::Collapsed { why, status, from } => {
            let mut text = format!("{NAME}; fwd={}", why.as_str());
            if let Some(status) = status.filter(|_| from.is_some()) {
                text.push_str(&format!("; fwd-status={status}"));
            }
            text.push_str("; collapsed");
            push_source(&mut text, *from);
            text
        }
        Outcome::CollapsedFailure { failure, why } => {
            format!("{NAME}; fwd={}; collapsed; detail={}", why.as_str(), failure.as_str())
        }
        Outcome::Failed { failure, why } => match why {
            Some(why) => format!("{NAME}; fwd={}; detail={}", why.as_str(), failure.as_str()),
            None => format!("{NAME}; detail={}", failure.as_str()),
        },
    }
}

/// The tier that the answer was in, and why it was stale.
fn push_source(text: &mut String, from: Option<(Tier, Option<ServedStale>)>) {
    match from {
        Some((tier, None)) => text.push_str(&format!("; detail={}", tier.as_str())),
        Some((tier, Some(stale))) => text.push_str(&format!("; detail=\"{}, {}\"", tier.as_str(), stale.as_str())),
        None => {}
    }
}

fn tier(outcome: &Outcome) -> &'static str {
    use crate::decision::Tier::{L0, L1, L2};
    match outcome {
        Outcome::Hit { tier: L0, stale: None, .. } => "L0-HIT",
        Outcome::Hit { tier: L1, stale: None, .. } => "L1-HIT",
        Outcome::Hit { tier: L2, stale: None, .. } => "L2-HIT",
        Outcome::Hit { tier: L0, .. } => "STALE-L0",
        Outcome::Hit { tier: L1, .. } => "STALE-L1",
        Outcome::Hit { tier: L2, .. } => "STALE-L2",
        Outcome::Forwarded { from: Some((L0, Some(_))), .. } | Outcome::Collapsed { from: Some((L0, Some(_))), .. } => {
            "STALE-L0"
        }
        Outcome::Forwarded { from: Some((L1, Some(_))), .. } | Outcome::Collapsed { from: Some((L1, Some(_))), .. } => {
            "STALE-L1"
        }
        Outcome::Forwarded { from: Some((L2, Some(_))), .. } | Outcome::Collapsed { from: Some((L2, Some(_))), .. } => {
            "STALE-L2"
        }
        Outcome::Forwarded { from: Some((_, None)), .. } | Outcome::Collapsed { from: Some((_, None)), .. } => {
            "REVALIDATED"
        }
        Outcome::Forwarded { why: Forward::Bypass | Forward::Method, .. } => "BYPASS",
        Outcome::Failed { why: Some(Forward::Bypass | Forward::Method), .. } => "BYPASS",
        Outcome::Forwarded { .. } | Outcome::Collapsed { .. } | Outcome::CollapsedFailure { .. } => "MISS",
        Outcome::Failed { .. } => "MISS",
    }
}

fn is_hit(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Hit { .. } | Outcome::Forwarded { from: Some(_), .. } | Outcome::Collapsed { from: Some(_), .. }
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
