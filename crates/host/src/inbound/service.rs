//! One request: judged, handed to the guest, answered.
use super::guard::{Link, OpenRequest, REFUSED};
use super::head::{CONTENT_TOO_LARGE, check_path_and_query};
use super::problem::Problem;
use super::reply::Reply;
use super::upload::{Fault, Upload};
use crate::driver::{Answer, Failure, Runner};
use crate::options::Limits;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use wasmtime_wasi_http::WasiBody;

static CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

/// What the requests of one connection have in common.
pub struct Client {
    /// Where requests go.
    pub runner: Runner,
    /// What they may use.
    pub limits: Arc<Limits>,
    /// The client's address, as Spin writes it: `ip:port`.
    pub address: HeaderValue,
    /// Our own address: the authority of a request of HTTP/1.0 that names none.
    pub local: Authority,
    /// The guard's side of the connection.
    pub link: Arc<Link>,
}

impl Client {
    /// Answers one request. It never fails: what goes wrong is an answer, too.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        let head_only = request.method() == Method::HEAD;
        let open = self.link.request();
        let (parts, body) = request.into_parts();
        let has_content = !body.is_end_stream();
        let parts = match self.judge(parts, has_content) {
            Ok(parts) => parts,
            // HTTP/2 would cancel the stream, and the answer with it, if the content were dropped now.
            Err(refusal) => return refusal.response(open, has_content.then_some(body)),
        };
        let (body, fault) = if has_content {
            let fault = Arc::new(Fault::default());
            let upload = Upload::new(body, &self.limits, fault.clone());
            (upload.boxed_unsync(), Some(fault))
        } else {
            (Empty::new().map_err(|e| match e {}).boxed_unsync(), None)
        };
        match self.run(Request::from_parts(parts, body), fault).await {
            Ok(answer) => finish(answer, head_only, open),
            Err(problem) => Refusal::from(problem).response(open, None),
        }
    }

    async fn run(&self, request: Request<WasiBody>, fault: Option<Arc<Fault>>) -> Result<Answer, Problem> {
        let mut running = pin!(self.runner.run(request));
        let result = match fault {
            None => running.await,
            Some(fault) => {
                std::future::poll_fn(|cx| {
                    let answer = running.as_mut().poll(cx);
                    // A guest that reads an unacceptable content may answer that by itself: ours goes first.
                    match fault.poll(cx) {
                        Poll::Ready(problem) => Poll::Ready(Err(problem)),
                        Poll::Pending => answer.map(Ok),
                    }
                })
                .await?
            }
        };
        result.map_err(|failure| match failure {
            Failure::Died => Problem::passing(
                StatusCode::BAD_GATEWAY,
                "the component failed while it answered this request; try again",
            ),
            Failure::Answered => {
                Problem::passing(StatusCode::BAD_GATEWAY, "the component gave no response to this request")
            }
            Failure::Busy => Problem::passing(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests are being answered; try again later",
            ),
            Failure::NoInstance => Problem::passing(
                StatusCode::SERVICE_UNAVAILABLE,
                "no instance of the component could be started; try again",
            ),
        })
    }

    /// Judges what the guard did not, and makes of the request what the guest is to see.
    fn judge(&self, mut parts: Parts, has_content: bool) -> Result<Parts, Refusal> {
        if parts.method.as_str() == REFUSED
            && let Some((problem, head_only)) = self.link.refusal()
        {
            return Err(Refusal { problem, head_only });
        }
        let refuse = |status, detail| Refusal::from(Problem::passing(status, detail));
        let bad = |detail| refuse(StatusCode::BAD_REQUEST, detail);

        if parts.version == Version::HTTP_2 {
            self.judge_http2(&parts)?;
        }
        let uri = parts.uri.into_parts();
        let host = one_host(&parts.headers).map_err(bad)?;
        let authority = match (uri.authority, host) {
            (Some(authority), Some(host)) if parts.version == Version::HTTP_2 => {
                if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) {
                    return Err(bad("Host and :authority differ; send one of them"));
                }
                authority
            }
            // RFC 9112, 3.2.2 has the absolute form outrank Host. A client that means well sends both alike.
            (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
                return Err(bad("the target names another host than the Host field"));
            }
            (Some(authority), _) => authority,
            (None, Some(host)) => {
                Authority::try_from(host.as_bytes()).map_err(|_| bad("the Host field is malformed"))?
            }
            (None, None) if parts.version == Version::HTTP_10 => self.local.clone(),
            (None, None) => return Err(bad("the Host field is missing")),
        };
        if !is_host_and_port(&authority) {
            return Err(bad("the Host field is malformed"));
        }
        let path = uri.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        if has_content && parts.method == Method::TRACE {
            return Err(bad("a TRACE request has no content"));
        }

        if has_content && parts.version == Version::HTTP_2 && !parts.headers.contains_key(CONTENT_LENGTH) {
            // Only the frames tell that there is content; the guest is told in HTTP/1.1's words.
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut target = http::uri::Parts::default();
        target.scheme = Some(Scheme::HTTP);
        target.authority = Some(authority);
        target.path_and_query = Some(path);
        parts.uri = Uri::from_parts(target).map_err(|_| bad("the request target is malformed"))?;
        forget_spin_fields(&mut parts.headers);
        parts.headers.insert(CLIENT_ADDR.clone(), self.address.clone());
        Ok(parts)
    }

    /// What the guard does for HTTP/1.
    fn judge_http2(&self, parts: &Parts) -> Result<(), Problem> {
        if parts.method == Method::CONNECT {
            return Err(Problem::passing(StatusCode::METHOD_NOT_ALLOWED, "this is no tunnel; CONNECT is not allowed"));
        }
        if parts.headers.len() > self.limits.header_count {
            return Err(Problem::passing(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request has too many header fields; send fewer",
            ));
        }
        let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        if target.len() > self.limits.uri_bytes {
            return Err(Problem::passing(
                StatusCode::URI_TOO_LONG,
                "the request target is too long; shorten the path or the query",
            ));
        }
        if target != "*" {
            check_path_and_query(target.as_bytes())?;
        }
        let length = parts.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|n| n > self.limits.body_bytes) {
            return Err(Problem { close: false, ..CONTENT_TOO_LARGE });
        }
        Ok(())
    }
}

