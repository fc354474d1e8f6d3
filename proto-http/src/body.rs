//! Request bodies: where they end, and their data without framing (RFC 9112 sections 6 and 7).

use std::ops::Range;

use crate::token::is_token_byte;
use crate::{BadRequest, Body};

/// Bounds on what surrounds the data of a chunked body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of chunk extensions in the whole body (RFC 9112 section 7.1.1 asks for a limit).
    pub extension_bytes: usize,
    /// Bytes of the trailer section.
    pub trailer_bytes: usize,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits { extension_bytes: 4096, trailer_bytes: 8192 }
    }
}

/// What one call of [`Decoder::decode`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with, data included.
    pub consumed: usize,
    /// Where in the input the data stands; empty if there was none.
    pub data: Range<usize>,
    /// Where in the input bytes of the trailer section stand, whose lines are right; empty if there were none.
    pub trailer: Range<usize>,
    /// Whether the body is complete.
    pub done: bool,
}

/// Takes a body apart, at whatever places its bytes are split.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    limits: BodyLimits,
    extension_bytes: usize,
    trailer_bytes: usize,
}

/// Where in the grammar of RFC 9112 section 7.1 the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes of a body with a length that are still due.
    Length(u64),
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
        part: Part,
    },
    SizeLf {
        size: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl State {
    fn is_trailer(self) -> bool {
        matches!(
            self,
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf | State::EndLf
        )
    }
}

/// Where in `*( BWS ";" BWS ext-name [ BWS "=" BWS ext-val ] )`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Before a semicolon.
    Between,
    /// After a semicolon.
    BeforeName,
    Name,
    /// White space after a name.
    AfterName,
    /// After the equals sign.
    BeforeValue,
    Value,
    Quoted,
    QuotedPair,
}

/// Digits of a chunk size: sixteen hexadecimal ones fill 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

