//! Right configurations: what they mean, and where the registry says that it comes from.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{
    Config, DefaultHost, ErrorPage, ErrorStatus, FieldAction, FieldRule, Handler, HostName, Loaded, Log,
    LogConditions, LogFormat, LogQueue, LogStatus, Matcher, Origin, Output, Override, ReceiverKind, Settings,
    Shards, Source, Symlinks, SyslogFraming, SyslogShape, builtin, load,
};
use serde_json::json;

fn load_with(text: &str, set: &[&str]) -> Loaded {
    let source = Source { name: "/etc/kimura/kimura.conf".to_owned(), text: text.to_owned() };
    let overrides: Vec<Override> =
        set.iter().map(|argument| Override::set(argument).expect("an argument of --set")).collect();
    load(Some(source), &overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

const INHERITANCE: &str = r#"
{
  "server": { "listen": ["127.0.0.1:8080"] },
  "defaults": {
    "root": "www",
    "index": ["a.html", "b.html"],
    "headers": { "X-One": "defaults", "X-Two": "defaults", "X-Three": "defaults" },
    "error_pages": { "404": "404.html", "5xx": "/srv/5xx.html" },
    "types": { "MD": "text/markdown", "log": "text/plain" },
    "access_log": "stdout",
    "body_size": "2M",
  },
  "hosts": {
    "example.org": {
      "names": ["WWW.example.org.", "*.Example.org", "192.0.2.1", "[2001:db8:0::1]"],
      "headers": { "x-two": "host", "X-Three": null },
      "access_log_format": "json",
      "types": { "md": "text/x-markdown" },
      "locations": {
        "/img/": { "root": "/srv/img", "index": [], "error_pages": { "404": null, "403": "403.html" } },
        "= /status": { "handler": "echo", "access_log": "off", "charset": "off" },
        "~ \\.php$": { "headers": { "X-Four": "location", "X-One": null }, "symlinks": "never" },
        "=/exact": {}, // no space
      },
    },
    "other.example": { "root": "/srv/other", "body_size": "unlimited", "listen": ["127.0.0.1:9090"] },
  },
}"#;

fn set(rule: &FieldRule) -> (&str, &str) {
    match &rule.action {
        FieldAction::Set(value) => (&rule.name, value),
        other => panic!("{}: {other:?}", rule.name),
    }
}

fn headers(settings: &Settings) -> Vec<(&str, &str)> {
    settings.headers.iter().map(set).collect()
}

#[test]
fn locations_inherit_from_hosts_and_hosts_from_defaults() {
    let config = load_with(INHERITANCE, &[]).config;
    let host = &config.hosts[0];
    assert_eq!(host.pointer, "/hosts/example.org");
    assert_eq!(host.settings.root.as_deref(), Some(Path::new("/etc/kimura/www")));
    assert_eq!(host.settings.index, ["a.html", "b.html"]);
    assert_eq!(headers(&host.settings), [("X-One", "defaults"), ("x-two", "host")]);
    assert_eq!(host.settings.types["md"], "text/x-markdown");
    assert_eq!(host.settings.types["log"], "text/plain");
    assert_eq!(host.settings.body_size, 2 << 20);
    let pointer = "/defaults/access_log".to_owned();
    let log = Log {
        name: None,
        output: Output::Stdout,
        format: LogFormat::Json,
        conditions: LogConditions::default(),
        anonymize: false,
        queue: LogQueue::default(),
        rotate: None,
        pointer,
    };
    assert_eq!(host.settings.access_logs, [Arc::new(log)]);

    let [images, status, pattern, exact] = host.locations.as_slice() else { panic!("{:?}", host.locations) };
    assert_eq!(images.matcher, Matcher::Prefix("/img/".to_owned()));
    assert_eq!(images.pointer, "/hosts/example.org/locations/~1img~1");
    assert_eq!(images.settings.root.as_deref(), Some(Path::new("/srv/img")));
    assert!(images.settings.index.is_empty());
    let pages: Vec<_> = images.settings.error_pages.clone().into_iter().collect();
    let file = |path: &str| ErrorPage::File(path.into());
    let wanted = [
        (ErrorStatus::Code(403), file("/etc/kimura/403.html")),
        (ErrorStatus::Class(5), file("/srv/5xx.html")),
    ];
    assert_eq!(pages, wanted);

    assert_eq!(status.matcher, Matcher::Exact("/status".to_owned()));
    assert_eq!(status.settings.handler, Handler::Echo);
    assert_eq!((&status.settings.access_logs, &status.settings.charset), (&Vec::new(), &None));

    assert_eq!(pattern.matcher, Matcher::Pattern(r"\.php$".to_owned()));
    assert_eq!(headers(&pattern.settings), [("x-two", "host"), ("X-Four", "location")]);
    assert_eq!(pattern.settings.symlinks, Symlinks::Never);

    assert_eq!(exact.matcher, Matcher::Exact("/exact".to_owned()));
    assert_eq!(exact.settings, host.settings);

    let other = &config.hosts[1];
    assert_eq!(other.settings.body_size, u64::MAX);
    let addresses: Vec<String> = config.listeners().iter().map(|listen| listen.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:8080", "127.0.0.1:9090"]);
}

#[test]
fn host_names_know_no_case_and_no_final_dot() {
    let config = load_with(INHERITANCE, &[]).config;
    let wanted = [
        HostName::Exact("www.example.org".to_owned()),
        HostName::Wildcard("example.org".to_owned()),
        HostName::V4([192, 0, 2, 1].into()),
        HostName::V6("2001:db8::1".parse().expect("an address")),
    ];
    assert_eq!(config.hosts[0].aliases, wanted);
    let shown: Vec<String> = config.hosts[0].aliases.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["www.example.org", "*.example.org", "192.0.2.1", "[2001:db8::1]"]);
}

#[test]
fn the_default_host_is_found_by_any_of_its_names() {
    for (set, wanted) in [
        ("first", DefaultHost::First),
        ("refuse", DefaultHost::Refuse),
        ("example.org", DefaultHost::Named(0)),
        ("Other.Example.", DefaultHost::Named(1)),
        ("www.example.org", DefaultHost::Named(0)),
        ("*.example.org", DefaultHost::Named(0)),
    ] {
        let config = load_with(INHERITANCE, &[&format!("/default_host={set}")]).config;
        assert_eq!(config.default_host, wanted, "{set}");
    }
}

#[test]
fn the_command_line_wins() {
    let set = [
        "/server/shards=3",
        "/server/timeouts/idle=5s",
        "/server/limits/head_size=8k",
        "/server/user=www-data",
        "/hosts/example.org/root=htdocs",
        "/hosts/example.org/locations/~1img~1/symlinks=\"follow\"",
        "/hosts/new.example/root=/srv/new",
        "/server/listen/-=[::1]:8080",
    ];
    let loaded = load_with(INHERITANCE, &set);
    let server = &loaded.config.server;
    assert_eq!(server.shards, Shards::Count(3.try_into().expect("not zero")));
    assert_eq!(server.timeouts.idle, Duration::from_secs(5));
    assert_eq!(server.user.as_deref(), Some("www-data"));
    // A default gives way to what somebody wrote.
    assert_eq!((server.limits.head_size, server.limits.target_size), (8 << 10, 8 << 10));
    let host = &loaded.config.hosts[0];
    // Relative to the current folder, not to that of the file.
    assert_eq!(host.settings.root, std::path::absolute("htdocs").ok());
    assert_eq!(host.locations[0].settings.symlinks, Symlinks::Follow);
    assert_eq!(loaded.config.hosts[2].name, HostName::Exact("new.example".to_owned()));

    let entry = loaded.registry.get("/server/timeouts/idle").expect("a value");
    assert_eq!(entry.origin, Origin::CommandLine("--set /server/timeouts/idle=5s".into()));
}

#[test]
fn the_registry_knows_where_values_come_from() {
    let registry = load_with(INHERITANCE, &["/defaults/etag=false"]).registry;
    let file = |line, column| Some((line, column));
    for (pointer, value, set_at, place) in [
        ("/defaults/body_size", json!("2M"), "/defaults/body_size", file(11, 18)),
        ("/hosts/example.org/body_size", json!("2M"), "/defaults/body_size", file(11, 18)),
        ("/hosts/example.org/locations/~1img~1/root", json!("/srv/img"), "", file(20, 28)),
        ("/hosts/example.org/locations/= ~1status/root", json!("www"), "/defaults/root", file(5, 13)),
        ("/hosts/example.org/etag", json!(false), "/defaults/etag", None),
        ("/hosts/other.example/listen/0", json!("127.0.0.1:9090"), "", file(26, 83)),
        ("/hosts/example.org/names/1", json!("*.Example.org"), "", file(15, 37)),
        ("/hosts/example.org/headers/x-two", json!("host"), "", file(16, 29)),
        ("/hosts/other.example/headers/X-Two", json!("defaults"), "/defaults/headers/X-Two", file(7, 48)),
        ("/server/timeouts/idle", json!("75s"), "", None),
        ("/server/listen/0", json!("127.0.0.1:8080"), "", file(3, 26)),
        ("/hosts/example.org/listen/0", json!("127.0.0.1:8080"), "/server/listen/0", file(3, 26)),
        ("/hosts/example.org/headers/X-TWO", json!("host"), "/hosts/example.org/headers/x-two", file(16, 29)),
        ("/server/file_cache/valid", json!("1s"), "", None),
    ] {
        let entry = registry.get(pointer).unwrap_or_else(|| panic!("{pointer} has no value"));
        let position = match entry.origin {
            Origin::File(position) => Some((position.line, position.column)),
            Origin::CommandLine(_) | Origin::Default => None,
        };
        let set_at = if set_at.is_empty() { pointer } else { set_at };
        assert_eq!((entry.value, entry.set_at.as_str(), position), (value, set_at, place), "{pointer}");
    }
    for pointer in [
        "/server/user",
        "/nothing",
        "server",
        "/hosts/none/names/0",
        "/server/listen/1",
        "/hosts/example.org/headers/X-Three",
    ] {
        assert_eq!(registry.get(pointer), None, "{pointer}");
    }
}

#[test]
fn maps_are_merged_in_the_registry_too() {
    let registry = load_with(INHERITANCE, &[]).registry;
    for (pointer, wanted) in [
        ("/defaults/types", json!({"MD": "text/markdown", "log": "text/plain"})),
        (
            "/hosts/example.org/locations/~1img~1/error_pages",
            json!({"5xx": "/srv/5xx.html", "403": "403.html"}),
        ),
        ("/hosts/other.example/error_pages", json!({"404": "404.html", "5xx": "/srv/5xx.html"})),
        ("/hosts/example.org/headers", json!({"X-One": "defaults", "x-two": "host"})),
        ("/hosts/example.org/types", json!({"md": "text/x-markdown", "log": "text/plain"})),
    ] {
        let entry = registry.get(pointer).unwrap_or_else(|| panic!("{pointer} has no value"));
        assert_eq!(entry.value, wanted, "{pointer}");
    }
}

#[test]
fn the_registry_lists_what_is_set_and_what_is_default() {
    let registry = load_with(INHERITANCE, &[]).registry;
    let pointers: Vec<String> = registry.iter().map(|entry| entry.pointer).collect();
    for (pointer, listed) in [
        ("/server/shards", true),
        ("/server/user", false),
        ("/defaults/etag", true),
        ("/hosts/example.org/headers", true),
        ("/hosts/example.org/etag", false),
        ("/hosts/example.org/locations/~1img~1/root", true),
    ] {
        assert_eq!(pointers.iter().any(|known| known == pointer), listed, "{pointer}");
    }
    let mut unique = pointers.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), pointers.len());
}

