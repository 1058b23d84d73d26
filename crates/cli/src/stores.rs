//! Where the tiers live, as `--l1` and `--l2` say it. `--l1` is read here and not with the other arguments: of a value that is
//! wrong, those repeat all of it, and a URL may hold a password.

use crate::failure::Failure;
use std::path::PathBuf;
use terrace_core::entry::codec;
use terrace_host::{Options, RedisUrl};

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

/// `sqlite:PATH`.
pub fn file(text: &str) -> Result<PathBuf, String> {
    match text.split_once(':') {
        Some(("sqlite", "")) => Err("the path is missing: sqlite:PATH".into()),
        Some(("sqlite", path)) => Ok(path.into()),
        Some(("postgres" | "postgresql", _)) => Err("postgres as L2 is not supported yet; use sqlite:PATH".into()),
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
    }

    #[test]
    fn a_store_that_is_none_is_a_question_of_usage_and_its_password_is_not_repeated() {
        for text in ["", "redis", "redis:", "redis://", "redis://:s3cret@x/shop", "http://:s3cret@x", "sqlite:x"] {
            let refused = L1::parse(text);
            assert!(matches!(&refused, Err(Failure::Usage(why)) if !why.contains("s3cret")), "{text}: {refused:?}");
        }
    }
}