impl Decoder {
    /// A decoder for a body framed so.
    #[must_use]
    pub fn new(body: Body, limits: BodyLimits) -> Decoder {
        let state = match body {
            Body::None | Body::Length(0) => State::Done,
            Body::Length(length) => State::Length(length),
            Body::Chunked | Body::Coded => State::Size { size: 0, digits: 0 },
        };
        Decoder { state, limits, extension_bytes: 0, trailer_bytes: 0 }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of data that are announced and have not come: of the body if it has a length, of the chunk if not.
    #[must_use]
    pub fn due(&self) -> u64 {
        match self.state {
            State::Length(left) | State::Data(left) => left,
            State::Size { size, .. } | State::Extension { size, .. } | State::SizeLf { size } => size,
            _ => 0,
        }
    }

    /// Takes framing from the front of `input` up to and with the next run of data, or to the end of the body.
    ///
    /// # Errors
    ///
    /// When the framing is broken. Nothing after it can be trusted: the connection has to be closed.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BadRequest> {
        let mut at = 0;
        let mut trailer = None;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Done => break,
                State::Length(left) | State::Data(left) => {
                    let available = (input.len() - at) as u64;
                    let take = left.min(available);
                    let end = at + take as usize;
                    self.state = self.after_data(left - take);
                    return Ok(Step {
                        consumed: end,
                        data: at..end,
                        trailer: end..end,
                        done: self.is_done(),
                    });
                }
                state => {
                    if trailer.is_none() && state.is_trailer() {
                        trailer = Some(at);
                    }
                    self.state = self.framing(state, byte)?;
                }
            }
            at += 1;
        }
        Ok(Step { consumed: at, data: at..at, trailer: trailer.unwrap_or(at)..at, done: self.is_done() })
    }

    fn after_data(&self, left: u64) -> State {
        match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::DataCr,
            (_, left) => State::Data(left),
        }
    }

    /// One byte that is not data.
    fn framing(&mut self, state: State, byte: u8) -> Result<State, BadRequest> {
        match state {
            State::Size { size, digits } => self.size(size, digits, byte),
            State::Extension { size, part } => self.extension(size, part, byte),
            State::SizeLf { size } => match byte {
                b'\n' if size == 0 => Ok(State::TrailerStart),
                b'\n' => Ok(State::Data(size)),
                _ => Err(BadRequest::ChunkSize),
            },
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { size: 0, digits: 0 }),
            State::DataCr | State::DataLf => Err(BadRequest::ChunkData),
            State::EndLf if byte == b'\n' => Ok(State::Done),
            State::EndLf => Err(BadRequest::TrailerField),
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf => {
                self.trailer(state, byte)
            }
            State::Length(_) | State::Data(_) | State::Done => unreachable!("these take no framing"),
        }
    }

    fn size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, BadRequest> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // RFC 9112 section 7.1: a size that does not fit must not wrap (CVE-2013-2028).
            if digits == SIZE_DIGITS_MAX {
                return Err(BadRequest::ChunkTooLarge);
            }
            return Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 });
        }
        match byte {
            _ if digits == 0 => Err(BadRequest::ChunkSize),
            b'\r' => Ok(State::SizeLf { size }),
            b';' => self.extension(size, Part::Between, byte),
            // White space before an extension is allowed by the grammar only as BWS, which senders must not make.
            _ => Err(BadRequest::ChunkSize),
        }
    }

    fn extension(&mut self, size: u64, part: Part, byte: u8) -> Result<State, BadRequest> {
        self.extension_bytes += 1;
        if self.limits.extension_bytes < self.extension_bytes {
            return Err(BadRequest::ExtensionsTooLarge);
        }
        let blank = byte == b' ' || byte == b'\t';
        let next = match part {
            // Bare LF, CR or NUL within an extension end nothing (CVE-2025-55315, CVE-2025-22871).
            Part::Between | Part::Name | Part::AfterName | Part::Value if byte == b'\r' => {
                return Ok(State::SizeLf { size });
            }
            Part::Between | Part::Name | Part::AfterName | Part::Value if byte == b';' => Part::BeforeName,
            Part::BeforeName | Part::Name if is_token_byte(byte) => Part::Name,
            Part::BeforeName if blank => Part::BeforeName,
            Part::Name | Part::AfterName if blank => Part::AfterName,
            Part::Name | Part::AfterName if byte == b'=' => Part::BeforeValue,
            Part::BeforeValue if blank => Part::BeforeValue,
            Part::BeforeValue if byte == b'"' => Part::Quoted,
            Part::BeforeValue | Part::Value if is_token_byte(byte) => Part::Value,
            Part::Value | Part::Between if blank => Part::Between,
            Part::Quoted if byte == b'"' => Part::Between,
            Part::Quoted if byte == b'\\' => Part::QuotedPair,
            Part::Quoted | Part::QuotedPair if is_text(byte) => Part::Quoted,
            _ => return Err(BadRequest::ChunkExtension),
        };
        Ok(State::Extension { size, part: next })
    }

    /// Trailer fields are checked, and change nothing: none of them may say how the message is framed or routed
    /// (RFC 9110 section 6.5.1).
    fn trailer(&mut self, state: State, byte: u8) -> Result<State, BadRequest> {
        self.trailer_bytes += 1;
        if self.limits.trailer_bytes < self.trailer_bytes {
            return Err(BadRequest::TrailersTooLarge);
        }
        match state {
            State::TrailerStart if byte == b'\r' => Ok(State::EndLf),
            State::TrailerStart | State::TrailerName if is_token_byte(byte) => Ok(State::TrailerName),
            State::TrailerName if byte == b':' => Ok(State::TrailerValue),
            State::TrailerValue if byte == b'\r' => Ok(State::TrailerLf),
            State::TrailerValue if is_text(byte) => Ok(State::TrailerValue),
            State::TrailerLf if byte == b'\n' => Ok(State::TrailerStart),
            _ => Err(BadRequest::TrailerField),
        }
    }
}

