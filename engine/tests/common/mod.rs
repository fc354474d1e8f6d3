//! A server in the test's own process, over a folder of its own.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use config::Loaded;
use engine::{Listening, Outcome, Plan, Server, ShardPlan};
use logging::{Desk, Fed, Logger, Target};
use perf::Block;
use site::Site;
use sys::mem::Cells;
use sys::net::{Address, ListenOptions, bind_group, local_address};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    /// The counters of each shard.
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) folder: PathBuf,
    pub(crate) logger: Logger,
    /// What writes the logs, until it is awaited.
    desk: Mutex<Option<JoinHandle<()>>>,
}

/// Starts `shards` shards with a configuration of one address, in which `ROOT` stands for a folder that `fill` has
/// filled. Logs may go to `ROOT/access.log` and `ROOT/other.log`.
pub(crate) fn start(shards: usize, configuration: &str, fill: impl FnOnce(&Path)) -> Running {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("kimura-engine-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    fill(&folder);
    let (loaded, site) = load(&folder, configuration);
    let (logger, desk) = start_logger(&folder);
    let (address, sockets) = listen(shards);
    let cpus = sys::cpu::available().expect("cores");
    let blocks: Vec<Arc<Block>> =
        (0..shards).map(|shard| Arc::new(Block::create(shard).expect("a block"))).collect();
    let plans = sockets.into_iter().zip(&blocks).enumerate().map(|(shard, (socket, block))| ShardPlan {
        cpu: cpus[shard % cpus.len()],
        listeners: vec![Listening { id: 0, address: 0, socket: Some(socket) }],
        block: Arc::clone(block),
    });
    let secured = vec![None; site.addresses()];
    let plan = Plan {
        site,
        secured,
        outward: Default::default(),
        config: &loaded.config.server,
        shards: plans.collect(),
        logger: &logger,
        banned: None,
        changes: Arc::default(),
        cookie_secret: 1,
        offenders: None,
        tail: None,
        metrics: None,
    };
    let server = Server::start(plan).unwrap_or_else(|error| panic!("{error}"));
    server.open();
    Running { server, address, blocks, folder, logger, desk }
}

/// Starts what writes `access.log` and `other.log`, as the logger process does.
fn start_logger(folder: &Path) -> (Logger, Mutex<Option<JoinHandle<()>>>) {
    let paths = ["access.log", "other.log"].map(|log| folder.join(log));
    let (own, other) = sys::packet::pair().expect("a pair of sockets");
    let mut desk = Desk::new();
    for (number, path) in paths.iter().enumerate() {
        let file = std::fs::File::options().append(true).create(true).open(path).expect("a log");
        let queue = Cells::create("test", logging::cells_for(1 << 20)).expect("memory");
        desk.file(number as u16, "a log", file.into(), queue).expect("a queue");
    }
    let desk = std::thread::spawn(move || {
        while desk.read(1, other.as_fd()).expect("packets") != Fed::Closed {
            sys::poll::readable(other.as_fd(), None).expect("a socket");
        }
        desk.finish(PATIENCE);
    });
    (Logger::start(paths.map(Target::File).into(), own).expect("a logger"), Mutex::new(Some(desk)))
}

/// Compiles a configuration in which `ROOT` stands for this folder.
pub(crate) fn load(folder: &Path, configuration: &str) -> (Loaded, Arc<Site>) {
    let text = configuration.replace("ROOT", &folder.display().to_string());
    let source = config::Source { name: "test.conf".to_owned(), text };
    let loaded = config::load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let site =
        site::compile(&loaded.config, &loaded.registry).unwrap_or_else(|problems| panic!("{problems}"));
    (loaded, Arc::new(site))
}

/// A new address, and a listening socket for each shard.
pub(crate) fn listen(shards: usize) -> (SocketAddr, Vec<OwnedFd>) {
    let address: Address = "127.0.0.1:0".parse().expect("an address");
    let sockets = bind_group(&address, shards, &ListenOptions::default()).expect("a port");
    let Ok(Address::V4(bound)) = local_address(sockets[0].as_fd()) else {
        panic!("a bound socket has an address");
    };
    (SocketAddr::V4(bound), sockets)
}

/// A connection to this address.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

impl Running {
    /// A connection to the server.
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Ends the server and its logs; answers how the server ended.
    pub(crate) fn stop(&self) -> Outcome {
        self.server.stop();
        let outcome = self.server.wait();
        self.logger.stop(PATIENCE).expect("all lines are sent");
        let desk = self.desk.lock().expect("nobody has failed with it").take();
        desk.into_iter().for_each(|desk| desk.join().expect("the logs are written"));
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.stop();
        // Left over in the temporary folder at worst.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Reads one answer, to the end that its `Content-Length` gives it.
pub(crate) fn answer(client: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    while length(&answer).is_none_or(|length| answer.len() < length) {
        let mut more = [0; 1024];
        let read = client.read(&mut more).expect("an answer comes");
        assert!(read > 0, "the answer is whole: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&more[..read]);
    }
    assert_eq!(length(&answer), Some(answer.len()), "nothing follows an answer");
    answer
}

/// The length of an answer, once its head is there; of one in chunks, once its end is.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).expect("a head is text");
    if head.contains("Transfer-Encoding: chunked\r\n") {
        const LAST: &[u8] = b"\r\n0\r\n\r\n";
        let last = answer[end..].windows(LAST.len()).position(|window| window == LAST)?;
        return Some(end + last + LAST.len());
    }
    let content = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    Some(end + content.parse::<usize>().expect("a number"))
}
