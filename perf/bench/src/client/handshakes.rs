//! TLS handshakes, one after the other: a connection, its handshake, one request, the end.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SignatureScheme, StreamOwned};

use super::closed::histogram;
use super::idle::exchange;
use super::request;
use crate::error::{AnswerProblem, Error};
use crate::results::Delivered;
use crate::workload::{Key, Sessions};

/// How long a server may be silent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The task of one run.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) to: SocketAddr,
    pub(crate) path: String,
    /// Folder with the certificates of the servers.
    pub(crate) certificates: PathBuf,
    pub(crate) key: Key,
    pub(crate) sessions: Sessions,
    pub(crate) duration: Duration,
}

/// Runs `task` and counts.
pub(crate) fn run(task: &Task) -> Result<Delivered, Error> {
    drive(task).map_err(Error::io("make load on", task.to.to_string()))
}

fn drive(task: &Task) -> io::Result<Delivered> {
    let client = Client::new(&task.certificates, task.key, task.sessions)?;
    let request = request(&task.path);
    let mut micros = histogram();
    let (mut bytes, mut errors) = (0, 0);
    let start = Instant::now();
    let mut first = true;
    while start.elapsed() < task.duration {
        let began = Instant::now();
        match client.visit(task, &request) {
            Ok((kind, received)) => {
                // What is not of the kind that is measured does not count, but for the first session of all.
                let resumed = kind == HandshakeKind::Resumed;
                errors += u64::from(!first && resumed != (task.sessions == Sessions::Resumed));
                bytes += received as u64;
                micros.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            Err(_) => errors += 1,
        }
        first = false;
    }
    Ok(Delivered {
        requests: micros.len() as f64,
        bytes,
        seconds: start.elapsed().as_secs_f64(),
        p50_us: micros.value_at_quantile(0.50) as f64,
        p99_us: micros.value_at_quantile(0.99) as f64,
        errors,
    })
}

/// Connects with TLS 1.3 and one group of the key exchange, which every server has.
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    pub(crate) fn new(certificates: &Path, key: Key, sessions: Sessions) -> io::Result<Client> {
        let mut roots = RootCertStore::empty();
        for name in ["ecdsa.pem", "rsa.pem"] {
            let certificate =
                CertificateDer::from_pem_file(certificates.join(name)).map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(provider(key)))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        if sessions == Sessions::New {
            config.resumption = Resumption::disabled();
        }
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok(Client { config: Arc::new(config), name })
    }

    /// Begins TLS on a connection.
    pub(crate) fn begin<S: io::Read + io::Write>(
        &self,
        stream: S,
    ) -> io::Result<StreamOwned<ClientConnection, S>> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        Ok(StreamOwned::new(connection.map_err(io::Error::other)?, stream))
    }

    /// One connection from its begin to its end; how its handshake went, and how many bytes were answered.
    fn visit(&self, task: &Task, request: &[u8]) -> Result<(HandshakeKind, usize), AnswerProblem> {
        let tcp = TcpStream::connect_timeout(&task.to, TIMEOUT)?;
        tcp.set_read_timeout(Some(TIMEOUT))?;
        tcp.set_nodelay(true)?;
        let mut stream = self.begin(tcp)?;
        let received = exchange(&mut stream, request)?;
        stream.conn.send_close_notify();
        stream.conn.write_tls(&mut stream.sock)?;
        Ok((stream.conn.handshake_kind().unwrap_or(HandshakeKind::Full), received))
    }
}

/// One group, and the signatures of one kind of key: so the server has to use that one.
fn provider(key: Key) -> CryptoProvider {
    let ours = |scheme: SignatureScheme| match key {
        Key::Ecdsa => scheme == SignatureScheme::ECDSA_NISTP256_SHA256,
        Key::Rsa => scheme == SignatureScheme::RSA_PSS_SHA256,
    };
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let algorithms = provider.signature_verification_algorithms;
    let mapping: Vec<_> = algorithms.mapping.iter().copied().filter(|(scheme, _)| ours(*scheme)).collect();
    // Once for each run of the client; rustls wants it for ever.
    provider.signature_verification_algorithms =
        WebPkiSupportedAlgorithms { all: algorithms.all, mapping: mapping.leak() };
    provider
}
