//! The command line, parsed. Whatever makes no sense is refused here.

use crate::ban;
use crate::explain::Explain;
use crate::follow::{Stay, View};
use crate::limit;
use crate::manual::Artefact;
use crate::options::{self, Id, OPTIONS, Opt, Scope};
use crate::order::far::{Far, Place};
use crate::passwd::Passwd;
use crate::upstream::{self, Addition};
use crate::url::Url;
use crate::usage::Usage;
use crate::verbs::{self, Verb};
use lexopt::{Arg, Parser, ValueExt};
use privsep::message::{Command as ToServer, Network, UpstreamChange};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// What the user wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Version,
    Generate(Artefact),
    Test(Wishes, Reports),
    Serve(Wishes, Reports),
    /// To a server that runs.
    Order(Box<Order>),
    /// From one that runs, what it logs.
    Logs(Box<Order>, View),
    /// Of a password, its hash.
    Passwd(Passwd),
    /// Of a URL, its way.
    Explain(Box<Explain>),
}

/// A command to a server that runs.
#[derive(Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) command: ToServer,
    /// The socket of the server; otherwise the configuration that `wishes` lead to names it.
    pub(crate) socket: Option<PathBuf>,
    /// A server that is somewhere else.
    pub(crate) far: Option<Far>,
    pub(crate) wishes: Wishes,
    pub(crate) proof: ProofFrom,
    pub(crate) form: Form,
}

/// What shows that a command may be given.
#[derive(Debug, PartialEq)]
pub(crate) enum ProofFrom {
    /// The user who gives it.
    Peer,
    /// A password, from a file or the terminal.
    Password { user: String, file: Option<PathBuf> },
    /// A token, from a file.
    Token(PathBuf),
    /// A certificate and its key, from files.
    Certificate { chain: PathBuf, key: PathBuf },
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    People,
    Json,
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
                given.operands.push(operand);
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
    operands: Vec<OsString>,
    artefact: Option<Artefact>,
    overrides: Vec<Override>,
    socket: Option<PathBuf>,
    login: Option<String>,
    password_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    control: Option<Place>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    seconds: Option<u64>,
    reason: Option<String>,
    method: Option<String>,
    fields: Vec<String>,
    from: Option<IpAddr>,
    view: View,
    addition: Addition,
}

