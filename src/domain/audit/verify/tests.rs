//! Chains that are whole are found whole, and no single change of any kind goes unseen.

use proptest::prelude::*;

use super::*;
use crate::domain::access::Principal;
use crate::domain::audit::chain::messages_bytes;
use crate::domain::audit::{Action, Deed};
use crate::domain::id::{ApplicationId, MessageId};

/// Two chains of these lengths, with heads.
fn chains(lengths: [i64; 2]) -> (Vec<Entry>, Vec<Head>) {
    let (mut entries, mut heads) = (Vec::new(), Vec::new());
    for (epoch, length) in [3, 7].into_iter().zip(lengths) {
        let mut hash = START;
        for sequence in 1..=length {
            let action = Action::ALL[usize::try_from(sequence).unwrap() % Action::ALL.len()];
            let message = (MessageId(sequence << 4), Principal::Application(ApplicationId(9)));
            let mut entry = Entry {
                epoch,
                sequence,
                at: At(1_790_000_000_000 + sequence / 3),
                actor: -1 - sequence % 2,
                key: 5,
                action: action.code(),
                object: (4, 100 + sequence),
                messages: if action == Action::MessagePublish { messages_bytes([message]) } else { Vec::new() },
                denied: sequence % 5 == 0,
                digest: Deed::of(action).over([sequence.to_be_bytes()]).digest,
                hash: START,
            };
            rechain(&mut hash, &mut entry);
            entries.push(entry);
        }
        heads.push(Head { epoch, sequence: length, hash });
    }
    (entries, heads)
}

fn rechain(hash: &mut [u8; 32], entry: &mut Entry) {
    entry.hash = entry.hash_after(hash);
    *hash = entry.hash;
}

fn checkpoint(heads: &[Head]) -> Checkpoint {
    let entries = heads.iter().map(|head| head.sequence).sum();
    Checkpoint { number: 1, at: At(8), entries, heads: heads.to_vec(), previous: START, signature: Vec::new() }
}

/// Verifies against one checkpoint alone, as somebody does who has only an export and what was shipped.
fn shipped(entries: &[Entry], heads: &[Head]) -> Result<i64, Broken> {
    let mut verifier = Verifier::new();
    verifier.checkpoint(&checkpoint(heads), true)?;
    entries.iter().try_for_each(|entry| verifier.entry(entry, None))?;
    verifier.finish(None).map(|()| verifier.checked())
}

/// The ways to alter a trail; each says whether it changed anything.
fn mutate(entries: &mut Vec<Entry>, kind: u8, place: usize, value: i64) -> bool {
    let before = entries.clone();
    let length = entries.len();
    match kind {
        0 => entries[place].at.0 ^= value,
        1 => entries[place].actor ^= value,
        2 => entries[place].action ^= value,
        3 => entries[place].object.1 ^= value,
        4 => entries[place].object.0 ^= value,
        5 => entries[place].denied ^= true,
        6 => entries[place].digest[(value & 31) as usize] ^= 1,
        7 => entries[place].hash[(value & 31) as usize] ^= 1,
        8 => entries[place].messages.push(0),
        9 => entries[place].key ^= value,
        10 => drop(entries.remove(place)),
        11 => entries.insert(place, before[(place + 1) % length].clone()),
        12 => entries.swap(place, (place + 1) % length),
        13 => entries.truncate(place),
        14 => entries[place].epoch ^= value,
        15 => entries[place].sequence ^= value,
        // Whoever knows how may hash everything after the change again.
        16 => {
            entries[place].actor ^= value;
            let epoch = entries[place].epoch;
            let mut hash = if entries[place].sequence == 1 { START } else { entries[place - 1].hash };
            entries[place..].iter_mut().filter(|one| one.epoch == epoch).for_each(|one| rechain(&mut hash, one));
        }
        _ => {
            let epoch = entries[place].epoch;
            entries.retain(|one| one.epoch != epoch);
        }
    }
    *entries != before
}

proptest! {
    #[test]
    fn any_single_change_is_found(
        lengths in [1_i64..12, 1_i64..12],
        kind in 0_u8..18,
        place in any::<prop::sample::Index>(),
        value in any::<i64>().prop_filter("changes something", |value| *value != 0),
    ) {
        let (mut entries, heads) = chains(lengths);
        let whole = entries.len() as i64;
        prop_assert_eq!(shipped(&entries, &heads), Ok(whole));
        let place = place.index(entries.len());
        if mutate(&mut entries, kind, place, value) {
            prop_assert!(shipped(&entries, &heads).is_err(), "{} at {}", kind, place);
        }
    }
}

