//! What can be wrong with the answer of an upstream. For the client all of it is 502 (RFC 9110 section 15.6.3).

use std::fmt;

macro_rules! bad_responses {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// Why a response cannot be passed on. The connection to the upstream cannot be used after any of these.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum BadResponse {
            $($(#[$doc])* $name,)*
        }

        impl BadResponse {
            /// Every cause.
            pub const ALL: &[BadResponse] = &[$(BadResponse::$name),*];

            fn text(self) -> &'static str {
                match self { $(BadResponse::$name => $text,)* }
            }
        }
    };
}

bad_responses! {
    /// It does not begin with `HTTP/1.`: another protocol, HTTP/0.9, or what is left of an earlier response.
    Begin "it does not begin with a status line of HTTP/1";
    /// A status line of another shape.
    StatusLine "its status line is malformed";
    /// Neither HTTP/1.0 nor HTTP/1.1.
    Version "its version is neither HTTP/1.0 nor HTTP/1.1";
    /// Not in 100..=599.
    Status "its status is not a number from 100 to 599";
    /// A CR or LF that is not part of a CR LF.
    LineEnd "a line of its head does not end in CR LF";
    /// A field name that is empty or no token, a line without a colon, or white space before the colon.
    FieldName "a field name is empty or has a byte that is not allowed there";
    /// A line that begins with white space (RFC 9112 section 5.2).
    FieldFolded "a field line begins with white space";
    /// A control or DEL in a field value.
    FieldValue "a field value has a control character";
    /// The head is longer than the limit.
    HeadTooLarge "its head is too large";
    /// More fields than the limit.
    TooManyFields "it has too many fields";
    /// More connection options than anybody has a use for.
    ConnectionOptions "its Connection names too many fields";
    /// A `Content-Length` that is not a decimal number, or does not fit 64 bits.
    ContentLength "its Content-Length is not a decimal number";
    /// More than one `Content-Length`, equal or not.
    ContentLengthRepeated "it has more than one Content-Length";
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.3, item 3).
    LengthAndCoding "it has both Content-Length and Transfer-Encoding";
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 section 6.1).
    CodingInHttp10 "it has Transfer-Encoding in HTTP/1.0";
    /// Any `Transfer-Encoding` other than `chunked`: no other has been asked for (RFC 9112 section 7.4).
    Coding "its Transfer-Encoding is not chunked alone";
    /// 101 without a request for it, or for a protocol that was not asked for (RFC 9110 section 7.8).
    Unasked "it switches protocols without having been asked to";
}

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for BadResponse {}
