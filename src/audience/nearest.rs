//! The known name that a mistyped one is nearest to, by edit distance.

/// The most names that are compared; a hint is not worth more.
const CANDIDATES_MAX: usize = 20_000;

/// The candidate nearest to `name`, if one is near enough to be meant: at most three edits, or half of the
/// name. Among equally near ones, the first in alphabetical order.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.chars().collect();
    let mut limit = (wanted.len() / 2).max(3);
    let mut best: Option<&str> = None;
    for candidate in candidates.take(CANDIDATES_MAX) {
        let Some(distance) = within(&wanted, candidate, limit) else { continue };
        if best.is_none_or(|known| distance < limit || candidate < known) {
            best = Some(candidate);
            limit = distance;
        }
    }
    best
}

/// The number of edits between two texts, if it is at most `limit`.
fn within(a: &[char], b: &str, limit: usize) -> Option<usize> {
    let length = b.chars().count();
    if a.len().abs_diff(length) > limit {
        return None;
    }
    // row[i]: edits between the first i characters of `a` and what has been read of `b`.
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (read, c) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = read + 1;
        for i in 1..=a.len() {
            let swap = diagonal + usize::from(a[i - 1] != c);
            diagonal = row[i];
            row[i] = swap.min(row[i] + 1).min(row[i - 1] + 1);
        }
        if row.iter().min().is_some_and(|least| *least > limit) {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_finds_the_name_that_was_meant() {
        let names = ["grade:2021", "grade:2022", "freshman", "校区:创新港"];
        assert_eq!(nearest("freshmen", names.into_iter()), Some("freshman"));
        assert_eq!(nearest("校区:创新", names.into_iter()), Some("校区:创新港"));
        assert_eq!(nearest("grade:2020", names.into_iter().rev()), Some("grade:2021"), "first of equals");
    }

    #[test]
    fn a_name_unlike_all_others_gets_no_hint() {
        assert_eq!(nearest("zzzzzzzzzz", ["freshman"].into_iter()), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
