//! TLS towards servers that requests are passed on to.

use super::{File, Flaw, Needed, WallClock};
use crate::receivers::SYSTEM_AUTHORITIES;
use config::{UpstreamTls, UpstreamTrust};
use engine::Toward;
use site::upstream::GroupId;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tls::{Chain, Credential, Outward, PrivateKey, ServerTrust, Trust};

/// How the servers of each group are spoken to; those of others without TLS.
pub(crate) type Outwards = HashMap<GroupId, Toward>;

/// The files that a group takes, in the order in which [`read`] reads them.
pub(super) fn files_of(tls: &UpstreamTls) -> Vec<Needed<'_>> {
    let section = tls.pointer.as_str();
    let authorities = match &tls.trust {
        UpstreamTrust::In(path) => Some((path.as_path(), "authorities")),
        UpstreamTrust::System => Some((of_system(), "")),
        UpstreamTrust::Anybody => None,
    };
    let authorities = authorities.map(|(path, key)| Needed { path, place: (section, key), secret: false });
    let own = tls.certificate.iter().flat_map(|(chain, key)| {
        [
            Needed { path: chain, place: (section, "chain"), secret: false },
            Needed { path: key, place: (section, "key"), secret: true },
        ]
    });
    authorities.into_iter().chain(own).collect()
}

/// Where this system has those whom it trusts; where most have them, if it has none.
fn of_system() -> &'static Path {
    let mut paths = SYSTEM_AUTHORITIES.iter().map(Path::new);
    paths.clone().find(|path| path.is_file()).or_else(|| paths.next()).unwrap_or(Path::new("/"))
}

/// Reads the files of a group.
pub(super) fn read(tls: &UpstreamTls, mut files: impl Iterator<Item = File>) -> Result<Toward, Flaw> {
    let missing = || Flaw { pointer: tls.pointer.clone(), sentence: "a file was not handed over".to_owned() };
    let mut next = || files.next().ok_or_else(missing);
    let trust = match tls.trust {
        UpstreamTrust::Anybody => Trust::Anybody,
        UpstreamTrust::In(_) | UpstreamTrust::System => {
            let file = next()?;
            Trust::In(ServerTrust::from_pem(&file.bytes).map_err(|error| file.flaw(&error))?)
        }
    };
    let credential = match tls.certificate {
        None => None,
        Some(_) => {
            let (chain, mut key) = (next()?, next()?);
            let read = Chain::from_pem(&chain.bytes).map_err(|error| chain.flaw(&error))?;
            let text = std::mem::take(&mut key.bytes);
            let private = PrivateKey::from_pem(text).map_err(|error| key.flaw(&error))?;
            Some(Credential::new(read, &private).map_err(|error| key.flaw(&error))?)
        }
    };
    let outward = Outward::new(&trust, credential.as_ref(), Arc::new(WallClock));
    let outward =
        outward.map_err(|error| Flaw { pointer: tls.pointer.clone(), sentence: error.to_string() })?;
    Ok(Toward { outward, name: tls.name.clone() })
}