#[test]
fn explanations() {
    let registry = load_with(INHERITANCE, &["/server/shards=2"]).registry;
    for (pointer, wanted) in [
        (
            "/hosts/example.org/locations/~1img~1/body_size",
            "/etc/kimura/kimura.conf:11:18, inherited from /defaults/body_size",
        ),
        ("/server/shards", "the command line: --set /server/shards=2"),
        (
            "/server/backlog",
            "4096\n  from     the built-in default\n  kind     a whole number from 1 to 65535",
        ),
        ("/server/user", "/server/user: not set\n  kind     the name of a user"),
    ] {
        let shown = registry.explain(pointer).unwrap_or_else(|problem| panic!("{problem}")).to_string();
        assert!(shown.contains(wanted), "{shown}");
    }
    for (pointer, wanted) in [
        ("/server/shrads", "did you mean \"shards\"?"),
        ("server", "write a path such as /server/shards"),
        ("/hosts/example.org/locations/~1/names", "there is no key \"names\" in a location"),
    ] {
        let problem = registry.explain(pointer).expect_err("no such key").to_string();
        assert!(problem.contains(wanted), "{problem}");
    }
}

#[test]
fn later_stages_report_at_the_right_place() {
    let registry = load_with(INHERITANCE, &["/server/pid_file=/nowhere/pid"]).registry;
    for (pointer, wanted) in [
        // Inherited: where it was set.
        (
            "/hosts/example.org/locations/= ~1status/root",
            "/etc/kimura/kimura.conf:5:13: broken\n     5 |     \"root\": \"www\",\n       |             ^^^^^\n  \
             key:  /hosts/example.org/locations/= ~1status/root\n  cure: mend it",
        ),
        // A location: its key.
        ("/hosts/example.org/locations/~0 \\.php$", "/etc/kimura/kimura.conf:22:9: broken\n"),
        ("/hosts/example.org/locations/~1img~1/error_pages/403", "/etc/kimura/kimura.conf:20:90: broken\n"),
        (
            "/server/pid_file",
            "--set /server/pid_file=/nowhere/pid: broken\n  key:  /server/pid_file\n  cure: mend it",
        ),
        ("/server/timeouts/idle", "(default): broken\n  key:  /server/timeouts/idle\n  cure: mend it"),
        // Nobody set it and it has no default: what is around it.
        ("/hosts/example.org/methods", "/etc/kimura/kimura.conf:14:5: broken\n"),
    ] {
        let shown = registry.problem(pointer, "broken", "mend it").to_string();
        assert!(shown.starts_with(wanted), "{shown}");
    }
}

