//! From nothing to a serving daemon: one straight list.

use std::fs::File;

use sys::creds::Identity;
use sys::daemon::daemonize;
use sys::pid_file::PidFile;
use sys::signal::{Signal, Signals};

use super::control::Control;
use super::estate::{Estate, open_log};
use super::examination::{Deployment, Examination, Verdict};
use super::house::House;
use super::refusal::Refusal;
use super::run::Supervisor;
use super::{identity, shards};
use crate::message::{Depth, Hello, IdentityEntry, LINK_VERSION, Needs, Trouble};
use crate::stage::Stage;

/// What the supervisor is told from outside; its children ignore all of it.
const HEARD: &[Signal] =
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
}

/// Serves until it is told to end.
///
/// # Errors
/// Whatever prevents the start, with nothing left behind.
pub fn serve(house: &mut dyn House, stage: impl FnOnce(&Needs) -> Stage) -> Result<(), Refusal> {
    let files = sys::limits::raise_memlock().and_then(|_| sys::limits::raise_nofile(u64::MAX));
    let files = files.map_err(Refusal::system("read the limits of the process"))?;
    let ground = prepare(house)?;
    let needs = &ground.deployment.needs;
    let stage = stage(needs);
    let cores = shards::cores(needs.shards).map_err(Refusal::system("learn which cores there are"))?;
    shards::compare(files, needs, cores.len());

    // No thread before this line: only the calling one would go along to the background.
    let background = needs.daemon.then(daemonize).transpose();
    let background = background.map_err(Refusal::system("go to the background"))?;
    let pid_file = needs.pid_file.as_deref().map(PidFile::create).transpose().map_err(Refusal::PidFile)?;
    if let Stage::Threads(_) = &stage {
        // All share one working directory, and relative paths mean the one of the start.
        std::env::set_current_dir(house.folder())
            .map_err(Refusal::system("go back to the folder of the start"))?;
        if let Some(identity) = &ground.identity {
            sys::creds::drop_to(identity).map_err(Refusal::Identity)?;
        }
    }
    let signals = Signals::block(HEARD).map_err(Refusal::system("receive signals"))?;
    let mut supervisor = Supervisor::new(house, stage, signals, ground);
    supervisor.start()?;
    if let Some(ready) = background {
        ready.serving().map_err(Refusal::system("let go of the terminal"))?;
        supervisor.streams_moved();
    }
    supervisor.run();
    drop(pid_file);
    Ok(())
}

/// Examines the configuration and opens what it needs.
fn prepare(house: &mut dyn House) -> Result<Ground, Refusal> {
    let text = house.text().map_err(Refusal::Unreadable)?;
    let program = sys::spawn::Program::own().map_err(Refusal::system("open the program itself"))?;
    let stage = Stage::Processes(program);
    let examine = |depth, identity: Option<IdentityEntry>| {
        let hello = Hello { version: LINK_VERSION, identity, level: 3, folder: house.folder() };
        Examination::start(&stage, hello, house.subject(), &text, depth)
            .map_err(Refusal::system("start the examination of the configuration"))
    };
    let root = Identity::current().map_err(Refusal::Identity)?.uid == 0;
    let mut identity = None;
    if root {
        // Who will serve is known only from the text, which root does not read.
        let nobody = IdentityEntry { uid: NOBODY, gid: NOBODY, groups: Vec::new() };
        let mut first = examine(Depth::Text, Some(nobody))?;
        let deployment = right(first.wait())?;
        identity =
            or_explain(&mut first, identity::resolve(&deployment.needs).map_err(|trouble| vec![trouble]))?;
    }
    let mut examination = examine(Depth::Whole, identity.as_ref().map(IdentityEntry::from))?;
    let deployment = right(examination.wait())?;
    let needs = &deployment.needs;
    if !root {
        let resolved = identity::resolve(needs).map_err(|trouble| vec![trouble]);
        identity = or_explain(&mut examination, resolved)?;
    }
    let shards = shards::cores(needs.shards).map_err(Refusal::system("learn which cores there are"))?.len();
    let mut estate = Estate::default();
    let opened = estate.open(needs, shards::group(shards));
    estate.adopt(or_explain(&mut examination, opened)?);
    let mut control = Control::default();
    let prepared = control.prepare(&needs.control, own_uid());
    control.adopt(or_explain(&mut examination, prepared)?);
    let errors = open_log(&needs.error_log).map_err(|trouble| vec![trouble]);
    let errors = or_explain(&mut examination, errors)?;
    house.errors_to(&needs.error_log.output).map_err(Refusal::Unreadable)?;
    house.verbosity(needs.error_level);
    Ok(Ground { deployment, estate, control, identity, errors })
}

/// Our user, who may command all.
pub(super) fn own_uid() -> u32 {
    Identity::current().map_or(u32::MAX, |identity| identity.uid)
}

fn right(verdict: Result<Verdict, crate::link::LinkError>) -> Result<Deployment, Refusal> {
    match verdict {
        Ok(Verdict::Right(deployment)) => Ok(*deployment),
        Ok(Verdict::Wrong(count, text)) => Err(Refusal::Problems { count, text }),
        Err(error) => Err(Refusal::Unexamined(error.to_string())),
    }
}

/// Has the examination tell what could not be done, in terms of the text.
fn or_explain<T>(examination: &mut Examination, done: Result<T, Vec<Trouble>>) -> Result<T, Refusal> {
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
pub fn examine(house: &mut dyn House) -> Result<Needs, Refusal> {
    let text = house.text().map_err(Refusal::Unreadable)?;
    let program = sys::spawn::Program::own().map_err(Refusal::system("open the program itself"))?;
    let hello = Hello { version: LINK_VERSION, identity: None, level: 3, folder: house.folder() };
    let examination =
        Examination::start(&Stage::Processes(program), hello, house.subject(), &text, Depth::Whole);
    let mut examination =
        examination.map_err(Refusal::system("start the examination of the configuration"))?;
    let deployment = right(examination.wait())?;
    let resolved = identity::resolve(&deployment.needs).map(drop).map_err(|trouble| vec![trouble]);
    or_explain(&mut examination, resolved)?;
    Ok(deployment.needs)
}
