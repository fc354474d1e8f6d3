//! Keys of `/logs/NAME`.

use std::time::Duration;

use super::super::sections::ROTATE as ROTATE_SECTION;
use super::{AnyKey, GIB, HOUR, KIB, Key};
use crate::kind::{Choice, FilePath, Flag, Integer, LineFormat, List, Object, Size, Span, Text};
use crate::model::{
    Compress, Every, LogStatus, Output, Place, RotatedNames, SyslogFraming, SyslogShape, SyslogTransport,
    TimeZone, WhenFull,
};
use crate::{place, syntax};

/// Names of themselves.
const fn words<const N: usize>(names: [&'static str; N]) -> [(&'static str, &'static str); N] {
    let mut words = [("", ""); N];
    let mut at = 0;
    while at < N {
        words[at] = (names[at], names[at]);
        at += 1;
    }
    words
}

/// RFC 5424 6.2.1.
static FACILITIES: [(&str, &str); 24] = words([
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
]);
static SEVERITIES: [(&str, &str); 8] =
    words(["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]);

const WORD: &str = "a word without spaces";

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
        SYSLOG: Text<SyslogTransport> = "syslog",
            Text { noun: "a receiver such as tls://logs.example.org", pattern: Some("^((udp|tcp|tls)://.+|unix:/.+)$"), parse: place::syslog },
            default None, example r#""tls://logs.example.org:6514""#,
            "The receiver that each line is sent to as a syslog message: udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT \
             or unix:PATH. Over TCP and TLS a line arrives at least once; the sequence id of RFC 5424 tells one that \
             comes twice. Names are looked up when the configuration is read.";
        SYSLOG_FORMAT: Choice<SyslogShape> = "syslog_format",
            Choice { words: &[
                ("rfc5424", SyslogShape::Rfc5424), ("rfc3164", SyslogShape::Rfc3164), ("local", SyslogShape::Local),
            ] },
            default None, example r#""rfc3164""#,
            "The head of a syslog message. local is rfc3164 without the name of the machine, as receivers on the same \
             machine want it. Without the key it is local over a Unix socket and rfc5424 otherwise.";
        FRAMING: Choice<SyslogFraming> = "framing",
            Choice { words: &[("octets", SyslogFraming::Octets), ("newline", SyslogFraming::Newline)] },
            default Some(r#""octets""#), example r#""newline""#,
            "How syslog messages are told apart over TCP and TLS: by the length before each, or by a newline behind it.";
        FACILITY: Choice<&'static str> = "facility", Choice { words: &FACILITIES },
            default Some(r#""local0""#), example r#""daemon""#,
            "The facility of syslog messages and of entries of the journal.";
        SEVERITY: Choice<&'static str> = "severity", Choice { words: &SEVERITIES },
            default Some(r#""info""#), example r#""notice""#,
            "The severity of syslog messages and of entries of the journal.";
        APP_NAME: Text<String> = "app_name", Text { noun: WORD, pattern: None, parse: place::app_name },
            default Some(r#""kimura""#), example r#""www""#,
            "The name of the program in syslog messages and in entries of the journal.";
        HOST_NAME: Text<String> = "host_name", Text { noun: WORD, pattern: None, parse: place::host_name },
            default None, example r#""www1""#,
            "The name of this machine in syslog messages. Without the key it is the one that the system has.";
        MESSAGE_MAX: Size = "message_max", Size::between(480, 65_000),
            default None, example "2048",
            "Most bytes of a syslog message; longer ones are clipped. Without the key it is 2048 over UDP and 8192 \
             otherwise, which is what receivers take.";
        AUTHORITY: FilePath = "authority", FilePath,
            default None, example r#""/etc/kimura/logs-authority.pem""#,
            "PEM file with the certificates of those who vouch for the receiver with tls://. Without the key it is \
             whom the system trusts.";
        SERVER_NAME: Text<String> = "server_name",
            Text { noun: "a name", pattern: None, parse: place::server_name },
            default None, example r#""logs.example.org""#,
            "The name that the certificate of the receiver with tls:// must have. Without the key it is the host's.";
        JOURNALD: Text<std::path::PathBuf> = "journald",
            Text { noun: "the path of a socket", pattern: None, parse: place::socket },
            default None, example r#""/run/systemd/journal/socket""#,
            "The socket of systemd-journald, which gets an entry for each line.";
        GEARMAN: List<Text<Place>> = "gearman",
            List { item: Text { noun: "a server with a port", pattern: None, parse: place::gearman }, min: 1 },
            default None, example r#"["jobs1.example.org:4730", "jobs2.example.org:4730"]"#,
            "Gearman servers that get lines as background jobs: the first one that is there. A line arrives at least \
             once; a job that comes twice has the same id. Names are looked up when the configuration is read.";
        FUNCTION: Text<String> = "function", Text { noun: WORD, pattern: None, parse: place::function },
            default Some(r#""kimura_log""#), example r#""access_log""#,
            "The function that Gearman workers have for the jobs.";
        BATCH: Size = "batch", Size::between(0, 64 * KIB),
            default Some(r#""16K""#), example "0",
            "Lines are gathered to Gearman jobs of up to so many bytes; 0 makes each line a job, without its newline.";
        FORMAT: LineFormat = "format", LineFormat,
            default Some(r#""json""#), example r#""$remote_addr [$time_local] \"$request\" $status $request_time""#,
            "How a line looks. A template has the variables of nginx's log_format, and times in a form of one's own such as \
             $time{%F %T.%3N}; docs/logs.md lists them, and the keys of the JSON form.";
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
