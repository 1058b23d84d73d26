//! What the demo's API holds: the resources, and how each may be cached. Nothing here knows of HTTP connections.

use serde_json::{Value, json};

/// One resource as the origin answers for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub body: Value,
    /// `Cache-Control`; none leaves it to the cache's heuristics.
    pub cache_control: Option<&'static str>,
    /// A strong validator. It never changes, since nothing here does.
    pub etag: Option<String>,
    /// Whether `Last-Modified` is sent.
    pub dated: bool,
    /// `Vary`.
    pub vary: Option<&'static str>,
    /// `Content-Language`.
    pub language: Option<&'static str>,
}

/// What `/` says: each endpoint, and what it shows.
pub const ENDPOINTS: [(&str, &str); 12] = [
    ("/posts", "max-age=300, and one minute of stale-while-revalidate"),
    ("/posts/1", "max-age=600; 1 to 100 exist"),
    ("/posts/1/comments", "max-age=30"),
    ("/comments", "max-age=5, s-maxage=120: a shared cache keeps it for longer"),
    ("/users", "max-age=3600"),
    ("/users/1", "max-age=3600; 1 to 10 exist"),
    ("/albums", "no freshness given, only Last-Modified: heuristics"),
    ("/photos", "max-age=86400, about 100 kB"),
    ("/todos", "no-cache: stored, and validated with the origin each time"),
    ("/greeting", "Vary: Accept-Language; en, de and fr"),
    ("/me", "private: not for a shared cache"),
    ("/random", "no-store: different each time"),
];

/// The resource at `path`, in the language that `accept_language` asks for where there is a choice.
pub fn resource(path: &str, accept_language: Option<&str>) -> Option<Resource> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    Some(match segments.as_slice() {
        [""] => cached(index(), "max-age=60", "index"),
        ["posts"] => cached(list(100, post), "max-age=300, stale-while-revalidate=60", "posts"),
        ["posts", id] => {
            let id = number(id, 100)?;
            cached(post(id), "max-age=600", &format!("posts-{id}"))
        }
        ["posts", id, "comments"] => {
            let id = number(id, 100)?;
            cached(list(5, |n| comment(id, n)), "max-age=30", &format!("posts-{id}-comments"))
        }
        ["comments"] => cached(list(50, |n| comment(n.div_ceil(5), n)), "max-age=5, s-maxage=120", "comments"),
        ["users"] => cached(list(10, user), "max-age=3600", "users"),
        ["users", id] => {
            let id = number(id, 10)?;
            cached(user(id), "max-age=3600", &format!("users-{id}"))
        }
        ["albums"] => Resource { cache_control: None, etag: None, ..cached(list(20, album), "", "") },
        ["photos"] => cached(list(1000, photo), "max-age=86400", "photos"),
        ["todos"] => cached(list(20, todo), "no-cache", "todos"),
        ["greeting"] => greeting(accept_language),
        ["me"] => cached(json!({ "user": 1, "mail": "user1@example.org" }), "private, max-age=60", "me"),
        ["random"] => Resource {
            body: json!({ "number": random() }),
            cache_control: Some("no-store"),
            etag: None,
            dated: false,
            vary: None,
            language: None,
        },
        _ => return None,
    })
}

fn cached(body: Value, cache_control: &'static str, etag: &str) -> Resource {
    Resource {
        body,
        cache_control: Some(cache_control),
        etag: Some(format!("\"{etag}\"")),
        dated: true,
        vary: None,
        language: None,
    }
}

fn greeting(accept_language: Option<&str>) -> Resource {
    const GREETINGS: [(&str, &str); 3] = [("en", "Good day"), ("de", "Guten Tag"), ("fr", "Bonjour")];
    // The first that we have, in the order in which they are named: enough for a demo.
    let (language, text) = accept_language
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter_map(|item| item.trim().get(..2))
        .find_map(|wanted| GREETINGS.into_iter().find(|(language, _)| wanted.eq_ignore_ascii_case(language)))
        .unwrap_or(GREETINGS[0]);
    Resource {
        vary: Some("Accept-Language"),
        language: Some(language),
        ..cached(json!({ "language": language, "greeting": text }), "max-age=600", &format!("greeting-{language}"))
    }
}

