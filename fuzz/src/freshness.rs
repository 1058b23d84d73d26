//! Cache-Control, the fields that go before it, Age, and dates (RFC 9111 4.2, 5; RFC 9213; RFC 9110 5.6.7).
//!
//! Input: the fields of a response, an empty line, those of a request.

use super::block::{MOST, NOW, blocks, only};
use http::Method;
use std::time::UNIX_EPOCH;
use terrace_core::config::{Policy, Profile};
use terrace_core::fields::Fields;
use terrace_core::rules::directives::{
    ControlSource, MAX_DELTA, RequestControl, ResponseControl, Scope, response_control,
};
use terrace_core::rules::{Exchange, dates, freshness::Freshness};
use terrace_core::time::Timestamp;

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let [response, request] = blocks(data);
    lines(&response);
    precedence(&response);
    lifetime(&response, &request);
    for name in ["date", "expires", "last-modified"] {
        response.get_all(name).for_each(date);
    }
    let asked = RequestControl::of(&request, true);
    for span in [asked.max_age, asked.min_fresh, asked.max_stale.flatten(), asked.stale_if_error] {
        assert!(span.is_none_or(|span| span <= MAX_DELTA));
    }
    assert_eq!(RequestControl::of(&request, false), RequestControl::default());
}

/// The lines of Cache-Control as one list (RFC 9111 5.2).
fn lines(response: &Fields) {
    let lines: Vec<&[u8]> = response.get_all("cache-control").collect();
    let control = ResponseControl::parse(lines.iter().copied());
    bounded(&control);
    let printed = print(&control);
    assert_eq!(ResponseControl::parse(std::iter::once(printed.as_bytes())), control, "{printed}");
    let upper: Vec<Vec<u8>> = lines.iter().map(|line| line.to_ascii_uppercase()).collect();
    assert_eq!(ResponseControl::parse(upper.iter().map(Vec::as_slice)), control, "names in any case");
    if !lines.iter().any(|line| line.contains(&b'"')) {
        let joined = lines.join(&b", "[..]);
        assert_eq!(ResponseControl::parse(std::iter::once(joined.as_slice())), control, "lines are one list");
    }
    // Whatever stands before it, closed or not, hides it.
    for line in lines {
        let last = [line, b", no-store"].concat();
        assert!(ResponseControl::parse(std::iter::once(last.as_slice())).no_store, "a quote hides what follows");
        let first = [b" ,\t, ".as_slice(), line].concat();
        let alone = ResponseControl::parse(std::iter::once(line));
        assert_eq!(ResponseControl::parse(std::iter::once(first.as_slice())), alone, "empty members");
    }
}

/// Which field counts (RFC 9213 2.2).
fn precedence(response: &Fields) {
    let (control, source) = response_control(response);
    bounded(&control);
    let ours = only(response, "terrace-cache-control");
    let cdn = only(response, "cdn-cache-control");
    let surrogate = only(response, "surrogate-control");
    let first =
        [(ours, ControlSource::Targeted), (cdn, ControlSource::Targeted), (surrogate, ControlSource::Surrogate)]
            .into_iter()
            .find(|(fields, source)| response_control(fields).1 == *source);
    match first {
        Some((fields, by)) => {
            assert_eq!((&control, source), (&response_control(&fields).0, by), "the first that counts, and it alone");
        }
        None => {
            let plain = ResponseControl::parse(response.get_all("cache-control"));
            assert_eq!((&control, source), (&plain, ControlSource::CacheControl), "none of them counts");
        }
    }
    if source == ControlSource::Targeted {
        // `x` stands for whatever was there that means nothing.
        let printed = format!("x, {}", print(&control)).trim_end_matches([',', ' ']).to_string();
        let again = Fields::from([("cdn-cache-control", printed.as_str())]);
        assert_eq!(response_control(&again), (control, source), "{printed}");
    }
}

