//! Properties of frames that hold for every input, checked by fuzzers and tests. Not part of the interface.

use crate::message::{
    Answer, BansReport, FromAgent, FromAuth, FromCheck, FromLogger, FromPam, FromRehearsal, FromWorker,
    LimitsReport, Message, Needs, PlanReport, Realms, Request, Secrets, State, StatusReport, ToAgent, ToAuth,
    ToCheck, ToLogger, ToPam, ToRehearsal, ToWorker, UpstreamOrder, UpstreamsReport,
};
use crate::wire::{Wire, decode, encode};

/// Descriptors that the longest message comes with; a link takes no more.
const DESCRIPTORS_MAX: usize = 3;

/// Everything that travels, by its place: the first byte of an input says which one the rest is read as.
const KINDS: &[fn(&[u8])] = &[
    message::<ToCheck>,
    message::<FromCheck>,
    message::<ToAuth>,
    message::<FromAuth>,
    message::<ToLogger>,
    message::<FromLogger>,
    message::<ToWorker>,
    message::<FromWorker>,
    message::<ToRehearsal>,
    message::<FromRehearsal>,
    message::<Request>,
    message::<Answer>,
    sealed::<Needs>,
    sealed::<Secrets>,
    sealed::<StatusReport>,
    sealed::<PlanReport>,
    sealed::<State>,
    // The verdict on a program that did not come to serve.
    sealed::<String>,
    sealed::<Realms>,
    sealed::<BansReport>,
    message::<ToAgent>,
    message::<FromAgent>,
    message::<ToPam>,
    message::<FromPam>,
    sealed::<UpstreamsReport>,
    sealed::<Vec<UpstreamOrder>>,
    sealed::<LimitsReport>,
];

/// Reads the bytes behind the first one as what that one says: they are the one encoding of a value, or refused.
pub fn frame(input: &[u8]) {
    if let Some((kind, bytes)) = input.split_first()
        && let Some(check) = KINDS.get(usize::from(*kind))
    {
        check(bytes);
    }
}

fn message<M: Message>(bytes: &[u8]) {
    if let Some(message) = value::<M>(bytes) {
        assert!(message.descriptors() <= DESCRIPTORS_MAX, "a link takes that many");
    }
}

fn sealed<T: Wire>(bytes: &[u8]) {
    value::<T>(bytes);
}

