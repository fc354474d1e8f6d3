//! A rehearsal, as the program sees it that is to take over: everything that serving takes, but on sockets of our own,
//! so that nobody who waits at the real ones is kept waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use sys::spawn::Program;

use super::boot::{Examined, Reading};
use super::estate::{Estate, Opened};
use super::house::House;
use super::refusal::Refusal;
use super::shards;
use super::worker::{Birth, Seen, Worker};
use crate::message::{FromWorker, Hello, IdentityEntry, LINK_VERSION, STATE_VERSION, State};
use crate::role::Role;
use crate::stage::Stage;

/// How long the worker may take to serve, and then to answer a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Any answer will do: what is served is nobody's business here.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 ";

/// Shows that this program could take `state` over.
///
/// # Errors
/// Why it could not.
pub fn rehearse(house: &dyn House, state: &State) -> Result<(), Refusal> {
    if let Some(why) = stranger(state) {
        return Err(Refusal::Worker(why));
    }
    let examined = Reading::new(house)?.examine()?;
    let program = Program::own().map_err(Refusal::system("open the program itself"))?;
    let stage = Stage::Processes(program);
    let listeners = private_listeners(examined.deployment.needs.listeners.len())
        .map_err(Refusal::system("listen for the rehearsal"))?;
    let mut troupe = Troupe::start(&stage, house, state, &examined, &listeners)
        .map_err(Refusal::system("start a worker"))?;
    troupe.wait_until_serving().map_err(Refusal::Worker)?;
    for (address, _) in &listeners {
        answers(address).map_err(Refusal::system("have a request answered by the new worker"))?;
    }
    Ok(())
}

/// Why what was left is of no use to this program.
fn stranger(state: &State) -> Option<String> {
    if state.version != STATE_VERSION {
        let (theirs, ours) = (state.version, STATE_VERSION);
        return Some(format!(
            "the running server leaves version {theirs} of its state, and this program takes {ours}: restart it"
        ));
    }
    if state.links != LINK_VERSION {
        let (theirs, ours) = (state.links, LINK_VERSION);
        return Some(format!(
            "the workers that run speak version {theirs} of the links, and this program {ours}: restart the server"
        ));
    }
    None
}

/// One for each address of the configuration, under names that nobody else has.
fn private_listeners(count: usize) -> io::Result<Vec<(SocketAddr, OwnedFd)>> {
    let listener = |number| {
        let name = format!("kimura-rehearsal-{}-{number}", std::process::id());
        let address = SocketAddr::from_abstract_name(name)?;
        let listener = UnixListener::bind_addr(&address)?;
        Ok((address, listener.into()))
    };
    (0..count).map(listener).collect()
}

/// A worker that goes with the rehearsal.
struct Troupe(Worker);

impl Troupe {
    fn start(
        stage: &Stage,
        house: &dyn House,
        state: &State,
        examined: &Examined,
        listeners: &[(SocketAddr, OwnedFd)],
    ) -> io::Result<Self> {
        let Examined { deployment, identity, .. } = examined;
        let identity = identity.as_ref().map(IdentityEntry::from);
        let sandbox = deployment.needs.sandbox;
        let hello =
            Hello { version: LINK_VERSION, identity, level: state.level, folder: house.folder(), sandbox };
        let cores = shards::cores(deployment.needs.shards)?;
        let (log, lines) = sys::packet::pair()?;
        let (life, link) = stage.start(Role::Worker, None)?;
        let birth = Birth { generation: 0, hello, cores: &cores, log, lines, seen: Seen::default() };
        let mut troupe = Self(Worker::greet(life, link, birth)?);
        let sockets = listeners.iter().map(|(_, fd)| fd.try_clone()).collect::<io::Result<Vec<_>>>()?;
        let estate = Estate::of(&deployment.needs, sockets);
        let told = troupe.0.deploy(deployment, &estate, &Opened::default());
        told.and_then(|()| troupe.0.begin()).map_err(io::Error::other)?;
        Ok(troupe)
    }

    fn wait_until_serving(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.0.link.receive().map_err(|error| format!("the new worker has ended: {error}"))? {
                Some((FromWorker::Serving, _)) => return Ok(()),
                Some((FromWorker::Refused { why }, _)) => return Err(why),
                Some((other, _)) => {
                    return Err(format!("the new worker says what it may not say now: {other:?}"));
                }
                None => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match sys::poll::readable(self.0.link.fd(), Some(left)) {
                Ok(true) => {}
                Ok(false) => return Err("the new worker does not come to serve".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Drop for Troupe {
    fn drop(&mut self) {
        self.0.life.put_down();
    }
}

/// Sends a request and waits for the beginning of an answer.
fn answers(address: &SocketAddr) -> io::Result<()> {
    let mut stream = UnixStream::connect_addr(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    let mut start = [0; ANSWER.len()];
    stream.read_exact(&mut start)?;
    if start == ANSWER {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidData, "it is no HTTP/1.1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::tests::state;

    #[test]
    fn other_versions_are_refused() {
        let with = |version, links| State { version, links, ..state() };
        for (state, wanted) in [
            (with(STATE_VERSION, LINK_VERSION), None),
            (with(STATE_VERSION - 1, LINK_VERSION), Some("of its state")),
            (with(STATE_VERSION, LINK_VERSION + 1), Some("of the links")),
        ] {
            match (stranger(&state), wanted) {
                (None, None) => {}
                (Some(why), Some(wanted)) => assert!(why.contains(wanted), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