struct Refusal {
    problem: Problem,
    /// The refused request was a HEAD, though the one that stands for it is not.
    head_only: bool,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal { problem, head_only: false }
    }
}

impl Refusal {
    fn response(self, open: OpenRequest, unread: Option<Incoming>) -> Response<Reply> {
        let mut response = self.problem.response();
        if self.head_only {
            response.body_mut().clear();
        }
        response.map(|bytes| Reply::refusal(bytes, unread, open))
    }
}

fn one_host(headers: &http::HeaderMap) -> Result<Option<&HeaderValue>, &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (host, None) => Ok(host),
        _ => Err("the Host field is given more than once"),
    }
}

fn is_host_and_port(authority: &Authority) -> bool {
    let text = authority.as_str();
    let host = authority.host();
    !host.is_empty()
        && !text.contains('@')
        && match text.strip_prefix(host) {
            Some("" | ":") => true,
            Some(port) => port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok()),
            None => false,
        }
}

/// A client must not speak for the host: only ours is believed.
fn forget_spin_fields(headers: &mut http::HeaderMap) {
    let is_spin = |name: &HeaderName| name.as_str().starts_with("spin-");
    while let Some(name) = headers.keys().find(|name| is_spin(name)).cloned() {
        headers.remove(name);
    }
}

fn finish(answer: Answer, head_only: bool, open: OpenRequest) -> Response<Reply> {
    let Answer { response, life, turn } = answer;
    if response.status().is_informational() {
        let problem = Problem::passing(StatusCode::BAD_GATEWAY, "the component answered with an interim status");
        return Refusal::from(problem).response(open, None);
    }
    let no_content = head_only
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT);
    let measure = !no_content && !response.headers().contains_key(CONTENT_LENGTH);
    response.map(|body| Reply::stream(body, life, measure, open).keeping(turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port() {
        let judge = |text: &str| Authority::try_from(text).is_ok_and(|a| is_host_and_port(&a));
        for text in ["a", "a:80", "a:", "[::1]", "[::1]:80", "127.0.0.1:1", "xn--a.example"] {
            assert!(judge(text), "{text}");
        }
        for text in ["", ":80", "u@a", "u:p@a:80", "a:b", "a:99999", "a b", "a/b", "[::1", "a:80:81"] {
            assert!(!judge(text), "{text}");
        }
    }

    #[test]
    fn spin_fields_of_a_client_are_forgotten() {
        let mut headers = http::HeaderMap::new();
        for name in ["spin-client-addr", "spin-full-url", "accept", "spin-client-addr"] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        forget_spin_fields(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("accept"));
    }
}
