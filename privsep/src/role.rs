//! THE table of processes: which there are, what they are called, and what they begin with.

use std::fmt;

use sys::sandbox::{Group, Reach};
use sys::spawn::Stdout;

/// A process, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Holds the rights: opens, binds, starts and replaces the others. Parses no text.
    Supervisor,
    /// Reads the text of a configuration, once.
    Check,
    /// Shows that another version of the program could take over, once.
    Rehearsal,
    /// Compares passwords and tokens.
    Auth,
    /// Ends TLS of control connections from elsewhere.
    Agent,
    /// Has PAM judge logins, each in a process of its own.
    AuthPam,
    /// Has PAM judge one login.
    PamLogin,
    /// Writes the access logs.
    Logger,
    /// Serves.
    Worker,
}

/// One process.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub role: Role,
    /// What `ps` shows, and how the program knows its role when it is started.
    pub title: &'static str,
    /// Its standard output. Logs may go there.
    pub output: Stdout,
    /// What it keeps; none for all rights of who started it.
    pub keep: Option<Keep>,
}

/// What a process keeps of its rights, once it has become who it is to be. Nothing that is open is closed by it.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// What it can open, and for reading only.
    pub files: Files,
    /// Whom it can connect to by TCP, if it can make sockets at all.
    pub reach: Reach,
    /// The system calls that it can make.
    pub calls: &'static [Group],
    /// Those that it can make beside them where requests are passed on to other servers. Whoever has such can then
    /// connect to everybody.
    pub relaying: &'static [Group],
}

/// Which files a process can open, as far as its user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// None.
    None,
    /// All: it is to say whether they are there.
    All,
    /// What the configuration serves, and what the machine tells of its processors.
    Served,
}

/// Where the kernel tells of the processors, which whoever starts threads on cores wants to know.
pub const PROCESSORS: &str = "/sys/devices/system";

/// All processes, in the order in which they start. ARCHITECTURE.md and README.md show the same list.
pub const ROLES: &[Row] = &[
    Row { role: Role::Supervisor, title: "kimura: supervisor [priv]", output: Stdout::Shared, keep: None },
    Row {
        role: Role::Check,
        title: "kimura: check",
        output: Stdout::Nowhere,
        keep: Some(Keep {
            files: Files::All,
            reach: Reach::Nobody,
            calls: &[
                Group::Memory,
                Group::Life,
                Group::Descriptors,
                Group::Links,
                Group::Sealing,
                Group::Files,
                // Names of receivers are looked up.
                Group::Sockets,
                Group::Connecting,
                Group::Resolving,
            ],
            relaying: &[],
        }),
    },
    Row { role: Role::Rehearsal, title: "kimura: rehearsal [priv]", output: Stdout::Nowhere, keep: None },
    Row {
        role: Role::Auth,
        title: "kimura: auth",
        output: Stdout::Nowhere,
        keep: Some(Keep {
            files: Files::None,
            reach: Reach::Nobody,
            calls: &[
                Group::Memory,
                Group::Life,
                Group::Descriptors,
                Group::Links,
                Group::Threads,
                Group::Yielding,
            ],
            relaying: &[],
        }),
    },
    // Only where the configuration has it.
    Row {
        role: Role::Agent,
        title: "kimura: agent",
        output: Stdout::Nowhere,
        keep: Some(Keep {
            files: Files::None,
            reach: Reach::Nobody,
            calls: &[
                Group::Memory,
                Group::Life,
                Group::Descriptors,
                Group::Links,
                Group::Sockets,
                Group::Accepting,
            ],
            relaying: &[],
        }),
    },
    // Modules of PAM are programs of others: no list of system calls or files would be true.
    Row { role: Role::AuthPam, title: "kimura: auth-pam [priv]", output: Stdout::Nowhere, keep: None },
    Row { role: Role::PamLogin, title: "kimura: pam-login [priv]", output: Stdout::Nowhere, keep: None },
    Row {
        role: Role::Logger,
        title: "kimura: logger",
        output: Stdout::Shared,
        keep: Some(Keep {
            files: Files::None,
            reach: Reach::Everybody,
            calls: &[
                Group::Memory,
                Group::Life,
                Group::Descriptors,
                Group::Links,
                Group::Threads,
                Group::Sealing,
                Group::Sockets,
                Group::Connecting,
                Group::Yielding,
                Group::Syncing,
            ],
            relaying: &[],
        }),
    },
    Row {
        role: Role::Worker,
        title: "kimura: worker",
        output: Stdout::Nowhere,
        keep: Some(Keep {
            files: Files::Served,
            reach: Reach::Nobody,
            calls: &[
                Group::Memory,
                Group::Life,
                Group::Descriptors,
                Group::Links,
                Group::Threads,
                Group::Files,
                Group::Sockets,
                Group::Rings,
            ],
            // Names of servers are looked up, and reports of all servers are long.
            relaying: &[Group::Connecting, Group::Resolving, Group::Sealing],
        }),
    },
];

impl Role {
    /// Its row of the table.
    ///
    /// # Panics
    /// Never: a test looks every role up.
    #[must_use]
    pub fn row(self) -> &'static Row {
        ROLES.iter().find(|row| row.role == self).expect("every role has a row")
    }

    /// The role that is called `title`.
    #[must_use]
    pub fn titled(title: &str) -> Option<Self> {
        ROLES.iter().find(|row| row.title == title).map(|row| row.role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Supervisor => "supervisor",
            Self::Check => "check",
            Self::Rehearsal => "rehearsal",
            Self::Auth => "auth",
            Self::Agent => "agent",
            Self::AuthPam => "auth-pam",
            Self::PamLogin => "pam-login",
            Self::Logger => "logger",
            Self::Worker => "worker",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_row_and_a_title_of_its_own() {
        for role in [
            Role::Supervisor,
            Role::Check,
            Role::Rehearsal,
            Role::Auth,
            Role::Agent,
            Role::AuthPam,
            Role::PamLogin,
            Role::Logger,
            Role::Worker,
        ] {
            assert_eq!(Role::titled(role.row().title), Some(role));
        }
    }
}
