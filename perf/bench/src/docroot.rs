//! The folder of one run: document root, generated configurations, logs. Removed at the end.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Error;
use crate::workload::{DocFile, FILES, PAGE, SMALL};

/// Certificates of the servers: their name, and what `openssl req -newkey` takes for the key.
const KEYS: [(&str, &[&str]); 2] =
    [("ecdsa", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", &["rsa:2048"])];

/// Folders that this process has made: each has a name of its own.
static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// The folder; dropping it removes it.
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    /// Creates the folder and the files to be served.
    pub(crate) fn create() -> Result<RunFolder, Error> {
        let number = FOLDERS.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("kimura-bench-{}-{number}", std::process::id()));
        // `create_dir` refuses a folder or link that somebody else has put there.
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        let folder = RunFolder(path);
        fs::create_dir(folder.docroot()).map_err(Error::io("create", folder.docroot()))?;
        for path in [folder.path(), &folder.docroot()] {
            // Servers started as root read it as another user.
            fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(Error::io("open up", path))?;
        }
        for file in FILES {
            let path = folder.docroot().join(file.name);
            write(&path, file).map_err(Error::io("write", &path))?;
        }
        Ok(folder)
    }

    /// Makes the keys and certificates of the servers.
    pub(crate) fn certify_all(&self) -> Result<(), Error> {
        KEYS.iter().try_for_each(|(name, kind)| self.certify(name, kind))
    }

    /// Makes a key and a certificate that vouches for itself.
    fn certify(&self, name: &str, kind: &[&str]) -> Result<(), Error> {
        let (key, certificate) = (self.0.join(format!("{name}.key")), self.0.join(format!("{name}.pem")));
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey"])
            .args(kind);
        command.args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:false"]);
        command.arg("-keyout").arg(&key).arg("-out").arg(&certificate).stdin(Stdio::null());
        let output = command.output().map_err(Error::io("run", "openssl"))?;
        if output.status.success() {
            return Ok(());
        }
        let (status, output) = (output.status, String::from_utf8_lossy(&output.stderr).into_owned());
        Err(Error::Program { program: "openssl".to_owned(), status, output })
    }

    /// The folder itself, for configurations and logs.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the served files are.
    pub(crate) fn docroot(&self) -> PathBuf {
        self.0.join("root")
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("bench: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Words of the page.
const WORDS: [&str; 32] = [
    "a",
    "and",
    "answer",
    "are",
    "as",
    "byte",
    "by",
    "class",
    "client",
    "connection",
    "for",
    "from",
    "in",
    "is",
    "it",
    "kernel",
    "line",
    "of",
    "on",
    "one",
    "page",
    "paragraph",
    "request",
    "server",
    "so",
    "that",
    "the",
    "time",
    "to",
    "which",
    "with",
    "word",
];

/// A number out of the blue, the same ones in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Text as in a page: about a fifth is left of it when it is compressed.
fn page(len: u64) -> Vec<u8> {
    let mut state = SEED;
    let mut text = String::from("<!DOCTYPE html>\n<title>A page</title>\n");
    while (text.len() as u64) < len {
        let number = next(&mut state);
        match number % 64 {
            0 => text.push_str(&format!("</p>\n<p class=\"paragraph\" id=\"p{:x}\">", number >> 44)),
            1 => text.push_str(&format!("<a href=\"/pages/{}.html\">", number >> 40)),
            2 => text.push_str("</a>"),
            _ => {
                text.push_str(WORDS[(number >> 32) as usize % WORDS.len()]);
                text.push(' ');
            }
        }
    }
    text.truncate(len as usize);
    text.into_bytes()
}

/// What numbers begin with.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bytes without a pattern that a server could make use of, or text; the same in every run.
fn write(path: &Path, DocFile { name, len }: &DocFile) -> io::Result<()> {
    let len = *len;
    let file = File::create(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    let mut out = BufWriter::new(file);
    if len == SMALL.len {
        out.write_all(b"Hello, World!")?;
    } else if *name == PAGE.name {
        out.write_all(&page(len))?;
    } else {
        let mut state = SEED;
        for _ in 0..len / 8 {
            out.write_all(&next(&mut state).to_le_bytes())?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_sizes_and_go_away() {
        let folder = RunFolder::create().unwrap();
        for file in FILES {
            assert_eq!(fs::metadata(folder.docroot().join(file.name)).unwrap().len(), file.len);
        }
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