#[test]
fn what_came_after_the_checkpoint_is_no_fault() {
    let (entries, _) = chains([5, 4]);
    let (_, earlier) = chains([3, 4]);
    assert_eq!(shipped(&entries, &earlier), Ok(9));
}

#[test]
fn a_fault_names_the_first_entry_that_does_not_fit() {
    let (entries, heads) = chains([5, 4]);
    let broken = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = entries.clone();
        change(&mut entries);
        shipped(&entries, &heads).unwrap_err()
    };
    let fault = |epoch, sequence, fault| Broken { epoch, sequence, fault };
    assert_eq!(broken(&|all| all[2].actor = -9), fault(3, 3, Fault::Altered));
    assert_eq!(broken(&|all| drop(all.remove(2))), fault(3, 3, Fault::Missing));
    assert_eq!(broken(&|all| all.truncate(7)), fault(7, 3, Fault::Missing));
    assert_eq!(broken(&|all| all.truncate(5)), fault(7, 1, Fault::Missing));
    assert_eq!(broken(&Vec::clear), fault(3, 1, Fault::Missing));
    assert!(fault(7, 3, Fault::Altered).sentence().contains("Entry 3 of node 7"));
}

#[test]
fn an_entry_behind_the_end_is_found_where_heads_can_be_asked() {
    let (entries, heads) = chains([5, 4]);
    let mut verifier = Verifier::new();
    entries.iter().for_each(|entry| verifier.entry(entry, None).unwrap());
    let (_, shorter) = chains([4, 4]);
    assert_eq!(verifier.finish(Some(&shorter)), Err(Broken { epoch: 3, sequence: 5, fault: Fault::Added }));
    let mut verifier = Verifier::new();
    entries.iter().for_each(|entry| verifier.entry(entry, None).unwrap());
    assert_eq!(verifier.finish(Some(&heads[..1])), Err(Broken { epoch: 7, sequence: 1, fault: Fault::Added }));
}

#[test]
fn checkpoints_follow_one_another() {
    let (_, heads) = chains([2, 2]);
    let first = checkpoint(&heads);
    let (_, later) = chains([2, 3]);
    let second =
        Checkpoint { number: 2, heads: later[1..].to_vec(), entries: 5, previous: first.digest(), ..first.clone() };
    let wrong = |number| Err(Broken { epoch: 0, sequence: number, fault: Fault::Checkpoint });
    let take = |all: &[&Checkpoint], signed: bool| {
        let mut verifier = Verifier::new();
        all.iter().try_for_each(|one| verifier.checkpoint(one, signed))
    };
    assert_eq!(take(&[&first, &second], true), Ok(()));
    assert_eq!(take(&[&first, &second], false), wrong(1));
    assert_eq!(take(&[&second], true), wrong(1));
    assert_eq!(take(&[&first, &first], true), wrong(2));
    assert_eq!(take(&[&first, &Checkpoint { entries: 6, ..second.clone() }], true), wrong(2));
    assert_eq!(take(&[&first, &Checkpoint { previous: START, ..second.clone() }], true), wrong(2));
    assert_eq!(take(&[&first, &Checkpoint { heads: heads[..1].to_vec(), ..second }], true), wrong(2));
}

#[test]
fn a_part_of_a_chain_is_checked_as_far_as_it_goes() {
    let (entries, heads) = chains([5, 4]);
    let mut verifier = Verifier::partial();
    verifier.checkpoint(&checkpoint(&heads), true).unwrap();
    verifier.entry(&entries[2], Some(&entries[1].hash)).unwrap();
    verifier.entry(&entries[3], None).unwrap();
    verifier.entry(&entries[6], Some(&entries[5].hash)).unwrap();
    let mut wrong = entries[8].clone();
    wrong.at.0 += 1;
    assert_eq!(verifier.entry(&wrong, Some(&entries[7].hash)).unwrap_err().fault, Fault::Altered);
    assert_eq!(verifier.finish(None), Ok(()));
    assert_eq!(verifier.checked(), 3);
}
