//! Which requests may share one fetch (RFC 9111 4): what is on its way answers those that could be answered from it once it is stored.

use super::directives::RequestControl;
use super::freshness::Freshness;
use super::reuse::{self, Reuse};
use super::vary;
use crate::decision::{Failure, NotCollapsed};
use crate::entry::Head;
use crate::fields::Fields;
use crate::time::Timestamp;
use http::Method;

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Ask for all that wait, or wait for who asks.
    Either,
    /// Ask; it does not wait, for this reason.
    Lead(NotCollapsed),
    /// Wait; it does not ask for others, for this reason.
    Follow(NotCollapsed),
    /// Neither.
    Alone(NotCollapsed),
}

/// What a request for a cacheable object may do; `held` says whether something is stored for its URL.
pub fn part(method: &Method, fields: &Fields, control: &RequestControl, held: bool) -> Part {
    if fields.contains("range") {
        return Part::Alone(NotCollapsed::Range);
    }
    if fields.contains("authorization") && !held {
        return Part::Alone(NotCollapsed::Authorization);
    }
    let reload = control.no_cache || control.max_age == Some(0);
    match (*method == Method::HEAD, reload) {
        (false, false) => Part::Either,
        (false, true) => Part::Lead(NotCollapsed::Reload),
        (true, false) => Part::Follow(NotCollapsed::Head),
        (true, true) => Part::Alone(NotCollapsed::Reload),
    }
}

/// Whether a response that is to be stored, and has just come, may answer others than the one it was asked for by.
pub fn shared(freshness: &Freshness, is_part: bool, now: Timestamp) -> Result<(), NotCollapsed> {
    match (is_part, freshness.no_cache || !freshness.is_fresh(now)) {
        (true, _) => Err(NotCollapsed::Partial),
        (_, true) => Err(NotCollapsed::NotFresh),
        _ => Ok(()),
    }
}

/// Whether a request may have failed by its own doing, and others would not: many an origin ends the connection where a field is too
/// large or odd for it. Such a failure is no answer to others, or one of them could keep an object from all.
pub fn may_be_its_own(failure: Failure) -> bool {
    matches!(failure, Failure::ConnectionTerminated | Failure::HttpProtocolError)
}

/// Whether a response that another request has asked for answers this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Good,
    /// It is another variant (RFC 9111 4.1).
    OtherVariant,
    /// It is not fresh enough for what is asked (RFC 9111 4.2, 5.2.1).
    NotFresh,
}

/// Decides it.
pub fn fit(head: &Head, request: &Fields, control: &RequestControl, now: Timestamp) -> Fit {
    if !vary::selects(head, request) {
        return Fit::OtherVariant;
    }
    match reuse::reuse(&head.freshness, control, now) {
        Reuse::Fresh | Reuse::Stale(_) => Fit::Good,
        Reuse::Validate(_) => Fit::NotFresh,
    }
}
