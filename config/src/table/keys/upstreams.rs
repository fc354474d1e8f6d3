//! Keys of `/upstreams/NAME`.

use std::time::Duration;

use super::super::sections::{
    UPSTREAM_EJECT, UPSTREAM_FASTCGI, UPSTREAM_HEALTH, UPSTREAM_TIMEOUTS, UPSTREAM_TLS,
};
use super::{AnyKey, HOUR, Key, PATIENCE};
use crate::kind::{
    Choice, Count, FilePath, Flag, Integer, List, MapOf, Object, OrOff, ServerItem, Span, Text,
};
use crate::model::{Balance, LogStatus, Preamble, UpstreamProtocol};
use crate::place;
use crate::syntax;

keys! {
    /// Keys of `/upstreams/NAME`.
    upstream {
        SERVERS: List<ServerItem> = "servers", List { item: ServerItem, min: 1 },
            default None, example r#"["127.0.0.1:9000", {"address": "127.0.0.1:9001", "weight": 2, "backup": true}]"#,
            "The servers: an address with a port or unix:PATH, or an object with such an address, a weight (its share of \
             the requests, from 1 to 1000; 1 without it) and backup (true: it gets requests only while none of the others \
             can be used).";
        PROTOCOL: Choice<UpstreamProtocol> = "protocol",
            Choice { words: &[("http", UpstreamProtocol::Http), ("fastcgi", UpstreamProtocol::Fastcgi)] },
            default Some(r#""http""#), example r#""fastcgi""#,
            "What the servers speak: HTTP/1.1, or FastCGI as PHP-FPM does.";
        FASTCGI: Object = "fastcgi", Object(&UPSTREAM_FASTCGI),
            default None, example r#"{"index": "main.php"}"#,
            "Which scripts requests are for, where the servers speak FastCGI.";
        PROXY_PROTOCOL: Choice<Preamble> = "proxy_protocol",
            Choice {
                words: &[("off", Preamble::None), ("v1", Preamble::ProxyV1), ("v2", Preamble::ProxyV2)],
            },
            default Some(r#""off""#), example r#""v2""#,
            "Whether each connection to a server begins with a PROXY header, which tells the address of the client, and of \
             which version. Such a connection carries one request and is closed, so that no request goes under the name of \
             another client.";
        BALANCE: Text<Balance> = "balance",
            Text {
                noun: "a way to choose a server, such as \"least_connections\"",
                pattern: Some("^(round_robin|least_connections|random_two|hash (address|(header|cookie) .+))$"),
                parse: syntax::balance,
            },
            default Some(r#""round_robin""#), example r#""hash cookie session""#,
            "Which server gets a request: each in its turn (\"round_robin\"), the one that has fewest requests for its weight \
             (\"least_connections\") or the one of two by chance that has fewer (\"random_two\"), both as far as a shard knows; or \
             always the same one for the same client (\"hash address\"), field (\"hash header NAME\") or cookie (\"hash cookie \
             NAME\"), with turns for requests without it. A server that comes or goes moves only what is its own.";
        STICKY: Text<String> = "sticky",
            Text { noun: "the name of a cookie", pattern: None, parse: syntax::token },
            default None, example r#""server""#,
            "Name of a cookie that the server sets, so that a client comes to the same server again as long as that can be \
             used. Its value tells nothing, and cannot be made up. It holds until the browser ends, or Kimura.";
        SLOW_START: Span = "slow_start", Span { min: Duration::ZERO, max: Duration::from_secs(HOUR) },
            default Some(r#""0s""#), example r#""30s""#,
            "How long it takes until a server that has come up, is back or was added gets all of its share, which grows from \
             a hundredth meanwhile. It has no meaning where \"balance\" is a hash.";
        EJECT: Object = "eject", Object(&UPSTREAM_EJECT),
            default None, example r#"{"failures": 5}"#,
            "When a server that fails gets no requests for a while.";
        HEALTH: Object = "health", Object(&UPSTREAM_HEALTH),
            default None, example r#"{"interval": "10s"}"#,
            "How each worker finds out whether a server is well. Without this section nobody looks.";
        RESOLVE: Span = "resolve", Span { min: Duration::from_secs(1), max: Duration::from_secs(24 * HOUR) },
            default Some(r#""30s""#), example r#""5m""#,
            "How often the names of servers are looked up again. Each address of a name is a server. A name that is not \
             found keeps the addresses that it had.";
        KEEP_ALIVE: Integer = "keep_alive", Integer { min: 0, max: 10_000 },
            default Some("128"), example "8",
            "Connections to each server that a shard keeps while nothing is sent over them; 0 closes each after its \
             response. Servers that speak FastCGI often have a process for each connection, so that for them none is kept \
             unless this is written; with \"proxy_protocol\" none can be.";
        TIMEOUTS: Object = "timeouts", Object(&UPSTREAM_TIMEOUTS),
            default None, example r#"{"response": "2m"}"#,
            "Bounds on how long a server may take.";
        TLS: Object = "tls", Object(&UPSTREAM_TLS),
            default None, example r#"{"authorities": "tls/inside-ca.pem"}"#,
            "TLS with the servers; without this section requests go as they are. {} takes those whom the system trusts. A \
             proxy \"https://HOST:PORT\" is a server with it.";
    }
}

keys! {
    /// Keys of `/upstreams/NAME/tls`.
    upstream_tls {
        NAME: Text<String> = "name",
            Text { noun: "a name such as \"app.example.org\"", pattern: None, parse: place::server_name },
            default None, example r#""app.example.org""#,
            "The name that the certificate of each server has to have, and that it is asked for; without it the host of its \
             address. Servers at a Unix socket need one.";
        AUTHORITIES: FilePath = "authorities", FilePath,
            default None, example r#""tls/inside-ca.pem""#,
            "Certificates of those who vouch for the servers, or of the servers themselves, in PEM; without it those whom \
             the system trusts.";
        VERIFY: Flag = "verify", Flag,
            default Some("true"), example "false",
            "Whether servers have to prove who they are. If not, whoever stands between can read and alter everything.";
        CHAIN: FilePath = "chain", FilePath,
            default None, example r#""tls/front.pem""#,
            "The certificate that is shown to servers that ask for one, and behind it those that lead to its authority, in \
             PEM.";
        KEY: FilePath = "key", FilePath,
            default None, example r#""tls/front.key""#,
            "The key of this certificate, in PEM.";
    }
}

keys! {
    /// Keys of `/upstreams/NAME/fastcgi`.
    upstream_fastcgi {
        ROOT: Text<String> = "root",
            Text { noun: "a path that begins with a slash", pattern: Some("^/"), parse: syntax::script_path },
            default None, example r#""/srv/app""#,
            "Folder of the scripts, as the application knows it; nobody looks here then whether they are \
             there. Without this, the root of the place.";
        INDEX: Text<String> = "index",
            Text { noun: "a file name", pattern: Some("^[^/]+$"), parse: syntax::file_name },
            default Some(r#""index.php""#), example r#""main.php""#,
            "The script of a path that ends in a slash.";
        ENDING: Text<String> = "ending",
            Text { noun: "an ending such as \".php\"", pattern: Some("^[.][^/]+$"), parse: syntax::script_ending },
            default Some(r#"".php""#), example r#"".fcgi""#,
            "By what scripts are known: the first part of a path that ends so is the script, and what follows is its PATH_INFO. \
             A path without such a part is answered with 404.";
        SCRIPT: OrOff<Text<String>> = "script",
            OrOff(Text { noun: "a path that begins with a slash", pattern: Some("^/"), parse: syntax::script_path }),
            default Some(r#""off""#), example r#""/front.php""#,
            "One script for all paths, each of which is its PATH_INFO.";
        VARIABLES: MapOf<String, Text<String>> = "variables",
            MapOf {
                key: Text { noun: "a name", pattern: Some("^[A-Z][A-Z0-9_]*$"), parse: syntax::variable_name },
                value: Text { noun: "a text", pattern: None, parse: syntax::any },
            },
            default Some("{}"), example r#"{"APP_ENV": "production"}"#,
            "Further variables, in place of any of the same name. HTTP_PROXY cannot be set, and no client can set it.";
    }
}

/// No server is out for less than a shard tells apart, or for longer than a day.
const EXILE: Span = Span { min: Duration::from_millis(100), max: Duration::from_secs(24 * HOUR) };

keys! {
    /// Keys of `/upstreams/NAME/eject`.
    upstream_eject {
        FAILURES: Count = "failures", Count { max: 100 },
            default Some("3"), example "10",
            "The failure within the window that ejects a server: it could not be reached, or its answer was none, broken or \
             late. A server that is just back is ejected by its first one. 0 ejects nobody.";
        WINDOW: Span = "window", EXILE,
            default Some(r#""10s""#), example r#""1m""#,
            "How long a failure counts.";
        DURATION: Span = "duration", EXILE,
            default Some(r#""10s""#), example r#""30s""#,
            "How long a server is out the first time. Each further time lasts twice as long.";
        DURATION_MAX: Span = "duration_max", EXILE,
            default Some(r#""5m""#), example r#""1h""#,
            "How long a server is out at most. How often it was is forgotten when it has been back for so long.";
        PANIC: Integer = "panic", Integer { min: 0, max: 100 },
            default Some("25"), example "50",
            "Where fewer than so many percent of the servers are left, those that are ejected get requests, too: a few \
             could not serve for all. Where none is left and no backup is there, they do in any case.";
    }
}

keys! {
    /// Keys of `/upstreams/NAME/health`.
    upstream_health {
        PATH: Text<String> = "path",
            Text { noun: "a path", pattern: Some("^/[!-~]*$"), parse: syntax::request_path },
            default None, example r#""/health""#,
            "Path, and query if there is one, that is asked for by a GET. Without it a server is well that takes a \
             connection.";
        HOST: Text<String> = "host",
            Text { noun: "a name", pattern: None, parse: syntax::request_host },
            default None, example r#""app.example.org""#,
            "The Host of this request. Without it, the server as \"servers\" names it.";
        STATUS: List<Text<LogStatus>> = "status",
            List {
                item: Text {
                    noun: "a status such as \"204\", or a class such as \"2xx\"", pattern: Some("^[2-5]([0-9][0-9]|xx)$"),
                    parse: syntax::health_status,
                },
                min: 1,
            },
            default Some(r#"["2xx", "3xx"]"#), example r#"["200"]"#,
            "Answers of a server that is well.";
        INTERVAL: Span = "interval", CHECKING,
            default Some(r#""5s""#), example r#""10s""#,
            "From one check of a server to the next; up to a tenth more or less, so that checks do not come together.";
        TIMEOUT: Span = "timeout", CHECKING,
            default Some(r#""2s""#), example r#""500ms""#,
            "How long a check may take, to the status of the answer; at most the interval.";
        RISE: Integer = "rise", Integer { min: 1, max: 100 },
            default Some("2"), example "1",
            "Checks in a row that a server has to pass to get requests again.";
        FALL: Integer = "fall", Integer { min: 1, max: 100 },
            default Some("3"), example "1",
            "Checks in a row that a server has to fail to get none. The first check of all decides alone.";
    }
}

/// No check is quicker than a network can be, or rarer than one an hour.
const CHECKING: Span = Span { min: Duration::from_millis(100), max: Duration::from_secs(HOUR) };

keys! {
    /// Keys of `/upstreams/NAME/timeouts`.
    upstream_timeouts {
        CONNECT: Span = "connect", PATIENCE,
            default Some(r#""5s""#), example r#""1s""#,
            "How long it may take to connect to a server.";
        SEND: Span = "send", PATIENCE,
            default Some(r#""60s""#), example r#""10s""#,
            "How long a server may take no byte of a request.";
        RESPONSE: Span = "response", Span { min: Duration::from_millis(100), max: Duration::from_secs(24 * HOUR) },
            default Some(r#""60s""#), example r#""2m""#,
            "How long no byte of a response may come, before its first and between any two. Later is answered with 504, \
             or ends the response.";
        IDLE: Span = "idle", PATIENCE,
            default Some(r#""60s""#), example r#""15s""#,
            "How long a connection is kept that nothing is sent over. Shorter than the server's own patience, so that it \
             does not close one just as a request leaves.";
    }
}
