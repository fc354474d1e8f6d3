//! Contents that are coded, undone by the programs that others use.

use std::io::Write;
use std::process::{Command, Stdio};

/// What `coded` is without its coding.
///
/// # Panics
/// When the program for it is missing, or says that it is no such content.
#[must_use]
pub fn decode(coding: &str, coded: &[u8]) -> Vec<u8> {
    let program = if coding == "br" { "brotli" } else { coding };
    let mut child = Command::new(program)
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}, which `cargo xtask setup` installs: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let coded = coded.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&coded));
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    writer.join().expect("the writer ends").expect("the program reads");
    output.stdout
}
