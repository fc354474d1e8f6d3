//! "Did you mean": the nearest of some known words.

/// The word of `known` that `word` most likely was meant to be, if any is near enough.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may be wrong; with more, the guess confuses more than it helps.
    let allowed = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Longest word that is compared, in characters; bounds the work on hostile keys.
const WORD_MAX: usize = 64;

/// How many letters have to be inserted, removed, replaced or swapped with their neighbour
/// (optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(WORD_MAX).collect();
    let b: Vec<char> = b.chars().take(WORD_MAX).collect();
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, wanted) in [
            ("", "", 0),
            ("", "abc", 3),
            ("listen", "listen", 0),
            ("lisetn", "listen", 1),
            ("lissten", "listen", 1),
            ("roots", "root", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), wanted, "{a} {b}");
            assert_eq!(distance(b, a), wanted, "{b} {a}");
        }
    }

    #[test]
    fn only_near_words_are_proposed() {
        let known = ["root", "index", "listen", "header", "headers"];
        for (word, wanted) in [
            ("lsiten", Some("listen")),
            ("Root", Some("root")),
            ("headrs", Some("headers")),
            ("x", None),
            ("proxy", None),
        ] {
            assert_eq!(nearest(word, known), wanted, "{word}");
        }
    }
}
