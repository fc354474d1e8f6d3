//! What an idle session costs. The only test of its process, for it looks at all memory of it.

use std::fs;
use std::io::Write;
use std::sync::Arc;

mod common;
use common::*;

/// So many that what is shared does not count.
const SESSIONS: usize = 600;

/// Bytes of memory of an idle session: rustls keeps 4 KiB to read into, the rest are keys and state.
const IDLE_MAX: usize = 9 * 1024;

/// With less than this the measurement would be wrong.
const IDLE_MIN: usize = 4 * 1024;

/// Memory of this process in bytes, with what the C library has given out to the cryptography.
fn resident() -> usize {
    const PAGE: usize = 4096;
    let text = fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * PAGE
}

#[test]
fn an_idle_session_is_small() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let body = vec![b'x'; 64 * 1024];
    // All stay to the end: memory that was given back would be used again, and not be seen.
    let mut kept = Vec::new();
    for versions in VERSIONS {
        let open = || {
            // A new client each time, so that none resumes.
            let mut pair =
                connect(&Arc::new(client(&authority, versions, None)), "example.org", &hosts).expect("in");
            pair.client.writer().write_all(&body[..40_000]).expect("written");
            received(&mut pair).expect("received");
            pair.session.write(&body, 0, &mut Vec::new()).expect("written");
            pair.session.slim();
            pair.session
        };
        // The first ones bring what is shared into memory.
        kept.extend((0..50).map(|_| open()));
        let before = resident();
        let sessions: Vec<_> = (0..SESSIONS).map(|_| open()).collect();
        let each = (resident() - before) / SESSIONS;
        println!(
            "{:?}: {each} bytes, {} of them in place",
            sessions[0].version(),
            size_of_val(&*sessions[0])
        );
        assert!((IDLE_MIN..=IDLE_MAX).contains(&each), "{each} bytes for an idle session");
        kept.extend(sessions);
    }
}