fn value<T: Wire>(bytes: &[u8]) -> Option<T> {
    match decode::<T>(bytes) {
        Ok(value) => {
            assert!(encode(&value) == bytes, "a value has one encoding");
            Some(value)
        }
        Err(bad) => {
            assert!(!bad.to_string().is_empty(), "people are told what is wrong");
            None
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::*;
    use crate::message::LimitUse;
    use crate::message::{
        Audience, BanNeeds, BanReport, CertificateEntry, Clocks, Command, ControlNeeds, Depth, Every,
        FileNeeds, GearmanServer, Hello, HostNeeds, IdentityEntry, Kept, KeptAsker, KeptDoor, KeptFile,
        KeptListener, KeptPassed, KeptPhase, KeptProcess, KeptSilent, KeptSink, KeptSocket, KeptWorker,
        Labels, LedTo, LedgerEntry, ListenNeeds, LogNeeds, LogReport, LoginOutcome, Method, Naming, Network,
        Output, PamLogin, PamNeeds, PamVerdict, PeerEntry, Proof, Rank, RankEntry, ReadNeeds, RealmEntry,
        Receiver, RotationNeeds, Setting, SpillNeeds, Subject, SyslogFraming, SyslogShape, SyslogWay,
        TokenEntry, Trouble, UpstreamChange, UpstreamNeeds, UpstreamReport, UpstreamState, UserEntry,
        WorkerReport,
    };
    use crate::wire::{Bytes, Secret};

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn realms() -> Realms {
        let users = vec![UserEntry { name: text("anna"), hash: text("$6$") }];
        let realm = RealmEntry {
            id: 8,
            all: true,
            htpasswd: Some(0),
            users: Some(users),
            pam: true,
            groups: Some(1),
            required_users: vec![text("anna")],
            required_groups: vec![text("staff")],
        };
        Realms { realms: vec![realm] }
    }

    fn secret() -> Secret {
        Secret(b"hidden".to_vec().into())
    }

    fn pam_login() -> PamLogin {
        let client = text("127.0.0.1");
        PamLogin { id: 7, service: text("kimura"), user: text("anna"), secret: secret(), client }
    }

    fn hello() -> Hello {
        let identity = IdentityEntry { uid: 33, gid: 33, groups: vec![4, 44] };
        Hello { version: 1, identity: Some(identity), level: 3, folder: "/srv".into(), sandbox: true }
    }

    fn subject() -> Subject {
        let settings = vec![
            Setting::Set { argument: text("/server/shards=2") },
            Setting::User { name: text("www") },
            Setting::Group { name: text("33") },
            Setting::Background,
            Setting::Foreground,
        ];
        Subject::File { name: text("kimura.conf"), settings }
    }

    fn network() -> Network {
        Network { first: Bytes(vec![10, 0, 0, 0]), len: 8 }
    }

    fn bans() -> BansReport {
        let ban = BanReport {
            network: network(),
            user: Some(text("anna")),
            count: 2,
            since: 1,
            until: Some(3),
            reason: text("failed logins"),
        };
        BansReport { now: 2, bans: vec![ban] }
    }

    fn order(change: UpstreamChange) -> UpstreamOrder {
        UpstreamOrder { group: text("app"), server: text("127.0.0.1:1"), change }
    }

    fn upstreams() -> UpstreamsReport {
        let server = UpstreamReport {
            group: text("app"),
            server: text("app.example:1"),
            address: text("127.0.0.1:1"),
            weight: 2,
            backup: true,
            state: UpstreamState::Drained,
            ejected: 1,
            open: 2,
            requests: 3,
            failures: 4,
        };
        UpstreamsReport { servers: vec![server] }
    }

    fn limit_use() -> LimitUse {
        LimitUse {
            scope: text("/server"),
            client: Some(text("192.0.2.7/32")),
            running: 1,
            connections: 2,
            down: 3,
            up: 4,
            requests: 5,
            delayed: 6,
            refused: 7,
        }
    }

    fn rotation() -> RotationNeeds {
        RotationNeeds {
            size: Some(1 << 20),
            every: Some(Every::Week),
            clocks: Clocks::Utc,
            keep: 14,
            keep_seconds: Some(86_400),
            budget: Some(1 << 30),
            method: Some(Method::Zstd),
            naming: Naming::Number,
        }
    }

    pub(crate) fn needs() -> Needs {
        let pointer = || text("/server");
        let rotation = Some(rotation());
        let log = |output| LogNeeds {
            output,
            cells: 1 << 12,
            cells_per_shard: 1 << 10,
            hold_at: Some(1 << 14),
            spill: Some(SpillNeeds { path: "/var/spill".into(), pointer: pointer() }),
            rotation,
            named: false,
            messages: false,
            pointer: pointer(),
        };
        let entry = |name, rank| RankEntry { name: text(name), rank };
        Needs {
            listeners: vec![ListenNeeds { address: text("[::1]:80"), secure: true, pointer: pointer() }],
            backlog: 4096,
            access_logs: vec![log(Output::Stdout), log(Output::File { path: "/var/log/a".into() })],
            error_log: log(Output::Stderr),
            error_level: 3,
            user: Some(text("www")),
            group: None,
            shards: Some(2),
            pid_file: Some("/run/pid".into()),
            daemon: true,
            privsep: true,
            sandbox: true,
            files: vec![FileNeeds {
                path: "/key.pem".into(),
                pointer: pointer(),
                secret: true,
                audience: Audience::Agent,
            }],
            readable: vec![ReadNeeds { path: "/srv/www".into(), pointer: pointer() }],
            drain_millis: 30_000,
            connections_per_shard: 4096,
            connections_by_default: false,
            hosts: vec![HostNeeds { name: text("localhost"), digest: 7 << 60, locations: 1 }],
            realms: Bytes(vec![1]),
            pam: vec![PamNeeds { realm: 8, service: text("kimura"), pointer: pointer() }],
            upstreams: vec![UpstreamNeeds { name: text("app"), servers: vec![text("127.0.0.1:1")] }],
            control: ControlNeeds {
                socket: Some("/run/control".into()),
                mode: 0o600,
                audit_log: None,
                peers: vec![PeerEntry {
                    name: text("1"),
                    group: true,
                    rank: Rank::Viewer,
                    pointer: pointer(),
                }],
                users: vec![entry("anna", Rank::Admin)],
                tokens: vec![entry("nightly", Rank::Operator)],
                secrets: Bytes(vec![1, 0, 255]),
                certificates: vec![entry("laptop", Rank::Viewer)],
                remote: vec![ListenNeeds { address: text("[::1]:8440"), secure: true, pointer: pointer() }],
            },
            bans: Some(BanNeeds {
                failures: 20,
                user_failures: 5,
                bad_requests: Some(50),
                window_seconds: 600,
                duration_seconds: 600,
                duration_max_seconds: 86_400,
                v4_len: 32,
                v6_len: 64,
                exempt: vec![network()],
                file: Some("/var/lib/kimura/bans".into()),
            }),
            limits: vec![text("/server/shaping")],
            metrics: true,
        }
    }

    pub(crate) fn state() -> State {
        let kept: Kept = 9;
        State {
            version: 1,
            links: 1,
            from: text("0.1.0"),
            old_program: "/old".into(),
            new_program: "/new".into(),
            arguments: vec![Bytes(b"-c".to_vec())],
            folder: "/".into(),
            level: 3,
            uptime_millis: 1,
            reloads: 2,
            upgrades: 3,
            crashes: 4,
            wrong_proofs: 5,
            generations: 6,
            subject: Subject::Folder { path: "/srv".into(), settings: Vec::new() },
            text: kept,
            needs: kept,
            files: kept,
            auth_files: kept,
            agent_files: kept,
            listeners: vec![KeptListener {
                written: text("127.0.0.1:80"),
                sockets: vec![KeptSocket { id: 1, fd: kept }],
            }],
            passed: vec![KeptPassed { address: text("127.0.0.1:80"), sockets: vec![kept] }],
            sockets: 1,
            tickets: vec![Bytes(vec![7; 48])],
            bans: kept,
            failures: kept,
            upstreams: kept,
            limits: vec![text("/server/shaping/client/down=1MB/s")],
            sinks: vec![KeptSink {
                output: Output::Stdout,
                fd: None,
                queue: Some(41),
                cells: 1 << 12,
                hold_at: Some(1 << 14),
                spill: Some("/var/spill".into()),
            }],
            pressure: Some(43),
            epoch: 9,
            control: Some(KeptFile { path: "/c".into(), fd: kept }),
            pid_file: None,
            counters: vec![text("requests_begun")],
            grave: kept,
            ended: vec![LedgerEntry { name: text("requests_begun"), count: 7 }],
            workers: vec![KeptWorker {
                generation: 1,
                pid: 2,
                process: kept,
                link: kept,
                lines: kept,
                phase: KeptPhase::Leaving { millis: 1 },
                blocks: vec![kept, kept],
            }],
            silent: vec![KeptSilent { fd: kept, from: Some(text("[::1]:9")) }],
            doors: vec![KeptDoor { written: text("[::1]:8440"), sockets: vec![kept] }],
            leaving: vec![KeptProcess { pid: 3, process: kept }],
            tail: Some(kept),
            asker: Some(KeptAsker { fd: kept, who: text("peer"), from: None }),
        }
    }

    fn status() -> StatusReport {
        StatusReport {
            version: text("0.1.0"),
            pid: 1,
            uptime_seconds: 2,
            origin: text("kimura.conf"),
            addresses: vec![text("127.0.0.1:80")],
            reloads: 3,
            upgrades: 4,
            workers: vec![WorkerReport { generation: 1, pid: 2, state: text("serving"), shards: 2 }],
            crashes: 5,
            ledger: vec![LedgerEntry { name: text("requests_begun"), count: 6 }],
            even: true,
            wrong_proofs: 7,
            logins: vec![LedgerEntry { name: text("granted"), count: 1 }],
            lines: vec![LedgerEntry { name: text("lines_written"), count: 3 }],
            logs: vec![LogReport {
                name: text("a.log"),
                taken: 3,
                delivered: 1,
                dropped: 1,
                queued: 1,
                failing: true,
                put_aside: 1,
                troubles: 1,
            }],
        }
    }

    /// Values of every kind: name, place in [`KINDS`], encoding.
    fn samples() -> Vec<(&'static str, u8, Vec<u8>)> {
        let trouble = Trouble { pointer: text("/a"), cause: text("b"), cure: text("c") };
        let password = || Proof::Password { user: text("anna"), secret: Secret::new(b"pw".to_vec()) };
        let certificate = || Proof::Certificate {
            certificate: Bytes(vec![0x30, 0]),
            scheme: 0x0403,
            signature: Bytes(vec![9; 70]),
        };
        let verify = ToAuth::Verify {
            id: 7,
            message: Bytes(vec![1; 60]),
            certificate: Bytes(vec![0x30, 0]),
            scheme: 0x0403,
            signature: Bytes(vec![9; 70]),
        };
        let names = || vec![text("a.test")];
        let plan = PlanReport {
            done: true,
            kept: names(),
            replaced: Vec::new(),
            added: names(),
            removed: Vec::new(),
            opened: names(),
            closed: Vec::new(),
            new_worker: vec![text("/server/shards")],
            restart: Vec::new(),
        };
        let secrets = Secrets {
            users: vec![UserEntry { name: text("anna"), hash: text("$6$") }],
            tokens: vec![TokenEntry { name: text("nightly"), sha256: Bytes(vec![7; 32]) }],
            certificates: vec![CertificateEntry { name: text("laptop"), sha256: Bytes(vec![8; 32]) }],
        };
        let ban = Command::Ban { network: network(), seconds: Some(60), reason: text("spam") };
        let add = UpstreamChange::Add { weight: 2, backup: true };
        let drain = Command::Upstream {
            group: text("app"),
            server: text("127.0.0.1:1"),
            change: UpstreamChange::Drain,
        };
        let request = |command, proof| encode(&Request { version: 1, command, proof });
        vec![
            (
                "examine",
                0,
                encode(&ToCheck::Examine { hello: hello(), subject: subject(), depth: Depth::Whole }),
            ),
            ("explain", 0, encode(&ToCheck::Explain { troubles: vec![trouble] })),
            ("needs-told", 1, encode(&FromCheck::Needs { subject: subject() })),
            ("problems", 1, encode(&FromCheck::Problems { count: 3 })),
            ("ask", 2, encode(&ToAuth::Ask { id: 7, proof: password() })),
            ("verify", 2, encode(&verify)),
            ("verdict", 3, encode(&FromAuth::Verdict { id: 7, name: Some(text("anna")) })),
            (
                "sink",
                4,
                encode(&ToLogger::Sink {
                    number: 1,
                    name: text("a"),
                    output: Output::Stderr,
                    cells: 1 << 12,
                    hold_at: Some(1 << 14),
                    epoch: 9,
                    spilled: true,
                    turn: 4,
                    rotation: Some(rotation()),
                    messages: true,
                }),
            ),
            ("sink-syslog", 4, encode(&to_receiver(syslog()))),
            ("sink-journald", 4, encode(&to_receiver(journald()))),
            ("sink-gearman", 4, encode(&to_receiver(gearman()))),
            ("finished", 5, encode(&FromLogger::Finished)),
            ("read", 5, encode(&FromLogger::Read { generation: 1, lines: 2 })),
            ("before", 4, encode(&ToLogger::Before { number: 2 })),
            ("compress", 4, encode(&ToLogger::Compress { job: 3, method: Method::Gzip })),
            ("sync", 4, encode(&ToLogger::Sync { job: 3 })),
            ("rotate", 5, encode(&FromLogger::Rotate { number: 2 })),
            ("switched", 5, encode(&FromLogger::Switched { number: 2, turn: 4 })),
            ("compressed", 5, encode(&FromLogger::Compressed { job: 3 })),
            ("synced", 5, encode(&FromLogger::Synced { job: 3 })),
            ("failed", 5, encode(&FromLogger::Failed { job: 3, error: 28 })),
            ("hello", 6, encode(&ToWorker::Hello { hello: hello(), generation: 1, cores: vec![0, 1] })),
            (
                "login",
                2,
                encode(&ToAuth::Login {
                    id: 7,
                    realm: 8,
                    user: text("anna"),
                    secret: secret(),
                    pam: Some(PamVerdict::Denied),
                }),
            ),
            ("judged", 3, encode(&FromAuth::Judged { id: 7, outcome: LoginOutcome::Forbidden })),
            ("socket", 6, encode(&ToWorker::Socket { shard: 0, id: 1, address: 2 })),
            (
                "worker-judged",
                6,
                encode(&ToWorker::Judged {
                    ticket: 7,
                    outcome: LoginOutcome::Admitted,
                    lasting: true,
                    led_to: LedTo::Nothing,
                }),
            ),
            (
                "worker-login",
                7,
                encode(&FromWorker::Login {
                    ticket: 7,
                    realm: 8,
                    user: text("anna"),
                    secret: secret(),
                    client: Bytes(vec![127, 0, 0, 1]),
                }),
            ),
            ("refused", 7, encode(&FromWorker::Refused { why: text("no") })),
            ("rehearse", 8, encode(&ToRehearsal::Rehearse)),
            ("fit", 9, encode(&FromRehearsal::Fit { version: text("0.1.0") })),
            ("upgrade", 10, request(Command::Upgrade { path: Some("/new".into()) }, password())),
            ("reload", 10, request(Command::Reload { plan: true }, Proof::Peer)),
            ("ban", 10, request(ban, Proof::Peer)),
            ("upstream", 10, request(drain, Proof::Peer)),
            ("challenge", 10, request(Command::Status, Proof::Challenge)),
            ("signed", 10, request(Command::Stop, certificate())),
            ("nonce", 11, encode(&Answer::Challenge { nonce: Bytes(vec![5; 32]) })),
            ("denied", 11, encode(&Answer::Denied { why: text("no") })),
            ("needs", 12, encode(&needs())),
            ("secrets", 13, encode(&secrets)),
            ("realms", 18, encode(&realms())),
            ("pam-login", 22, encode(&ToPam::Login { login: pam_login() })),
            ("pam-probe", 22, encode(&ToPam::Probe { services: vec![text("kimura")] })),
            ("pam-judged", 23, encode(&FromPam::Judged { id: 7, verdict: PamVerdict::Granted })),
            (
                "pam-probed",
                23,
                encode(&FromPam::Probed { library: Some(text("no")), missing: vec![text("kimura")] }),
            ),
            ("status", 14, encode(&status())),
            ("plan", 15, encode(&plan)),
            ("state", 16, encode(&state())),
            ("reason", 17, encode(&text("no"))),
            ("bans", 19, encode(&bans())),
            ("upstreams", 24, encode(&upstreams())),
            ("upstream-orders", 25, encode(&vec![order(add)])),
            (
                "limits",
                26,
                encode(&LimitsReport {
                    uses: vec![limit_use()],
                    settings: vec![text("/server/shaping/a=1")],
                }),
            ),
            ("limits-told", 7, encode(&FromWorker::LimitsTold { uses: vec![limit_use()] })),
            ("worker-limits", 6, encode(&ToWorker::Limits { settings: vec![text("/server/shaping/a=1")] })),
            (
                "limit",
                10,
                request(Command::Limit { pointer: text("/server/shaping/a"), value: None }, Proof::Peer),
            ),
            ("agent-hello", 20, encode(&ToAgent::Hello { hello: hello() })),
            ("leave", 20, encode(&ToAgent::Leave)),
            ("connection", 21, encode(&FromAgent::Connection { from: text("[::1]:9") })),
        ]
    }

    fn to_receiver(receiver: Receiver) -> ToLogger {
        let [log, identity, title] = ["main", "main:0", "a receiver"].map(str::to_owned);
        let output = Output::Receiver { log, identity, title, receiver };
        ToLogger::Sink {
            number: 2,
            name: "the log main".to_owned(),
            output,
            cells: 1 << 12,
            hold_at: None,
            epoch: 9,
            spilled: false,
            turn: 0,
            rotation: None,
            messages: false,
        }
    }

    fn labels() -> Labels {
        let [facility, severity, app_name] = ["local0", "info", "kimura"].map(str::to_owned);
        Labels { facility, severity, app_name }
    }

    pub(crate) fn syslog() -> Receiver {
        Receiver::Syslog {
            way: SyslogWay::Tls {
                addresses: vec!["127.0.0.1:6514".to_owned(), "[::1]:6514".to_owned()],
                name: "logs.example".to_owned(),
                authority: "/etc/ssl/certs/ca-certificates.crt".into(),
            },
            shape: SyslogShape::Rfc5424,
            framing: SyslogFraming::Octets,
            labels: labels(),
            host_name: "www1".to_owned(),
            message_max: 8192,
        }
    }

    fn journald() -> Receiver {
        Receiver::Journald { path: "/run/systemd/journal/socket".into(), labels: labels() }
    }

    pub(crate) fn gearman() -> Receiver {
        let server =
            GearmanServer { name: "jobs:4730".to_owned(), addresses: vec!["127.0.0.1:4730".to_owned()] };
        Receiver::Gearman { servers: vec![server], function: "kimura_log".to_owned(), batch: 16_384 }
    }

    fn with_kind(kind: u8, bytes: &[u8]) -> Vec<u8> {
        [&[kind], bytes].concat()
    }

    /// What another version would read: a number that is in use never gets another meaning. The files are also what
    /// fuzzing begins with.
    #[test]
    fn encodings_stay_as_they_are() {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/frame");
        for (name, kind, bytes) in samples() {
            let (path, input) = (folder.join(name), with_kind(kind, &bytes));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &input).unwrap();
            }
            let golden = std::fs::read(&path).unwrap();
            assert!(golden == input, "{name} is encoded otherwise; UPDATE_GOLDEN=1 accepts it");
        }
    }

    #[test]
    fn every_kind_has_a_sample_that_is_read() {
        let samples = samples();
        for (kind, check) in KINDS.iter().enumerate() {
            let own: Vec<_> = samples.iter().filter(|(_, of, _)| usize::from(*of) == kind).collect();
            assert!(!own.is_empty(), "{kind}");
            own.iter().for_each(|(_, _, bytes)| check(bytes));
        }
        assert!(decode::<State>(&samples.iter().find(|sample| sample.0 == "state").unwrap().2).is_ok());
    }

    /// Each sample as every kind, cut at each place, and with each byte as another.
    #[test]
    fn samples_with_one_fault() {
        for (_, own, bytes) in samples() {
            for kind in 0..=KINDS.len() as u8 {
                frame(&with_kind(kind, &bytes));
            }
            for at in 0..bytes.len() {
                frame(&with_kind(own, &bytes[..at]));
                for byte in [0, 1, 2, 0x7f, 0xff, bytes[at].wrapping_add(1)] {
                    let mut other = with_kind(own, &bytes);
                    other[at + 1] = byte;
                    frame(&other);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes(kind in 0..KINDS.len() as u8, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            frame(&with_kind(kind, &bytes));
        }
    }
}
