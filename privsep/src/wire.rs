//! Values to bytes and back: one frame, bounded, with a single encoding for every value.
//!
//! Numbers are little-endian; a text, a list of bytes or a list of values has its length before it as u32; an
//! optional value has a byte 0 or 1 before it. Decoding is total: whatever the bytes, it gives a value or a
//! [`BadFrame`], and never reserves memory for more items than there are bytes.

use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use zeroize::Zeroizing;

/// Most bytes of one frame.
pub const FRAME_MAX: usize = 64 * 1024;

/// Room that a frame begins with, in bytes.
const ROOM: usize = 1024;

/// Why bytes are no frame. Whoever sent them is broken or hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// It ends within a value.
    Short,
    /// Bytes follow after the last value.
    Long,
    /// No message has this number.
    Tag(u8),
    /// A byte that stands for yes or no is neither.
    Flag(u8),
    /// A text is not UTF-8.
    Text,
    /// It came with another number of descriptors than the message has.
    Descriptors {
        /// How many came.
        got: usize,
        /// How many the message has.
        wanted: usize,
    },
    /// The message may not come now.
    Turn,
    /// More than [`FRAME_MAX`] bytes, or more descriptors than any message has.
    Oversize,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the frame ends within a value"),
            Self::Long => f.write_str("bytes follow after the last value of the frame"),
            Self::Tag(tag) => write!(f, "no message has the number {tag}"),
            Self::Flag(byte) => write!(f, "{byte} is neither yes (1) nor no (0)"),
            Self::Text => f.write_str("a text is not UTF-8"),
            Self::Descriptors { got, wanted } => write!(f, "{got} descriptors came instead of {wanted}"),
            Self::Turn => f.write_str("the message may not come now"),
            Self::Oversize => {
                write!(f, "the frame is larger than {FRAME_MAX} bytes or has too many descriptors")
            }
        }
    }
}

impl std::error::Error for BadFrame {}

/// What can be part of a frame.
pub trait Wire: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes a value off the front.
    ///
    /// # Errors
    /// [`BadFrame`] when there is none.
    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame>;
}

/// The bytes of a frame that are not read yet.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], BadFrame> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(BadFrame::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadFrame> {
        let (head, rest) = self.0.split_first_chunk().ok_or(BadFrame::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn counted(&mut self) -> Result<&'a [u8], BadFrame> {
        let count = u32::take(self)?;
        self.bytes(count as usize)
    }
}

/// All of a frame as one value.
///
/// # Errors
/// [`BadFrame`] unless the bytes are the one encoding of a value.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, BadFrame> {
    let mut reader = Reader(bytes);
    let value = T::take(&mut reader)?;
    if reader.0.is_empty() { Ok(value) } else { Err(BadFrame::Long) }
}

/// The bytes of a frame, wiped when they are dropped: some have secrets in them. There is room for all of it from the
/// start, so that no copy stays behind where it has grown.
pub(crate) fn encode_frame<T: Wire>(value: &T) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(FRAME_MAX));
    value.put(&mut out);
    out
}

/// The bytes of a value.
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    // Room for a login, so that no copy of its secret stays behind where a smaller one was.
    let mut out = Vec::with_capacity(ROOM);
    value.put(&mut out);
    out
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Wire for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
                input.array().map(Self::from_le_bytes)
            }
        }
    )*};
}

numbers!(u16, u32, u64);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        match input.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(BadFrame::Flag(other)),
        }
    }
}

/// One byte that names a variant: for the macros of messages, and for enums without fields.
pub(crate) fn take_tag(input: &mut Reader<'_>) -> Result<u8, BadFrame> {
    input.array().map(|[tag]| tag)
}

fn put_counted(bytes: &[u8], out: &mut Vec<u8>) {
    // A frame is smaller than that by far; one that is not is refused when it is sent.
    let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    count.put(out);
    out.extend_from_slice(bytes);
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_counted(self.as_bytes(), out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        let bytes = input.counted()?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| BadFrame::Text)
    }
}

impl Wire for PathBuf {
    fn put(&self, out: &mut Vec<u8>) {
        put_counted(self.as_os_str().as_bytes(), out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        let bytes = input.counted()?.to_vec();
        Ok(std::ffi::OsString::from_vec(bytes).into())
    }
}

/// Bytes that are no text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_counted(&self.0, out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        input.counted().map(|bytes| Self(bytes.to_vec()))
    }
}

