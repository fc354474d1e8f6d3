//! The names of response fields that the server knows.

use crate::field::is_folded;

macro_rules! names {
    ($($name:ident $text:literal $folded:literal),* $(,)?) => {
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

            fn folded(self) -> &'static [u8] {
                match self { $(Name::$name => $folded,)* Name::Other => b"" }
            }
        }
    };
}

names! {
    AcceptRanges "Accept-Ranges" b"accept-ranges",
    Age "Age" b"age",
    Allow "Allow" b"allow",
    CacheControl "Cache-Control" b"cache-control",
    Connection "Connection" b"connection",
    ContentEncoding "Content-Encoding" b"content-encoding",
    ContentLength "Content-Length" b"content-length",
    ContentRange "Content-Range" b"content-range",
    ContentType "Content-Type" b"content-type",
    Date "Date" b"date",
    ETag "ETag" b"etag",
    Expires "Expires" b"expires",
    KeepAlive "Keep-Alive" b"keep-alive",
    LastModified "Last-Modified" b"last-modified",
    Location "Location" b"location",
    ProxyAuthenticate "Proxy-Authenticate" b"proxy-authenticate",
    ProxyConnection "Proxy-Connection" b"proxy-connection",
    RetryAfter "Retry-After" b"retry-after",
    Server "Server" b"server",
    SetCookie "Set-Cookie" b"set-cookie",
    Te "TE" b"te",
    Trailer "Trailer" b"trailer",
    TransferEncoding "Transfer-Encoding" b"transfer-encoding",
    Upgrade "Upgrade" b"upgrade",
    Vary "Vary" b"vary",
    Via "Via" b"via",
    XAccelBuffering "X-Accel-Buffering" b"x-accel-buffering",
    XAccelRedirect "X-Accel-Redirect" b"x-accel-redirect",
    XSendfile "X-Sendfile" b"x-sendfile",
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
        let candidates: &[Name] = match name.len() {
            2 => &[Te],
            3 => &[Age, Via],
            4 => &[Date, ETag, Vary],
            5 => &[Allow],
            6 => &[Server],
            7 => &[Expires, Upgrade, Trailer],
            8 => &[Location],
            10 => &[Connection, SetCookie, KeepAlive, XSendfile],
            11 => &[RetryAfter],
            12 => &[ContentType],
            13 => &[CacheControl, LastModified, AcceptRanges, ContentRange],
            14 => return fixed(name, b"content-length", ContentLength),
            16 => &[ContentEncoding, ProxyConnection, XAccelRedirect],
            17 => &[TransferEncoding, XAccelBuffering],
            18 => &[ProxyAuthenticate],
            _ => &[],
        };
        candidates.iter().copied().find(|known| name.eq_ignore_ascii_case(known.folded())).unwrap_or(Other)
    }
}

/// The name, if it is the only one of its length.
#[inline]
fn fixed<const N: usize>(name: &[u8], text: &[u8; N], known: Name) -> Name {
    match name.try_into() {
        Ok(name) if is_folded(name, text) => known,
        _ => Name::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_others_are_not() {
        for &(known, text) in Name::ALL {
            assert_eq!(text.to_ascii_lowercase().as_bytes(), known.folded());
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
