//! Every entry of `wrong-config.txt`, through `kimura -t` and through a real start: exit status 1, the place, a
//! caret, cause and cure, and nothing that listens. A fault on the command line has no place.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;

use e2e::Folder;

/// At least so many, so that a table that reads as empty is noticed.
const ENTRIES_MIN: usize = 40;

#[test]
fn each_is_told_and_nothing_starts() {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/wrong-config.txt")).expect("the table");
    let bench = Bench::new();
    let entries = Entry::read_all(&bench.fill(&text));
    assert!(ENTRIES_MIN <= entries.len(), "only {} entries", entries.len());
    let mut faults = Vec::new();
    for entry in &entries {
        let configuration = bench.folder.write("kimura.conf", entry.configuration.as_bytes()).expect("write");
        if !entry.only_start {
            let tested = kimura(&configuration, &["-t"], &entry.flags);
            faults.extend(entry.judge(&configuration, "-t", &tested));
        }
        let started = kimura(&configuration, &[], &entry.flags);
        faults.extend(entry.judge(&configuration, "start", &started));
        faults.extend(bench.listens().then(|| format!("{}: something listens", entry.name)));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// What the configurations refer to.
struct Bench {
    folder: Folder,
    free: SocketAddr,
    taken: TcpListener,
}

impl Bench {
    fn new() -> Bench {
        let folder = Folder::new("wrong").expect("a folder");
        folder.write("www/file.txt", b"").expect("write");
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        Bench { folder, free, taken }
    }

    fn fill(&self, text: &str) -> String {
        let root = self.folder.path().join("www");
        let taken = self.taken.local_addr().expect("an address").port();
        text.replace("${root}", &root.to_string_lossy())
            .replace("${file}", &root.join("file.txt").to_string_lossy())
            .replace("${port1}", &self.free.port().to_string())
            .replace("${taken}", &taken.to_string())
    }

    fn listens(&self) -> bool {
        TcpStream::connect(self.free).is_ok()
    }
}

struct Entry {
    name: String,
    says: Vec<String>,
    flags: Vec<String>,
    only_start: bool,
    /// Whether there is nothing else to be told.
    alone: bool,
    configuration: String,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
}

impl Entry {
    fn read_all(text: &str) -> Vec<Entry> {
        text.split("\n== ").skip(1).map(Entry::read).collect()
    }

    fn read(text: &str) -> Entry {
        let (name, rest) = text.split_once('\n').expect("a name and more");
        let mut entry = Entry {
            name: name.to_owned(),
            says: Vec::new(),
            flags: Vec::new(),
            only_start: false,
            alone: false,
            configuration: String::new(),
            place: None,
        };
        for (number, line) in rest.lines().enumerate() {
            // The directives stand at the front; what looks like one later is configuration.
            let switches = usize::from(entry.only_start) + usize::from(entry.alone);
            let is_front = number == entry.says.len() + switches + entry.flag_lines();
            match line.split_once(' ').unwrap_or((line, "")) {
                ("says", part) if is_front => entry.says.push(part.to_owned()),
                ("start", "") if is_front => entry.only_start = true,
                ("alone", "") if is_front => entry.alone = true,
                ("flags", flags) if is_front => entry.flags = flags.split(' ').map(str::to_owned).collect(),
                _ => {
                    entry.configuration.push_str(line);
                    entry.configuration.push('\n');
                }
            }
        }
        entry.take_mark();
        entry
    }

    fn flag_lines(&self) -> usize {
        usize::from(!self.flags.is_empty())
    }

    fn take_mark(&mut self) {
        let Some((before, after)) = self.configuration.split_once("@@") else { return };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.place = Some((line, column));
        self.configuration = format!("{before}{after}");
    }

    fn judge(&self, configuration: &Path, how: &str, output: &Output) -> Vec<String> {
        let said = String::from_utf8_lossy(&output.stderr);
        let mut lacks = Vec::new();
        if output.status.code() != Some(1) {
            lacks.push(format!("exit status 1 (it is {})", output.status));
        }
        let mut wanted = self.says.clone();
        if let Some((line, column)) = self.place {
            wanted.push(format!("{}:{line}:{column}: ", configuration.display()));
            wanted.push("| ".to_owned());
            wanted.push("^".to_owned());
            wanted.push("cure: ".to_owned());
        }
        lacks.extend(wanted.into_iter().filter(|part| !said.contains(part.as_str())));
        if self.alone && said.matches("cure: ").count() != 1 {
            lacks.push("silence about all else".to_owned());
        }
        if lacks.is_empty() {
            return Vec::new();
        }
        vec![format!("{} ({how}): lacks {lacks:?} in:\n{said}", self.name)]
    }
}

fn kimura(configuration: &Path, flags: &[&str], more: &[String]) -> Output {
    let mut arguments: Vec<OsString> = flags.iter().map(OsString::from).collect();
    arguments.extend(more.iter().map(OsString::from));
    arguments.extend(["-c".into(), configuration.into()]);
    e2e::binary::output(arguments).expect("kimura runs")
}
