//! Writes the access logs of all workers to descriptors that it was handed.

use super::{Fault, Place, begin_confined, replace_error_log};
use logging::{Desk, Fed, Target, error_log};
use privsep::link::{Link, LinkError};
use privsep::message::{FromLogger, Output, ToLogger};
use privsep::role::Role;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

type Up = Link<FromLogger, ToLogger>;

/// Turns of each worker at the end: more than the packets of one that has ended can fill.
const LAST_TURNS: usize = 64;

/// Writes until the supervisor says that it is enough, or is gone.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link = Up::new(link);
    let (ToLogger::Hello { hello }, _) = link.receive_waiting()? else { return Err(Fault::Order) };
    let own = own_messages(place);
    begin_confined(Role::Logger, &hello, place)?;
    let producers = own.into_iter().collect();
    let mut room = Room { link, place, desk: Desk::new(), producers, done: false };
    let ended = loop {
        match room.turn() {
            Ok(()) if room.done => break Ok(()),
            Ok(()) => {}
            Err(fault) => break Err(fault),
        }
    };
    room.write_the_rest();
    let totals = room.desk.totals();
    // Without a supervisor nobody hears it.
    let _ = room.link.send_waiting(&FromLogger::Totals { written: totals.written, lost: totals.lost }, &[]);
    ended
}

/// Where this process hears its own messages, so that viewers see them as they see those of the others. A thread's are
/// those of its process.
fn own_messages(place: Place) -> Option<OwnedFd> {
    if place == Place::Thread {
        return None;
    }
    let (own, heard) = sys::packet::pair().ok()?;
    error_log::show_by(own);
    Some(heard)
}

struct Room {
    link: Up,
    place: Place,
    desk: Desk,
    producers: Vec<OwnedFd>,
    done: bool,
}

impl Room {
    /// Waits for something and does it.
    fn turn(&mut self) -> Result<(), Fault> {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.link.fd()];
        fds.extend(self.producers.iter().map(AsFd::as_fd));
        let ready = sys::poll::any_readable(&fds, None).map_err(|error| Fault::Link(error.into()))?;
        let mut ready = ready.into_iter();
        let told = ready.next().unwrap_or_default();
        let fed: Vec<bool> = ready.collect();
        // Lines first: a file may be about to be replaced.
        let mut at = 0;
        let desk = &mut self.desk;
        self.producers.retain(|producer| {
            at += 1;
            !fed[at - 1] || keep(desk, producer)
        });
        if told {
            while let Some((message, descriptors)) = self.link.receive()? {
                self.hear(message, descriptors);
            }
        }
        Ok(())
    }

    fn hear(&mut self, message: ToLogger, mut descriptors: Vec<OwnedFd>) {
        match (message, descriptors.pop()) {
            (ToLogger::Sink { number, name, output }, Some(fd)) => self.sink(number, &name, &output, fd),
            (ToLogger::Producer { .. }, Some(fd)) => self.producers.push(fd),
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
    }

    fn sink(&mut self, number: u16, name: &str, output: &Output, fd: OwnedFd) {
        let opened = match output {
            Output::Stdout => self.desk.stream(number, &Target::Stdout),
            Output::Stderr => self.desk.stream(number, &Target::Stderr),
            Output::File { .. } => {
                self.desk.file(number, name, fd);
                Ok(())
            }
        };
        if let Err(error) = opened {
            log::error!("{error}");
        }
    }

    /// What has come before the end. A worker that goes on sending is left to the next logger.
    fn write_the_rest(&mut self) {
        for producer in &self.producers {
            for _ in 0..LAST_TURNS {
                if !matches!(self.desk.read(producer.as_fd()), Ok(Fed::More)) {
                    break;
                }
            }
        }
    }
}

/// Writes what has come from a worker; `false` when nothing will come any more.
fn keep(desk: &mut Desk, producer: &OwnedFd) -> bool {
    match desk.read(producer.as_fd()) {
        Ok(Fed::More | Fed::Empty) => true,
        Ok(Fed::Closed) => false,
        Err(error) => {
            let error = LinkError::from(error);
            log::error!("a worker is not listened to any more: {error}");
            false
        }
    }
}
