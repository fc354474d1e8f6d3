//! Logins: a request waits here until somebody outside of the shards has judged its password. No shard hashes one.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::task::Poll;

use auth::{Credentials, Fingerprint, KEY_LEN, Remembered};
use crossbeam_channel::Sender;
use perf::Counter;
use proto_http::{Known, Request, Status};
use site::{Answer, Gate};
use zeroize::Zeroizing;

use crate::banned::{BanMark, Banned};
use crate::connection::{Key, Wait};
use crate::limits::LOGINS_WAITING_MAX;
use crate::port::Awaits;
use crate::stream::{Gone, Stream};
use crate::wheel::ticks;

/// A client that wants to log in.
#[derive(Debug)]
pub struct Login {
    /// Names it in the verdict.
    pub ticket: u64,
    /// Where to, as [`config::Auth::id`] has it.
    pub realm: u64,
    /// The client; none when it has no IP address.
    pub client: Option<IpAddr>,
    /// Name and password.
    pub credentials: Credentials,
}

/// What becomes of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user may enter.
    Admitted {
        /// Whether that may be remembered.
        lasting: bool,
    },
    /// The password is wrong.
    Denied {
        /// Who is banned from now on, because it was one too many.
        led_to: Option<Banned>,
    },
    /// The password is right, and the user may not enter.
    Forbidden,
    /// Nobody can tell now.
    Unavailable,
}

/// A ticket has the number of its shard above so many bits.
const SHARD_SHIFT: u32 = 48;

/// The shard that a ticket is of.
pub(crate) fn shard_of(ticket: u64) -> usize {
    (ticket >> SHARD_SHIFT) as usize
}

/// The logins of a shard.
pub(crate) struct Logins {
    /// Who judges.
    desk: Sender<Login>,
    last: u64,
    waiting: HashMap<u64, Waiting>,
    remembered: Remembered,
    /// How often all was forgotten.
    forgotten: u32,
}

struct Waiting {
    key: Key,
    verdict: Option<Verdict>,
}

impl Logins {
    pub(crate) fn new(shard: usize, desk: Sender<Login>) -> std::io::Result<Logins> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        sys::random::fill(&mut key[..])?;
        let last = (shard as u64) << SHARD_SHIFT;
        let remembered = Remembered::new(key);
        Ok(Logins { desk, last, waiting: HashMap::new(), remembered, forgotten: 0 })
    }

    /// Asks; none when too many wait already.
    fn ask(&mut self, key: Key, login: impl FnOnce(u64) -> Login) -> Option<u64> {
        if self.waiting.len() == LOGINS_WAITING_MAX {
            return None;
        }
        self.last += 1;
        let ticket = self.last;
        self.desk.try_send(login(ticket)).ok()?;
        self.waiting.insert(ticket, Waiting { key, verdict: None });
        Some(ticket)
    }

    /// Takes a verdict in; the connection that can go on, if it still waits.
    pub(crate) fn judged(&mut self, ticket: u64, verdict: Verdict) -> Option<Key> {
        let waiting = self.waiting.get_mut(&ticket)?;
        waiting.verdict = Some(verdict);
        Some(waiting.key)
    }

    /// How often all was forgotten.
    pub(crate) fn forgotten(&self) -> u32 {
        self.forgotten
    }

    /// Nothing that was right before has to be so any more.
    pub(crate) fn forget(&mut self) {
        self.remembered.forget();
        self.forgotten = self.forgotten.wrapping_add(1);
    }
}

