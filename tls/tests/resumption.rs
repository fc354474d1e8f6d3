//! Sessions that are taken up again, and those that must not be.

use std::sync::Arc;

use rustls::ClientConfig;
use tls::{ClientAuth, ClientTrust, Credential, Host, Hosts, Kind, Otherwise, Settings, TicketKeys};

mod common;
use common::*;

fn made(hosts: Vec<Host>, tickets: Option<TicketKeys>, clock: &Arc<Hands>) -> Arc<Hosts> {
    let settings = Settings { hosts, otherwise: Otherwise::Host(0), tickets, clock: clock.clone() };
    Arc::new(Hosts::new(settings).expect("hosts"))
}

/// How a client comes in: it must come in.
fn kind(client: &Arc<ClientConfig>, name: &str, hosts: &Arc<Hosts>) -> Kind {
    connect(client, name, hosts).expect("a session").session.kind()
}

/// A client that has a ticket of `a.test`, given out under key 1.
fn with_ticket(
    authority: &Authority,
    versions: &[&'static rustls::SupportedProtocolVersion],
    hosts: &Arc<Hosts>,
) -> Arc<ClientConfig> {
    let client = Arc::new(client(authority, versions, None));
    assert_eq!(kind(&client, "a.test", hosts), Kind::Full);
    client
}

struct Setting {
    authority: Authority,
    credential: Credential,
    clock: Arc<Hands>,
}

impl Setting {
    fn new() -> Setting {
        let authority = Authority::new("root");
        let credential = authority.host(&["a.test", "b.test"], Algorithm::P256).credential();
        Setting { authority, credential, clock: Hands::at(NOW) }
    }

    fn host(&self, id: &str, names: &[&str], client_auth: ClientAuth) -> Host {
        Host { id: id.to_owned(), ..host(names, vec![self.credential.clone()], client_auth) }
    }

    fn plain(&self, keys: &[u8]) -> Arc<Hosts> {
        made(vec![self.host("a", &["a.test"], ClientAuth::Off)], Some(ticket_keys(keys)), &self.clock)
    }

    fn trust(&self, lists: &[&[u8]]) -> Arc<ClientTrust> {
        Arc::new(ClientTrust::from_pem(self.authority.pem.as_bytes(), lists).expect("trust"))
    }
}

#[test]
fn any_server_with_the_key_resumes() {
    let setting = Setting::new();
    let cases: &[(&[u8], u64, Kind)] = &[
        (&[1], 0, Kind::Resumed),
        (&[2, 1], 0, Kind::Resumed),
        (&[3, 2, 1], 10, Kind::Resumed),
        (&[2, 3], 0, Kind::Full),
        (&[1], u64::from(TICKET_LIFETIME), Kind::Resumed),
        (&[1], u64::from(TICKET_LIFETIME) + 1, Kind::Full),
    ];
    for versions in VERSIONS {
        for (keys, later, expected) in cases {
            setting.clock.set(NOW);
            let client = with_ticket(&setting.authority, versions, &setting.plain(&[1]));
            setting.clock.set(NOW + later);
            // Another process: nothing is shared but the keys.
            let other = setting.plain(keys);
            assert_eq!(kind(&client, "a.test", &other), *expected, "{keys:?} {later}");
        }
    }
}

#[test]
fn a_rotation_goes_unnoticed_when_the_next_key_is_known_everywhere_first() {
    let setting = Setting::new();
    for versions in VERSIONS {
        let (ahead, behind) = (setting.plain(&[2, 1]), setting.plain(&[1, 2]));
        let client = Arc::new(client(&setting.authority, versions, None));
        assert_eq!(kind(&client, "a.test", &ahead), Kind::Full);
        assert_eq!(kind(&client, "a.test", &behind), Kind::Resumed);
        assert_eq!(kind(&client, "a.test", &ahead), Kind::Resumed);
        let rotated = Arc::new(behind.with_tickets(&ticket_keys(&[2, 1])));
        assert_eq!(kind(&client, "a.test", &rotated), Kind::Resumed);
        let forgotten = Arc::new(rotated.with_tickets(&ticket_keys(&[3])));
        assert_eq!(kind(&client, "a.test", &forgotten), Kind::Full);
    }
}

#[test]
fn without_keys_nothing_is_resumed() {
    let setting = Setting::new();
    let hosts = made(vec![setting.host("a", &["a.test"], ClientAuth::Off)], None, &setting.clock);
    for versions in VERSIONS {
        let client = with_ticket(&setting.authority, versions, &hosts);
        assert_eq!(kind(&client, "a.test", &hosts), Kind::Full);
    }
}

#[test]
fn a_ticket_is_good_for_its_host_and_its_rules_only() {
    let setting = Setting::new();
    let nobody = Arc::new(ClientTrust::nobody());
    let others = [
        ("another host of the same name", setting.host("b", &["a.test"], ClientAuth::Off)),
        ("another rule", setting.host("a", &["a.test"], ClientAuth::Asked(setting.trust(&[])))),
        ("another rule", setting.host("a", &["a.test"], ClientAuth::Optional(setting.trust(&[])))),
        ("another trust", setting.host("a", &["a.test"], ClientAuth::Asked(nobody))),
        ("the host for all other names", setting.host("b", &["b.test"], ClientAuth::Off)),
    ];
    for versions in VERSIONS {
        for (why, other) in &others {
            let client = with_ticket(&setting.authority, versions, &setting.plain(&[1]));
            let hosts = made(vec![other.clone()], Some(ticket_keys(&[1])), &setting.clock);
            assert_eq!(kind(&client, "a.test", &hosts), Kind::Full, "{why}");
        }
        // The required certificate cannot be got around.
        let client = with_ticket(&setting.authority, versions, &setting.plain(&[1]));
        let strict = setting.host("a", &["a.test"], ClientAuth::Required(setting.trust(&[])));
        let hosts = made(vec![strict], Some(ticket_keys(&[1])), &setting.clock);
        let refused = connect(&client, "a.test", &hosts).expect_err("no certificate");
        assert!(matches!(refused.failure, tls::Failure::Certificate { .. }), "{refused:?}");
    }
}

#[test]
fn a_new_list_of_revoked_clients_ends_their_sessions() {
    let setting = Setting::new();
    let holder = setting.authority.client("jane", 7);
    let lists = [&[][..], &[9], &[7]].map(|serials| setting.authority.revoked(serials, (2027, 1)));
    let [nobody, another, this] = lists.map(|list| {
        let required = ClientAuth::Required(setting.trust(&[list.as_bytes()]));
        made(vec![setting.host("a", &["a.test"], required)], Some(ticket_keys(&[1])), &setting.clock)
    });
    for versions in VERSIONS {
        let client = Arc::new(client(&setting.authority, versions, Some(&holder)));
        assert_eq!(kind(&client, "a.test", &nobody), Kind::Full);
        assert_eq!(kind(&client, "a.test", &nobody), Kind::Resumed);
        assert_eq!(kind(&client, "a.test", &another), Kind::Full);
        let refused = connect(&client, "a.test", &this).expect_err("revoked");
        let fault = tls::CertificateFault::Revoked;
        assert_eq!(refused.failure, tls::Failure::Certificate { fault });
    }
}
