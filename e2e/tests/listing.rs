//! Listings of folders as a browser shows them, with names that are meant to do harm; and of folders that are large.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::browser::{Home, Prompt};
use e2e::response::Asked;
use e2e::{Browser, Folder, Options, Server};
use serde_json::{Value, json};

const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/listing");

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"] },
  "hosts": { "localhost": { "root": "${root}", "listing": "auto" } }
}"#;

/// Names of files, each with what must be seen of it.
const NAMES: &[(&[u8], &str)] = &[
    (b"<img src=x onerror=alert(1)>.txt", "<img src=x onerror=alert(1)>.txt"),
    (b"\" autofocus onfocus=\"alert(1)", "\" autofocus onfocus=\"alert(1)"),
    (b"' onclick='alert(1)", "' onclick='alert(1)"),
    (b"javascript:alert(1)", "javascript:alert(1)"),
    (b"\\\\evil.example\\x", "\\\\evil.example\\x"),
    (b"100% a?b#c&amp;.txt", "100% a?b#c&amp;.txt"),
    (b"<td><table><script>alert(1)<", "<td><table><script>alert(1)<"),
    ("evil\u{202e}txt.exe".as_bytes(), "evilU+202Etxt.exe"),
    ("\u{5e2}\u{5d1}\u{5e8}\u{5d9}\u{5ea}.txt".as_bytes(), "\u{5e2}\u{5d1}\u{5e8}\u{5d9}\u{5ea}.txt"),
    ("\u{4e2d}\u{6587}.txt".as_bytes(), "\u{4e2d}\u{6587}.txt"),
    (b"not \xff\xfe UTF-8", "not FFFE UTF-8"),
    (b"line\nbreak\x1b[31m", "lineU+000AbreakU+001B[31m"),
    (b"a long name without any place at which it could be broken, but for the fact that it has to be broken on a phone_and_on_and_on_and_on_and_on_and_on.txt", "a long name"),
];

/// What a page has: the links of its rows, whether each stays in the folder, and whether something has run.
const LOOK: &str = r#"(() => {
  const links = [...document.querySelectorAll("tbody a")].map(link => link.href);
  return {
    rows: document.querySelectorAll("tbody tr").length,
    inside: links.slice(1).every(link => link.startsWith(location.origin + "/shown/")),
    foreign: document.querySelectorAll("tbody img, tbody script, tbody [onclick], tbody [onfocus]").length,
    first: document.querySelector("tbody tr:nth-child(2) td").innerText,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    filled: document.querySelector("tbody tr").getBoundingClientRect().width / document.body.clientWidth,
    sorted: [...document.querySelectorAll("th")].map(head => head.getAttribute("aria-sort")),
  };
})()"#;

/// The path of each link to a file, and what is said of its size.
const LINKS: &str = r#"[...document.querySelectorAll("td[title]")].flatMap(size => {
  const link = size.parentNode.querySelector("a");
  return link ? [[new URL(link.href).pathname, size.title]] : [];
})"#;

fn start(folder: &Folder) -> (Server, u16) {
    let root = folder.path().join("www");
    let text = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let port = match server.place(1).expect("an address") {
        e2e::output::Place::Ip(address) => address.port(),
        place => panic!("{place:?}"),
    };
    (server, port)
}

