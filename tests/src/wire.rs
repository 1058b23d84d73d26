//! HTTP/1.1 as bytes, the little of it that the scripted origin and the raw client share.
//!
//! Both ends of every test are written by hand, so that no library's good manners hide what the program under test does: fields
//! keep their order, repeats and spelling, and a message that is cut is seen to be cut.

use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// Field lines in the order they came, repeats included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every value of a field, line by line.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, v)| v.as_str()).collect()
    }

    /// The lines of a field as one list (RFC 9110 5.3).
    pub fn joined(&self, name: &str) -> String {
        self.all(name).join(", ")
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The lines as they stand in a message.
    pub fn encode(&self) -> String {
        let lines = self.0.iter().map(|(n, v)| format!("{n}: {v}\r\n"));
        lines.collect()
    }
}

/// The head of a message: its first line and its fields.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The request line or the status line.
    pub start: String,
    /// The fields.
    pub fields: Fields,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes more.
    Length(u64),
    /// By the last chunk.
    Chunked,
    /// Where the connection ends.
    Close,
    /// It has ended.
    Done,
}

impl Framing {
    /// What the fields of a message say; `otherwise` where they say nothing.
    pub fn of(fields: &Fields, otherwise: Framing) -> Framing {
        let coding = fields.joined("transfer-encoding").to_ascii_lowercase();
        if coding.ends_with("chunked") {
            return Framing::Chunked;
        }
        match fields.get("content-length").and_then(|text| text.parse().ok()) {
            Some(0) => Framing::Done,
            Some(length) => Framing::Length(length),
            None => otherwise,
        }
    }
}

/// The reading side of a connection.
pub struct Wire {
    stream: OwnedReadHalf,
    buffer: BytesMut,
}

fn cut(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the connection ended in the {what}"))
}

impl Wire {
    /// Reads from `stream`.
    pub fn new(stream: OwnedReadHalf) -> Wire {
        Wire { stream, buffer: BytesMut::new() }
    }

    async fn more(&mut self) -> io::Result<bool> {
        self.buffer.reserve(64 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// The next head, or `None` where the connection ended between messages.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        let mut seen = 0;
        let end = loop {
            let from = usize::saturating_sub(seen, 3);
            let found = self.buffer[from..].windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(at) = found {
                break from + at;
            }
            seen = self.buffer.len();
            if !self.more().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut("head")) };
            }
        };
        let bytes = self.buffer.split_to(end + 4);
        // Field values may be any bytes: Latin-1 keeps each as one character.
        let text: String = bytes[..end].iter().map(|b| char::from(*b)).collect();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut fields = Fields::default();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            fields.0.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Some(Head { start, fields }))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = self.buffer.split_to(at + 2);
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if !self.more().await? {
                return Err(cut("chunk size"));
            }
        }
    }

    /// The next piece of a body, or `None` at its end. An error is a body that was cut.
    pub async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        match framing {
            Framing::Done => Ok(None),
            Framing::Close => {
                if self.buffer.is_empty() && !self.more().await? {
                    *framing = Framing::Done;
                    return Ok(None);
                }
                Ok(Some(self.buffer.split().freeze()))
            }
            Framing::Length(left) => {
                if self.buffer.is_empty() && !self.more().await? {
                    return Err(cut("body"));
                }
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                *left -= take as u64;
                if *left == 0 {
                    *framing = Framing::Done;
                }
                Ok(Some(self.buffer.split_to(take).freeze()))
            }
            Framing::Chunked => {
                let line = self.line().await?;
                let digits = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(digits, 16)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("chunk size {line:?}")))?;
                if size == 0 {
                    while !self.line().await?.is_empty() {}
                    *framing = Framing::Done;
                    return Ok(None);
                }
                while self.buffer.len() < size + 2 {
                    if !self.more().await? {
                        return Err(cut("chunk"));
                    }
                }
                let data = self.buffer.split_to(size).freeze();
                let _ = self.buffer.split_to(2);
                Ok(Some(data))
            }
        }
    }

    /// Waits until the other side closes, or sends something.
    pub async fn closed(&mut self) -> bool {
        self.buffer.is_empty() && !matches!(self.more().await, Ok(true))
    }
}