/// HTAB, SP, VCHAR and obs-text: what a field value and a quoted string may hold.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (b' ' <= byte && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(body: Body, input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), BadRequest> {
        let limits = BodyLimits { extension_bytes: 64, trailer_bytes: 64 };
        let mut decoder = Decoder::new(body, limits);
        let (mut data, mut at) = (Vec::new(), 0);
        while at < input.len() && !decoder.is_done() {
            let end = input.len().min(at + step);
            let found = decoder.decode(&input[at..end])?;
            data.extend_from_slice(&input[at..end][found.data]);
            at += found.consumed;
        }
        Ok((data, at, decoder.is_done()))
    }

    #[test]
    fn good_bodies_are_taken_apart() {
        let cases: &[(Body, &str, &str, usize)] = &[
            (Body::None, "next", "", 0),
            (Body::Length(0), "next", "", 0),
            (Body::Length(3), "abcnext", "abc", 3),
            (Body::Chunked, "0\r\n\r\nnext", "", 5),
            (Body::Chunked, "3\r\nabc\r\n0\r\n\r\nnext", "abc", 13),
            (Body::Chunked, "003\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", 30),
            (Body::Chunked, "3;a\r\nabc\r\n0;b=\"c\\\"\t;\"\r\n\r\n", "abc", 25),
            (Body::Chunked, "3;a=b;c\r\nabc\r\n0\r\n\r\n", "abc", 19),
            (Body::Chunked, "3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\nnext", "abc", 23),
            (Body::Chunked, "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n", "abc", 32),
        ];
        for (body, input, data, consumed) in cases {
            for step in [1, 2, 3, 7, 100] {
                let found = all(*body, input.as_bytes(), step);
                assert_eq!(found, Ok((data.as_bytes().to_vec(), *consumed, true)), "{input:?} by {step}");
            }
        }
    }

    #[test]
    fn broken_bodies_are_refused() {
        use BadRequest::{
            ChunkData, ChunkExtension, ChunkSize, ChunkTooLarge, ExtensionsTooLarge, TrailerField,
            TrailersTooLarge,
        };
        let long_extension = format!("3;{}\r\n", "a".repeat(100));
        let long_trailer = format!("0\r\nA: {}\r\n\r\n", "a".repeat(100));
        let cases: &[(&str, BadRequest)] = &[
            ("Z\r\n", ChunkSize),
            ("\r\n", ChunkSize),
            ("0x5\r\n", ChunkSize),
            ("+5\r\n", ChunkSize),
            ("-5\r\n", ChunkSize),
            (" 5\r\n", ChunkSize),
            ("5 \r\n", ChunkSize),
            ("0_5\r\n", ChunkSize),
            ("5these\r\n", ChunkSize),
            ("5\n", ChunkSize),
            ("5\rx", ChunkSize),
            ("10000000000000005\r\n", ChunkTooLarge),
            ("3\r\nabcd\r\n", ChunkData),
            ("3\r\nabc\n", ChunkData),
            ("3\r\nabc\rx", ChunkData),
            ("3;a\n", ChunkExtension),
            ("3;a\0\r\n", ChunkExtension),
            ("3;\r\n", ChunkExtension),
            ("3;a=\r\n", ChunkExtension),
            ("3;a=\"b\r\n", ChunkExtension),
            ("3;a=\"b\\\r\n", ChunkExtension),
            ("3;a\rb\r\n", ChunkSize),
            (&long_extension, ExtensionsTooLarge),
            ("0\r\nA : b\r\n\r\n", TrailerField),
            ("0\r\n: b\r\n\r\n", TrailerField),
            ("0\r\nA\r\n\r\n", TrailerField),
            ("0\r\nA: b\n\r\n", TrailerField),
            ("0\r\nA: b\r\n c\r\n\r\n", TrailerField),
            ("0\r\nA: \0\r\n\r\n", TrailerField),
            ("0\r\n\n", TrailerField),
            ("0\r\n\rX", TrailerField),
            (&long_trailer, TrailersTooLarge),
        ];
        for (input, expected) in cases {
            for step in [1, 4, 1000] {
                assert_eq!(all(Body::Chunked, input.as_bytes(), step), Err(*expected), "{input:?} by {step}");
            }
        }
    }

    #[test]
    fn unfinished_bodies_are_not_done() {
        for input in ["3\r\nab", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n", "0\r\n\r"] {
            let found = all(Body::Chunked, input.as_bytes(), 5).map(|(_, _, done)| done);
            assert_eq!(found, Ok(false), "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(input in "([0-9a-f]{1,2}|[;=a\"\r\n :]|\r\n|3\r\nabc\r\n){0,12}", step in 1_usize..9) {
            let whole = all(Body::Chunked, input.as_bytes(), input.len().max(1));
            prop_assert_eq!(all(Body::Chunked, input.as_bytes(), step), whole);
        }
    }
}
