use super::*;

fn parsed(line: &str) -> Result<Command, Usage> {
    parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn accepts() {
    let quiet = |from, overrides| Command::Serve(Wishes { from, overrides }, Reports::Quiet);
    for (line, wanted) in [
        ("", quiet(From::Search, vec![])),
        ("-h", Command::Help),
        ("--help --test", Command::Help),
        ("-v", Command::Version),
        ("--generate=zsh", Command::Generate(Artefact::Zsh)),
        ("public", quiet(From::Folder("public".into()), vec![])),
        ("-- -c", quiet(From::Folder("-c".into()), vec![])),
        ("-c a.conf", quiet(From::File("a.conf".into()), vec![])),
        ("-ca.conf", quiet(From::File("a.conf".into()), vec![])),
        ("--conf=a.conf", quiet(From::File("a.conf".into()), vec![])),
        ("-d", quiet(From::Search, vec![Override::Background])),
        (
            "-u www -gadm",
            quiet(From::Search, vec![Override::User("www".into()), Override::Group("adm".into())]),
        ),
        (
            "--set /a=b=c --set=/a=",
            quiet(From::Search, vec![Override::Set("/a=b=c".into()), Override::Set("/a=".into())]),
        ),
        (
            "-t -c x",
            Command::Test(Wishes { from: From::File("x".into()), overrides: vec![] }, Reports::Quiet),
        ),
        (
            "-t -V -c x",
            Command::Test(
                Wishes { from: From::File("x".into()), overrides: vec![Override::Foreground] },
                Reports::Verbose,
            ),
        ),
        (
            "-V x",
            Command::Serve(
                Wishes { from: From::Folder("x".into()), overrides: vec![Override::Foreground] },
                Reports::Verbose,
            ),
        ),
    ] {
        assert_eq!(parsed(line), Ok(wanted), "{line}");
    }
}

#[test]
fn accepts_commands_to_a_server() {
    let order = |command, proof, form| Order {
        command,
        socket: None,
        far: None,
        wishes: Wishes::default(),
        proof,
        form,
    };
    let banned = |network, seconds, reason: &str| ToServer::Ban {
        network: ban::network(network).expect("a network"),
        seconds,
        reason: reason.to_owned(),
    };
    for (line, wanted) in [
        ("status", order(ToServer::Status, ProofFrom::Peer, Form::People)),
        ("--json status", order(ToServer::Status, ProofFrom::Peer, Form::Json)),
        ("upgrade", order(ToServer::Upgrade { path: None }, ProofFrom::Peer, Form::People)),
        (
            "upgrade /bin/k",
            order(ToServer::Upgrade { path: Some("/bin/k".into()) }, ProofFrom::Peer, Form::People),
        ),
        ("reload --plan", order(ToServer::Reload { plan: true }, ProofFrom::Peer, Form::People)),
        ("verbosity debug", order(ToServer::Verbosity { level: 4 }, ProofFrom::Peer, Form::People)),
        ("bans --json", order(ToServer::Bans, ProofFrom::Peer, Form::Json)),
        ("limits --json", order(ToServer::Limits, ProofFrom::Peer, Form::Json)),
        (
            "limit /server/shaping/client/down=2MB/s",
            order(
                ToServer::Limit {
                    pointer: "/server/shaping/client/down".to_owned(),
                    value: Some("2MB/s".to_owned()),
                },
                ProofFrom::Peer,
                Form::People,
            ),
        ),
        ("ban 192.0.2.7", order(banned("192.0.2.7", None, ""), ProofFrom::Peer, Form::People)),
        (
            "ban --for 2h 2001:db8::/32 --reason=spam",
            order(banned("2001:db8::/32", Some(7200), "spam"), ProofFrom::Peer, Form::People),
        ),
        (
            "unban ::ffff:10.0.0.0/104",
            order(
                ToServer::Unban { network: ban::network("10.0.0.0/8").expect("a network") },
                ProofFrom::Peer,
                Form::People,
            ),
        ),
        (
            "stop --login anna --password-file -",
            order(
                ToServer::Stop,
                ProofFrom::Password { user: "anna".into(), file: Some("-".into()) },
                Form::People,
            ),
        ),
        ("drain --token-file t", order(ToServer::Drain, ProofFrom::Token("t".into()), Form::People)),
        (
            "rotate-logs --socket s -c c",
            Order {
                socket: Some("s".into()),
                wishes: Wishes { from: From::File("c".into()), overrides: vec![] },
                ..order(ToServer::RotateLogs, ProofFrom::Peer, Form::People)
            },
        ),
    ] {
        assert_eq!(parsed(line), Ok(Command::Order(Box::new(wanted))), "{line}");
    }
    let far = |place: &str| Some(Far { place: Place::parse(place).unwrap(), authority: "ca".into() });
    for (line, place, proof) in [
        ("status --control a --authority ca --token-file t", "a:8440", ProofFrom::Token("t".into())),
        (
            "status --control [::1]:1 --authority ca --certificate c --key k",
            "[::1]:1",
            ProofFrom::Certificate { chain: "c".into(), key: "k".into() },
        ),
    ] {
        let wanted = Order { far: far(place), ..order(ToServer::Status, proof, Form::People) };
        assert_eq!(parsed(line), Ok(Command::Order(Box::new(wanted))), "{line}");
    }
    let passwd = |user: Option<&str>, file: Option<&str>| {
        Command::Passwd(Passwd { user: user.map(Into::into), file: file.map(Into::into) })
    };
    let explain = |url, method: &str, from: &str, file| {
        let url = Url::parse(url, method).expect("a URL");
        let wishes = Wishes { from: file, ..Wishes::default() };
        let from = from.parse().expect("an address");
        let (method, fields) = (method.to_owned(), vec!["A:b".to_owned()]);
        Ok(Command::Explain(Box::new(Explain { url, method, fields, from, wishes })))
    };
    assert_eq!(parsed("explain /a -H A:b"), explain("/a", "GET", "127.0.0.1", From::Search));
    assert_eq!(
        parsed("explain https://a.example/b -X PUT --header=A:b --from ::1 -c x"),
        explain("https://a.example/b", "PUT", "::1", From::File("x".into()))
    );
    assert_eq!(parsed("passwd"), Ok(passwd(None, None)));
    assert_eq!(parsed("passwd anna --password-file -"), Ok(passwd(Some("anna"), Some("-"))));
    let folder = Wishes { from: From::Folder("./status".into()), overrides: vec![] };
    assert_eq!(parsed("./status"), Ok(Command::Serve(folder, Reports::Quiet)));
}

#[test]
fn refuses_with_a_sentence() {
    for (line, wanted) in [
        ("--verbos", "unknown option '--verbos'; did you mean '--verbose'?"),
        ("--conf-file x", "unknown option '--conf-file'; 'kimura --help' lists all"),
        ("--hlep", "unknown option '--hlep'; did you mean '--help'?"),
        ("-T", "unknown option '-T'; did you mean '--test'?"),
        ("-y", "unknown option '-y'; 'kimura --help' lists all"),
        ("-c", "option '--conf' needs a value: --conf PATH"),
        ("--user", "option '--user' needs a value: --user USER"),
        ("--help=yes", "option '--help' takes no value; leave it out"),
        ("-c a -c b", "option '--conf' is given twice; give it once"),
        ("-d -d", "option '--daemon' is given twice; give it once"),
        ("-d -V", "--verbose and --daemon exclude each other; give one of them"),
        ("-c a b", "--conf and DIR exclude each other; give one of them"),
        ("status -t", "'--test' does not go with a command to a running server; leave it out"),
        ("--json", "'--json' goes with a command to a running server, such as 'kimura status'"),
        ("status --plan", "--plan and status exclude each other; give one of them"),
        ("status now", "'status' takes no further operand; leave 'now' out"),
        ("limit", "'limit' needs an operand: kimura limit POINTER=VALUE"),
        (
            "limit /server/shaping/client/down=2MB",
            "'/server/shaping/client/down=2MB' is no limit, \"2MB\" is no rate of bytes: write bytes a second, such as \"1MB/s\"",
        ),
        ("ban", "'ban' needs an operand: kimura ban ADDRESS[/LEN]"),
        (
            "ban 10.0.0.1/8",
            "'10.0.0.1/8' cannot be banned, the address has bits that do not count: write 10.0.0.0/8",
        ),
        (
            "ban example.org",
            "'example.org' cannot be banned, this is no IP address: write one as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
        ),
        ("ban 10.0.0.1 --for ever", "'ever' is no time; write one such as 90s, 10m, 2h or 7d"),
        ("status -f", "'--follow' does not go with 'status'; leave it out"),
        ("logs now", "'logs' takes no further operand; leave 'now' out"),
        ("logs --last many", "'many' is no number of lines; write one of 1000000 at most"),
        ("logs --status ok", "\"ok\" is no status: write one such as 404, or a class such as 4xx"),
        (
            "logs --control a --authority c --token-file t",
            "'logs' reads memory of the server's machine; run it there, or open a location with \"comet\"",
        ),
        ("unban 10.0.0.1 --for 1h", "'--for' does not go with 'unban'; leave it out"),
        ("bans 10.0.0.1", "'bans' takes no further operand; leave '10.0.0.1' out"),
        ("passwd --json", "'--json' does not go with 'passwd'; leave it out"),
        ("explain", "'explain' needs an operand: kimura explain URL"),
        ("explain a", "'a' is no URL; write one such as https://example.org/a?b=c, or a path"),
        (
            "explain http://host/\u{e9}",
            "character 13 of the URL is '\u{e9}', which has to be encoded; write %C3%A9 in its place",
        ),
        ("explain *", "'*' is asked for by OPTIONS alone; write --method OPTIONS, or a path"),
        ("explain /a /b", "'explain' takes no further operand; leave '/b' out"),
        ("explain /a --json", "'--json' does not go with 'explain'; leave it out"),
        ("explain /a --from b", "'b' is no address; write one such as 192.0.2.1"),
        ("explain /a -H b", "'b' is no field; write a name, a colon and a value"),
        ("status -X PUT", "'--method' does not go with 'status'; leave it out"),
        ("passwd -c x", "'--conf' does not go with 'passwd'; leave it out"),
        ("passwd anna otto", "'passwd' takes no further operand; leave 'otto' out"),
        ("verbosity", "'verbosity' needs an operand: kimura verbosity LEVEL"),
        ("verbosity loud", "'loud' is no level; these are: error, warn, info, debug, trace"),
        ("stop --password-file p", "--password-file goes with --login; give both"),
        ("stop --login a --token-file t", "--login and --token-file exclude each other; give one of them"),
        (
            "stop --control a --token-file t",
            "--control needs --authority FILE, the certificate of the server's authority or its own, in PEM",
        ),
        (
            "stop --control a --authority c",
            "--control needs a proof; give --login, --token-file, or --certificate and --key",
        ),
        ("stop --authority c", "--authority goes with --control; give both"),
        (
            "stop --control a --authority c --socket s --token-file t",
            "--control and --socket exclude each other; give one of them",
        ),
        ("stop --control ::1", "'::1' is no server; write HOST, HOST:PORT, or [IPV6]:PORT"),
        ("stop --certificate c", "--certificate goes with --key; give both"),
        ("stop --key k", "--key goes with --certificate; give both"),
        (
            "stop --certificate c --key k --login a",
            "--login and --certificate exclude each other; give one of them",
        ),
        (
            "stop --certificate c --key k --token-file t",
            "--token-file and --certificate exclude each other; give one of them",
        ),
        ("a b", "only one folder can be served; use a configuration file for more"),
        ("--generate pdf", "'pdf' cannot be generated; these can: man, bash, zsh, fish, reference"),
        ("-m a,b", "this version cannot connect to managers; leave '--manager' out"),
        ("-m a,,b", "the list of managers 'a,,b' has an empty name; separate names by single commas"),
    ] {
        let refusal = parsed(line).expect_err(line);
        assert_eq!(refusal.to_string(), wanted, "{line}");
    }
}

#[test]
fn refuses_bytes_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
    let user = parse([bytes(b"-u"), bytes(b"\xff")]);
    assert_eq!(user, Err(Usage::NotText("user")));
    let path = parse([bytes(b"-c"), bytes(b"\xff")]);
    let file = Wishes { from: From::File(bytes(b"\xff").into()), overrides: vec![] };
    assert_eq!(path, Ok(Command::Serve(file, Reports::Quiet)));
}
