//! Bytes that come in pieces, too late, too many or broken; and how bytes leave.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{AlertDescription, Error as Rustls};
use tls::limits::{HANDSHAKE_BYTES_MAX, RECORD_LARGE, RECORD_RAMP, RECORD_REST_MS, RECORD_SMALL};
use tls::{ClientAuth, ClientTrust, Failure, Handshake, Hosts, Otherwise, Received, fuzzing};

mod common;
use common::*;

/// The ciphertext lengths of the records in some output.
fn records(mut out: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, 3, 3, high, low, rest @ ..] = out {
        let len = usize::from(*high) << 8 | usize::from(*low);
        lengths.push(len);
        out = &rest[len..];
    }
    assert!(out.is_empty(), "whole records");
    lengths
}

/// Takes a real ClientHello.
fn hello(authority: &Authority) -> Vec<u8> {
    sent_by(&mut new_client(&Arc::new(client(authority, TLS13, None)), "example.org"))
}

#[test]
fn pieces_of_any_size() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    for versions in VERSIONS {
        for piece in [1, 2, 5, 100, 1000] {
            let client = Arc::new(client(&authority, versions, None));
            let mut pair = connect_in_pieces(&client, "example.org", &hosts, piece).expect("a session");
            let body: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
            pair.client.set_buffer_limit(None);
            pair.client.writer().write_all(&body).expect("written");
            let (mut plaintext, mut out) = (Vec::new(), Vec::new());
            for bytes in sent_by(&mut pair.client).chunks(piece) {
                let received =
                    pair.session.feed(bytes, &mut plaintext, PLAINTEXT_MAX, &mut out).expect("taken");
                assert_eq!(received, Received { taken: bytes.len(), more: false, ended: false });
            }
            assert!(plaintext == body && out.is_empty());
        }
    }
}

#[test]
fn the_clients_first_bytes_may_come_with_its_last_of_the_handshake() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    for versions in VERSIONS {
        let mut client = new_client(&Arc::new(client(&authority, versions, None)), "example.org");
        client.writer().write_all(b"at once").expect("written");
        let mut handshake = Handshake::new(hosts.clone());
        let (mut plaintext, mut out) = (Vec::new(), Vec::new());
        let mut session = loop {
            let bytes = sent_by(&mut client);
            let progress = handshake.feed(&bytes, &mut out).expect("a handshake");
            give(&mut client, &std::mem::take(&mut out)).expect("an answer");
            if let Some(mut session) = progress.session {
                session
                    .feed(&bytes[progress.taken..], &mut plaintext, PLAINTEXT_MAX, &mut out)
                    .expect("taken");
                break session;
            }
        };
        session.feed(&sent_by(&mut client), &mut plaintext, PLAINTEXT_MAX, &mut out).expect("taken");
        assert_eq!(plaintext, b"at once");
        let over = handshake.feed(b"x", &mut out).expect_err("the handshake is over");
        assert!(matches!(over, Failure::Internal { .. }));
    }
}

#[test]
fn plaintext_is_bounded_and_nothing_is_lost() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let client = Arc::new(client(&authority, TLS13, None));
    for max in [1, 1000, 16_384, 20_000] {
        let mut pair = connect(&client, "example.org", &hosts).expect("a session");
        let body: Vec<u8> = (0..60_000_u32).map(|n| (n / 7) as u8).collect();
        pair.client.set_buffer_limit(None);
        pair.client.writer().write_all(&body).expect("written");
        pair.client.send_close_notify();
        let bytes = sent_by(&mut pair.client);
        let (mut rest, mut whole, mut out) = (&bytes[..], Vec::new(), Vec::new());
        loop {
            let mut plaintext = Vec::new();
            let received = pair.session.feed(rest, &mut plaintext, max, &mut out).expect("taken");
            assert!(plaintext.len() <= max);
            assert!(received.taken == rest.len() || received.more);
            whole.extend_from_slice(&plaintext);
            rest = &rest[received.taken..];
            if received.ended {
                assert!(!received.more && rest.is_empty());
                break;
            }
        }
        assert!(whole == body, "{max}");
    }
}