#[test]
fn spelling_of_the_text_does_not_matter() {
    let plain = r#"{"hosts": {"example.org": {"root": "/www", "index": ["ä.html"]}}}"#;
    let wanted = load_with(plain, &[]).config;
    for text in [
        format!("\u{feff}{plain}"),
        plain.replace(' ', "\r\n\t"),
        plain.replace('ä', "\\u00e4"),
        format!("// a comment\n{plain}/* another\n one */"),
        plain.replace("]}", "],}"),
    ] {
        assert_eq!(load_with(&text, &[]).config, wanted, "{text}");
    }
}

#[test]
fn without_a_file_one_folder_is_served() {
    let config = Config::builtin(Path::new("/srv/www"));
    assert_eq!(config.listeners().len(), 1);
    assert_eq!(config.listeners()[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.hosts.len(), 1);
    assert_eq!(config.hosts[0].settings.root.as_deref(), Some(Path::new("/srv/www")));
    assert_eq!(config.default_host, DefaultHost::First);
    assert_eq!(config.server.timeouts.header, Duration::from_secs(10));
    assert_eq!(config.server.limits.connections_per_client, None);

    let current = load(None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(current.config.hosts[0].settings.root, std::env::current_dir().ok());
    assert_eq!(current.registry.file(), None);

    let flags = [Override::flag("-u www", &["server", "user"], "www")];
    let loaded = builtin(Some(Path::new("/srv")), &flags).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.server.user.as_deref(), Some("www"));
    let root = loaded.registry.get("/hosts/localhost/root").expect("a root");
    assert_eq!(root.origin, Origin::CommandLine("/srv".into()));
    let wrong = Override::flag("-u 'w w'", &["server", "user"], "w w");
    let problems = load(None, &[wrong]).expect_err("a name with a space");
    assert!(problems.to_string().starts_with("-u 'w w': \"w w\" is no name of a user"), "{problems}");
}

#[test]
fn a_folder_keeps_a_name_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let dir = Path::new(std::ffi::OsStr::from_bytes(b"/srv/\xff"));
    assert_eq!(Config::builtin(dir).hosts[0].settings.root.as_deref(), Some(dir));
}