impl Given {
    fn option(&mut self, option: &'static Opt, value: OsString) -> Result<(), Usage> {
        if self.has(option.id) && !option.repeatable {
            return Err(Usage::Twice(option.long));
        }
        self.seen.push(option.id);
        match option.id {
            Id::Help | Id::Test | Id::Version | Id::Json | Id::Plan => {}
            Id::Weight => self.addition.weight = Some(upstream::weight(&text(option, value)?)?),
            Id::Backup => self.addition.backup = true,
            Id::Conf => self.conf = Some(value.into()),
            Id::Daemon => self.overrides.push(Override::Background),
            Id::Verbose => self.overrides.push(Override::Foreground),
            Id::Group => self.overrides.push(Override::Group(text(option, value)?)),
            Id::User => self.overrides.push(Override::User(text(option, value)?)),
            Id::Set => self.overrides.push(Override::Set(text(option, value)?)),
            Id::Follow => self.view.stay = Stay::Follow,
            Id::Last => self.view.last(text(option, value)?)?,
            Id::Host | Id::Status | Id::Client | Id::Grep => {
                self.view.hear(option.id, &text(option, value)?)?;
            }
            Id::For => self.seconds = Some(ban::seconds(&text(option, value)?)?),
            Id::Reason => self.reason = Some(ban::reason(text(option, value)?)?),
            Id::Method => self.method = Some(text(option, value)?),
            Id::Field => {
                let field = text(option, value)?;
                if !field.contains(':') || field.contains(['\r', '\n']) {
                    return Err(Usage::BadField(field));
                }
                self.fields.push(field);
            }
            Id::From => {
                let address = text(option, value)?;
                self.from = Some(address.parse().map_err(|_| Usage::BadAddress(address))?);
            }
            Id::Socket => self.socket = Some(value.into()),
            Id::Login => self.login = Some(text(option, value)?),
            Id::PasswordFile => self.password_file = Some(value.into()),
            Id::TokenFile => self.token_file = Some(value.into()),
            Id::Control => {
                let text = text(option, value)?;
                self.control = Some(Place::parse(&text).ok_or(Usage::BadPlace(text))?);
            }
            Id::Authority => self.authority = Some(value.into()),
            Id::Certificate => self.certificate = Some(value.into()),
            Id::Key => self.key = Some(value.into()),
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
    fn command(mut self) -> Result<Command, Usage> {
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
        if let Some(verb) = self.verb() {
            self.only(Scope::Verb)?;
            if verb.id == verbs::Id::Explain {
                return self.explain(verb).map(|explain| Command::Explain(Box::new(explain)));
            }
            if let Some(option) = self.of_explain() {
                return Err(Usage::NotWith(option, verb.name));
            }
            let view = std::mem::take(&mut self.view);
            return match self.command_of(verb)? {
                Some(ToServer::Logs) => {
                    self.order(verb, ToServer::Logs).map(|order| Command::Logs(Box::new(order), view))
                }
                Some(command) => self.order(verb, command).map(|order| Command::Order(Box::new(order))),
                None => self.passwd(verb).map(Command::Passwd),
            };
        }
        self.only(Scope::Server)?;
        let (test, verbose, daemon) = (self.has(Id::Test), self.has(Id::Verbose), self.has(Id::Daemon));
        if verbose && daemon {
            return Err(Usage::Contradiction("--verbose", "--daemon"));
        }
        let wishes = self.wishes()?;
        Ok(match (test, verbose) {
            (true, true) => Command::Test(wishes, Reports::Verbose),
            (true, false) => Command::Test(wishes, Reports::Quiet),
            (false, true) => Command::Serve(wishes, Reports::Verbose),
            (false, false) => Command::Serve(wishes, Reports::Quiet),
        })
    }
}

impl Given {
    /// The command that the first operand names; a folder of that name is written `./status`.
    fn verb(&mut self) -> Option<&'static Verb> {
        let verb = verbs::by_name(self.operands.first()?.to_str()?)?;
        self.operands.remove(0);
        Some(verb)
    }

    /// A command that goes to no server takes none of the options that name one.
    fn passwd(&mut self, verb: &'static Verb) -> Result<Passwd, Usage> {
        let mut others = self.seen.iter().filter(|id| **id != Id::PasswordFile);
        if let Some(option) = others.find_map(|id| OPTIONS.iter().find(|option| option.id == *id)) {
            return Err(Usage::NotWith(option, verb.name));
        }
        let mut operands = std::mem::take(&mut self.operands).into_iter();
        let user =
            operands.next().map(|name| name.into_string().map_err(|_| Usage::OperandNotText(verb.name)));
        if let Some(further) = operands.next() {
            return Err(Usage::FurtherOperand(verb.name, further.to_string_lossy().into_owned()));
        }
        Ok(Passwd { user: user.transpose()?, file: self.password_file.take() })
    }

    /// An option that only explaining takes.
    fn of_explain(&self) -> Option<&'static Opt> {
        let ids = [Id::Method, Id::Field, Id::From];
        OPTIONS.iter().find(|option| ids.contains(&option.id) && self.has(option.id))
    }

    /// What is to be explained; it goes to no server.
    fn explain(&mut self, verb: &'static Verb) -> Result<Explain, Usage> {
        const TAKEN: [Id; 5] = [Id::Conf, Id::Set, Id::Method, Id::Field, Id::From];
        let mut others = self.seen.iter().filter(|id| !TAKEN.contains(id));
        if let Some(option) = others.find_map(|id| OPTIONS.iter().find(|option| option.id == *id)) {
            return Err(Usage::NotWith(option, verb.name));
        }
        let mut operands = std::mem::take(&mut self.operands).into_iter();
        let url = operands.next().ok_or(Usage::MissingOperand(verb))?;
        let url = url.into_string().map_err(|_| Usage::OperandNotText(verb.name))?;
        if let Some(further) = operands.next() {
            return Err(Usage::FurtherOperand(verb.name, further.to_string_lossy().into_owned()));
        }
        let method = self.method.take().unwrap_or_else(|| "GET".to_owned());
        Ok(Explain {
            url: Url::parse(&url, &method).map_err(Usage::BadUrl)?,
            method,
            fields: std::mem::take(&mut self.fields),
            from: self.from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            wishes: self.wishes()?,
        })
    }

