//! Where a request's content ends on an HTTP/1 connection.
//!
//! This follows the same grammar as hyper, which reads the same bytes afterwards, and is never more
//! lenient: where it finds fault, the connection ends.

/// How the content of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no content.
    Empty,
    /// This many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The content is not what its framing says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Most bytes of chunk extensions, and of trailers, in one content.
const MAX_EXTRAS: usize = 16 * 1024;

/// Follows a chunked content to its end without keeping any of it.
#[derive(Debug, Clone)]
pub struct Chunks {
    state: State,
    size: u64,
    extras: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Start,
    /// In the digits.
    Size,
    /// In white space after the digits.
    Space,
    /// In an extension.
    Extension,
    /// Before the LF of the size's line.
    SizeLf,
    /// In the chunk's data.
    Data,
    /// Before the CR after the data.
    DataCr,
    /// Before the LF after the data.
    DataLf,
    /// At the beginning of a trailer line, or of the final empty one.
    LineStart,
    /// In a trailer line.
    Line,
    /// Before the LF of a trailer line.
    LineLf,
    /// Before the last LF.
    EndLf,
}

impl Chunks {
    /// At the beginning of a content.
    pub fn new() -> Self {
        Chunks { state: State::Start, size: 0, extras: 0 }
    }

    /// Takes the next bytes. Returns how many belong to the content, and whether it ended with them.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Data {
                let left = (bytes.len() - at) as u64;
                let taken = left.min(self.size);
                self.size -= taken;
                at += taken as usize;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let byte = bytes[at];
            at += 1;
            if self.state == State::EndLf {
                return if byte == b'\n' { Ok((at, true)) } else { Err(Malformed) };
            }
            self.state = self.step(byte)?;
        }
        Ok((at, false))
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                if self.state == State::Start {
                    self.size = 0;
                }
                self.size = self.size.checked_mul(16).ok_or(Malformed)? + u64::from(digit);
                State::Size
            }
            (State::Size | State::Space, b' ' | b'\t') => {
                self.extra()?;
                State::Space
            }
            (State::Size | State::Space, b';') => State::Extension,
            (State::Size | State::Space | State::Extension, b'\r') => State::SizeLf,
            (State::Extension, byte) if byte != b'\n' => {
                self.extra()?;
                State::Extension
            }
            (State::SizeLf, b'\n') if self.size == 0 => State::LineStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::LineStart, b'\r') => State::EndLf,
            (State::LineStart | State::Line, byte) => {
                self.extra()?;
                if byte == b'\r' { State::LineLf } else { State::Line }
            }
            (State::LineLf, b'\n') => State::LineStart,
            _ => return Err(Malformed),
        })
    }

    fn extra(&mut self) -> Result<(), Malformed> {
        self.extras += 1;
        if self.extras > MAX_EXTRAS { Err(Malformed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        Chunks::new().advance(bytes)
    }

    #[test]
    fn a_content_ends_where_its_last_chunk_says() {
        let next = b"GET / HTTP/1.1\r\n";
        for content in [
            &b"0\r\n\r\n"[..],
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5;a=b;c=\"d\"\r\nhello\r\n00\r\n\r\n",
            b"5 \t\r\nhello\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n",
            b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            b"2\r\n\r\n\r\n0\r\n\r\n",
        ] {
            let mut stream = content.to_vec();
            stream.extend_from_slice(next);
            assert_eq!(whole(&stream), Ok((content.len(), true)));
            // The same, byte by byte.
            let mut chunks = Chunks::new();
            for (i, byte) in content.iter().enumerate() {
                let last = i + 1 == content.len();
                assert_eq!(chunks.advance(std::slice::from_ref(byte)), Ok((1, last)));
            }
        }
    }

    #[test]
    fn a_malformed_content_is_told() {
        for content in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\nhello",
            b"5\nhello\r\n",
            b"5\r\nhello0\r\n",
            b"5\r\nhello\n0\r\n",
            b"5;a\nb\r\n",
            b"5 5\r\n",
            b";a\r\n",
            b"0\r\n\rx",
            b"0\r\na: b\rx",
            b"10000000000000000\r\n",
        ] {
            assert_eq!(whole(content), Err(Malformed), "{}", content.escape_ascii());
        }
        let long = [&b"5;"[..], &vec![b'a'; MAX_EXTRAS + 1]].concat();
        assert_eq!(whole(&long), Err(Malformed));
    }
}
