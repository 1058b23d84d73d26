//! The demo's origin: a well-behaved HTTP/1.1 server that takes its time over each answer.

use super::data::{self, Resource};
use bytes::Bytes;
use http::header::{
    ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::time::sleep;
use tracing::{debug, info};

/// When everything here was last modified: 2026-01-01T00:00:00Z.
const MODIFIED: Duration = Duration::from_secs(1_767_225_600);

/// The longest content that a request may bring.
const MAX_CONTENT: usize = 64 * 1024;

/// The running origin. It lives as long as the process.
pub struct Origin {
    pub address: SocketAddr,
}

struct Api {
    delay: Duration,
    /// Counts the requests for /flaky.
    flaky: AtomicU32,
}

impl Origin {
    /// Listens, and serves from a thread of its own.
    pub fn start(listen: SocketAddr, delay: Duration) -> io::Result<Origin> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let address = listener.local_addr()?;
        let api = Arc::new(Api { delay, flaky: AtomicU32::new(0) });
        thread::Builder::new().name("demo-origin".into()).spawn(move || runtime.block_on(accept(listener, api)))?;
        Ok(Origin { address })
    }
}

async fn accept(listener: TcpListener, api: Arc<Api>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most likely no file descriptor is left: one may be, a little later.
                debug!(%error, "the demo's origin cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let answer = service_fn(|request| async { Ok::<_, Infallible>(api.answer(request).await) });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(60))
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            if let Err(error) = served {
                debug!(%error, "the demo's origin lost a connection");
            }
        });
    }
}

impl Api {
    async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        sleep(self.delay).await;
        let (head, content) = request.into_parts();
        let path = head.uri.path();
        let response = match head.method {
            Method::GET | Method::HEAD => self.get(path, &head.headers),
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
                match Limited::new(content, MAX_CONTENT).collect().await {
                    Ok(_) => changed(&head.method, path),
                    Err(_) => failed(StatusCode::PAYLOAD_TOO_LARGE),
                }
            }
            _ => {
                let mut response = failed(StatusCode::METHOD_NOT_ALLOWED);
                set(&mut response, ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE");
                response
            }
        };
        info!(method = %head.method, path, status = response.status().as_u16(), "the origin was asked");
        if head.method == Method::HEAD { without_content(response) } else { response }
    }

    fn get(&self, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if let Some(status) = path.strip_prefix("/error/") {
            let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            return failed(
                status.filter(|s| s.is_client_error() || s.is_server_error()).unwrap_or(StatusCode::NOT_FOUND),
            );
        }
        if path == "/flaky" {
            let asked = self.flaky.fetch_add(1, Ordering::Relaxed);
            return if asked.is_multiple_of(2) {
                ok(&data::flaky(), headers)
            } else {
                failed(StatusCode::SERVICE_UNAVAILABLE)
            };
        }
        let language = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        match data::resource(path, language) {
            Some(resource) => ok(&resource, headers),
            None => failed(StatusCode::NOT_FOUND),
        }
    }
}

/// 200 with the resource, or 304 where the client has it (RFC 9110 13.2.2).
fn ok(resource: &Resource, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let mut response = if is_held(resource, headers) {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json_response(StatusCode::OK, &resource.body)
    };
    let modified = resource.dated.then(|| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + MODIFIED));
    let fields = [
        (CACHE_CONTROL, resource.cache_control),
        (ETAG, resource.etag.as_deref()),
        (LAST_MODIFIED, modified.as_deref()),
        (VARY, resource.vary),
        (CONTENT_LANGUAGE, resource.language),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            set(&mut response, name, value);
        }
    }
    response
}

/// If-None-Match goes first; If-Modified-Since counts only without it.
fn is_held(resource: &Resource, headers: &HeaderMap) -> bool {
    let mut tags = headers.get_all(IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        return resource.etag.as_deref().is_some_and(|etag| {
            tags.filter_map(|line| line.to_str().ok())
                .flat_map(|line| line.split(','))
                .map(|tag| tag.trim())
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
        });
    }
    resource.dated
        && headers
            .get(IF_MODIFIED_SINCE)
            .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok())
            .is_some_and(|since| since >= SystemTime::UNIX_EPOCH + MODIFIED)
}

/// A change that is accepted and forgotten, as a sandbox does.
fn changed(method: &Method, path: &str) -> Response<Full<Bytes>> {
    match data::resource(path, None) {
        None => failed(StatusCode::NOT_FOUND),
        Some(_) if method == Method::POST => json_response(StatusCode::CREATED, &json!({ "created": true })),
        Some(_) => json_response(StatusCode::OK, &json!({ "changed": true })),
    }
}

fn failed(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = json_response(status, &json!({ "error": status.canonical_reason().unwrap_or("error") }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, RETRY_AFTER, "1");
    }
    response
}

