//! Requests that come to another place after limits have let them go on.

use super::{Admission, Chain, Customer, ScopeId, Shaper};

impl Chain {
    /// What of it is not in the other.
    fn without(&self, other: &Chain) -> Chain {
        let mut rest = *self;
        for slot in &mut rest.links {
            let known = slot.as_ref().is_some_and(|link| {
                other
                    .links
                    .iter()
                    .flatten()
                    .any(|same| (same.scope, same.client) == (link.scope, link.client))
            });
            if known {
                *slot = None;
            }
        }
        rest
    }

    /// Whether its request counts as running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.runs
    }
}

impl Shaper {
    /// Asks for a request that limits have let go on as `before`, and that has been led to a place with the limits
    /// `place`. Limits that hold at both places know it already, so only the others are asked; those that it leaves see it
    /// end. `before` counts no more, whatever comes of it but doubt.
    pub fn admit_onward(
        &mut self,
        now: u64,
        before: &mut Chain,
        place: Option<ScopeId>,
        customer: Customer<'_>,
    ) -> (Admission, Chain) {
        let mut chain = self.chain(now, place, customer);
        let (mut entered, mut left) = (chain.without(before), before.without(&chain));
        let admission = self.decide(now, &entered, customer.doubt);
        match admission {
            Admission::Granted { .. } => {
                self.begin(now, &mut entered, admission, customer.doubt);
                chain.runs = true;
                left.runs = std::mem::take(&mut before.runs);
                self.end(&mut left);
            }
            Admission::Doubtful(_) => {}
            Admission::Refused(_) => self.end(before),
        }
        (admission, chain)
    }
}
