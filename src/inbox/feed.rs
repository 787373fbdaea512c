//! The visible app legs of messages to several people, in memory, and the latest news in the order in which
//! this node told them. Short messages are in the store only; their news are here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::cursor::{Cursor, Position};
use crate::domain::id::LegId;
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Members, VisibleLeg};

/// How many news are remembered for those who come back.
const NEWS_MAX: usize = 8_192;
/// A short message that is visible for so long was told, or never will be: longer than anybody looks back for what
/// other nodes released.
const TOLD_AFTER: Duration = Duration::from_secs(30);

/// What is visible, and what became so lately.
pub(super) struct Feed {
    id: i64,
    started_at: At,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    legs: BTreeMap<Position, Visible>,
    positions: HashMap<LegId, Position>,
    news: VecDeque<News>,
    told: HashMap<LegId, i64>,
    seq: i64,
    newest: Position,
    /// The newest entry whose news is forgotten.
    forgotten: Position,
}

struct Visible {
    members: Arc<Set>,
    expire_at: At,
}

/// One piece of news.
#[derive(Clone)]
pub(super) struct News {
    /// Its number in this feed.
    pub seq: i64,
    /// The newest entry at its time.
    pub newest: Position,
    /// The leg that it concerns.
    pub at: Position,
    /// Whose inbox it changes.
    pub members: Members,
    /// The leg came; otherwise it went.
    pub came: bool,
}

/// How a piece of news stands to a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A reader with the cursor has it.
    Before,
    /// A stream from the cursor brings it.
    After,
    /// Nobody here was told yet: it was committed a moment ago, or released by another node for somebody who has
    /// no stream here.
    Never,
}

impl News {
    /// Whether it concerns a person.
    pub(super) fn concerns(&self, ordinal: u32) -> bool {
        match &self.members {
            Members::One(only) => *only == ordinal,
            Members::Many(set) => set.contains(ordinal),
        }
    }
}

impl Feed {
    /// A feed with a number of its own over what the store says is visible.
    pub(super) fn new(id: i64, started_at: At, visible: Vec<VisibleLeg>) -> Feed {
        let mut state = State::default();
        for leg in visible {
            state.show(Position::of(leg.visible_at, leg.leg), leg.members, leg.expire_at);
        }
        Feed { id, started_at, state: Mutex::new(state) }
    }

    /// A leg came. Returns the news, or `None` if it is known already.
    pub(super) fn came(&self, at: Position, expire_at: At, members: &Members) -> Option<News> {
        let mut state = self.state.lock();
        if state.positions.contains_key(&at.leg()) || state.told.contains_key(&at.leg()) {
            return None;
        }
        if let Members::Many(set) = members {
            state.show(at, Arc::clone(set), expire_at);
        }
        state.newest = state.newest.max(at);
        let news = state.tell(at, members.clone(), true);
        state.told.insert(at.leg(), news.seq);
        Some(news)
    }

    /// Whether a leg was told or is listed.
    pub(super) fn knows(&self, leg: LegId) -> bool {
        let state = self.state.lock();
        state.positions.contains_key(&leg) || state.told.contains_key(&leg)
    }

    /// A leg went. Returns the news, or `None` if nobody here has heard of it.
    pub(super) fn went(&self, leg: LegId) -> Option<News> {
        let mut state = self.state.lock();
        let shown = state.positions.remove(&leg).and_then(|at| state.legs.remove(&at).map(|one| (at, one.members)));
        let (at, members) = match shown {
            Some((at, members)) => (at, Members::Many(members)),
            None => {
                let told = state.news.iter().rev().find(|news| news.at.leg() == leg);
                let Some(told) = told.cloned() else {
                    // Should the news that it came be late, it must not show the leg again.
                    let news = state.tell(Position::of(At(0), leg), Members::Many(Arc::default()), false);
                    state.told.insert(leg, news.seq);
                    return None;
                };
                if !told.came {
                    return None;
                }
                (told.at, told.members)
            }
        };
        Some(state.tell(at, members, false))
    }

    /// Where the feed stands.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor_of(&self.state.lock())
    }

    /// The cursor of a reader who has a piece of news and all before it.
    pub(super) fn after(&self, news: &News) -> Cursor {
        Cursor { feed: self.id, seq: news.seq, position: news.newest }
    }

    /// The visible legs that have a person among their members, newest first, and where the feed stood at
    /// that moment. Expired ones are left out.
    pub(super) fn list(&self, ordinal: u32, now: At) -> (Vec<Position>, Cursor) {
        let state = self.state.lock();
        let hers =
            |(at, leg): (&Position, &Visible)| (leg.expire_at > now && leg.members.contains(ordinal)).then_some(*at);
        (state.legs.iter().rev().filter_map(hers).collect(), self.cursor_of(&state))
    }

    /// The members of a visible leg of several people.
    pub(super) fn members(&self, leg: LegId) -> Option<Arc<Set>> {
        let state = self.state.lock();
        state.positions.get(&leg).and_then(|at| state.legs.get(at)).map(|one| Arc::clone(&one.members))
    }

    /// How a short message's news stands to a reader with this cursor.
    pub(super) fn heard(&self, cursor: &Cursor, at: Position, now: At) -> Heard {
        let state = self.state.lock();
        let old = at.visible_at <= self.started_at
            || at.visible_at.plus(TOLD_AFTER) < now
            || at.visible_at <= state.forgotten.visible_at;
        match state.told.get(&at.leg()) {
            Some(seq) if *seq <= cursor.seq => Heard::Before,
            Some(_) => Heard::After,
            None if old => Heard::Before,
            None => Heard::Never,
        }
    }

    /// The news for a person after a cursor, oldest first; `None` if the cursor is of another feed or the
    /// feed has forgotten some of them.
    pub(super) fn since(&self, cursor: &Cursor, ordinal: u32) -> Option<Vec<News>> {
        let state = self.state.lock();
        let first = state.news.front().map_or(state.seq + 1, |news| news.seq);
        if cursor.feed != self.id || cursor.seq + 1 < first || cursor.seq > state.seq {
            return None;
        }
        let from = usize::try_from(cursor.seq + 1 - first).unwrap_or(0);
        Some(state.news.range(from..).filter(|news| news.concerns(ordinal)).cloned().collect())
    }

    /// Forgets legs that have expired and returns them.
    pub(super) fn expire(&self, now: At) -> Vec<LegId> {
        let mut state = self.state.lock();
        let gone: Vec<Position> =
            state.legs.iter().filter(|(_, leg)| leg.expire_at <= now).map(|(at, _)| *at).collect();
        for at in &gone {
            state.legs.remove(at);
            state.positions.remove(&at.leg());
        }
        gone.into_iter().map(Position::leg).collect()
    }

    fn cursor_of(&self, state: &State) -> Cursor {
        Cursor { feed: self.id, seq: state.seq, position: state.newest }
    }
}

impl State {
    fn show(&mut self, at: Position, members: Arc<Set>, expire_at: At) {
        self.newest = self.newest.max(at);
        self.positions.insert(at.leg(), at);
        self.legs.insert(at, Visible { members, expire_at });
    }

    fn tell(&mut self, at: Position, members: Members, came: bool) -> News {
        self.seq += 1;
        let news = News { seq: self.seq, newest: self.newest, at, members, came };
        self.news.push_back(news.clone());
        if self.news.len() > NEWS_MAX
            && let Some(old) = self.news.pop_front()
        {
            self.forgotten = self.forgotten.max(old.at);
            if self.told.get(&old.at.leg()) == Some(&old.seq) {
                self.told.remove(&old.at.leg());
            }
        }
        news
    }
}
