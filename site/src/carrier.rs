//! What has to carry the requests for a host: TLS, and certificates of its clients.

use config::{ClientCertificates, Listen, Transport};
use sys::net::Address;

use crate::Identity;
use crate::phase::{ClientCertificate, Need, Phase, ToTls};

/// What a host wants its requests to be carried by.
#[derive(Default)]
pub(crate) struct Carrier {
    to_tls: Option<Option<u16>>,
    /// The host that judges certificates, and of whom.
    pub(crate) clients: Option<(Identity, ClientCertificates)>,
    /// Lines for responses over TLS.
    pub(crate) fields: Vec<u8>,
}

impl Carrier {
    pub(crate) fn new(host: &config::Host, listens: &[Listen]) -> Carrier {
        const HTTPS: u16 = 443;
        /// Which port it is shows only when it is listened on, which is another one after each start: nobody is sent there.
        const ANY: u16 = 0;
        let Some(tls) = &host.tls else { return Carrier::default() };
        let secure = listens.iter().find(|listen| listen.transport == Transport::Tls);
        let port = secure.and_then(|listen| match &listen.address {
            Address::V4(address) => Some(address.port()),
            Address::V6(address) => Some(address.port()),
            Address::Unix(_) => None,
        });
        let hsts = tls.hsts.map(|time| format!("Strict-Transport-Security: max-age={}\r\n", time.as_secs()));
        Carrier {
            to_tls: tls.redirect.then_some(port.filter(|port| ![HTTPS, ANY].contains(port))),
            clients: (tls.clients != ClientCertificates::Off)
                .then(|| (Identity::of(&host.name), tls.clients)),
            fields: hsts.unwrap_or_default().into_bytes(),
        }
    }

    /// First in the chain of every location, which may have a say of its own about certificates.
    pub(crate) fn phases(&self, own: Option<config::ClientCertificate>) -> Vec<Phase> {
        use config::ClientCertificate as Own;
        let to_tls = self.to_tls.map(|port| Phase::ToTls(ToTls { port }));
        let clients = self.clients.and_then(|(host, clients)| {
            let need = match (own, clients) {
                (Some(Own::Off), _) => return None,
                (Some(Own::Optional), _) | (None, ClientCertificates::Optional) => Need::Optional,
                (Some(Own::Required), _) | (None, _) => Need::Required,
            };
            Some(Phase::ClientCertificate(ClientCertificate { host, need }))
        });
        to_tls.into_iter().chain(clients).collect()
    }

    /// Why a location cannot have its say: cause and cure.
    pub(crate) fn contradiction(&self, own: config::ClientCertificate) -> Option<[&'static str; 2]> {
        use config::ClientCertificate as Own;
        match (own, self.clients) {
            (Own::Optional | Own::Required, None) => Some([
                "the host asks for no client certificates",
                r#"write "clients": "asked" and "authorities" into its "tls""#,
            ]),
            // Nobody comes that far.
            (Own::Off | Own::Optional, Some((_, ClientCertificates::Required))) => Some([
                "the host ends handshakes without a client certificate, whatever is asked for",
                r#"write "clients": "asked" into its "tls""#,
            ]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_location_can_say() {
        use config::ClientCertificate as Own;
        use {ClientCertificates as Host, Need::Optional, Need::Required};
        // By what the host says: what is needed where a location says nothing, off, optional, required; or no sense.
        type Needs = [Option<Option<Need>>; 4];
        let wanted: [(Host, Needs); 4] = [
            (Host::Off, [Some(None), Some(None), None, None]),
            (Host::Optional, [Some(Some(Optional)), Some(None), Some(Some(Optional)), Some(Some(Required))]),
            (Host::Asked, [Some(Some(Required)), Some(None), Some(Some(Optional)), Some(Some(Required))]),
            (Host::Required, [Some(Some(Required)), None, None, Some(Some(Required))]),
        ];
        for (host, needs) in wanted {
            let judge = Identity::of(&config::HostName::Exact("a.example".to_owned()));
            let clients = (host != Host::Off).then_some((judge, host));
            let carrier = Carrier { clients, ..Carrier::default() };
            let says = [None, Some(Own::Off), Some(Own::Optional), Some(Own::Required)];
            let got = says.map(|own| {
                let contradiction = own.and_then(|own| carrier.contradiction(own));
                contradiction.is_none().then(|| match carrier.phases(own).as_slice() {
                    [Phase::ClientCertificate(phase)] => Some(phase.need),
                    _ => None,
                })
            });
            assert_eq!(got, needs, "{host:?}");
        }
    }
}
