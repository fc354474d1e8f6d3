//! Keys of `/logs/NAME`.

use std::time::Duration;

use super::{AnyKey, GIB, HOUR, KIB, Key};
use crate::kind::{Choice, FilePath, Flag, Integer, LineFormat, List, Size, Span, Text};
use crate::model::{LogStatus, Output, WhenFull};
use crate::syntax;

keys! {
    /// Keys of `/logs/NAME`.
    log {
        FILE: FilePath = "file", FilePath,
            default None, example r#""/var/log/kimura/access.log""#,
            "The file that lines are appended to; its folder has to be there.";
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
        QUEUE: Size = "queue", Size::between(256 * KIB, GIB),
            default Some(r#""4m""#), example r#""64m""#,
            "How many bytes of lines may wait while they cannot be written. Memory is used as far as lines wait. Another size \
             takes a restart.";
        WHEN_FULL: Choice<WhenFull> = "when_full", Choice {
                words: &[("drop_oldest", WhenFull::DropOldest), ("block", WhenFull::Block)],
            },
            default Some(r#""drop_oldest""#), example r#""block""#,
            "What happens when more lines would wait than may. drop_oldest: the oldest are given up, and counted. block: \
             requests that would be in this log wait before anything is done for them, for half a minute, and are answered \
             with 503 then; all others are served. Another choice takes a restart.";
        SPILL: FilePath = "spill", FilePath,
            default None, example r#""/var/lib/kimura/main.spill""#,
            "A file in which lines wait, in place of memory: what could not be written when the server or the machine ended is \
             written after the next start. It has the size of the queue, on the disk at once. Another file takes a restart.";
    }
}
