//! Every file of `config-examples/` is found valid by `kimura -t`, starts, and serves.

#![forbid(unsafe_code)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use e2e::response::Asked;
use e2e::{Client, Failure, Folder, Options, Outcome, Server};

/// Where the addresses of the examples begin; each gets a free port instead.
const ADDRESS: &str = "\"127.0.0.1:";

#[test]
fn every_example_serves() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples");
    let folder = Folder::new("examples").expect("a folder");
    let mut examples = Vec::new();
    copy(&source, folder.path(), &mut examples).expect("copy the examples");
    assert!(!examples.is_empty(), "no example");
    let failures: Vec<String> = examples
        .iter()
        .filter_map(|path| serve(path).err().map(|failure| format!("{}: {failure}", path.display())))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Copies a folder and remembers the examples.
fn copy(from: &Path, to: &Path, examples: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in fs::read_dir(from).map_err(Failure::machine("list", from))? {
        let path = entry.map_err(Failure::machine("list", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            fs::create_dir(&target).map_err(Failure::machine("create folder", &target))?;
            copy(&path, &target, examples)?;
        } else {
            fs::copy(&path, &target).map_err(Failure::machine("copy", &path))?;
            if path.extension().is_some_and(|extension| extension == "conf") {
                examples.push(target);
            }
        }
    }
    Ok(())
}

/// The text with a free port in each address of a list; what a comment says stays.
fn move_ports(text: &str) -> Outcome<String> {
    let mut moved = String::new();
    for line in text.lines() {
        match line.split_once(ADDRESS) {
            Some((before, after)) if !before.trim_start().starts_with("//") => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                moved.push_str(&format!("{before}{ADDRESS}{}{rest}\n", free_port()?));
            }
            _ => moved.push_str(&format!("{line}\n")),
        }
    }
    Ok(moved)
}

fn free_port() -> Outcome<u16> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(address.map_err(Failure::machine("bind", "127.0.0.1:0"))?.port())
}

fn serve(example: &Path) -> Outcome<()> {
    // Not earlier: what is free now may be somebody's in a moment.
    let text = move_ports(&fs::read_to_string(example).map_err(Failure::machine("read", example))?)?;
    fs::write(example, &text).map_err(Failure::machine("write", example))?;
    let tested = e2e::binary::output(["-t".as_ref(), "-c".as_ref(), example.as_os_str()])?;
    if !tested.status.success() {
        return Err(Failure::mismatch("kimura -t", "exit status 0", String::from_utf8_lossy(&tested.stderr)));
    }
    // The one that says nothing about addresses would take the default port.
    let mut options = Options::default();
    if !text.contains("\"listen\"") {
        options.arguments = vec!["--set".into(), "/server/listen=[\"127.0.0.1:0\"]".into()];
    }
    let server = Server::start(example, &options)?;
    let mut client = Client::connect(&server.place(1)?)?;
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let response = client.response(Asked::Other)?;
    if response.status != 200 || response.body.is_empty() {
        return Err(Failure::mismatch("the first page", 200, response.status));
    }
    server.stop().map(drop)
}
