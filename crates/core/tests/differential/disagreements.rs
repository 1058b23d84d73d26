//! Why terrace and http-cache-semantics 3.0 disagree: the whole list. A disagreement that no line explains fails the test.
//!
//! A line holds for what a case *says*, and for one answer of terrace. The test wants each line to explain some case that no other
//! line explains, so a line that is not needed any more, or that hides behind another, fails too.

use crate::grammar::{Argument, Case, Directive, Form};
use crate::letter::{self, says, says_whole, they_see, they_see_names};

/// What was decided differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// May it be stored?
    Storable,
    /// Is it fresh at that time?
    Fresh,
    /// May the second request be answered with it?
    Usable,
    /// With which conditions is it validated?
    Conditions,
}

/// Who is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The specification says what terrace does.
    Terrace,
    /// The specification leaves it open.
    Both,
}

/// What terrace says where the line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Yes,
    No,
    Either,
}

pub struct Reason {
    pub question: Question,
    pub terrace: Says,
    pub name: &'static str,
    pub section: &'static str,
    pub right: Right,
    pub holds: fn(&Case) -> bool,
}

use Question::{Conditions, Fresh, Storable, Usable};
use Right::{Both, Terrace};
use Says::{Either, No, Yes};

const fn line(
    question: Question,
    terrace: Says,
    name: &'static str,
    section: &'static str,
    right: Right,
    holds: fn(&Case) -> bool,
) -> Reason {
    Reason { question, terrace, name, section, right, holds }
}

