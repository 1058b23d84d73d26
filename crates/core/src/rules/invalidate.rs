//! Which stored responses a successful change makes invalid (RFC 9111 4.4).

use super::Exchange;
use http::Method;
use url::Url;

/// The URLs that are invalid after this exchange: its own, and those of the same origin that Location and Content-Location
/// name. None for a safe method, and none unless the answer is a 2xx or 3xx. An unknown method counts as unsafe.
pub fn targets(x: &Exchange<'_>) -> Vec<String> {
    if is_safe(x.method) || !matches!(x.status, 200..=399) {
        return Vec::new();
    }
    let mut targets = vec![x.url.to_string()];
    let Ok(base) = Url::parse(x.url) else {
        return targets;
    };
    let named = ["location", "content-location"].iter().flat_map(|name| x.response.get_all(name));
    for url in named.filter_map(|reference| same_origin(&base, reference)) {
        let url = url.to_string();
        if !targets.contains(&url) {
            targets.push(url);
        }
    }
    targets
}

/// The methods that the IANA registry calls safe (RFC 9110 9.2.1, 16.1). A successful one changes nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY" | "PROPFIND" | "REPORT" | "SEARCH")
}

/// A reference resolved against `base`, without fragment, where it stays in the same origin (RFC 9111 4.4: others could be
/// denied service).
pub(super) fn same_origin(base: &Url, reference: &[u8]) -> Option<Url> {
    let mut url = base.join(std::str::from_utf8(reference).ok()?).ok()?;
    url.set_fragment(None);
    let same = url.scheme() == base.scheme()
        && url.host() == base.host()
        && url.port_or_known_default() == base.port_or_known_default();
    same.then_some(url)
}
