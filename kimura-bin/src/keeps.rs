//! `--test --verbose`: what each process will keep of its rights.

use privsep::message::Needs;
use privsep::role::{Files, PROCESSORS, ROLES, Role, Row};
use std::fmt::Write;
use sys::sandbox::Group;

/// Most paths that are shown of a list.
const PATHS_MAX: usize = 8;

/// A paragraph for each process, in the order of the table of roles.
pub(crate) fn told(needs: &Needs) -> String {
    if !needs.privsep {
        return "\none process with all rights of its user (\"privsep\" is false)\n".to_owned();
    }
    let there = |row: &&Row| match row.role {
        Role::Agent => !needs.control.remote.is_empty(),
        Role::AuthPam | Role::PamLogin => !needs.pam.is_empty(),
        _ => true,
    };
    ROLES.iter().filter(there).map(|row| role(row, needs)).collect()
}

fn role(row: &Row, needs: &Needs) -> String {
    let mut told = format!("\n{}\n", row.title);
    let keep = row.keep.filter(|_| needs.sandbox);
    let lines = match (row.keep, keep) {
        (None, _) => vec![("user", "that of the start".to_owned()), ("keeps", "all its rights".to_owned())],
        (Some(_), None) => {
            vec![("user", user(needs)), ("keeps", "all its rights (\"sandbox\" is false)".to_owned())]
        }
        (Some(_), Some(keep)) => {
            let mut lines = vec![("user", user(needs)), ("reads", files(keep.files, needs))];
            lines.push(("calls", calls(keep.calls)));
            if !keep.relaying.is_empty() {
                lines.push(("relays", format!("{} (with a \"proxy\" only)", calls(keep.relaying))));
            }
            lines
        }
    };
    for (name, text) in lines {
        // Writing to a string does not fail.
        let _ = writeln!(told, "  {name:<8} {text}");
    }
    told
}

fn user(needs: &Needs) -> String {
    let name = needs.user.as_deref().unwrap_or("that of the start");
    needs.group.as_ref().map_or_else(|| name.to_owned(), |group| format!("{name}, group {group}"))
}

fn files(files: Files, needs: &Needs) -> String {
    match files {
        Files::None => "what it is handed".to_owned(),
        Files::All => "what its user may".to_owned(),
        Files::Served => {
            let paths = needs.readable.iter().map(|needs| needs.path.display().to_string());
            let shown: Vec<String> = paths.take(PATHS_MAX).collect();
            let more = needs.readable.len() - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{PROCESSORS} {}{more}", shown.join(" "))
        }
    }
}

fn calls(groups: &[Group]) -> String {
    let names: Vec<&str> = groups.iter().map(|group| group.name()).collect();
    let count: usize = groups.iter().map(|group| group.count()).sum();
    format!("{count}: {}", names.join(", "))
}
