//! The command line, parsed. Whatever makes no sense is refused here.

use crate::manual::Artefact;
use crate::options::{self, Id, Opt};
use crate::usage::Usage;
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the user wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Version,
    Generate(Artefact),
    Test(Wishes),
    Serve(Wishes, Reports),
}

/// What a server prints while it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reports {
    Quiet,
    /// The counters, once a second.
    Verbose,
}

/// Where the configuration comes from, and what overrides it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wishes {
    pub(crate) from: From,
    /// Later ones win.
    pub(crate) overrides: Vec<Override>,
}

/// Where the configuration comes from.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum From {
    /// The first file of the search order, or the built-in configuration for the current folder.
    #[default]
    Search,
    /// This file.
    File(PathBuf),
    /// No file: the built-in configuration for this folder.
    Folder(PathBuf),
}

/// One value of the configuration that the command line sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Override {
    /// `--set`, with its argument.
    Set(String),
    User(String),
    Group(String),
    /// `--daemon`
    Background,
    /// `--verbose`: counters are for somebody who watches, whatever the file says about the background.
    Foreground,
}

/// Parses the arguments that follow the name of the program.
///
/// # Errors
/// The first thing in them that makes no sense.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Usage> {
    let mut parser = Parser::from_args(arguments);
    let mut given = Given::default();
    while let Some(argument) = parser.next().map_err(Usage::from)? {
        let option = match argument {
            Arg::Value(operand) => {
                given.folder(operand)?;
                continue;
            }
            Arg::Short(name) => options::by_short(name).ok_or_else(|| Usage::unknown_short(name))?,
            Arg::Long(name) => options::by_long(name).ok_or_else(|| Usage::unknown_long(name))?,
        };
        let value = match &option.value {
            Some(_) => Some(parser.value().map_err(|_| Usage::MissingValue(option.long))?),
            None => None,
        };
        given.option(option, value.unwrap_or_default())?;
    }
    given.command()
}

/// What was found so far.
#[derive(Default)]
struct Given {
    seen: Vec<Id>,
    conf: Option<PathBuf>,
    folder: Option<PathBuf>,
    artefact: Option<Artefact>,
    overrides: Vec<Override>,
}

impl Given {
    fn folder(&mut self, operand: OsString) -> Result<(), Usage> {
        match self.folder.replace(operand.into()) {
            None => Ok(()),
            Some(_) => Err(Usage::TwoFolders),
        }
    }

    fn option(&mut self, option: &'static Opt, value: OsString) -> Result<(), Usage> {
        if self.has(option.id) && !option.repeatable {
            return Err(Usage::Twice(option.long));
        }
        self.seen.push(option.id);
        match option.id {
            Id::Help | Id::Test | Id::Version => {}
            Id::Conf => self.conf = Some(value.into()),
            Id::Daemon => self.overrides.push(Override::Background),
            Id::Verbose => self.overrides.push(Override::Foreground),
            Id::Group => self.overrides.push(Override::Group(text(option, value)?)),
            Id::User => self.overrides.push(Override::User(text(option, value)?)),
            Id::Set => self.overrides.push(Override::Set(text(option, value)?)),
            Id::Generate => {
                let name = text(option, value)?;
                self.artefact = Some(Artefact::named(&name).ok_or(Usage::BadArtefact(name))?);
            }
            Id::Manager => {
                let list = text(option, value)?;
                let complete = !list.split(',').any(|name| name.trim().is_empty());
                return Err(if complete { Usage::NoManagers } else { Usage::BadManagers(list) });
            }
        }
        Ok(())
    }

    fn has(&self, id: Id) -> bool {
        self.seen.contains(&id)
    }

    /// The command that all of it together means.
    fn command(self) -> Result<Command, Usage> {
        // Who asks for help or the version wants nothing else.
        if self.has(Id::Help) {
            return Ok(Command::Help);
        }
        if self.has(Id::Version) {
            return Ok(Command::Version);
        }
        if let Some(artefact) = self.artefact {
            return Ok(Command::Generate(artefact));
        }
        let (test, verbose, daemon) = (self.has(Id::Test), self.has(Id::Verbose), self.has(Id::Daemon));
        if verbose && daemon {
            return Err(Usage::Contradiction("--verbose", "--daemon"));
        }
        let from = match (self.conf, self.folder) {
            (Some(_), Some(_)) => return Err(Usage::Contradiction("--conf", options::OPERAND)),
            (Some(path), None) => From::File(path),
            (None, Some(folder)) => From::Folder(folder),
            (None, None) => From::Search,
        };
        let wishes = Wishes { from, overrides: self.overrides };
        Ok(match (test, verbose) {
            (true, _) => Command::Test(wishes),
            (false, true) => Command::Serve(wishes, Reports::Verbose),
            (false, false) => Command::Serve(wishes, Reports::Quiet),
        })
    }
}

