//! Random requests and responses, from a grammar of what matters to a cache and of the ways in which people write it.
//!
//! Values stay structured, so that a reason for a disagreement can ask what was written and need not parse it again. Targeted
//! fields (RFC 9213) are left out: the other side does not know them, and nothing could be learnt.

use crate::rules_support::{NOW, date};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::Union;
use std::fmt;
use terrace_core::fields::Fields;
use terrace_core::time::Timestamp;

/// One question: a request, its response, and a later request.
#[derive(Clone)]
pub struct Case {
    pub first: Request,
    pub response: Response,
    pub second: Request,
    /// Milliseconds from the response's arrival to the second request.
    pub after: u64,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub control: Vec<Directive>,
    pub pragma: Option<&'static str>,
    /// All other fields, a line each.
    pub lines: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub control: Vec<Directive>,
    /// Every directive on a line of its own.
    pub apart: bool,
    pub date: Option<Written>,
    pub expires: Option<Written>,
    pub modified: Option<Written>,
    pub age: Option<&'static str>,
    pub etag: Option<&'static str>,
    pub vary: Vec<&'static str>,
    /// All other fields, a line each.
    pub lines: Vec<(&'static str, &'static str)>,
}

/// A directive as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Directive {
    pub name: &'static str,
    /// The name in capitals.
    pub capital: bool,
    pub argument: Argument,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    None,
    /// `=5`
    Seconds(u64),
    /// `="5"`
    Quoted(u64),
    /// Anything else, with its `=` and what stands around it.
    Other(&'static str),
}

/// A date as it is written, and which one is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    /// Seconds from the response's arrival.
    pub at: i64,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    Imf,
    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    Rfc850,
    /// `Sun Nov  6 08:49:37 1994`
    Asctime,
    /// `06 Nov 1994 08:49:37 GMT`
    NoWeekday,
    /// `Sun, 06 Nov 1994 08:49:37 +0000`
    Offset,
    /// `Sun, 06 Nov 94 08:49:37 GMT`
    TwoDigits,
    /// `0`
    Zero,
}

impl Form {
    /// Whether it is an HTTP-date (RFC 9110 5.6.7).
    pub fn is_valid(self) -> bool {
        matches!(self, Form::Imf | Form::Rfc850 | Form::Asctime)
    }
}

impl Directive {
    /// The seconds that it states by the letter: `None` where the argument is no delta-seconds.
    pub fn seconds(&self) -> Option<u64> {
        match self.argument {
            Argument::Seconds(n) | Argument::Quoted(n) => Some(n),
            Argument::None | Argument::Other(_) => None,
        }
    }
}

impl Request {
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        if !self.control.is_empty() {
            fields.append("cache-control", joined(&self.control));
        }
        if let Some(pragma) = self.pragma {
            fields.append("pragma", pragma);
        }
        for (name, value) in &self.lines {
            fields.append(*name, *value);
        }
        fields
    }
}

impl Response {
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        if self.apart {
            for directive in &self.control {
                fields.append("cache-control", directive.to_string());
            }
        } else if !self.control.is_empty() {
            fields.append("cache-control", joined(&self.control));
        }
        for (name, date) in [("date", self.date), ("expires", self.expires), ("last-modified", self.modified)] {
            if let Some(date) = date {
                fields.append(name, date.to_string());
            }
        }
        for (name, value) in [("age", self.age), ("etag", self.etag)] {
            if let Some(value) = value {
                fields.append(name, value);
            }
        }
        for value in &self.vary {
            fields.append("vary", *value);
        }
        for (name, value) in &self.lines {
            fields.append(*name, *value);
        }
        fields
    }
}

impl Case {
    /// When the second request comes.
    pub fn then(&self) -> Timestamp {
        NOW.plus_millis(self.after)
    }
}

fn joined(control: &[Directive]) -> String {
    control.iter().map(Directive::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.capital { self.name.to_ascii_uppercase() } else { self.name.to_string() };
        match self.argument {
            Argument::None => f.write_str(&name),
            Argument::Seconds(n) => write!(f, "{name}={n}"),
            Argument::Quoted(n) => write!(f, "{name}=\"{n}\""),
            Argument::Other(text) => write!(f, "{name}{text}"),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONG: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let imf = date(self.at);
        let (week_day, day, month) = (&imf[..3], &imf[5..7], &imf[8..11]);
        let (year, time) = (&imf[12..16], &imf[17..25]);
        match self.form {
            Form::Imf => f.write_str(&imf),
            Form::Rfc850 => {
                let long = LONG.iter().find(|long| long.starts_with(week_day)).unwrap_or(&"Monday");
                write!(f, "{long}, {day}-{month}-{} {time} GMT", &year[2..])
            }
            Form::Asctime => {
                write!(f, "{week_day} {month} {} {time} {year}", day.replacen('0', " ", usize::from(day < "10")))
            }
            Form::NoWeekday => write!(f, "{day} {month} {year} {time} GMT"),
            Form::Offset => write!(f, "{week_day}, {day} {month} {year} {time} +0000"),
            Form::TwoDigits => write!(f, "{week_day}, {day} {month} {} {time} GMT", &year[2..]),
            Form::Zero => f.write_str("0"),
        }
    }
}

/// As messages: what a reader needs to try it.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |f: &mut fmt::Formatter<'_>, fields: Fields| {
            fields.as_list().iter().try_for_each(|(n, v)| writeln!(f, "    {n}: {}", String::from_utf8_lossy(v)))
        };
        writeln!(f, "\n  {}", self.first.method)?;
        lines(f, self.first.fields())?;
        writeln!(f, "  -> {}, on {}", self.response.status, date(0))?;
        lines(f, self.response.fields())?;
        writeln!(f, "  then {}, {} ms later", self.second.method, self.after)?;
        lines(f, self.second.fields())
    }
}

