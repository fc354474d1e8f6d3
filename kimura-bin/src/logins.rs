//! Logins as the configuration says them: which files they take, what auth is told of them, and whether all of it is
//! right.

use auth::{BadLine, Groups, Users};
use config::{Auth, Config, Problems, Registry, Requirement, Satisfy};
use privsep::message::{Audience, FileNeeds, PamNeeds, RealmEntry, Realms, UserEntry};
use std::path::Path;

/// All files that logins take, in the order in which [`realms`] numbers them.
pub(crate) fn files(config: &Config) -> Vec<FileNeeds> {
    config.logins().into_iter().flat_map(files_of).collect()
}

fn files_of(auth: &Auth) -> Vec<FileNeeds> {
    let need = |path: &Path, key: &str, secret| FileNeeds {
        path: path.to_owned(),
        pointer: format!("{}/{key}", auth.pointer),
        secret,
        audience: Audience::Auth,
    };
    let htpasswd = auth.htpasswd.iter().map(|path| need(path, "htpasswd", true));
    htpasswd.chain(auth.groups.iter().map(|path| need(path, "groups", false))).collect()
}

/// What auth is told.
pub(crate) fn realms(config: &Config) -> Realms {
    let mut files = 0..;
    let mut realm = |auth: &Auth| RealmEntry {
        id: auth.id(),
        all: auth.satisfy == Satisfy::All,
        htpasswd: auth.htpasswd.as_ref().and_then(|_| files.next()),
        groups: auth.groups.as_ref().and_then(|_| files.next()),
        users: auth.users.as_ref().map(|users| users.iter().map(user).collect()),
        pam: auth.pam.is_some(),
        required_users: required(auth, |required| match required {
            Requirement::User(name) => Some(name),
            Requirement::Group(_) => None,
        }),
        required_groups: required(auth, |required| match required {
            Requirement::Group(name) => Some(name),
            Requirement::User(_) => None,
        }),
    };
    Realms { realms: config.logins().into_iter().map(&mut realm).collect() }
}

/// Where PAM is asked.
pub(crate) fn pam(config: &Config) -> Vec<PamNeeds> {
    let need = |auth: &Auth| {
        let pointer = format!("{}/pam", auth.pointer);
        auth.pam.clone().map(|service| PamNeeds { realm: auth.id(), service, pointer })
    };
    config.logins().into_iter().filter_map(need).collect()
}

fn user((name, hash): &(String, String)) -> UserEntry {
    UserEntry { name: name.clone(), hash: hash.clone() }
}

fn required(auth: &Auth, of_kind: impl Fn(&Requirement) -> Option<&String>) -> Vec<String> {
    auth.require.iter().filter_map(of_kind).cloned().collect()
}

/// What is wrong with the users that the configuration names itself.
pub(crate) fn judge_users(config: &Config, registry: &Registry, problems: &mut Problems) {
    for auth in config.logins() {
        let Some(users) = &auth.users else { continue };
        let pointer = format!("{}/users", auth.pointer);
        if users.is_empty() {
            let cure = "add one, with a hash that `kimura passwd` makes, or remove \"users\"";
            problems.push(registry.problem(&pointer, "there is no user who could log in", cure));
        }
        for (name, hash) in users {
            if let Err(bad) = Users::new([(name.clone(), hash.clone())]) {
                let sentence = bad.to_string();
                let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "make another"));
                let name = name.replace('~', "~0").replace('/', "~1");
                problems.push(registry.problem(&format!("{pointer}/{name}"), cause, cure));
            }
        }
    }
}

/// What is wrong with the files: `contents` is what they hold, in the order of [`files`]. What is only unwise is a warning.
pub(crate) fn judge(
    config: &Config,
    registry: &Registry,
    contents: &[Vec<u8>],
    problems: &mut Problems,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut contents = contents.iter();
    for auth in config.logins() {
        // Those that are no hashes have been told already.
        let users = auth.users.iter().filter_map(|users| Users::new(users.iter().cloned()).ok());
        warnings.extend(
            users.filter_map(|users| users.weakness()).map(|weak| format!("{}/users: {weak}", auth.pointer)),
        );
        if let Some(path) = &auth.htpasswd {
            match Users::from_htpasswd(contents.next().map_or(&[], Vec::as_slice)) {
                Ok(users) => {
                    let weakness = users.weakness();
                    warnings.extend(weakness.map(|weakness| format!("{}: {weakness}", path.display())));
                }
                Err(bad) => complain(auth, "htpasswd", path, &bad, registry, problems),
            }
        }
        if let Some(path) = &auth.groups {
            let groups = Groups::parse(contents.next().map_or(&[], Vec::as_slice));
            if let Err(bad) = groups {
                complain(auth, "groups", path, &bad, registry, problems);
            }
        }
    }
    warnings
}

fn complain(
    auth: &Auth,
    key: &str,
    path: &Path,
    bad: &[BadLine],
    registry: &Registry,
    problems: &mut Problems,
) {
    for BadLine { line, fault } in bad {
        let sentence = fault.to_string();
        let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "correct the line"));
        let cause = format!("{}:{line}: {cause}", path.display());
        problems.push(registry.problem(&format!("{}/{key}", auth.pointer), cause, cure));
    }
}
