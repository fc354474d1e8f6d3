//! From samples to the figures of the report: medians with their ranges, and ratios of medians.

use serde::Serialize;

use crate::results::{IdleSample, LoadSample, Results, Samples, ServerResult, Signing, WorkloadResult};

/// Median, least and greatest of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of `values`; `None` if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Spread { median: f64::midpoint(low, high), min, max })
    }

    /// The quotient of the medians, with the least and the greatest quotient of one round: what slows the whole
    /// machine for a while cancels out in those.
    pub(crate) fn of_ratios(
        values: impl IntoIterator<Item = f64>,
        base: impl IntoIterator<Item = f64>,
    ) -> Option<Spread> {
        let pairs: Vec<_> = values.into_iter().zip(base).filter(|&(_, base)| base > 0.0).collect();
        let rounds = Spread::of(pairs.iter().map(|(value, base)| value / base))?;
        let value = Spread::of(pairs.iter().map(|pair| pair.0))?;
        let base = Spread::of(pairs.iter().map(|pair| pair.1))?;
        Some(Spread { median: value.median / base.median, ..rounds })
    }
}

/// One server under load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoadRow {
    pub(crate) label: String,
    pub(crate) requests_per_cpu_second: Spread,
    /// To the baseline; more is better.
    pub(crate) ratio: Option<Spread>,
    /// To the same server without its access log; more is better.
    pub(crate) unlogged_ratio: Option<Spread>,
    /// Lines in the access log for each request.
    pub(crate) lines_per_request: Option<Spread>,
    /// Rounds in which it was ahead of the baseline.
    pub(crate) rounds_ahead: usize,
    pub(crate) bytes_per_cpu_second: Spread,
    /// Its head included.
    pub(crate) bytes_per_answer: Spread,
    pub(crate) requests_per_second: Spread,
    pub(crate) p50_us: Spread,
    pub(crate) p99_us: Spread,
    /// To the baseline; less is better.
    pub(crate) p99_ratio: Option<Spread>,
    /// User-space part of the processor time per request, in microseconds.
    pub(crate) user_us: Spread,
    /// The load generator's processor time per request, in microseconds. Where it differs between servers, kernel
    /// work has moved from one end of the connection to the other.
    pub(crate) load_us: Spread,
    /// How busy the server's processor was with it, in percent. Below 97 the load was the limit.
    pub(crate) busy_percent: Spread,
    pub(crate) syscalls_per_request: Option<f64>,
    /// Failed requests in all rounds.
    pub(crate) errors: u64,
    /// Rounds that other work on the machine may have falsified.
    pub(crate) disturbed: usize,
}

/// One server with idle connections.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleRow {
    pub(crate) label: String,
    pub(crate) connections: usize,
    /// User-space memory per connection in bytes.
    pub(crate) user_bytes: Spread,
    /// To the baseline; less is better.
    pub(crate) ratio: Option<Spread>,
    /// Whole server before and with the connections.
    pub(crate) before_kib: Spread,
    pub(crate) after_kib: Spread,
    /// Kernel memory per connection in bytes, both ends.
    pub(crate) kernel_bytes: Spread,
    /// Connections closed by the server in all rounds.
    pub(crate) lost: usize,
}

/// The rows of one workload.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rows {
    Load(Vec<LoadRow>),
    Idle(Vec<IdleRow>),
}

/// One workload, summed up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) bulk: bool,
    pub(crate) coded: bool,
    pub(crate) signing: Option<SigningRow>,
    pub(crate) rows: Rows,
}

/// Signatures alone, a second.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SigningRow {
    pub(crate) ours: Spread,
    pub(crate) openssl: Spread,
    pub(crate) openssl_version: String,
    /// Ours to OpenSSL's.
    pub(crate) ratio: Spread,
}

/// Sums up all workloads.
pub(crate) fn summaries(results: &Results) -> Vec<Summary> {
    let named = |name: &str| results.workloads.iter().find(|workload| workload.name == name);
    let summary =
        |workload: &WorkloadResult| summary(workload, workload.unlogged.and_then(named), &results.baseline);
    results.workloads.iter().map(summary).collect()
}

