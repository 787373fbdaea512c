//! How a provider does: what each call says of it, and what the last minutes came to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::decide::Ruling;
use crate::domain::time::At;
use crate::domain::verdict::{Fault, Verdict};

/// Calls are counted by spans of this length.
const SPAN: Duration = Duration::from_secs(30);
/// So many spans are the last five minutes.
const SPANS: usize = 10;

/// Of what kind a provider's trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The answer was lost.
    Unanswered,
    /// It was not reached.
    Network,
    /// It said: not now.
    Provider,
    /// Its settings or credentials here are wrong.
    Operator,
}

impl Trouble {
    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Trouble::Unanswered => "unanswered",
            Trouble::Network => "network",
            Trouble::Provider => "provider",
            Trouble::Operator => "operator",
        }
    }
}

/// What one call says of its provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impression {
    /// Leave it alone for so long.
    pub pause: Option<Duration>,
    /// Leave it alone until a person has mended its settings.
    pub hold: bool,
    /// It judged at least one recipient, whatever the judgement: it knows us and takes calls.
    pub works: bool,
    /// The worst that it did to the call as a whole, in its own words.
    pub trouble: Option<(Trouble, Arc<str>)>,
}

impl Impression {
    /// Adds what one verdict says.
    pub fn add(&mut self, verdict: &Verdict, ruling: &Ruling) {
        self.pause = self.pause.max(ruling.pause);
        self.hold |= ruling.hold;
        let trouble = match verdict {
            Verdict::Accepted { .. } | Verdict::Rejected { .. } => None,
            Verdict::Retry { fault: Fault::Recipient, .. } => None,
            Verdict::Retry { fault: Fault::Operator, .. } if !ruling.hold => None,
            Verdict::Retry { fault: Fault::Operator, detail, .. } => Some((Trouble::Operator, detail)),
            Verdict::Retry { fault: Fault::Provider, detail, .. } => Some((Trouble::Provider, detail)),
            Verdict::Retry { fault: Fault::Network, detail, .. } => Some((Trouble::Network, detail)),
            Verdict::Unknown { detail } => Some((Trouble::Unanswered, detail)),
        };
        match trouble {
            None => self.works = true,
            Some((kind, words)) if self.trouble.as_ref().is_none_or(|(known, _)| *known < kind) => {
                self.trouble = Some((kind, Arc::clone(words)));
            }
            Some(_) => {}
        }
    }
}

/// What a provider's calls came to.
#[derive(Debug, Default)]
pub struct Vitals {
    calls: u64,
    /// By span of the monotonic clock, oldest first: which, calls, calls that came to nothing.
    recent: VecDeque<(u64, u32, u32)>,
    last: Option<(Trouble, Arc<str>, At)>,
}

impl Vitals {
    /// Counts a call. `now` and `at` are the same moment by the monotonic clock and by the calendar.
    pub fn note(&mut self, impression: &Impression, now: Duration, at: At) {
        self.calls += 1;
        let span = now.as_secs() / SPAN.as_secs();
        if self.recent.back().is_none_or(|(last, ..)| *last != span) {
            if self.recent.len() == SPANS {
                self.recent.pop_front();
            }
            self.recent.push_back((span, 0, 0));
        }
        if let Some((_, calls, failures)) = self.recent.back_mut() {
            *calls += 1;
            *failures += u32::from(!impression.works);
        }
        if let Some((kind, words)) = &impression.trouble {
            self.last = Some((*kind, Arc::clone(words), at));
        }
    }

    /// Notes a trouble that no call had.
    pub fn complain(&mut self, kind: Trouble, words: Arc<str>, at: At) {
        self.last = Some((kind, words, at));
    }

    /// Calls since the start.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls of the last five minutes, and how many of them came to nothing.
    #[must_use]
    pub fn recent(&self, now: Duration) -> (u32, u32) {
        let span = now.as_secs() / SPAN.as_secs();
        let young = self.recent.iter().filter(|(then, ..)| then + SPANS as u64 > span);
        young.fold((0, 0), |(calls, failures), (_, c, f)| (calls + c, failures + f))
    }

    /// The last trouble, in the provider's words, and when.
    #[must_use]
    pub fn last(&self) -> Option<&(Trouble, Arc<str>, At)> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Impression {
        Impression { trouble: Some((Trouble::Network, "refused".into())), ..Impression::default() }
    }

    #[test]
    fn only_the_last_five_minutes_are_recent() {
        let mut vitals = Vitals::default();
        for second in 0..1_000 {
            let impression = if second < 900 { failed() } else { Impression { works: true, ..Impression::default() } };
            vitals.note(&impression, Duration::from_secs(second), At(0));
        }
        let (calls, failures) = vitals.recent(Duration::from_secs(999));
        assert!((270..=310).contains(&calls) && (170..=200).contains(&failures), "{calls} {failures}");
        assert_eq!(vitals.recent(Duration::from_secs(5_000)), (0, 0));
        assert_eq!((vitals.calls(), vitals.last().unwrap().0), (1_000, Trouble::Network));
    }
}
