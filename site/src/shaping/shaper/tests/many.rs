//! What many clients cost: each as much as if there were few.

use std::net::Ipv4Addr;

use super::*;
use crate::shaping::clients::CLIENTS_MAX;
use crate::shaping::table::counting::taken;

/// Clients of whom a report tells.
const TOLD: usize = 100;

/// Looks at places that a request may take, with all its bytes: two looks at each of the sixteen places that its client may
/// have, and one for each of those who ask what is known of it.
const REQUEST_MOST: usize = 100;

fn numbered(number: u32) -> Customer<'static> {
    Customer { address: Some(Ipv4Addr::from(number).into()), user: None, doubt: None }
}

/// A request with a head and an answer that pass limits.
fn ask(shaper: &mut Shaper, now: u64, who: Customer<'_>) {
    let (_, mut chain) = shaper.admit(now, place(), who);
    for direction in [Direction::Up, Direction::Down] {
        let mut piece = shaper.piece(now, &mut chain, direction, 1_000);
        assert_eq!(shaper.step(now, &mut chain, &mut piece), Step::Through(None));
    }
    shaper.end(&mut chain);
}

/// The most looks that a request takes of any of so many clients, of whom each comes twice, and what it takes to tell of
/// so many of them and to hear it.
fn looks(clients: u32) -> [usize; 3] {
    let quota = Quota { down: rate(1_000_000), up: rate(1_000_000), requests: rate(10), ..Quota::default() };
    let limits = client(quota);
    let (mut shaper, mut other) = (Shaper::new(&limits), Shaper::new(&limits));
    let [mut most, mut told, mut heard] = [0; 3];
    for round in 0..2 {
        for number in 0..clients {
            most = most.max(taken(|| ask(&mut shaper, round * SECOND, numbered(number))));
            if (number + 1).is_multiple_of(TOLD as u32) {
                let mut uses = Vec::new();
                told = told.max(taken(|| uses = shaper.report(TOLD)));
                heard = heard.max(taken(|| other.hear(0, &uses)));
            }
        }
    }
    assert!(shaper.tally().clients <= CLIENTS_MAX);
    [most, told, heard]
}

#[test]
fn each_of_ten_thousand_clients_costs_no_more_than_each_of_a_hundred() {
    let few = looks(100);
    assert!(few[0] <= REQUEST_MOST, "{few:?}");
    // Half as many again as fit are the most, of whom each takes another's place.
    for clients in [10_000, 3 * CLIENTS_MAX as u32 / 2] {
        let many = looks(clients);
        assert!(many[0] <= REQUEST_MOST, "{clients}: {many:?}");
        // One look for each of whom is told; as many as a request for each of whom is heard.
        assert!(many[1] <= 2 * TOLD && many[2] <= REQUEST_MOST * TOLD, "{clients}: {many:?}");
    }
}