/// The list. A line about freshness also explains what follows from it for a request.
pub const REASONS: &[Reason] = &[
    line(Storable, Yes, "any final status with a stated lifetime, they take 14", "RFC 9111 3", Terrace, |c| {
        !letter::THEIR_STATUSES.contains(&c.response.status)
    }),
    line(Storable, No, "HEAD: its answer has no content to store", "RFC 9111 3", Both, |c| c.first.method == "HEAD"),
    line(Storable, No, "POST whose answer does not say that it is the resource", "RFC 9110 9.3.3", Terrace, |c| {
        c.first.method == "POST"
            && (c.response.status != 200 || !c.response.lines.iter().any(|(name, _)| *name == "content-location"))
    }),
    line(Storable, No, "Vary: * is stored by them, and never used", "RFC 9111 4.1", Both, |c| {
        letter::vary(c).contains(&"*".to_string())
    }),
    line(Storable, No, "neither lifetime nor validator: nothing to reuse", "RFC 9111 3", Both, |c| {
        !letter::has_validator(c) && (letter::lifetime_ms(c) == 0 || says_whole(c, "no-cache"))
    }),
    line(Storable, No, "no-store and private in capitals", "RFC 9111 5.2", Terrace, |c| {
        capital(&c.first.control, &["no-store"]) || capital(&c.response.control, &["no-store", "private"])
    }),
    line(Storable, Yes, "what opens Authorization, POST or a status, in capitals", "RFC 9111 5.2", Terrace, |c| {
        let closed = has_authorization(c) || c.first.method == "POST" || !by_default(c);
        closed && capital(&c.response.control, &["max-age", "s-maxage", "public", "must-revalidate"])
    }),
    line(Storable, Yes, "no-store in a quoted string", "RFC 9110 5.6.4", Terrace, |c| quotes(c, "no-store")),
    line(Storable, No, "max-age in a quoted string opens neither POST nor a status", "RFC 9110 5.6.4", Terrace, |c| {
        quotes(c, "max-age") && (c.first.method == "POST" || !by_default(c))
    }),
    line(Storable, Yes, "private for some fields", "RFC 9111 5.2.2.7", Terrace, |c| they_see_names(c, "private")),
    line(Storable, Yes, "must-understand outranks no-store", "RFC 9111 5.2.2.3", Terrace, |c| {
        says(c, "must-understand") && they_see(c, "no-store")
    }),
    line(
        Storable,
        No,
        "a directive twice is must-revalidate to them, and opens Authorization",
        "RFC 9111 3.5",
        Terrace,
        |c| has_authorization(c) && differing_twice(c),
    ),
    line(Fresh, No, "Date counts for the age", "RFC 9111 4.2.3", Terrace, |c| {
        letter::apparent_age(c) > letter::stated_age(c)
    }),
    line(Fresh, No, "the first member of Age counts", "RFC 9111 5.1", Terrace, |c| c.response.age == Some("5, 60")),
    line(Fresh, Yes, "Age has digits alone", "RFC 9111 5.1", Terrace, |c| c.response.age == Some("+5")),
    line(Fresh, Yes, "proxy-revalidate is stale to them", "RFC 9111 5.2.2.8", Terrace, |c| {
        they_see(c, "proxy-revalidate")
    }),
    line(
        Fresh,
        Yes,
        "Set-Cookie does not inhibit caching; a policy of terrace's profile safe",
        "RFC 9111 7.3",
        Both,
        |c| has_line(c, "set-cookie") && !they_see(c, "public") && !they_see(c, "immutable"),
    ),
    line(
        Fresh,
        Yes,
        "Pragma means nothing in a response; a policy of terrace's profile safe",
        "RFC 9111 5.4",
        Terrace,
        |c| has_line(c, "pragma") && c.response.control.is_empty(),
    ),
    line(Fresh, Yes, "no-cache for some fields", "RFC 9111 5.2.2.4", Terrace, |c| they_see_names(c, "no-cache")),
    line(Fresh, No, "immutable gives no lifetime", "RFC 8246 2", Terrace, |c| {
        they_see(c, "immutable") && !they_see(c, "max-age") && !they_see(c, "s-maxage")
    }),
    line(Fresh, Either, "rfc850-date and asctime-date are dates", "RFC 9110 5.6.7", Terrace, |c| {
        some_date(c, |form| matches!(form, Form::Rfc850 | Form::Asctime))
    }),
    line(Fresh, Either, "dates of mail are no HTTP-dates", "RFC 9110 5.6.7", Terrace, |c| {
        some_date(c, |form| matches!(form, Form::NoWeekday | Form::Offset | Form::TwoDigits))
    }),
    line(Fresh, No, "a heuristic lifetime is a day at most", "RFC 9111 4.2.2", Both, |c| {
        letter::unchanged_for(c).is_some_and(|seconds| seconds > 864_000)
    }),
    line(Fresh, Yes, "a heuristic lifetime has milliseconds", "RFC 9111 4.2.2", Both, |c| {
        letter::unchanged_for(c).is_some_and(|seconds| seconds % 10 != 0)
    }),
    line(Fresh, Either, "a lifetime in capitals", "RFC 9111 5.2", Terrace, |c| {
        capital(&c.response.control, &["max-age", "s-maxage"])
    }),
    line(Fresh, No, "no-cache in capitals", "RFC 9111 5.2", Terrace, |c| capital(&c.response.control, &["no-cache"])),
    line(Fresh, Either, "max-age in a quoted string", "RFC 9110 5.6.4", Terrace, |c| quotes(c, "max-age")),
    line(Fresh, No, "a lifetime that is no number is stale; they go on to Expires", "RFC 9111 4.2.1", Terrace, |c| {
        lifetime_argument(c, |argument| argument == Argument::None)
    }),
    line(
        Fresh,
        No,
        "delta-seconds are digits without sign, white space or open quote",
        "RFC 9111 1.2.2",
        Terrace,
        |c| lifetime_argument(c, |argument| matches!(argument, Argument::Other("=+60" | "= 60" | " =60" | "=\"60"))),
    ),
    line(Fresh, Yes, "delta-seconds too large for an integer are the largest", "RFC 9111 1.2.2", Terrace, |c| {
        lifetime_argument(c, |argument| argument == Argument::Other("=99999999999999999999999"))
    }),
    line(Usable, Yes, "HEAD is answered from a stored GET", "RFC 9110 9.3.2", Terrace, |c| c.second.method == "HEAD"),
    line(Usable, No, "POST is never answered from the store", "RFC 9110 9.3.3", Terrace, |c| c.second.method == "POST"),
    line(Usable, Yes, "a POST's answer serves a GET", "RFC 9110 9.3.3", Terrace, |c| {
        c.first.method == "POST" && c.second.method == "GET"
    }),
    line(Usable, Yes, "selecting fields are compared in normal form", "RFC 9111 4.1", Terrace, |c| {
        selecting(c, |name, first, second| {
            first != second && letter::normal(name, first) == letter::normal(name, second)
        })
    }),
    line(Usable, Yes, "Accept-Language chooses by Content-Language", "RFC 9110 12.5.4", Both, |c| {
        has_line(c, "content-language")
            && selecting(c, |name, first, second| name == "accept-language" && first != second && !second.is_empty())
    }),
    line(Usable, No, "all lines of a selecting field count", "RFC 9111 4.1", Terrace, |c| {
        selecting(c, |_, first, second| first != second && first.first() == second.first())
    }),
    line(Usable, Yes, "Pragma counts without Cache-Control alone", "RFC 9111 5.4", Terrace, |c| {
        c.second.pragma.is_some() && !c.second.control.is_empty()
    }),
    line(Usable, Yes, "Pragma is a list of whole words", "RFC 9111 5.4", Terrace, |c| {
        c.second.pragma == Some("x-no-cache")
    }),
    line(Usable, Either, "a request directive in capitals", "RFC 9111 5.2", Terrace, |c| {
        capital(&c.second.control, &["no-cache", "max-age", "min-fresh", "max-stale"])
    }),
    line(Usable, Either, "a request's seconds that are no number count as zero", "RFC 9111 5.2.1", Both, |c| {
        let no_number = |d: &Directive| d.seconds().is_none() && d.argument != Argument::Other("=060");
        let first = |name| letter::first(&c.second.control, name);
        ["max-age", "min-fresh"].iter().any(|name| first(name).is_some_and(no_number))
            || first("max-stale").is_some_and(|d| d.argument != Argument::None && no_number(d))
    }),
    line(Usable, No, "max-age=0 of a request asks for validation at any age", "RFC 9111 5.2.1.1", Both, |c| {
        letter::first(&c.second.control, "max-age").is_some_and(|d| d.seconds() == Some(0)) && letter::age_ms(c) == 0
    }),
    line(Usable, Yes, "max-stale: no more than the seconds, as many are allowed", "RFC 9111 5.2.1.2", Terrace, |c| {
        letter::first(&c.second.control, "max-stale")
            .and_then(Directive::seconds)
            .is_some_and(|limit| letter::age_ms(c) - letter::lifetime_ms(c) == limit as i64 * 1000)
    }),
    line(Usable, No, "min-fresh=0 asks for what is not stale", "RFC 9111 5.2.1.3", Terrace, |c| {
        letter::first(&c.second.control, "min-fresh").is_some_and(|d| d.seconds() == Some(0))
            && asks(c, "max-stale")
            && letter::age_ms(c) > letter::lifetime_ms(c)
    }),
    line(Usable, Yes, "stale-while-revalidate", "RFC 5861 3", Terrace, |c| says(c, "stale-while-revalidate")),
    line(Usable, No, "proxy-revalidate and s-maxage outrank max-stale", "RFC 9111 5.2.2.8, 5.2.2.10", Terrace, |c| {
        (says(c, "proxy-revalidate") || says(c, "s-maxage")) && asks(c, "max-stale")
    }),
    line(Usable, No, "must-revalidate in capitals outranks max-stale", "RFC 9111 5.2", Terrace, |c| {
        capital(&c.response.control, &["must-revalidate"]) && asks(c, "max-stale")
    }),
    line(Usable, No, "no-cache outranks max-stale", "RFC 9111 5.2.2.4", Terrace, |c| {
        says_whole(c, "no-cache") && asks(c, "max-stale")
    }),
    line(
        Usable,
        Yes,
        "a directive twice is must-revalidate to them, and closes max-stale",
        "RFC 9111 4.2.1",
        Both,
        |c| differing_twice(c) && asks(c, "max-stale"),
    ),
    line(
        Conditions,
        Either,
        "the client's own conditions are answered here, not passed on",
        "RFC 9111 4.3.1",
        Both,
        |c| c.second.lines.iter().any(|(name, _)| name.starts_with("if-")),
    ),
    line(Conditions, Either, "a Last-Modified that is no date is no validator", "RFC 9110 13.1.3", Terrace, |c| {
        c.response.modified.is_some_and(|date| !date.form.is_valid())
    }),
    line(Conditions, Either, "an empty ETag is none", "RFC 9110 8.8.3", Terrace, |c| c.response.etag == Some("")),
];

