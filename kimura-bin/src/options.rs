//! The one table of command line options: the parser, `--help`, the man page and the completions are made of it.

/// Names an option in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Authority,
    Backup,
    Certificate,
    Client,
    Conf,
    Control,
    Daemon,
    Field,
    Follow,
    From,
    For,
    Generate,
    Grep,
    Group,
    Help,
    Host,
    Json,
    Key,
    Last,
    Login,
    Manager,
    Method,
    PasswordFile,
    Plan,
    Reason,
    Set,
    Socket,
    Status,
    Test,
    TokenFile,
    User,
    Verbose,
    Version,
    Weight,
}

/// One option.
#[derive(Debug, PartialEq)]
pub(crate) struct Opt {
    pub(crate) id: Id,
    pub(crate) short: Option<char>,
    pub(crate) long: &'static str,
    pub(crate) value: Option<Value>,
    /// May stand on one command line several times.
    pub(crate) repeatable: bool,
    pub(crate) scope: Scope,
    /// One line for the help text and the completions: no full stop, and none of `'[]:\`, which shells use.
    pub(crate) summary: &'static str,
    /// Further sentences for the man page.
    pub(crate) detail: &'static str,
}

/// What an option goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A server that is started or tested.
    Server,
    /// A command to one that runs.
    Verb,
    /// Both.
    All,
}

/// The value that an option takes.
#[derive(Debug, PartialEq)]
pub(crate) struct Value {
    /// Its name in the help text.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What a shell can complete a value with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Group,
    User,
    Words(&'static [&'static str]),
    Free,
}

/// What `--generate` can make.
pub(crate) const ARTEFACTS: &[&str] = &["man", "bash", "zsh", "fish", "reference"];

const fn value(name: &'static str, kind: Kind) -> Option<Value> {
    Some(Value { name, kind })
}

const fn option(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Option<Value>,
    summary: &'static str,
    detail: &'static str,
) -> Opt {
    Opt { id, short, long, value, repeatable: false, scope: Scope::Server, summary, detail }
}

/// An option of the commands to a running server.
const fn of_verbs(
    id: Id,
    long: &'static str,
    value: Option<Value>,
    summary: &'static str,
    detail: &'static str,
) -> Opt {
    Opt { scope: Scope::Verb, ..option(id, None, long, value, summary, detail) }
}

