//! What is said on the command line about a limit: which, and what it is to be.

use crate::usage::Usage;
use config::{Override, Source, load};

/// By which a limit becomes again what the configuration says.
const DEFAULT: &str = "default";

/// What belongs to a rate, which the configuration need not have: alone it would be no limit.
const OF_RATES: [&str; 4] = ["down_burst", "up_burst", "requests_burst", "delay"];

/// Reads `POINTER=VALUE`; without a value, the limit is to be what the configuration says.
pub(crate) fn setting(text: &str) -> Result<(String, Option<String>), Usage> {
    let bad = |why: String| Usage::BadLimit(text.to_owned(), why);
    let form = "write one such as /server/shaping/client/down=2MB/s, or ...=default";
    let Some((pointer, value)) = text.split_once('=') else {
        return Err(bad(format!("it has no value: {form}")));
    };
    let mut tokens = pointer.rsplit('/');
    let (key, level, section) = (tokens.next(), tokens.next(), tokens.next());
    let levels = ["total", "client", "connection"];
    if section != Some("shaping") || !level.is_some_and(|level| levels.contains(&level)) || key == Some("") {
        return Err(bad(format!("it is no limit of total, client or connection in shaping: {form}")));
    }
    if value == DEFAULT {
        return Ok((pointer.to_owned(), None));
    }
    // As the server will read it, but for what else it has.
    let wish = Override::set(text).map_err(|problem| bad(sentence(&problem)))?;
    let source = Source { name: "limit".to_owned(), text: around(pointer) };
    match load(Some(source), &[wish]) {
        Ok(_) => Ok((pointer.to_owned(), Some(value.to_owned()))),
        Err(_) if key.is_some_and(|key| OF_RATES.contains(&key)) => {
            Err(bad("it belongs to a rate: change it in the configuration, and reload that".to_owned()))
        }
        Err(problems) => Err(bad(problems.into_iter().next().map_or_else(String::new, sentence))),
    }
}

fn sentence(problem: &config::Problem) -> String {
    format!("{}: {}", problem.cause(), problem.cause().cure())
}

/// A configuration in which the pointer leads somewhere.
fn around(pointer: &str) -> String {
    let host = pointer.strip_prefix("/hosts/").and_then(|rest| rest.split('/').next()).unwrap_or("localhost");
    let host = host.replace("~1", "/").replace("~0", "~");
    let host = serde_json::Value::String(host);
    format!(r#"{{"hosts": {{{host}: {{"root": "."}}}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let right = |pointer: &str, value: Option<&str>| Some((pointer.to_owned(), value.map(str::to_owned)));
        for (text, wanted) in [
            ("/server/shaping/client/down=2MB/s", right("/server/shaping/client/down", Some("2MB/s"))),
            ("/server/shaping/client/down=default", right("/server/shaping/client/down", None)),
            ("/server/shaping/client/down=off", right("/server/shaping/client/down", Some("off"))),
            ("/hosts/a/shaping/total/concurrent=7", right("/hosts/a/shaping/total/concurrent", Some("7"))),
            (
                "/hosts/a/locations/~1x~1/shaping/client/requests=7r/s",
                right("/hosts/a/locations/~1x~1/shaping/client/requests", Some("7r/s")),
            ),
            (
                "/defaults/shaping/connection/up=1MB/s",
                right("/defaults/shaping/connection/up", Some("1MB/s")),
            ),
            ("/server/shaping/client/requests_burst=5", None),
            ("/server/shaping/client/delay=2s", None),
            ("/server/shaping/client/delay=0s", right("/server/shaping/client/delay", Some("0s"))),
            (
                "/server/shaping/client/requests_burst=default",
                right("/server/shaping/client/requests_burst", None),
            ),
            ("/server/shaping/client/down=2", None),
            ("/server/shaping/client/requests=2MB/s", None),
            ("/server/shaping/client/nothing=2MB/s", None),
            ("/server/shaping/connection/requests=2r/s", None),
            ("/hosts/a/shaping/client/connections=2", None),
            ("/server/shaping/dry_run=true", None),
            ("/server/user=root", None),
            ("/server/shaping/client/down", None),
            ("", None),
        ] {
            assert_eq!(setting(text).ok(), wanted, "{text}");
        }
    }
}
