//! How contents are compressed.

/// A content coding, by its name in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`.
    Gzip,
    /// `zstd`.
    Zstd,
    /// `br`.
    Brotli,
}

/// How contents are compressed in one host or location.
#[derive(Clone, Debug, PartialEq)]
pub struct Compression {
    /// Codings in the order in which the server likes them; at least one, none twice.
    pub codings: Vec<Coding>,
    /// 1..=9.
    pub gzip_level: u32,
    /// 1..=19.
    pub zstd_level: u32,
    /// 0..=11.
    pub brotli_level: u32,
    /// Media types without parameters, lower case; `*` may stand for a type, a subtype, or its part before a `+`.
    pub types: Vec<String>,
    /// Contents of fewer bytes are not compressed.
    pub min_size: u64,
    /// Whether compressed files beside a file are sent in its place.
    pub precompressed: bool,
}
