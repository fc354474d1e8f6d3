//! What the command answers without serving.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

fn kimura(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kimura"))
        .args(arguments)
        .current_dir(folder)
        // The files of whoever runs the test are none of its business.
        .env("HOME", folder)
        .output()
        .expect("the command starts")
}

/// Runs the command and compares: exit status, and a part of what each stream gets; nothing when it is empty.
fn check(folder: &Path, line: &str, code: i32, stdout: &str, stderr: &str) {
    let output = kimura(folder, &line.split_whitespace().collect::<Vec<_>>());
    for (name, bytes, wanted) in [("stdout", &output.stdout, stdout), ("stderr", &output.stderr, stderr)] {
        let text = String::from_utf8_lossy(bytes);
        let right = if wanted.is_empty() { text.is_empty() } else { text.contains(wanted) };
        assert!(right, "kimura {line}: {name} is {text:?}, not {wanted:?}");
    }
    assert_eq!(output.status.code(), Some(code), "kimura {line}");
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("good.conf", r#"{"hosts": {"a.example": {"root": "."}, "b.example": {"root": "."}}}"#);
    write("unknown.conf", "{\"hosts\": {\"a.example\": {\n  \"rooot\": \".\"}}}");
    write("missing.conf", "{\"hosts\": {\"a.example\": {\"root\": \"nowhere\"}}}");
    std::fs::write(folder.path().join("latin1.conf"), b"{\n// \xe9\n}").expect("a file");
    folder
}

#[test]
fn asked_for_text_it_prints_text() {
    let folder = folder();
    let version = concat!("kimura ", env!("CARGO_PKG_VERSION"), "\n");
    for (line, stdout) in [
        ("-h", "Usage: kimura [OPTION]... [DIR]"),
        ("--help", "-c, --conf PATH"),
        ("-v", version),
        ("--version", version),
        ("--generate man", ".Dt KIMURA 1"),
        ("--generate bash", "complete -o filenames -F _kimura kimura"),
        ("--generate zsh", "#compdef kimura"),
        ("--generate fish", "complete -c kimura -s c -l conf"),
    ] {
        check(folder.path(), line, 0, stdout, "");
    }
}

#[test]
fn refused_it_says_why_and_exits_with_1() {
    let folder = folder();
    for (line, stderr) in [
        ("--verbos", "kimura: unknown option '--verbos'; did you mean '--verbose'?\n"),
        ("-m one,two", "kimura: this version cannot connect to managers; leave '--manager' out\n"),
        ("-c", "kimura: option '--conf' needs a value: --conf PATH\n"),
        ("-c absent.conf", "kimura: cannot read the configuration absent.conf: No such file or directory"),
        ("-c latin1.conf", "cannot read the configuration latin1.conf: line 2 is not UTF-8"),
        ("-c .", "kimura: cannot read the configuration .: Is a directory"),
        ("-c unknown.conf", "unknown.conf:2:3: unknown key \"rooot\""),
        ("-c missing.conf", "missing.conf:1:34: the folder"),
        ("-t -c unknown.conf", "unknown.conf:2:3: unknown key \"rooot\""),
        ("-t --set /server/shards=none", "--set /server/shards=none"),
        ("-t --set shards=1", "--set shards=1"),
        (
            "-t --set /server/error_log=/absent/e.log",
            "/absent/e.log cannot be made: its folder does not exist",
        ),
        (
            "-t --set /defaults/access_log=/absent/a.log",
            "/absent/a.log cannot be made: its folder does not exist",
        ),
        (
            "--set /defaults/access_log=/absent/a.log --set /server/listen=[\"127.0.0.1:0\"]",
            "cannot be made: its folder does not exist",
        ),
        ("-t -u nobody-of-this-name", "--user nobody-of-this-name"),
        ("-t -g nobody-of-this-name", "--group nobody-of-this-name"),
        ("absent", "absent"),
    ] {
        check(folder.path(), line, 1, "", stderr);
    }
}

#[test]
fn tested_it_sums_up_what_it_found() {
    let folder = folder();
    for (line, stdout) in [
        ("-t -c good.conf", "configuration ok: configuration good.conf; 2 hosts, 0 locations, 1 address\n"),
        ("-t", "configuration ok: no configuration file, folder .; 1 host, 0 locations, 1 address\n"),
        ("-t .", "configuration ok: no configuration file, folder .; 1 host, 0 locations, 1 address\n"),
        ("-t -V", "configuration ok: "),
        (
            "-t -V -c good.conf",
            "kimura: worker\n  user     that of the start\n  reads    /sys/devices/system .",
        ),
        (
            "-t -V -c good.conf",
            "kimura: auth\n  user     that of the start\n  reads    what it is handed\n  calls    ",
        ),
        ("-t -V --set /server/sandbox=false", "keeps    all its rights (\"sandbox\" is false)\n"),
        ("-t -V --set /server/privsep=false", "one process with all rights of its user"),
    ] {
        check(folder.path(), line, 0, stdout, "");
    }
}

#[test]
fn the_home_folder_is_searched_first() {
    let folder = folder();
    std::fs::copy(folder.path().join("good.conf"), folder.path().join(".kimura.conf")).expect("a copy");
    check(folder.path(), "-t", 0, "/.kimura.conf; 2 hosts", "");
    std::fs::copy(folder.path().join("unknown.conf"), folder.path().join(".kimura.conf")).expect("a copy");
    check(folder.path(), "-t", 1, "", "/.kimura.conf:2:3: unknown key");
    // A folder given is served whatever the files say.
    check(folder.path(), "-t .", 0, "folder .; 1 host", "");
}
