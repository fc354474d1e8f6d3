//! The man page `kimura.1`, in mdoc: fixed parts around the list made of the option table.

use crate::options::{OPERAND, OPERAND_SUMMARY, OPTIONS, Opt, Scope};
use crate::settings::SEARCHED;
use crate::verbs::{Operand, VERBS, Verb};

/// The day the fixed parts were last revised.
const REVISED: &str = "November 23, 2026";

/// Longest line of the source; mandoc's style check asks for it.
const WIDTH: usize = 80;

const DESCRIPTION: &str = "\
.Sh DESCRIPTION
.Nm
serves web sites.
It pins one thread, called a shard, to each core.
Each shard has its own listeners, connections and caches.
What is served stands in one configuration file of JSON with comments.
Without a file it is the current folder, on
.Lk http://127.0.0.1:8080/ .
.Pp
The operand and the options are:
.Bl -tag -width Ds
";

const COMMANDS: &str = "\
.El
.Sh COMMANDS
A command goes to the server that runs with the same configuration, over the
Unix socket that /server/control/socket names; with --control, to a server
elsewhere, over TLS, which takes a password, a token or a certificate.
Root and the user that started the server may give all of them, others what
/server/control grants.
A folder with the name of a command is served as
.Pa ./status .
.Bl -tag -width Ds
";

const SIGNALS: &str = "\
.El
.Sh SIGNALS
.Bl -tag -width Ds
.It Dv SIGTERM , SIGINT , SIGQUIT
Accept nothing new, finish the running requests within /server/timeouts/drain,
then exit.
Who has connected already is answered; new clients are refused at once, but for
sockets of a service manager, where they wait for the next server.
A second one ends the server at once.
.It Dv SIGHUP
As the command
.Cm reload .
.It Dv SIGUSR1
As the command
.Cm rotate-logs .
.It Dv SIGUSR2
As the command
.Cm upgrade
without a path.
.El
.Sh FILES
The first of these that exists is read:
.Pp
.Bl -tag -width Ds -compact
";

const EXAMPLES: &str = "\
.El
.Sh EXIT STATUS
0 when the server was stopped by a signal or command, or when what was asked for
was done.
Otherwise the reason is on standard error, and the status is
3 when no server answers a command,
4 when the server does not take it from whoever gives it,
1 in all other cases.
.Sh EXAMPLES
Serve a folder:
.Pp
.Dl $ kimura ./public
.Pp
Check a configuration:
.Pp
.Dl $ kimura -t -c /etc/kimura/kimura.conf
.Pp
Try another address without touching the file:
.Pp
.Dl $ kimura --set '/server/listen=[\"127.0.0.1:8000\"]'
";

/// The page.
pub(crate) fn page() -> String {
    let mut page = format!(".Dd {REVISED}\n.Dt KIMURA 1\n.Os\n.Sh NAME\n.Nm kimura\n.Nd web server\n");
    page.push_str(".Sh SYNOPSIS\n.Nm\n");
    for option in OPTIONS.iter().filter(|option| option.scope != Scope::Verb) {
        page.push_str(&format!(".Op {}\n", flag(option)));
    }
    page.push_str(&format!(".Op Ar {OPERAND}\n.Nm\n.Op Fl c Ar PATH\n"));
    for option in OPTIONS.iter().filter(|option| option.scope == Scope::Verb) {
        page.push_str(&format!(".Op {}\n", flag(option)));
    }
    page.push_str(&format!(".Ar COMMAND\n{DESCRIPTION}.It Ar {OPERAND}\n"));
    page.push_str(&prose(&format!("{OPERAND_SUMMARY}.")));
    for option in OPTIONS.iter().filter(|option| option.scope != Scope::Verb) {
        page.push_str(&item(option));
    }
    page.push_str(COMMANDS);
    for verb in VERBS {
        page.push_str(&command(verb));
    }
    page.push_str(".El\n.Pp\nThe options of commands are:\n.Bl -tag -width Ds\n");
    for option in OPTIONS.iter().filter(|option| option.scope == Scope::Verb) {
        page.push_str(&item(option));
    }
    page.push_str(SIGNALS);
    for path in SEARCHED {
        page.push_str(&format!(".It Pa {path}\n"));
    }
    page.push_str(EXAMPLES);
    page
}

/// The entry of an option in the list.
fn item(option: &Opt) -> String {
    let short = option.short.map_or_else(String::new, |short| format!("Fl {short} , "));
    let head = format!(".It {short}Fl -{}{}\n", option.long, argument(option));
    head + &prose(&format!("{}. {}", option.summary, option.detail))
}

/// The entry of a command in the list.
fn command(verb: &Verb) -> String {
    let operand = match &verb.operand {
        Operand::None => String::new(),
        Operand::Optional(value) => format!(" Op Ar {}", value.name),
        Operand::Required(value) => format!(" Ar {}", value.name),
        Operand::Several(values) => values.iter().map(|value| format!(" Ar {}", value.name)).collect(),
    };
    let rank = verb
        .rank
        .map_or_else(|| "Goes to no server.".to_owned(), |rank| format!("Takes the rank of {rank}."));
    let text = format!("{}. {} {rank}", verb.summary, verb.detail);
    format!(".It Cm {}{operand}\n", verb.name) + &prose(&text)
}

/// The name by which the synopsis calls an option.
fn flag(option: &Opt) -> String {
    let name = option.short.map_or_else(|| format!("Fl -{}", option.long), |short| format!("Fl {short}"));
    format!("{name}{}", argument(option))
}

fn argument(option: &Opt) -> String {
    option.value.as_ref().map_or_else(String::new, |value| format!(" Ar {}", value.name))
}

/// Plain text as mdoc: each sentence begins a line, no line is too long.
fn prose(text: &str) -> String {
    let mut source = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            source.push('\n');
            column = 0;
        }
        if column > 0 {
            source.push(' ');
            column += 1;
        } else if word.starts_with(['.', '\'']) {
            // At the start of a line these would begin a request.
            source.push_str("\\&");
        }
        source.push_str(&word.replace('\\', "\\e"));
        column += word.len();
        if word.ends_with('.') {
            source.push('\n');
            column = 0;
        }
    }
    if column > 0 {
        source.push('\n');
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_cannot_become_a_request() {
        for (text, wanted) in [
            ("One. Two three.", "One.\nTwo three.\n"),
            (".Nm is text", "\\&.Nm is text\n"),
            ("a \\fB b", "a \\efB b\n"),
            ("", ""),
        ] {
            assert_eq!(prose(text), wanted);
        }
        assert!(page().lines().all(|line| line.len() <= WIDTH));
    }
}