fn has_line(case: &Case, name: &str) -> bool {
    case.response.lines.iter().any(|(n, _)| *n == name)
}

fn asks(case: &Case, name: &str) -> bool {
    case.second.control.iter().any(|d| d.name == name)
}

/// Whether the status is stored without a word (RFC 9110 15.1).
fn by_default(case: &Case) -> bool {
    terrace_core::rules::freshness::heuristically_cacheable(case.response.status)
}

fn has_authorization(case: &Case) -> bool {
    case.first.lines.iter().any(|(name, _)| *name == "authorization")
}

/// Whether one of these directives is written in capitals.
fn capital(control: &[Directive], names: &[&str]) -> bool {
    control.iter().any(|d| d.capital && names.contains(&d.name))
}

/// Whether a quoted string of the response's Cache-Control holds the directive between commas.
fn quotes(case: &Case, name: &str) -> bool {
    case.response
        .control
        .iter()
        .any(|d| d.name == "x-unknown" && matches!(d.argument, Argument::Other(text) if text.contains(name)))
}

/// A directive that stands twice with differing arguments, as they see it: they compare one of the two with its quotes, and one
/// may be in a quoted string.
fn differing_twice(case: &Case) -> bool {
    let control = &case.response.control;
    let twice = control.iter().enumerate().any(|(at, one)| {
        let same = |other: &&Directive| one.name == other.name && one.capital == other.capital;
        let differs = |other: &Directive| one.argument != other.argument || one.to_string().contains('"');
        control.iter().skip(at + 1).filter(same).any(differs)
    });
    twice || (quotes(case, "max-age") && they_see(case, "max-age"))
}

fn some_date(case: &Case, form: impl Fn(Form) -> bool) -> bool {
    let response = &case.response;
    [response.date, response.expires, response.modified].into_iter().flatten().any(|date| form(date.form))
}

/// Whether an argument of max-age or s-maxage is such.
fn lifetime_argument(case: &Case, such: impl Fn(Argument) -> bool) -> bool {
    case.response.control.iter().any(|d| ["max-age", "s-maxage"].contains(&d.name) && such(d.argument))
}

/// Whether the values of a field that Vary names are such in the first and the second request.
fn selecting(case: &Case, such: impl Fn(&str, &[&str], &[&str]) -> bool) -> bool {
    letter::vary(case)
        .iter()
        .any(|name| such(name, &letter::values(&case.first.lines, name), &letter::values(&case.second.lines, name)))
}
