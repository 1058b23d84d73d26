//! What both sides decide about one case.

use crate::grammar::{Case, Request};
use crate::rules_support::{NOW, exchange, rfc};
use bytes::Bytes;
use http::{HeaderValue, Method};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use std::time::{Duration, SystemTime};
use terrace_core::entry::{Entry, Head};
use terrace_core::fields::Fields;
use terrace_core::rules::directives::RequestControl;
use terrace_core::rules::reuse::{Reuse, reuse};
use terrace_core::rules::storable::storable;
use terrace_core::rules::{validate, vary};
use terrace_core::time::Timestamp;

/// What is decided. `None` where nothing is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    pub stored: Option<Stored>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Whether it is fresh, and may be used without validation as far as the response is concerned.
    pub fresh: bool,
    /// Whether the second request may be answered with it.
    pub usable: bool,
    /// If-None-Match and If-Modified-Since with which it is validated for the second request; `None` where that is not due.
    pub conditions: Option<[Option<String>; 2]>,
}

/// Terrace, by all that RFC 9111 allows and no windows of its own.
pub fn terrace(case: &Case) -> Decisions {
    Decisions { stored: stored(case).map(|head| second(case, &head)) }
}

/// What terrace stores.
pub fn stored(case: &Case) -> Option<Head> {
    let (request, response) = (case.first.fields(), case.response.fields());
    let method = method(&case.first);
    let plan = storable(&exchange(&method, &request, case.response.status, &response), &rfc()).ok()?;
    Some(Entry::new(case.response.status, plan.fields, plan.freshness, plan.selecting, Bytes::new()).head)
}

fn second(case: &Case, head: &Head) -> Stored {
    let request = case.second.fields();
    let f = &head.freshness;
    let selected = matches!(case.second.method, "GET" | "HEAD") && vary::selects(head, &request);
    let allowed = !matches!(reuse(f, &RequestControl::of(&request, true), case.then()), Reuse::Validate(_));
    let conditions = (!allowed && selected && case.second.method == "GET").then(|| {
        let mut fields = request.clone();
        validate::conditional(head, &mut fields);
        ["if-none-match", "if-modified-since"].map(|name| fields.get_str(name).map(str::to_string))
    });
    Stored { fresh: f.is_fresh(case.then()) && !f.no_cache, usable: selected && allowed, conditions }
}

/// The crate http-cache-semantics, as a shared cache.
pub fn theirs(case: &Case) -> Decisions {
    let mut response = http::Response::builder().status(case.response.status).body(()).unwrap();
    append(response.headers_mut(), &case.response.fields());
    let policy = CachePolicy::new_options(&request(&case.first), &response, system_time(NOW), CacheOptions::default());
    if !policy.is_storable() {
        return Decisions { stored: None };
    }
    let then = system_time(case.then());
    let answer = policy.before_request(&request(&case.second), then);
    let due = case.first.method == "GET" && case.second.method == "GET";
    let conditions = match &answer {
        BeforeRequest::Stale { request, matches: true } if due => Some(
            ["if-none-match", "if-modified-since"]
                .map(|name| request.headers.get(name).map(|value| value.to_str().unwrap().to_string())),
        ),
        _ => None,
    };
    let usable = answer.satisfies_without_revalidation();
    Decisions { stored: Some(Stored { fresh: !policy.is_stale(then), usable, conditions }) }
}

fn method(request: &Request) -> Method {
    Method::from_bytes(request.method.as_bytes()).unwrap()
}

fn request(request: &Request) -> http::Request<()> {
    let mut made = http::Request::builder().method(method(request)).uri("/things?a=1").body(()).unwrap();
    append(made.headers_mut(), &request.fields());
    made
}

fn append(headers: &mut http::HeaderMap, fields: &Fields) {
    for (name, value) in fields.as_list() {
        headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
}

fn system_time(t: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(t.0).unwrap())
}
