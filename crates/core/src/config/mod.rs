//! `terrace.toml`: what it may say, as types with every default in place, and the policy that a request meets.
//!
//! [`Config::parse`] reads and validates the text; an error names file, line, column and the key's path. What may not enter:
//! any decision about a request, except which route it takes.

pub mod defaults;
mod error;
mod json;
mod key;
mod later;
pub mod limits;
mod percent;
mod reader;
mod routes;
mod schema;
mod settings;
mod suggest;
mod syntax;
mod value;
mod watch;

pub use error::{Error, Errors, MAX_ERRORS};
pub use percent::normal_percent;

use crate::entry::coded::Codings;
use crate::hex;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// The whole configuration, validated, every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where requests go.
    pub origin: Origin,
    /// The L0 tier, where it is on.
    pub l0: Option<L0>,
    /// The L1 tier.
    pub l1: L1,
    /// The L2 tier.
    pub l2: L2,
    /// `[purge]` `poll`: how often an instance asks L2 for new purges, and how soon a purge holds everywhere.
    pub poll: Duration,
    /// `[admin]` `token`: under which name the host keeps the secret that opens `/_terrace`; `None` where nothing does.
    pub admin_token: Option<String>,
    /// The documents that are watched for what has changed. At most [`limits::MAX_WATCHES`].
    pub watches: Vec<Watch>,
    /// The routes in their order; the first whose pattern matches the path wins.
    pub routes: Vec<Route>,
    /// What holds where no route matches.
    pub default_policy: Policy,
}

/// `[origin]`: the only place requests ever go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Scheme, host, port and an optional base path; no query, fragment or credentials. `None`: the host must supply it
    /// (`--origin`, the Spin variable `origin_url`).
    pub url: Option<url::Url>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long a response may take to begin, and how long its content may pause.
    pub timeout: Duration,
    /// Fields that are set on every request to the origin.
    pub headers: Vec<(String, HeaderSource)>,
    /// `cdn_id`: what this deployment calls itself in CDN-Loop, where it is not to be derived from the URL: see
    /// [`Config::cdn_id`].
    pub cdn_id: Option<String>,
}

/// Where the value of a configured field comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeaderSource {
    /// It stands in the file.
    Literal(String),
    /// The host keeps it under this name. It never enters logs, keys or entries.
    Secret(String),
}

/// `[tiers.l0]`: off unless it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L0 {
    /// The most bytes that one instance holds.
    pub size: u64,
    /// The largest content kept here, in bytes.
    pub max_size: u64,
    /// The longest an entry stays: what other instances write is not seen before.
    pub max_ttl: Duration,
}

/// `[tiers.l1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L1 {
    /// The smallest content kept here, in bytes.
    pub min_size: u64,
    /// The largest content kept here, in bytes.
    pub max_size: u64,
    /// The longest an entry stays.
    pub max_ttl: Duration,
    /// When an entry comes in.
    pub admit: Admit,
    /// `writes`: the most writes of one instance; `None` is no limit. What has to be replaced or removed is, and counts.
    pub writes: Option<Rate>,
    /// The deadline of one call.
    pub timeout: Duration,
}

/// So many a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many, at least one.
    pub count: u32,
    /// In which time: a second, a minute, an hour or a day.
    pub per: Duration,
}

/// When an object enters L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admit {
    /// `"always"` where writes are free, `"second-hit"` where they are billed: the host says which.
    Auto,
    /// When it is stored.
    Always,
    /// When it is asked for again in the time that it would stay, and will be fresh for 60 s ([`crate::rules::admit`]).
    SecondHit,
}

/// `[tiers.l2]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L2 {
    /// The largest content kept here, in bytes. Larger content streams through uncached.
    pub max_size: u64,
    /// The longest an entry stays.
    pub max_ttl: Duration,
    /// About how many bytes are held in all; `None` is as many as the database takes.
    #[serde(default)]
    pub capacity: Option<u64>,
    /// The deadline of one call.
    pub timeout: Duration,
}

