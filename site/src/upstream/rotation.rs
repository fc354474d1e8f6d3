//! Round robin with weights, spread evenly: of weights 3 and 1 it makes `a a b a` and not `a a a b`.

/// How far each of some has got ahead of what its weight gives it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Credit(i64);

/// The next one of those that have a weight other than 0; none when there is none.
///
/// Each gains its weight, and the one that has most then pays for all.
pub(super) fn next<'c>(turns: impl Iterator<Item = (u32, &'c mut Credit)>) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, &mut Credit)> = None;
    for (index, (weight, credit)) in turns.enumerate().filter(|(_, (weight, _))| *weight != 0) {
        let weight = i64::from(weight);
        total += weight;
        credit.0 += weight;
        if best.as_ref().is_none_or(|(_, most)| most.0 < credit.0) {
            best = Some((index, credit));
        }
    }
    let (index, credit) = best?;
    credit.0 -= total;
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(weights: &[u32], wanted: &str) {
        let mut credits = vec![Credit::default(); weights.len()];
        let mut found = String::new();
        for _ in 0..wanted.len() {
            let index = next(weights.iter().copied().zip(&mut credits));
            found.push(index.map_or('-', |index| (b'a' + u8::try_from(index).unwrap()) as char));
        }
        assert_eq!(found, wanted, "{weights:?}");
    }

    #[test]
    fn turns_are_spread_evenly() {
        check(&[1, 1, 1], "abcabc");
        check(&[3, 1], "aabaaaba");
        check(&[5, 1, 1], "aabacaa");
        check(&[0, 2, 1], "bcbbcb");
        check(&[1], "aaa");
        check(&[0, 0], "--");
        check(&[], "-");
    }
}
