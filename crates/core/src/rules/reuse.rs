//! May a stored response be used (RFC 9111 4)? On the way of every hit: numbers are compared, nothing is allocated.
//!
//! What the response forbids outranks what the request allows: no-cache and must-revalidate close max-stale (DESIGN.md,
//! decision 5).

use super::directives::RequestControl;
use super::freshness::Freshness;
use crate::decision::{MustValidate, ServedStale};
use crate::time::Timestamp;

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Serve it.
    Fresh,
    /// Serve it although it is stale.
    Stale(ServedStale),
    /// Ask the origin first.
    Validate(MustValidate),
}

/// Decides it (RFC 9111 4, 5.2.1, RFC 5861 3).
pub fn reuse(f: &Freshness, request: &RequestControl, now: Timestamp) -> Reuse {
    if f.no_cache {
        return Reuse::Validate(MustValidate::NoCache);
    }
    let age = f.age_ms(now);
    let too_old = request.max_age.is_some_and(|max| max == 0 || age > max.saturating_mul(1000));
    let too_soon = request.min_fresh.is_some_and(|min| f.lifetime_ms < age.saturating_add(min.saturating_mul(1000)));
    if f.is_fresh(now) {
        return match (request.no_cache, too_old, too_soon) {
            (true, ..) => Reuse::Validate(MustValidate::RequestNoCache),
            (_, true, _) => Reuse::Validate(MustValidate::RequestMaxAge),
            (.., true) => Reuse::Validate(MustValidate::RequestMinFresh),
            _ => Reuse::Fresh,
        };
    }
    if f.must_revalidate || request.no_cache || too_old || too_soon {
        return Reuse::Validate(MustValidate::Stale);
    }
    let staleness = f.staleness_ms(now);
    // Without max-stale, max-age and min-fresh ask for something fresh (RFC 9111 5.2.1.1, 5.2.1.3).
    let wants_fresh = (request.max_age.is_some() || request.min_fresh.is_some()) && request.max_stale.is_none();
    if staleness < f.stale_while_revalidate_ms && !wants_fresh {
        return Reuse::Stale(ServedStale::WhileRevalidate);
    }
    match request.max_stale {
        Some(None) => Reuse::Stale(ServedStale::RequestMaxStale),
        Some(Some(limit)) if staleness <= limit.saturating_mul(1000) => Reuse::Stale(ServedStale::RequestMaxStale),
        _ => Reuse::Validate(MustValidate::Stale),
    }
}

/// Whether a stored response may be served because the origin failed (RFC 9111 4.2.4, RFC 5861 4).
pub fn may_serve_on_error(f: &Freshness, request: &RequestControl, now: Timestamp) -> bool {
    if f.no_cache {
        return false;
    }
    if f.is_fresh(now) {
        return true;
    }
    let window = f.stale_if_error_ms.max(request.stale_if_error.unwrap_or(0).saturating_mul(1000));
    !f.must_revalidate && f.staleness_ms(now) < window
}

/// The statuses that count as an error of the origin: those of RFC 5861 4, and 429 (RFC 6585 4), since it is this cache that asks too
/// often by the origin's count, and no client can mend that.
pub fn is_error(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}
