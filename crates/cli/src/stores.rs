//! Where the tiers live, as `--l1` and `--l2` say it. They are read here and not with the other arguments: of a value that is wrong,
//! those repeat all of it, and a URL may hold a password.

use crate::data_dir;
use crate::failure::Failure;
use std::fmt;
use std::path::PathBuf;
use terrace_core::entry::codec;
use terrace_core::tiers::sql::postgres;
use terrace_host::{Database, Dialect, Options, PostgresUrl, RedisUrl};

/// A store for L1.
#[derive(Debug, PartialEq, Eq)]
pub enum L1 {
    Memory,
    Redis(Box<RedisUrl>),
}

impl L1 {
    /// `memory`, or the URL of a Redis.
    pub fn parse(text: &str) -> Result<L1, Failure> {
        let l1 = match text.split_once(':') {
            None if text == "memory" => Ok(L1::Memory),
            Some(("redis" | "rediss", _)) => text.parse().map(|url| L1::Redis(Box::new(url))),
            _ => Err("L1 is `memory` or redis://HOST".into()),
        };
        l1.map_err(|why| Failure::usage(format!("--l1: {why}")))
    }

    /// Has the host use it.
    pub fn apply(self, options: &mut Options) {
        options.redis = match self {
            L1::Memory => None,
            L1::Redis(url) => Some((*url, Some(|value| codec::until(value).map(|until| until.0)))),
        };
    }
}

/// The variable by which the component knows a PostgreSQL that it is to connect to by itself.
pub const L2_URL: &str = "l2_url";

/// What PostgreSQL makes of the component's SQL.
const DIALECT: Dialect = Dialect {
    translate: postgres::translate,
    is_about_one_key: postgres::is_about_one_key,
    lock_key: postgres::lock_key,
    lock_all: postgres::LOCK_ALL,
    begin: postgres::BEGIN,
    settings: postgres::SETTINGS,
    is_passing: postgres::is_passing,
};

/// A store for L2.
#[derive(Debug, PartialEq, Eq)]
pub enum L2 {
    File(PathBuf),
    Postgres(Box<PostgresUrl>),
}

impl L2 {
    /// `sqlite:PATH`, or the URL of a PostgreSQL; what nobody names is `default` in the user's data directory.
    pub fn parse(text: Option<&str>, default: &str) -> Result<L2, Failure> {
        let Some(text) = text else { return Ok(L2::File(data_dir::database(None, default)?)) };
        let l2 = match text.split_once(':') {
            Some(("postgres" | "postgresql", _)) => text.parse().map(|url| L2::Postgres(Box::new(url))),
            Some(("sqlite", _)) => file(text).map(L2::File),
            _ => Err("L2 is sqlite:PATH or postgres://USER@HOST/DATABASE".into()),
        };
        l2.map_err(|why| Failure::usage(format!("--l2: {why}")))
    }

    /// What the host is to use.
    pub fn database(self) -> Database {
        match self {
            L2::File(path) => Database::Sqlite(path),
            L2::Postgres(url) => Database::Postgres(url, DIALECT),
        }
    }

    /// Has the component connect to it by itself, as under `spin up`, where it is a PostgreSQL: the one that `text` names.
    pub fn leave_to_component(text: Option<&str>, options: &mut Options) -> Result<(), Failure> {
        let Database::Postgres(url, _) = &options.database else { return Ok(()) };
        let wrong = |why: String| Failure::usage(format!("--l2: {why}"));
        // What the component would say to each request.
        postgres::address(text.unwrap_or_default()).map_err(wrong)?;
        let servers = url.servers().map_err(wrong)?;
        options.allowed_outbound.extend(servers);
        options.variables.insert(L2_URL.into(), text.unwrap_or_default().into());
        options.database = Database::None;
        Ok(())
    }
}

/// Without a password.
impl fmt::Display for L2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            L2::File(path) => path.display().fmt(f),
            L2::Postgres(url) => url.fmt(f),
        }
    }
}

/// `sqlite:PATH`.
pub fn file(text: &str) -> Result<PathBuf, String> {
    match text.split_once(':') {
        Some(("sqlite", "")) => Err("the path is missing: sqlite:PATH".into()),
        Some(("sqlite", path)) => Ok(path.into()),
        _ => Err("L2 is `sqlite:PATH`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores() {
        assert_eq!(L1::parse("memory"), Ok(L1::Memory));
        for text in ["redis://127.0.0.1", "rediss://:s3cret@x:7000/1?prefix=shop:"] {
            assert!(matches!(L1::parse(text), Ok(L1::Redis(_))), "{text}");
        }
        assert_eq!(file("sqlite:a b/c.db"), Ok("a b/c.db".into()));
        for text in ["", "sqlite", "sqlite:", "memory", "/a", "postgres://me@x/y"] {
            assert!(file(text).is_err(), "{text}");
        }
        assert_eq!(L2::parse(Some("sqlite:a b/c.db"), ""), Ok(L2::File("a b/c.db".into())));
        for text in ["postgres://me:s3cret@127.0.0.1/y", "postgresql://me@x:7000/y?pool=4&sslmode=disable"] {
            let l2 = L2::parse(Some(text), "").expect(text);
            assert!(matches!(&l2, L2::Postgres(_)) && !format!("{l2} {l2:?}").contains("s3cret"), "{l2:?}");
        }
    }

    #[test]
    fn a_store_that_is_none_is_a_question_of_usage_and_its_password_is_not_repeated() {
        for text in ["", "redis", "redis:", "redis://", "redis://:s3cret@x/shop", "http://:s3cret@x", "sqlite:x"] {
            let refused = L1::parse(text);
            assert!(matches!(&refused, Err(Failure::Usage(why)) if !why.contains("s3cret")), "{text}: {refused:?}");
        }
        for text in
            ["", "postgres", "sqlite:", "postgres://:s3cret@x/y", "mysql://u:s3cret@x/y", "postgres://u:s3cret@x:p/y"]
        {
            let refused = L2::parse(Some(text), "");
            assert!(matches!(&refused, Err(Failure::Usage(why)) if !why.contains("s3cret")), "{text}: {refused:?}");
        }
    }
}
