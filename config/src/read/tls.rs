//! `/hosts/NAME/tls`, and whether it fits the addresses.

use crate::cause::{Cause, Flaw};
use crate::model::{Arrival, ClientCertificates, Host, Listen, Server, Tls, TlsCertificate, Transport};
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::Source;
use crate::table::{certificate, host, tls};
use crate::tree::Node;

/// The section, if it is there and right.
pub(super) fn read(host: &Reader<'_>, problems: &mut Problems) -> Option<Tls> {
    if !host.has(&host::TLS) {
        return None;
    }
    let before = problems.len();
    let reader = host.section(&host::TLS, problems);
    let certificates: Vec<TlsCertificate> = reader
        .named(&tls::CERTIFICATES, problems)
        .into_iter()
        .filter_map(|(_, reader)| certificate(&reader, problems))
        .collect();
    if certificates.is_empty() && problems.len() == before {
        let flaw = Flaw::new(
            "there is no certificate",
            r#"write "certificates": {"own": {"chain": "tls/chain.pem", "key": "tls/key.pem"}}"#,
        );
        problems.extend(host.at_value(&host::TLS, Cause::Conflict(flaw)));
    }
    let clients = reader.or_default(&tls::CLIENTS, problems);
    let authorities = reader.get(&tls::AUTHORITIES, problems);
    if clients != ClientCertificates::Off && !reader.has(&tls::AUTHORITIES) {
        let flaw = Flaw::new(
            "nobody vouches for the certificates of clients",
            r#"write "authorities": "tls/clients-ca.pem" beside it"#,
        );
        problems.extend(reader.at_value(&tls::CLIENTS, Cause::Conflict(flaw)));
    }
    let revoked = reader.or_default(&tls::REVOKED, problems).into_iter().map(|(_, path)| path).collect();
    Some(Tls {
        certificates,
        minimum: reader.or_default(&tls::MINIMUM, problems),
        clients,
        authorities,
        revoked,
        redirect: reader.or_default(&tls::REDIRECT, problems),
        hsts: reader.or_default(&tls::HSTS, problems),
        pointer: reader.pointer().to_owned(),
    })
}

fn certificate(reader: &Reader<'_>, problems: &mut Problems) -> Option<TlsCertificate> {
    let (chain, key) = (reader.get(&certificate::CHAIN, problems), reader.get(&certificate::KEY, problems));
    let staple = reader.get(&certificate::STAPLE, problems);
    for (there, name) in [(reader.has(&certificate::CHAIN), "chain"), (reader.has(&certificate::KEY), "key")]
    {
        if !there && reader.exists() {
            let what = format!("the certificate has no \"{name}\"");
            let cure = format!(r#"write "{name}": "tls/{name}.pem" here"#);
            problems.extend(reader.at_itself(Cause::Conflict(Flaw::new(what, cure))));
        }
    }
    Some(TlsCertificate { chain: chain?, key: key?, staple, pointer: reader.pointer().to_owned() })
}

/// Whether hosts and addresses fit: one transport for each address, certificates where there is TLS, and TLS where there
/// are certificates.
pub(super) fn check(
    root: &Node,
    source: Option<&Source>,
    server: &Server,
    hosts: &[Host],
    problems: &mut Problems,
) {
    let mut report = |pointer: &str, what: String, cure: &str| {
        let node = crate::pointer::tokens(pointer).and_then(|tokens| root.find(&tokens));
        let origin = &node.unwrap_or(root).origin;
        problems.push(Problem::new(source, origin, pointer, Cause::Conflict(Flaw::new(what, cure))));
    };
    let all: Vec<&Listen> =
        server.listen.iter().chain(hosts.iter().filter_map(|host| host.listen.as_ref()).flatten()).collect();
    for (index, listen) in all.iter().enumerate() {
        let mut same = all[..index].iter().filter(|known| known.address == listen.address);
        if same.clone().any(|known| known.transport != listen.transport) {
            let what = format!("{} is an address with TLS and without", listen.address);
            report(&listen.pointer, what, "write \"tls\" behind it everywhere, or nowhere");
        }
        if same.any(|known| known.arrival != listen.arrival) {
            let what = format!("{} is an address with proxies and without", listen.address);
            report(&listen.pointer, what, "write \"proxy\" behind it everywhere, or nowhere");
        }
        if listen.arrival == Arrival::Proxied && server.trusted.is_empty() {
            let what = format!("{} is for proxies, and none is trusted", listen.address);
            report(
                &listen.pointer,
                what,
                r#"write "trusted": ["10.0.0.0/8"] in /server, with their networks"#,
            );
        }
    }
    for host in hosts {
        let listens = host.listen.as_ref().unwrap_or(&server.listen);
        let has = |transport| listens.iter().any(|listen| listen.transport == transport);
        match &host.tls {
            None if has(Transport::Tls) => report(
                &host.pointer,
                format!("{} answers on an address with TLS and has no certificate", host.name),
                r#"write "tls": {"certificates": ...} there, or give it a "listen" without TLS"#,
            ),
            Some(tls) if !has(Transport::Tls) => report(
                &tls.pointer,
                format!("{} answers on no address with TLS", host.name),
                r#"add an address with "tls" behind it, such as ":443 tls""#,
            ),
            Some(tls) if tls.hsts.is_some() && !tls.redirect && has(Transport::Plain) => report(
                &tls.pointer,
                "browsers are told to come with TLS only, and others are served without".to_owned(),
                r#"add "redirect": true"#,
            ),
            _ => {}
        }
    }
}
