//! Field lines and the names that the server knows.

use crate::head::Span;

/// A field line as offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Span,
    /// Without white space around it.
    pub(crate) value: Span,
    pub(crate) known: Known,
}

macro_rules! known {
    ($($name:ident $text:literal),* $(,)?) => {
        /// A field name that is looked up, routed on or logged. Names compare without regard to case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// Any other name.
            Other,
        }

        impl Known {
            /// Every known name in its usual spelling.
            pub const ALL: &[(Known, &str)] = &[$((Known::$name, $text)),*];
        }
    };
}

known! {
    Accept "Accept",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    Authorization "Authorization",
    CacheControl "Cache-Control",
    Connection "Connection",
    ContentLength "Content-Length",
    ContentType "Content-Type",
    Cookie "Cookie",
    Expect "Expect",
    Forwarded "Forwarded",
    Host "Host",
    IfMatch "If-Match",
    IfModifiedSince "If-Modified-Since",
    IfNoneMatch "If-None-Match",
    IfRange "If-Range",
    IfUnmodifiedSince "If-Unmodified-Since",
    KeepAlive "Keep-Alive",
    MaxForwards "Max-Forwards",
    Origin "Origin",
    ProxyConnection "Proxy-Connection",
    Range "Range",
    Referer "Referer",
    Te "TE",
    Trailer "Trailer",
    TransferEncoding "Transfer-Encoding",
    Upgrade "Upgrade",
    UserAgent "User-Agent",
    Via "Via",
    XForwardedFor "X-Forwarded-For",
}

impl Known {
    pub(crate) const COUNT: usize = Known::Other as usize + 1;

    /// One bit per name.
    #[inline]
    pub(crate) fn bit(self) -> u64 {
        1 << self as u32
    }

    /// What the name is known as; the name is a token.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Known {
        match name.len() {
            2 => pick(name, [(b"te", Known::Te)]),
            3 => pick(name, [(b"via", Known::Via)]),
            4 => pick(name, [(b"host", Known::Host)]),
            5 => pick(name, [(b"range", Known::Range)]),
            6 => pick(
                name,
                [
                    (b"accept", Known::Accept),
                    (b"cookie", Known::Cookie),
                    (b"expect", Known::Expect),
                    (b"origin", Known::Origin),
                ],
            ),
            7 => pick(
                name,
                [(b"referer", Known::Referer), (b"upgrade", Known::Upgrade), (b"trailer", Known::Trailer)],
            ),
            8 => pick(name, [(b"if-range", Known::IfRange), (b"if-match", Known::IfMatch)]),
            9 => pick(name, [(b"forwarded", Known::Forwarded)]),
            10 => pick(
                name,
                [
                    (b"user-agent", Known::UserAgent),
                    (b"connection", Known::Connection),
                    (b"keep-alive", Known::KeepAlive),
                ],
            ),
            12 => pick(name, [(b"content-type", Known::ContentType), (b"max-forwards", Known::MaxForwards)]),
            13 => pick(
                name,
                [
                    (b"if-none-match", Known::IfNoneMatch),
                    (b"cache-control", Known::CacheControl),
                    (b"authorization", Known::Authorization),
                ],
            ),
            14 => pick(name, [(b"content-length", Known::ContentLength)]),
            15 => pick(
                name,
                [
                    (b"accept-encoding", Known::AcceptEncoding),
                    (b"accept-language", Known::AcceptLanguage),
                    (b"x-forwarded-for", Known::XForwardedFor),
                ],
            ),
            16 => pick(name, [(b"proxy-connection", Known::ProxyConnection)]),
            17 => pick(
                name,
                [
                    (b"if-modified-since", Known::IfModifiedSince),
                    (b"transfer-encoding", Known::TransferEncoding),
                ],
            ),
            19 => pick(name, [(b"if-unmodified-since", Known::IfUnmodifiedSince)]),
            _ => Known::Other,
        }
    }
}

/// The known name of `N` bytes that `name` is spelled as.
#[inline(always)]
fn pick<const N: usize, const C: usize>(name: &[u8], of: [(&[u8; N], Known); C]) -> Known {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return Known::Other };
    for (text, known) in of {
        if is_folded(name, text) {
            return known;
        }
    }
    Known::Other
}

/// Whether the name is the text, which is in lower case, in any case. Setting bit 5 maps the bytes of
/// `0x40..=0x5f` onto `0x60..=0x7f` and leaves digits and `-` as they are: among the bytes of tokens and
/// of field values, only letters come to lie on lower-case letters, and only `-` on `-`.
#[inline(always)]
pub(crate) fn is_folded<const N: usize>(name: &[u8; N], text: &[u8; N]) -> bool {
    // Words of two, four or eight bytes that overlap cover all lengths but one.
    match N {
        2..=3 => differs::<2, N>(name, text, 0) | differs::<2, N>(name, text, N - 2) == 0,
        4..=7 => differs::<4, N>(name, text, 0) | differs::<4, N>(name, text, N - 4) == 0,
        8..=16 => differs::<8, N>(name, text, 0) | differs::<8, N>(name, text, N - 8) == 0,
        17..=24 => {
            let ends = differs::<8, N>(name, text, 0) | differs::<8, N>(name, text, N - 8);
            ends | differs::<8, N>(name, text, 8) == 0
        }
        _ => name.eq_ignore_ascii_case(text),
    }
}

/// The bits in which `W` bytes differ once they are in lower case.
#[inline(always)]
fn differs<const W: usize, const N: usize>(name: &[u8; N], text: &[u8; N], start: usize) -> u64 {
    let word = |bytes: &[u8; N]| {
        let mut word = [0; 8];
        word[..W].copy_from_slice(&bytes[start..start + W]);
        u64::from_le_bytes(word)
    };
    (word(name) | (0x2020_2020_2020_2020 >> (64 - 8 * W))) ^ word(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_found_in_any_case() {
        for &(known, text) in Known::ALL {
            assert!(text.len() <= 24);
            for spelling in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
                assert_eq!(Known::of(spelling.as_bytes()), known, "{spelling}");
            }
        }
    }

    #[test]
    fn names_that_differ_in_one_byte_are_not_known() {
        for &(known, text) in Known::ALL {
            for at in 0..text.len() {
                for byte in (0..=255).filter(|&byte| crate::token::is_token_byte(byte)) {
                    let mut name = text.as_bytes().to_owned();
                    name[at] = byte;
                    if !name.eq_ignore_ascii_case(text.as_bytes()) {
                        assert_ne!(Known::of(&name), known, "{}", name.escape_ascii());
                    }
                }
            }
            assert_ne!(Known::of(&text.as_bytes()[1..]), known);
            assert_ne!(Known::of(format!("{text}x").as_bytes()), known);
        }
    }
}
