//! The rules of the house as tables. ARCHITECTURE.md gives the reasons; the modules beside this one check.

/// The stack: a crate may use those of a lower layer, and none of its own or a higher one.
pub(crate) const LAYERS: &[(&str, u32)] = &[
    ("sys", 0),
    ("perf", 1),
    ("proto-http", 2),
    ("config", 2),
    ("auth", 2),
    ("tls", 2),
    ("privsep", 3),
    ("logging", 3),
    ("codings", 3),
    ("site", 4),
    ("engine", 6),
    ("kimura-bin", 7),
];

/// Members of the workspace that are not part of the server. Nothing depends on them.
pub(crate) const TOOLS: &[&str] = &["bench", "e2e", "xtask"];

/// Libraries that only these crates may name: (library, crates).
pub(crate) const NAMED_ONLY_BY: &[(&str, &[&str])] = &[
    ("glommio-ng", &["engine"]),
    ("io-uring", &["engine"]),
    ("libc", &["sys", "engine"]),
    ("nix", &["sys", "bench", "e2e"]),
    ("rustls", &["tls", "bench"]),
    ("aws-lc-rs", &["tls"]),
    // Signatures of those who command are verified where passwords are.
    ("rustls-webpki", &["auth"]),
    ("flate2", &["codings", "logging"]),
    ("zstd", &["codings", "logging"]),
    ("brotli", &["codings"]),
];

/// What a crate never reaches, not even through others: (crate, libraries).
pub(crate) const NEVER_REACHES: &[(&str, &[&str])] = &[
    ("proto-http", &["glommio-ng", "io-uring", "tokio", "sys", "libc"]),
    ("config", &["glommio-ng", "io-uring", "tokio", "proto-http"]),
    ("logging", &["glommio-ng", "io-uring", "tokio"]),
    ("site", &["glommio-ng", "io-uring", "tokio"]),
    ("codings", &["glommio-ng", "io-uring", "tokio", "sys"]),
    ("perf", &["glommio-ng", "io-uring", "tokio"]),
    ("tls", &["glommio-ng", "io-uring", "tokio", "sys", "proto-http"]),
    ("auth", &["glommio-ng", "io-uring", "tokio", "proto-http", "engine", "tls"]),
    // The process with the rights parses no text and serves nobody.
    ("privsep", &["glommio-ng", "io-uring", "tokio", "proto-http", "engine", "config", "serde_json", "tls"]),
];

/// Features that nobody may enable: (library, features). A second runtime is what they would bring.
pub(crate) const FEATURES_NEVER: &[(&str, &[&str])] =
    &[("tokio", &["rt", "rt-multi-thread", "net", "macros", "process", "signal", "full"])];

/// Licences that a library may have; with a choice of several, one of them.
pub(crate) const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The licence of the project itself.
pub(crate) const LICENCE: &str = "BSD-3-Clause";

/// Where `unsafe` may stand: a folder, or a file without its extension and the folder of that name.
pub(crate) const UNSAFE_IN: &[&str] = &["sys/", "engine/", "proto-http/src/scan"];

/// Crates that cannot forbid unsafe code as a whole, because a part of them is in [`UNSAFE_IN`].
pub(crate) const UNSAFE_CRATES: &[&str] = &["sys", "engine", "proto-http"];

/// Most lines of a Rust file, tests included.
pub(crate) const LINES_MAX: usize = 700;

/// Code that may not stay: (what, why).
pub(crate) const BANNED_CODE: &[(&str, &str)] = &[
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("dbg!", "remove it"),
    ("#[ignore", "a test that does not run is no test"),
    ("#[should_panic", "check the error instead"),
    ("process::exit", "return an exit code from main, so that destructors run"),
];

/// Waiting for a fixed time makes tests slow on fast machines and wrong on slow ones.
pub(crate) const BANNED_IN_TESTS: &[(&str, &str)] =
    &[("thread::sleep", "wait for a condition"), ("sleep(Duration", "wait for a condition")];

/// Folders of one machine, which say nothing on another. Spelt so that this file passes its own rule.
pub(crate) const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "plan"),
    concat!("/tmp/", "target"),
];
