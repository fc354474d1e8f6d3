//! Writes the access logs of all workers to descriptors that it was handed.

use super::{Fault, Place, begin_confined, replace_error_log};
use logging::{Desk, Fed, Pressure, Storage, Target};
use privsep::link::{Link, LinkError};
use privsep::message::{FromLogger, Output, ToLogger};
use privsep::role::Role;
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
    begin_confined(Role::Logger, &hello, place)?;
    let (desk, producers) = (Desk::new(), Vec::new());
    let mut room = Room { link, place, desk, pressure: None, producers, done: false };
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

struct Room {
    link: Up,
    place: Place,
    desk: Desk,
    /// Where it says which logs cannot keep up.
    pressure: Option<Pressure>,
    producers: Vec<Producer>,
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
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.link.fd()];
        fds.extend(self.producers.iter().map(|producer| producer.socket.as_fd()));
        let ready = sys::poll::any_readable(&fds, None).map_err(|error| Fault::Link(error.into()))?;
        let mut ready = ready.into_iter();
        let told = ready.next().unwrap_or_default();
        let fed: Vec<bool> = ready.collect();
        // Lines first: a file may be about to be replaced.
        let mut fed = fed.into_iter();
        let desk = &mut self.desk;
        let ended = |producer: &mut Producer| fed.next().unwrap_or_default() && !keep(desk, producer);
        let ended: Vec<Producer> = self.producers.extract_if(.., ended).collect();
        for Producer { generation, .. } in ended {
            let lines = self.desk.lines_of(generation);
            self.link.send_waiting(&FromLogger::Read { generation, lines }, &[])?;
        }
        if told {
            while let Some((message, descriptors)) = self.link.receive()? {
                self.hear(message, descriptors);
            }
        }
        Ok(())
    }

    fn hear(&mut self, message: ToLogger, mut descriptors: Vec<OwnedFd>) {
        match (message, descriptors.pop()) {
            (ToLogger::Sink { number, name, output, cells, hold_at, epoch, spilled }, Some(queue)) => {
                let Some(fd) = descriptors.pop() else { return };
                let hold = self.pressure.as_ref().zip(hold_at);
                let hold = hold.and_then(|(pressure, at)| pressure.hold(number, at));
                let map = if spilled { Cells::from_file } else { Cells::from_fd };
                let cells = map(queue, usize::try_from(cells).unwrap_or_default());
                let storage = cells.map(|cells| Storage { cells, epoch, hold });
                self.sink(number, &name, &output, (fd, storage));
            }
            (ToLogger::Pressure { sinks }, Some(fd)) => match Cells::from_fd(fd, sinks as usize) {
                Ok(cells) => self.pressure = Some(Pressure::new(cells)),
                Err(error) => log::error!("no request will wait for a log: {error}"),
            },
            (ToLogger::Producer { generation }, Some(socket)) => {
                self.producers.push(Producer { generation, socket });
            }
            (ToLogger::ErrorLog, Some(fd)) => replace_error_log(&[fd], self.place),
            (ToLogger::Finish, _) => self.done = true,
            // The greeting is over, and the link has seen to the descriptors.
            _ => {}
        }
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
        });
        if let Err(error) = placed {
            log::error!("{name} is not logged to: {error}");
        }
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

/// Takes what has come from a worker; `false` when nothing will come any more.
fn keep(desk: &mut Desk, producer: &Producer) -> bool {
    match desk.read(producer.generation, producer.socket.as_fd()) {
        Ok(Fed::More | Fed::Empty) => true,
        Ok(Fed::Closed) => false,
        Err(error) => {
            let error = LinkError::from(error);
            log::error!("a worker is not listened to any more: {error}");
            false
        }
    }
}
