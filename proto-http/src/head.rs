//! The head of a request: what its request line and field lines say (RFC 9112 sections 2 to 6).

use crate::field::{Field, Known};
use crate::host::Located;
use crate::target::Target;
use crate::{Method, Request, Version};

/// Bounds on a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole head with its line ends, and of any empty lines before it.
    pub head_bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Number of field lines.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head_bytes: 32 * 1024, target_bytes: 8 * 1024, fields: 128 }
    }
}

/// A part of the buffer that holds a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Offsets fit: the parser looks at no more than `u32::MAX` bytes.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// This and what follows it at once.
    #[inline]
    pub(crate) fn with(self, next: Span) -> Span {
        debug_assert!(self.end == next.start, "one follows the other");
        Span { start: self.start, end: next.end }
    }

    /// The bytes, out of the buffer that was parsed.
    #[must_use]
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        &buf[self.start()..self.end()]
    }
}

/// How the end of a request's body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    #[default]
    None,
    /// After as many bytes, at least one.
    Length(u64),
    /// It is chunked.
    Chunked,
    /// It is chunked, and what the chunks hold is in other transfer codings, which nothing here undoes. Where it
    /// ends is certain, so it can be passed over; who needs the content answers 501 (RFC 9112 section 6.1).
    Coded,
}

/// What a call to [`HeadParser::parse`](crate::HeadParser::parse) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The head is right as far as it goes, but not complete.
    NeedMore,
    /// The head is complete.
    Done {
        /// Its bytes, with any empty lines before it and the one that ends it.
        len: usize,
    },
}

/// A parsed head, as offsets into the buffer that it was parsed from. To be used again for the next
/// request: its memory is kept.
#[derive(Debug, Default)]
pub struct Head {
    pub(crate) method: Method,
    pub(crate) method_name: Span,
    pub(crate) target: Target,
    pub(crate) version: Version,
    pub(crate) authority: Option<Located>,
    pub(crate) body: Body,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) fields: Vec<Field>,
    /// Bits of the known names among the fields, and of those that are there more than once.
    seen: u64,
    repeated: u64,
    /// Where in `fields` the first of each name is; holds only for names that are seen.
    first: [u16; Known::COUNT],
}

impl Head {
    /// An empty head.
    #[must_use]
    pub fn new() -> Head {
        Head::default()
    }

    /// The request that was parsed from this buffer, which has to be the one given to the call of
    /// [`HeadParser::parse`](crate::HeadParser::parse) that was [`Progress::Done`].
    #[must_use]
    pub fn view<'a>(&'a self, buf: &'a [u8]) -> Request<'a> {
        Request::new(self, buf)
    }

    /// Whether a field of this name is there.
    #[inline]
    pub(crate) fn has(&self, name: Known) -> bool {
        self.seen & name.bit() != 0
    }

    #[inline]
    pub(crate) fn is_repeated(&self, name: Known) -> bool {
        self.repeated & name.bit() != 0
    }

    /// The first field of this name.
    #[inline]
    pub(crate) fn first(&self, name: Known) -> Option<&Field> {
        if self.has(name) { self.fields.get(usize::from(self.first[name as usize])) } else { None }
    }

    /// Fields with all those of this name among them.
    #[inline]
    pub(crate) fn all(&self, name: Known) -> &[Field] {
        if !self.has(name) {
            return &[];
        }
        let first = usize::from(self.first[name as usize]);
        let end = if self.is_repeated(name) { self.fields.len() } else { first + 1 };
        self.fields.get(first..end).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.authority = None;
        self.fields.clear();
        self.seen = 0;
        self.repeated = 0;
    }

    #[inline]
    pub(crate) fn push(&mut self, name: Span, value: Span, known: Known) {
        if known != Known::Other {
            let bit = known.bit();
            if self.seen & bit == 0 {
                self.first[known as usize] = self.fields.len() as u16;
            }
            self.repeated |= self.seen & bit;
            self.seen |= bit;
        }
        self.fields.push(Field { name, value, known });
    }
}
