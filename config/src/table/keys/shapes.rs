//! Keys of `shaping`.

use std::time::Duration;

use super::super::sections::{SHAPING_CLIENT, SHAPING_CONNECTION, SHAPING_TOTAL};
use super::{AnyKey, GIB, KIB, Key, NETWORK};
use crate::kind::{
    BYTE_RATE, Choice, Count, Flag, Integer, List, Object, OrOff, REQUEST_RATE, Size, Span, Text,
};
use crate::model::{Rate, ShapedBy};

const BYTES: OrOff<Text<Rate>> = OrOff(BYTE_RATE);
const REQUESTS_IN_TIME: OrOff<Text<Rate>> = OrOff(REQUEST_RATE);
const BURST: Size = Size::between(KIB, GIB);
const AT_ONCE: Integer = Integer { min: 1, max: 10_000_000 };
const PATIENCE: Span = Span { min: Duration::ZERO, max: Duration::from_secs(60) };

keys! {
    /// Keys of `shaping`.
    shaping {
        TOTAL: Object = "total", Object(&SHAPING_TOTAL),
            default None, example r#"{"down": "100MB/s", "concurrent": 1000}"#,
            "What all clients together may use.";
        CLIENT: Object = "client", Object(&SHAPING_CLIENT),
            default None, example r#"{"down": "1MB/s", "requests": "10r/s"}"#,
            "What each client may use.";
        CONNECTION: Object = "connection", Object(&SHAPING_CONNECTION),
            default None, example r#"{"down": "500kB/s"}"#,
            "What each connection may use.";
        BY: Choice<ShapedBy> = "by",
            Choice { words: &[("address", ShapedBy::Address), ("user", ShapedBy::User)] },
            default Some(r#""address""#), example r#""user""#,
            "Who counts as one client: whoever comes from the same prefix, or whoever has logged in (\"auth\") by the same \
             name; requests without a login count for their prefix.";
        IPV4_BITS: Integer = "ipv4_bits", Integer { min: 0, max: 32 },
            default Some("32"), example "24",
            "Bits of an IPv4 address that are one client: the length of the prefix.";
        IPV6_BITS: Integer = "ipv6_bits", Integer { min: 0, max: 128 },
            default Some("64"), example "56",
            "The same of IPv6.";
        EXEMPT: List<Text<String>> = "exempt", List { item: NETWORK, min: 0 },
            default Some("[]"), example r#"["192.0.2.0/24"]"#,
            "Networks of clients for whom nothing of this section holds.";
        DRY_RUN: Flag = "dry_run", Flag,
            default Some("false"), example "true",
            "Whether nobody is refused or delayed: it is only counted and logged who would be.";
        OFFENCE: Flag = "offence", Flag,
            default Some("false"), example "true",
            "Whether a request that is refused by a limit of \"client\" counts as a bad one for /server/bans.";
    }
}

keys! {
    /// Keys of the limits in `shaping`.
    quota {
        DOWN: OrOff<Text<Rate>> = "down", BYTES,
            default Some(r#""off""#), example r#""2MB/s""#,
            "Bytes a second of responses, as they go over the wire: heads, TLS and framing count. \"MB\" is a million bytes, \
             \"MiB\" 1048576.";
        DOWN_BURST: Size = "down_burst", BURST,
            default None, example r#""512k""#,
            "Bytes of responses that may go at once after a pause; without it, those of a quarter of a second, at least 16k.";
        UP: OrOff<Text<Rate>> = "up", BYTES,
            default Some(r#""off""#), example r#""2MB/s""#,
            "Bytes a second that are taken of what clients send: heads and bodies of requests.";
        UP_BURST: Size = "up_burst", BURST,
            default None, example r#""512k""#,
            "Such bytes that are taken at once after a pause; without it, those of a quarter of a second, at least 16k.";
        REQUESTS: OrOff<Text<Rate>> = "requests", REQUESTS_IN_TIME,
            default Some(r#""off""#), example r#""20r/s""#,
            "Requests a second (r/s), a minute (r/m) or an hour (r/h). More are delayed, as far as \"delay\" allows, and then \
             refused: with 429 where it is the client's limit, with 503 otherwise, and with Retry-After.";
        REQUESTS_BURST: Integer = "requests_burst", AT_ONCE,
            default None, example "50",
            "Requests that may come at once after a pause; without it, those of a second, at least 1.";
        DELAY: Span = "delay", PATIENCE,
            default Some(r#""0s""#), example r#""2s""#,
            "How long a request may be held back until the rate allows it. One that would wait longer is refused at once, so \
             that no more wait than the rate allows in this time. 0s refuses all that come too early.";
        CONCURRENT: Count = "concurrent", Count { max: 1_000_000 },
            default Some("0"), example "100",
            "Requests at the same time. More are refused, with 429 where it is the client's limit, with 503 otherwise; 0 is \
             unlimited.";
        CONNECTIONS: Count = "connections", Count { max: 1_000_000 },
            default Some("0"), example "50",
            "Open connections at the same time, on all shards together. More are closed at once; 0 is unlimited. Only \
             /server can have it, and connections of trusted proxies do not count.";
    }
}
