//! What a verdict means for a delivery: an outcome, or another try. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::message::LostAnswer;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::time::At;
use crate::domain::verdict::{Fault, Verdict};

/// A delivery whose answer was lost is repeated on its first so many tries.
const REPEATS_MAX: u32 = 3;
/// A provider's wish up to this is obeyed even where it is more than twice the schedule.
const WISH_MAX: Duration = Duration::from_secs(3_600);
/// How long a provider is left alone at most if it did not say how long.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What is known of a call when its verdicts are judged.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Which try this was.
    pub attempt: u32,
    /// `Lane::retry_after` of this try, with jitter. `None`: it was the last.
    pub step: Option<Duration>,
    /// Now, by the calendar.
    pub now: At,
    /// When the message ends.
    pub expire_at: At,
    /// What to do with lost answers.
    pub lost_answer: LostAnswer,
    /// The message was cancelled.
    pub cancelled: bool,
    /// Somebody in the same call was reached, so the provider's settings cannot be what is wrong.
    pub reached: bool,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its outcome.
    Settled(Outcome, Reason),
    /// Another try.
    Again {
        /// When.
        due_at: At,
        /// Which try that will be.
        attempt: u32,
    },
}

/// A decision, and what it means for the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What becomes of the delivery.
    pub decision: Decision,
    /// Leave the provider alone for so long.
    pub pause: Option<Duration>,
    /// Leave the provider alone until a person has mended its settings.
    pub hold: bool,
}

/// Judges one verdict.
#[must_use]
pub fn decide(verdict: &Verdict, case: &Case) -> Ruling {
    let settled = |outcome, reason| ruled(Decision::Settled(outcome, reason));
    match verdict {
        Verdict::Accepted { .. } => settled(Outcome::Sent, Reason::None),
        Verdict::Rejected { reason, .. } => settled(Outcome::Failed, *reason),
        Verdict::Unknown { .. } => match case.step {
            // A cancelled delivery that may have happened is not called cancelled.
            Some(wait)
                if case.lost_answer == LostAnswer::Repeat
                    && case.attempt <= REPEATS_MAX
                    && !case.cancelled
                    && case.now.plus(wait) < case.expire_at =>
            {
                ruled(again(case, wait))
            }
            _ => settled(Outcome::Unknown, Reason::AnswerLost),
        },
        Verdict::Retry { fault: Fault::Operator, .. } if !case.reached => Ruling { hold: true, ..ruled(held(case)) },
        Verdict::Retry { after, fault, .. } => {
            let wait = case.step.map(|step| clamped(*after, step));
            let decision = match wait {
                _ if case.cancelled => Decision::Settled(Outcome::Cancelled, Reason::CancelledByPerson),
                None => Decision::Settled(Outcome::Failed, Reason::RetriesExhausted),
                Some(wait) if case.now.plus(wait) >= case.expire_at => {
                    Decision::Settled(Outcome::Expired, Reason::ExpiredWaiting)
                }
                Some(wait) => again(case, wait),
            };
            let pause = (*fault == Fault::Provider).then(|| match (wait, after) {
                (Some(wait), Some(_)) => wait,
                (Some(wait), None) => wait.min(PAUSE_MAX),
                (None, _) => PAUSE_MAX,
            });
            Ruling { pause, ..ruled(decision) }
        }
    }
}

/// A decision that means nothing for the provider.
fn ruled(decision: Decision) -> Ruling {
    Ruling { decision, pause: None, hold: false }
}

/// What becomes of a delivery that only the provider's settings keep from being made: the same try again, as soon
/// as the provider is not held any more, until the message ends.
fn held(case: &Case) -> Decision {
    if case.cancelled {
        Decision::Settled(Outcome::Cancelled, Reason::CancelledByPerson)
    } else if case.now >= case.expire_at {
        Decision::Settled(Outcome::Expired, Reason::ExpiredWaiting)
    } else {
        Decision::Again { due_at: case.now, attempt: case.attempt }
    }
}

/// The provider's words of a verdict: its reference or its complaint.
#[must_use]
pub fn words(verdict: &Verdict) -> Option<&Arc<str>> {
    let words = match verdict {
        Verdict::Accepted { reference } => reference.as_ref(),
        Verdict::Retry { detail, .. } | Verdict::Rejected { detail, .. } | Verdict::Unknown { detail } => Some(detail),
    };
    words.filter(|words| !words.is_empty())
}

/// A provider's wish for a pause, held within reason.
#[must_use]
pub fn cool_down(wish: Duration) -> Duration {
    wish.clamp(Duration::from_millis(100), WISH_MAX)
}

/// The provider's wish, but never sooner than the schedule and never later than twice the schedule or an hour.
fn clamped(wish: Option<Duration>, step: Duration) -> Duration {
    wish.map_or(step, |wish| wish.clamp(step, (step * 2).max(WISH_MAX)))
}

