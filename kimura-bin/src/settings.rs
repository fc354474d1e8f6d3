//! Finding and reading the configuration.

use crate::arguments::{From, Override, Wishes};
use crate::error::Error;
use config::{Loaded, Problem, Problems, Source};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

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

/// Reads the configuration that is wished for.
///
/// # Errors
/// A file that cannot be read, or every problem found in it.
pub(crate) fn load(wishes: &Wishes) -> Result<(Loaded, Origin), Error> {
    let origin = match &wishes.from {
        From::File(path) => Origin::File(path.clone()),
        From::Folder(folder) => Origin::Folder(folder.clone()),
        From::Search => match search(std::env::home_dir().as_deref())? {
            Some(path) => Origin::File(path),
            None => Origin::Folder(PathBuf::from(".")),
        },
    };
    let overrides = overrides(&wishes.overrides)?;
    let loaded = match &origin {
        Origin::File(path) => config::load(Some(read(path)?), &overrides)?,
        Origin::Folder(folder) => config::builtin(Some(folder), &overrides)?,
    };
    Ok((loaded, origin))
}

/// The values of the command line in the words of the configuration.
fn overrides(wishes: &[Override]) -> Result<Vec<config::Override>, Problems> {
    let mut problems = Problems::new();
    let mut overrides = Vec::new();
    for wish in wishes {
        match in_configuration(wish) {
            Ok(value) => overrides.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    problems.or(overrides)
}

fn in_configuration(wish: &Override) -> Result<config::Override, Problem> {
    use config::Override as Value;
    match wish {
        Override::Set(argument) => Value::set(argument),
        Override::User(name) => {
            Ok(Value::flag(&format!("--user {name}"), &["server", "user"], name.as_str()))
        }
        Override::Group(name) => {
            Ok(Value::flag(&format!("--group {name}"), &["server", "group"], name.as_str()))
        }
        Override::Background => Ok(Value::flag("--daemon", &["server", "daemon"], true)),
        Override::Foreground => Ok(Value::flag("--verbose", &["server", "daemon"], false)),
    }
}

/// The first file of the search order that exists. One that exists and cannot be read is not passed over: another
/// file would then be served without anybody noticing.
fn search(home: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    for candidate in SEARCHED {
        let path = match (candidate.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => continue,
            (None, _) => PathBuf::from(candidate),
        };
        match path.symlink_metadata() {
            Ok(_) => return Ok(Some(path)),
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(cause) => return Err(Error::Read { path, cause }),
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Source, Error> {
    let fault = |cause| Error::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the configuration crate sees that it is too much.
    let limit = config::TEXT_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(fault)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
        fault(io::Error::new(ErrorKind::InvalidData, format!("line {line} is not UTF-8 text")))
    })?;
    Ok(Source { name: path.display().to_string(), text })
}
