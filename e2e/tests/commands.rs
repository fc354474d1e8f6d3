//! Every command with every proof, right and wrong, at every rank: one table.

#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use e2e::openssl::{Algorithm, Authority, Holder, Term};
use e2e::{Folder, Options, Server, binary};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "bans": {}, "control": {
    "remote": {
      "listen": ["127.0.0.1:${port}"], "chain": "${folder}/ca/server.pem", "key": "${folder}/ca/server.key",
      "certificates": {
        "vera": "viewer ${vera}", "olga": "operator ${olga}", "anna": "admin ${anna}", "past": "admin ${past}"
      }
    },
    "socket": "${folder}/control.sock", "mode": "0666", "audit_log": "${folder}/audit.log",
    "peers": { "user:1": "viewer", "user:2": "operator", "group:3": "admin" },
    "users": {
      "vera": "viewer $6$kimuraviewer$50yRqPfxD9HLnUI/.7Mhtztb0XIo15x/6Z9Ii5/vmnUozGJkLWaLV4XkU8FIZja5ClQLUcVYeS9jvS4ESrA.U0",
      "olga": "operator $6$kimuraoperator$PeHg/U4sbJeODiJ15aJe.llPJpw/TghX2CNBD7AzueuKxkFteGZf8FYFn0iOoWJ0wHOxLRJhV7eeFNZch/4f70",
      "anna": "admin $6$kimuraadmin$V7My9.nBW0T5gkPRPXMEeRT6W/ke6xZC9o8IjYf1ey5MJo3xe7P1u/RoR9E7WFZkGG3DVkcRUVkPHAQsw02G80"
    },
    "tokens": {
      "watch": "viewer 2a832b3b58fdb7bc82cdd10be20e6d966306a8e497729365f38c3ffd1765f1eb",
      "nightly": "operator 1cb65ae0aceda7fe152b8013815c57c31261c9c177fe647fe2c783408f55fe90",
      "deploy": "admin 0afad0c7cc14bd59c67be5657a32677356a5a464168ab523a9530d7a743d3c2b"
    }
  } },
  "hosts": { "localhost": { "root": "${folder}" } }
}"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Nobody,
    Viewer,
    Operator,
    Admin,
}

/// Each command, what it takes, and a part of what it prints.
const COMMANDS: &[(&str, Rank, &str)] = &[
    ("status", Rank::Viewer, "generation 1: serving"),
    ("reload --plan", Rank::Viewer, "would change"),
    ("reload", Rank::Operator, "kept           localhost"),
    ("bans", Rank::Viewer, "ban"),
    ("ban 192.0.2.7 --for 1h --reason test", Rank::Operator, "banned 192.0.2.7/32 for 3600 s"),
    ("ban 2001:db8::/32", Rank::Operator, "banned 2001:db8::/32 without an end"),
    ("unban 2001:db8::/32", Rank::Operator, "2001:db8::/32 is no longer banned"),
    ("rotate-logs", Rank::Operator, "log files opened again"),
    ("verbosity debug", Rank::Operator, "verbosity set"),
    ("upgrade", Rank::Admin, "upgraded from"),
    ("drain", Rank::Admin, "accepting no more"),
    ("stop", Rank::Admin, "stopping"),
];