fn again(case: &Case, wait: Duration) -> Decision {
    Decision::Again { due_at: case.now.plus(wait), attempt: case.attempt + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: At = At(1_000_000);
    const S: Duration = Duration::from_secs(1);

    fn case() -> Case {
        Case {
            attempt: 1,
            step: Some(10 * S),
            now: NOW,
            expire_at: NOW.plus(100_000 * S),
            lost_answer: LostAnswer::Repeat,
            cancelled: false,
            reached: false,
        }
    }

    fn retry(after: Option<Duration>, fault: Fault) -> Verdict {
        Verdict::Retry { after, fault, detail: "later".into() }
    }

    fn again_after(wait: Duration, attempt: u32) -> Decision {
        Decision::Again { due_at: NOW.plus(wait), attempt }
    }

    #[test]
    fn every_verdict_has_its_decision() {
        use Decision::Settled;
        let unknown = Verdict::Unknown { detail: "cut".into() };
        let rejected = Verdict::Rejected { reason: Reason::AddressDead, detail: "550".into() };
        let later = retry(None, Fault::Recipient);
        let soon = NOW.plus(5 * S);
        let table = [
            (Verdict::Accepted { reference: None }, case(), Settled(Outcome::Sent, Reason::None)),
            (rejected, case(), Settled(Outcome::Failed, Reason::AddressDead)),
            (later.clone(), case(), again_after(10 * S, 2)),
            (later.clone(), Case { step: None, ..case() }, Settled(Outcome::Failed, Reason::RetriesExhausted)),
            (later.clone(), Case { expire_at: soon, ..case() }, Settled(Outcome::Expired, Reason::ExpiredWaiting)),
            (later, Case { cancelled: true, ..case() }, Settled(Outcome::Cancelled, Reason::CancelledByPerson)),
            (unknown.clone(), case(), again_after(10 * S, 2)),
            (unknown.clone(), Case { attempt: 3, ..case() }, again_after(10 * S, 4)),
            (unknown.clone(), Case { attempt: 4, ..case() }, Settled(Outcome::Unknown, Reason::AnswerLost)),
            (unknown.clone(), Case { cancelled: true, ..case() }, Settled(Outcome::Unknown, Reason::AnswerLost)),
            (unknown.clone(), Case { expire_at: soon, ..case() }, Settled(Outcome::Unknown, Reason::AnswerLost)),
            (unknown, Case { lost_answer: LostAnswer::Never, ..case() }, Settled(Outcome::Unknown, Reason::AnswerLost)),
        ];
        for (verdict, case, decision) in table {
            assert_eq!(decide(&verdict, &case), ruled(decision), "{verdict:?} {case:?}");
        }
    }

    #[test]
    fn wrong_settings_hold_the_provider_and_cost_nobody_a_try() {
        let wrong = retry(None, Fault::Operator);
        let last = Case { step: None, ..case() };
        assert_eq!(decide(&wrong, &last), Ruling { hold: true, ..ruled(again_after(Duration::ZERO, 1)) });
        let over = Case { expire_at: NOW, ..case() };
        assert_eq!(decide(&wrong, &over).decision, Decision::Settled(Outcome::Expired, Reason::ExpiredWaiting));
        let cancelled = decide(&wrong, &Case { cancelled: true, ..case() });
        assert_eq!(cancelled.decision, Decision::Settled(Outcome::Cancelled, Reason::CancelledByPerson));
        let reached = Case { reached: true, ..case() };
        assert_eq!(
            decide(&wrong, &reached),
            ruled(again_after(10 * S, 2)),
            "others were reached: it is this recipient"
        );
    }

    #[test]
    fn a_providers_wish_is_obeyed_within_reason() {
        for (wish, wait) in [(0, 10), (5, 10), (15, 15), (3_600, 3_600), (86_400, 3_600)] {
            let ruling = decide(&retry(Some(wish * S), Fault::Recipient), &case());
            assert_eq!(ruling.decision, again_after(wait * S, 2), "wish of {wish} s");
        }
        let late = Case { step: Some(7_200 * S), ..case() };
        assert_eq!(decide(&retry(Some(86_400 * S), Fault::Network), &late).decision, again_after(14_400 * S, 2));
    }

    #[test]
    fn only_a_fault_of_the_provider_pauses_it() {
        assert_eq!(decide(&retry(None, Fault::Network), &case()).pause, None);
        assert_eq!(decide(&retry(None, Fault::Provider), &case()).pause, Some(10 * S));
        assert_eq!(decide(&retry(Some(300 * S), Fault::Provider), &case()).pause, Some(300 * S));
        let late = Case { step: Some(7_200 * S), ..case() };
        assert_eq!(decide(&retry(None, Fault::Provider), &late).pause, Some(PAUSE_MAX));
        assert_eq!(decide(&retry(None, Fault::Provider), &Case { step: None, ..case() }).pause, Some(PAUSE_MAX));
    }
}
