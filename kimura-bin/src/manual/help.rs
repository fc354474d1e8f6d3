//! `--help`.

use crate::options::{OPERAND, OPERAND_SUMMARY, OPTIONS, Opt, Scope};
use crate::verbs::VERBS;

/// The column at which the summaries begin.
const COLUMN: usize = 26;

/// The help text: fits 80 columns, and lists every option once.
pub(crate) fn help() -> String {
    let mut text = format!(
        "kimura {version}: a web server\n\
         \n\
         Usage: kimura [OPTION]... [{OPERAND}]\n       \
                kimura [OPTION]... COMMAND\n\
         \n",
        version = env!("CARGO_PKG_VERSION"),
    );
    text.push_str(&entry(OPERAND, OPERAND_SUMMARY));
    text.push('\n');
    let options = |scope| OPTIONS.iter().filter(move |option| (option.scope == Scope::Verb) == scope);
    for option in options(false) {
        text.push_str(&entry(&names(option), option.summary));
    }
    text.push_str("\nCommands to a running server, found by its configuration:\n\n");
    for verb in VERBS.iter().filter(|verb| verb.rank.is_some()) {
        text.push_str(&entry(&verb.usage(), verb.summary));
    }
    text.push('\n');
    for option in options(true) {
        text.push_str(&entry(&names(option), option.summary));
    }
    text.push_str("\nWithout a server:\n\n");
    for verb in VERBS.iter().filter(|verb| verb.rank.is_none()) {
        text.push_str(&entry(&verb.usage(), verb.summary));
    }
    text.push_str("\nExit status: 0, or 1 with the reason on standard error. More: man kimura\n");
    text
}

/// `-c, --conf PATH`.
fn names(option: &Opt) -> String {
    let short = option.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = option.value.as_ref().map_or_else(String::new, |value| format!(" {}", value.name));
    format!("{short}--{long}{value}", long = option.long)
}

fn entry(names: &str, summary: &str) -> String {
    // A summary that does not fit beside long names goes on the next line.
    let wide = names.len() + 4 > COLUMN;
    let gap = if wide { format!("\n{:COLUMN$}", "") } else { String::new() };
    let width = if wide { 0 } else { COLUMN - 2 };
    let mut text = format!("  {names:width$}{gap}");
    let mut column = COLUMN;
    for word in summary.split(' ') {
        if column > COLUMN && column + 1 + word.len() > 80 {
            text.push_str(&format!("\n{:COLUMN$}", ""));
            column = COLUMN;
        }
        if column > COLUMN {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_a_terminal_and_lists_every_option_once() {
        let text = help();
        for line in text.lines() {
            assert!(line.len() <= 80, "too long: {line}");
            assert_eq!(line, line.trim_end());
        }
        for option in OPTIONS {
            let lines = text.lines().filter(|line| line.trim_start().starts_with(names(option).trim_start()));
            assert_eq!(lines.count(), 1, "--{}", option.long);
        }
        for verb in VERBS {
            assert!(text.contains(&format!("\n  {}", verb.usage())), "{}", verb.name);
        }
    }
}