#[test]
fn the_reference_names_every_key() {
    let reference = config::reference();
    let registry = load_with(INHERITANCE, &[]).registry;
    for entry in registry.iter().filter(|entry| !entry.pointer.starts_with("/hosts")) {
        let key = entry.pointer.rsplit('/').next().unwrap_or_default();
        assert!(reference.contains(&format!("| `{key}` |")), "{key}");
    }
}

const LOGS: &str = r#"
{
  "logs": {
    "main": { "file": "log/access.log" },
    "console": { "stream": "stderr", "format": "common" },
    "unused": { "stream": "stdout", "format": "combined" },
    "slow": {
      "stream": "stdout", "format": "$status $uri", "status": ["404", "5xx"], "slower_than": "1500ms", "sample": 10,
      "anonymize": true,
    },
  },
  "defaults": { "root": "www", "access_log": "main" },
  "hosts": { "a.example": {
    "access_log_format": "common",
    "locations": {
      "/both/": { "access_log": ["main", "console", "./main", "two.log", "stdout"] },
      "/none/": { "access_log": "off" },
      "/file/": { "access_log": "/var/log/one" },
    },
  } },
}"#;

/// Each log as its name, where it goes and its format.
fn logs(logs: &[Arc<Log>]) -> Vec<String> {
    let shown = |log: &Arc<Log>| {
        format!("{} {} {:?} {}", log.name.as_deref().unwrap_or("-"), log.output, log.format, log.pointer)
    };
    logs.iter().map(shown).collect()
}

