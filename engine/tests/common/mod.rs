//! A server in the test's own process, over a folder of its own.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::{Listening, Outcome, Plan, Server, ShardPlan};
use logging::{Logger, Sinks, Target};
use perf::Block;
use sys::net::{Address, ListenOptions, bind_group, local_address};

/// A running server.
pub(crate) struct Running {
    server: Server,
    address: SocketAddr,
    /// The counters of each shard.
    pub(crate) blocks: Vec<Arc<Block>>,
    folder: PathBuf,
    // Ends with the server: nobody reads its lines here.
    _logger: Logger,
}

/// Starts `shards` shards with a configuration in which `ROOT` stands for a folder that `fill` has filled.
pub(crate) fn start(shards: usize, configuration: &str, fill: impl FnOnce(&Path)) -> Running {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("kimura-engine-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    fill(&folder);
    let text = configuration.replace("ROOT", &folder.display().to_string());
    let source = config::Source { name: "test.conf".to_owned(), text };
    let loaded = config::load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let site =
        site::compile(&loaded.config, &loaded.registry).unwrap_or_else(|problems| panic!("{problems}"));
    let mut sinks = Sinks::new();
    sinks.open(&Target::File(folder.join("access.log"))).expect("a log");
    let logger = Logger::start(sinks).expect("a logger");
    let address: Address = "127.0.0.1:0".parse().expect("an address");
    let sockets = bind_group(&address, shards, &ListenOptions::default()).expect("a port");
    let Ok(Address::V4(bound)) = local_address(std::os::fd::AsFd::as_fd(&sockets[0])) else {
        panic!("a bound socket has an address");
    };
    let cpus = sys::cpu::available().expect("cores");
    let blocks: Vec<Arc<Block>> =
        (0..shards).map(|shard| Arc::new(Block::create(shard).expect("a block"))).collect();
    let plans = sockets.into_iter().zip(&blocks).enumerate().map(|(shard, (socket, block))| ShardPlan {
        cpu: cpus[shard % cpus.len()],
        listeners: vec![Listening { id: 0, address: 0, socket: Some(socket) }],
        block: Arc::clone(block),
    });
    let plan = Plan {
        site: Arc::new(site),
        config: &loaded.config.server,
        shards: plans.collect(),
        logger: &logger,
    };
    let server = Server::start(plan).unwrap_or_else(|error| panic!("{error}"));
    Running { server, address: SocketAddr::V4(bound), blocks, folder, _logger: logger }
}

impl Running {
    /// A connection to the server.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a socket");
        stream
    }

    /// Ends the server and answers how it ended.
    pub(crate) fn stop(&self) -> Outcome {
        self.server.stop();
        self.server.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.stop();
        // Left over in the temporary folder at worst.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Reads one answer whose content ends so.
pub(crate) fn answer(client: &mut TcpStream, ending: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    while !answer.ends_with(ending) {
        let mut more = [0; 1024];
        let read = client.read(&mut more).expect("an answer comes");
        assert!(read > 0, "the connection stays open");
        answer.extend_from_slice(&more[..read]);
    }
    answer
}
