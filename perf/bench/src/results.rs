//! What was measured, as it goes into `results.json`.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// What a load generator got, in one run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Delivered {
    /// Answers; a fraction where it was computed from the bytes.
    pub(crate) requests: f64,
    /// Bytes of heads and bodies.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// Latency in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Failed connections and requests, other statuses than 2xx and 3xx.
    pub(crate) errors: u64,
}

/// Answers with one status to a flow of requests by the clock.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Answers {
    pub(crate) status: u16,
    pub(crate) count: u64,
    /// Latency in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

impl Answers {
    /// Those with these latencies in microseconds.
    pub(crate) fn of(status: u16, latencies: &Histogram<u64>) -> Answers {
        Answers {
            status,
            count: latencies.len(),
            p50_us: latencies.value_at_quantile(0.50) as f64,
            p99_us: latencies.value_at_quantile(0.99) as f64,
            max_us: latencies.max() as f64,
        }
    }
}

/// What became of a flow of requests by the clock. Latencies are counted from the time at which requests were due.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Flowed {
    /// By ascending status.
    pub(crate) answers: Vec<Answers>,
    /// Requests without an answer; they count with the time that they have waited.
    pub(crate) failed: u64,
    /// Latency of all in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// How long after their time requests have left, in microseconds: what is the client's own in the latencies.
    pub(crate) late_p99_us: f64,
}

impl Flowed {
    /// How many requests had another answer, or none.
    pub(crate) fn not(&self, status: u16) -> u64 {
        let all: u64 = self.answers.iter().map(|answers| answers.count).sum();
        all - self.count(status) + self.failed
    }

    /// As one load, in so many seconds. What came as heads and bodies is not counted here.
    pub(crate) fn delivered(&self, seconds: u64) -> Delivered {
        let good = self.count(200);
        Delivered {
            requests: good as f64,
            bytes: 0,
            seconds: seconds as f64,
            p50_us: self.p50_us,
            p99_us: self.p99_us,
            errors: self.not(200),
        }
    }

    /// How many answers have that status.
    pub(crate) fn count(&self, status: u16) -> u64 {
        self.answers.iter().filter(|answers| answers.status == status).map(|answers| answers.count).sum()
    }
}

/// One run of a load generator and what the server used for it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoadSample {
    #[serde(flatten)]
    pub(crate) delivered: Delivered,
    /// Processor time of the server's whole process tree.
    pub(crate) cpu_seconds: f64,
    /// Part of it spent in user space, 0 to 1.
    pub(crate) user_share: f64,
    /// Processor time of the load generator.
    pub(crate) load_cpu_seconds: f64,
    /// Time in which the server was ready to run and something else had its processor.
    pub(crate) waited_seconds: f64,
    /// Time that the hypervisor took from the server's processor.
    pub(crate) stolen_seconds: f64,
    /// Lines in the access log, where one is written.
    pub(crate) lines_logged: Option<u64>,
}

/// Memory before and while connections idle.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleSample {
    pub(crate) connections: usize,
    /// Proportional set size of the server's whole process tree.
    pub(crate) before_kib: u64,
    pub(crate) after_kib: u64,
    /// Growth of the kernel's slabs, for both ends of the connections.
    pub(crate) kernel_kib: u64,
    /// Connections that the server closed meanwhile.
    pub(crate) lost: usize,
}

/// All samples of one server in one workload, in the order of the rounds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Samples {
    Load(Vec<LoadSample>),
    Idle(Vec<IdleSample>),
}

/// One server in one workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerResult {
    pub(crate) label: String,
    pub(crate) samples: Samples,
    /// From a pass of its own; `None` where `perf` cannot count them.
    pub(crate) syscalls_per_request: Option<f64>,
}

/// One workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WorkloadResult {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Whether bytes matter more than requests.
    pub(crate) bulk: bool,
    /// Whether answers are compressed, and how far matters, too.
    pub(crate) coded: bool,
    /// Name of the same workload without an access log, measured in turns with this one.
    pub(crate) unlogged: Option<&'static str>,
    /// What both libraries do with the key of the handshakes, where these are measured.
    pub(crate) signing: Option<Signing>,
    pub(crate) servers: Vec<ServerResult>,
}

/// Signatures alone, of each library in the order of the rounds, a second of the servers' processor.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Signing {
    /// Of AWS-LC, through the crate `tls`.
    pub(crate) ours: Vec<f64>,
    /// Of the OpenSSL of this machine, as `openssl speed` tells.
    pub(crate) openssl: Vec<f64>,
    pub(crate) openssl_version: String,
}

/// A server that took part.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Participant {
    pub(crate) label: String,
    pub(crate) version: String,
    /// Bytes of its response head for the small file.
    pub(crate) head_bytes: usize,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Rounds, and seconds of one measurement.
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    /// Label of the server that the ratios refer to.
    pub(crate) baseline: String,
    pub(crate) participants: Vec<Participant>,
    pub(crate) workloads: Vec<WorkloadResult>,
}

impl LoadSample {
    /// The headline figure.
    pub(crate) fn requests_per_cpu_second(&self) -> f64 {
        self.delivered.requests / self.cpu_seconds.max(1e-9)
    }

    /// Bytes sent per second of processor time.
    pub(crate) fn bytes_per_cpu_second(&self) -> f64 {
        self.delivered.bytes as f64 / self.cpu_seconds.max(1e-9)
    }

    /// Bytes of an answer, with its head.
    pub(crate) fn bytes_per_answer(&self) -> f64 {
        self.delivered.bytes as f64 / self.delivered.requests.max(1.0)
    }

    /// Requests per second of wall time.
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.delivered.requests / self.delivered.seconds.max(1e-9)
    }

    /// Part of the time in which the server's processor worked for it, in percent.
    pub(crate) fn busy_percent(&self) -> f64 {
        100.0 * self.cpu_seconds / self.delivered.seconds.max(1e-9)
    }

    /// Processor time in user space per request, in microseconds.
    pub(crate) fn user_micros(&self) -> f64 {
        1e6 * self.cpu_seconds * self.user_share / self.delivered.requests.max(1.0)
    }

    /// Processor time of the load generator per request, in microseconds.
    pub(crate) fn load_micros(&self) -> f64 {
        1e6 * self.load_cpu_seconds / self.delivered.requests.max(1.0)
    }

    /// Lines in the access log for each request: below one, lines were given up.
    pub(crate) fn lines_per_request(&self) -> Option<f64> {
        Some(self.lines_logged? as f64 / self.delivered.requests.max(1.0))
    }

    /// Whether other work on the machine may have falsified it: more than 1 % of the time stolen by the
    /// hypervisor, or more than 5 % spent waiting for the processor.
    pub(crate) fn disturbed(&self) -> bool {
        self.stolen_seconds > 0.01 * self.delivered.seconds
            || self.waited_seconds > 0.05 * self.delivered.seconds
    }
}

impl IdleSample {
    /// User-space memory per connection in bytes; not below zero.
    pub(crate) fn user_bytes(&self) -> f64 {
        self.after_kib.saturating_sub(self.before_kib) as f64 * 1024.0 / self.connections.max(1) as f64
    }

    /// Kernel memory per connection in bytes, both ends.
    pub(crate) fn kernel_bytes(&self) -> f64 {
        self.kernel_kib as f64 * 1024.0 / self.connections.max(1) as f64
    }
}
