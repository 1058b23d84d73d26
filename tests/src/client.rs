//! The raw client: it sends what a test writes, byte for byte, and keeps what it gets, line for line.

use crate::PATIENCE;
use crate::host::Host;
use crate::wire::{Fields, Framing, Head, Wire};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    fields: Fields,
    body: Option<Bytes>,
    chunks: Option<Vec<Bytes>>,
}

impl Request {
    /// Any request.
    pub fn new(method: &str, target: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: Fields::default(),
            body: None,
            chunks: None,
        }
    }

    /// A GET.
    pub fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    /// Adds a field line.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Request {
        self.fields.0.push((name.to_owned(), value.into()));
        self
    }

    /// Sends this content with its length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// Sends this content in chunks.
    pub fn chunks(mut self, chunks: &[&[u8]]) -> Request {
        self.chunks = Some(chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect());
        self
    }

    fn encode(&self, authority: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.fields.has("host") {
            head += &format!("Host: {authority}\r\n");
        }
        head += &self.fields.encode();
        match (&self.body, &self.chunks) {
            (Some(body), _) => head += &format!("Content-Length: {}\r\n", body.len()),
            (None, Some(_)) => head += "Transfer-Encoding: chunked\r\n",
            (None, None) => {}
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        for chunk in self.chunks.iter().flatten() {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        if self.chunks.is_some() {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        bytes
    }
}

/// A response as it came.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields.
    pub fields: Fields,
    /// The content.
    pub body: Bytes,
    /// Whether the content came to its declared end.
    pub whole: bool,
    /// The interim responses that came before.
    pub interim: Vec<u16>,
}

impl fmt::Debug for Response {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "HTTP/1.1 {} (whole: {}, interim: {:?})", self.status, self.whole, self.interim)?;
        for (name, value) in &self.fields.0 {
            writeln!(out, "  {name}: {value}")?;
        }
        let shown = &self.body[..self.body.len().min(300)];
        write!(out, "  {} bytes: {}", self.body.len(), String::from_utf8_lossy(shown))
    }
}

impl Response {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// Every value of a field, line by line.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.all(name)
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `X-Cache-Tier`.
    pub fn tier(&self) -> &str {
        self.field("x-cache-tier").unwrap_or_default()
    }

    /// Whether it is a stored response, used as it is and in its time.
    pub fn is_hit(&self) -> bool {
        matches!(self.tier(), "L1-HIT" | "L2-HIT")
    }

    /// Whether nothing stored has a part in it.
    pub fn is_miss(&self) -> bool {
        matches!(self.tier(), "MISS" | "BYPASS")
    }

    /// `Age` as a number.
    pub fn age(&self) -> Option<i64> {
        self.field("age").and_then(|age| age.parse().ok())
    }

    /// Our own member of `Cache-Status`: the last.
    #[track_caller]
    pub fn cache_status(&self) -> CacheStatus {
        CacheStatus::parse(&self.fields.joined("cache-status"))
            .unwrap_or_else(|why| panic!("Cache-Status: {why}\n{self:?}"))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn has_status(&self, status: u16) -> &Response {
        assert_eq!(self.status, status, "the status is not {status}\n{self:?}");
        self
    }

    /// Asserts `X-Cache-Tier`.
    #[track_caller]
    pub fn has_tier(&self, tier: &str) -> &Response {
        assert_eq!(self.tier(), tier, "X-Cache-Tier is not {tier}\n{self:?}");
        self
    }

    /// Asserts a field's lines, joined.
    #[track_caller]
    pub fn has_field(&self, name: &str, value: &str) -> &Response {
        assert_eq!(self.fields.joined(name), value, "{name} is not {value:?}\n{self:?}");
        self
    }

    /// Asserts the lines of a field, where the host keeps them apart; elsewhere, that they were joined (RFC 9110 5.3).
    #[track_caller]
    pub fn has_lines(&self, host: Host, name: &str, lines: &[&str]) -> &Response {
        let joined = lines.join(", ");
        let lines = if host.keeps_field_lines() { lines } else { &[joined.as_str()] };
        assert_eq!(self.all(name), lines, "the lines of {name}\n{self:?}");
        self
    }

    /// Asserts that a field is not there.
    #[track_caller]
    pub fn lacks(&self, name: &str) -> &Response {
        assert!(!self.fields.has(name), "{name} should not be there\n{self:?}");
        self
    }

    /// Asserts the content, which came whole.
    #[track_caller]
    pub fn has_body(&self, body: impl AsRef<[u8]>) -> &Response {
        let body = body.as_ref();
        assert!(self.whole, "the content was cut\n{self:?}");
        let same = self.body == body;
        let wanted = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        assert!(same, "the content is not the {} bytes {wanted:?}\n{self:?}", body.len());
        self
    }

    /// Asserts that it is an error of our own: its status, `Proxy-Status`, and a problem document that is not to be stored.
    #[track_caller]
    pub fn is_problem(&self, status: u16) -> &Response {
        self.has_status(status);
        let kind = self.field("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "no problem document\n{self:?}");
        assert!(self.fields.joined("cache-control").contains("no-store"), "an error may be stored\n{self:?}");
        let problem: serde_json::Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("the problem is not JSON: {why}\n{self:?}"));
        assert_eq!(problem["status"], status, "the problem says another status\n{self:?}");
        assert!(problem["title"].is_string(), "the problem has no title\n{self:?}");
        assert!(problem["instance"].is_string(), "the problem has no request id\n{self:?}");
        assert!(self.fields.joined("cache-status").contains("terrace"), "no Cache-Status\n{self:?}");
        assert!(self.field("x-cache-tier").is_some(), "no X-Cache-Tier\n{self:?}");
        self
    }

    /// The error type in our member of `Proxy-Status`.
    #[track_caller]
    pub fn proxy_error(&self) -> String {
        let status = CacheStatus::parse(&self.fields.joined("proxy-status"))
            .unwrap_or_else(|why| panic!("Proxy-Status: {why}\n{self:?}"));
        status.text("error").unwrap_or_else(|| panic!("Proxy-Status without an error\n{self:?}")).to_owned()
    }
}

/// Our member of Cache-Status (RFC 9211) or Proxy-Status (RFC 9209): parameters by name, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    parameters: BTreeMap<String, String>,
    /// How many members stand before ours.
    pub before: usize,
}