fn json_response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    response
}

/// What HEAD gets: every field of the GET, the length of its content too.
fn without_content(response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let length = response.body().size_hint().exact().filter(|_| response.status() != StatusCode::NOT_MODIFIED);
    let mut response = response.map(|_| Full::default());
    if let Some(length) = length {
        set(&mut response, CONTENT_LENGTH, &length.to_string());
    }
    response
}

/// Sets a field. The values here are all made of visible ASCII.
fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: http::request::Builder) -> (StatusCode, HeaderMap, Bytes) {
        let api = Api { delay: Duration::ZERO, flaky: AtomicU32::new(0) };
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let response = api.answer(request.body(Full::<Bytes>::default()).unwrap()).await;
            let (head, content) = response.into_parts();
            (head.status, head.headers, content.collect().await.unwrap().to_bytes())
        })
    }

    #[test]
    fn a_condition_that_holds_gets_304() {
        let modified = "Thu, 01 Jan 2026 00:00:00 GMT";
        for (path, name, value, status) in [
            ("/posts/1", IF_NONE_MATCH, "\"posts-1\"", 304),
            ("/posts/1", IF_NONE_MATCH, "\"a\", W/\"posts-1\"", 304),
            ("/posts/1", IF_NONE_MATCH, "*", 304),
            ("/posts/1", IF_NONE_MATCH, "\"posts-2\"", 200),
            ("/posts/1", IF_MODIFIED_SINCE, modified, 304),
            ("/posts/1", IF_MODIFIED_SINCE, "Wed, 31 Dec 2025 23:59:59 GMT", 200),
            ("/posts/1", IF_MODIFIED_SINCE, "yesterday", 200),
            ("/albums", IF_MODIFIED_SINCE, modified, 304),
            ("/random", IF_NONE_MATCH, "*", 200),
        ] {
            let (got, headers, content) = ask(Request::get(path).header(&name, value));
            assert_eq!(got, status, "{path} {name}: {value}");
            assert_eq!(content.is_empty(), status == 304, "{path} {name}: {value}");
            if path == "/posts/1" {
                assert_eq!(headers[ETAG], "\"posts-1\"");
                assert_eq!(headers[LAST_MODIFIED], modified);
                assert_eq!(headers[CACHE_CONTROL], "max-age=600");
            }
        }
        // If-None-Match goes first.
        let request = Request::get("/posts/1").header(IF_NONE_MATCH, "\"other\"").header(IF_MODIFIED_SINCE, modified);
        assert_eq!(ask(request).0, 200);
    }

    #[test]
    fn head_has_the_fields_of_get_and_no_content() {
        let (status, get, content) = ask(Request::get("/users"));
        let (head_status, head, nothing) = ask(Request::head("/users"));
        assert_eq!((head_status, head[CONTENT_LENGTH].to_str().unwrap()), (status, content.len().to_string().as_str()));
        assert!(nothing.is_empty() && get.iter().all(|(name, value)| head[name] == value));
    }

    #[test]
    fn each_answer_says_how_it_may_be_cached() {
        let field =
            |path: &str, name| ask(Request::get(path)).1.get(name).map(|value| value.to_str().unwrap().to_string());
        assert_eq!(field("/random", CACHE_CONTROL).as_deref(), Some("no-store"));
        assert_eq!(field("/me", CACHE_CONTROL).as_deref(), Some("private, max-age=60"));
        assert_eq!(field("/greeting", VARY).as_deref(), Some("Accept-Language"));
        assert_eq!(field("/albums", CACHE_CONTROL), None);
        assert!(field("/posts", CACHE_CONTROL).unwrap().contains("stale-while-revalidate"));
    }

    #[test]
    fn errors_and_changes() {
        assert_eq!(ask(Request::get("/error/503")).0, 503);
        assert_eq!(ask(Request::get("/error/503")).1[RETRY_AFTER], "1");
        assert_eq!(ask(Request::get("/error/418")).0, 418);
        assert_eq!(ask(Request::get("/error/200")).0, 404);
        assert_eq!(ask(Request::get("/none")).0, 404);
        assert_eq!(ask(Request::post("/posts")).0, 201);
        assert_eq!(ask(Request::delete("/posts/1")).0, 200);
        assert_eq!(ask(Request::put("/none")).0, 404);
        assert_eq!(ask(Request::builder().method("TRACE").uri("/posts")).0, 405);
    }

    #[test]
    fn every_second_flaky_answer_fails() {
        let api = Api { delay: Duration::ZERO, flaky: AtomicU32::new(0) };
        let statuses = [(); 4].map(|()| api.get("/flaky", &HeaderMap::new()).status().as_u16());
        assert_eq!(statuses, [200, 503, 200, 503]);
    }
}
