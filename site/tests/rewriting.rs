//! The table of rules, URLs and outcomes, by the site alone: no socket, no engine.

mod table;

use std::fs;
use std::path::Path;

use config::Source;
use proto_http::{Head, HeadParser, Limits, path};
use site::{
    Action, Arrival, Exchange, Inquiry, Kind, Place, Security, Site, Trail, Walk, decide, decide_untried,
};
use table::Row;

/// At least so many, so that a table that reads as empty is noticed.
const ROWS_MIN: usize = 60;

#[test]
fn every_row_has_its_outcome() {
    let folder = std::env::temp_dir().join(format!("kimura-rewriting-{}", std::process::id()));
    let root = folder.join("www");
    fs::create_dir_all(&root).expect("a folder");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rewriting.table");
    let groups = table::read(&path, &root);
    assert!(ROWS_MIN <= groups.iter().map(|group| group.rows.len()).sum());
    let mut faults = Vec::new();
    for group in &groups {
        let source = Source { name: group.name.clone(), text: group.configuration.clone() };
        let loaded = config::load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let site = site::compile(&loaded.config, &loaded.registry);
        let site = site.unwrap_or_else(|problems| panic!("{}: {problems}", group.name));
        for row in &group.rows {
            let (status, outcome) = answer(&site, row, &root);
            let fits = row.outcome.as_ref().is_none_or(|wanted| *wanted == outcome);
            if status != row.status || !fits {
                let outcome = String::from_utf8_lossy(&outcome).into_owned();
                faults.push(format!("{}: {}\n  is {status} {outcome}", group.name, row.text));
            }
        }
    }
    fs::remove_dir_all(&folder).expect("the folder goes");
    assert!(faults.is_empty(), "{} rows:\n{}", faults.len(), faults.join("\n"));
}

fn answer(site: &Site, row: &Row, root: &Path) -> (u16, Vec<u8>) {
    let bytes = row.head();
    let mut head = Head::default();
    let limits = Limits::default();
    if let Err(bad) = HeadParser::default().parse(&bytes, &limits, &mut head) {
        return (bad.status().code(), Vec::new());
    }
    let request = head.view(&bytes);
    let mut scratch = Vec::new();
    let asked = match path::normalize_keeping(request.path(), &mut scratch) {
        Ok(path) => path,
        Err(bad) => return (bad.status().code(), Vec::new()),
    };
    let place = match site.locate(0, &request, asked) {
        Ok(place) => place,
        Err(status) => return (status.code(), Vec::new()),
    };
    let client = row.from.parse().ok();
    let inquiry = Inquiry { request, asked, client, security: Security::Plain };
    let mut trail = Trail::default();
    trail.begin(asked, request.query());
    let mut walk = Walk::new(place.host);
    loop {
        let action = match walk.go(&inquiry, &mut trail, &mut |_| {}) {
            Arrival::Circle { .. } => return (500, Vec::new()),
            Arrival::Answered(_, action) => return told(action, &trail, root),
            Arrival::Place(place) => decide(&exchange(&inquiry, place, &trail)),
            Arrival::Untried(place) => decide_untried(&exchange(&inquiry, place, &trail)),
            Arrival::Asks(_) => {
                let (kind, path) = trail.asked();
                let there = is_there(kind, path, root);
                trail.answer(there);
                continue;
            }
        };
        if !matches!(action, Action::Try(_)) {
            return told(action, &trail, root);
        }
    }
}

fn is_there(kind: Kind, path: &[u8], root: &Path) -> bool {
    let Ok(path) = std::str::from_utf8(path) else { return false };
    let there = root.join(&path[1..]);
    match kind {
        Kind::File => there.is_file() && !path.ends_with('/'),
        Kind::Folder => there.is_dir(),
    }
}

fn exchange<'x>(inquiry: &Inquiry<'x>, place: Place<'x>, trail: &'x Trail) -> Exchange<'x> {
    Exchange {
        request: inquiry.request,
        path: trail.path(),
        query: trail.query(),
        asked: inquiry.asked,
        place,
        client: inquiry.client,
        security: inquiry.security,
        holder: None,
    }
}

fn told(action: Action<'_>, trail: &Trail, root: &Path) -> (u16, Vec<u8>) {
    match action {
        Action::Respond(answer) => (answer.status.code(), Vec::new()),
        Action::Redirect { status, location } => (status.code(), location),
        Action::Reply { status, body, .. } => (status.code(), body.into_owned()),
        Action::File(_) => file(trail, root),
        other => panic!("the table has no outcome for {other:?}"),
    }
}

/// What the engine makes of a path: a stand-in for its look-up of files, for a folder without links.
fn file(trail: &Trail, root: &Path) -> (u16, Vec<u8>) {
    let Ok(path) = String::from_utf8(trail.path().to_vec()) else { return (404, Vec::new()) };
    let there = root.join(&path[1..]);
    if there.is_dir() && !path.ends_with('/') {
        let query = trail.query().map(|query| format!("?{}", String::from_utf8_lossy(query)));
        return (301, format!("{path}/{}", query.unwrap_or_default()).into_bytes());
    }
    let there = if path.ends_with('/') { there.join("index.html") } else { there };
    fs::read(there).map_or((404, Vec::new()), |content| (200, content))
}
