//! What the scripted origin answers, faults included.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A barrier: replies wait at it until the test opens it.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[expect(clippy::new_without_default, reason = "a gate is closed or open, neither is a default")]
    pub fn new() -> Gate {
        Gate(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn wait(&self) {
        let mut opened = self.0.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = opened.wait_for(|open| *open).await;
    }
}

/// One thing the origin does while it answers.
#[derive(Clone)]
pub enum Step {
    /// Sends bytes: a part of the body, framed as the reply is.
    Send(Bytes),
    /// Sends bytes as they are, framed by nothing.
    Raw(Bytes),
    /// Waits until the test opens the gate.
    Wait(Gate),
    /// Waits a while.
    Sleep(Duration),
    /// Ends the connection, in order (FIN).
    Cut,
    /// Ends the connection, abruptly (RST).
    Reset,
    /// Never goes on; the connection stays open.
    Hang,
}

/// How the origin says where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Content-Length with the true length.
    True,
    /// Content-Length with this number, true or not.
    Claim(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// By closing the connection.
    Close,
    /// By nothing at all: the status has no body.
    Nothing,
}

/// A scripted answer.
#[derive(Clone)]
pub struct Reply {
    pub(crate) before: Vec<Step>,
    pub(crate) interim: Vec<(u16, Vec<(String, String)>)>,
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) date: bool,
    pub(crate) length: Length,
    pub(crate) body: Vec<Step>,
}

impl Reply {
    /// An answer with this status and an empty body.
    pub fn status(status: u16) -> Reply {
        let length = if matches!(status, 204 | 304) { Length::Nothing } else { Length::True };
        Reply { before: vec![], interim: vec![], status, fields: vec![], date: true, length, body: vec![] }
    }

    /// 200 with this body.
    pub fn ok(body: impl Into<Bytes>) -> Reply {
        Reply::status(200).body(body)
    }

    /// 200 with this body, fresh for a minute.
    pub fn fresh(body: impl Into<Bytes>) -> Reply {
        Reply::ok(body).with("Cache-Control", "max-age=60")
    }

    /// Sets the body to one piece.
    pub fn body(mut self, body: impl Into<Bytes>) -> Reply {
        let body = body.into();
        self.body = if body.is_empty() { vec![] } else { vec![Step::Send(body)] };
        self
    }

    /// Adds a field line.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Sends no Date.
    pub fn dateless(mut self) -> Reply {
        self.date = false;
        self
    }

    /// Does something before the head.
    pub fn before(mut self, step: Step) -> Reply {
        self.before.push(step);
        self
    }

    /// Does something next, in the body.
    pub fn then(mut self, step: Step) -> Reply {
        self.body.push(step);
        self
    }

    /// Sends a piece of body next.
    pub fn send(self, data: impl Into<Bytes>) -> Reply {
        self.then(Step::Send(data.into()))
    }

    /// Frames the body so.
    pub fn length(mut self, length: Length) -> Reply {
        self.length = length;
        self
    }

    /// Frames the body in chunks.
    pub fn chunked(self) -> Reply {
        self.length(Length::Chunked)
    }

    /// Sends an interim response (1xx) first.
    pub fn interim(mut self, status: u16, fields: &[(&str, &str)]) -> Reply {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        self.interim.push((status, fields.collect()));
        self
    }
}