#[test]
fn logs_are_chosen_by_name_or_path() {
    let config = load_with(LOGS, &[]).config;
    assert!(config.server.error_log_also.is_empty());
    let also = load_with(LOGS, &[r#"/server/error_log_also=["main", "/var/log/more"]"#]).config.server;
    let more = "- /var/log/more Json /server/error_log_also/1".to_owned();
    let main = "main /etc/kimura/log/access.log Json /logs/main/file".to_owned();
    assert_eq!(logs(&also.error_log_also), [main.clone(), more]);
    let console = "console stderr Common /logs/console/stream".to_owned();
    let unused = "unused stdout Combined /logs/unused/stream".to_owned();
    let slow = "slow stdout Template(\"$status $uri\") /logs/slow/stream".to_owned();
    assert_eq!(logs(&config.logs), [main.clone(), console.clone(), unused, slow]);
    let wanted = LogConditions {
        statuses: vec![LogStatus::Code(404), LogStatus::Class(5)],
        slower_than: Some(Duration::from_millis(1500)),
        sample: 10,
    };
    assert_eq!((&config.logs[3].conditions, config.logs[3].anonymize), (&wanted, true));
    assert_eq!((&config.logs[0].conditions, config.logs[0].anonymize), (&LogConditions::default(), false));
    let host = &config.hosts[0];
    assert_eq!(logs(&host.settings.access_logs), std::slice::from_ref(&main));
    let [both, none, file] = host.locations.as_slice() else { panic!("{:?}", host.locations) };
    let place = "/hosts/a.example/locations";
    let wanted = [
        main,
        console,
        format!("- /etc/kimura/main Common {place}/~1both~1/access_log/2"),
        format!("- /etc/kimura/two.log Common {place}/~1both~1/access_log/3"),
        format!("- stdout Common {place}/~1both~1/access_log/4"),
    ];
    assert_eq!(logs(&both.settings.access_logs), wanted);
    assert!(none.settings.access_logs.is_empty());
    let one = format!("- /var/log/one Common {place}/~1file~1/access_log");
    assert_eq!(logs(&file.settings.access_logs), [one]);
}

#[test]
fn receivers_of_logs_have_what_is_said_of_them_or_what_fits_their_way() {
    let text = r#"{
        "logs": {
            "tls": {"syslog": "tls://logs.example.org", "framing": "newline", "facility": "daemon", "message_max": "4K"},
            "udp": {"syslog": "udp://[::1]", "syslog_format": "rfc3164", "host_name": "www1"},
            "local": {"syslog": "unix:/dev/log"},
            "journal": {"journald": "/run/systemd/journal/socket", "severity": "debug"},
            "jobs": {"gearman": ["jobs", "127.0.0.1:9"], "batch": 0}
        },
        "hosts": {"example.org": {"root": "www"}}
    }"#;
    let source = Source { name: "logs.conf".to_owned(), text: text.to_owned() };
    let config = load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}")).config;
    let shown: Vec<String> = config.logs.iter().map(|log| log.output.to_string()).collect();
    assert_eq!(
        shown,
        [
            "tls://logs.example.org:6514",
            "udp://[::1]:514",
            "unix:/dev/log",
            "the journal at /run/systemd/journal/socket",
            "Gearman at jobs:4730, 127.0.0.1:9",
        ]
    );
    let receivers: Vec<_> = config
        .logs
        .iter()
        .map(|log| match &log.output {
            Output::Receiver(receiver) => receiver,
            other => panic!("{other}"),
        })
        .collect();
    let syslog = |index: usize| match &receivers[index].kind {
        ReceiverKind::Syslog(syslog) => syslog,
        other => panic!("{other:?}"),
    };
    let [tls, udp, local] = [syslog(0), syslog(1), syslog(2)];
    assert_eq!((tls.labels.facility, tls.labels.severity, tls.message_max), ("daemon", "info", 4096));
    assert_eq!((tls.shape, tls.server_name.as_str()), (SyslogShape::Rfc5424, "logs.example.org"));
    assert_eq!((udp.shape, udp.message_max), (SyslogShape::Rfc3164, 2048));
    assert_eq!(udp.host_name.as_deref(), Some("www1"));
    assert_eq!(tls.framing, SyslogFraming::Newline);
    assert_eq!(local.shape, SyslogShape::Local);
    assert!(
        matches!(&receivers[3].kind, ReceiverKind::Journald { labels, .. } if labels.severity == "debug")
    );
    assert!(
        matches!(&receivers[4].kind, ReceiverKind::Gearman { batch: 0, function, .. } if function == "kimura_log")
    );
    // Each is another one, and stays the same.
    let mut identities: Vec<String> = receivers.iter().map(|receiver| receiver.identity()).collect();
    assert_eq!(receivers[0].identity(), identities[0]);
    identities.dedup();
    assert_eq!(identities.len(), receivers.len());
}
