//! From nothing to a serving daemon: one straight list.

use std::fs::File;
use std::path::PathBuf;

use perf::Block;

use sys::creds::Identity;
use sys::daemon::daemonize;
use sys::pid_file::PidFile;
use sys::signal::{Signal, Signals};

use super::bans::Bans;
use super::control::Control;
use super::estate::{self, Estate, open_log};
use super::examination::{Deployment, Examination, Found, Verdict};
use super::house::House;
use super::passed::Passed;
use super::pressure::Pressure;
use super::refusal::Refusal;
use super::run::Supervisor;
use super::tickets::Tickets;
use super::{bans, files, identity, pam, shards};
use crate::message::{Depth, Hello, IdentityEntry, LINK_VERSION, Needs, Subject, Trouble};
use crate::stage::Stage;

/// What the supervisor is told from outside; its children ignore all of it.
pub(super) const HEARD: &[Signal] =
    &[Signal::Terminate, Signal::Interrupt, Signal::Quit, Signal::Hangup, Signal::User1, Signal::User2];
/// The user of whoever reads a text before it is known who is to serve.
const NOBODY: u32 = 65_534;

/// Everything that is there before the first child that stays.
pub(super) struct Ground {
    pub(super) deployment: Deployment,
    pub(super) estate: Estate,
    pub(super) control: Control,
    pub(super) identity: Option<Identity>,
    /// Standard error of the children; none for ours.
    pub(super) errors: Option<File>,
    /// For the counters of workers that have ended.
    pub(super) grave: Block,
}

/// Serves until it is told to end, on the sockets that were passed where they are those of an address.
///
/// # Errors
/// Whatever prevents the start, with nothing left behind.
pub fn serve(
    house: &mut dyn House,
    passed: Vec<sys::activation::Passed>,
    stage: impl FnOnce(&Needs) -> Stage,
) -> Result<(), Refusal> {
    let files = sys::limits::raise_memlock().and_then(|_| sys::limits::raise_nofile(u64::MAX));
    let files = files.map_err(Refusal::system("read the limits of the process"))?;
    let ground = prepare(house, Passed::new(passed))?;
    let needs = &ground.deployment.needs;
    let stage = stage(needs);
    let cores = shards::cores(needs.shards).map_err(Refusal::system("learn which cores there are"))?;
    shards::compare(files, needs, cores.len());

    // No thread before this line: only the calling one would go along to the background.
    let background = needs.daemon.then(daemonize).transpose();
    let background = background.map_err(Refusal::system("go to the background"))?;
    let pid_file = needs.pid_file.as_deref().map(PidFile::create).transpose().map_err(Refusal::PidFile)?;
    if let Stage::Threads(..) = &stage {
        // All share one working directory, and relative paths mean the one of the start.
        std::env::set_current_dir(house.folder())
            .map_err(Refusal::system("go back to the folder of the start"))?;
        if let Some(identity) = &ground.identity {
            sys::creds::drop_to(identity).map_err(Refusal::Identity)?;
        }
    }
    let signals = Signals::block(HEARD).map_err(Refusal::system("receive signals"))?;
    let mut supervisor = Supervisor::new(house, stage, signals, ground);
    supervisor.pid_file = pid_file;
    supervisor.make_tail();
    supervisor.make_metrics();
    supervisor.start()?;
    if let Some(ready) = background {
        ready.serving().map_err(Refusal::system("let go of the terminal"))?;
        supervisor.streams_moved();
    }
    supervisor.run();
    Ok(())
}

/// Examines the configuration and opens what it needs.
fn prepare(house: &mut dyn House, passed: Passed) -> Result<Ground, Refusal> {
    let Examined { mut examination, deployment, identity } = Reading::new(house)?.examine()?;
    let needs = &deployment.needs;
    let shards = shards::cores(needs.shards).map_err(Refusal::system("learn which cores there are"))?.len();
    // Whoever connects there would wait for ever: better not to start than to serve only what else there is.
    if let Some(address) = passed.unused(needs).next() {
        return Err(Refusal::Unnamed(address.clone()));
    }
    let mut estate = Estate::with(passed);
    estate.tickets = Tickets::new().map_err(Refusal::system("get random bytes"))?;
    estate.epoch = estate::epoch().map_err(Refusal::system("get random bytes"))?;
    estate.pressure = Some(Pressure::new().map_err(Refusal::system("make room for the logs"))?);
    or_explain(&mut examination, bans::check(needs))?;
    let opened = estate.open(needs, shards::group(shards));
    estate.adopt(or_explain(&mut examination, opened)?);
    let mut control = Control::default();
    let prepared = control.prepare(&needs.control, own_uid());
    control.adopt(or_explain(&mut examination, prepared)?);
    let errors = open_log(&needs.error_log).map_err(|trouble| vec![trouble]);
    let errors = or_explain(&mut examination, errors)?;
    house.errors_to(&needs.error_log.output).map_err(Refusal::Unreadable)?;
    house.verbosity(needs.error_level);
    // What is wrong with their file is told where people look for it.
    estate.bans = Bans::open(needs.bans.as_ref());
    let grave = Block::create(0).map_err(Refusal::system("make room for the counters"))?;
    Ok(Ground { deployment, estate, control, identity, errors, grave })
}

