//! Which contents are compressed, and how.

use proto_http::Coding;

/// Compression in one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// In the order in which the server likes them.
    pub codings: Vec<Coding>,
    levels: [u32; Coding::COUNT],
    types: Vec<Range>,
    /// Contents of fewer bytes are not compressed.
    pub min_size: u64,
    /// Whether compressed files beside a file are sent in its place.
    pub precompressed: bool,
}

/// A media type in which some parts do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    main: Part,
    sub: Part,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    Is(Box<str>),
    /// Ends in a `+` and this.
    Suffix(Box<str>),
}

impl Range {
    /// Whether a media type is among them. A stream of events is not, unless it is named: it would keep an encoder for as
    /// long as somebody listens.
    fn takes(&self, main: &str, sub: &str) -> bool {
        let names = matches!(self.sub, Part::Is(_)) || !sub.eq_ignore_ascii_case(EVENT_STREAM);
        names && self.main.takes(main) && self.sub.takes(sub)
    }
}

/// The part of `text/event-stream` behind the slash.
const EVENT_STREAM: &str = "event-stream";

impl Part {
    fn new(text: &str) -> Part {
        match text.strip_prefix("*+") {
            Some(suffix) => Part::Suffix(suffix.into()),
            None if text == "*" => Part::Any,
            None => Part::Is(text.into()),
        }
    }

    fn takes(&self, text: &str) -> bool {
        match self {
            Part::Any => true,
            Part::Is(wanted) => wanted.eq_ignore_ascii_case(text),
            Part::Suffix(wanted) => {
                text.rsplit_once('+').is_some_and(|(_, suffix)| wanted.eq_ignore_ascii_case(suffix))
            }
        }
    }
}

impl Compression {
    pub(crate) fn new(config: &config::Compression) -> Compression {
        let coding = |coding: &config::Coding| match coding {
            config::Coding::Gzip => Coding::Gzip,
            config::Coding::Zstd => Coding::Zstd,
            config::Coding::Brotli => Coding::Brotli,
        };
        let range = |text: &String| {
            let (main, sub) = text.split_once('/').unwrap_or((text, "*"));
            Range { main: Part::new(main), sub: Part::new(sub) }
        };
        let level = |coding| match coding {
            Coding::Gzip => config.gzip_level,
            Coding::Zstd => config.zstd_level,
            Coding::Brotli => config.brotli_level,
        };
        Compression {
            codings: config.codings.iter().map(coding).collect(),
            levels: Coding::ALL.map(level),
            types: config.types.iter().map(range).collect(),
            min_size: config.min_size,
            precompressed: config.precompressed,
        }
    }

    /// How hard a coding tries, in its own measure.
    #[must_use]
    pub fn level(&self, coding: Coding) -> u32 {
        self.levels[coding.index()]
    }

    /// Whether contents of a media type, with or without parameters, are compressed.
    #[must_use]
    pub fn covers(&self, media_type: &str) -> bool {
        let essence = media_type.split(';').next().unwrap_or_default().trim_ascii();
        let Some((main, sub)) = essence.split_once('/') else { return false };
        self.types.iter().any(|range| range.takes(main, sub)) && !is_compressed(main, sub)
    }
}

/// Types with these main types are compressed in themselves...
const COMPRESSED_MAIN: [&str; 3] = ["image", "video", "audio"];
/// ... but for these.
const PLAIN_SUB: [&str; 9] = [
    "svg+xml",
    "bmp",
    "x-ms-bmp",
    "vnd.microsoft.icon",
    "x-icon",
    "x-portable-anymap",
    "x-portable-pixmap",
    "midi",
    "wav",
];
/// And so are these of other main types.
const COMPRESSED_SUB: [&str; 19] = [
    "woff",
    "woff2",
    "font-woff",
    "zip",
    "gzip",
    "x-gzip",
    "zstd",
    "x-bzip2",
    "x-xz",
    "x-7z-compressed",
    "x-compress",
    "vnd.rar",
    "x-rar-compressed",
    "java-archive",
    "x-rpm",
    "ogg",
    "vnd.debian.binary-package",
    "vnd.android.package-archive",
    "x-brotli",
];
/// As well as all that begin so: documents that are ZIP files.
const COMPRESSED_BEGINNINGS: [&str; 2] = ["vnd.openxmlformats-officedocument.", "vnd.oasis.opendocument."];

fn is_compressed(main: &str, sub: &str) -> bool {
    let is_one_of = |list: &[&str], text: &str| list.iter().any(|one| one.eq_ignore_ascii_case(text));
    let begins =
        |start: &&str| sub.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start));
    let suffix = sub.rsplit_once('+').map_or("", |(_, suffix)| suffix);
    is_one_of(&COMPRESSED_MAIN, main) && !is_one_of(&PLAIN_SUB, sub)
        || is_one_of(&COMPRESSED_SUB, sub)
        || is_one_of(&["zip", "gzip", "zstd"], suffix)
        || COMPRESSED_BEGINNINGS.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(types: &[&str]) -> Compression {
        Compression::new(&config::Compression {
            codings: vec![config::Coding::Brotli, config::Coding::Gzip],
            gzip_level: 5,
            zstd_level: 2,
            brotli_level: 3,
            types: types.iter().map(|&text| text.to_owned()).collect(),
            min_size: 100,
            precompressed: true,
        })
    }

    #[test]
    fn types_are_covered() {
        let some = with(&["text/*", "*/*+json", "application/json", "image/svg+xml"]);
        let all = with(&["*/*"]);
        for (media, by_some, by_all) in [
            ("text/html", true, true),
            ("text/html; charset=utf-8", true, true),
            ("TEXT/HTML ;charset=utf-8", true, true),
            ("text/event-stream", false, false),
            ("application/json", true, true),
            ("application/json5", false, true),
            ("application/ld+json", true, true),
            ("application/a+b+json", true, true),
            ("application/ld+jsonx", false, true),
            ("image/svg+xml", true, true),
            ("image/png", false, false),
            ("image/bmp", false, true),
            ("video/mp4", false, false),
            ("font/woff2", false, false),
            ("font/ttf", false, true),
            ("application/zip", false, false),
            ("application/epub+zip", false, false),
            ("application/vnd.oasis.opendocument.text", false, false),
            ("application/octet-stream", false, true),
            ("text", false, false),
            ("", false, false),
        ] {
            assert_eq!((some.covers(media), all.covers(media)), (by_some, by_all), "{media}");
        }
        assert!(with(&["text/*", "Text/Event-Stream"]).covers("text/event-stream; charset=utf-8"));
    }

    #[test]
    fn a_compressed_type_is_never_covered_not_even_by_its_name() {
        assert!(!with(&["image/png", "application/zip"]).covers("image/png"));
    }

    #[test]
    fn codings_keep_their_order_and_have_their_levels() {
        let compression = with(&["text/*"]);
        assert_eq!(compression.codings, [Coding::Brotli, Coding::Gzip]);
        assert_eq!(Coding::ALL.map(|coding| compression.level(coding)), [5, 2, 3]);
    }
}
