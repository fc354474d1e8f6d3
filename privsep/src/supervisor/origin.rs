//! Where a command comes from.

use std::fmt;

use sys::packet::Peer;

/// Who is at the other end of a control connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody of this machine, by the word of the kernel.
    Local(Peer),
    /// Somebody at this address, by the word of the agent. Of the end that the agent holds the kernel tells only that
    /// it is the agent's, which proves nothing.
    Remote(String),
}

impl Origin {
    /// The address of whoever has come by the agent.
    pub(crate) fn address(&self) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Remote(from) => Some(from.clone()),
        }
    }

    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }
}

/// As the audit log writes it: one word for each fact.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(Peer { pid, uid, gid }) => write!(f, "uid={uid} gid={gid} pid={pid}"),
            // The agent reads what comes from outside: it is not to write lines of its own into the log.
            Self::Remote(from) => {
                let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
                write!(f, "from={}", from.chars().map(plain).collect::<String>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_whatever_the_agent_says() {
        let local = Origin::Local(Peer { pid: 1, uid: 2, gid: 3 });
        assert_eq!(local.to_string(), "uid=2 gid=3 pid=1");
        for (from, wanted) in [
            ("[::1]:443", "from=[::1]:443"),
            ("127.0.0.1:1 status done\nroot", "from=127.0.0.1:1?status?done?root"),
            ("\u{1b}[2J", "from=?[2J"),
        ] {
            assert_eq!(Origin::Remote(from.to_owned()).to_string(), wanted);
        }
    }
}
