//! The two sums that must hold whatever happened: nothing the server took is unaccounted for.

use std::collections::BTreeMap;

use crate::failure::{Failure, Outcome};

/// Counters by name, as last printed.
pub type Counters = BTreeMap<String, u64>;

/// Reads one counter, or says that the server does not print it.
pub fn counter(counters: &Counters, name: &str) -> Outcome<u64> {
    let missing =
        || Failure::mismatch(format!("counter {name}"), "a value", "nothing: the server does not print it");
    counters.get(name).copied().ok_or_else(missing)
}

/// Checks both sums of the ledger on the counters that a server printed last.
///
/// Connections: accepted = closed by us + closed by the client + open.
/// Requests: begun = answered + aborted, and none still running once the server has ended.
pub fn check(counters: &Counters) -> Outcome<()> {
    balance(
        counters,
        "connections_accepted",
        &["connections_closed_by_us", "connections_closed_by_client", "connections_open"],
    )?;
    balance(counters, "requests_begun", &["requests_answered", "requests_aborted"])
}

fn balance(counters: &Counters, whole: &str, parts: &[&str]) -> Outcome<()> {
    let wanted = counter(counters, whole)?;
    let mut sum = 0;
    let mut shown = Vec::new();
    for part in parts {
        let value = counter(counters, part)?;
        sum += value;
        shown.push(format!("{part} {value}"));
    }
    if sum == wanted {
        return Ok(());
    }
    Err(Failure::mismatch(format!("ledger of {whole}"), wanted, format!("{sum} = {}", shown.join(" + "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(open: u64) -> Counters {
        [
            ("connections_accepted", 10),
            ("connections_closed_by_us", 3),
            ("connections_closed_by_client", 5),
            ("connections_open", open),
            ("requests_begun", 7),
            ("requests_answered", 6),
            ("requests_aborted", 1),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    #[test]
    fn balances() {
        check(&counters(2)).expect("a balanced ledger");
        check(&counters(1)).expect_err("a connection is lost");
        check(&Counters::new()).expect_err("no counters");
    }
}
