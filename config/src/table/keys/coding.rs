//! Keys of `compression`.

use super::{AnyKey, Key, MIB};
use crate::kind::{Choice, Flag, Integer, List, Size, Text};
use crate::model::Coding;
use crate::syntax;

keys! {
    /// Keys of `compression`.
    compression {
        CODINGS: List<Choice<Coding>> = "codings",
            List {
                item: Choice { words: &[("zstd", Coding::Zstd), ("br", Coding::Brotli), ("gzip", Coding::Gzip)] },
                min: 1,
            },
            default Some(r#"["zstd", "br", "gzip"]"#), example r#"["br", "gzip"]"#,
            "Codings that are used, in the order in which the server likes them; it counts among those that the client \
             takes equally gladly.";
        GZIP_LEVEL: Integer = "gzip_level", Integer { min: 1, max: 9 },
            default Some("6"), example "1",
            "How hard gzip tries; 1 is fast, 9 small.";
        ZSTD_LEVEL: Integer = "zstd_level", Integer { min: 1, max: 19 },
            default Some("3"), example "6",
            "How hard zstd tries.";
        BR_LEVEL: Integer = "br_level", Integer { min: 0, max: 11 },
            default Some("4"), example "5",
            "How hard Brotli tries. From 10 on it takes many times as long.";
        TYPES: List<Text<String>> = "types",
            List {
                item: Text {
                    noun: "a media type such as \"text/*\"", pattern: Some("^[^/ ;]+/[^/ ;]+$"), parse: syntax::media_range,
                },
                min: 1,
            },
            default Some(
                r#"["text/*", "*/*+json", "*/*+xml", "application/json", "application/javascript", "application/xml", "application/wasm", "application/rtf", "application/vnd.ms-fontobject", "application/vnd.apple.mpegurl", "font/ttf", "font/otf", "image/bmp", "image/vnd.microsoft.icon"]"#
            ),
            example r#"["text/html", "text/css", "application/*"]"#,
            "Media types that are compressed; what follows a semicolon does not count. \"text/*\" is all that begin so, \
             \"*/*+json\" all that end so. Types whose content is compressed already, such as image/png, video/mp4, \
             font/woff2 and application/zip, never are, whatever is written here; text/event-stream is only where it is written \
             as that.";
        MIN_SIZE: Size = "min_size", Size::between(0, 16 * MIB),
            default Some(r#""1k""#), example r#""256""#,
            "Smaller contents are sent as they are: there is nothing to gain.";
        PRECOMPRESSED: Flag = "precompressed", Flag,
            default Some("true"), example "false",
            "Whether a file x.js.zst, x.js.br or x.js.gz beside x.js is sent in its place. It must not be older than x.js, \
             to the second, and goes before all that would have to be compressed.";
    }
}
