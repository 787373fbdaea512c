//! Sets of user ordinals: Roaring bitmaps, stored by segments of 65,536 ordinals.

use roaring::RoaringBitmap;

/// A set of user ordinals.
pub type Set = RoaringBitmap;

/// The number of ordinals in a segment; one Roaring container.
pub const SEGMENT: u32 = 65_536;

/// The segment an ordinal lies in.
#[must_use]
pub fn segment_of(ordinal: u32) -> u32 {
    ordinal / SEGMENT
}

/// The set cut into its non-empty segments, ascending.
#[must_use]
pub fn segments(set: &Set) -> Vec<(u32, Set)> {
    let mut parts = Vec::new();
    let mut next = set.min();
    while let Some(first) = next {
        let segment = segment_of(first);
        let (from, to) = (segment * SEGMENT, segment * SEGMENT + (SEGMENT - 1));
        let part = within(set, from, to);
        parts.push((segment, part));
        next = if to == u32::MAX { None } else { set.range(to + 1..).next() };
    }
    parts
}

/// The members between `from` and `to`, both included.
#[must_use]
pub fn within(set: &Set, from: u32, to: u32) -> Set {
    let mut window = Set::new();
    window.insert_range(from..=to);
    window &= set;
    window
}

/// The set in the portable Roaring format.
#[must_use]
pub fn to_bytes(set: &Set) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(set.serialized_size());
    // Writing to a vector cannot fail.
    let _ = set.serialize_into(&mut bytes);
    bytes
}

/// The set that [`to_bytes`] wrote, or `None` if the bytes are damaged.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Option<Set> {
    Set::deserialize_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_put_together_are_the_set() {
        let set: Set = [0, 5, 65_535, 65_536, 200_000, u32::MAX].into_iter().collect();
        let parts = segments(&set);
        assert_eq!(parts.iter().map(|(s, _)| *s).collect::<Vec<_>>(), vec![0, 1, 3, 65_535]);
        let whole = parts.into_iter().fold(Set::new(), |whole, (_, part)| whole | part);
        assert_eq!(whole, set);
    }

    #[test]
    fn bytes_read_back() {
        let set: Set = (10..5_000).collect();
        assert_eq!(from_bytes(&to_bytes(&set)), Some(set));
        assert_eq!(from_bytes(b"nonsense"), None);
    }
}
