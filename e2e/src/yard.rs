//! A server with TLS and everything that it needs, in a folder of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::failure::{Failure, Outcome};
use crate::openssl::{Algorithm, Authority, Holder, Term};
use crate::output::Place;
use crate::{Folder, Options, Server};

/// What `/hello.txt` holds.
pub const HELLO: &[u8] = b"Hello, world!\n";

/// A folder with an authority in `tls` and files in `www`.
#[derive(Debug)]
pub struct Yard {
    /// The folder.
    pub folder: Folder,
    /// Who vouches for hosts, and for clients.
    pub authority: Authority,
}

impl Yard {
    /// Makes one.
    pub fn new(label: &str) -> Outcome<Yard> {
        let folder = Folder::new(label)?;
        folder.write("www/hello.txt", HELLO)?;
        let authority = Authority::new(&folder.path().join("tls"))?;
        Ok(Yard { folder, authority })
    }

    /// One with an ECDSA certificate `tls/host.pem` for localhost and its key `tls/host.key`.
    pub fn with_host(label: &str) -> Outcome<Yard> {
        let yard = Yard::new(label)?;
        yard.host("host", &["localhost"], Algorithm::Ecdsa)?;
        Ok(yard)
    }

    /// A certificate for a host.
    pub fn host(&self, label: &str, names: &[&str], algorithm: Algorithm) -> Outcome<Holder> {
        self.authority.host(label, names, algorithm, Term::Holds)
    }

    /// Writes `kimura.conf`, in which `${folder}` stands for the folder.
    pub fn configure(&self, text: &str) -> Outcome<PathBuf> {
        let text = text.replace("${folder}", &self.folder.path().to_string_lossy());
        self.folder.write("kimura.conf", text.as_bytes())
    }

    /// Starts the server with that configuration.
    pub fn serve(&self, text: &str) -> Outcome<Server> {
        Server::start(&self.configure(text)?, &Options::default())
    }

    /// A path in the folder, as an argument.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// The `number`th address of a server, from 1; it has to be one of TCP.
pub fn address(server: &Server, number: usize) -> Outcome<SocketAddr> {
    match server.place(number)? {
        Place::Ip(address) => Ok(address),
        Place::Unix(path) => Err(Failure::mismatch("an address", "TCP", path.display())),
    }
}