fn summary(workload: &WorkloadResult, unlogged: Option<&WorkloadResult>, baseline: &str) -> Summary {
    let base = workload.servers.iter().find(|server| server.label == baseline);
    let mut loads = Vec::new();
    let mut idles = Vec::new();
    for server in &workload.servers {
        match (&server.samples, base.map(|base| &base.samples)) {
            (Samples::Load(samples), base) => {
                let twin =
                    unlogged.and_then(|twin| twin.servers.iter().find(|one| one.label == server.label));
                let twin = load_samples(twin.map(|twin| &twin.samples));
                loads.extend(load_row(server, samples, load_samples(base), twin));
            }
            (Samples::Idle(samples), Some(Samples::Idle(base))) => {
                idles.extend(idle_row(server, samples, base));
            }
            (Samples::Idle(samples), _) => idles.extend(idle_row(server, samples, &[])),
        }
    }
    let rows = if idles.is_empty() { Rows::Load(loads) } else { Rows::Idle(idles) };
    let signing = workload.signing.as_ref().and_then(signing_row);
    let WorkloadResult { name, title, bulk, coded, .. } = *workload;
    Summary { name, title, bulk, coded, signing, rows }
}

fn signing_row(signing: &Signing) -> Option<SigningRow> {
    let (ours, openssl) = (signing.ours.iter().copied(), signing.openssl.iter().copied());
    Some(SigningRow {
        ours: Spread::of(ours.clone())?,
        openssl: Spread::of(openssl.clone())?,
        openssl_version: signing.openssl_version.clone(),
        ratio: Spread::of_ratios(ours, openssl)?,
    })
}

/// Those of a load; none where there are no such.
fn load_samples(samples: Option<&Samples>) -> &[LoadSample] {
    match samples {
        Some(Samples::Load(samples)) => samples,
        _ => &[],
    }
}

fn load_row(
    server: &ServerResult,
    samples: &[LoadSample],
    base: &[LoadSample],
    unlogged: &[LoadSample],
) -> Option<LoadRow> {
    let spread = |of: fn(&LoadSample) -> f64| Spread::of(samples.iter().map(of));
    let ratio = |of: fn(&LoadSample) -> f64| Spread::of_ratios(samples.iter().map(of), base.iter().map(of));
    let rate = LoadSample::requests_per_cpu_second;
    Some(LoadRow {
        label: server.label.clone(),
        requests_per_cpu_second: spread(rate)?,
        ratio: ratio(rate),
        unlogged_ratio: Spread::of_ratios(samples.iter().map(rate), unlogged.iter().map(rate)),
        lines_per_request: Spread::of(samples.iter().filter_map(LoadSample::lines_per_request)),
        rounds_ahead: samples.iter().zip(base).filter(|(own, base)| rate(own) > rate(base)).count(),
        bytes_per_cpu_second: spread(LoadSample::bytes_per_cpu_second)?,
        bytes_per_answer: spread(LoadSample::bytes_per_answer)?,
        requests_per_second: spread(LoadSample::requests_per_second)?,
        p50_us: spread(|sample| sample.delivered.p50_us)?,
        p99_us: spread(|sample| sample.delivered.p99_us)?,
        p99_ratio: ratio(|sample| sample.delivered.p99_us),
        user_us: spread(LoadSample::user_micros)?,
        load_us: spread(LoadSample::load_micros)?,
        busy_percent: spread(LoadSample::busy_percent)?,
        syscalls_per_request: server.syscalls_per_request,
        errors: samples.iter().map(|sample| sample.delivered.errors).sum(),
        disturbed: samples.iter().filter(|sample| sample.disturbed()).count(),
    })
}

fn idle_row(server: &ServerResult, samples: &[IdleSample], base: &[IdleSample]) -> Option<IdleRow> {
    let spread = |of: fn(&IdleSample) -> f64| Spread::of(samples.iter().map(of));
    let bytes = IdleSample::user_bytes;
    Some(IdleRow {
        label: server.label.clone(),
        connections: samples.first()?.connections,
        user_bytes: spread(bytes)?,
        ratio: Spread::of_ratios(samples.iter().map(bytes), base.iter().map(bytes)),
        before_kib: spread(|sample| sample.before_kib as f64)?,
        after_kib: spread(|sample| sample.after_kib as f64)?,
        kernel_bytes: spread(IdleSample::kernel_bytes)?,
        lost: samples.iter().map(|sample| sample.lost).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], base: &[f64], expected: Option<(f64, f64, f64)>) {
        let spread = Spread::of_ratios(values.iter().copied(), base.iter().copied());
        assert_eq!(spread.map(|spread| (spread.median, spread.min, spread.max)), expected);
    }

    #[test]
    fn ratios_are_those_of_medians_with_the_extremes_of_the_rounds() {
        check(&[2.0, 30.0, 8.0], &[1.0, 10.0, 2.0], Some((4.0, 2.0, 4.0)));
        check(&[1.0, 3.0], &[1.0, 1.0], Some((2.0, 1.0, 3.0)));
        // A baseline without a value for the round says nothing about it.
        check(&[1.0, 3.0], &[0.0, 1.0], Some((3.0, 3.0, 3.0)));
        check(&[1.0], &[], None);
    }
}