/// Every option, in the order in which they are shown.
pub(crate) const OPTIONS: &[Opt] = &[
    Opt {
        scope: Scope::All,
        ..option(
            Id::Conf,
            Some('c'),
            "conf",
            value("PATH", Kind::File),
            "Read the configuration from PATH",
            "Without it the first of the files listed under FILES that exists is read.",
        )
    },
    option(
        Id::Daemon,
        Some('d'),
        "daemon",
        None,
        "Serve in the background",
        "The command returns when the server accepts connections, or with exit status 1 and the reason when it cannot.",
    ),
    option(
        Id::Group,
        Some('g'),
        "group",
        value("GROUP", Kind::Group),
        "Serve as GROUP, by name or number",
        "Overrides /server/group. The group is changed to after the addresses are bound, which takes root.",
    ),
    option(Id::Help, Some('h'), "help", None, "Print this help and exit", ""),
    option(
        Id::Manager,
        Some('m'),
        "manager",
        value("LIST", Kind::Free),
        "Connect to the managers of LIST, separated by commas",
        "This version has no managers and refuses the option.",
    ),
    option(
        Id::Test,
        Some('t'),
        "test",
        None,
        "Check the configuration and the system, then exit",
        "Prints all problems that were found and exits with status 1, or a summary and exits with status 0. \
         Nothing is bound and nothing is written.",
    ),
    option(
        Id::User,
        Some('u'),
        "user",
        value("USER", Kind::User),
        "Serve as USER, by name or number",
        "Overrides /server/user. The user is changed to after the addresses are bound, which takes root.",
    ),
    option(Id::Version, Some('v'), "version", None, "Print the version and exit", ""),
    option(
        Id::Verbose,
        Some('V'),
        "verbose",
        None,
        "Print the counters once a second",
        "A table on a terminal, otherwise one line a second of name=value words. With --test: what each process \
         will keep of its rights.",
    ),
    Opt {
        repeatable: true,
        scope: Scope::All,
        ..option(
            Id::Set,
            None,
            "set",
            value("/PATH=VALUE", Kind::Free),
            "Override one value of the configuration",
            "PATH is the JSON Pointer of the value, as in --set /server/shards=2. VALUE is JSON, and what is no JSON \
             is taken as a text. Later ones win over earlier ones.",
        )
    },
    option(
        Id::Generate,
        None,
        "generate",
        value("WHAT", Kind::Words(ARTEFACTS)),
        "Print the man page, a shell completion or the list of keys, and exit",
        "WHAT is one of man, bash, zsh, fish, and reference for the list of all keys of the configuration.",
    ),
    of_verbs(
        Id::Socket,
        "socket",
        value("PATH", Kind::File),
        "Command the server that listens on this Unix socket",
        "Without it, the one that /server/control/socket of the configuration names.",
    ),
    of_verbs(
        Id::Control,
        "control",
        value("HOST[:PORT]", Kind::Free),
        "Command the server at this host, over TLS",
        "As /server/control/remote of its configuration lets us; without a port, 8440. An IPv6 address stands in brackets. \
         The certificate of the server has to have HOST as one of its names. Takes --authority, and a proof.",
    ),
    of_verbs(
        Id::Authority,
        "authority",
        value("PATH", Kind::File),
        "With --control - trust the certificates in PATH",
        "PEM of the authority of the server's certificate, or of that certificate itself. Without it no connection is made.",
    ),
    of_verbs(
        Id::Certificate,
        "certificate",
        value("PATH", Kind::File),
        "Command as the holder of the certificate in PATH",
        "One of /server/control/remote/certificates, in PEM. Takes --key.",
    ),
    of_verbs(
        Id::Key,
        "key",
        value("PATH", Kind::File),
        "The private key of --certificate",
        "In PEM. With it the command is signed, together with what the server has chosen for this one time.",
    ),
    of_verbs(Id::Json, "json", None, "Print the answer as JSON", ""),
    of_verbs(Id::Plan, "plan", None, "With reload - only print what would change", ""),
    Opt {
        short: Some('f'),
        ..of_verbs(Id::Follow, "follow", None, "With logs - go on with what comes, until the server ends", "")
    },
    of_verbs(
        Id::Last,
        "last",
        value("COUNT", Kind::Free),
        "With logs - begin with so many of the last lines",
        "Those that fit, as far as the server still has them.",
    ),
    of_verbs(
        Id::Host,
        "host",
        value("NAMES", Kind::Free),
        "With logs - only requests to these hosts, separated by commas",
        "As the configuration lists them.",
    ),
    of_verbs(
        Id::Status,
        "status",
        value("LIST", Kind::Free),
        "With logs - only requests with these statuses, such as 404 or 5xx",
        "0 are those without an answer.",
    ),
    of_verbs(
        Id::Client,
        "client",
        value("LIST", Kind::Free),
        "With logs - only requests from these addresses or networks",
        "",
    ),
    of_verbs(
        Id::Grep,
        "grep",
        value("TEXT", Kind::Free),
        "With logs - only lines with TEXT in them, whatever its case",
        "",
    ),
    of_verbs(
        Id::For,
        "for",
        value("TIME", Kind::Free),
        "With ban - how long it lasts, such as 90s, 10m, 2h or 7d",
        "Without it the ban has no end.",
    ),
    of_verbs(
        Id::Reason,
        "reason",
        value("TEXT", Kind::Free),
        "With ban - why, in one short line",
        "It is shown by bans and kept in the file of bans.",
    ),
    of_verbs(
        Id::Weight,
        "weight",
        value("NUMBER", Kind::Free),
        "With upstream add - the share of the requests, from 1 to 1000",
        "1 without it.",
    ),
    of_verbs(Id::Backup, "backup", None, "With upstream add - only while no other server can be used", ""),
    of_verbs(
        Id::Login,
        "login",
        value("NAME", Kind::Free),
        "Command as NAME of /server/control/users",
        "The password is asked for on the terminal, or read from --password-file. Without a proof the server of this machine \
         goes by the user who gives the command.",
    ),
    of_verbs(
        Id::PasswordFile,
        "password-file",
        value("PATH", Kind::File),
        "Read the password of --login or passwd from the first line of PATH",
        "A single dash stands for standard input.",
    ),
    of_verbs(
        Id::TokenFile,
        "token-file",
        value("PATH", Kind::File),
        "Command with the token in the first line of PATH",
        "A single dash stands for standard input.",
    ),
    Opt {
        short: Some('X'),
        ..of_verbs(
            Id::Method,
            "method",
            value("METHOD", Kind::Free),
            "With explain - the method, instead of GET",
            "",
        )
    },
    Opt {
        short: Some('H'),
        repeatable: true,
        ..of_verbs(
            Id::Field,
            "header",
            value("FIELD", Kind::Free),
            "With explain - a field of the request",
            "As in -H 'Cookie: a=b'.",
        )
    },
    of_verbs(
        Id::From,
        "from",
        value("ADDRESS", Kind::Free),
        "With explain - the address that the request comes from, instead of 127.0.0.1",
        "",
    ),
];

/// The operand.
pub(crate) const OPERAND: &str = "DIR";
/// What the operand does.
pub(crate) const OPERAND_SUMMARY: &str =
    "Serve this folder on http://127.0.0.1:8080/ and read no configuration file";

/// The option of that short name.
pub(crate) fn by_short(name: char) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.short == Some(name))
}

/// The option of that long name, which has to be whole: an abbreviation would change its meaning with the next
/// option that begins like it.
pub(crate) fn by_long(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.long == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_texts_fit_their_places() {
        let mut names = BTreeSet::new();
        for option in OPTIONS {
            assert!(names.insert(option.long.to_owned()), "--{} is there twice", option.long);
            if let Some(short) = option.short {
                assert!(names.insert(short.to_string()), "-{short} is there twice");
            }
            assert!(
                !option.summary.contains(['\'', '[', ']', ':', '\\', '"', '$', '`']),
                "--{}",
                option.long
            );
            assert!(!option.summary.is_empty() && !option.summary.ends_with('.'), "--{}", option.long);
            assert!(option.detail.is_empty() || option.detail.ends_with('.'), "--{}", option.long);
        }
    }
}