/// Spans that meet each other often, so that limits are hit exactly.
const SPANS: [u64; 9] = [0, 1, 5, 10, 11, 60, 3600, 86_400, 90_000];

/// Mostly the first.
fn mostly<T: Clone + fmt::Debug + 'static>(usual: T, seldom: Vec<T>) -> BoxedStrategy<T> {
    prop_oneof![8 => Just(usual), 2 => select(seldom)].boxed()
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![
        30 => select(SPANS.to_vec()).prop_map(Argument::Seconds),
        4 => select(SPANS.to_vec()).prop_map(Argument::Quoted),
        6 => select(vec![
            Argument::None,
            Argument::Other("=060"),
            Argument::Other("='60'"),
            Argument::Other("=60.0"),
            Argument::Other("=-60"),
            Argument::Other("=+60"),
            Argument::Other("= 60"),
            Argument::Other(" =60"),
            Argument::Other("=\"60"),
            Argument::Other("="),
            Argument::Other("=foo"),
            Argument::Other("=99999999999"),
            Argument::Other("=99999999999999999999999"),
        ]),
    ]
}

fn directive(name: &'static str, argument: impl Strategy<Value = Argument> + 'static) -> BoxedStrategy<Directive> {
    let capital = prop_oneof![8 => Just(false), 1 => Just(true)];
    (capital, argument).prop_map(move |(capital, argument)| Directive { name, capital, argument }).boxed()
}

fn bare(name: &'static str) -> BoxedStrategy<Directive> {
    directive(name, Just(Argument::None))
}

fn scoped(name: &'static str) -> BoxedStrategy<Directive> {
    let fields = select(vec![Argument::Other("=\"x-a\""), Argument::Other("=\"x-a, x-b\""), Argument::Other("=x-a")]);
    directive(name, prop_oneof![3 => Just(Argument::None), 2 => fields])
}

fn response_control() -> impl Strategy<Value = Vec<Directive>> {
    let weighted = vec![
        (40, directive("max-age", argument())),
        (16, directive("s-maxage", argument())),
        (5, bare("public")),
        (3, scoped("private")),
        (3, bare("no-store")),
        (5, scoped("no-cache")),
        (9, bare("must-revalidate")),
        (4, bare("proxy-revalidate")),
        (3, bare("must-understand")),
        (4, bare("immutable")),
        (5, directive("stale-while-revalidate", select(SPANS.to_vec()).prop_map(Argument::Seconds))),
        (2, bare("no-transform")),
        (
            3,
            directive(
                "x-unknown",
                select(vec![Argument::Other("=\"a, no-store, b\""), Argument::Other("=\"a, max-age=5, b\"")]),
            ),
        ),
    ];
    vec(Union::new_weighted(weighted), 0..4)
}

fn request_control() -> impl Strategy<Value = Vec<Directive>> {
    let weighted = vec![
        (10, directive("max-age", argument())),
        (16, directive("max-stale", prop_oneof![1 => argument(), 1 => Just(Argument::None)])),
        (8, directive("min-fresh", argument())),
        (3, bare("no-cache")),
        (2, bare("only-if-cached")),
        (2, bare("no-transform")),
    ];
    prop_oneof![1 => Just(Vec::new()), 1 => vec(Union::new_weighted(weighted), 1..3)]
}

fn written(offsets: Vec<i64>) -> impl Strategy<Value = Written> {
    let form = mostly(
        Form::Imf,
        vec![Form::Rfc850, Form::Asctime, Form::NoWeekday, Form::Offset, Form::TwoDigits, Form::Zero],
    );
    (select(offsets), form).prop_map(|(at, form)| Written { at, form })
}

/// Fields that Vary may name, and forms of their values.
fn selecting_lines() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let line = select(vec![
        ("accept-encoding", "gzip, br"),
        ("accept-encoding", "br,gzip"),
        ("accept-encoding", "br"),
        ("accept-language", "de"),
        ("accept-language", "DE"),
        ("accept-language", "de, en;q=0.5"),
        ("accept-language", "en"),
        ("x-a", "1"),
        ("x-a", "1,2"),
        ("x-a", "1 , 2"),
        ("x-a", "2"),
        ("cookie", "a=b"),
    ]);
    vec(line, 0..3)
}

