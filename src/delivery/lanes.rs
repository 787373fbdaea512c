//! Which batch makes the next call: deficit round robin over the lanes by their shares, round robin between
//! the publishers of a lane. Pure; knows nothing of providers or calls.

use std::collections::{HashMap, VecDeque};

use crate::domain::class::Lane;

/// The queues of one provider. `K` names a batch.
#[derive(Debug)]
pub struct Lanes<K> {
    lines: [Line<K>; 3],
    credit: [i64; 3],
    at: usize,
    quantum: u32,
}

impl<K> Lanes<K> {
    /// Empty queues. `quantum`: the largest cost of one call, at least 1; a lane gets its share times this at
    /// every turn.
    #[must_use]
    pub fn new(quantum: u32) -> Lanes<K> {
        Lanes { lines: [Line::new(), Line::new(), Line::new()], credit: [0; 3], at: 0, quantum: quantum.max(1) }
    }

    /// Adds a batch at the end of its publisher's queue.
    pub fn push(&mut self, lane: Lane, publisher: i64, key: K) {
        self.lines[place(lane)].push(publisher, key);
    }

    /// The lane whose turn it is among those with work that are `open` (by the order of [`Lane::ALL`]).
    /// Asking again without [`Lanes::charge`] names the same lane.
    pub fn turn(&mut self, open: [bool; 3]) -> Option<Lane> {
        // A call costs at most a quantum, so a lane in debt is out of it after one more turn.
        for _ in 0..=2 * self.lines.len() {
            if open[self.at] && !self.lines[self.at].is_empty() && self.credit[self.at] > 0 {
                return Some(Lane::ALL[self.at]);
            }
            // What a lane cannot use now it does not save up.
            self.credit[self.at] = self.credit[self.at].min(0);
            self.at = (self.at + 1) % self.lines.len();
            self.credit[self.at] += i64::from(Lane::ALL[self.at].share()) * i64::from(self.quantum);
        }
        None
    }

    /// The batch at the head of a lane: the front of the publisher whose turn it is.
    #[must_use]
    pub fn head(&self, lane: Lane) -> Option<&K> {
        self.lines[place(lane)].head()
    }

    /// Takes the head of a lane out.
    pub fn pop(&mut self, lane: Lane) -> Option<K> {
        self.lines[place(lane)].pop()
    }

    /// Gives the next publisher of a lane its turn.
    pub fn rotate(&mut self, lane: Lane) {
        self.lines[place(lane)].rotate();
    }

    /// Books the cost of a call on its lane.
    pub fn charge(&mut self, lane: Lane, cost: u32) {
        self.credit[place(lane)] -= i64::from(cost.min(self.quantum));
    }
}

/// The position of a lane in [`Lane::ALL`].
#[must_use]
pub fn place(lane: Lane) -> usize {
    lane as usize - 1
}

/// One lane: publishers in turn, each with its batches in order.
#[derive(Debug)]
struct Line<K> {
    turns: VecDeque<i64>,
    batches: HashMap<i64, VecDeque<K>>,
}

impl<K> Line<K> {
    fn new() -> Line<K> {
        Line { turns: VecDeque::new(), batches: HashMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn push(&mut self, publisher: i64, key: K) {
        let queue = self.batches.entry(publisher).or_default();
        if queue.is_empty() {
            self.turns.push_back(publisher);
        }
        queue.push_back(key);
    }

    fn head(&self) -> Option<&K> {
        self.batches.get(self.turns.front()?)?.front()
    }

    /// Takes the head out and moves its publisher to the end.
    fn pop(&mut self) -> Option<K> {
        let publisher = self.turns.pop_front()?;
        let queue = self.batches.get_mut(&publisher)?;
        let key = queue.pop_front();
        if queue.is_empty() {
            self.batches.remove(&publisher);
        } else {
            self.turns.push_back(publisher);
        }
        key
    }

    fn rotate(&mut self) {
        if self.turns.len() > 1 {
            self.turns.rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_OPEN: [bool; 3] = [true; 3];

    fn full(cost: [u32; 3], rounds: usize) -> [u64; 3] {
        let mut lanes = Lanes::new(1_000);
        for lane in Lane::ALL {
            lanes.push(lane, 1, ());
        }
        let mut served = [0; 3];
        for _ in 0..rounds {
            let lane = lanes.turn(ALL_OPEN).expect("every lane has work");
            lanes.charge(lane, cost[place(lane)]);
            served[place(lane)] += u64::from(cost[place(lane)]);
        }
        served
    }

    #[test]
    fn busy_lanes_share_eight_to_three_to_one_whatever_their_calls_cost() {
        for cost in [[1, 1, 1], [1, 50, 1_000], [1_000, 1, 50], [1_000, 1_000, 1_000]] {
            let served = full(cost, 2_000_000);
            let bulk = served[2] as f64;
            let ratios = (served[0] as f64 / bulk, served[1] as f64 / bulk);
            assert!((ratios.0 - 8.0).abs() < 0.4 && (ratios.1 - 3.0).abs() < 0.2, "{cost:?}: {ratios:?}");
        }
    }

    #[test]
    fn a_lone_lane_gets_everything_and_a_closed_one_nothing() {
        let mut lanes = Lanes::new(50);
        lanes.push(Lane::Bulk, 1, ());
        for _ in 0..1_000 {
            assert_eq!(lanes.turn(ALL_OPEN), Some(Lane::Bulk));
            lanes.charge(Lane::Bulk, 50);
        }
        assert_eq!(lanes.turn([true, true, false]), None);
        lanes.push(Lane::Urgent, 1, ());
        assert_eq!(lanes.turn([true, true, false]), Some(Lane::Urgent));
    }

    #[test]
    fn a_lane_that_was_idle_or_closed_has_saved_nothing_up() {
        let mut lanes = Lanes::new(10);
        lanes.push(Lane::Urgent, 1, ());
        lanes.push(Lane::Bulk, 1, ());
        for _ in 0..10_000 {
            assert_eq!(lanes.turn([false, true, true]), Some(Lane::Bulk));
            lanes.charge(Lane::Bulk, 10);
        }
        let mut urgent = 0;
        while lanes.turn(ALL_OPEN) == Some(Lane::Urgent) {
            lanes.charge(Lane::Urgent, 10);
            urgent += 1;
        }
        assert!(urgent <= 8, "{urgent}");
    }

    #[test]
    fn publishers_of_a_lane_take_turns_and_keep_their_own_order() {
        let mut lanes = Lanes::new(1);
        for n in 0..100 {
            lanes.push(Lane::Normal, 1, (1, n));
        }
        lanes.push(Lane::Normal, 2, (2, 0));
        lanes.push(Lane::Normal, 2, (2, 1));
        let order: Vec<_> = (0..6).map(|_| lanes.pop(Lane::Normal).unwrap()).collect();
        assert_eq!(order, [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2), (1, 3)]);
        lanes.push(Lane::Normal, 3, (3, 0));
        lanes.rotate(Lane::Normal);
        assert_eq!(lanes.head(Lane::Normal), Some(&(3, 0)));
    }
}