#[test]
fn records_are_small_first_and_leave_together() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    for (versions, overhead) in [(TLS12, 8 + 16), (TLS13, 1 + 16)] {
        let client = Arc::new(client(&authority, versions, None));
        let mut pair = connect(&client, "example.org", &hosts).expect("a session");
        let body = vec![b'x'; 200_000];
        let mut out = b"before".to_vec();
        pair.session.write(&body, 0, &mut out).expect("written");
        assert!(out.starts_with(b"before"));
        // Some suites of 1.2 have no nonce in their records.
        let lengths: Vec<usize> = records(&out[6..]);
        let small = RECORD_RAMP.div_ceil(RECORD_SMALL);
        assert!(lengths[..small].iter().all(|&len| RECORD_SMALL < len && len <= RECORD_SMALL + overhead));
        let (last, large) = lengths[small..].split_last().expect("large ones");
        assert!(large.iter().all(|&len| RECORD_LARGE < len && len <= RECORD_LARGE + overhead));
        assert!(*last <= RECORD_LARGE + overhead);
        give_all(&mut pair, &out[6..], &body);

        let cases = [(RECORD_REST_MS, RECORD_LARGE), (2 * RECORD_REST_MS + 1, RECORD_SMALL)];
        for (now_ms, first) in cases {
            let mut out = Vec::new();
            pair.session.write(&body[..20_000], now_ms, &mut out).expect("written");
            assert!((first..=first + overhead).contains(&records(&out)[0]), "{now_ms}");
            give_all(&mut pair, &out, &body[..20_000]);
        }
        let mut out = Vec::new();
        pair.session.write(b"", 0, &mut out).expect("nothing");
        assert!(out.is_empty());
        pair.session.close(&mut out);
        give(&mut pair.client, &out).expect("given");
        assert_eq!(pair.client.reader().read(&mut [0; 1]).expect("a clean end"), 0);
    }
}

/// The client gets what was written.
fn give_all(pair: &mut Pair, mut out: &[u8], body: &[u8]) {
    let mut whole = Vec::new();
    while !out.is_empty() {
        pair.client.read_tls(&mut out).expect("room");
        let state = pair.client.process_new_packets().expect("whole records");
        let mut bytes = vec![0; state.plaintext_bytes_to_read()];
        pair.client.reader().read_exact(&mut bytes).expect("plaintext");
        whole.extend_from_slice(&bytes);
    }
    assert!(whole == body);
}

#[test]
fn what_is_no_handshake() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let hello = hello(&authority);
    let mut long_record = hello.clone();
    // RFC 5246 6.2.3: no record is longer than 2^14 + 2048.
    long_record[3..5].copy_from_slice(&[0x48, 0x01]);
    let mut empty_record = hello[..5].to_vec();
    empty_record[3..5].copy_from_slice(&[0, 0]);
    let data_first = [&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0][..], &[23, 3, 3, 0, 1, 0]].concat();
    let cases: &[(&str, &[u8], IsMeant<'_>, Option<AlertDescription>)] = &[
        ("http", b"GET / HTTP/1.1\r\n\r\n", &|failure| *failure == Failure::PlainHttp, None),
        ("ssh", b"\x00SSH", &|failure| *failure == Failure::NotTls, None),
        ("SSLv2", &[0x80, 0x2e, 1, 0, 2], &|failure| *failure == Failure::NotTls, None),
        ("an alert", &[21, 3, 1, 0, 2, 2, 40], &|failure| *failure == Failure::NotTls, None),
        ("oversized", &long_record, &misbehaved, Some(AlertDescription::DecodeError)),
        ("empty", &empty_record, &misbehaved, Some(AlertDescription::DecodeError)),
        ("no hello", &data_first, &misbehaved, Some(AlertDescription::DecodeError)),
    ];
    for (what, bytes, is_meant, alert) in cases {
        let mut out = Vec::new();
        let failure = Handshake::new(hosts.clone()).feed(bytes, &mut out).expect_err(what);
        assert!(is_meant(&failure), "{what}: {failure:?}");
        let expected = alert.map(|alert| vec![21, 3, 3, 0, 2, 2, u8::from(alert)]);
        assert_eq!(out, expected.unwrap_or_default(), "{what}: {failure:?}");
        fuzzing::handshake(&hosts, bytes);
    }
}

type IsMeant<'a> = &'a dyn Fn(&Failure) -> bool;

