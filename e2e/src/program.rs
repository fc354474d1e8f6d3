//! Servers that requests are passed on to: real ones, which answer everything with a word.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::failure::{Failure, Outcome};
use crate::folder::Folder;
use crate::until;

/// A program that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Caddy.
    Caddy,
}

/// A server, killed when dropped.
#[derive(Debug)]
pub struct Backend {
    program: Program,
    /// Where it listens, whether it runs or not.
    pub address: SocketAddr,
    configuration: PathBuf,
    child: Option<Child>,
}

impl Backend {
    /// Starts one that says `word` to every request, at a free port, with its files in `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: Program, word: &str, folder: &Folder) -> Outcome<Backend> {
        let free = TcpListener::bind("127.0.0.1:0").map_err(Failure::machine("bind", "127.0.0.1:0"))?;
        let address = free.local_addr().map_err(Failure::machine("name", "a socket"))?;
        drop(free);
        let (run, port) = (folder.path().display(), address.port());
        let (name, text) = match program {
            Program::Nginx => (
                "nginx.conf",
                format!(
                    "daemon off; master_process off; pid {run}/{port}.pid; error_log {run}/{port}.log;\n\
                     events {{ }}\nhttp {{ access_log off; client_body_temp_path {run}/{port}-b; \
                     proxy_temp_path {run}/{port}-p; fastcgi_temp_path {run}/{port}-f; uwsgi_temp_path {run}/{port}-u; \
                     scgi_temp_path {run}/{port}-s; keepalive_requests 1000000; server {{ listen {address} reuseport; \
                     location / {{ default_type text/plain; return 200 {word}; }} }} }}\n"
                ),
            ),
            Program::Haproxy => (
                "haproxy.cfg",
                format!(
                    "defaults\n  mode http\n  timeout client 60s\n  timeout connect 5s\n  timeout server 60s\n\
                     frontend f\n  bind {address}\n  http-request return status 200 content-type text/plain string {word}\n"
                ),
            ),
            Program::Caddy => (
                "Caddyfile",
                format!(
                    "{{\n\tadmin off\n\tauto_https off\n}}\n\
                     http://:{port} {{\n\tbind 127.0.0.1\n\trespond {word}\n}}\n"
                ),
            ),
        };
        let configuration = folder.write(&format!("{port}-{name}"), text.as_bytes())?;
        let mut backend = Backend { program, address, configuration, child: None };
        backend.begin()?;
        Ok(backend)
    }

    /// Starts it again; returns when it takes connections.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(&mut self) -> Outcome<()> {
        let path = &self.configuration;
        let mut command = match self.program {
            Program::Nginx => Command::new("/usr/sbin/nginx"),
            Program::Haproxy => Command::new("/usr/sbin/haproxy"),
            Program::Caddy => Command::new("/usr/bin/caddy"),
        };
        match self.program {
            Program::Nginx => command.arg("-c").arg(path),
            Program::Haproxy => command.arg("-db").arg("-f").arg(path),
            Program::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Caddy looks for a home to keep things in.
        command.env("HOME", path.parent().unwrap_or(path));
        self.child = Some(command.spawn().map_err(Failure::machine("start", path))?);
        until("a backend takes connections", || TcpStream::connect(self.address).is_ok());
        Ok(())
    }

    /// Ends it with a signal; returns when it takes no more connections and its process is gone.
    ///
    /// # Panics
    /// When it cannot be told, or does not end.
    pub fn end(&mut self, signal: Signal) {
        let mut child = self.child.take().expect("it runs");
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("its process is there");
        until("a backend ends", || child.try_wait().expect("a child").is_some());
        until("a backend takes no connections", || match TcpStream::connect(self.address) {
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        });
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
