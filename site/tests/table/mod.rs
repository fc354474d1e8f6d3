//! The table of rules, URLs and outcomes: `testdata/rewriting.table` tells its form.

use std::fs;
use std::path::{Path, PathBuf};

/// One configuration with its rows.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) configuration: String,
    pub(crate) rows: Vec<Row>,
}

/// A request, and what becomes of it.
pub(crate) struct Row {
    /// As it stands in the table.
    pub(crate) text: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) from: String,
    pub(crate) status: u16,
    /// Location or content; none where it does not matter.
    pub(crate) outcome: Option<Vec<u8>>,
}

impl Row {
    /// The head of the request.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.extend_from_slice(b"Host: example.org\r\n");
        }
        for (name, value) in &self.fields {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Everything in the table; files are made in `root`, and `${root}` is filled in.
pub(crate) fn read(path: &Path, root: &Path) -> Vec<Group> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut groups: Vec<Group> = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("file ") {
            make_file(root, name);
        } else if let Some(pair) = line.strip_prefix("map ") {
            let (name, pair) = pair.split_once(' ').expect("a file and a line of it");
            add_line(&root.join(name), pair);
        } else if let Some(name) = line.strip_prefix("config ") {
            groups.push(Group { name: name.to_owned(), configuration: String::new(), rows: Vec::new() });
        } else {
            let group = groups.last_mut().expect("a configuration comes first");
            if line.starts_with(' ') {
                let line = line.replace("${root}", &root.to_string_lossy());
                group.configuration.push_str(&line);
                group.configuration.push('\n');
            } else {
                group.rows.push(row(line));
            }
        }
    }
    groups
}

fn make_file(root: &Path, name: &str) {
    let path: PathBuf = root.join(name);
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, format!("file /{name}"))).expect("a file");
}

fn add_line(path: &Path, line: &str) {
    let before = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, format!("{before}{line}\n")).expect("a map");
}

fn row(line: &str) -> Row {
    let (request, outcome) = line.split_once(" => ").unwrap_or_else(|| panic!("no outcome: {line}"));
    let mut parts = request.split(" [");
    let first = parts.next().unwrap_or_default();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
    let mut row = Row {
        text: line.to_owned(),
        method: method.to_owned(),
        target: repeated(target),
        fields: Vec::new(),
        from: "127.0.0.1".to_owned(),
        status: 0,
        outcome: None,
    };
    for part in parts {
        let part = part.strip_suffix(']').unwrap_or_else(|| panic!("no end: {line}"));
        match part.split_once(": ") {
            Some((name, value)) => row.fields.push((name.to_owned(), bytes(value))),
            None => part.strip_prefix("from ").expect("a field or an address").clone_into(&mut row.from),
        }
    }
    let (status, text) =
        outcome.split_once(' ').map_or((outcome, None), |(status, text)| (status, Some(text)));
    row.status = status.parse().unwrap_or_else(|_| panic!("no status: {line}"));
    row.outcome = text.map(bytes);
    row
}

/// `${COUNTxTEXT}` stands for that much of it.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').expect("the end of a repetition");
    let (count, part) = inner.split_once('x').expect("count and text of a repetition");
    format!("{before}{}{}", part.repeat(count.parse().expect("a count")), repeated(after))
}

/// `\xNN` is that byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&after[..2], 16).expect("two digits"));
        rest = &after[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
