//! Real servers behind the server: nginx, Apache, lighttpd, HAProxy and h2o, each with a folder of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::failure::{Failure, Outcome};
use crate::{Folder, until};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apache httpd.
    Apache,
    /// h2o.
    H2o,
    /// HAProxy, which answers by itself.
    Haproxy,
    /// lighttpd.
    Lighttpd,
    /// nginx.
    Nginx,
}

impl Kind {
    /// The file in `origins/`, program, and its arguments before the file.
    fn parts(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Kind::Apache => ("apache.conf", "/usr/sbin/apache2", &["-X", "-f"]),
            Kind::H2o => ("h2o.conf", "h2o", &["-c"]),
            Kind::Haproxy => ("haproxy.cfg", "/usr/sbin/haproxy", &["-db", "-f"]),
            Kind::Lighttpd => ("lighttpd.conf", "/usr/sbin/lighttpd", &["-D", "-f"]),
            Kind::Nginx => ("nginx.conf", "/usr/sbin/nginx", &["-c"]),
        }
    }
}

impl Kind {
    /// The request that a line of the log tells of.
    fn request(self, line: &str) -> Option<String> {
        let line = match self {
            // What was given up before its end is logged as a bad request (CR: by the client), and is none.
            Kind::Haproxy if line.starts_with("\"<BADREQ>\" CR") => return None,
            Kind::Haproxy => line.strip_prefix('"')?.rsplit_once('"')?.0,
            _ => line,
        };
        // A backslash is written twice, as a number, or as it is.
        Some(line.replace("\\x5C", "\\").replace("\\x5c", "\\").replace("\\\\", "\\"))
    }
}

/// A server that runs. It has `/hello.txt` and `/after-0.txt` to `/after-63.txt`, each of which holds its own path, and writes
/// the line of each request to a file.
#[derive(Debug)]
pub struct Origin {
    kind: Kind,
    child: Child,
    folder: Folder,
    address: SocketAddr,
}

/// What `/hello.txt` holds.
const HELLO: &[u8] = b"Hello, world!\n";
/// Files that tell what was asked for.
const OWN: usize = 64;

impl Origin {
    /// Starts one, and waits until it takes connections.
    pub fn start(kind: Kind) -> Outcome<Origin> {
        let (name, program, arguments) = kind.parts();
        let folder = Folder::new("origin")?;
        folder.write("www/hello.txt", HELLO)?;
        for number in 0..OWN {
            folder.write(&format!("www/after-{number}.txt"), format!("/after-{number}.txt\n").as_bytes())?;
        }
        open_to_all(folder.path())?;
        let address = free_address()?;
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("origins").join(name);
        let text = fs::read_to_string(&text).map_err(Failure::machine("read", &text))?;
        let text = text
            .replace("${folder}", &folder.path().to_string_lossy())
            .replace("${port}", &address.port().to_string());
        let configuration = folder.write(name, text.as_bytes())?;
        let said = |name| {
            let path = folder.path().join(name);
            File::create(&path).map_err(Failure::machine("create", &path))
        };
        // HAProxy alone writes its log there.
        let requests = if kind == Kind::Haproxy { "requests" } else { "output" };
        let child = Command::new(program)
            .args(arguments)
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(said(requests)?)
            .stderr(said("errors")?)
            .spawn()
            .map_err(Failure::machine("start", program))?;
        until("the origin listens", || TcpStream::connect(address).is_ok());
        Ok(Origin { kind, child, folder, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, so that its log is whole. Returns the first line of each request that it has seen.
    pub fn stop(mut self) -> Outcome<Vec<String>> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)
            .map_err(|error| Failure::machine("end", "the origin")(error.into()))?;
        self.child.wait().map_err(Failure::machine("wait for", "the origin"))?;
        let path = self.folder.path().join("requests");
        let text = fs::read(&path).map_err(Failure::machine("read", &path))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(text.lines().filter_map(|line| self.kind.request(line)).collect())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody has now, and that the system does not give to anybody else at once.
pub fn free_address() -> Outcome<SocketAddr> {
    let failed = || Failure::machine("listen on", "127.0.0.1");
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(failed())
}

/// Some of them serve as another user when they are started by root.
pub fn open_to_all(folder: &Path) -> Outcome<()> {
    let path: PathBuf = folder.to_owned();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Failure::machine("open", &path))
}
