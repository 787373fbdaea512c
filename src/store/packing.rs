//! Many words in one row. A relay answers each of its transactions with a reference of its own, so a batch of a
//! thousand mails would be twenty rows that differ in nothing else. Where the people of each answer stand one
//! behind the other, their words share a row, each with the ordinal from which on it holds.

use std::borrow::Cow;

use crate::domain::set::{self, Set};

/// Stands before each part of packed words. No word of a provider holds a control character.
const MARK: char = '\u{1f}';
/// Parts in one row.
const PARTS_MAX: usize = 64;

/// Some people with the same outcome, and the words of the provider's answer.
pub(super) type Part<'a> = (Set, Option<&'a str>);

/// People and words that share a row.
pub(super) struct Pack<'a> {
    pub(super) set: Set,
    pub(super) detail: Option<Cow<'a, str>>,
}

/// The same people and words in as few packs as the order of the people allows.
pub(super) fn pack<'a>(mut parts: Vec<Part<'a>>) -> Vec<Pack<'a>> {
    parts.retain(|(set, _)| !set.is_empty());
    parts.sort_by_key(|(set, _)| set.min());
    let mut packs = Vec::new();
    let mut run: Vec<Part<'_>> = Vec::new();
    for part in parts {
        let behind = run.last().is_none_or(|(last, _)| last.max() < part.0.min());
        if !behind || run.len() == PARTS_MAX {
            packs.extend(packed(std::mem::take(&mut run)));
        }
        run.push(part);
    }
    packs.extend(packed(run));
    packs
}

fn packed(run: Vec<Part<'_>>) -> Option<Pack<'_>> {
    let (_, words) = run.first()?;
    let detail = if run.iter().all(|(_, other)| other == words) {
        words.map(Cow::Borrowed)
    } else {
        let part =
            |(set, words): &Part<'_>| format!("{MARK}{} {}", set.min().unwrap_or_default(), words.unwrap_or_default());
        Some(Cow::Owned(run.iter().map(part).collect()))
    };
    Some(Pack { set: run.into_iter().fold(Set::new(), |all, (set, _)| all | set), detail })
}

/// The people of a row by the words that are theirs. `None`: the words are no packed ones.
pub(super) fn unpack(set: &Set, detail: &str) -> Option<Vec<(Set, Option<String>)>> {
    let mut parts = Vec::new();
    for part in detail.strip_prefix(MARK)?.split(MARK) {
        let (first, words) = part.split_once(' ')?;
        parts.push((first.parse::<u32>().ok()?, words));
    }
    let ends = parts.iter().skip(1).map(|(first, _)| first.saturating_sub(1)).chain([u32::MAX]);
    let own = parts.iter().zip(ends).map(|((first, words), last)| {
        (set::within(set, *first, last), (!words.is_empty()).then(|| (*words).to_owned()))
    });
    Some(own.filter(|(set, _)| !set.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ordinals: impl IntoIterator<Item = u32>) -> Set {
        ordinals.into_iter().collect()
    }

    #[test]
    fn words_of_people_who_stand_one_behind_the_other_share_a_row_and_read_back() {
        let parts = vec![(set(50..100), Some("queued as B")), (set(0..49), Some("queued as A")), (set(100..101), None)];
        let packs = pack(parts);
        assert_eq!(packs.len(), 1);
        let (all, detail) = (&packs[0].set, packs[0].detail.as_deref().unwrap());
        assert_eq!(all.len(), 100);
        let own = |words: &str| Some(words.to_owned());
        let read = unpack(all, detail).unwrap();
        let expected = [(set(0..49), own("queued as A")), (set(50..100), own("queued as B")), (set(100..101), None)];
        assert_eq!(read, expected);
        let window = unpack(&set([60]), detail).unwrap();
        assert_eq!(window, [(set([60]), own("queued as B"))]);
    }

    #[test]
    fn what_stands_mixed_stays_apart_and_plain_words_stay_plain() {
        let packs = pack(vec![(set([1, 3]), Some("a")), (set([2]), Some("b")), (Set::new(), Some("c"))]);
        let words: Vec<_> = packs.iter().map(|pack| pack.detail.as_deref()).collect();
        assert_eq!(words, [Some("a"), Some("b")]);
        let alike = pack(vec![(set([1]), Some("a")), (set([2]), Some("a"))]);
        assert_eq!((alike.len(), alike[0].detail.as_deref()), (1, Some("a")));
        assert_eq!(unpack(&set([1]), "a"), None);
        assert!(pack(Vec::new()).is_empty());
        let many = pack((0..200).map(|n| (set([n]), Some(if n % 2 == 0 { "a" } else { "b" }))).collect());
        assert_eq!(many.len(), 4);
    }
}
