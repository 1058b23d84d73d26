//! An origin whose objects change, and what that makes wrong to be served.

use http::Method;
use std::cell::RefCell;
use std::rc::Rc;
use terrace_simulation::{Answer, Asked, Random, Reply};

/// Sections, and objects in each.
const SECTIONS: usize = 10;
const EACH: usize = 20;

/// Bytes of a line, and lines of an object: a range of whole lines says what it is of.
pub const LINE: usize = 64;
pub const LINES: usize = 8;

/// The languages that some objects come in.
pub const LANGUAGES: [&str; 3] = ["de", "en", "fr"];

/// The objects, of which a clone is another handle.
#[derive(Clone, Default)]
pub struct Library(Rc<RefCell<Vec<Object>>>);

/// An object.
#[derive(Default)]
pub struct Object {
    /// When each of its versions came to be, in milliseconds since the epoch.
    pub versions: Vec<i64>,
    /// When a hard purge was acknowledged, and what was the newest version when it was asked for.
    hard: Vec<(i64, usize)>,
    /// What soft purges there were.
    soft: Vec<Soft>,
}

/// A soft purge.
struct Soft {
    begun: i64,
    /// When it was acknowledged.
    acknowledged: i64,
    newer: usize,
    /// Until when what is older may be served as stale.
    until: i64,
}

/// The number of an object.
pub type Number = usize;

/// What a purge is for, as the document says it, and the objects that it hits.
pub struct Purge {
    pub document: String,
    pub hits: Vec<Number>,
    pub soft: bool,
}

pub fn path(n: Number) -> String {
    format!("/s{}/o{}", n / EACH, n % EACH)
}

fn number(target: &str) -> Option<Number> {
    let (section, object) =
        target.split_once('?').map_or(target, |(path, _)| path).strip_prefix("/s")?.split_once("/o")?;
    Some(section.parse::<usize>().ok()? * EACH + object.parse::<usize>().ok()?)
}

/// How long it is fresh, in seconds: some hardly, some for long.
pub fn lifetime(n: Number) -> u64 {
    [5, 20, 90, 600, 3_600][n % 5]
}

/// Whether it comes in languages.
pub fn varies(n: Number) -> bool {
    n % 4 == 3
}

fn tag(n: Number) -> usize {
    n % 7
}

fn group(n: Number) -> usize {
    n % 11
}

/// Whether each tenant has one of its own.
pub fn is_owned(n: Number) -> bool {
    n / EACH == SECTIONS - 1
}

/// Which of the representations of an object is asked for.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub n: Number,
    pub language: &'static str,
    pub tenant: &'static str,
}

impl Wanted {
    /// What a version of it is called.
    pub fn etag(&self, version: usize) -> String {
        format!("\"{}-{version}\"", self.form())
    }

    fn form(&self) -> String {
        form(self.n, self.language, self.tenant)
    }
}

fn form(n: Number, language: &str, tenant: &str) -> String {
    let language = if varies(n) { language } else { "any" };
    let tenant = if is_owned(n) { tenant } else { "all" };
    format!("{n}-{language}-{tenant}")
}

