//! Keys of `/logs/NAME`.

use super::{AnyKey, Key};
use crate::kind::{Choice, FilePath};
use crate::model::{LogFormat, Output};

keys! {
    /// Keys of `/logs/NAME`.
    log {
        FILE: FilePath = "file", FilePath,
            default None, example r#""/var/log/kimura/access.log""#,
            "The file that lines are appended to; its folder has to be there.";
        STREAM: Choice<Output> = "stream", Choice { words: &[("stdout", Output::Stdout), ("stderr", Output::Stderr)] },
            default None, example r#""stderr""#,
            "The stream of the server that lines are written to.";
        FORMAT: Choice<LogFormat> = "format",
            Choice { words: &[
                ("common", LogFormat::Common), ("combined", LogFormat::Combined), ("json", LogFormat::Json),
            ] },
            default Some(r#""json""#), example r#""combined""#,
            "How a line looks.";
    }
}