/// The value of an option that is no path.
fn text(option: &'static Opt, value: OsString) -> Result<String, Usage> {
    value.string().map_err(|_| Usage::NotText(option.long))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Usage> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn accepts() {
        let quiet = |from, overrides| Command::Serve(Wishes { from, overrides }, Reports::Quiet);
        for (line, wanted) in [
            ("", quiet(From::Search, vec![])),
            ("-h", Command::Help),
            ("--help --test", Command::Help),
            ("-v", Command::Version),
            ("--generate=zsh", Command::Generate(Artefact::Zsh)),
            ("public", quiet(From::Folder("public".into()), vec![])),
            ("-- -c", quiet(From::Folder("-c".into()), vec![])),
            ("-c a.conf", quiet(From::File("a.conf".into()), vec![])),
            ("-ca.conf", quiet(From::File("a.conf".into()), vec![])),
            ("--conf=a.conf", quiet(From::File("a.conf".into()), vec![])),
            ("-d", quiet(From::Search, vec![Override::Background])),
            (
                "-u www -gadm",
                quiet(From::Search, vec![Override::User("www".into()), Override::Group("adm".into())]),
            ),
            (
                "--set /a=b=c --set=/a=",
                quiet(From::Search, vec![Override::Set("/a=b=c".into()), Override::Set("/a=".into())]),
            ),
            ("-t -c x", Command::Test(Wishes { from: From::File("x".into()), overrides: vec![] })),
            (
                "-V x",
                Command::Serve(
                    Wishes { from: From::Folder("x".into()), overrides: vec![Override::Foreground] },
                    Reports::Verbose,
                ),
            ),
        ] {
            assert_eq!(parsed(line), Ok(wanted), "{line}");
        }
    }

    #[test]
    fn refuses_with_a_sentence() {
        for (line, wanted) in [
            ("--verbos", "unknown option '--verbos'; did you mean '--verbose'?"),
            ("--conf-file x", "unknown option '--conf-file'; 'kimura --help' lists all"),
            ("--hlep", "unknown option '--hlep'; did you mean '--help'?"),
            ("-T", "unknown option '-T'; did you mean '--test'?"),
            ("-x", "unknown option '-x'; 'kimura --help' lists all"),
            ("-c", "option '--conf' needs a value: --conf PATH"),
            ("--user", "option '--user' needs a value: --user USER"),
            ("--help=yes", "option '--help' takes no value; leave it out"),
            ("-c a -c b", "option '--conf' is given twice; give it once"),
            ("-d -d", "option '--daemon' is given twice; give it once"),
            ("-d -V", "--verbose and --daemon exclude each other; give one of them"),
            ("-c a b", "--conf and DIR exclude each other; give one of them"),
            ("a b", "only one folder can be served; use a configuration file for more"),
            ("--generate pdf", "'pdf' cannot be generated; these can: man, bash, zsh, fish, reference"),
            ("-m a,b", "this version cannot connect to managers; leave '--manager' out"),
            ("-m a,,b", "the list of managers 'a,,b' has an empty name; separate names by single commas"),
        ] {
            let refusal = parsed(line).expect_err(line);
            assert_eq!(refusal.to_string(), wanted, "{line}");
        }
    }

    #[test]
    fn refuses_bytes_that_are_no_text() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
        let user = parse([bytes(b"-u"), bytes(b"\xff")]);
        assert_eq!(user, Err(Usage::NotText("user")));
        let path = parse([bytes(b"-c"), bytes(b"\xff")]);
        let file = Wishes { from: From::File(bytes(b"\xff").into()), overrides: vec![] };
        assert_eq!(path, Ok(Command::Serve(file, Reports::Quiet)));
    }
}
