//! The three forms of the report, and how figures are written for people.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::Error;
use crate::results::Results;
use crate::summary::{Summary, summaries};

mod markdown;
mod svg;

/// What goes into `results.json`.
#[derive(Serialize)]
struct Json<'r> {
    #[serde(flatten)]
    results: &'r Results,
    summary: &'r [Summary],
}

/// Writes `report.md`, `plot.svg` and `results.json` into `folder`, made if missing; gives back the Markdown.
pub(crate) fn write(results: &Results, folder: &Path) -> Result<String, Error> {
    let summaries = summaries(results);
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Error::io("write", &path))
    };
    let json = serde_json::to_string_pretty(&Json { results, summary: &summaries })
        .map_err(|error| Error::io("write", folder.join("results.json"))(error.into()))?;
    let markdown = markdown::report(results, &summaries);
    put("results.json", &json)?;
    put("plot.svg", &svg::plot(&summaries, &results.baseline))?;
    put("report.md", &markdown)?;
    Ok(markdown)
}

/// Three significant digits, with k, M or G from a thousand on: `97.1 k`, `529`. A unit may follow at once.
fn short(value: f64) -> String {
    let (value, prefix) = match value {
        v if v >= 999.5e6 => (v / 1e9, " G"),
        v if v >= 999.5e3 => (v / 1e6, " M"),
        v if v >= 999.5 => (v / 1e3, " k"),
        v => (v, ""),
    };
    format!("{}{prefix}", digits(value))
}

/// A time in microseconds: `546 µs`, `1.10 ms`, `1.06 s`.
pub(crate) fn time(micros: f64) -> String {
    match micros {
        us if us >= 999.5e3 => format!("{} s", digits(us / 1e6)),
        us if us >= 999.5 => format!("{} ms", digits(us / 1e3)),
        us => format!("{} µs", digits(us)),
    }
}

/// Three significant digits of a value below a thousand.
fn digits(value: f64) -> String {
    let places = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{
        Delivered, IdleSample, LoadSample, Participant, Samples, ServerResult, Signing, WorkloadResult,
    };

    #[test]
    fn figures_are_short() {
        let check = |value, text| assert_eq!(short(value), text);
        check(0.0, "0.00");
        check(9.994, "9.99");
        check(9.996, "10.0");
        check(123.4, "123");
        check(999.6, "1.00 k");
        check(97_123.0, "97.1 k");
        check(1_234_567.0, "1.23 M");
        check(5e9, "5.00 G");
        assert_eq!([546.4, 1100.0, 1.06e6].map(time), ["546 µs", "1.10 ms", "1.06 s"]);
    }

    fn load(requests: f64, errors: u64) -> LoadSample {
        let delivered =
            Delivered { requests, bytes: 1000, seconds: 1.0, p50_us: 100.0, p99_us: 200.0, errors };
        LoadSample {
            delivered,
            cpu_seconds: 0.5,
            user_share: 0.25,
            load_cpu_seconds: 0.75,
            waited_seconds: 0.2,
            stolen_seconds: 0.0,
            lines_logged: None,
        }
    }

    fn logged(requests: f64) -> LoadSample {
        LoadSample { lines_logged: Some(90), ..load(requests, 0) }
    }

    fn idle(after_kib: u64) -> IdleSample {
        IdleSample { connections: 1024, before_kib: 1000, after_kib, kernel_kib: 2048, lost: 0 }
    }

    /// Two servers, one workload of each sort.
    pub(super) fn example() -> Results {
        let server = |label: &str, samples| ServerResult {
            label: label.to_owned(),
            samples,
            syscalls_per_request: Some(2.0),
        };
        let participant =
            |label: &str| Participant { label: label.into(), version: "1.0".into(), head_bytes: 200 };
        Results {
            machine: Machine {
                processor: "P".into(),
                processors: 2,
                hypervisor: true,
                memory_mib: 1024,
                kernel: "6.1".into(),
                server_cpu: 0,
                client_cpu: 1,
                shared_core: false,
            },
            rounds: 2,
            seconds: 1,
            baseline: "nginx".into(),
            participants: vec![participant("a<b"), participant("nginx")],
            workloads: vec![
                WorkloadResult {
                    name: "small",
                    title: "13 B",
                    bulk: false,
                    coded: false,
                    unlogged: None,
                    signing: None,
                    servers: vec![
                        server("a<b", Samples::Load(vec![load(200.0, 0), load(300.0, 1)])),
                        server("nginx", Samples::Load(vec![load(100.0, 0), load(100.0, 0)])),
                    ],
                },
                WorkloadResult {
                    name: "small-log",
                    title: "13 B, logged",
                    bulk: false,
                    coded: true,
                    unlogged: Some("small"),
                    signing: Some(Signing {
                        ours: vec![80.0, 100.0],
                        openssl: vec![100.0, 100.0],
                        openssl_version: "OpenSSL 3.0.0".into(),
                    }),
                    servers: vec![server("a<b", Samples::Load(vec![logged(180.0), logged(285.0)]))],
                },
                WorkloadResult {
                    name: "idle",
                    title: "Idle",
                    bulk: false,
                    coded: false,
                    unlogged: None,
                    signing: None,
                    servers: vec![
                        server("a<b", Samples::Idle(vec![idle(1100)])),
                        server("nginx", Samples::Idle(vec![idle(1500)])),
                    ],
                },
            ],
        }
    }

    #[test]
    fn all_three_forms_are_written() {
        let folder = std::env::temp_dir().join(format!("bench-report-{}", std::process::id()));
        let markdown = write(&example(), &folder).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.join("results.json")).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(folder.join("report.md")).unwrap(), markdown);
        fs::remove_dir_all(&folder).unwrap();
        let at = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_f64);
        assert_eq!(at("/summary/0/rows/load/0/ratio/median"), Some(2.5));
        assert_eq!(at("/summary/2/rows/idle/0/user_bytes/median"), Some(100.0));
        assert_eq!(at("/workloads/0/servers/0/samples/load/0/requests"), Some(200.0));
    }
}
