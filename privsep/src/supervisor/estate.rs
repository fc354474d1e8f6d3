//! What the supervisor holds for its workers: listening sockets and the numbers of log files. Workers come and go;
//! these stay, so that no connection in a queue is lost with them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use perf::Tally;
use sys::fs::FileId;
use sys::net::{Address, ListenOptions, begin_no_handshakes, local_address};
use sys::spawn::Legacy;

use super::bans::Bans;
use super::doors::Doors;
use super::limits::Limits;
use super::passed::Passed;
use super::pressure::Pressure;
use super::room::Room;
use super::tickets::Tickets;
use super::turning::Turning;
use super::upstreams::Upstreams;
use crate::message::{
    AUTHORITY_MAX, ListenNeeds, LogNeeds, Needs, Output, Receiver, State, SyslogWay, Trouble,
};

/// One listening socket.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Names it for the life of the server.
    pub(crate) id: u32,
    pub(crate) fd: OwnedFd,
}

/// All sockets of one address.
#[derive(Debug)]
pub(crate) struct Listener {
    /// As the configuration writes it.
    pub(crate) written: String,
    /// As it is, with the port that the system chose.
    pub(crate) actual: Address,
    pub(crate) sockets: Vec<Socket>,
}

/// Sockets and numbers of logs.
#[derive(Debug, Default)]
pub(crate) struct Estate {
    listeners: Vec<Listener>,
    /// What the service manager has opened; used by those of `listeners` that have such an address.
    passed: Passed,
    next_id: u32,
    /// Keys of TLS sessions.
    pub(crate) tickets: Tickets,
    /// Who is banned.
    pub(crate) bans: Bans,
    /// What was ordered of servers that requests are passed on to.
    pub(crate) upstreams: Upstreams,
    /// Limits that were changed by command.
    pub(crate) limits: Limits,
    /// Where connections of the agent come.
    pub(crate) doors: Doors,
    /// Every destination of access logs that there ever was; its place is its number. A number stays even when the
    /// change that brought it is given up: workers and logger may have heard of it.
    sinks: Vec<Sink>,
    /// Where the logger says which of them cannot keep up: a cell for each number. None in a rehearsal.
    pub(crate) pressure: Option<Pressure>,
    /// Names the life of the server: another one numbers workers and their packets anew.
    pub(crate) epoch: u64,
}

/// A destination of access logs.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) output: Output,
    /// None for the standard streams.
    pub(crate) file: Option<File>,
    /// Where its lines wait; none in a rehearsal, which writes none.
    pub(crate) room: Option<Room>,
    /// Bytes of lines with which requests begin to wait; none when the oldest lines are given up instead.
    pub(crate) hold_at: Option<u64>,
    /// When its file is put aside, and what is known of that.
    pub(crate) turning: Turning,
}

impl Sink {
    /// Says so when lines wait in another way than is asked for now.
    fn compare(&self, log: &LogNeeds, shards: usize) {
        let Some(room) = &self.room else { return };
        let spill = log.spill.as_ref().map(|spill| spill.path.as_path());
        let is_same = (room.spill(), self.hold_at) == (spill, log.hold_at);
        if !is_same || room.cells() != cells(log, shards) {
            log::warn!("lines for {} wait as before: restart the server to change that", name(&self.output));
        }
    }

    /// As if only its file was asked for.
    fn file_needs(&self) -> LogNeeds {
        let (output, pointer) = (self.output.clone(), String::new());
        LogNeeds {
            output,
            cells: 0,
            cells_per_shard: 0,
            hold_at: None,
            spill: None,
            rotation: None,
            named: false,
            messages: false,
            pointer,
        }
    }

    /// What has become of its lines.
    pub(crate) fn tally(&self, epoch: u64) -> Option<Tally> {
        self.room.as_ref().map(|room| room.tally(epoch))
    }

    /// Whether a next server will find the lines that wait.
    pub(crate) fn outlives(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.spill().is_some())
    }
}

/// What was opened for a configuration that is not in force yet.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    listeners: Vec<Listener>,
    doors: Doors,
}