fn misbehaved(failure: &Failure) -> bool {
    matches!(failure, Failure::Misbehaved { .. })
}

#[test]
fn a_hello_that_is_cut_off_or_changed_anywhere() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let hello = hello(&authority);
    for len in (0..hello.len()).step_by(17) {
        let progress =
            Handshake::new(hosts.clone()).feed(&hello[..len], &mut Vec::new()).expect("not yet whole");
        assert!(progress.taken == len && progress.session.is_none());
    }
    // Each byte of what is looked at first, some of the long key shares.
    let indices = (0..200).chain((200..hello.len()).step_by(23));
    for index in indices {
        let mut changed = hello.clone();
        changed[index] ^= 0x55;
        fuzzing::handshake(&hosts, &changed);
    }
}

#[test]
fn an_endless_handshake_is_cut_off() {
    let authority = Authority::new("root");
    let trust = Arc::new(ClientTrust::nobody());
    let credential = authority.host(&["example.org"], Algorithm::P256).credential();
    let one = host(&["example.org"], vec![credential], ClientAuth::Asked(trust));
    let hosts = hosts(vec![one], Otherwise::Refuse, &Hands::at(NOW));

    // A ClientHello of 16 MB, promised and sent.
    let mut record = vec![22, 3, 1, 0x40, 0x00, 1, 0xff, 0xff, 0xff];
    record.resize(5 + 0x4000, 0);
    check_endless(Handshake::new(hosts.clone()), &record, &[]);

    // Empty records.
    check_endless(Handshake::new(hosts.clone()), &[22, 3, 1, 0, 0], &[]);

    // In TLS 1.2 the client's certificate is in plain text: one of 16 MB.
    let mut client = new_client(&Arc::new(client(&authority, TLS12, None)), "example.org");
    let mut certificate = vec![22, 3, 3, 0x40, 0x00, 11, 0xff, 0xff, 0xff];
    certificate.resize(5 + 0x4000, 0);
    check_endless(Handshake::new(hosts.clone()), &certificate, &sent_by(&mut client));

    // A client that repeats itself with nothing that ends it.
    let mut pieces = Vec::new();
    for _ in 0..HANDSHAKE_BYTES_MAX {
        pieces.extend_from_slice(&[22, 3, 1, 0, 1, 1]);
    }
    check_endless(Handshake::new(hosts), &pieces, &[]);
}

/// Sends a record again and again: that must end before the bound.
fn check_endless(mut handshake: Handshake, record: &[u8], first: &[u8]) {
    let mut out = Vec::new();
    handshake.feed(first, &mut out).expect("a beginning");
    let mut sent = 0;
    let failure = loop {
        match handshake.feed(record, &mut out) {
            Ok(progress) => assert!(progress.session.is_none()),
            Err(failure) => break failure,
        }
        sent += record.len();
        assert!(sent <= HANDSHAKE_BYTES_MAX, "{sent} bytes without an end");
    };
    assert!(misbehaved(&failure) || failure == Failure::TooMuch, "{failure:?}");
}

#[test]
fn a_broken_record_ends_a_session_with_an_alert() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let mut oversized = vec![23, 3, 3, 0x48, 0x01];
    oversized.resize(5 + 0x4801, 0);
    for versions in VERSIONS {
        let client = Arc::new(client(&authority, versions, None));
        let good = |pair: &mut Pair| {
            pair.client.writer().write_all(b"good").expect("written");
            sent_by(&mut pair.client)
        };
        let broken = |pair: &mut Pair| {
            let mut bytes = good(pair);
            *bytes.last_mut().expect("bytes") ^= 1;
            bytes
        };
        let cases = [
            (None, AlertDescription::BadRecordMac),
            (Some(oversized.as_slice()), AlertDescription::DecodeError),
            (Some(&[99, 3, 3, 0, 1, 0]), AlertDescription::DecodeError),
        ];
        for (bytes, alert) in cases {
            let mut pair = connect(&client, "example.org", &hosts).expect("a session");
            let mut input = good(&mut pair);
            input.extend(bytes.map_or_else(|| broken(&mut pair), <[u8]>::to_vec));
            let (mut plaintext, mut out) = (Vec::new(), Vec::new());
            let failure =
                pair.session.feed(&input, &mut plaintext, PLAINTEXT_MAX, &mut out).expect_err("broken");
            assert!(misbehaved(&failure), "{failure:?}");
            assert_eq!(plaintext, b"good", "what came before counts");
            let told = give(&mut pair.client, &out).expect_err("an alert");
            assert_eq!(told, Rustls::AlertReceived(alert));
            assert!(pair.session.write(b"more", 0, &mut out).is_err(), "nothing follows an alert");
        }
    }
}

