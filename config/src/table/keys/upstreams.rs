//! Keys of `/upstreams/NAME`.

use std::time::Duration;

use super::super::sections::UPSTREAM_TIMEOUTS;
use super::{AnyKey, HOUR, Key, PATIENCE};
use crate::kind::{Integer, List, Object, ServerItem, Span};

keys! {
    /// Keys of `/upstreams/NAME`.
    upstream {
        SERVERS: List<ServerItem> = "servers", List { item: ServerItem, min: 1 },
            default None, example r#"["127.0.0.1:9000", {"address": "127.0.0.1:9001", "weight": 2, "backup": true}]"#,
            "The servers: an address with a port or unix:PATH, or an object with such an address, a weight (its share of \
             the requests, from 1 to 1000; 1 without it) and backup (true: it gets requests only while none of the others \
             can be used).";
        KEEP_ALIVE: Integer = "keep_alive", Integer { min: 0, max: 10_000 },
            default Some("32"), example "8",
            "Connections to each server that a shard keeps while nothing is sent over them; 0 closes each after its \
             response.";
        TIMEOUTS: Object = "timeouts", Object(&UPSTREAM_TIMEOUTS),
            default None, example r#"{"response": "2m"}"#,
            "Bounds on how long a server may take.";
    }
}

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
