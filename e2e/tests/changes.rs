//! The short form of `cargo xtask soak changes`.

#![forbid(unsafe_code)]

use e2e::changes::{Plan, under_load};

#[test]
fn nobody_notices_reloads_and_upgrades() {
    let tally = under_load(Plan { reloads: 24, upgrades: 4 }).expect("no failure, and an even ledger");
    assert!(tally.answered > 1000, "{tally:?}");
}