/// What comes of them at the end (RFC 9111 4.2).
fn lifetime(response: &Fields, request: &Fields) {
    let policy = Policy::of(Profile::Rfc9111);
    let x = Exchange {
        method: &Method::GET,
        url: "http://a/",
        request,
        status: 200,
        response,
        request_time: NOW.minus_millis(500),
        response_time: NOW,
    };
    let f = Freshness::of(&x, &policy);
    assert!(f.lifetime_ms <= MAX_DELTA * 1000 && f.age_secs(NOW) <= MAX_DELTA && f.born <= NOW, "{f:?}");
    assert!(f.age_ms(NOW) >= 500, "the time on the way counts: {f:?}");
    for later in [0, 1, 59_999, 60_000, 3_600_000, MAX_DELTA * 1000] {
        let now = NOW.plus_millis(later);
        assert_eq!(f.is_fresh(now), f.ttl_ms(now) > 0, "{f:?}");
        assert_eq!(f.is_fresh(now), now < f.fresh_until(), "{f:?}");
        assert!(!f.is_fresh(now) || f.staleness_ms(now) == 0, "{f:?}");
        assert!(!f.is_fresh(now) || now <= f.keep_until(), "{f:?}");
    }
    assert!(!f.must_revalidate || (f.stale_if_error_ms, f.stale_while_revalidate_ms) == (0, 0), "4.2.4: {f:?}");
    let control = response_control(response).0;
    assert_eq!(f.must_revalidate, control.forbids_stale());
    assert_eq!(f.no_cache, control.no_cache.is_whole());
}

/// A date is read as it is written, and as others read and write it.
fn date(value: &[u8]) {
    let read = dates::parse(value);
    if let Some(t) = read {
        let printed = dates::format(t);
        assert_eq!(dates::parse(printed.as_bytes()), Some(t), "{printed}");
        assert_eq!(dates::parse(&value.to_ascii_uppercase()), Some(t), "names in any case");
    }
    let at = dates::parse_at(value, NOW);
    assert_eq!(at.is_some(), read.is_some(), "the time now chooses the century alone");
    if at != read {
        let in_fifty_years = NOW.plus_millis(50 * 366 * 86_400_000);
        assert!(at <= Some(in_fifty_years), "RFC 9110 5.6.7");
    }
    // It takes more than the grammar does, such as any byte between date and time.
    let text = std::str::from_utf8(value).unwrap_or_default().trim_matches([' ', '\t']);
    if let (Some(ours), Ok(theirs)) = (read, httpdate::parse_http_date(text)) {
        let secs = theirs.duration_since(UNIX_EPOCH).expect("httpdate begins in 1970").as_secs();
        assert_eq!(ours, Timestamp::from_secs(i64::try_from(secs).unwrap()), "httpdate");
        assert_eq!(dates::format(ours), httpdate::fmt_http_date(theirs));
    }
}

fn bounded(control: &ResponseControl) {
    let spans = [control.max_age, control.s_maxage, control.stale_while_revalidate, control.stale_if_error];
    assert!(spans.iter().all(|span| span.is_none_or(|span| span <= MAX_DELTA)), "{control:?}");
    for scope in [&control.private, &control.no_cache] {
        if let Scope::Fields(names) = scope {
            assert!(!names.is_empty() && names.iter().all(|name| *name == name.to_ascii_lowercase()), "{control:?}");
        }
    }
}

/// The directives as a sender would write them.
fn print(control: &ResponseControl) -> String {
    let mut out: Vec<String> = Vec::new();
    let flags = [
        ("no-store", control.no_store),
        ("public", control.public),
        ("must-revalidate", control.must_revalidate),
        ("proxy-revalidate", control.proxy_revalidate),
        ("must-understand", control.must_understand),
        ("no-transform", control.no_transform),
        ("immutable", control.immutable),
    ];
    out.extend(flags.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_string()));
    let spans = [
        ("max-age", control.max_age),
        ("s-maxage", control.s_maxage),
        ("stale-while-revalidate", control.stale_while_revalidate),
        ("stale-if-error", control.stale_if_error),
    ];
    out.extend(spans.iter().filter_map(|(name, span)| span.map(|span| format!("{name}={span}"))));
    for (name, scope) in [("private", &control.private), ("no-cache", &control.no_cache)] {
        match scope {
            Scope::Absent => {}
            Scope::Whole => out.push(name.to_string()),
            Scope::Fields(names) => out.push(format!("{name}=\"{}\"", names.join(", "))),
        }
    }
    out.join(", ")
}
