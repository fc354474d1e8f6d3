//! A real browser: Chromium without a window, driven through its DevTools protocol.
//!
//! Messages go over two pipes, each a JSON text with a zero byte behind it. Names of hosts, whatever they are, lead to
//! 127.0.0.1, and authorities and certificates are those of a [`Home`] of its own.

mod home;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use home::Home;

use crate::failure::{Failure, Outcome};

const ARGUMENTS: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * 127.0.0.1",
    // Whoever is root here cannot have it, and what is looked at is our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
];
/// The browser reads commands at descriptor 3 and answers at 4; its own input and output are none of ours.
const PIPES: &str = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
/// How long something may take: a browser is a dozen processes, which share two cores with all tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ends a message.
const END: u8 = 0;

/// What the user does when the browser asks for a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt<'p> {
    /// Closes it.
    Cancel,
    /// Types both, and closes it when it comes again.
    Type {
        /// The name.
        user: &'p str,
        /// The password.
        password: &'p str,
    },
}

/// What came of opening a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The status of the page.
    pub status: u16,
    /// How often the user was asked for a name and a password.
    pub prompts: u32,
    /// What is to be read on it.
    pub text: String,
}

/// A running browser with one page; ended when dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    /// The number of the last command.
    last: u64,
    /// By which commands name the page; empty before there is one.
    session: String,
}

impl Browser {
    /// Starts one that lives in this home.
    pub fn start(home: &Home) -> Outcome<Browser> {
        let mut command = Command::new("sh");
        command.args(["-c", PIPES, "sh"]).args(ARGUMENTS).arg(home.profile()).env("HOME", home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(Failure::machine("run", "chromium"))?;
        let commands = child.stdin.take().expect("stdin is a pipe");
        let messages = follow(child.stdout.take().expect("stdout is a pipe"));
        let mut browser = Browser { child, commands, messages, last: 0, session: String::new() };
        let page = browser.command("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.command("Target.attachToTarget", &attach)?;
        browser.session = word(&attached, "sessionId")?;
        browser.command("Page.enable", &json!({}))?;
        browser.command("Network.enable", &json!({}))?;
        Ok(browser)
    }

    /// Opens a page and waits until it is there.
    ///
    /// # Errors
    /// [`Failure::Mismatch`] with the browser's reason when it cannot be reached.
    pub fn open(&mut self, url: &str, prompt: Prompt<'_>) -> Outcome<Visit> {
        self.command("Fetch.enable", &json!({ "handleAuthRequests": true }))?;
        let visit = self.visit(url, prompt);
        // What a page asks for later is left alone.
        self.command("Fetch.disable", &json!({}))?;
        visit.and_then(|visit| Ok(Visit { text: self.text()?, ..visit }))
    }

    fn visit(&mut self, url: &str, prompt: Prompt<'_>) -> Outcome<Visit> {
        let number = self.send("Page.navigate", &json!({ "url": url }))?;
        let mut visit = Visit { status: 0, prompts: 0, text: String::new() };
        // The answer and the events come in no fixed order, and what is paused has to go on before others come.
        let (mut is_answered, mut is_loaded) = (false, false);
        let deadline = Instant::now() + PATIENCE;
        while !(is_answered && is_loaded) {
            let message = self.message(deadline, url)?;
            if message["id"] == json!(number) {
                is_answered = true;
                if let Some(why) = message["result"]["errorText"].as_str() {
                    return Err(Failure::mismatch(url, "a page", why));
                }
            }
            let event = &message["params"];
            match message["method"].as_str() {
                Some("Fetch.requestPaused") => {
                    self.send("Fetch.continueRequest", &json!({ "requestId": event["requestId"] }))?;
                }
                Some("Fetch.authRequired") => {
                    let answer = prompt.answer(visit.prompts);
                    visit.prompts += 1;
                    let parameters =
                        json!({ "requestId": event["requestId"], "authChallengeResponse": answer });
                    self.send("Fetch.continueWithAuth", &parameters)?;
                }
                Some("Network.responseReceived") if event["type"] == "Document" => {
                    let status = event["response"]["status"].as_u64();
                    visit.status = status.and_then(|status| status.try_into().ok()).unwrap_or_default();
                }
                Some("Page.loadEventFired") => is_loaded = true,
                _ => {}
            }
        }
        Ok(visit)
    }

    /// What is to be read on the page.
    pub fn text(&mut self) -> Outcome<String> {
        let text = self.evaluate("document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The value of an expression of JavaScript in the page; one that is a promise is awaited.
    pub fn evaluate(&mut self, expression: &str) -> Outcome<Value> {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.command("Runtime.evaluate", &parameters)?;
        match done.get("exceptionDetails") {
            None => Ok(done["result"]["value"].clone()),
            Some(why) => Err(Failure::mismatch(expression, "a value", why)),
        }
    }

    /// Has the browser do something, for its result.
    pub fn command(&mut self, method: &str, parameters: &Value) -> Outcome<Value> {
        let number = self.send(method, parameters)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = self.message(deadline, method)?;
            if message["id"] == json!(number) {
                return match message.get("error") {
                    None => Ok(message["result"].take()),
                    Some(why) => Err(Failure::mismatch(method, "a result", why)),
                };
            }
        }
    }

    /// Sends a command; returns the number that its answer has.
    fn send(&mut self, method: &str, parameters: &Value) -> Outcome<u64> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(END);
        self.commands.write_all(&bytes).map_err(Failure::machine("command", "chromium"))?;
        Ok(self.last)
    }
}

impl Browser {
    /// The next message.
    fn message(&self, deadline: Instant, what: &str) -> Outcome<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        let late = |_| Failure::Late { what: format!("answer of the browser to {what}"), waited: PATIENCE };
        self.messages.recv_timeout(left).map_err(late)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it. Both fail only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prompt<'_> {
    /// In the words of the protocol; `before` is how often the browser has asked already.
    fn answer(self, before: u32) -> Value {
        match self {
            Prompt::Type { user, password } if before == 0 => {
                json!({ "response": "ProvideCredentials", "username": user, "password": password })
            }
            Prompt::Type { .. } | Prompt::Cancel => json!({ "response": "CancelAuth" }),
        }
    }
}

/// Reads what the browser sends, in a thread of its own, until it ends.
fn follow(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for bytes in BufReader::new(pipe).split(END).map_while(Result::ok) {
            // Whatever is no JSON text is told by the answer that is missing then.
            let Ok(message) = serde_json::from_slice(&bytes) else { return };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A text of an answer.
fn word(answer: &Value, key: &str) -> Outcome<String> {
    let text = answer[key].as_str().map(str::to_owned);
    text.ok_or_else(|| Failure::mismatch(format!("the browser's {key}"), "a text", answer))
}