/// What a place says to a client that has to log in.
pub(crate) enum Admission {
    /// The request goes on, as this user's.
    Granted(String),
    /// It is answered; with a name, it is that user's.
    Refused(Answer<'static>, Option<String>),
    /// It is answered with the challenge.
    Challenged,
}

/// Seconds after which a client may ask again when nobody could judge.
const RETRY_SECONDS: u32 = 2;

/// Lets in who has logged in. `out` are answers to earlier requests, which do not wait for this one.
pub(crate) async fn admit(
    stream: &Stream,
    gate: &Gate,
    (client, request): (Option<IpAddr>, &Request<'_>),
    out: &mut Vec<u8>,
) -> Result<Admission, Gone> {
    // RFC 9110 section 5.3: the field has one value. Of two, nobody knows which is meant.
    let mut fields = request.all(Known::Authorization);
    let (Some(field), None) = (fields.next(), fields.next()) else { return Ok(Admission::Challenged) };
    let Ok(credentials) = Credentials::parse(field) else { return Ok(Admission::Challenged) };
    let shard = &stream.shard;
    let user = credentials.user.clone();
    // Before anything is compared or remembered: whether the password is right is nobody's business then.
    if let Some(ban) = shard.ban_of_user(client, &user) {
        return Ok(refuse(stream, ban));
    }
    let (fingerprint, forgotten) = {
        let logins = shard.logins.borrow();
        (logins.remembered.fingerprint(gate.realm, &credentials), logins.forgotten)
    };
    if shard.logins.borrow().remembered.knows(&fingerprint, shard.clock.tick()) {
        shard.count(Counter::LoginsGranted);
        return Ok(Admission::Granted(user));
    }
    stream.send(out).await?;
    let login = |ticket| Login { ticket, realm: gate.realm, client, credentials };
    let ticket = shard.logins.borrow_mut().ask(stream.port.key.get(), login);
    let verdict = match ticket {
        Some(ticket) => stream.verdict(ticket).await?,
        None => Some(Verdict::Unavailable),
    };
    let begun = match verdict {
        Some(Verdict::Denied { led_to }) => led_to.map(BanMark::Begun),
        _ => None,
    };
    // Others may have failed meanwhile: of many guesses at once, no more count than one after another.
    if let Some(ban) = shard.ban_of_user(client, &user) {
        return Ok(refuse(stream, begun.unwrap_or(ban)));
    }
    Ok(match verdict {
        Some(Verdict::Admitted { lasting }) => {
            shard.count(Counter::LoginsGranted);
            if lasting && shard.logins.borrow().forgotten == forgotten {
                remember(stream, gate, fingerprint);
            }
            Admission::Granted(user)
        }
        Some(Verdict::Denied { .. }) => {
            stream.port.ban.set(begun);
            shard.count(Counter::LoginsDenied);
            Admission::Challenged
        }
        Some(Verdict::Forbidden) => {
            shard.count(Counter::LoginsDenied);
            Admission::Refused(Answer::with(Status::FORBIDDEN), Some(user))
        }
        Some(Verdict::Unavailable) => {
            shard.count(Counter::LoginsUnavailable);
            Admission::Refused(unavailable(), None)
        }
        // Whoever saw its time pass has counted it.
        None => Admission::Refused(unavailable(), None),
    })
}

fn refuse(stream: &Stream, ban: BanMark) -> Admission {
    stream.port.ban.set(Some(ban));
    stream.shard.count(Counter::LoginsDenied);
    Admission::Refused(Answer::with(Status::FORBIDDEN), None)
}

fn unavailable() -> Answer<'static> {
    Answer { retry_after: Some(RETRY_SECONDS), ..Answer::with(Status::SERVICE_UNAVAILABLE) }
}

fn remember(stream: &Stream, gate: &Gate, fingerprint: Fingerprint) {
    let now = stream.shard.clock.tick();
    let until = if gate.remember.is_zero() { now } else { now.saturating_add(ticks(gate.remember)) };
    stream.shard.logins.borrow_mut().remembered.remember(fingerprint, now, until);
}

impl Stream {
    /// Waits for a verdict; none when it does not come in time.
    async fn verdict(&self, ticket: u64) -> Result<Option<Verdict>, Gone> {
        self.watch(Wait::Login);
        let ended = poll_fn(|_| {
            let verdict = self.shard.logins.borrow().waiting.get(&ticket).and_then(|waiting| waiting.verdict);
            match (verdict, self.gone()) {
                // It is counted as that, whatever has come since.
                (_, Some(Gone::Expired(Wait::Login))) => Poll::Ready(Ok(None)),
                (Some(verdict), _) => Poll::Ready(Ok(Some(verdict))),
                (None, Some(gone)) => Poll::Ready(Err(gone)),
                (None, None) => self.wait(Awaits::Turn),
            }
        })
        .await;
        self.shard.logins.borrow_mut().waiting.remove(&ticket);
        if self.port.expired.get() == Some(Wait::Login) {
            self.port.expired.set(None);
        }
        // Next the client has to take the answer.
        self.watch(Wait::Write);
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(ticket: u64) -> Login {
        let credentials = Credentials { user: "anna".to_owned(), secret: b"x".to_vec().into() };
        Login { ticket, realm: 1, client: None, credentials }
    }

    #[test]
    fn those_who_wait_are_bounded_and_told_once() {
        let (desk, asked) = crossbeam_channel::bounded(LOGINS_WAITING_MAX);
        let mut logins = Logins::new(3, desk).unwrap();
        let denied = Verdict::Denied { led_to: None };
        let key = Key::from_bits(7);
        let tickets: Vec<u64> = (0..LOGINS_WAITING_MAX).filter_map(|_| logins.ask(key, login)).collect();
        assert_eq!(tickets.len(), LOGINS_WAITING_MAX);
        assert_eq!(logins.ask(key, login), None);
        assert_eq!(asked.len(), LOGINS_WAITING_MAX);
        assert!(tickets.iter().all(|&ticket| shard_of(ticket) == 3));
        assert!(logins.judged(tickets[0], denied) == Some(key));
        assert!(logins.judged(tickets[0] + 1000, denied).is_none());
    }
}
