//! "Did you mean": the known word nearest to an unknown one.

/// Longer words are not compared: nobody mistypes that.
const MAX_LENGTH: usize = 64;

/// The nearest of `words`, if it is near enough to be a slip: one edit for every three letters, at least one. Case and the
/// difference between `-`, `_` and a space count for nothing. Else the one that it begins.
pub(super) fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word)?;
    let far = (word.len() / 3).max(1);
    let near = |known: &'a str| {
        let other = folded(known)?;
        let edits = distance(&word, &other);
        let slip = edits <= far && edits < other.len();
        let begins = word.len() >= 3 && other.starts_with(&word);
        (slip || begins).then_some((!slip, edits, known))
    };
    words.into_iter().filter_map(near).min().map(|(_, _, known)| known)
}

fn folded(word: &str) -> Option<Vec<char>> {
    let fold = |c: char| {
        if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() }
    };
    (word.len() <= MAX_LENGTH).then(|| word.chars().map(fold).collect())
}

/// How many insertions, deletions, substitutions and swaps of neighbours lead from one word to the other (optimal string
/// alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    // Three rows of the table: the one before the last, the last, and the one that grows. Cells outside are infinitely far.
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut earlier = None;
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut left = None;
        for (j, &y) in b.iter().enumerate() {
            let mut best = cell(&last, j) + usize::from(x != y);
            best = best.min(cell(&last, j + 1) + 1).min(cell(&row, j) + 1);
            if earlier == Some(y) && left == Some(x) {
                best = best.min(cell(&before_last, j.wrapping_sub(1)) + 1);
            }
            row.push(best);
            left = Some(y);
        }
        before_last = std::mem::replace(&mut last, row);
        earlier = Some(x);
    }
    cell(&last, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let count = |a: &str, b: &str| folded(a).zip(folded(b)).map(|(a, b)| distance(&a, &b));
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("defualt_ttl", "default_ttl", 1),
            ("ab", "ba", 1),
            ("Stale-If-Error", "stale_if_error", 0),
        ] {
            assert_eq!(count(a, b), Some(edits), "{a} {b}");
        }
    }

    #[test]
    fn only_a_slip_is_a_slip() {
        let words = ["default_ttl", "negative_ttl", "on", "off"];
        assert_eq!(nearest("defualt_ttl", words), Some("default_ttl"));
        assert_eq!(nearest("negativettl", words), Some("negative_ttl"));
        assert_eq!(nearest("of", words), Some("off"));
        assert_eq!(nearest("default", words), Some("default_ttl"));
        assert_eq!(nearest("banana", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"x".repeat(1000), words), None);
    }
}