impl Library {
    /// A library whose objects came to be at `now`.
    pub fn new(now: i64) -> Self {
        let object = || Object { versions: vec![now], ..Object::default() };
        Library(Rc::new(RefCell::new((0..SECTIONS * EACH).map(|_| object()).collect())))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// An object has changed.
    pub fn change(&self, n: Number, now: i64) -> usize {
        let versions = &mut self.0.borrow_mut()[n].versions;
        versions.push(now);
        versions.len() - 1
    }

    /// The newest version of an object.
    pub fn newest(&self, n: Number) -> usize {
        self.0.borrow()[n].versions.len() - 1
    }

    /// When a version of an object was replaced, if it was.
    pub fn replaced(&self, n: Number, version: usize) -> Option<i64> {
        self.0.borrow()[n].versions.get(version + 1).copied()
    }

    /// What the origin answers, after so many milliseconds.
    pub fn answer(&self, asked: &Asked, after: u64) -> Reply {
        let Some(n) = number(&asked.target) else { return Reply::new(after, 404, &[], "no such object") };
        if asked.method != Method::GET && asked.method != Method::HEAD {
            let version = self.change(n, asked.at).to_string();
            return Reply::new(after, 204, &[("x-version", version.as_str())], "");
        }
        let version = self.0.borrow()[n].versions.len() - 1;
        let told = |name| asked.fields.get_str(name).unwrap_or("none");
        let form = form(n, told("accept-language"), told("x-tenant"));
        let (etag, at) = (format!("\"{form}-{version}\""), asked.at.to_string());
        let control = format!("max-age={}", lifetime(n));
        let tags = format!("t{}, all", tag(n));
        let group = format!("\"g{}\"", group(n));
        let mut fields = vec![
            ("cache-control", control.as_str()),
            ("cache-tag", &tags),
            ("cache-groups", &group),
            ("etag", &etag),
            ("x-at", &at),
            ("vary", "Accept-Language"),
        ];
        if !varies(n) {
            fields.pop();
        }
        if asked.fields.get_str("if-none-match").is_some_and(|held| held.contains(&etag)) {
            return Reply::new(after, 304, &fields, "");
        }
        let line = format!("{form}-{version}|");
        Reply::new(after, 200, &fields, format!("{line:<width$}\n", width = LINE - 1).repeat(LINES))
    }

    /// Any purge of any kind. What it is for has changed now.
    pub fn publish(&self, random: &Random, now: i64) -> Purge {
        let soft = random.chance(0.3);
        let n = random.below(self.len() as u64) as usize;
        let all = 0..self.len();
        let (what, hits): (String, Vec<Number>) = match random.below(12) {
            0..=3 => (format!("\"urls\":[\"{}\"]", path(n)), vec![n]),
            4..=5 => {
                let section = n / EACH;
                (format!("\"prefixes\":[\"/s{section}/\"]"), all.filter(|o| o / EACH == section).collect())
            }
            6..=8 => (format!("\"tags\":[\"t{}\"]", tag(n)), all.filter(|o| tag(*o) == tag(n)).collect()),
            9..=10 => (format!("\"groups\":[\"g{}\"]", group(n)), all.filter(|o| group(*o) == group(n)).collect()),
            _ => ("\"everything\":true".to_string(), all.collect()),
        };
        for hit in &hits {
            self.change(*hit, now);
        }
        Purge { document: format!("{{{what},\"soft\":{soft}}}"), hits, soft }
    }

    /// A purge was asked for, of what was published before: it may hold from now on. Returns the newest versions.
    pub fn purging(&self, purge: &Purge, begun: i64) -> Vec<usize> {
        let mut objects = self.0.borrow_mut();
        let newest = |hit: &Number| {
            let object = &mut objects[*hit];
            let newest = object.versions.len() - 1;
            if purge.soft {
                let never = i64::MAX;
                object.soft.push(Soft { begun, acknowledged: never, newer: newest, until: never });
            }
            newest
        };
        purge.hits.iter().map(newest).collect()
    }

    /// It was acknowledged, then. What a soft one has hit may be served as stale until `until`.
    pub fn purged(&self, purge: &Purge, versions: &[usize], acknowledged: i64, until: i64) {
        let mut objects = self.0.borrow_mut();
        for (hit, version) in purge.hits.iter().zip(versions) {
            let object = &mut objects[*hit];
            match purge.soft {
                true => object.soft.iter_mut().filter(|soft| soft.newer == *version).for_each(|soft| {
                    *soft = Soft { acknowledged, until, ..*soft };
                }),
                false => object.hard.push((acknowledged, *version)),
            }
        }
    }

    /// The version that an answer is of, which must be of what was asked for.
    pub fn version(&self, wanted: &Wanted, answer: &Answer) -> usize {
        let of = |name: &str| {
            let (form, version) = name.rsplit_once('-').unwrap_or_else(|| panic!("no object: {answer:?}"));
            assert_eq!(form, wanted.form(), "{answer:?}");
            version.parse::<usize>().unwrap()
        };
        let version = of(answer.field("etag").trim_matches('"'));
        let whole = answer.body.as_ref().map(|_| answer.text());
        for line in whole.unwrap_or_default().lines() {
            assert_eq!(of(line.trim_end().trim_end_matches('|')), version, "{answer:?}");
        }
        version
    }

    /// Why a purge forbids that a version of an object is served, where those hold that were acknowledged by `held`.
    pub fn forbidden(&self, n: Number, version: usize, answer: &Answer, held: i64) -> Option<String> {
        let object = &self.0.borrow()[n];
        if let Some((at, newer)) = object.hard.iter().find(|(at, newer)| *at <= held && version < *newer) {
            return Some(format!("version {version}, although {newer} is all that was left at {at}"));
        }
        let soft = || object.soft.iter().filter(|soft| version < soft.newer);
        let Soft { acknowledged, newer, .. } = soft().find(|soft| soft.acknowledged <= held)?;
        // What is purged again while it is stale counts as purged only then: its window begins anew.
        let is_stale = answer.tier().starts_with("STALE-") && soft().any(|soft| answer.asked <= soft.until);
        let just_now = soft().any(|soft| soft.begun <= answer.ended && answer.asked <= soft.acknowledged);
        (!is_stale && !just_now).then(|| format!("version {version}, stale since {newer} at {acknowledged}"))
    }
}