/// A text that was read and is not understood yet.
pub(super) struct Reading {
    text: Vec<u8>,
    subject: Subject,
    folder: PathBuf,
    stage: Stage,
}

/// A text that was found right.
pub(super) struct Examined {
    /// To be told what could not be done.
    pub(super) examination: Examination,
    pub(super) deployment: Deployment,
    /// Who is to serve.
    pub(super) identity: Option<Identity>,
}

impl Reading {
    pub(super) fn new(house: &dyn House) -> Result<Self, Refusal> {
        let text = house.text().map_err(Refusal::Unreadable)?;
        let program = sys::spawn::Program::own().map_err(Refusal::system("open the program itself"))?;
        let stage = Stage::Processes(program);
        Ok(Self { text, subject: house.subject(), folder: house.folder(), stage })
    }

    fn begin(&self, depth: Depth, identity: Option<IdentityEntry>) -> Result<Examination, Refusal> {
        let hello =
            Hello { version: LINK_VERSION, identity, level: 3, folder: self.folder.clone(), sandbox: true };
        Examination::start(&self.stage, hello, self.subject.clone(), &self.text, depth)
            .map_err(Refusal::system("start the examination of the configuration"))
    }

    /// Whether PAM can be asked by who is going to: whoever starts the server, or in a single process who serves.
    fn probe_pam(&self, needs: &Needs, identity: Option<&Identity>) -> Result<(), Vec<Trouble>> {
        let identity = identity.filter(|_| !needs.privsep).map(IdentityEntry::from);
        let folder = self.folder.clone();
        let hello = Hello { version: LINK_VERSION, identity, level: 3, folder, sandbox: needs.sandbox };
        pam::probe(self.stage.program(), &hello, needs)
    }

    /// What the text says, without a look at what it names. Root does not read it, so `nobody` does.
    fn understand(&self) -> Result<(Examination, Found), Refusal> {
        let nobody = IdentityEntry { uid: NOBODY, gid: NOBODY, groups: Vec::new() };
        let mut examination = self.begin(Depth::Text, is_root()?.then_some(nobody))?;
        let found = right(examination.wait())?;
        Ok((examination, found))
    }

    /// All of it, by whoever is to serve: as root that is known only from the text.
    pub(super) fn examine(&self) -> Result<Examined, Refusal> {
        let (mut first, understood) = self.understand()?;
        let identity = identity::resolve(&understood.needs).map_err(|trouble| vec![trouble]);
        let identity = or_explain(&mut first, identity)?;
        let mut examination = self.begin(Depth::Whole, identity.as_ref().map(IdentityEntry::from))?;
        let found = right(examination.wait())?;
        let files = or_explain(&mut examination, files::read(&found.needs))?;
        or_explain(&mut examination, self.probe_pam(&found.needs, identity.as_ref()))?;
        match examination.judge(&files).and_then(|()| examination.wait()) {
            Ok(Verdict::Fit) => {}
            other => {
                right(other)?;
                return Err(Refusal::Unexamined("no word about its files".to_owned()));
            }
        }
        Ok(Examined { examination, deployment: found.with(files), identity })
    }
}

fn is_root() -> Result<bool, Refusal> {
    Ok(Identity::current().map_err(Refusal::Identity)?.uid == 0)
}

/// Our user, who may command all.
pub(super) fn own_uid() -> u32 {
    Identity::current().map_or(u32::MAX, |identity| identity.uid)
}

fn right(verdict: Result<Verdict, crate::link::LinkError>) -> Result<Found, Refusal> {
    match verdict {
        Ok(Verdict::Right(found)) => Ok(*found),
        Ok(Verdict::Fit) => Err(Refusal::Unexamined("no word about its text".to_owned())),
        Ok(Verdict::Wrong(count, text)) => Err(Refusal::Problems { count, text }),
        Err(error) => Err(Refusal::Unexamined(error.to_string())),
    }
}

/// Has the examination tell what could not be done, in terms of the text.
pub(super) fn or_explain<T>(
    examination: &mut Examination,
    done: Result<T, Vec<Trouble>>,
) -> Result<T, Refusal> {
    let troubles = match done {
        Ok(done) => return Ok(done),
        Err(troubles) => troubles,
    };
    let explained = examination.explain(troubles).and_then(|()| examination.wait());
    match right(explained) {
        Err(refusal) => Err(refusal),
        Ok(_) => Err(Refusal::Unexamined("no word about what could not be done".to_owned())),
    }
}

/// Examines the configuration for `-t`: opens nothing, starts nothing.
///
/// # Errors
/// What is wrong with it.
pub fn examine(house: &dyn House) -> Result<Needs, Refusal> {
    Ok(Reading::new(house)?.examine()?.deployment.needs)
}

/// Reads the configuration without a look at what it names, for whoever only wants to know where the server is.
///
/// # Errors
/// What is wrong with it.
pub fn understand(house: &dyn House) -> Result<Needs, Refusal> {
    Ok(Reading::new(house)?.understand()?.1.needs)
}
