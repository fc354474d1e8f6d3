//! The folder of one run: document root, generated configurations, logs. Removed at the end.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::workload::{FILES, SMALL};

/// Certificates of the servers: their name, and what `openssl req -newkey` takes for the key.
const KEYS: [(&str, &[&str]); 2] =
    [("ecdsa", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", &["rsa:2048"])];

/// The folder; dropping it removes it.
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    /// Creates the folder and the files to be served.
    pub(crate) fn create() -> Result<RunFolder, Error> {
        let path = std::env::temp_dir().join(format!("kimura-bench-{}", std::process::id()));
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
            write(&path, file.len).map_err(Error::io("write", &path))?;
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

/// Bytes without a pattern that a server could make use of, the same in every run.
fn write(path: &Path, len: u64) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    let mut out = BufWriter::new(file);
    if len == SMALL.len {
        out.write_all(b"Hello, World!")?;
    } else {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..len / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            out.write_all(&state.to_le_bytes())?;
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
