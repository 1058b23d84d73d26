//! The messages that walk through the core (RFC 9110 6): heads are plain data, a body may be the host's own stream.

use crate::fields::Fields;
use bytes::Bytes;
use http::{Method, StatusCode};
use std::net::IpAddr;
use std::time::Duration;

/// A message body. A `Stream` that nobody needs to read passes through untouched.
#[derive(Debug)]
pub enum Body<S> {
    /// No content.
    Empty,
    /// Content that is in memory already.
    Full(Bytes),
    /// The host's own stream.
    Stream(S),
}

/// A request as the host received it.
#[derive(Debug)]
pub struct Request<S> {
    /// Its method.
    pub method: Method,
    /// `http` or `https`, as the client used it.
    pub scheme: &'static str,
    /// Host and port as the client named them (RFC 9110 7.2); empty where it sent none.
    pub authority: String,
    /// Path and query as sent, beginning with `/`.
    pub target: String,
    /// Its fields.
    pub fields: Fields,
    /// Its content.
    pub body: Body<S>,
    /// Who sent it, where the host knows.
    pub client: Option<IpAddr>,
}

impl<S> Request<S> {
    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query without its `?`, where there is one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

/// A response, ours or the origin's. Content-Length is a field where the size is known.
#[derive(Debug)]
pub struct Response<S> {
    /// Its status code (100-999; a final one: 200 and above).
    pub status: StatusCode,
    /// Its fields.
    pub fields: Fields,
    /// Its content.
    pub body: Body<S>,
}

/// What goes to the origin. Built by `upstream`, so that it can name no other host than the configured one (DESIGN.md, decision 4).
#[derive(Debug)]
pub struct OriginRequest<S> {
    pub(crate) method: Method,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) target: String,
    pub(crate) fields: Fields,
    pub(crate) body: Body<S>,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
}

impl<S> OriginRequest<S> {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host and, where it is not the scheme's own, port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, beginning with `/`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// How long a connection may take to open.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// How long the response may take to begin, and how long its content may pause.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Fields and content, handed over.
    pub fn into_parts(self) -> (Fields, Body<S>) {
        (self.fields, self.body)
    }
}
