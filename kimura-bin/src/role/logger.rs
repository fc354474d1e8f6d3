//! Writes the access logs of all workers to descriptors that it was handed.

use super::{Fault, Place, begin_confined, receiver, replace_error_log};
use logging::remote::Remote;
use logging::{
    Desk, Fed, Hears, Inbox, MESSAGES_GENERATION, Notice, Notices, Plan, Press, Pressure, Rotation, Storage,
    Target, Task, error_log,
};
use privsep::link::{Link, LinkError};
use privsep::message::{FromLogger, Method, Output, Receiver, RotationNeeds, ToLogger};
use privsep::role::Role;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use sys::mem::Cells;

type Up = Link<FromLogger, ToLogger>;

/// How long what waits may take to be delivered at the end. The supervisor waits a little longer.
const LAST_PATIENCE: Duration = Duration::from_secs(4);
/// Turns of each worker at the end: more than the packets of one that has ended can fill.
const LAST_TURNS: usize = 64;

/// Writes until the supervisor says that it is enough, or is gone.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link = Up::new(link);
    let (ToLogger::Hello { hello }, _) = link.receive_waiting()? else { return Err(Fault::Order) };
    // What it could not do later: read the time zone, and make a descriptor.
    sys::calendar::learn_zone();
    let (notices, inbox) = Notices::new().map_err(|error| Fault::Link(error.into()))?;
    let own = own_messages(place);
    begin_confined(Role::Logger, &hello, place)?;
    let producers = own.into_iter().collect();
    let press = Press::new(notices.clone());
    let (desk, receivers) = (Desk::with(notices), BTreeMap::new());
    let mut room =
        Room { link, place, desk, inbox, press, pressure: None, producers, receivers, done: false };
    let ended = loop {
        match room.turn() {
            Ok(()) if room.done => break Ok(()),
            Ok(()) => {}
            Err(fault) => break Err(fault),
        }
    };
    room.take_the_rest();
    let Room { link, desk, .. } = room;
    if desk.unknown() > 0 {
        log::error!("{} lines were for logs that nobody has named", desk.unknown());
    }
    desk.finish(LAST_PATIENCE);
    // Without a supervisor nobody hears it.
    let _ = link.send_waiting(&FromLogger::Finished, &[]);
    ended
}

/// Where this process hears its own messages, so that viewers see them as they see those of the others. A thread's are
/// those of its process.
fn own_messages(place: Place) -> Option<Producer> {
    if place == Place::Thread {
        return None;
    }
    let (own, heard) = sys::packet::pair().ok()?;
    error_log::show_by(own);
    Some(Producer { generation: MESSAGES_GENERATION, socket: heard })
}

struct Room {
    link: Up,
    place: Place,
    desk: Desk,
    /// Where it says which logs cannot keep up.
    pressure: Option<Pressure>,
    /// What the threads have to say.
    inbox: Inbox,
    press: Press,
    producers: Vec<Producer>,
    /// The receivers as they were told of, with the PEM of those who vouch for them.
    receivers: BTreeMap<u16, (Receiver, Vec<u8>)>,
    done: bool,
}

/// A worker's end.
struct Producer {
    generation: u32,
    socket: OwnedFd,
}

