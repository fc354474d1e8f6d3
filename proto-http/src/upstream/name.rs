//! The names of response fields that the server knows.

use crate::field::is_folded;

macro_rules! names {
    ($($name:ident $text:literal),* $(,)?) => {
        /// A name of a response field that is looked up or not passed on as it is. Names compare without regard to case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// Any other name.
            Other,
        }

        impl Name {
            /// Every known name in its usual spelling.
            pub const ALL: &[(Name, &str)] = &[$((Name::$name, $text)),*];
        }
    };
}

names! {
    AcceptRanges "Accept-Ranges",
    Age "Age",
    Allow "Allow",
    CacheControl "Cache-Control",
    Connection "Connection",
    ContentEncoding "Content-Encoding",
    ContentLength "Content-Length",
    ContentRange "Content-Range",
    ContentType "Content-Type",
    Date "Date",
    ETag "ETag",
    Expires "Expires",
    KeepAlive "Keep-Alive",
    LastModified "Last-Modified",
    Location "Location",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyConnection "Proxy-Connection",
    RetryAfter "Retry-After",
    Server "Server",
    SetCookie "Set-Cookie",
    Te "TE",
    Trailer "Trailer",
    TransferEncoding "Transfer-Encoding",
    Upgrade "Upgrade",
    Vary "Vary",
    Via "Via",
    XAccelBuffering "X-Accel-Buffering",
    XAccelRedirect "X-Accel-Redirect",
    XSendfile "X-Sendfile",
}

impl Name {
    /// One bit per name.
    #[inline]
    pub(crate) fn bit(self) -> u64 {
        1 << self as u32
    }

    /// What the name is known as; the name is a token.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Name {
        use Name::*;
        match name.len() {
            2 => among(name, [(b"te", Te)]),
            3 => among(name, [(b"age", Age), (b"via", Via)]),
            4 => among(name, [(b"date", Date), (b"etag", ETag), (b"vary", Vary)]),
            5 => among(name, [(b"allow", Allow)]),
            6 => among(name, [(b"server", Server)]),
            7 => among(name, [(b"expires", Expires), (b"upgrade", Upgrade), (b"trailer", Trailer)]),
            8 => among(name, [(b"location", Location)]),
            10 => among(
                name,
                [
                    (b"connection", Connection),
                    (b"set-cookie", SetCookie),
                    (b"keep-alive", KeepAlive),
                    (b"x-sendfile", XSendfile),
                ],
            ),
            11 => among(name, [(b"retry-after", RetryAfter)]),
            12 => among(name, [(b"content-type", ContentType)]),
            13 => among(
                name,
                [
                    (b"cache-control", CacheControl),
                    (b"last-modified", LastModified),
                    (b"accept-ranges", AcceptRanges),
                    (b"content-range", ContentRange),
                ],
            ),
            14 => among(name, [(b"content-length", ContentLength)]),
            16 => among(
                name,
                [
                    (b"content-encoding", ContentEncoding),
                    (b"proxy-connection", ProxyConnection),
                    (b"x-accel-redirect", XAccelRedirect),
                ],
            ),
            17 => among(
                name,
                [(b"transfer-encoding", TransferEncoding), (b"x-accel-buffering", XAccelBuffering)],
            ),
            18 => among(name, [(b"proxy-authenticate", ProxyAuthenticate)]),
            _ => Other,
        }
    }
}

/// The name, if it is one of those of its length, which are in lower case here.
#[inline]
fn among<const N: usize, const M: usize>(name: &[u8], candidates: [(&[u8; N], Name); M]) -> Name {
    let Ok(name) = name.try_into() else { return Name::Other };
    let found = candidates.into_iter().find(|(text, _)| is_folded(name, text));
    found.map_or(Name::Other, |(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_others_are_not() {
        for &(known, text) in Name::ALL {
            for spelling in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
                assert_eq!(Name::of(spelling.as_bytes()), known, "{spelling}");
            }
            for at in 0..text.len() {
                let mut other = text.as_bytes().to_owned();
                other[at] = b'~';
                assert_eq!(Name::of(&other), Name::Other, "{}", other.escape_ascii());
            }
        }
        const { assert!((Name::Other as u32) < u64::BITS, "each has a bit") };
    }
}