/// Bytes that nobody else is to see: wiped when they are dropped, and not shown. They travel as [`Bytes`] do.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// To be compared.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Wire for Secret {
    fn put(&self, out: &mut Vec<u8>) {
        put_counted(&self.0, out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        input.counted().map(|bytes| Self::new(bytes.to_vec()))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        if bool::take(input)? { T::take(input).map(Some) } else { Ok(None) }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(out);
        for value in self {
            value.put(out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, BadFrame> {
        let count = u32::take(input)? as usize;
        // Every item has a byte at least: a count beyond that is a lie, and must not cost memory.
        if count > input.0.len() {
            return Err(BadFrame::Short);
        }
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(T::take(input)?);
        }
        Ok(values)
    }
}

/// Declares structs that can be part of frames: their fields in the order of the declaration.
macro_rules! records {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)+ }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $kind,)+ }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
            }

            fn take(input: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::BadFrame> {
                Ok(Self { $($field: $crate::wire::Wire::take(input)?,)+ })
            }
        }
    )+};
}

/// Declares enums that can be part of frames: each variant has a number, which never gets another meaning.
macro_rules! variants {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $tag:literal $variant:ident
                $({ $($(#[$field_meta:meta])* $field:ident: $kind:ty,)+ })?
            ,)+
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "messages are few and do not live long")]
        pub enum $name {
            $($(#[$variant_meta])* $variant $({ $($(#[$field_meta])* $field: $kind,)+ })?,)+
        }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field,)+ })? => {
                        out.push($tag);
                        $($($field.put(out);)+)?
                    })+
                }
            }

            fn take(input: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::BadFrame> {
                match $crate::wire::take_tag(input)? {
                    $($tag => Ok(Self::$variant $({ $($field: $crate::wire::Wire::take(input)?,)+ })?),)+
                    other => Err($crate::wire::BadFrame::Tag(other)),
                }
            }
        }
    )+};
}

pub(crate) use {records, variants};

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macros declare what is public elsewhere")]
mod tests {
    use super::*;

    records! {
        /// A value of every kind.
        pub struct Sample {
            /// A number.
            number: u32,
            /// A text.
            text: String,
            /// A list in an option.
            list: Option<Vec<u16>>,
            /// A flag.
            flag: bool,
        }
    }

    variants! {
        /// One variant of each form.
        pub enum Choice {
            /// Without fields.
            1 Empty,
            /// With fields.
            7 Full {
                /// A record.
                sample: Sample,
                /// A path.
                path: PathBuf,
            },
        }
    }

    #[test]
    fn values_come_back() {
        let sample = Sample { number: 7, text: "ü".to_owned(), list: Some(vec![1, 2]), flag: true };
        for value in [Choice::Empty, Choice::Full { sample, path: PathBuf::from("/a") }] {
            assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }

    #[test]
    fn secrets_travel_as_bytes_and_are_not_shown() {
        let secret = Secret::new(b"pw".to_vec());
        assert_eq!(encode(&secret), encode(&Bytes(b"pw".to_vec())));
        assert_eq!(*encode_frame(&secret), encode(&secret));
        assert_eq!(decode::<Secret>(&encode(&secret)).unwrap().bytes(), b"pw");
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn other_bytes_are_refused() {
        let sample = |list: &[u8], flag: u8| [&[7, 0, 0, 0, 1, 0, 0, 0, b'x'][..], list, &[flag]].concat();
        let cases: &[(&[u8], BadFrame)] = &[
            (b"", BadFrame::Short),
            (&[7, 0, 0], BadFrame::Short),
            (&sample(&[2], 0), BadFrame::Flag(2)),
            (&sample(&[0], 3), BadFrame::Flag(3)),
            (&[7, 0, 0, 0, 1, 0, 0, 0, 0xff, 0, 0], BadFrame::Text),
            (&[7, 0, 0, 0, 255, 255, 255, 255, b'x', 0, 0], BadFrame::Short),
            // Four thousand million items would take as many bytes.
            (&sample(&[1, 255, 255, 255, 255], 0), BadFrame::Short),
            (&[&sample(&[0], 0)[..], &[0]].concat(), BadFrame::Long),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(decode::<Sample>(bytes), Err(*wanted), "{bytes:?}");
        }
        assert_eq!(decode::<Choice>(&[2]), Err(BadFrame::Tag(2)));
        assert_eq!(decode::<Choice>(&[1, 1]), Err(BadFrame::Long));
    }
}
