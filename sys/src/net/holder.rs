//! Who holds a TCP port, as far as procfs tells.

use std::fmt;
use std::fs;

/// A process that listens on a port we want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, at most 15 bytes (`/proc/PID/comm`).
    pub name: String,
}

impl Holder {
    /// `true` when it is this very process: two of its own listeners overlap.
    pub fn is_this_process(&self) -> bool {
        self.pid == std::process::id()
    }

    /// The process with a listening TCP socket on `port`, whatever the address. `None` when there is none, or it
    /// belongs to somebody whose processes we may not look into.
    pub(super) fn of_port(port: u16) -> Option<Self> {
        let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening_sockets(&table, port))
            .collect();
        if sockets.is_empty() {
            return None;
        }
        let others = fs::read_dir("/proc").ok()?.flatten();
        let others = others.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        std::iter::once(std::process::id())
            .chain(others)
            .find(|&pid| has_open(pid, &sockets))
            .map(|pid| Self { pid, name: name_of(pid) })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// The sockets in a table of `/proc/net/tcp` that listen on `port`, as `/proc/PID/fd` shows them.
fn listening_sockets(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    let listens = |line: &&str| {
        let mut columns = line.split_ascii_whitespace();
        let local = columns.nth(1).and_then(|address| address.rsplit_once(':'));
        local.is_some_and(|(_, local)| local == port) && columns.nth(1) == Some(LISTEN)
    };
    let inode = |line: &str| Some(format!("socket:[{}]", line.split_ascii_whitespace().nth(9)?));
    table.lines().filter(listens).filter_map(inode).collect()
}

fn has_open(pid: u32, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target)))
}

/// Made fit for a message: a process can call itself anything.
fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn finds_the_process_that_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = Holder::of_port(listener.local_addr().unwrap().port()).unwrap();
        assert!(holder.is_this_process());
        assert!(!holder.name.is_empty());
    }

    #[test]
    fn picks_listening_sockets_by_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n\
            1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n\
            2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0\n\
            3: short\n";
        assert_eq!(listening_sockets(table, 8_080), ["socket:[111]"]);
        assert_eq!(listening_sockets(table, 80), ["socket:[333]"]);
        assert_eq!(listening_sockets(table, 81), [""; 0]);
    }
}
