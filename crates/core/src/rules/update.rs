//! What a 304, or the answer to a HEAD, changes in a stored response (RFC 9111 3.2, 4.3.4, 4.3.5).

use super::directives::{self, ResponseControl};
use super::freshness::Freshness;
use super::{Exchange, connection, storable, validate, vary};
use crate::config::Policy;
use crate::decision::NotStored;
use crate::entry::Head;
use crate::fields::Fields;

/// Fields that describe the stored content itself; they stay as they are (RFC 9111 3.2). Digests of the content are among them:
/// the content does not change.
const OF_THE_CONTENT: [&str; 6] =
    ["content-length", "content-encoding", "content-range", "transfer-encoding", "content-md5", "content-digest"];

/// The stored response after a 304 (RFC 9111 4.3.4): each field that the 304 has replaces the stored one, new ones are added,
/// and the freshness is computed anew. Content, variants and what selects it stay.
///
/// Where the 304 may not be stored because the request had Authorization (RFC 9111 3.5), nothing changes. Where it now says
/// no-store or private, the result is never reused without validation; [`forbids_keeping`] says so.
pub fn by_304(stored: &Head, x: &Exchange<'_>, policy: &Policy) -> Head {
    let (own, _) = directives::response_control(x.response);
    let authorized = x.request.contains("authorization");
    if authorized && !own.allows_authorized() && !stored_allows_authorized(stored) {
        return stored.clone();
    }
    merged(stored, x, policy)
}

/// Whether a 304 answers for this stored response (RFC 9111 4.3.4). One without any validator does: it answers the one
/// condition that was sent (RFC 9111 4.3.3).
///
/// A stored weak ETag also takes the strong form of the same tag: origins that compress on the fly send `W/"x"` with the
/// content and `"x"` with the 304.
pub fn matches_304(stored: &Head, response: &Fields) -> bool {
    let modified = |fields: &Fields| fields.get("last-modified").map(|v| v.trim_ascii().to_vec());
    match (validate::etag(&stored.fields), validate::etag(response)) {
        (Some(old), Some(new)) if old.starts_with(b"W/") || new.starts_with(b"W/") => {
            validate::weak(old) == validate::weak(new)
        }
        (Some(old), Some(new)) => old == new,
        (None, Some(_)) => modified(response).is_some() && modified(&stored.fields) == modified(response),
        (_, None) => match modified(response) {
            Some(new) => modified(&stored.fields) == Some(new),
            None => true,
        },
    }
}

/// What the answer to a HEAD means for the stored response to a GET.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadUpdate {
    /// It is still the same: here it is, updated.
    Refresh(Box<Head>),
    /// It has changed: the stored response counts as stale.
    Invalid,
    /// Nothing follows.
    Nothing,
}

/// A 200 to HEAD updates a stored 200 to GET, or a part of it, where all validators and the length that it has agree; otherwise the stored
/// response is stale (RFC 9111 4.3.5). Other statuses say nothing: many origins do not know HEAD.
pub fn by_head(stored: &Head, x: &Exchange<'_>, policy: &Policy) -> HeadUpdate {
    if x.status != 200 || !matches!(stored.status, 200 | 206) {
        return HeadUpdate::Nothing;
    }
    let (control, _) = directives::response_control(x.response);
    let agrees = |name: &str| x.response.get(name).is_none_or(|new| stored.fields.get(name) == Some(new));
    let length = x.response.get("content-length");
    let complete = stored.part.map_or(stored.body_len, |part| part.complete);
    let same_length = length.is_none_or(|l| std::str::from_utf8(l).ok().and_then(|l| l.parse().ok()) == Some(complete));
    if !agrees("etag") || !agrees("last-modified") || !same_length {
        return HeadUpdate::Invalid;
    }
    if storable::permitted(x, policy, &control).is_err() {
        return HeadUpdate::Nothing;
    }
    HeadUpdate::Refresh(Box::new(merged(stored, x, policy)))
}

/// The stored response, whole or a part, after another part of the same content (RFC 9111 3.4): each field of the new one but
/// those of the content replaces the stored one.
pub fn by_part(stored: &Head, x: &Exchange<'_>, policy: &Policy) -> Head {
    merged(stored, x, policy)
}

/// Why an updated response may not be kept any longer: the 304 said no-store, private or `Vary: *` (RFC 9111 3, 4.1).
pub fn forbids_keeping(updated: &Head) -> Option<NotStored> {
    let (control, _) = directives::response_control(&updated.fields);
    if control.private.is_whole() {
        return Some(NotStored::Private);
    }
    if vary::names(&updated.fields).is_err() {
        return Some(NotStored::VaryStar);
    }
    (control.no_store && !control.must_understand).then_some(NotStored::NoStore)
}

fn stored_allows_authorized(stored: &Head) -> bool {
    directives::response_control(&stored.fields).0.allows_authorized()
}

fn merged(stored: &Head, x: &Exchange<'_>, policy: &Policy) -> Head {
    let mut fields = stored.fields.clone();
    // The stored age and date belong to the stored response alone; where the new one has no Date, it is now (RFC 9110 6.6.1).
    fields.retain(|name, _| {
        !matches!(name, "age" | "date") && (OF_THE_CONTENT.contains(&name) || !x.response.contains(name))
    });
    for (name, value) in x.response.as_list() {
        if !OF_THE_CONTENT.contains(&name.as_str()) {
            fields.append(name.clone(), value.clone());
        }
    }
    let brings_vary = x.response.contains("vary");
    let x = Exchange { status: stored.status, response: &fields, ..*x };
    let (control, source) = directives::response_control(&fields);
    let mut freshness = Freshness::with_control(&x, policy, &control, source);
    if forbidden(&control) {
        freshness.no_cache = true;
        freshness.lifetime_ms = 0;
    }
    // Where a cookie came with the 304 and the route stores none, the cookie alone is left out: what is stored had none.
    let fields = storable::stored_fields(&x, policy, &control).unwrap_or_else(|_| {
        let strip = Policy { set_cookie: crate::config::SetCookie::Strip, ..policy.clone() };
        storable::stored_fields(&x, &strip, &control).unwrap_or_default()
    });
    // A 304 may bring or change Vary: what selects the response from now on is the request that it answered (RFC 9111 4.1).
    let selecting = match vary::names(&fields) {
        Ok(_) if !brings_vary => stored.selecting.clone(),
        Ok(names) => vary::selecting(&names, &connection::seen_by_origin(x.request)),
        Err(vary::Star) => {
            freshness.no_cache = true;
            stored.selecting.clone()
        }
    };
    Head { fields, freshness, selecting, ..stored.clone() }
}

fn forbidden(control: &ResponseControl) -> bool {
    control.private.is_whole() || (control.no_store && !control.must_understand)
}
