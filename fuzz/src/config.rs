//! The text of `terrace.toml`, and an origin from outside of it.
//!
//! Input: the text.

use terrace_core::config::Config;

/// More is taken, but finds nothing new.
const MOST: usize = 8192;

pub fn holds(data: &[u8]) {
    let Some(text) = std::str::from_utf8(data).ok().filter(|text| text.len() <= MOST) else { return };
    reads(text);
    if let Some(line) = text.lines().next() {
        origin(line);
    }
}

/// Reading ends with a configuration, or with errors that can be shown and have their place in the text.
pub fn reads(text: &str) {
    match Config::parse(text, "t.toml") {
        Ok(config) => {
            config.policy("/a");
            config.secrets().for_each(drop);
            assert_eq!(Config::parse(&format!("{text}\n# comment\n"), "t.toml").as_ref(), Ok(&config), "a comment");
            assert!(Config::parse(&format!("{text}\n[unheard-of]\n"), "t.toml").is_err(), "nothing is ignored");
            let json = config.to_json().unwrap();
            assert_eq!(Config::from_json(&json).ok().as_ref(), Some(&config), "{json}");
            let policies = config.routes.iter().map(|route| &route.policy).chain([&config.default_policy]);
            let longest = config.l1.max_ttl.max(config.l2.max_ttl);
            for policy in policies {
                assert!(policy.ttl.is_none_or(|ttl| ttl <= longest) && policy.default_ttl <= longest, "{policy:?}");
                assert!(policy.negative_ttl.iter().all(|(status, ttl)| (400..600).contains(status) && *ttl <= longest));
            }
            assert!(config.l1.min_size <= config.l1.max_size);
            assert!(config.l1.max_size <= config.l2.max_size && config.origin.connect_timeout <= config.origin.timeout);
        }
        Err(errors) => {
            assert!(errors.iter().next().is_some());
            let lines = text.split('\n').count();
            for error in &errors {
                assert!((1..=lines).contains(&error.line), "{error:?}");
                let line = text.split('\n').nth(error.line - 1).unwrap_or_default();
                assert!((1..=line.chars().count() + 2).contains(&error.column), "{error:?}");
            }
            assert!(!errors.to_string().is_empty());
        }
    }
}

/// What is taken for an origin is one: a place, and nothing beside it.
pub fn origin(text: &str) {
    let mut config = Config::default();
    if config.set_origin(text).is_ok() {
        let url = config.origin.url.unwrap();
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host());
        assert!(url.username().is_empty() && url.password().is_none());
        assert!(url.query().is_none() && url.fragment().is_none());
    }
}
