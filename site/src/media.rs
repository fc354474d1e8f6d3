//! From a file's name to its media type.

use std::collections::BTreeMap;

use config::Settings;

/// Extension to media type, sorted by extension. From the IANA registry, as browsers and tools use it.
const BUILTIN: &[(&str, &str)] = &[
    ("3gp", "video/3gpp"),
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("apk", "application/vnd.android.package-archive"),
    ("atom", "application/atom+xml"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("br", "application/octet-stream"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/plain"),
    ("cjs", "text/javascript"),
    ("conf", "text/plain"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("deb", "application/vnd.debian.binary-package"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eot", "application/vnd.ms-fontobject"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("h", "text/plain"),
    ("heic", "image/heic"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar"),
    ("iso", "application/octet-stream"),
    ("jar", "application/java-archive"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("jxl", "image/jxl"),
    ("kml", "application/vnd.google-earth.kml+xml"),
    ("log", "text/plain"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown"),
    ("mid", "audio/midi"),
    ("mjs", "text/javascript"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("pem", "application/x-pem-file"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("ps", "application/postscript"),
    ("py", "text/x-python"),
    ("rar", "application/vnd.rar"),
    ("rpm", "application/x-rpm"),
    ("rs", "text/plain"),
    ("rss", "application/rss+xml"),
    ("rtf", "application/rtf"),
    ("sh", "application/x-sh"),
    ("svg", "image/svg+xml"),
    ("svgz", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xht", "application/xhtml+xml"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("xsl", "application/xslt+xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// Longest extension that can be in the table or the configuration and still be found.
const EXTENSION_MAX: usize = 32;

/// The media types in force in a location, with their charset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaTypes {
    by_extension: BTreeMap<Box<[u8]>, Box<str>>,
    unknown: Box<str>,
}

impl MediaTypes {
    pub(crate) fn new(settings: &Settings) -> MediaTypes {
        let charset = settings.charset.as_deref();
        let with_charset = |media: &str| complete(media, charset).into_boxed_str();
        let mut by_extension = BTreeMap::new();
        for (extension, media) in BUILTIN {
            by_extension.insert(extension.as_bytes().into(), with_charset(media));
        }
        for (extension, media) in &settings.types {
            by_extension.insert(extension.as_bytes().into(), with_charset(media));
        }
        MediaTypes { by_extension, unknown: with_charset(&settings.default_type) }
    }

    /// The media type for a file name or a path that ends in one.
    #[must_use]
    pub fn of(&self, name: &[u8]) -> &str {
        self.of_known(name).unwrap_or(&self.unknown)
    }

    /// The same, of one that tells it.
    #[must_use]
    pub fn of_known(&self, name: &[u8]) -> Option<&str> {
        let file = name.rsplit(|&b| b == b'/').next().unwrap_or(name);
        let extension = match file.iter().rposition(|&b| b == b'.') {
            Some(dot) if dot > 0 => &file[dot + 1..],
            _ => return None,
        };
        let mut buffer = [0; EXTENSION_MAX];
        let lower = buffer.get_mut(..extension.len())?;
        lower.copy_from_slice(extension);
        lower.make_ascii_lowercase();
        self.by_extension.get(&*lower).map(|media| &**media)
    }
}

/// Adds the charset to types that are text and say none.
fn complete(media: &str, charset: Option<&str>) -> String {
    match charset {
        Some(charset) if media.starts_with("text/") && !media.contains("charset=") => {
            format!("{media}; charset={charset}")
        }
        _ => media.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_without_doubles() {
        assert!(BUILTIN.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn charset_goes_to_text_alone() {
        for (media, expected) in [
            ("text/html", "text/html; charset=utf-8"),
            ("text/html; charset=koi8-r", "text/html; charset=koi8-r"),
            ("image/png", "image/png"),
            ("application/json", "application/json"),
        ] {
            assert_eq!(complete(media, Some("utf-8")), expected);
        }
        assert_eq!(complete("text/css", None), "text/css");
    }
}
