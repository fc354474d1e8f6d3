//! The page of live logs in a real browser.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::browser::{Home, Prompt};
use e2e::{Browser, until};
use serde_json::{Value, json};

use crate::SEEN_WITHIN;
use crate::shown::Shown;

/// Where the documentation has its pictures.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/comet");

/// Asks for a target and answers how many milliseconds after the answer its line has come.
const ASK_AND_SEE: &str = r#"(async (target) => {
  const list = document.getElementById("log");
  const has = () => list.lastElementChild && list.lastElementChild.textContent.includes(target);
  const seen = new Promise((done) => new MutationObserver(() => { if (has()) done(performance.now()); }).observe(list, { childList: true }));
  await (await fetch(target)).text();
  const answered = performance.now();
  return Math.max(await seen - answered, 0);
})"#;

/// A browser that has logged in and looks.
struct Looker {
    browser: Browser,
    _home: Home,
}

impl Looker {
    fn at(shown: &Shown) -> Looker {
        let home = Home::new("comet-page").expect("a home");
        let browser = Browser::start(&home).expect("Chromium, which `cargo xtask setup` installs");
        let mut looker = Looker { browser, _home: home };
        let url = format!("http://localhost:{}/login/", shown.address.port());
        let typed = Prompt::Type { user: "anna", password: "secret" };
        let visit = looker.browser.open(&url, typed).expect("a page");
        assert_eq!((visit.status, visit.prompts), (200, 1));
        looker.until("it is live", r#"document.getElementById("state").textContent === "live""#);
        looker
    }

    fn value(&mut self, expression: &str) -> Value {
        self.browser.evaluate(expression).expect("a value")
    }

    /// Waits until an expression is true.
    fn until(&mut self, what: &str, expression: &str) {
        until(what, || self.browser.evaluate(expression).expect("a value") == json!(true));
    }

    fn until_seen(&mut self, text: &str) {
        let expression = format!(r#"document.getElementById("log").textContent.includes({})"#, json!(text));
        self.until(text, &expression);
    }

    /// Types into a field.
    fn fill(&mut self, field: &str, text: &str) {
        let (field, text) = (json!(field), json!(text));
        self.value(&format!(
            r#"{{ const field = document.getElementById({field}); field.value = {text};
               field.dispatchEvent(new Event("input", {{ bubbles: true }})); }}"#
        ));
    }

    fn press(&mut self, key: &str) {
        self.value("document.getElementById('log').focus()");
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "text": if kind == "keyDown" { key } else { "" } });
            self.browser.command("Input.dispatchKeyEvent", &event).expect("a key");
        }
    }

    /// Shows it as users with this preference see it; answers the colour behind everything.
    fn prefer(&mut self, scheme: &str) -> Value {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.browser.command("Emulation.setEmulatedMedia", &features).expect("a preference");
        self.value("getComputedStyle(document.body).backgroundColor")
    }

    /// Renews a picture of the documentation.
    fn picture(&mut self, name: &str) {
        let shot =
            self.browser.command("Page.captureScreenshot", &json!({ "format": "png" })).expect("a picture");
        let mut decoder =
            Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let decoder = decoder.as_mut().expect("base64 runs");
        let text = shot["data"].as_str().expect("a text").as_bytes().to_vec();
        let mut input = decoder.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || input.write_all(&text));
        let mut output = decoder.stdout.take().expect("a pipe");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut output, &mut bytes).expect("its output");
        writer.join().expect("it ends").expect("it reads");
        decoder.wait().expect("it ends");
        assert!(bytes.starts_with(b"\x89PNG"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(Path::new(PICTURES).join(name), bytes).expect("written");
        }
    }
}

#[test]
fn a_browser_sees_a_request_at_once() {
    let shown = Shown::start();
    let mut looker = Looker::at(&shown);
    let mut times: Vec<f64> = (0..9)
        .map(|number| {
            let time = looker.value(&format!(r#"{ASK_AND_SEE}("/hello.txt?number-{number}")"#));
            time.as_f64().expect("a time")
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    // Half of them, as for other viewers.
    assert!(Duration::from_secs_f64(times[4] / 1000.0) <= SEEN_WITHIN, "{times:?}");
}

#[test]
fn a_browser_chooses_pauses_and_comes_again() {
    let shown = Shown::start();
    let mut looker = Looker::at(&shown);
    for target in ["/hello.txt", "/docs/guide.html", "/hello.txt?again", "/favicon.ico", "/wp-login.php"] {
        shown.get(target);
    }
    shown.ask("other.example", "/hello.txt", "User-Agent: curl/8\r\n");
    shown.ask("nobody.example", "/", "");
    looker.until_seen("/wp-login.php");
    looker.until_seen("curl/8");
    // Whatever somebody sends is text.
    shown.ask("localhost", "/<img/src=x/onerror=document.title='broken'>", "");
    looker.until_seen("<img/src=x");
    assert_eq!(looker.value("document.querySelectorAll('#log img').length"), json!(0));
    assert_eq!(looker.value("document.title"), json!("Live log - Kimura"));

    let size = json!({ "width": 1200, "height": 480, "deviceScaleFactor": 1, "mobile": false });
    looker.browser.command("Emulation.setDeviceMetricsOverride", &size).expect("a size");
    let light = looker.prefer("light");
    looker.picture("light.png");
    let dark = looker.prefer("dark");
    looker.picture("dark.png");
    assert_ne!(light, dark);

    looker.press(" ");
    looker.until("it says so", r#"document.getElementById("pause").getAttribute("aria-pressed") === "true""#);
    shown.get("/while-paused");
    looker.until("it is held", r#"document.getElementById("pause").textContent === "Resume (1)""#);
    let text = looker.browser.text().expect("a text");
    assert!(!text.contains("/while-paused"), "{text}");
    looker.press(" ");
    looker.until_seen("/while-paused");

    looker.fill("status", "all");
    looker.until("its fault is told", r#"document.getElementById("complaint").textContent.includes("4xx")"#);
    looker.fill("status", "2xx");
    looker.until(
        "only those are left",
        "document.querySelectorAll('#log li').length === 3 && document.getElementById('complaint').textContent === ''",
    );
    looker.fill("status", "");

    shown.give(&["reload"]);
    shown.get("/after-reload");
    looker.until_seen("/after-reload");
    shown.give(&["upgrade"]);
    shown.get("/after-upgrade");
    looker.until_seen("/after-upgrade");
    assert_eq!(looker.value(r#"document.getElementById("missed").textContent"#), json!(""));
}
