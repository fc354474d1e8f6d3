//! What the server proves itself by to those who command from elsewhere.

use crate::certificates::{Flaw, Needed, WallClock};
use config::Config;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tls::{
    Chain, ClientAuth, Credential, Host, Hosts, Otherwise, PrivateKey, Problem, Settings, Versions, Zeroizing,
};

/// Its files, in the order in which [`host`] reads them.
pub(crate) fn files(config: &Config) -> Vec<Needed<'_>> {
    let Some(remote) = &config.server.control.remote else { return Vec::new() };
    let section = remote.pointer.as_str();
    vec![
        Needed { path: &remote.chain, place: (section, "chain"), secret: false },
        Needed { path: &remote.key, place: (section, "key"), secret: true },
    ]
}

/// Which of the files is wrong, and the sentence of it.
pub(crate) enum Wrong {
    Chain(tls::Error),
    Key(tls::Error),
}

impl Wrong {
    pub(crate) fn error(&self) -> &tls::Error {
        match self {
            Self::Chain(error) | Self::Key(error) => error,
        }
    }

    pub(crate) fn flaw(&self, config: &Config) -> Flaw {
        let files = files(config);
        let file = files.get(usize::from(matches!(self, Self::Key(_))));
        Flaw { pointer: file.map(Needed::pointer).unwrap_or_default(), sentence: self.error().to_string() }
    }
}

/// The one host that is served, with what the files hold.
///
/// # Errors
/// What is wrong with one of them.
pub(crate) fn host(contents: Vec<Vec<u8>>) -> Result<Host, Wrong> {
    let mut contents = contents.into_iter().map(Zeroizing::new);
    let mut next = || contents.next().unwrap_or_default();
    let (chain, key) = (next(), next());
    let chain = Chain::from_pem(&chain).map_err(Wrong::Chain)?;
    let key = PrivateKey::from_pem(key).map_err(Wrong::Key)?;
    let credential = Credential::new(chain, &key).map_err(Wrong::Key)?;
    Ok(Host {
        id: "commands".to_owned(),
        // Whoever commands may know the server by any name or address; what counts is that the certificate has it.
        names: Vec::new(),
        credentials: vec![credential],
        // Who commands is proved by each request, whatever TLS says.
        client_auth: ClientAuth::Off,
        versions: Versions::From12,
    })
}

/// All that is served: the host, whatever name is asked for.
///
/// # Errors
/// What the cryptography does not take.
pub(crate) fn hosts(host: Host) -> Result<Arc<Hosts>, tls::Error> {
    let settings = Settings {
        hosts: vec![host],
        otherwise: Otherwise::Host(0),
        tickets: None,
        clock: Arc::new(WallClock),
    };
    Hosts::new(settings).map(Arc::new)
}

/// What clients will not like about it.
pub(crate) fn problems(host: &Host) -> Vec<Problem> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    tls::problems(host, now)
}