    /// Refuses options that go with something else.
    fn only(&self, scope: Scope) -> Result<(), Usage> {
        let all = self.seen.iter().filter_map(|id| OPTIONS.iter().find(|option| option.id == *id));
        let mut others = all.filter(|option| option.scope != scope && option.scope != Scope::All);
        others.next().map_or(Ok(()), |option| Err(Usage::OutOfScope(option)))
    }

    /// Where the configuration comes from, and what overrides it.
    fn wishes(&mut self) -> Result<Wishes, Usage> {
        if self.operands.len() > 1 {
            return Err(Usage::TwoFolders);
        }
        let from = match (self.conf.take(), self.operands.pop()) {
            (Some(_), Some(_)) => return Err(Usage::Contradiction("--conf", options::OPERAND)),
            (Some(path), None) => From::File(path),
            (None, Some(folder)) => From::Folder(folder.into()),
            (None, None) => From::Search,
        };
        Ok(Wishes { from, overrides: std::mem::take(&mut self.overrides) })
    }

    fn order(&mut self, verb: &'static Verb, command: ToServer) -> Result<Order, Usage> {
        if self.has(Id::Plan) && verb.id != verbs::Id::Reload {
            return Err(Usage::Contradiction("--plan", verb.name));
        }
        if let Some(option) = self.of_a_ban().filter(|_| verb.id != verbs::Id::Ban) {
            return Err(Usage::NotWith(option, verb.name));
        }
        if let Some(option) = self
            .of_an_addition()
            .filter(|_| !matches!(command, ToServer::Upstream { change: UpstreamChange::Add { .. }, .. }))
        {
            return Err(Usage::NotWith(option, verb.name));
        }
        if let Some(option) = self.of_logs().filter(|_| verb.id != verbs::Id::Logs) {
            return Err(Usage::NotWith(option, verb.name));
        }
        if self.control.is_some() && verb.id == verbs::Id::Logs {
            return Err(Usage::LogsFar);
        }
        if let Some(further) = self.operands.first() {
            return Err(Usage::FurtherOperand(verb.name, further.to_string_lossy().into_owned()));
        }
        let proof = self.proof()?;
        let far = self.far(&proof)?;
        let form = if self.has(Id::Json) { Form::Json } else { Form::People };
        Ok(Order { command, socket: self.socket.take(), far, wishes: self.wishes()?, proof, form })
    }

    fn proof(&mut self) -> Result<ProofFrom, Usage> {
        let certificate = match (self.certificate.take(), self.key.take()) {
            (Some(chain), Some(key)) => Some(ProofFrom::Certificate { chain, key }),
            (Some(_), None) => return Err(Usage::NeedsOther("--certificate", "--key")),
            (None, Some(_)) => return Err(Usage::NeedsOther("--key", "--certificate")),
            (None, None) => None,
        };
        match (self.login.take(), self.password_file.take(), self.token_file.take(), certificate) {
            (Some(_), _, Some(_), _) => Err(Usage::Contradiction("--login", "--token-file")),
            (Some(_), _, _, Some(_)) => Err(Usage::Contradiction("--login", "--certificate")),
            (_, _, Some(_), Some(_)) => Err(Usage::Contradiction("--token-file", "--certificate")),
            (Some(user), file, None, None) => Ok(ProofFrom::Password { user, file }),
            (None, Some(_), ..) => Err(Usage::NeedsOther("--password-file", "--login")),
            (None, None, Some(file), None) => Ok(ProofFrom::Token(file)),
            (None, None, None, certificate) => Ok(certificate.unwrap_or(ProofFrom::Peer)),
        }
    }

