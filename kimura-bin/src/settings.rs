//! Finding the configuration, and reading it.

use crate::arguments::{From, Override, Wishes};
use config::{Loaded, Problem, Problems, Source};
use privsep::message::{Setting, Subject};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sys::creds::Identity;

/// Where a configuration file is looked for, in this order; `~` is the home directory.
pub(crate) const SEARCHED: &[&str] = &["~/.kimura.conf", "/etc/kimura/kimura.conf", "/etc/kimura.conf"];

/// What the configuration in use was made of.
#[derive(Debug, PartialEq)]
pub(crate) enum Origin {
    File(PathBuf),
    /// The built-in configuration for a folder.
    Folder(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "configuration {}", path.display()),
            Self::Folder(path) => write!(f, "no configuration file, folder {}", path.display()),
        }
    }
}

impl Origin {
    /// What the wishes lead to.
    ///
    /// # Errors
    /// A file of the search order that is there and cannot be looked at.
    pub(crate) fn find(wishes: &Wishes) -> Result<Self, String> {
        Ok(match &wishes.from {
            From::File(path) => Self::File(path.clone()),
            From::Folder(folder) => Self::Folder(folder.clone()),
            From::Search => match search(std::env::home_dir().as_deref())? {
                Some(path) => Self::File(path),
                None => Self::Folder(PathBuf::from(".")),
            },
        })
    }

    /// With what the command line sets, as other processes are told.
    pub(crate) fn subject(&self, overrides: &[Override]) -> Subject {
        let settings = overrides.iter().map(setting).collect();
        match self {
            Self::File(path) => Subject::File { name: path.display().to_string(), settings },
            Self::Folder(path) => Subject::Folder { path: path.clone(), settings },
        }
    }

    /// The text of the file, looked for from `folder`; nothing without one.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    pub(crate) fn text(&self, folder: &Path) -> Result<Vec<u8>, String> {
        let Self::File(path) = self else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        // One byte more than allowed, so that the configuration crate sees that it is too much.
        let limit = config::TEXT_MAX as u64 + 1;
        let file = File::open(folder.join(path)).map_err(|cause| unreadable(path, &cause))?;
        if is_root() && !is_roots_word(&file).map_err(|cause| unreadable(path, &cause))? {
            return Err(format!(
                "the configuration {} could be written by others than root, who would command root: chown it to \
                 root and chmod it to 0644",
                path.display()
            ));
        }
        let read = file.take(limit).read_to_end(&mut bytes);
        read.map_err(|cause| unreadable(path, &cause))?;
        Ok(bytes)
    }
}

/// Bits of a mode by which others than the owner may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

fn is_root() -> bool {
    Identity::current().is_ok_and(|identity| identity.uid == 0)
}

/// Whether nobody but root can have written an open file.
fn is_roots_word(file: &File) -> io::Result<bool> {
    let found = file.metadata()?;
    Ok(found.uid() == 0 && found.mode() & WRITABLE_BY_OTHERS == 0)
}

fn unreadable(path: &Path, cause: &io::Error) -> String {
    format!("cannot read the configuration {}: {cause}; correct it, or name another with -c", path.display())
}

fn setting(wish: &Override) -> Setting {
    match wish {
        Override::Set(argument) => Setting::Set { argument: argument.clone() },
        Override::User(name) => Setting::User { name: name.clone() },
        Override::Group(name) => Setting::Group { name: name.clone() },
        Override::Background => Setting::Background,
        Override::Foreground => Setting::Foreground,
    }
}

/// Why a configuration does not load.
pub(crate) enum Unloadable {
    /// What is wrong in it.
    Problems(Problems),
    /// It is not even text; why, for people.
    NoText(String),
}

/// The configuration that `text` says, with what the command line sets.
///
/// # Errors
/// Every problem found in it.
pub(crate) fn load(subject: &Subject, text: Vec<u8>) -> Result<Loaded, Unloadable> {
    let (Subject::File { settings, .. } | Subject::Folder { settings, .. }) = subject;
    let overrides = overrides(settings).map_err(Unloadable::Problems)?;
    match subject {
        Subject::Folder { path, .. } => config::builtin(Some(path), &overrides),
        Subject::File { name, .. } => {
            let text = String::from_utf8(text).map_err(|error| {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = before.split(|&byte| byte == b'\n').count();
                let cause = io::Error::new(ErrorKind::InvalidData, format!("line {line} is not UTF-8 text"));
                Unloadable::NoText(unreadable(Path::new(name), &cause))
            })?;
            config::load(Some(Source { name: name.clone(), text }), &overrides)
        }
    }
    .map_err(Unloadable::Problems)
}

/// The values of the command line in the words of the configuration.
fn overrides(settings: &[Setting]) -> Result<Vec<config::Override>, Problems> {
    let mut problems = Problems::new();
    let mut overrides = Vec::new();
    for setting in settings {
        match in_configuration(setting) {
            Ok(value) => overrides.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    problems.or(overrides)
}

fn in_configuration(setting: &Setting) -> Result<config::Override, Problem> {
    use config::Override as Value;
    match setting {
        Setting::Set { argument } => Value::set(argument),
        Setting::User { name } => {
            Ok(Value::flag(&format!("--user {name}"), &["server", "user"], name.as_str()))
        }
        Setting::Group { name } => {
            Ok(Value::flag(&format!("--group {name}"), &["server", "group"], name.as_str()))
        }
        Setting::Background => Ok(Value::flag("--daemon", &["server", "daemon"], true)),
        Setting::Foreground => Ok(Value::flag("--verbose", &["server", "daemon"], false)),
    }
}

/// The same without what is secret.
pub(crate) fn public(subject: Subject) -> Subject {
    let public = |settings: Vec<Setting>| {
        let keep = |setting| match setting {
            Setting::Set { argument } => {
                // What does not parse is nothing that could be in force.
                let argument = config::Override::public(&argument).ok()?;
                Some(Setting::Set { argument })
            }
            other => Some(other),
        };
        settings.into_iter().filter_map(keep).collect()
    };
    match subject {
        Subject::File { name, settings } => Subject::File { name, settings: public(settings) },
        Subject::Folder { path, settings } => Subject::Folder { path, settings: public(settings) },
    }
}

/// The first file of the search order that exists. One that exists and cannot be read is not passed over: another
/// file would then be served without anybody noticing.
fn search(home: Option<&Path>) -> Result<Option<PathBuf>, String> {
    for candidate in SEARCHED {
        let path = match (candidate.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => continue,
            (None, _) => PathBuf::from(candidate),
        };
        match path.symlink_metadata() {
            Ok(_) => return Ok(Some(path)),
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(cause) => return Err(unreadable(&path, &cause)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn root_takes_no_word_that_others_could_have_put_in() {
        const SOMEBODY: u32 = 65_534;
        if !is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kimura.conf");
        for (owner, mode, taken) in [
            (0, 0o644, true),
            (0, 0o600, true),
            (0, 0o664, false),
            (0, 0o646, false),
            (SOMEBODY, 0o644, false),
            (SOMEBODY, 0o444, false),
        ] {
            fs::write(&path, "{}").expect("written");
            chown(&path, Some(owner), None).expect("root may");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("root may");
            let text = Origin::File("kimura.conf".into()).text(folder.path());
            assert_eq!(text.is_ok(), taken, "{owner} {mode:o}: {text:?}");
            if let Err(why) = text {
                assert!(
                    why.contains("could be written by others than root") && why.contains("chmod it to 0644")
                );
            }
        }
    }
}
