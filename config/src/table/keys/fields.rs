//! Keys of `security` and `cors`.

use std::time::Duration;

use super::{AnyKey, HOUR, Key};
use crate::fields::{OriginItem, origin};
use crate::kind::{Choice, Flag, List, OrOff, Span, Text};
use crate::read::Preset;
use crate::syntax;

/// What the key `security` can say in a word.
pub(super) const PRESETS: Choice<Preset> =
    Choice { words: &[("off", Preset::Off), ("basic", Preset::Basic), ("strict", Preset::Strict)] };

const FIELD_VALUE: Text<String> = Text { noun: "a text", pattern: None, parse: syntax::field_value };
const REQUEST_FIELD: Text<String> =
    Text { noun: "a field name, or \"*\" for all", pattern: None, parse: syntax::token };

type Word = OrOff<Choice<&'static str>>;

keys! {
    /// Keys of `security`.
    security {
        PRESET: Choice<Preset> = "preset", PRESETS,
            default Some(r#""basic""#), example r#""strict""#,
            "What holds for the fields that no other key names.";
        NOSNIFF: Flag = "nosniff", Flag,
            default None, example "false",
            "Whether browsers are told to believe the media type (X-Content-Type-Options).";
        FRAME_OPTIONS: Word = "frame_options",
            OrOff(Choice { words: &[("deny", "DENY"), ("sameorigin", "SAMEORIGIN")] }),
            default None, example r#""deny""#,
            "Who may show pages in a frame (X-Frame-Options).";
        REFERRER_POLICY: Word = "referrer_policy",
            OrOff(Choice { words: &[
                ("no-referrer", "no-referrer"), ("same-origin", "same-origin"), ("origin", "origin"),
                ("strict-origin", "strict-origin"), ("origin-when-cross-origin", "origin-when-cross-origin"),
                ("strict-origin-when-cross-origin", "strict-origin-when-cross-origin"),
                ("no-referrer-when-downgrade", "no-referrer-when-downgrade"), ("unsafe-url", "unsafe-url"),
            ] }),
            default None, example r#""same-origin""#,
            "What other sites learn of where a visitor comes from (Referrer-Policy).";
        CONTENT_POLICY: OrOff<Text<String>> = "content_security_policy", OrOff(FIELD_VALUE),
            default None, example r#""default-src 'self'; img-src *""#,
            "What pages may load and run (Content-Security-Policy).";
        REPORT_POLICY: OrOff<Text<String>> = "content_security_policy_report_only", OrOff(FIELD_VALUE),
            default None, example r#""default-src 'self'; report-to main""#,
            "The same, where browsers report only what they would forbid (Content-Security-Policy-Report-Only).";
        PERMISSIONS: OrOff<Text<String>> = "permissions_policy", OrOff(FIELD_VALUE),
            default None, example r#""camera=(), geolocation=(self)""#,
            "Which abilities of the browser pages may use (Permissions-Policy).";
        OPENER: Word = "opener_policy",
            OrOff(Choice { words: &[
                ("same-origin", "same-origin"), ("same-origin-allow-popups", "same-origin-allow-popups"),
                ("unsafe-none", "unsafe-none"),
            ] }),
            default None, example r#""same-origin""#,
            "Whether pages share a group of windows with those of others (Cross-Origin-Opener-Policy).";
        EMBEDDER: Word = "embedder_policy",
            OrOff(Choice { words: &[
                ("require-corp", "require-corp"), ("credentialless", "credentialless"), ("unsafe-none", "unsafe-none"),
            ] }),
            default None, example r#""require-corp""#,
            "Whether pages may embed what does not agree to it (Cross-Origin-Embedder-Policy).";
        RESOURCE: Word = "resource_policy",
            OrOff(Choice { words: &[
                ("same-origin", "same-origin"), ("same-site", "same-site"), ("cross-origin", "cross-origin"),
            ] }),
            default None, example r#""same-site""#,
            "Whose pages may embed what is served (Cross-Origin-Resource-Policy).";
    }
}

keys! {
    /// Keys of `cors`.
    cors {
        ORIGINS: List<Text<OriginItem>> = "origins",
            List {
                item: Text {
                    noun: "an origin such as \"https://a.example\", or \"*\"", pattern: Some("^([*]|.+://.+)$"), parse: origin,
                },
                min: 1,
            },
            default None, example r#"["https://app.example.org", "https://*.example.net", "http://localhost:*"]"#,
            "Origins whose scripts may read answers: \"https://*.example.net\" is all hosts below example.net, \":*\" any \
             port, and \"*\" alone every origin.";
        METHODS: List<Text<String>> = "methods",
            List { item: Text { noun: "a method such as \"GET\"", pattern: Some("^[A-Z-]+$"), parse: syntax::method }, min: 1 },
            default Some(r#"["GET", "HEAD", "POST"]"#), example r#"["GET", "PUT", "DELETE"]"#,
            "Methods that they may use.";
        HEADERS: List<Text<String>> = "headers", List { item: REQUEST_FIELD, min: 0 },
            default Some("[]"), example r#"["Content-Type", "Authorization"]"#,
            "Request fields that they may set beyond the harmless ones. \"*\" is all but Authorization, and does not go with \
             credentials.";
        EXPOSE: List<Text<String>> = "expose", List { item: REQUEST_FIELD, min: 0 },
            default Some("[]"), example r#"["X-Request-Id"]"#,
            "Response fields that they may read beyond the usual ones.";
        CREDENTIALS: Flag = "credentials", Flag,
            default Some("false"), example "true",
            "Whether cookies and logins of the visitor go with their requests.";
        MAX_AGE: Span = "max_age", Span { min: Duration::ZERO, max: Duration::from_secs(24 * HOUR) },
            default Some(r#""10m""#), example r#""2h""#,
            "How long a browser keeps the answer to a preflight request.";
    }
}