fn index() -> Value {
    let endpoints = ENDPOINTS
        .into_iter()
        .chain([
            ("/error/503", "always fails; so does any other status from 400 to 599"),
            ("/flaky", "every second request fails; max-age=1, stale-if-error=600"),
        ])
        .map(|(path, shows)| (path.to_string(), shows.into()))
        .collect();
    Value::Object(endpoints)
}

/// `/flaky` when it does not fail.
pub fn flaky() -> Resource {
    cached(json!({ "luck": true }), "max-age=1, stale-if-error=600", "flaky")
}

fn list(length: u32, item: impl Fn(u32) -> Value) -> Value {
    (1..=length).map(item).collect()
}

fn number(text: &str, most: u32) -> Option<u32> {
    let id = text.parse().ok().filter(|id| (1..=most).contains(id))?;
    // `01` and `+1` are other names, and a resource has one.
    (id.to_string() == text).then_some(id)
}

fn post(id: u32) -> Value {
    json!({ "id": id, "userId": id.div_ceil(10), "title": format!("Post {id}"), "body": words(id, 24) })
}

fn comment(post: u32, id: u32) -> Value {
    json!({ "id": id, "postId": post, "mail": format!("reader{id}@example.org"), "body": words(post + id, 12) })
}

fn user(id: u32) -> Value {
    json!({ "id": id, "name": format!("User {id}"), "mail": format!("user{id}@example.org") })
}

fn album(id: u32) -> Value {
    json!({ "id": id, "userId": id.div_ceil(10), "title": format!("Album {id}") })
}

fn photo(id: u32) -> Value {
    json!({ "id": id, "albumId": id.div_ceil(50), "title": format!("Photo {id}"), "url": format!("https://example.org/photos/{id}.jpg") })
}

fn todo(id: u32) -> Value {
    json!({ "id": id, "userId": id.div_ceil(2), "title": format!("To do {id}"), "completed": id.is_multiple_of(3) })
}

fn words(seed: u32, count: usize) -> String {
    const WORDS: [&str; 12] =
        ["water", "runs", "down", "from", "one", "terrace", "to", "the", "next", "and", "never", "back"];
    let start = seed as usize;
    (start..start + count).map(|n| WORDS[n % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

/// A number that is hard to predict, which is all that is asked of it.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_of_the_index_is_there_and_stays_as_it_is() {
        for (path, _) in ENDPOINTS {
            let first = resource(path, None).unwrap_or_else(|| panic!("{path}"));
            if path != "/random" {
                assert_eq!(resource(path, None), Some(first), "{path}");
            }
        }
        assert!(resource("/", None).is_some());
        assert_ne!(resource("/random", None), resource("/random", None));
    }

    #[test]
    fn what_does_not_exist_is_not_there() {
        for path in ["/posts/0", "/posts/101", "/posts/01", "/posts/x", "/posts/", "/users/11", "/nothing", ""] {
            assert_eq!(resource(path, None), None, "{path}");
        }
    }

    #[test]
    fn etags_tell_resources_apart() {
        let etag = |path, language| resource(path, language).and_then(|resource| resource.etag);
        assert_eq!(etag("/posts/1", None).as_deref(), Some("\"posts-1\""));
        assert_ne!(etag("/posts/1", None), etag("/posts/2", None));
        assert_ne!(etag("/greeting", Some("de")), etag("/greeting", Some("fr")));
    }

    #[test]
    fn the_greeting_is_in_the_first_language_we_have() {
        let language = |accept| resource("/greeting", accept).and_then(|resource| resource.language);
        assert_eq!(language(None), Some("en"));
        assert_eq!(language(Some("de-AT, en;q=0.5")), Some("de"));
        assert_eq!(language(Some("nl, FR;q=0.5, *")), Some("fr"));
        assert_eq!(language(Some("é,,*")), Some("en"));
    }
}
