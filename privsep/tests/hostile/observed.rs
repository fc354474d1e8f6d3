//! What the supervisor has and has given away, as the kernel and the children tell it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a descriptor may be that a role is handed: the role, and the begin of what it is, or all of it up to a `$`.
const HANDED: &[(&str, &str)] = &[
    ("check", "/memfd:kimura-configuration"),
    ("check", "/memfd:kimura-files-"),
    ("rehearsal", "/memfd:kimura-message"),
    ("auth", "/memfd:kimura-secrets"),
    ("auth", "/memfd:kimura-realms"),
    ("auth", "/memfd:kimura-files-auth"),
    // For its messages: the way to the logger has no name, here and below.
    ("auth", "socket unix"),
    ("agent", "/memfd:kimura-files-agent"),
    ("agent", "socket 127.0.0.1:"),
    ("agent", "socket unix"),
    // To be started for each login.
    ("auth-pam", "PROGRAM"),
    ("auth-pam", "socket unix"),
    ("pam-login", "PROGRAM"),
    ("logger", "socket "),
    ("logger", "FOLDER/access.log"),
    // To be brought to the disk, and this folder alone.
    ("logger", "FOLDER$"),
    // Where lines wait, where it stands which logs cannot keep up, and where viewers see lines.
    ("logger", "/memfd:kimura-log"),
    ("logger", "/memfd:kimura-pressure"),
    ("logger", "/memfd:kimura-tail"),
    ("worker", "/memfd:kimura-counters-"),
    ("worker", "/memfd:kimura-pressure"),
    ("worker", "/memfd:kimura-tail"),
    // What the certificates and keys hold.
    ("worker", "/memfd:kimura-files-workers"),
    // The text without secrets.
    ("worker", "/memfd:kimura-check"),
    // What was ordered of servers that requests are passed on to.
    ("worker", "/memfd:kimura-message"),
    ("worker", "socket 127.0.0.1:"),
    ("worker", "socket unix"),
];

/// What a process has open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Possessions {
    descriptors: Vec<String>,
    /// Sockets that listen: how many for TCP, and the names of the others.
    listening: (usize, BTreeSet<String>),
}

impl Possessions {
    pub(crate) fn of(pid: u32) -> Self {
        Self { descriptors: descriptors(pid), ..Self::listening(pid) }
    }

    /// How many descriptors are open.
    pub(crate) fn count(&self) -> usize {
        self.descriptors.len()
    }

    pub(crate) fn listening(pid: u32) -> Self {
        Self { descriptors: Vec::new(), listening: listening(pid) }
    }
}

/// Each open descriptor of a process, without what differs between two of a kind.
fn descriptors(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let kind = |link: std::path::PathBuf| {
        let link = link.to_string_lossy().into_owned();
        let name = link.rsplit('/').next().unwrap_or_default();
        name.split(['[', ' ']).next().unwrap_or_default().to_owned()
    };
    let mut kinds: Vec<String> = links.map(kind).collect();
    kinds.sort();
    kinds
}

fn listening(pid: u32) -> (usize, BTreeSet<String>) {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let own: BTreeSet<String> = entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    // Fields: 4 is the state, where 0A is listening; 10 the inode.
    let is_listening = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(3) == Some(&"0A") && fields.get(9).is_some_and(|inode| own.contains(*inode))
    };
    let tcp = [table("tcp"), table("tcp6")].concat().lines().filter(is_listening).count();
    // Fields: 4 has the flag 10000 for a listener; 7 is the inode, 8 the path.
    let unix = table("unix");
    let names = unix.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens =
            fields.get(3) == Some(&"00010000") && fields.get(6).is_some_and(|inode| own.contains(*inode));
        listens
            .then(|| fields.get(7).map_or("", |path| path.rsplit('/').next().unwrap_or_default()).to_owned())
    });
    (tcp, names.collect())
}

/// Descriptors that a child was handed and should not have been.
pub(crate) fn strayed(folder: &Path) -> Vec<String> {
    let heard = fs::read_to_string(folder.join("heard")).unwrap_or_default();
    assert!(!heard.is_empty(), "the children write down what they are handed");
    let own = folder.to_string_lossy();
    let program = std::env::current_exe().expect("the path of this program");
    let program = program.to_string_lossy();
    let strayed = heard.lines().filter(|line| {
        let allowed = HANDED.iter().map(|(role, begin)| {
            format!("{role} {}", begin.replace("FOLDER", &own).replace("PROGRAM", &program))
        });
        !allowed.into_iter().any(|allowed| match allowed.strip_suffix('$') {
            Some(whole) => **line == *whole,
            None => line.starts_with(&allowed),
        })
    });
    strayed.map(str::to_owned).collect()
}
