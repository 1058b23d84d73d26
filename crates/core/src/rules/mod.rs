//! RFC 9111 as pure functions: time is passed in, nothing is looked up, every answer says why.
//!
//! One file, one question: may it be kept ([`storable`]), for how long ([`freshness`]), may it be used ([`reuse`]), how is it
//! validated ([`validate`]), what does a 304 or a HEAD change ([`update`]), what does an unsafe method invalidate
//! ([`invalidate`]), which part was asked for ([`range`]), which part is held and what completes it ([`partial`]), which variant
//! ([`vary`]), in which coding ([`coding`]), what of a request is part of the key ([`reduce`]), which requests share
//! one fetch ([`collapse`]), what pays in L1 ([`admit`]), what is let go where there is not room for all ([`evict`]), what is
//! refreshed before it is stale ([`early`]), and whether one goes round ([`cdn_loop`]). What may not enter: I/O, clocks, tiers.

pub mod admit;
pub mod cdn_loop;
pub mod coding;
pub mod collapse;
pub mod connection;
pub mod dates;
pub mod directives;
pub mod early;
pub mod evict;
pub mod freshness;
pub mod invalidate;
pub mod no_vary_search;
pub mod partial;
pub mod range;
pub mod reduce;
pub mod reuse;
pub mod storable;
pub mod update;
pub mod validate;
pub mod vary;

use crate::fields::Fields;
use crate::time::Timestamp;
use http::Method;

/// A request and the origin's answer to it, as the storing rules see them.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's URL as the client used it: scheme, authority, path and query.
    pub url: &'a str,
    /// The request's fields as the client sent them.
    pub request: &'a Fields,
    /// The final response's status code.
    pub status: u16,
    /// The response's fields.
    pub response: &'a Fields,
    /// When the request was sent (RFC 9111 4.2.3).
    pub request_time: Timestamp,
    /// When the response's head arrived.
    pub response_time: Timestamp,
}
