//! The answers this host makes by itself: JSON problem documents (RFC 9457).
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use std::hash::{BuildHasher, Hasher, RandomState};

/// One answer this host makes without, or in place of, the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The status code.
    pub status: StatusCode,
    /// One sentence: what was wrong with this request, and what would be right.
    pub detail: &'static str,
    /// Whether the connection can go on after it.
    pub close: bool,
}

impl Problem {
    /// A problem after which nothing more can be read from the connection.
    pub const fn closing(status: StatusCode, detail: &'static str) -> Self {
        Problem { status, detail, close: true }
    }

    /// A problem of this request alone.
    pub const fn passing(status: StatusCode, detail: &'static str) -> Self {
        Problem { status, detail, close: false }
    }

    /// The document. `status` and `detail` hold no character JSON would escape.
    fn document(&self, id: &str) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{},\"detail\":\"{}\",\"instance\":\"{id}\"}}\n",
            self.status.as_u16(),
            self.detail
        )
    }

    /// What happened, in the words of RFC 9209 2.3, and as the component would report it.
    fn report(&self) -> [(HeaderName, HeaderValue); 5] {
        let (proxy, cache) = match self.status.is_client_error() {
            true => ("terrace; error=http_request_error", "terrace; detail=http_request_error"),
            false => ("terrace; error=proxy_internal_error", "terrace; detail=proxy_internal_error"),
        };
        [
            ("proxy-status", proxy),
            ("cache-status", cache),
            ("x-cache-tier", "MISS"),
            ("x-cache", "MISS"),
            ("via", "1.1 terrace"),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
    }

    /// The response, with its document as body; the log has its id.
    pub fn response(&self) -> Response<Bytes> {
        let id = format!("urn:terrace:{:016x}", RandomState::new().build_hasher().finish());
        tracing::debug!("{id}: {}: {}", self.status.as_u16(), self.detail);
        let mut response = Response::new(Bytes::from(self.document(&id)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.report());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
                headers.insert(ALLOW, allow);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The response as bytes, for a connection that no HTTP server has been given to.
    pub fn raw(&self) -> Vec<u8> {
        let response = self.response();
        let mut out =
            format!("HTTP/1.1 {} {}\r\n", self.status.as_u16(), self.status.canonical_reason().unwrap_or("Error"))
                .into_bytes();
        for (name, value) in response.headers() {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        let body = response.body();
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_json_and_is_never_stored() {
        let problem = Problem::closing(StatusCode::URI_TOO_LONG, "the request target is too long");
        let response = problem.response();
        let json: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
        assert_eq!(json["status"], 414);
        assert_eq!(json["title"], "URI Too Long");
        let id = json["instance"].as_str().expect("an id");
        assert!(id.len() == 28 && problem.document(id) != problem.document("another"), "{id}");
        assert_eq!(response.headers()["proxy-status"], "terrace; error=http_request_error");
        assert_eq!(response.headers()["x-cache-tier"], "MISS");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["connection"], "close");
        let raw = String::from_utf8(problem.raw()).expect("text");
        assert!(raw.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{raw}");
    }
}