/// `[[watch]]`: a document of the origin whose values say what has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// `url`: its path and query at the origin, as they are sent. At most [`limits::MAX_TARGET`] bytes.
    pub url: String,
    /// `every`: how often it is asked for, whether anybody uses the cache or not.
    pub every: Duration,
    /// `tags`: what is purged, and by which JSON pointer (RFC 6901) the value is found that has changed. A `*` in the tag stands for
    /// the name of the member that a step `*` of the pointer finds. At most [`limits::MAX_WATCHED`].
    pub tags: Vec<(String, String)>,
    /// `soft`: whether that makes stale, and does not remove.
    pub soft: bool,
}

/// `[[route]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The pattern as written: a path in which `*` stands for any run of characters.
    pub pattern: String,
    /// What holds on it: the route's own settings over `[cache]`.
    pub policy: Policy,
}

/// Where a policy is in its [`Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(Option<usize>);

/// The settings that hold for one request: those of its route over those of `[cache]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// `ttl`: overrides the freshness that the origin gives. Never opens what no-store, private and their kin close.
    pub ttl: Option<Duration>,
    /// `default_ttl`: where the origin says nothing and heuristics do not apply.
    pub default_ttl: Duration,
    /// `negative_ttl`: statuses (400-599) stored without explicit freshness, and for how long.
    pub negative_ttl: Vec<(u16, Duration)>,
    /// `stale_while_revalidate`, where the response does not say (RFC 5861 3).
    pub stale_while_revalidate: Duration,
    /// `stale_if_error`, where the response does not say (RFC 5861 4).
    pub stale_if_error: Duration,
    /// `profile`.
    pub profile: Profile,
    /// `set_cookie`: what becomes of a response that sets a cookie.
    pub set_cookie: SetCookie,
    /// `compress`: the codings that what is text is stored in.
    pub compress: Codings,
    /// `compress_min_size`: smaller content is stored as it came, in bytes.
    pub compress_min_size: u64,
    /// `request_directives`: whether a client's Cache-Control is listened to (RFC 9111 5.2.1).
    pub request_directives: RequestDirectives,
    /// `early_refresh`: how early what is fresh is refreshed behind an answer; 0 is never, [`crate::rules::early`] says what 1 is.
    pub early_refresh: f64,
    /// `collapse`: whether requests for the same object share one fetch.
    pub collapse: Collapse,
    /// `cache`: whether the cache is used at all.
    pub cache: CacheMode,
    /// `vary`: request fields that are part of the key, lower-case.
    pub vary: Vec<String>,
    /// `query`: which parameters are part of the key.
    pub query: Query,
    /// `tags`: what everything on the route can be purged by.
    pub tags: Vec<String>,
    /// `key`: what else is part of it.
    pub key: KeyParts,
}

/// `profile`: which set of defaults applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// A shared API cache's prudent defaults.
    Safe,
    /// All that RFC 9111 allows.
    Rfc9111,
}

/// What becomes of a response with Set-Cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetCookie {
    /// It is not stored.
    Never,
    /// It is stored without the field.
    Strip,
    /// It is stored as it is.
    Store,
}

/// Whether request directives are listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestDirectives {
    /// No: strangers may send them.
    Ignore,
    /// Yes, as RFC 9111 5.2.1 has them.
    Honour,
}

/// Which requests share one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Collapse {
    /// None.
    Off,
    /// Those of one instance.
    Local,
    /// Those of all instances that share L2.
    Global,
}

/// `cache` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheMode {
    /// Look up and store.
    On,
    /// Neither.
    Off,
    /// Look up, never fetch (offline mode): a miss is a 504.
    Only,
}

/// Which query parameters are part of the key. The origin sees no others. In names, `*` stands for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// `allow`: names that are let in; `None` is all of them. At most [`limits::MAX_PATTERNS`].
    pub allow: Option<Vec<String>>,
    /// `ignore`: names that are left out, of those that are let in. At most [`limits::MAX_PATTERNS`].
    pub ignore: Vec<String>,
    /// Whether `a=1&b=2` and `b=2&a=1` are one object. The order of equal names is kept.
    pub sort: bool,
}

