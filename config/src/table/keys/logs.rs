//! Keys of `/logs/NAME`.

use std::time::Duration;

use super::super::sections::ROTATE as ROTATE_SECTION;
use super::{AnyKey, HOUR, KIB, Key};
use crate::kind::{Choice, FilePath, Flag, Integer, LineFormat, List, Object, Size, Span, Text};
use crate::model::{Compress, Every, LogStatus, Output, RotatedNames, TimeZone};
use crate::syntax;

keys! {
    /// Keys of `/logs/NAME`.
    log {
        FILE: FilePath = "file", FilePath,
            default None, example r#""/var/log/kimura/access.log""#,
            "The file that lines are appended to; its folder has to be there.";
        ROTATE: Object = "rotate", Object(&ROTATE_SECTION),
            default None, example r#"{"every": "hour", "keep": 48}"#,
            "When the file is put aside and a new one begun. Without it others may see to that (kimura rotate-logs).";
        STREAM: Choice<Output> = "stream", Choice { words: &[("stdout", Output::Stdout), ("stderr", Output::Stderr)] },
            default None, example r#""stderr""#,
            "The stream of the server that lines are written to.";
        FORMAT: LineFormat = "format", LineFormat,
            default Some(r#""json""#), example r#""$remote_addr [$time_local] \"$request\" $status $request_time""#,
            "How a line looks. A template has the variables of nginx's log_format; docs/logs.md lists them, and the keys of \
             the JSON form.";
        STATUS: List<Text<LogStatus>> = "status",
            List {
                item: Text {
                    noun: "a status such as \"404\", or a class such as \"5xx\"", pattern: Some("^[1-5]([0-9][0-9]|xx)$"),
                    parse: syntax::log_status,
                },
                min: 0,
            },
            default Some("[]"), example r#"["404", "5xx"]"#,
            "Only requests that were answered with one of these are logged.";
        SLOWER_THAN: Span = "slower_than", Span { min: Duration::from_millis(1), max: Duration::from_secs(HOUR) },
            default None, example r#""500ms""#,
            "Only requests that took longer are logged, from their first byte to the last one of the answer.";
        SAMPLE: Integer = "sample", Integer { min: 1, max: 1_000_000_000 },
            default Some("1"), example "100",
            "Of so many requests one is logged: which, is decided by its id, so that logs with the same number have the \
             same ones.";
        ANONYMIZE: Flag = "anonymize", Flag,
            default Some("false"), example "true",
            "Whether addresses are cut to their networks: IPv4 to 24 bits, IPv6 to 48. Fields of requests, such as \
             $http_x_forwarded_for, and names stay as they are.";
    }
}

const DAY: u64 = 24 * HOUR;
const TIB: u64 = 1 << 40;

keys! {
    /// Keys of `/logs/NAME/rotate`.
    rotate {
        SIZE: Size = "size", Size::between(4 * KIB, TIB),
            default None, example r#""100M""#,
            "The file is put aside when it has so many bytes.";
        EVERY: Choice<Every> = "every",
            Choice { words: &[("hour", Every::Hour), ("day", Every::Day), ("week", Every::Week)] },
            default None, example r#""hour""#,
            "The file is put aside, unless it is empty, with each full hour, at midnight, or at the midnight before \
             Monday. Where neither size nor every is there, it is every day.";
        TIME_ZONE: Choice<TimeZone> = "time_zone",
            Choice { words: &[("local", TimeZone::Local), ("utc", TimeZone::Utc)] },
            default Some(r#""local""#), example r#""utc""#,
            "Whose clocks are meant by every and by names: those of the machine, or UTC.";
        KEEP: Integer = "keep", Integer { min: 1, max: 10_000 },
            default Some("14"), example "48",
            "How many files are kept beside the one that is written; the oldest go. At most 1000 with numbers for names.";
        KEEP_FOR: Span = "keep_for",
            Span { min: Duration::from_secs(60), max: Duration::from_secs(36_500 * DAY) },
            default None, example r#""90d""#,
            "How long a file is kept after its last line.";
        BUDGET: Size = "budget", Size::between(4 * KIB, 1024 * TIB),
            default None, example r#""10G""#,
            "How many bytes all files that were put aside may have together; the oldest go.";
        COMPRESS: Choice<Compress> = "compress",
            Choice { words: &[("off", Compress::Off), ("gzip", Compress::Gzip), ("zstd", Compress::Zstd)] },
            default Some(r#""gzip""#), example r#""zstd""#,
            "How files that were put aside are compressed, by a thread that gets only the time that no other wants.";
        NAMES: Choice<RotatedNames> = "names",
            Choice { words: &[("date", RotatedNames::Date), ("number", RotatedNames::Number)] },
            default Some(r#""date""#), example r#""number""#,
            "Whether the file access.log becomes access.log-20261126-130000, by the time when it is put aside, or \
             access.log.1, and what was called so access.log.2. Compressed ones end with .gz or .zst.";
    }
}
