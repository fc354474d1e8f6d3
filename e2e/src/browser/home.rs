//! Where a browser keeps what it knows: its profile, and authorities and certificates in a database of NSS.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome};
use crate::folder::Folder;
use crate::openssl::Holder;

/// Whoever asks for a certificate gets one that fits, and nobody is asked which. Otherwise a list would be shown, from
/// which the protocol cannot choose.
const PREFERENCES: &[u8] =
    br#"{ "profile": { "content_settings": { "exceptions": { "auto_select_certificate": {
  "*,*": { "setting": { "filters": [{}] } }
} } } } }"#;

/// A home of a browser.
#[derive(Debug)]
pub struct Home {
    folder: Folder,
}

impl Home {
    /// Makes an empty one.
    pub fn new(label: &str) -> Outcome<Home> {
        let folder = Folder::new(label)?;
        folder.write("profile/Default/Preferences", PREFERENCES)?;
        folder.write(".pki/nssdb/empty", b"")?;
        let home = Home { folder };
        home.nss("certutil", &["-N", "--empty-password"], &[])?;
        Ok(home)
    }

    /// What this authority signs is believed from now on.
    pub fn trust(&self, authority: &Path) -> Outcome<()> {
        self.nss("certutil", &["-A", "-n", "authority", "-t", "C,,", "-i"], &[authority])
    }

    /// Who the user is, from now on, for hosts that ask for a certificate.
    pub fn identify(&self, holder: &Holder) -> Outcome<()> {
        let bundle = self.folder.path().join("identity.p12");
        let mut command = Command::new("openssl");
        command.args(["pkcs12", "-export", "-passout", "pass:", "-in"]).arg(&holder.chain);
        command.arg("-inkey").arg(&holder.key).arg("-out").arg(&bundle);
        run(command)?;
        self.nss("pk12util", &["-W", "", "-i"], &[&bundle])
    }

    /// The home itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The argument that has the browser use it.
    pub(super) fn profile(&self) -> OsString {
        let mut argument = OsString::from("--user-data-dir=");
        argument.push(self.path().join("profile"));
        argument
    }

    fn nss(&self, program: &str, words: &[&str], paths: &[&Path]) -> Outcome<()> {
        let mut database = OsString::from("sql:");
        database.push(self.database());
        let mut command = Command::new(program);
        command.arg("-d").arg(database).args(words).args(paths);
        run(command)
    }

    fn database(&self) -> PathBuf {
        self.path().join(".pki/nssdb")
    }
}

fn run(mut command: Command) -> Outcome<()> {
    let program = command.get_program().to_owned();
    let output = command.stdin(Stdio::null()).output().map_err(Failure::machine("run", &program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::mismatch(program.to_string_lossy(), "success", said))
}