#[test]
fn a_browser_shows_names_and_nothing_else() {
    let folder = Folder::new("listing").expect("a folder");
    folder.write("www/shown/music/a.txt", b"a").expect("write");
    folder.write("www/shown/pictures/a.txt", b"a").expect("write");
    for (number, (name, _)) in NAMES.iter().enumerate() {
        let path = folder.path().join("www/shown").join(OsStr::from_bytes(name));
        let content = vec![b'x'; 1 << number];
        fs::write(&path, content).expect("write");
    }
    let (server, port) = start(&folder);
    let home = Home::new("listing").expect("a home");
    let mut browser = Browser::start(&home).expect("Chromium, which `cargo xtask setup` installs");
    let url = format!("http://localhost:{port}/shown/");
    let visit = browser.open(&url, Prompt::Cancel).expect("a page");
    assert_eq!(visit.status, 200);
    for (name, seen) in NAMES {
        assert!(visit.text.contains(seen), "{} in {}", name.escape_ascii(), visit.text);
    }
    let page = browser.evaluate(LOOK).expect("a look");
    assert_eq!(page["foreign"], 0, "{page}");
    assert_eq!(page["inside"], true, "{page}");
    assert_eq!(page["sorted"], json!(["ascending", "none", "none"]), "{page}");

    // Each link leads to the file that it is about: the number of its bytes tells. The page itself may ask for nothing.
    let links = browser.evaluate(LINKS).expect("links");
    let links = links.as_array().expect("a list");
    assert_eq!(links.len(), NAMES.iter().filter(|(name, _)| !name.iter().any(u8::is_ascii_control)).count());
    let mut client = server.connect().expect("a connection");
    for link in links {
        let (path, title) = (link[0].as_str().expect("a path"), link[1].as_str().expect("a title"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.send(request.as_bytes()).expect("it takes the request");
        let response = client.response(Asked::Other).expect("an answer");
        assert_eq!(
            (response.status, format!("{} bytes", response.body.len()).as_str()),
            (200, title),
            "{path}"
        );
    }
    drop(client);

    // Light and dark, wide and narrow.
    let colour = "getComputedStyle(document.body).backgroundColor";
    let mut colours = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.command("Emulation.setEmulatedMedia", &features).expect("a preference");
        colours.push(browser.evaluate(colour).expect("a colour"));
        for (form, width, height) in [("desktop", 1000, 760), ("phone", 360, 760)] {
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": form == "phone" });
            browser.command("Emulation.setDeviceMetricsOverride", &size).expect("a size");
            let page = browser.evaluate(LOOK).expect("a look");
            assert!(page["overflow"].as_i64().is_some_and(|more| more <= 0), "{form}: {page}");
            assert!(page["filled"].as_f64().is_some_and(|part| 0.8 < part), "{form}: {page}");
            picture(&mut browser, &format!("{form}-{scheme}.png"));
        }
    }
    assert_ne!(colours[0], colours[1]);

    // Sorting is by links; folders stay first.
    for (query, sorted, first) in [
        ("?sort=size&order=desc", json!(["none", "descending", "none"]), "pictures/"),
        ("?sort=name&order=desc", json!(["descending", "none", "none"]), "pictures/"),
        ("?sort=name&order=asc", json!(["ascending", "none", "none"]), "music/"),
    ] {
        let visit = browser.open(&format!("{url}{query}"), Prompt::Cancel).expect("a page");
        assert_eq!(visit.status, 200);
        let page = browser.evaluate(LOOK).expect("a look");
        assert_eq!(page["sorted"], sorted, "{query}: {page}");
        let shown = page["first"].as_str().unwrap_or_default();
        assert!(shown.starts_with(first), "{query}: {page}");
    }
    server.stop().expect("the server ends in order");
}

/// Renews a picture of the documentation.
fn picture(browser: &mut Browser, name: &str) {
    let shot = browser.command("Page.captureScreenshot", &json!({ "format": "png" })).expect("a picture");
    if std::env::var_os("UPDATE_GOLDEN").is_none() {
        return;
    }
    let decoder = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut decoder = decoder.expect("base64 runs");
    let text = shot["data"].as_str().expect("a text").as_bytes().to_vec();
    let mut input = decoder.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || input.write_all(&text));
    let mut bytes = Vec::new();
    decoder.stdout.take().expect("a pipe").read_to_end(&mut bytes).expect("its output");
    writer.join().expect("it ends").expect("it reads");
    decoder.wait().expect("it ends");
    fs::create_dir_all(PICTURES).expect("a folder");
    fs::write(Path::new(PICTURES).join(name), bytes).expect("written");
}

#[test]
fn a_large_folder_is_shown_in_part_and_in_time() {
    const FILES: usize = 100_000;
    const SHOWN: usize = 5000;
    let folder = Folder::new("listing-large").expect("a folder");
    let place = folder.path().join("www/large");
    fs::create_dir_all(&place).expect("a folder");
    for number in 0..FILES {
        File::create(place.join(format!("{number:06}"))).expect("a file");
    }
    let (server, _) = start(&folder);
    let before = server.resident().expect("its memory");
    let mut client = server.connect().expect("a connection");
    let begun = Instant::now();
    client
        .send(b"GET /large/ HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
        .expect("it takes the request");
    let response = client.response(Asked::Other).expect("an answer");
    let took = begun.elapsed();
    let listing: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(listing["entries"].as_array().map(Vec::len), Some(SHOWN));
    assert_eq!(listing["whole"], false);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let more = server.resident().expect("its memory").saturating_sub(before);
    assert!(more < 16 << 20, "{more} bytes more");
    server.stop().expect("the server ends in order");
}
