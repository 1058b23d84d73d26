//! May a response be stored, and what of it (RFC 9111 3)?

use super::directives::{self, ResponseControl};
use super::freshness::{self, Freshness};
use super::invalidate::same_origin;
use super::{Exchange, connection, dates, partial, vary};
use crate::config::{CacheMode, Policy, Profile, RequestDirectives, SetCookie};
use crate::decision::NotStored;
use crate::entry::{Part, Selecting};
use crate::fields::Fields;
use crate::key;
use crate::purge::{self, Marks};
use http::Method;

/// How a response is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How long it may be used.
    pub freshness: Freshness,
    /// The fields to store (RFC 9111 3.1): without those of the connection, those that `private` or `no-cache` name, Age (the
    /// freshness holds it), those of tags (the marks hold them), and Set-Cookie where the route says so; with a Date (RFC 9110 6.6.1).
    pub fields: Fields,
    /// What it can be purged by.
    pub marks: Marks,
    /// What selects it (RFC 9111 4.1).
    pub selecting: Selecting,
    /// Which part of the content a 206 brings (RFC 9111 3.3).
    pub part: Option<Part>,
}

/// Decides whether a response may be stored for later GET and HEAD requests of the same URL, and how.
pub fn storable(x: &Exchange<'_>, policy: &Policy) -> Result<Plan, NotStored> {
    if policy.cache == CacheMode::Off {
        return Err(NotStored::RouteOff);
    }
    let post = *x.method == Method::POST;
    if *x.method != Method::GET && !post {
        return Err(NotStored::Method);
    }
    storable_status(x.status, policy)?;
    let part = if x.status == 206 { Some(partial::received(x).ok_or(NotStored::Partial)?) } else { None };
    let (control, source) = directives::response_control(x.response);
    permitted(x, policy, &control)?;
    let names = vary::names(x.response).map_err(|vary::Star| NotStored::VaryStar)?;
    // The origin may have taken the other one for the field.
    if connection::has_twin(x.request, &names) {
        return Err(NotStored::VaryStar);
    }
    let freshness = Freshness::with_control(x, policy, &control, source);
    if post && !(freshness.source.is_explicit() && x.status == 200 && describes_itself(x)) {
        return Err(NotStored::Method);
    }
    worth_storing(x, policy, &control, &freshness)?;
    let selecting = vary::selecting(&names, &connection::seen_by_origin(x.request));
    let (marks, _) = purge::fields::marks(&key::url(x.url, policy), &policy.tags, x.response);
    Ok(Plan { freshness, fields: stored_fields(x, policy, &control)?, marks, selecting, part })
}

/// Final and valid statuses (RFC 9110 15) whose response answers the URL, or a part of it, alone. 304 updates; 412, 416 and
/// 417 answer request fields that are not in the key; 428, 429, 431 and 511 must not be stored (RFC 6585 3-6). The safe profile
/// also keeps out what one client's malformed or misdirected request provokes, unless `negative_ttl` names it: else one such
/// request would shut out all others.
fn storable_status(status: u16, policy: &Policy) -> Result<(), NotStored> {
    match status {
        _ if is_never_stored(status) => Err(NotStored::Status),
        400 | 408 | 413 | 421 | 425
            if policy.profile == Profile::Safe && !policy.negative_ttl.iter().any(|(s, _)| *s == status) =>
        {
            Err(NotStored::Status)
        }
        200..=599 => Ok(()),
        _ => Err(NotStored::Status),
    }
}

/// The statuses that nothing makes storable.
pub fn is_never_stored(status: u16) -> bool {
    matches!(status, 304 | 412 | 416 | 417 | 428 | 429 | 431 | 511)
}

/// What a directive or Authorization forbids (RFC 9111 3, 3.5, 5.2). No configuration opens it.
pub(super) fn permitted(x: &Exchange<'_>, policy: &Policy, control: &ResponseControl) -> Result<(), NotStored> {
    if control.must_understand {
        // must-understand outranks no-store for a status whose rules are followed here (RFC 9111 5.2.2.3).
        if !understood(x.status) {
            return Err(NotStored::NotUnderstood);
        }
    } else if control.no_store {
        return Err(NotStored::NoStore);
    }
    if control.private.is_whole() {
        return Err(NotStored::Private);
    }
    // Read only where it counts: a request without Cache-Control costs one pass.
    let honour = policy.request_directives == RequestDirectives::Honour;
    if directives::RequestControl::of(x.request, honour).no_store {
        return Err(NotStored::RequestNoStore);
    }
    if x.request.contains("authorization") && !control.allows_authorized() {
        return Err(NotStored::Authorization);
    }
    Ok(())
}

/// The statuses that RFC 9110 and the registry define and whose caching rules are followed here (RFC 9111 5.2.2.3).
fn understood(status: u16) -> bool {
    matches!(status, 200..=208 | 226 | 300..=303 | 305 | 307 | 308 | 400..=411 | 413..=415 | 421..=426 | 428 | 429
        | 431 | 451 | 500..=508 | 511)
}

/// The last lines of RFC 9111 3: there must be something to reuse.
fn worth_storing(
    x: &Exchange<'_>,
    policy: &Policy,
    control: &ResponseControl,
    freshness: &Freshness,
) -> Result<(), NotStored> {
    use freshness::Source;
    let by_default = freshness::cacheable_by_default(x.status, control, policy);
    if freshness.source == Source::None && !by_default {
        return Err(NotStored::NoFreshness);
    }
    if freshness.has_validator {
        return Ok(());
    }
    let said_windows = control.stale_while_revalidate.unwrap_or(0).max(control.stale_if_error.unwrap_or(0)) > 0;
    let reusable = freshness.lifetime_ms > 0 || (said_windows && !freshness.must_revalidate);
    if freshness.no_cache || !reusable { Err(NotStored::NoFreshness) } else { Ok(()) }
}

/// Whether a POST's answer says that it is what a GET of the same URL would bring (RFC 9110 9.3.3).
fn describes_itself(x: &Exchange<'_>) -> bool {
    let Ok(own) = url::Url::parse(x.url) else {
        return false;
    };
    let mut lines = x.response.get_all("content-location");
    let same = lines.next().and_then(|reference| same_origin(&own, reference)).is_some_and(|url| {
        let mut own = own.clone();
        own.set_fragment(None);
        url == own
    });
    same && lines.next().is_none()
}

/// What is stored of the fields (RFC 9111 3.1).
pub(super) fn stored_fields(x: &Exchange<'_>, policy: &Policy, control: &ResponseControl) -> Result<Fields, NotStored> {
    let mut fields = x.response.clone();
    connection::strip_response(&mut fields);
    for name in control.private.fields().iter().chain(control.no_cache.fields()) {
        fields.remove(name);
    }
    fields.remove("age");
    purge::fields::hide(&mut fields);
    if fields.contains("set-cookie") || fields.contains("set-cookie2") {
        match policy.set_cookie {
            SetCookie::Never => return Err(NotStored::SetCookie),
            SetCookie::Strip => fields.retain(|name, _| !matches!(name, "set-cookie" | "set-cookie2")),
            SetCookie::Store => {}
        }
    }
    if fields.get("date").and_then(|date| dates::parse_at(date, x.response_time)).is_none() {
        fields.set("date", dates::format(x.response_time));
    }
    Ok(fields)
}
