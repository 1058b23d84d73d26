//! What is under `/_terrace`, however it is written.

use super::support::*;
use http::Method;

/// RFC 3986 6.2.2.2: what needs no percent-encoding is the same with it. RFC 3986 2.2: a reserved character is not.
#[test]
fn what_is_our_own_never_reaches_the_origin_however_it_is_written() {
    let token = ("authorization", "Bearer t0ken");
    let mut cache = Cache::new("[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n");
    for own in ["/%5fterrace", "/%5Fterrace/", "/_%74errace/x", "/%5F%74%65rrace?x", "/_terrace/%70urge/x", "/_terrace"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(cache.send(method, own, &[token]).status, 404, "{own}");
        }
    }
    assert_eq!(cache.send(Method::GET, "/%5Fterrace/metrics", &[token]).status, 200);
    assert_eq!(cache.send(Method::GET, "/%5Fterrace/%70urge", &[token]).status, 405);
    assert_eq!(cache.asked(), 0);
    for other in ["/_terrace%2Fpurge", "/_terraced", "/%255fterrace/purge", "/_TERRACE/purge"] {
        cache.respond(200, &[], "the API's");
        assert_eq!(cache.get(other).text(), "the API's", "{other}");
    }
}
