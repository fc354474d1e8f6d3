//! News for the service manager that has started us (sd_notify(3)): datagrams of `NAME=VALUE` lines.

use std::fmt::Write;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock;

/// How long the service manager may take to make room for a datagram.
const PATIENCE: Duration = Duration::from_secs(1);

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'n> {
    /// The service is there; after [`News::Reloading`], the change has ended, however it did.
    Ready,
    /// The process to watch.
    MainPid(u32),
    /// A change has begun, now.
    Reloading,
    /// The service is on its way out.
    Stopping,
    /// The service is well.
    Alive,
    /// One line for people.
    Status(&'n str),
}

/// The way to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl Notifier {
    /// To whom `NOTIFY_SOCKET` names; none when it is not set.
    ///
    /// # Errors
    /// `InvalidInput` when it names neither a path nor, with `@` in front, an abstract socket; descriptors have run out.
    pub fn from_environment() -> io::Result<Option<Self>> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(name) if !name.is_empty() => Self::to(name.as_bytes()).map(Some),
            _ => Ok(None),
        }
    }

    fn to(name: &[u8]) -> io::Result<Self> {
        let manager = match name {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "neither a path nor an abstract name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, manager })
    }

    /// Tells all of `news` at once. Takes a second at most.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` when nobody listens there, `WouldBlock` when they do not read.
    pub fn tell(&self, news: &[News<'_>]) -> io::Result<()> {
        self.socket.send_to_addr(text(news).as_bytes(), &self.manager).map(drop)
    }
}

fn text(news: &[News<'_>]) -> String {
    let mut text = String::new();
    for item in news {
        let written = match item {
            News::Ready => writeln!(text, "READY=1"),
            News::MainPid(pid) => writeln!(text, "MAINPID={pid}"),
            // Without the time a service of type notify-reload takes it for the end of an earlier change.
            News::Reloading => {
                writeln!(text, "RELOADING=1\nMONOTONIC_USEC={}", clock::now_monotonic_ns() / 1_000)
            }
            News::Stopping => writeln!(text, "STOPPING=1"),
            News::Alive => writeln!(text, "WATCHDOG=1"),
            News::Status(line) => writeln!(text, "STATUS={}", line.replace(['\n', '\r'], " ")),
        };
        written.expect("a String takes everything");
    }
    text
}

/// How often at least the service manager wants to hear [`News::Alive`] of this process; none when it does not.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    interval(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref(), std::process::id())
}

/// Without a process id it is for whoever reads it.
fn interval(microseconds: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let microseconds = microseconds?.parse().ok().filter(|&count: &u64| count > 0)?;
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    is_ours.then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    #[test]
    fn news_arrive_at_a_path_and_at_an_abstract_name() {
        let folder = Scratch::new();
        let path = folder.path().join("notify");
        let name = format!("kimura-notify-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).unwrap();
        let at_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let written = [path.display().to_string(), format!("@{name}")];
        for (written, manager) in written.iter().zip([at_path, at_name]) {
            let notifier = Notifier::to(written.as_bytes()).unwrap();
            notifier.tell(&[News::Ready, News::MainPid(7), News::Status("a\nREADY=1")]).unwrap();
            assert_eq!(received(&manager), "READY=1\nMAINPID=7\nSTATUS=a READY=1\n");
            notifier.tell(&[News::Alive]).unwrap();
            notifier.tell(&[News::Stopping]).unwrap();
            assert_eq!(received(&manager) + &received(&manager), "WATCHDOG=1\nSTOPPING=1\n");
            let before = clock::now_monotonic_ns() / 1_000;
            notifier.tell(&[News::Reloading]).unwrap();
            let told = received(&manager);
            let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
            assert!((before..=clock::now_monotonic_ns() / 1_000).contains(&time.parse().unwrap()));
            drop(manager);
            assert_eq!(notifier.tell(&[News::Alive]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "relative", "vsock:2:1"] {
            assert_eq!(Notifier::to(name.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_us_up_for_a_second_at_most() {
        let folder = Scratch::new();
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str().as_bytes()).unwrap();
        let full = (0..10_000).find_map(|_| notifier.tell(&[News::Alive]).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_watchdog_is_for_one_process() {
        let second = Some(Duration::from_secs(1));
        for (microseconds, pid, wanted) in [
            (Some("1000000"), Some("7"), second),
            (Some("1000000"), None, second),
            (Some("1000000"), Some("8"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("-1"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(interval(microseconds, pid, 7), wanted, "{microseconds:?} {pid:?}");
        }
    }
}
