//! What can be wrong with a request, and the answer to it.

use std::fmt;

use crate::Status;

/// The part of a request that is wrong; counted apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The shape of the request line, or its method.
    RequestLine,
    /// The request target.
    Target,
    /// The version of the protocol.
    Version,
    /// A field line.
    Field,
    /// The `Host` field.
    Host,
    /// How long the body is.
    Framing,
    /// The chunked body.
    Chunk,
    /// Any part, for its size.
    TooLarge,
}

macro_rules! bad_requests {
    ($($(#[$doc:meta])* $name:ident = $kind:ident $status:ident $text:literal;)*) => {
        /// Why a request cannot be served. The connection cannot be used after any of these: where
        /// the next request begins is not known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum BadRequest {
            $($(#[$doc])* $name,)*
        }

        impl BadRequest {
            /// Every cause.
            pub const ALL: &[BadRequest] = &[$(BadRequest::$name),*];

            /// The status that answers it.
            #[must_use]
            pub fn status(self) -> Status {
                match self { $(BadRequest::$name => Status::$status,)* }
            }

            /// The part of the request that is wrong.
            #[must_use]
            pub fn kind(self) -> ErrorKind {
                match self { $(BadRequest::$name => ErrorKind::$kind,)* }
            }

            fn text(self) -> &'static str {
                match self { $(BadRequest::$name => $text,)* }
            }
        }
    };
}

bad_requests! {
    /// More than two empty lines before the request line.
    EmptyLines = RequestLine BAD_REQUEST "too many empty lines before the request line";
    /// The method is not a token: this is not HTTP/1.
    Method = RequestLine BAD_REQUEST "the method is not a token; is the client speaking another protocol, such as TLS?";
    /// A method longer than any that exists (RFC 9112 section 3).
    MethodTooLong = RequestLine NOT_IMPLEMENTED "the method is longer than any known one";
    /// Not exactly one space between the parts of the request line.
    RequestLineSpace = RequestLine BAD_REQUEST "the parts of the request line are not separated by one space each";
    /// The request line ends after the target.
    VersionMissing = RequestLine BAD_REQUEST "the request line has no version";
    /// The request line does not end in CR LF.
    RequestLineEnd = RequestLine BAD_REQUEST "the request line does not end in CR LF";
    /// A byte that no target may have: a control, DEL, `#` or one outside ASCII.
    TargetByte = Target BAD_REQUEST "the request target has a byte that must be percent-encoded";
    /// A target of none of the four forms, or of one that the method does not take.
    TargetForm = Target BAD_REQUEST "the request target is not of a form that the method takes";
    /// An absolute target, or that of CONNECT, with user information (RFC 9110 section 4.2.4).
    TargetUserInfo = Target BAD_REQUEST "the request target has user information";
    /// An absolute target, or that of CONNECT, with an empty or invalid host or port.
    TargetAuthority = Target BAD_REQUEST "the request target has an invalid host or port";
    /// The version is not `HTTP/` digit `.` digit.
    Version = Version BAD_REQUEST "the version is malformed";
    /// The major version is not 1.
    VersionUnsupported = Version HTTP_VERSION_NOT_SUPPORTED "the major version is not 1";
    /// A field name that is empty or no token, or a line without a colon.
    FieldName = Field BAD_REQUEST "a field name is empty or has a byte that is not allowed there";
    /// White space between a field name and its colon (RFC 9112 section 5.1).
    FieldSpaceBeforeColon = Field BAD_REQUEST "white space between a field name and its colon";
    /// A field line that begins with white space: before the first field, or a folded line.
    FieldFolded = Field BAD_REQUEST "a field line begins with white space";
    /// A control or DEL in a field value.
    FieldValue = Field BAD_REQUEST "a field value has a control character";
    /// A CR or LF that is not part of a CR LF.
    FieldLineEnd = Field BAD_REQUEST "a field line does not end in CR LF";
    /// More connection options than anybody has a use for.
    ConnectionOptions = Field BAD_REQUEST "Connection names too many fields";
    /// HTTP/1.1 without `Host`.
    HostMissing = Host BAD_REQUEST "the Host field is missing";
    /// More than one `Host` field.
    HostRepeated = Host BAD_REQUEST "more than one Host field";
    /// A `Host` that is not a host with an optional port.
    HostInvalid = Host BAD_REQUEST "the Host field is not a host with an optional port";
    /// A `Content-Length` that is not a decimal number.
    ContentLength = Framing BAD_REQUEST "the Content-Length is not a decimal number";
    /// More than one `Content-Length`, equal or not.
    ContentLengthRepeated = Framing BAD_REQUEST "more than one Content-Length";
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.1).
    LengthAndCoding = Framing BAD_REQUEST "both Content-Length and Transfer-Encoding";
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 section 6.1).
    CodingInHttp10 = Framing BAD_REQUEST "Transfer-Encoding in a request of HTTP/1.0";
    /// A `Transfer-Encoding` that is not a list of names.
    CodingMalformed = Framing BAD_REQUEST "the Transfer-Encoding is malformed";
    /// A coding other than `chunked` before `chunked`.
    CodingUnknown = Framing NOT_IMPLEMENTED "a transfer coding that is not registered";
    /// The last coding is not `chunked`, so that the length of the body is not known.
    CodingNotFinal = Framing BAD_REQUEST "chunked is not the final transfer coding";
    /// `chunked` more than once.
    ChunkedRepeated = Framing BAD_REQUEST "chunked is applied more than once";
    /// A chunk size that is not a hexadecimal number, or a size line that does not end in CR LF.
    ChunkSize = Chunk BAD_REQUEST "a chunk size is malformed";
    /// A chunk size that does not fit 64 bits.
    ChunkTooLarge = Chunk BAD_REQUEST "a chunk size is too large to be true";
    /// A malformed chunk extension.
    ChunkExtension = Chunk BAD_REQUEST "a chunk extension is malformed";
    /// Chunk data that is not followed by CR LF.
    ChunkData = Chunk BAD_REQUEST "a chunk is longer or shorter than its size says";
    /// A malformed trailer field.
    TrailerField = Chunk BAD_REQUEST "a trailer field is malformed";
    /// The target is longer than the limit, or the request line than the head may be.
    TargetTooLong = TooLarge URI_TOO_LONG "the request target is too long";
    /// The head is longer than the limit.
    HeadTooLarge = TooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "the header section is too large";
    /// More fields than the limit.
    TooManyFields = TooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "too many header fields";
    /// A `Content-Length` that does not fit 64 bits.
    ContentLengthTooLarge = TooLarge CONTENT_TOO_LARGE "the Content-Length is too large to be true";
    /// The chunk extensions of a body are longer than the limit.
    ExtensionsTooLarge = TooLarge BAD_REQUEST "the chunk extensions are too large";
    /// The trailer section is longer than the limit.
    TrailersTooLarge = TooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "the trailer section is too large";
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for BadRequest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_answered_as_a_fault_of_the_client_or_as_not_supported() {
        for cause in BadRequest::ALL {
            let status = cause.status();
            assert!(
                status.class() == 4
                    || status == Status::NOT_IMPLEMENTED
                    || status == Status::HTTP_VERSION_NOT_SUPPORTED,
                "{cause:?} is answered by {status}"
            );
            assert!(!cause.to_string().is_empty());
        }
    }
}