#[test]
fn a_session_ends_only_when_the_client_says_so() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    for versions in VERSIONS {
        let client = Arc::new(client(&authority, versions, None));
        let mut pair = connect(&client, "example.org", &hosts).expect("a session");
        let (mut plaintext, mut out) = (Vec::new(), Vec::new());
        let mut feed = |pair: &mut Pair, bytes: &[u8]| {
            pair.session.feed(bytes, &mut plaintext, PLAINTEXT_MAX, &mut out).expect("taken")
        };
        assert!(!feed(&mut pair, b"").ended);
        pair.client.send_close_notify();
        let bytes = sent_by(&mut pair.client);
        assert!(feed(&mut pair, &bytes).ended);
        // RFC 8446 6.1: what follows is ignored.
        let after = feed(&mut pair, b"GET / HTTP/1.1\r\n");
        assert_eq!(after, Received { taken: 16, more: false, ended: true });
        // The other direction is still open.
        let mut out = Vec::new();
        pair.session.write(b"answer", 0, &mut out).expect("written");
        give_all(&mut pair, &out, b"answer");
    }
}

#[test]
fn keys_are_changed_when_the_client_asks() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let mut pair =
        connect(&Arc::new(client(&authority, TLS13, None)), "example.org", &hosts).expect("a session");
    pair.client.refresh_traffic_keys().expect("TLS 1.3");
    pair.client.writer().write_all(b"new keys").expect("written");
    assert_eq!(received(&mut pair).expect("received"), b"new keys");
    let mut out = Vec::new();
    pair.session.write(b"answer", 0, &mut out).expect("written");
    give_all(&mut pair, &out, b"answer");
    // Without end, that is an attack.
    let flood = (0..100).try_for_each(|_| {
        pair.client.refresh_traffic_keys().expect("TLS 1.3");
        received(&mut pair).map(drop)
    });
    assert!(misbehaved(&flood.expect_err("a flood")));
}

#[test]
fn hosts_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Hosts>();
}

#[test]
fn alerts_in_a_handshake_end_it_or_are_counted() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let hello12 = sent_by(&mut new_client(&Arc::new(client(&authority, TLS12, None)), "example.org"));
    // A warning: the end, in plain text, and what nobody should listen to any more.
    let closes = [&[21, 3, 3, 0, 2, 1, 0][..], &[22, 3, 3, 0, 1, 0]].concat();
    for hello in [hello(&authority), hello12] {
        let mut handshake = Handshake::new(hosts.clone());
        let mut out = Vec::new();
        handshake.feed(&hello, &mut out).expect("a beginning");
        let flood = (0..10).try_for_each(|_| handshake.feed(&closes, &mut out).map(drop));
        let failure = flood.expect_err("an end");
        assert!(misbehaved(&failure) || matches!(failure, Failure::Refused { .. }), "{failure:?}");
    }
}

/// A ClientHello of that version, as programs sent it that knew no extensions.
fn hello_of_old(version: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41];
    hello.extend(version);
    hello.extend([7; 32]);
    // No session, one suite, no compression.
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    hello
}

#[test]
fn old_versions_are_told_so() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    for (version, alert) in [([3, 0], 70), ([3, 1], 70), ([3, 2], 70), ([3, 3], 40)] {
        let hello = hello_of_old(version);
        for size in [1, 10, hello.len()] {
            let (mut handshake, mut out) = (Handshake::new(Arc::clone(&hosts)), Vec::new());
            let fed: Result<Vec<_>, _> =
                hello.chunks(size).map(|piece| handshake.feed(piece, &mut out)).collect();
            assert!(matches!(fed, Err(Failure::Incompatible { .. })), "{version:?} by {size}: {fed:?}");
            assert_eq!(out, [21, 3, 3, 0, 2, 2, alert], "{version:?} by {size}");
        }
    }
}
