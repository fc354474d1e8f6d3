//! What is measured: the files, the workloads, and who makes the load.

use crate::error::Error;
use crate::template::Part;

/// A file of the document root.
#[derive(Debug)]
pub(crate) struct DocFile {
    pub(crate) name: &'static str,
    /// Size in bytes.
    pub(crate) len: u64,
}

pub(crate) const SMALL: DocFile = DocFile { name: "small.txt", len: 13 };
pub(crate) const TEN_K: DocFile = DocFile { name: "10k.txt", len: 10 << 10 };
pub(crate) const ONE_M: DocFile = DocFile { name: "1m.bin", len: 1 << 20 };
pub(crate) const SIXTY_FOUR_M: DocFile = DocFile { name: "64m.bin", len: 64 << 20 };

/// A page of text, which can be compressed.
pub(crate) const PAGE: DocFile = DocFile { name: "page.html", len: 100_000 };

/// All files.
pub(crate) const FILES: [&DocFile; 5] = [&SMALL, &TEN_K, &ONE_M, &SIXTY_FOUR_M, &PAGE];

/// Who makes the load, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// wrk: every connection sends its next request when the last answer is complete.
    KeepAlive { connections: usize },
    /// Own client: `depth` requests are sent at once, then their answers are awaited.
    Pipelined { connections: usize, depth: u32 },
    /// Own client: closes a connection after `requests` answers and opens the next.
    Short { connections: usize, requests: u32 },
    /// Own client: so many requests a second, by the clock, over these connections.
    Paced { connections: usize, rate: u64 },
    /// Own client: one connection after the other, each with its handshake, one request and its end.
    Handshakes { key: Key, sessions: Sessions },
}

/// What carries the requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Carrier {
    Plain,
    Tls,
}

/// The kind of the server's key: what the client offers to verify.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    Ecdsa,
    Rsa,
}

/// What becomes of sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sessions {
    /// Each connection begins one.
    New,
    /// All but the first connection take up the last one.
    Resumed,
}

/// What a workload is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// Processor time, rate and latency under a load.
    Speed(Load),
    /// Memory of connections that have had one answer and stay open.
    IdleMemory,
}

/// One row of the bench.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Name for `--only` and in the results.
    pub(crate) name: &'static str,
    /// Heading in the report.
    pub(crate) title: &'static str,
    pub(crate) file: &'static DocFile,
    pub(crate) carrier: Carrier,
    /// What the servers need for it.
    pub(crate) parts: &'static [Part],
    pub(crate) measure: Measure,
}