/// `key` of a route: what of a request is part of the key besides its URL and the fields of `vary`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyParts {
    /// `cookies`: names of cookies whose values are part of the key; the origin sees no others. `None` is all of Cookie for the
    /// origin, and nothing of it for the key. At most [`limits::MAX_PARTS`].
    pub cookies: Option<Vec<String>>,
    /// `language`: the tags that Accept-Language is reduced to; the first where none is asked for. Empty is no reduction, and no
    /// part of the key. At most [`limits::MAX_LANGUAGES`].
    pub language: Vec<String>,
    /// `tenant`: the field, lower-case, that names whose object it is. A request without it is not for the cache.
    pub tenant: Option<String>,
    /// `content`: where the content of a request is part of the key.
    pub content: Option<ContentKey>,
}

/// Which requests have their content in the key. Larger content, and such of unknown length, is not for the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentKey {
    /// `content`: the largest content, in bytes; it is held in memory. At most [`limits::MAX_CONTENT`].
    pub max_size: u64,
    /// `methods`: QUERY (RFC 10008), POST, or both.
    pub methods: Vec<String>,
}

impl Config {
    /// Reads and validates a file; `file` is its name, for the errors. All errors are found in one go. What the file leaves
    /// open is filled in from [`defaults`]; an origin may be missing, see [`Self::set_origin`].
    pub fn parse(text: &str, file: &str) -> Result<Config, Errors> {
        schema::read(text, file)
    }

    /// The largest content that any tier takes, in bytes.
    pub fn max_size(&self) -> u64 {
        self.l1.max_size.max(self.l2.max_size)
    }

    /// What this deployment calls itself in CDN-Loop (RFC 8586 2). Of two that stand in a row, each has an origin of its own, so the
    /// name is made of the origin's URL.
    pub fn cdn_id(&self) -> Cow<'_, str> {
        match &self.origin.cdn_id {
            Some(id) => id.into(),
            None => {
                let url = self.origin.url.as_ref().map_or("", |url| url.as_str());
                let digest = blake3::hash(url.as_bytes());
                format!("terrace-{}", hex::encode(digest.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]))).into()
            }
        }
    }

    /// Sets the origin from outside the file (`--origin`, the Spin variable `origin_url`), under the same rules as
    /// `origin.url`. The error is one line, without any credentials.
    pub fn set_origin(&mut self, url: &str) -> Result<(), String> {
        let url = value::origin_url(url).map_err(|wrong| match wrong.hint {
            Some(hint) => format!("{} (did you mean {hint}?)", wrong.message),
            None => wrong.message,
        })?;
        self.origin.url = Some(url);
        Ok(())
    }

    /// The names of the secrets that the host must have.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.origin.headers.iter().filter_map(|(_, source)| match source {
            HeaderSource::Secret(name) => Some(name.as_str()),
            HeaderSource::Literal(_) => None,
        });
        headers.chain(self.admin_token.as_deref())
    }

    /// The policy for a path as sent (still percent-encoded). It is matched in its normal form ([`normal_percent`]), or `/%61`
    /// would slip past a route for `/a`; runs of slashes count as one, as they do for many origins.
    pub fn policy(&self, path: &str) -> &Policy {
        self.policy_at(self.route(path))
    }

    /// Where the policy for such a path is: to be kept, for to find it walks the routes.
    pub fn route(&self, path: &str) -> RouteId {
        let mut path = normal_percent(path);
        while path.contains("//") {
            path = path.replace("//", "/").into();
        }
        RouteId(self.routes.iter().position(|route| glob(&route.pattern, &path)))
    }

    /// The policy there.
    pub fn policy_at(&self, route: RouteId) -> &Policy {
        route.0.and_then(|at| self.routes.get(at)).map_or(&self.default_policy, |route| &route.policy)
    }
}

/// Whether `text` as a whole matches `pattern`, in which `*` stands for any run of characters. Linear in time but for the
/// number of stars; both are bounded by the host's limit on a URL.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}
