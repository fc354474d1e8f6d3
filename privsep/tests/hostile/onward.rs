//! What is told and ordered of servers that requests are passed on to, and of limits: by workers that lie, and by
//! commands that make no sense.

use std::os::fd::AsFd;

use privsep::message::{
    Answer, Command, FromWorker, LimitUse, UpstreamChange, UpstreamNeeds, UpstreamReport, UpstreamState,
    UpstreamsReport,
};
use privsep::sealed::seal;
use privsep::wire::encode;
use sys::packet::{self, Wait};

use crate::tricks::{Then, Tools};

/// The group that every server here has, and its server.
pub(crate) const GROUP: &str = "app";
pub(crate) const SERVER: &str = "127.0.0.1:1";
/// Where every server here has limits.
pub(crate) const SECTION: &str = "/server/shaping";

/// Most orders about servers, and limits, that hold at a time.
const ORDERS_MAX: usize = 1024;
const SETTINGS_MAX: usize = 64;
/// A name that just fits a frame with the rest of its command.
const LONG_NAME: usize = 60_000;

pub(crate) fn needs() -> Vec<UpstreamNeeds> {
    vec![UpstreamNeeds { name: GROUP.to_owned(), servers: vec![SERVER.to_owned()] }]
}

/// One server of this name.
pub(crate) fn report(server: &str) -> UpstreamsReport {
    let server = UpstreamReport {
        group: GROUP.to_owned(),
        server: server.to_owned(),
        address: SERVER.to_owned(),
        weight: 1,
        backup: false,
        state: UpstreamState::Up,
        ejected: 0,
        open: 0,
        requests: 0,
        failures: 0,
    };
    UpstreamsReport { servers: vec![server] }
}

/// Somebody has used limits of a place of this name.
pub(crate) fn told(scope: &str) -> FromWorker {
    let one = LimitUse {
        scope: scope.to_owned(),
        client: Some("anna".to_owned()),
        running: u64::MAX,
        connections: u64::MAX,
        down: u64::MAX,
        up: u64::MAX,
        requests: u64::MAX,
        delayed: u64::MAX,
        refused: u64::MAX,
    };
    FromWorker::LimitsTold { uses: vec![one] }
}

/// Tells of limits, at a length that is not that of what is told.
pub(crate) fn told_at_length(tools: &Tools, change: impl FnOnce(&mut Vec<u8>)) -> Then {
    let mut bytes = encode(&told(SECTION));
    change(&mut bytes);
    tools.bytes(&bytes, 0)
}

/// Says that uses follow without end, and sends none.
pub(crate) fn uses_without_end(tools: &Tools) -> Then {
    let mut bytes = encode(&FromWorker::LimitsTold { uses: Vec::new() });
    bytes.iter_mut().rev().take(size_of::<u32>()).for_each(|byte| *byte = u8::MAX);
    tools.bytes(&bytes, 0)
}

/// Says a thousand times what nobody has asked for, with so many descriptors each.
pub(crate) fn unasked(tools: &Tools, message: &FromWorker, descriptors: usize) -> Then {
    for _ in 0..1000 {
        tools.put(&encode(message), descriptors);
    }
    Then::GoOn
}

/// Reports one server of this name.
pub(crate) fn report_of(tools: &Tools, server: &str) -> Then {
    let memory = seal(&report(server)).expect("memory");
    handed(tools, memory.as_fd())
}

/// Reports what these bytes are.
pub(crate) fn report_as(tools: &Tools, bytes: &[u8]) -> Then {
    let memory = sys::mem::sealed("kimura-message", bytes).expect("memory");
    handed(tools, memory.as_fd())
}

fn handed(tools: &Tools, memory: std::os::fd::BorrowedFd<'_>) -> Then {
    // Nobody may be there any more.
    let _ = packet::send(tools.socket.as_fd(), &encode(&FromWorker::Upstreams), &[memory], Wait::Block);
    Then::Skip
}

/// Tells of limits of a place with a name that hardly fits a frame.
pub(crate) fn long_names(tools: &Tools) -> Then {
    tools.put(&encode(&told(&"n".repeat(LONG_NAME))), 0);
    Then::Skip
}

/// Commands in their order, and what the answer to each has to say.
pub(crate) fn orders() -> Vec<(Command, &'static str)> {
    const ADD: UpstreamChange = UpstreamChange::Add { weight: 1, backup: false };
    let upstream = |group: &str, server: &str, change| Command::Upstream {
        group: group.to_owned(),
        server: server.to_owned(),
        change,
    };
    let limit = |pointer: &str, value: Option<&str>| Command::Limit {
        pointer: pointer.to_owned(),
        value: value.map(str::to_owned),
    };
    let long = "n".repeat(LONG_NAME);
    let mut orders = vec![
        (upstream("none", SERVER, UpstreamChange::Drain), "no upstream \"none\""),
        (upstream("", "", UpstreamChange::Remove), "no upstream \"\""),
        (upstream(&long, SERVER, ADD), "too long"),
        (upstream("\x1b[2J", SERVER, ADD), "no upstream \"\\u{1b}[2J\""),
        (upstream(GROUP, &long, ADD), "too long"),
        (upstream(GROUP, &long, UpstreamChange::Drain), "too long"),
        (upstream(GROUP, "\x1b[2J", ADD), "no address"),
        (upstream(GROUP, &format!("unix:/{}", "n".repeat(200)), ADD), "no address"),
        (upstream(GROUP, SERVER, ADD), "has 127.0.0.1:1 already"),
        (upstream(GROUP, "127.0.0.1:2", UpstreamChange::Add { weight: 0, backup: true }), "no weight"),
        (upstream(GROUP, "127.0.0.1:2", UpstreamChange::Add { weight: u32::MAX, backup: true }), "no weight"),
        (upstream(GROUP, SERVER, UpstreamChange::Drain), "gets no more requests"),
        (upstream(GROUP, SERVER, UpstreamChange::Remove), "is removed"),
        (limit("/none/down", Some("1")), "no limits there"),
        (limit("", None), "no limits there"),
        (limit(SECTION, Some("1")), "no limits there"),
        (limit(&long, None), "no limits there"),
        (limit(&format!("{SECTION}/{long}"), Some("1")), "too long"),
        (limit(&format!("{SECTION}/down"), Some(&long)), "too long"),
        (limit(&format!("{SECTION}/down"), Some("\x1b[2J")), "too long"),
    ];
    // What was removed of the configuration is one order; others follow until there are as many as there may be.
    for number in 1..ORDERS_MAX {
        let server = format!("127.1.{}.{}:1", number >> 8, number & 0xff);
        orders.push((upstream(GROUP, &server, ADD), "gets requests"));
    }
    orders.push((upstream(GROUP, "127.2.0.1:1", ADD), "orders hold already"));
    for number in 0..SETTINGS_MAX {
        orders.push((limit(&format!("{SECTION}/{number}"), Some("1")), "is 1 from now on"));
    }
    orders.push((limit(&format!("{SECTION}/more"), Some("1")), "limits are set by command"));
    orders
}

/// What an answer says; nothing where it is no answer to an order.
pub(crate) fn said(answer: &Answer) -> &str {
    match answer {
        Answer::Done { what } => what,
        Answer::Refused { why } => why,
        _ => "",
    }
}