/// All workloads, in the order of the report.
pub(crate) const WORKLOADS: [Workload; 22] = [
    Workload {
        name: "small",
        title: "13 B file, 64 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::KeepAlive { connections: 64 }),
    },
    Workload {
        name: "small-log",
        title: "13 B file, 64 connections, access log to a file",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[Part::AccessLog],
        measure: Measure::Speed(Load::KeepAlive { connections: 64 }),
    },
    Workload {
        name: "10k",
        title: "10 KiB file, 64 connections",
        file: &TEN_K,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::KeepAlive { connections: 64 }),
    },
    Workload {
        name: "1m",
        title: "1 MiB file, 8 connections",
        file: &ONE_M,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::KeepAlive { connections: 8 }),
    },
    Workload {
        name: "64m",
        title: "64 MiB file, 4 connections",
        file: &SIXTY_FOUR_M,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::KeepAlive { connections: 4 }),
    },
    Workload {
        name: "pipeline",
        title: "13 B file, pipelined x16, 64 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::Pipelined { connections: 64, depth: 16 }),
    },
    Workload {
        name: "short",
        title: "13 B file, 10 requests a connection, 64 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::Short { connections: 64, requests: 10 }),
    },
    Workload {
        name: "conns1",
        title: "13 B file, 1 connection",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::KeepAlive { connections: 1 }),
    },
    Workload {
        name: "conns1000",
        title: "13 B file, 1,000 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::KeepAlive { connections: 1000 }),
    },
    Workload {
        name: "idle",
        title: "Idle keep-alive connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::IdleMemory,
    },
    Workload {
        name: "tls-small",
        title: "TLS: 13 B file, 64 connections",
        file: &SMALL,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::Speed(Load::KeepAlive { connections: 64 }),
    },
    Workload {
        name: "tls-1m",
        title: "TLS: 1 MiB file, 8 connections",
        file: &ONE_M,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::Speed(Load::KeepAlive { connections: 8 }),
    },
    Workload {
        name: "tls-64m",
        title: "TLS: 64 MiB file, 4 connections",
        file: &SIXTY_FOUR_M,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::Speed(Load::KeepAlive { connections: 4 }),
    },
    Workload {
        name: "tls-ecdsa",
        title: "TLS: full handshakes with ECDSA P-256, one request each",
        file: &SMALL,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::Speed(Load::Handshakes { key: Key::Ecdsa, sessions: Sessions::New }),
    },
    Workload {
        name: "tls-rsa",
        title: "TLS: full handshakes with RSA-2048, one request each",
        file: &SMALL,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::Speed(Load::Handshakes { key: Key::Rsa, sessions: Sessions::New }),
    },
    Workload {
        name: "tls-resumed",
        title: "TLS: resumed handshakes, one request each",
        file: &SMALL,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::Speed(Load::Handshakes { key: Key::Ecdsa, sessions: Sessions::Resumed }),
    },
    Workload {
        name: "tls-idle",
        title: "TLS: idle keep-alive connections",
        file: &SMALL,
        carrier: Carrier::Tls,
        parts: &[Part::Tls],
        measure: Measure::IdleMemory,
    },
    Workload {
        name: "paced",
        title: "13 B file, 10,000 requests a second by the clock, 64 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[],
        measure: Measure::Speed(Load::Paced { connections: 64, rate: 10_000 }),
    },
    Workload {
        name: "proxy-small",
        title: "13 B from a server behind, 64 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[Part::Proxy],
        measure: Measure::Speed(Load::KeepAlive { connections: 64 }),
    },
    Workload {
        name: "proxy-1m",
        title: "1 MiB from a server behind, 8 connections",
        file: &ONE_M,
        carrier: Carrier::Plain,
        parts: &[Part::Proxy],
        measure: Measure::Speed(Load::KeepAlive { connections: 8 }),
    },
    Workload {
        name: "proxy-paced",
        title: "13 B from a server behind, 10,000 requests a second by the clock, 64 connections",
        file: &SMALL,
        carrier: Carrier::Plain,
        parts: &[Part::Proxy],
        measure: Measure::Speed(Load::Paced { connections: 64, rate: 10_000 }),
    },
    Workload {
        name: "gzip-100k",
        title: "page of 100 kB from a server behind, compressed by gzip for each answer, 16 connections",
        file: &PAGE,
        carrier: Carrier::Plain,
        parts: &[Part::Proxy, Part::Gzip],
        measure: Measure::Speed(Load::KeepAlive { connections: 16 }),
    },
];

impl Workload {
    /// Whether the bytes matter more than the number of requests.
    pub(crate) fn bulk(&self) -> bool {
        self.file.len >= ONE_M.len
    }

    /// Whether it makes the same load as `other` and differs only in what the servers do besides: then both are
    /// measured in turns.
    pub(crate) fn is_twin_of(&self, other: &Workload) -> bool {
        let load = |one: &Workload| (one.file.name, one.carrier, one.measure);
        let besides = |one: &Workload| -> Vec<Part> {
            one.parts.iter().copied().filter(|part| *part != Part::AccessLog).collect()
        };
        load(self) == load(other) && besides(self) == besides(other)
    }

    /// Whether answers are compressed.
    pub(crate) fn is_coded(&self) -> bool {
        self.parts.contains(&Part::Gzip)
    }

    /// The key that signs in each of its handshakes; resumed ones have no signature.
    pub(crate) fn signed_by(&self) -> Option<Key> {
        match self.measure {
            Measure::Speed(Load::Handshakes { key, sessions: Sessions::New }) => Some(key),
            _ => None,
        }
    }

    /// Whether the servers write an access log meanwhile.
    pub(crate) fn is_logged(&self) -> bool {
        self.parts.contains(&Part::AccessLog)
    }

    /// The workloads of a comma-separated list of names, in the order of the report.
    pub(crate) fn select(list: &str) -> Result<Vec<&'static Workload>, Error> {
        let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if let Some(name) = names.iter().find(|name| WORKLOADS.iter().all(|known| known.name != **name)) {
            let known = WORKLOADS.iter().map(|workload| workload.name).collect();
            return Err(Error::UnknownName { option: "--only", name: (*name).to_owned(), known });
        }
        Ok(WORKLOADS.iter().filter(|workload| names.contains(&workload.name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_selected_by_name() {
        let names = |list| {
            let selected = Workload::select(list).map_err(|error| error.to_string())?;
            Ok::<_, String>(selected.iter().map(|workload| workload.name).collect::<Vec<_>>())
        };
        assert_eq!(names("idle, small"), Ok(vec!["small", "idle"]));
        assert!(names("small,smal").unwrap_err().contains("\"smal\""));
    }
}
