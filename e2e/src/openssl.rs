//! The real openssl: certificates made by it, and clients that it is.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::failure::{Failure, Outcome};

/// A time long past, one that ends far away, and one as certificates are issued for, in the words of openssl.
const PAST: &str = "-startdate 20200101000000Z -enddate 20210101000000Z";
const NOW: &str = "-startdate 20240101000000Z -enddate 20990101000000Z";
const QUARTER: &str = "-days 90";

/// What `openssl ca` has to be told.
const SETTINGS: &str = "[ca]
default_ca = own
[own]
new_certs_dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
default_md = sha256
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = nothing
[nothing]
[host]
basicConstraints = critical,CA:false
extendedKeyUsage = serverAuth
subjectAltName = ${ENV::NAMES}
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical,CA:false
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
";

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with the curve P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Now.
    Holds,
    /// Until 2021.
    Past,
    /// From now on, for ninety days.
    Quarter,
}

/// Somebody with a certificate.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The certificate, in PEM.
    pub chain: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes one, with everything that it writes in `folder`, which is made as well.
    pub fn new(folder: &Path) -> Outcome<Authority> {
        fs::create_dir_all(folder).map_err(Failure::machine("create folder", folder))?;
        let authority = Authority { folder: folder.to_owned() };
        for (name, content) in
            [("settings", SETTINGS), ("index.txt", ""), ("serial", "01\n"), ("crlnumber", "01\n")]
        {
            let path = authority.path(name);
            fs::write(&path, content).map_err(Failure::machine("write", &path))?;
        }
        authority.key("ca", Algorithm::Ecdsa)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        authority.openssl(&format!(
            "req -x509 -new -key ca.key -out ca.pem -days 3650 -subj /CN={name} -config settings -extensions authority"
        ))?;
        Ok(authority)
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for a host with these names.
    pub fn host(&self, label: &str, names: &[&str], algorithm: Algorithm, term: Term) -> Outcome<Holder> {
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        self.sign(label, "host", &names.join(","), algorithm, term)
    }

    /// A certificate for a client, whose name is the label.
    pub fn client(&self, label: &str, term: Term) -> Outcome<Holder> {
        self.sign(label, "client", "DNS:unused", Algorithm::Ecdsa, term)
    }

    /// Calls a certificate back; [`Authority::revoked`] tells.
    pub fn revoke(&self, holder: &Holder) -> Outcome<()> {
        let chain = holder.chain.display();
        self.openssl(&format!("ca -batch -config settings -keyfile ca.key -cert ca.pem -revoke {chain}"))
            .map(drop)
    }

    /// Writes the list of all that were called back so far.
    pub fn revoked(&self, name: &str) -> Outcome<PathBuf> {
        let settings = "ca -batch -config settings -keyfile ca.key -cert ca.pem -gencrl -out";
        self.openssl(&format!("{settings} {name}"))?;
        Ok(self.path(name))
    }

    /// An OCSP response that says that a certificate is good.
    pub fn staple(&self, holder: &Holder) -> Outcome<PathBuf> {
        let chain = holder.chain.display();
        let staple = holder.chain.with_extension("ocsp");
        self.openssl(&format!("ocsp -issuer ca.pem -cert {chain} -no_nonce -reqout request.ocsp"))?;
        self.openssl(&format!(
            "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 7 -reqin request.ocsp -respout {}",
            staple.display()
        ))?;
        Ok(staple)
    }

    /// Runs an openssl with words that have no spaces in them, in the folder of the authority.
    pub fn openssl(&self, line: &str) -> Outcome<Output> {
        run(&self.folder, line, "DNS:unused")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn key(&self, label: &str, algorithm: Algorithm) -> Outcome<()> {
        let kind = match algorithm {
            Algorithm::Ecdsa => "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            Algorithm::Rsa => "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        };
        self.openssl(&format!("genpkey {kind} -out {label}.key")).map(drop)
    }

    fn sign(
        &self,
        label: &str,
        section: &str,
        names: &str,
        algorithm: Algorithm,
        term: Term,
    ) -> Outcome<Holder> {
        let term = match term {
            Term::Holds => NOW,
            Term::Past => PAST,
            Term::Quarter => QUARTER,
        };
        self.key(label, algorithm)?;
        self.openssl(&format!(
            "req -new -key {label}.key -out {label}.csr -subj /CN={label} -config settings"
        ))?;
        let line = format!(
            "ca -batch -notext -config settings -extensions {section} -keyfile ca.key -cert ca.pem \
             {term} -in {label}.csr -out {label}.pem"
        );
        run(&self.folder, &line, names)?;
        Ok(Holder { chain: self.path(&format!("{label}.pem")), key: self.path(&format!("{label}.key")) })
    }
}

fn run(folder: &Path, line: &str, names: &str) -> Outcome<Output> {
    let mut command = Command::new("openssl");
    command.args(line.split_whitespace()).current_dir(folder).env("NAMES", names).stdin(Stdio::null());
    let output = command.output().map_err(Failure::machine("run", "openssl"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::mismatch(format!("openssl {line}"), "success", said))
}

/// `openssl s_client` with these arguments, as a person uses it; `input` is what it sends once it is through. Runs until
/// the server closes.
pub fn s_client(address: &str, arguments: &[&str], input: &[u8]) -> Outcome<Said> {
    use std::io::Write;
    let mut command = Command::new("timeout");
    command.args([SECONDS_MAX, "openssl", "s_client", "-connect", address, "-ign_eof"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Failure::machine("run", "openssl"))?;
    // One that has failed reads nothing.
    child.stdin.take().expect("stdin is a pipe").write_all(input).ok();
    let output = child.wait_with_output().map_err(Failure::machine("wait for", "openssl"))?;
    Ok(Said { code: output.status.code(), text: text(&output) })
}

/// `curl`, silent but for errors, with these arguments.
pub fn curl(arguments: &[&str]) -> Outcome<Said> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", SECONDS_MAX]).args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(Failure::machine("run", "curl"))?;
    Ok(Said { code: output.status.code(), text: text(&output) })
}

/// What a client may take at most.
const SECONDS_MAX: &str = "20";

/// How a client has ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit status; none when a signal has ended it.
    pub code: Option<i32>,
    /// All that it has printed.
    pub text: String,
}

impl Said {
    /// Whether all of these stand in what it has printed.
    #[must_use]
    pub fn has(&self, parts: &[&str]) -> bool {
        parts.iter().all(|part| self.text.contains(part))
    }
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// Connects to a server by TLS: what goes into the child is sent, and what is received comes out of it.
pub fn client(to: SocketAddr) -> Outcome<Child> {
    Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &to.to_string(), "-servername", "localhost"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Failure::machine("run", "openssl s_client"))
}
