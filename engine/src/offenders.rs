//! Clients that make bad requests, for whoever counts them: gathered by each shard, handed over a few times a second.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::mpsc::SyncSender;

use proto_http::Status;

use crate::limits::OFFENDERS_MAX;

/// What a shard has gathered.
pub(crate) struct Offenders {
    /// Nobody listens without it.
    to: Option<SyncSender<Vec<IpAddr>>>,
    waiting: RefCell<Vec<IpAddr>>,
}

impl Offenders {
    pub(crate) fn new(to: Option<SyncSender<Vec<IpAddr>>>) -> Offenders {
        Offenders { to, waiting: RefCell::default() }
    }

    /// Notes a client, once for each bad request; `false` if there is no room for it.
    pub(crate) fn note(&self, client: IpAddr) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let room = waiting.len() < OFFENDERS_MAX;
        if room {
            waiting.push(client);
        }
        room
    }

    /// Whether some wait to be handed over.
    pub(crate) fn wait(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Hands over what has gathered; answers how many of them were lost because nobody took those before.
    pub(crate) fn hand_over(&self) -> usize {
        let batch = self.waiting.take();
        let count = batch.len();
        let taken = self.to.as_ref().is_none_or(|to| count == 0 || to.try_send(batch).is_ok());
        if taken { 0 } else { count }
    }
}

/// Whether a client that gets this answer has asked for what nobody asks for by chance. It may have done so all the
/// same, by a link that leads nowhere: so it takes many of them.
pub(crate) fn is_bad(status: Status) -> bool {
    [
        Status::BAD_REQUEST,
        Status::FORBIDDEN,
        Status::NOT_FOUND,
        Status::METHOD_NOT_ALLOWED,
        Status::MISDIRECTED_REQUEST,
    ]
    .contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn batches_are_bounded_and_nobody_is_waited_for() {
        let (to, from) = sync_channel(1);
        let offenders = Offenders::new(Some(to));
        let client = "192.0.2.7".parse().expect("an address");
        assert_eq!(offenders.hand_over(), 0, "nothing to say");
        assert_eq!((0..=OFFENDERS_MAX).filter(|_| offenders.note(client)).count(), OFFENDERS_MAX);
        assert_eq!((offenders.hand_over(), offenders.wait()), (0, false));
        offenders.note(client);
        assert_eq!(offenders.hand_over(), 1, "the first batch still waits");
        assert_eq!(from.try_recv().map(|batch| batch.len()), Ok(OFFENDERS_MAX));
        assert!(from.try_recv().is_err());
    }
}