impl CacheStatus {
    fn parse(field: &str) -> Result<CacheStatus, String> {
        let list: sfv::List =
            sfv::Parser::new(field).parse().map_err(|why| format!("{field:?} is no structured list: {why}"))?;
        let Some(sfv::ListEntry::Item(last)) = list.last() else {
            return Err(format!("{field:?} has no member"));
        };
        let name = match &last.bare_item {
            sfv::BareItem::Token(token) => token.as_str().to_owned(),
            sfv::BareItem::String(text) => text.as_str().to_owned(),
            other => return Err(format!("{other:?} is no name")),
        };
        if name != "terrace" {
            return Err(format!("{field:?} does not end with our member"));
        }
        let parameters = last.params.iter().map(|(key, value)| {
            let text = match value {
                sfv::BareItem::Token(token) => token.as_str().to_owned(),
                sfv::BareItem::String(text) => text.as_str().to_owned(),
                sfv::BareItem::Integer(number) => i64::from(*number).to_string(),
                sfv::BareItem::Boolean(flag) => flag.to_string(),
                other => format!("{other:?}"),
            };
            (key.as_str().to_owned(), text)
        });
        Ok(CacheStatus { parameters: parameters.collect(), before: list.len() - 1 })
    }

    /// A parameter as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A parameter as a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.parse().ok())
    }
}

/// The host that requests are for where they do not say.
pub const HOST: &str = "terrace.test";

/// A connection, kept alive.
pub struct Connection {
    authority: String,
    writer: OwnedWriteHalf,
    wire: Wire,
    framing: Framing,
}

impl Connection {
    /// Connects. Requests go to `Host: terrace.test`, since ports change and the host is part of the key.
    pub async fn open(address: SocketAddr) -> Connection {
        let stream = patiently("connecting", TcpStream::connect(address)).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (reader, writer) = stream.into_split();
        Connection { authority: HOST.to_owned(), writer, wire: Wire::new(reader), framing: Framing::Done }
    }

    /// Sends bytes as they are. The other side may hang up before it has read them all.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        patiently("writing", self.writer.write_all(bytes)).await
    }

    /// Sends a request.
    pub async fn request(&mut self, request: &Request) {
        let bytes = request.encode(&self.authority);
        self.write(&bytes).await.expect("the request is taken");
    }

    /// Reads the head of the response to a request with this method; its body is empty so far.
    pub async fn head(&mut self, method: &str) -> io::Result<Response> {
        let mut interim = Vec::new();
        loop {
            let head = patiently("waiting for a head", self.wire.head()).await?;
            let Some(Head { start, fields }) = head else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended without a response"));
            };
            let status = start.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
            let Some(status) = status.filter(|_| start.starts_with("HTTP/1.1 ")) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("status line {start:?}")));
            };
            if status < 200 {
                interim.push(status);
                continue;
            }
            let bodiless = method == "HEAD" || matches!(status, 204 | 304);
            self.framing = if bodiless { Framing::Done } else { Framing::of(&fields, Framing::Close) };
            return Ok(Response { status, fields, body: Bytes::new(), whole: bodiless, interim });
        }
    }

    /// Reads the next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        patiently("waiting for a piece of the body", self.wire.piece(&mut self.framing)).await
    }

    /// Reads the rest of the body into the response.
    pub async fn rest(&mut self, mut response: Response) -> Response {
        let mut body = Vec::from(response.body);
        response.whole = loop {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        response.body = body.into();
        response
    }

    /// Sends a request and reads its response.
    pub async fn send(&mut self, request: &Request) -> Response {
        self.request(request).await;
        let head = self.head(&request.method).await;
        let head = head.unwrap_or_else(|why| panic!("{} {}: {why}", request.method, request.target));
        self.rest(head).await
    }

    /// Sends bytes as they are and reads what comes back; `None` where the connection is closed without a response. The other
    /// side may answer, and hang up, before it has read everything.
    pub async fn raw(&mut self, bytes: &[u8]) -> Option<Response> {
        let sending = async {
            let _ = self.writer.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        let reading = async {
            let head = patiently("waiting for a head", self.wire.head()).await.ok().flatten()?;
            let status = head.start.split(' ').nth(1)?.parse().ok()?;
            let mut framing = Framing::of(&head.fields, Framing::Close);
            let mut body = Vec::new();
            let whole = loop {
                match patiently("waiting for the body", self.wire.piece(&mut framing)).await {
                    Ok(Some(piece)) => body.extend_from_slice(&piece),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            Some(Response { status, fields: head.fields, body: body.into(), whole, interim: vec![] })
        };
        tokio::select! {
            () = sending => None,
            response = reading => response,
        }
    }

    /// Waits until the other side closes the connection; false where it sends something instead.
    pub async fn closed(&mut self) -> bool {
        timeout(PATIENCE, self.wire.closed()).await.expect("the connection is closed in the end")
    }
}

/// Nothing may hang a test for ever.
async fn patiently<T>(what: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} took more than {PATIENCE:?}"))),
    }
}