impl Room {
    /// Waits for something and does it.
    fn turn(&mut self) -> Result<(), Fault> {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.link.fd(), self.inbox.fd()];
        fds.extend(self.producers.iter().map(|producer| producer.socket.as_fd()));
        let ready = sys::poll::any_readable(&fds, None).map_err(|error| Fault::Link(error.into()))?;
        let mut ready = ready.into_iter();
        let told = ready.next().unwrap_or_default();
        let noticed = ready.next().unwrap_or_default();
        let fed: Vec<bool> = ready.collect();
        // Lines first: a file may be about to be replaced.
        let mut fed = fed.into_iter();
        let desk = &mut self.desk;
        let ended = |producer: &mut Producer| fed.next().unwrap_or_default() && !keep(desk, producer);
        let ended: Vec<Producer> = self.producers.extract_if(.., ended).collect();
        let workers = ended.into_iter().filter(|producer| producer.generation != MESSAGES_GENERATION);
        for Producer { generation, .. } in workers {
            let lines = self.desk.lines_of(generation);
            self.link.send_waiting(&FromLogger::Read { generation, lines }, &[])?;
        }
        if noticed {
            for notice in self.inbox.take() {
                self.link.send_waiting(&in_words(notice), &[])?;
            }
        }
        if told {
            while let Some((message, descriptors)) = self.link.receive()? {
                self.hear(message, descriptors)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, message: ToLogger, mut descriptors: Vec<OwnedFd>) -> Result<(), Fault> {
        match (message, descriptors.pop()) {
            (
                ToLogger::Sink {
                    number,
                    name,
                    output,
                    cells,
                    hold_at,
                    epoch,
                    spilled,
                    turn,
                    rotation,
                    messages,
                },
                Some(queue),
            ) => {
                let Some(fd) = descriptors.pop() else { return Ok(()) };
                self.desk.plan(number, Plan { turn, rotation: rotation.as_ref().map(rules) });
                let hold = self.pressure.as_ref().zip(hold_at);
                let hold = hold.and_then(|(pressure, at)| pressure.hold(number, at));
                let map = if spilled { Cells::from_file } else { Cells::from_fd };
                let cells = map(queue, usize::try_from(cells).unwrap_or_default());
                let storage = cells.map(|cells| Storage { cells, epoch, hold });
                self.sink(number, &name, &output, (fd, storage));
                self.desk.hear(number, if messages { Hears::Messages } else { Hears::Requests });
            }
            (ToLogger::Pressure { sinks }, Some(fd)) => match Cells::from_fd(fd, sinks as usize) {
                Ok(cells) => self.pressure = Some(Pressure::new(cells)),
                Err(error) => log::error!("no request will wait for a log: {error}"),
            },
            (ToLogger::Before { number }, Some(fd)) => self.desk.before(number, fd),
            (ToLogger::Compress { job, method }, Some(target)) => {
                if let Some(source) = descriptors.pop() {
                    let method = match method {
                        Method::Gzip => logging::Method::Gzip,
                        Method::Zstd => logging::Method::Zstd,
                    };
                    self.pressed(job, Task::Compress, |press| press.compress(job, method, source, target))?;
                }
            }
            (ToLogger::Sync { job }, Some(folder)) => {
                self.pressed(job, Task::Sync, |press| press.sync(job, folder))?;
            }
            (ToLogger::Producer { generation }, Some(socket)) => {
                self.producers.push(Producer { generation, socket });
            }
            (ToLogger::Tail, Some(fd)) => {
                if let Err(error) = self.desk.tail(fd) {
                    log::error!("live logs: {error}");
                }
            }
            (ToLogger::ErrorLog, Some(fd)) => replace_error_log(&[fd], self.place),
            (ToLogger::Finish, _) => self.done = true,
            // The greeting is over, and the link has seen to the descriptors.
            _ => {}
        }
        Ok(())
    }

    /// Gives the press a task, or says why it cannot be carried out.
    fn pressed(
        &mut self,
        job: u32,
        task: Task,
        give: impl FnOnce(&mut Press) -> Result<(), logging::Error>,
    ) -> Result<(), Fault> {
        if let Err(error) = give(&mut self.press) {
            let notice = Notice::Pressed { job, task, result: Err(io::Error::other(error)) };
            self.link.send_waiting(&in_words(notice), &[])?;
        }
        Ok(())
    }

    fn sink(
        &mut self,
        number: u16,
        name: &str,
        output: &Output,
        (fd, storage): (OwnedFd, io::Result<Storage>),
    ) {
        let placed = storage.map_err(logging::Error::Memory).and_then(|storage| match output {
            Output::Stdout => self.desk.stream(number, &Target::Stdout, storage),
            Output::Stderr => self.desk.stream(number, &Target::Stderr, storage),
            Output::File { .. } => self.desk.file(number, name, fd, storage),
            Output::Receiver { log, receiver, .. } => {
                self.receiver(number, name, (log, receiver), (&fd, storage))
            }
        });
        if let Err(error) = placed {
            log::error!("{name} is not logged to: {error}");
        }
    }

    /// A receiver that is as it was keeps its connection. One that makes no sense gets its lines never: they wait and are
    /// dropped as those of any receiver that is away.
    fn receiver(
        &mut self,
        number: u16,
        name: &str,
        (log, receiver): (&str, &Receiver),
        (sealed, storage): (&OwnedFd, Storage),
    ) -> Result<(), logging::Error> {
        let authority = receiver::authority(receiver, sealed.as_fd()).unwrap_or_default();
        let told = (receiver.clone(), authority);
        if self.receivers.get(&number) == Some(&told) {
            return Ok(());
        }
        let remote = receiver::remote(log, receiver, &told.1).unwrap_or_else(Remote::Unusable);
        self.desk.remote(number, name, &remote, storage)?;
        self.receivers.insert(number, told);
        Ok(())
    }

    /// What has come before the end. A worker that goes on sending is left to the next logger.
    fn take_the_rest(&mut self) {
        for producer in &self.producers {
            for _ in 0..LAST_TURNS {
                if !matches!(self.desk.read(producer.generation, producer.socket.as_fd()), Ok(Fed::More)) {
                    break;
                }
            }
        }
    }
}

/// When a file is to be put aside, as threads of this process see to it.
fn rules(needs: &RotationNeeds) -> Rotation {
    let every = needs.every.map(|every| (every.into(), needs.clocks.into()));
    Rotation { size: needs.size, every }
}

/// What the supervisor is told of a notice.
fn in_words(notice: Notice) -> FromLogger {
    match notice {
        Notice::Due { number } => FromLogger::Rotate { number },
        Notice::Switched { number, turn } => FromLogger::Switched { number, turn },
        Notice::Pressed { job, task: Task::Compress, result: Ok(()) } => FromLogger::Compressed { job },
        Notice::Pressed { job, task: Task::Sync, result: Ok(()) } => FromLogger::Synced { job },
        Notice::Pressed { job, result: Err(error), .. } => {
            let error = error.raw_os_error().and_then(|error| u32::try_from(error).ok());
            FromLogger::Failed { job, error: error.unwrap_or_default() }
        }
    }
}

/// Takes what has come from a worker; `false` when nothing will come any more.
fn keep(desk: &mut Desk, producer: &Producer) -> bool {
    match desk.read(producer.generation, producer.socket.as_fd()) {
        Ok(Fed::More | Fed::Empty) => true,
        Ok(Fed::Closed) => false,
        Err(error) => {
            let error = LinkError::from(error);
            log::error!("a process is not listened to any more: {error}");
            false
        }
    }
}
