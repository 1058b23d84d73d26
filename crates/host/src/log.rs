//! What the component writes to its standard streams, a line at a time, into the program's log.
use bytes::Bytes;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line, in bytes; what is longer goes on in the next one.
const LINE: usize = 8 << 10;

/// A standard stream of the component.
#[derive(Clone, Copy, Debug)]
pub enum GuestLog {
    /// What went as it should.
    Stdout,
    /// What somebody should see to.
    Stderr,
}

/// One handle of it, with the line that is not at its end yet.
#[derive(Debug)]
struct Lines(GuestLog, Vec<u8>);

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            self.grow(line);
            self.end();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.grow(bytes);
    }

    fn grow(&mut self, mut bytes: &[u8]) {
        while self.1.len() + bytes.len() > LINE {
            let (fits, rest) = bytes.split_at(LINE - self.1.len());
            self.1.extend_from_slice(fits);
            self.end();
            bytes = rest;
        }
        self.1.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        if !self.1.is_empty() {
            let line = String::from_utf8_lossy(&self.1);
            let line = line.strip_prefix("terrace: ").unwrap_or(&line);
            match self.0 {
                GuestLog::Stdout => tracing::info!("{line}"),
                GuestLog::Stderr => tracing::warn!("{line}"),
            }
            self.1.clear();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines(*self, Vec::new()))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Lines(*self, Vec::new()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_longer_than_its_bound_and_none_is_lost() {
        let mut lines = Lines(GuestLog::Stderr, Vec::new());
        lines.take(&vec![b'x'; 3 * LINE + 5]);
        assert_eq!(lines.1.len(), 5);
        lines.take(b"\nnext\n\nlast");
        assert_eq!(lines.1, b"last");
    }
}