fn first() -> impl Strategy<Value = Request> {
    let method = prop_oneof![16 => Just("GET"), 2 => select(vec!["HEAD", "POST", "POST", "PUT"])];
    let control = prop_oneof![
        20 => Just(Vec::new()),
        1 => bare("no-store").prop_map(|d| vec![d]),
        1 => bare("max-age").prop_map(|d| vec![d]),
    ];
    let authorization = prop_oneof![16 => Just(None), 1 => Just(Some("Basic eA=="))];
    (method, control, authorization, selecting_lines()).prop_map(|(method, control, authorization, mut lines)| {
        lines.extend(authorization.map(|value| ("authorization", value)));
        Request { method, control, pragma: None, lines }
    })
}

fn second() -> impl Strategy<Value = Request> {
    let method = prop_oneof![14 => Just("GET"), 2 => Just("HEAD"), 2 => Just("POST")];
    let pragma = prop_oneof![12 => Just(None), 1 => select(vec![Some("no-cache"), Some("x-no-cache")])];
    let condition = prop_oneof![
        10 => Just(None),
        1 => Just(Some(("if-none-match", "\"mine\""))),
        1 => Just(Some(("if-modified-since", "Fri, 20 Nov 2026 12:00:00 GMT"))),
    ];
    (method, request_control(), pragma, selecting_lines(), condition).prop_map(
        |(method, control, pragma, mut lines, condition)| {
            lines.extend(condition);
            Request { method, control, pragma, lines }
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    let status = prop_oneof![
        40 => Just(200),
        4 => select(vec![203, 204, 300, 301, 308, 404, 405, 410, 414, 501]),
        2 => select(vec![302, 303, 307]),
        4 => select(vec![201, 202, 206, 299, 304, 400, 403, 412, 429, 500, 503, 599]),
    ];
    let date = option::weighted(0.6, written(vec![0, 0, 0, 0, -1, -5, -60, 7, 3600]));
    let expires = option::weighted(0.25, written(vec![-60, 0, 1, 5, 10, 60, 3600, 100_000]));
    let modified = option::weighted(0.25, written(vec![-600_000, -5, -13, -100, -36_000, -1_000_000, 0, 60]));
    let age = prop_oneof![
        6 => Just(None),
        2 => select(vec!["0", "1", "5", "60", "3600"]).prop_map(Some),
        1 => select(vec!["-5", "+5", "foo", "5, 60", "5.5", "99999999999"]).prop_map(Some),
    ];
    let etag = option::weighted(0.6, select(vec!["\"a\"", "W/\"a\"", ""]));
    let vary = prop_oneof![
        8 => Just(Vec::new()),
        8 => vec(select(vec!["accept-encoding", "Accept-Language", "x-a", "x-a, accept-encoding", "cookie"]), 1..3),
        1 => vec(select(vec!["*", "x-a, *", "x-a"]), 1..3),
    ];
    let others = vec![
        ("set-cookie", "a=b"),
        ("pragma", "no-cache"),
        ("content-language", "de"),
        ("content-location", "/things?a=1"),
        ("x-a", "1"),
    ];
    let lines = prop_oneof![3 => Just(Vec::new()), 3 => subsequence(others, 1..3)];
    let control = (response_control(), prop_oneof![4 => Just(false), 1 => Just(true)]);
    (status, control, (date, expires, modified), (age, etag), vary, lines).prop_map(
        |(status, (control, apart), (date, expires, modified), (age, etag), vary, lines)| Response {
            status,
            control,
            apart,
            date,
            expires,
            modified,
            age,
            etag,
            vary,
            lines,
        },
    )
}

pub fn case() -> impl Strategy<Value = Case> {
    // Seconds that meet the spans, and some that do not; seldom a fraction of a second.
    let near: Vec<u64> =
        SPANS.iter().flat_map(|s| [s * 1000, s * 1000 + 1000, (s * 1000).saturating_sub(1000)]).collect();
    let after = prop_oneof![
        8 => select(near),
        3 => 0u64..200_000u64,
        1 => any::<Index>().prop_map(|at| at.index(4_000_000_000) as u64),
    ];
    (first(), response(), second(), after, any::<bool>()).prop_map(|(first, mut response, mut second, after, same)| {
        // Half of them come with the first request's selecting fields, else hardly one would match.
        if same {
            second.lines.retain(|(name, _)| name.starts_with("if-"));
            second.lines.extend(first.lines.iter().filter(|(name, _)| *name != "authorization"));
            // So with an answer to POST that says that it is the resource.
            if first.method == "POST" {
                response.lines.retain(|(name, _)| *name != "content-location");
                response.lines.push(("content-location", "/things?a=1"));
            }
        }
        Case { first, response, second, after }
    })
}