/// What somebody shows.
#[derive(Debug, Clone, Copy)]
enum Proof {
    /// The user of the machine; none for the one who started the server.
    Peer(Option<(u32, u32)>),
    Password(&'static str, &'static str),
    Token(&'static str),
    /// The certificate of that name and its key.
    Certificate(&'static str),
}

/// How somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the socket of the machine.
    Near,
    /// Over TLS.
    Far,
}

/// Each proof, and the rank that it proves.
const PROOFS: &[(Proof, Rank)] = &[
    (Proof::Peer(None), Rank::Admin),
    (Proof::Peer(Some((1, 99))), Rank::Viewer),
    (Proof::Peer(Some((2, 99))), Rank::Operator),
    (Proof::Peer(Some((9, 3))), Rank::Admin),
    (Proof::Peer(Some((9, 99))), Rank::Nobody),
    (Proof::Password("vera", "pw-viewer"), Rank::Viewer),
    (Proof::Password("olga", "pw-operator"), Rank::Operator),
    (Proof::Password("anna", "pw-admin"), Rank::Admin),
    (Proof::Password("anna", "pw-viewer"), Rank::Nobody),
    (Proof::Password("anna", ""), Rank::Nobody),
    (Proof::Password("otto", "pw-admin"), Rank::Nobody),
    // The name of a token is not the name of a user.
    (Proof::Password("deploy", "tk-admin"), Rank::Nobody),
    (Proof::Token("tk-viewer"), Rank::Viewer),
    (Proof::Token("tk-operator"), Rank::Operator),
    (Proof::Token("tk-admin"), Rank::Admin),
    (Proof::Token("tk-admi"), Rank::Nobody),
    (Proof::Token("pw-admin"), Rank::Nobody),
    (Proof::Token(""), Rank::Nobody),
    (Proof::Certificate("vera"), Rank::Viewer),
    (Proof::Certificate("olga"), Rank::Operator),
    (Proof::Certificate("anna"), Rank::Admin),
    // In the configuration, but no longer in force.
    (Proof::Certificate("past"), Rank::Nobody),
    // In force and of the same authority, but not in the configuration.
    (Proof::Certificate("otto"), Rank::Nobody),
];

/// Proofs from elsewhere that are tried at the same time: more are not judged at the same time.
const AT_ONCE: usize = 8;

/// Gives a command; answers its exit status and what it printed.
fn give(folder: &Folder, command: &str, proof: Proof, way: Way) -> (Option<i32>, String) {
    // Others may not get to where the binary was built.
    let mut client = Command::new(folder.path().join("kimura"));
    client.args(command.split(' ')).env_clear();
    match way {
        Way::Near => client.args(["--socket", "control.sock"]),
        Way::Far => {
            let port = folder.path().join("port");
            let port = std::fs::read_to_string(port).expect("the port");
            client.args(["--control", &format!("localhost:{port}"), "--authority", "ca/ca.pem"])
        }
    };
    let secret = |label: &str, secret: &str| {
        let name = format!("{label}-{secret}");
        folder.write(&name, format!("{secret}\n").as_bytes()).expect("a secret");
        name
    };
    client.current_dir(folder.path());
    match proof {
        Proof::Peer(None) => {}
        Proof::Peer(Some((uid, gid))) => {
            client.uid(uid).gid(gid);
        }
        Proof::Password(user, password) => {
            client.args(["--login", user, "--password-file", &secret(user, password)]);
        }
        Proof::Token(token) => {
            client.args(["--token-file", &secret("token", token)]);
        }
        Proof::Certificate(name) => {
            client.args(["--certificate", &format!("ca/{name}.pem"), "--key", &format!("ca/{name}.key")]);
        }
    }
    let output = client.output().expect("the client runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

fn start(folder: &Folder) -> Server {
    std::fs::copy(binary::path(), folder.path().join("kimura")).expect("a copy");
    let authority = Authority::new(&folder.path().join("ca")).expect("an authority");
    authority.host("server", &["localhost"], Algorithm::Ecdsa, Term::Holds).expect("a certificate");
    authority.client("otto", Term::Holds).expect("a certificate");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port().to_string();
    drop(listener);
    folder.write("port", port.as_bytes()).expect("write");
    let mut text =
        CONFIGURATION.replace("${folder}", &folder.path().to_string_lossy()).replace("${port}", &port);
    for (name, term) in
        [("vera", Term::Holds), ("olga", Term::Holds), ("anna", Term::Holds), ("past", Term::Past)]
    {
        let holder = authority.client(name, term).expect("a certificate");
        text = text.replace(&format!("${{{name}}}"), &fingerprint(&authority, &holder));
    }
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    Server::start(&configuration, &Options::default()).expect("the server starts")
}

/// The SHA-256 of a certificate, as a configuration has it.
fn fingerprint(authority: &Authority, holder: &Holder) -> String {
    let line = format!("x509 -noout -fingerprint -sha256 -in {}", holder.chain.display());
    let output = authority.openssl(&line).expect("a fingerprint");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().rsplit('=').next().unwrap_or_default().replace(':', "")
}

/// Rows that this user can play: only root can play other users. From elsewhere nobody sees who commands.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, (Proof, Way), bool)> {
    let root = nix::unistd::Uid::effective().is_root();
    let proofs = PROOFS.iter().filter(move |(proof, _)| root || !matches!(proof, Proof::Peer(Some(_))));
    let ways = proofs.flat_map(|&(proof, rank)| {
        let far = !matches!(proof, Proof::Peer(_));
        std::iter::once(Way::Near).chain(far.then_some(Way::Far)).map(move |way| ((proof, way), rank))
    });
    ways.flat_map(|(proof, rank)| {
        COMMANDS.iter().map(move |&(command, needed, said)| (command, said, proof, rank >= needed))
    })
}

fn ends(command: &str) -> bool {
    matches!(command, "drain" | "stop")
}

fn audit(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).expect("the audit log").lines().map(str::to_owned).collect()
}

#[test]
fn what_is_not_allowed_is_denied_and_what_is_allowed_is_done() {
    let folder = Folder::new("commands").expect("a folder");
    let server = start(&folder);
    let (allowed, denied): (Vec<_>, Vec<_>) =
        rows().filter(|&(command, _, _, may)| !(may && ends(command))).partition(|&(.., may)| may);
    for &(command, said, proof, _) in &allowed {
        let (status, text) = give(&folder, command, proof.0, proof.1);
        // Every reload begins a generation.
        let right = text.contains(said) || command == "status" && text.contains(": serving");
        assert!(status == Some(0) && right, "{command} with {proof:?}: {status:?}, {text}");
    }
    // Answers to wrong proofs are held back: together that takes no longer than one.
    for some in denied.chunks(AT_ONCE) {
        thread::scope(|scope| {
            for &(command, _, proof, _) in some {
                let folder = &folder;
                scope.spawn(move || {
                    let (status, text) = give(folder, command, proof.0, proof.1);
                    let right = text.contains("denied: the proof is wrong, or may not do this");
                    assert!(status == Some(4) && right, "{command} with {proof:?}: {status:?}, {text}");
                });
            }
        });
    }
    let (_, status) = give(&folder, "status", Proof::Peer(None), Way::Near);
    assert!(status.contains(&format!("wrong proofs   {}\n", denied.len())), "{status}");
    let lines = audit(&folder.path().join("audit.log"));
    let with = |word: &str| lines.iter().filter(|line| line.ends_with(word)).count();
    assert_eq!((with(" denied"), with(" done")), (denied.len(), allowed.len() + 1), "{lines:#?}");
    let far = lines.iter().filter(|line| line.contains(" from=127.0.0.1:")).count();
    let wanted = allowed.iter().chain(&denied).filter(|(.., (_, way), _)| *way == Way::Far).count();
    assert_eq!(far, wanted, "{lines:#?}");
    server.stop().expect("the server ends in order");
}

#[test]
fn who_may_end_the_server_ends_it() {
    let endings: Vec<_> = rows().filter(|&(command, _, _, may)| may && ends(command)).collect();
    assert!(endings.len() >= 6, "{endings:?}");
    for (command, said, proof, _) in endings {
        let folder = Folder::new("commands").expect("a folder");
        let server = start(&folder);
        let (status, text) = give(&folder, command, proof.0, proof.1);
        assert!(status == Some(0) && text.contains(said), "{command} with {proof:?}: {status:?}, {text}");
        let ended = server.ended().expect("the server ends");
        assert!(ended.success(), "{command} with {proof:?}: {ended}");
        let (status, text) = give(&folder, "status", Proof::Token("tk-admin"), proof.1);
        assert!(status == Some(3) && text.contains("no server answers"), "{status:?}, {text}");
    }
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing() {
    let folder = Folder::new("commands").expect("a folder");
    let server = start(&folder);
    let path = folder.path().join("kimura.conf");
    let good = std::fs::read_to_string(&path).expect("the configuration");
    for (wrong, said) in [
        (good.replace("\"localhost\"", "\"local host\""), "local host"),
        (good.replace("\"hosts\"", "\"hots\""), "did you mean \"hosts\""),
        (good.replace("127.0.0.1:0", "192.0.2.1:1"), "192.0.2.1:1"),
        ("{".to_owned(), "kimura.conf:1:"),
    ] {
        std::fs::write(&path, &wrong).expect("write");
        for command in ["reload --plan", "reload"] {
            let (status, text) = give(&folder, command, Proof::Token("tk-admin"), Way::Far);
            // Whether an address can be opened is seen only when it is.
            let planned = command == "reload --plan" && wrong.contains("192.0.2.1");
            let right = planned && status == Some(0) || status == Some(1) && text.contains(said);
            assert!(right, "{command}: {status:?}, {text}\n{wrong}");
        }
    }
    let (_, text) = give(&folder, "status --json", Proof::Peer(None), Way::Near);
    assert!(text.contains(r#""reloads":0"#) && text.contains(r#""generation":1"#), "{text}");
    server.stop().expect("the server ends in order");
}