/// Most destinations of access logs.
pub(crate) const SINKS_MAX: usize = 4096;
/// Who may read and write a new log file, less the umask.
pub(super) const LOG_MODE: u32 = 0o666;

impl Estate {
    /// Nothing but what the service manager has passed.
    pub(crate) fn with(passed: Passed) -> Self {
        Self { passed, ..Self::default() }
    }

    /// Opens what `needs` takes and is not there yet. Nothing that is in use changes.
    ///
    /// # Errors
    /// Everything that cannot be opened; no new address stays open then.
    pub(crate) fn open(&mut self, needs: &Needs, group: usize) -> Result<Opened, Vec<Trouble>> {
        let mut opened = Opened::default();
        let mut troubles = Vec::new();
        let options = ListenOptions { backlog: needs.backlog, ..ListenOptions::default() };
        for listen in &needs.listeners {
            if self.listeners.iter().any(|known| known.written == listen.address) {
                continue;
            }
            if let Some(leaving) = self.in_the_way(listen, needs) {
                troubles.push(overlap(listen, leaving));
                continue;
            }
            match self.passed.or_bind(listen, group, &options) {
                Ok((address, sockets)) => {
                    let sockets: Vec<Socket> = sockets.into_iter().map(|fd| self.number(fd)).collect();
                    let actual = actual(address, &sockets);
                    opened.listeners.push(Listener { written: listen.address.clone(), actual, sockets });
                }
                Err(trouble) => troubles.push(trouble),
            }
        }
        for log in &needs.access_logs {
            if let Some(known) = self.sinks.iter().find(|known| known.output == log.output) {
                known.compare(log, group);
                continue;
            }
            if let Some(known) = self.sinks.iter_mut().find(|known| is_same(&known.output, &log.output)) {
                known.compare(log, group);
                match open_log(log) {
                    Ok(file) => (known.output, known.file) = (log.output.clone(), file),
                    Err(trouble) => troubles.push(trouble),
                }
                continue;
            }
            match open_sink(log, group) {
                Ok(_) if self.sinks.len() >= SINKS_MAX => troubles.push(too_many_logs(log)),
                Ok(sink) => self.sinks.push(sink),
                Err(trouble) => troubles.push(trouble),
            }
        }
        opened.doors = self.doors.open(&needs.control.remote, &self.passed, &mut troubles);
        if troubles.is_empty() { Ok(opened) } else { Err(troubles) }
    }

    /// What is listened on as long as `needs` are not in force, and keeps an address of theirs from being bound.
    fn in_the_way(&self, listen: &ListenNeeds, needs: &Needs) -> Option<&Listener> {
        let address: Address = listen.address.parse().ok().filter(|address| !self.passed.has(address))?;
        let mut overlapping = self.listeners.iter().filter(|known| known.actual.overlaps(&address));
        overlapping.find(|known| needs.listeners.iter().all(|other| other.address != known.written))
    }

    fn number(&mut self, fd: OwnedFd) -> Socket {
        self.next_id += 1;
        Socket { id: self.next_id, fd }
    }

    /// Takes over what was opened.
    pub(crate) fn adopt(&mut self, opened: Opened) {
        self.listeners.extend(opened.listeners);
        self.doors.adopt(opened.doors);
    }

    /// Closes the sockets of all addresses that `needs` does not name, but for those that were passed.
    pub(crate) fn keep_only(&mut self, needs: &Needs) {
        let named = |known: &Listener| needs.listeners.iter().any(|listen| listen.address == known.written);
        let gone: Vec<Listener> = self.listeners.extract_if(.., |known| !named(known)).collect();
        self.remove_files_of(&gone);
        self.doors.keep_only(&needs.control.remote);
        for address in self.passed.unused(needs) {
            log::warn!(
                "{address} stays open, and who connects there waits: the service manager has passed it; stop its \
                 .socket unit"
            );
        }
    }