    /// The server that is somewhere else. It has to prove who it is, and cannot see who commands.
    fn far(&mut self, proof: &ProofFrom) -> Result<Option<Far>, Usage> {
        match (self.control.take(), self.authority.take()) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Usage::NeedsOther("--authority", "--control")),
            (Some(_), None) => Err(Usage::NoAuthority),
            (Some(_), _) if self.socket.is_some() => Err(Usage::Contradiction("--control", "--socket")),
            (Some(_), _) if *proof == ProofFrom::Peer => Err(Usage::NoProof),
            (Some(place), Some(authority)) => Ok(Some(Far { place, authority })),
        }
    }

    /// An option that only a ban takes.
    fn of_a_ban(&self) -> Option<&'static Opt> {
        OPTIONS.iter().find(|option| matches!(option.id, Id::For | Id::Reason) && self.has(option.id))
    }

    /// An option that only a server takes that is added.
    fn of_an_addition(&self) -> Option<&'static Opt> {
        OPTIONS.iter().find(|option| matches!(option.id, Id::Weight | Id::Backup) && self.has(option.id))
    }

    /// An option that only logs take.
    fn of_logs(&self) -> Option<&'static Opt> {
        let of_logs = |id| {
            matches!(id, Id::Follow | Id::Last | Id::Host | Id::Status | Id::Client | Id::Grep)
                && self.has(id)
        };
        OPTIONS.iter().find(|option| of_logs(option.id))
    }

    /// An order for a server that requests are passed on to.
    fn upstream(&mut self, verb: &'static Verb) -> Result<ToServer, Usage> {
        const OPERANDS: usize = 3;
        if self.operands.len() < OPERANDS {
            return Err(Usage::MissingOperand(verb));
        }
        let operands = self.operands.drain(..OPERANDS).map(OsString::into_string);
        let operands: Result<Vec<String>, OsString> = operands.collect();
        let operands = operands.map_err(|_| Usage::OperandNotText(verb.name))?;
        let operands = operands.try_into().map_err(|_| Usage::MissingOperand(verb))?;
        upstream::command(operands, &self.addition)
    }

    /// The network that a ban is about.
    fn network(&mut self, verb: &'static Verb) -> Result<Network, Usage> {
        if self.operands.is_empty() {
            return Err(Usage::MissingOperand(verb));
        }
        let operand = self.operands.remove(0).into_string();
        ban::network(&operand.map_err(|_| Usage::OperandNotText(verb.name))?)
    }

    /// The limit that is to change.
    fn limit(&mut self, verb: &'static Verb) -> Result<(String, Option<String>), Usage> {
        if self.operands.is_empty() {
            return Err(Usage::MissingOperand(verb));
        }
        let operand = self.operands.remove(0).into_string();
        limit::setting(&operand.map_err(|_| Usage::OperandNotText(verb.name))?)
    }

    /// The command as the server takes it; none for one that goes to no server.
    fn command_of(&mut self, verb: &'static Verb) -> Result<Option<ToServer>, Usage> {
        Ok(Some(match verb.id {
            verbs::Id::Passwd | verbs::Id::Explain => return Ok(None),
            verbs::Id::Status => ToServer::Status,
            verbs::Id::Reload => ToServer::Reload { plan: self.has(Id::Plan) },
            verbs::Id::Stop => ToServer::Stop,
            verbs::Id::Drain => ToServer::Drain,
            verbs::Id::RotateLogs => ToServer::RotateLogs,
            verbs::Id::Logs => ToServer::Logs,
            verbs::Id::Bans => ToServer::Bans,
            verbs::Id::Ban => ToServer::Ban {
                network: self.network(verb)?,
                seconds: self.seconds,
                reason: self.reason.take().unwrap_or_default(),
            },
            verbs::Id::Upstreams => ToServer::Upstreams,
            verbs::Id::Upstream => self.upstream(verb)?,
            verbs::Id::Limits => ToServer::Limits,
            verbs::Id::Limit => {
                let (pointer, value) = self.limit(verb)?;
                ToServer::Limit { pointer, value }
            }
            verbs::Id::Unban => ToServer::Unban { network: self.network(verb)? },
            verbs::Id::Upgrade => {
                let given = (!self.operands.is_empty()).then(|| PathBuf::from(self.operands.remove(0)));
                // The server has another working directory.
                let path = given.map(|path| std::path::absolute(&path).unwrap_or(path));
                ToServer::Upgrade { path }
            }
            verbs::Id::Verbosity => {
                let given = (!self.operands.is_empty()).then(|| self.operands.remove(0));
                let name = given.ok_or(Usage::MissingOperand(verb))?;
                let level = verbs::LEVELS.iter().position(|level| name == **level);
                let level = level.ok_or_else(|| Usage::BadLevel(name.to_string_lossy().into_owned()))?;
                ToServer::Verbosity { level: level as u32 + 1 }
            }
        }))
    }
}

/// The value of an option that is no path.
fn text(option: &'static Opt, value: OsString) -> Result<String, Usage> {
    value.string().map_err(|_| Usage::NotText(option.long))
}

#[cfg(test)]
mod tests;