    /// Gives all sockets up, since nobody will accept from them any more but those who have them now, and they only who has
    /// come already. Those that were passed go on as they are: who comes waits for the next server.
    pub(crate) fn close(&mut self) {
        let listeners = std::mem::take(&mut self.listeners);
        self.remove_files_of(&listeners);
        for listener in listeners.iter().filter(|listener| !self.passed.has(&listener.actual)) {
            if matches!(listener.actual, Address::Unix(_)) {
                continue;
            }
            for socket in &listener.sockets {
                if let Err(error) = begin_no_handshakes(socket.fd.as_fd()) {
                    log::debug!("{}: who comes now may be reset: {error}", listener.actual);
                }
            }
        }
    }

    /// Takes the files of all sockets away, at the end.
    pub(crate) fn remove_files(&self) {
        self.remove_files_of(&self.listeners);
    }

    /// The file of a Unix socket, which nobody answers any more. One that was passed is not ours to remove.
    fn remove_files_of(&self, listeners: &[Listener]) {
        for listener in listeners.iter().filter(|listener| !self.passed.has(&listener.actual)) {
            if let Address::Unix(path) = &listener.actual {
                // Somebody may have removed it before.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// The sockets of an address, there or just opened.
    pub(crate) fn listener<'e>(&'e self, opened: &'e Opened, written: &str) -> Option<&'e Listener> {
        self.listeners.iter().chain(&opened.listeners).find(|known| known.written == written)
    }

    /// What the program before this one has left.
    pub(crate) fn inherit(state: &State, legacy: &mut Legacy) -> io::Result<Self> {
        let passed = Passed::inherit(state, legacy)?;
        let tickets = Tickets::inherit(&state.tickets)?;
        let doors = Doors::inherit(state, legacy)?;
        let mut estate = Self { passed, next_id: state.sockets, tickets, doors, ..Self::default() };
        for kept in &state.listeners {
            let sockets = kept.sockets.iter();
            let sockets = sockets.map(|socket| Ok(Socket { id: socket.id, fd: legacy.take(socket.fd)? }));
            let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
            let written: Address = kept.written.parse().map_err(io::Error::other)?;
            let actual = actual(written, &sockets);
            estate.listeners.push(Listener { written: kept.written.clone(), actual, sockets });
        }
        for kept in &state.sinks {
            let file = kept.fd.map(|fd| legacy.take(fd)).transpose()?.map(File::from);
            let room = kept.queue.map(|fd| Room::inherit(legacy.take(fd)?, kept.cells, kept.spill.clone()));
            let (output, room, turning) = (kept.output.clone(), room.transpose()?, Turning::default());
            estate.sinks.push(Sink { output, file, room, hold_at: kept.hold_at, turning });
        }
        let pressure = state.pressure.map(|fd| Pressure::inherit(legacy.take(fd)?));
        estate.pressure = pressure.transpose()?;
        estate.epoch = state.epoch;
        Ok(estate)
    }

    /// One socket for each address of `needs`, in their order, and the logs without their files.
    pub(crate) fn of(needs: &Needs, sockets: Vec<OwnedFd>) -> Self {
        let mut estate = Self::default();
        for (listen, fd) in needs.listeners.iter().zip(sockets) {
            let Ok(actual) = listen.address.parse() else { continue };
            let sockets = vec![estate.number(fd)];
            estate.listeners.push(Listener { written: listen.address.clone(), actual, sockets });
        }
        let sink = |log: &LogNeeds| Sink {
            output: log.output.clone(),
            file: None,
            room: None,
            hold_at: None,
            turning: Turning::default(),
        };
        estate.sinks = needs.access_logs.iter().map(sink).collect();
        estate
    }

    /// Every address.
    pub(crate) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// What the service manager has passed.
    pub(crate) fn passed(&self) -> &Passed {
        &self.passed
    }

    /// The name of the last socket.
    pub(crate) fn last_id(&self) -> u32 {
        self.next_id
    }

    /// Every destination of access logs, by number.
    pub(crate) fn sinks(&self) -> &[Sink] {
        &self.sinks
    }

    /// The same, to be changed.
    pub(crate) fn sinks_mut(&mut self) -> &mut [Sink] {
        &mut self.sinks
    }

    /// Logs are put aside as `needs` say from now on. Whether that is news.
    pub(crate) fn retune(&mut self, needs: &Needs) -> bool {
        let unix = sys::clock::now_realtime_secs();
        let mut news = false;
        for sink in &mut self.sinks {
            let log = needs.access_logs.iter().find(|log| log.output == sink.output);
            news |= sink.retune(log, unix);
        }
        news
    }

    /// Opens the files of the logs again of which `wanted` is true, after somebody has moved them away. One that cannot
    /// be opened stays as it was.
    pub(crate) fn reopen_sinks(&mut self, wanted: fn(&Sink) -> bool) -> Vec<Trouble> {
        let unix = sys::clock::now_realtime_secs();
        let mut troubles = Vec::new();
        for sink in self.sinks.iter_mut().filter(|sink| wanted(sink)) {
            match open_log(&sink.file_needs()) {
                Ok(Some(file)) if !is_same_file(sink.file.as_ref(), &file) => sink.exchange(file, unix),
                Ok(_) => {}
                Err(trouble) => troubles.push(trouble),
            }
        }
        troubles
    }

    /// What is listened on, in the order of `needs`, as the configuration writes it.
    pub(crate) fn addresses(&self, needs: &Needs) -> Vec<String> {
        let none = Opened::default();
        let known = needs.listeners.iter();
        let known = known.filter_map(|listen| Some((self.listener(&none, &listen.address)?, listen.secure)));
        known
            .map(|(listener, secure)| format!("{}{}", listener.actual, if secure { " tls" } else { "" }))
            .collect()
    }
}

impl Listener {
    /// The sockets of shard number `shard` of `shards`: a group has a fixed size, the number of shards has not.
    pub(crate) fn of_shard(&self, shard: usize, shards: usize) -> impl Iterator<Item = &Socket> {
        let size = self.sockets.len();
        // More shards than sockets: some share one, and the kernel wakes one of them.
        let shared = (shard >= size).then(|| shard % size.max(1));
        self.sockets.iter().enumerate().filter_map(move |(index, socket)| {
            let own = match shared {
                Some(shared) => index == shared,
                None => index % shards.max(1) == shard,
            };
            own.then_some(socket)
        })
    }
}

/// The address as it is: with the port that the system chose.
fn actual(written: Address, sockets: &[Socket]) -> Address {
    sockets.first().and_then(|socket| local_address(socket.fd.as_fd()).ok()).unwrap_or(written)
}

/// What messages call a destination.
pub(crate) fn name(output: &Output) -> String {
    match output {
        Output::Stdout => "standard output".to_owned(),
        Output::Stderr => "standard error".to_owned(),
        Output::File { path } => path.display().to_string(),
        Output::Receiver { log, title, .. } => format!("the log {log} ({title})"),
    }
}

/// Whether both are the same receiver, which has other addresses now.
pub(super) fn is_same(known: &Output, new: &Output) -> bool {
    match (known, new) {
        (Output::Receiver { identity: known, .. }, Output::Receiver { identity: new, .. }) => known == new,
        _ => false,
    }
}

/// Cells for the lines of a log that wait, with so many shards at most.
fn cells(log: &LogNeeds, shards: usize) -> u64 {
    log.cells.saturating_add(log.cells_per_shard.saturating_mul(shards as u64))
}

/// Whether both are the same file.
fn is_same_file(known: Option<&File>, new: &File) -> bool {
    let id = |file: &File| FileId::of(file.as_fd()).ok();
    known.is_some_and(|known| id(known).is_some() && id(known) == id(new))
}

/// Opens an access log, and makes room for the lines that wait.
fn open_sink(log: &LogNeeds, shards: usize) -> Result<Sink, Trouble> {
    let file = open_log(log)?;
    let room = Room::make(log, cells(log, shards))?;
    let (output, turning) = (log.output.clone(), Turning::default());
    let mut sink = Sink { output, file, room: Some(room), hold_at: log.hold_at, turning };
    sink.retune(Some(log), sys::clock::now_realtime_secs());
    Ok(sink)
}

/// A name for a life of the server, which nobody has had; not 0, which stands in new memory.
pub(crate) fn epoch() -> io::Result<u64> {
    let mut bytes = [0; size_of::<u64>()];
    sys::random::fill(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes) | 1)
}

/// Opens a log file for appending; standard streams have theirs open already. With a receiver come those who
/// vouch for it.
pub(crate) fn open_log(log: &LogNeeds) -> Result<Option<File>, Trouble> {
    if let Output::Receiver {
        receiver: Receiver::Syslog { way: SyslogWay::Tls { authority, .. }, .. }, ..
    } = &log.output
    {
        return open_authority(authority, log).map(Some);
    }
    let Output::File { path } = &log.output else { return Ok(None) };
    let file = sys::fs::open_log(path, LOG_MODE);
    file.map(Some).map_err(|error| Trouble {
        pointer: log.pointer.clone(),
        cause: error.cause(),
        cure: error.cure().to_owned(),
    })
}

/// What the file says of those who vouch for a receiver, sealed.
fn open_authority(path: &Path, log: &LogNeeds) -> Result<File, Trouble> {
    let read = || {
        let mut text = Vec::new();
        let file = sys::fs::open_file(path)?;
        file.take(AUTHORITY_MAX as u64 + 1).read_to_end(&mut text)?;
        if AUTHORITY_MAX < text.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        sys::mem::sealed("kimura-authority", &text)
    };
    read().map(File::from).map_err(|error| Trouble {
        pointer: log.pointer.clone(),
        cause: format!("the file {} cannot be read: {error}", path.display()),
        cure: "correct the path, or let the user that starts the server read it".to_owned(),
    })
}

fn overlap(listen: &ListenNeeds, leaving: &Listener) -> Trouble {
    Trouble {
        pointer: listen.pointer.clone(),
        cause: format!("{} overlaps with {}, which is served until then", listen.address, leaving.actual),
        cure: "go over by another port first, or restart the server".to_owned(),
    }
}

fn too_many_logs(log: &LogNeeds) -> Trouble {
    Trouble {
        pointer: log.pointer.clone(),
        cause: format!("more than {SINKS_MAX} log files since the server began"),
        cure: "restart the server".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::tests::needs;

    fn listener(size: u32) -> Listener {
        let null = || OwnedFd::from(File::open("/dev/null").unwrap());
        let sockets = (0..size).map(|id| Socket { id, fd: null() }).collect();
        Listener { written: String::new(), actual: "127.0.0.1:1".parse().unwrap(), sockets }
    }

    #[test]
    fn every_socket_has_a_shard_whatever_their_numbers() {
        for size in 1..6 {
            for shards in 1..9 {
                let listener = listener(size);
                let of = |shard| listener.of_shard(shard, shards).map(|socket| socket.id).collect::<Vec<_>>();
                let all: Vec<Vec<u32>> = (0..shards).map(of).collect();
                assert!(all.iter().all(|own| !own.is_empty()), "{size} sockets, {shards} shards: {all:?}");
                let mut served: Vec<u32> = all.concat();
                served.sort_unstable();
                served.dedup();
                assert_eq!(served.len() as u32, size, "{size} sockets, {shards} shards: {all:?}");
            }
        }
    }

    #[test]
    fn an_address_that_grows_is_refused_with_its_cure() {
        let with = |address: &str| {
            let listen = ListenNeeds { address: address.to_owned(), pointer: "/p".to_owned(), secure: false };
            Needs { listeners: vec![listen], access_logs: Vec::new(), ..needs() }
        };
        let mut estate = Estate::default();
        let opened = estate.open(&with("127.0.0.81:0"), 1).unwrap();
        estate.adopt(opened);
        let served = estate.listeners()[0].actual.to_string();
        let port = served.rsplit_once(':').unwrap().1;
        let troubles = estate.open(&with(&format!("*:{port}")), 1).unwrap_err();
        let [trouble] = &troubles[..] else { panic!("{troubles:?}") };
        assert_eq!(trouble.cause, format!("*:{port} overlaps with {served}, which is served until then"));
        assert!(trouble.cure.contains("by another port") && trouble.pointer == "/p");
        estate.open(&with("*:0"), 1).unwrap();
    }
}
