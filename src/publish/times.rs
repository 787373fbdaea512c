//! When a message starts and when it is no longer worth delivering.

use std::time::Duration;

use crate::domain::class::Class;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// A send time so little in the past means now.
const PAST_MAX: Duration = Duration::from_secs(60);
/// The farthest send time.
const AHEAD_MAX: Duration = Duration::from_secs(365 * 86_400);
/// The longest validity.
const VALIDITY_MAX: Duration = Duration::from_secs(30 * 86_400);

/// When a message starts and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) send_at: At,
    pub(super) expire_at: At,
    /// It waits for its send time.
    pub(super) scheduled: bool,
}

/// Decides both times. The expiry counts from the send time unless it is given.
///
/// Errors: `PAST_SEND_AT`, `FIELD_INVALID`, `EXPIRE_BEFORE_SEND`.
pub(super) fn decide(now: At, class: Class, send_at: Option<At>, expire_at: Option<At>) -> Result<Times, Refusal> {
    let wanted = send_at.unwrap_or(now);
    if wanted < now.minus(PAST_MAX) {
        let message = "The send time lies more than 60 seconds in the past; leave it out to send now.";
        return Err(Refusal::new(Reason::PastSendAt, message).field("send_at"));
    }
    if wanted > now.plus(AHEAD_MAX) {
        let message = "The send time lies more than 365 days ahead; choose an earlier one.";
        return Err(Refusal::new(Reason::FieldInvalid, message).field("send_at"));
    }
    let send_at = wanted.max(now);
    let expire_at = expire_at.unwrap_or_else(|| send_at.plus(class.default_validity()));
    if expire_at <= send_at {
        let message = "The message would expire before it is sent; choose a later expiry, or leave it out.";
        return Err(Refusal::new(Reason::ExpireBeforeSend, message).field("expire_at"));
    }
    if expire_at > send_at.plus(VALIDITY_MAX) {
        let message = "A message is valid for at most 30 days after its send time; choose an earlier expiry.";
        return Err(Refusal::new(Reason::FieldInvalid, message).field("expire_at"));
    }
    Ok(Times { send_at, expire_at, scheduled: wanted > now })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: At = At(1_790_000_000_000);

    fn refused(send_at: Option<i64>, expire_at: Option<i64>) -> Reason {
        let at = |offset: i64| At(NOW.0.saturating_add(offset));
        decide(NOW, Class::Notice, send_at.map(at), expire_at.map(at)).unwrap_err().reason
    }

    #[test]
    fn a_send_time_just_past_is_now_and_an_older_one_is_refused() {
        let times = decide(NOW, Class::Emergency, Some(At(NOW.0 - 60_000)), None).unwrap();
        let expire_at = NOW.plus(Duration::from_secs(6 * 3_600));
        assert_eq!(times, Times { send_at: NOW, expire_at, scheduled: false });
        assert_eq!(refused(Some(-60_001), None), Reason::PastSendAt);
        assert_eq!(refused(Some(i64::MIN), None), Reason::PastSendAt);
    }

    #[test]
    fn the_expiry_counts_from_the_send_time_and_comes_after_it() {
        let later = At(NOW.0 + 3_600_000);
        let times = decide(NOW, Class::Bulk, Some(later), None).unwrap();
        assert_eq!((times.scheduled, times.expire_at), (true, later.plus(Duration::from_secs(2 * 86_400))));
        assert_eq!(refused(Some(3_600_000), Some(3_600_000)), Reason::ExpireBeforeSend);
        assert_eq!(refused(None, Some(0)), Reason::ExpireBeforeSend);
        assert_eq!(refused(None, Some(30 * 86_400_000 + 1)), Reason::FieldInvalid);
        assert_eq!(refused(Some(365 * 86_400_000 + 1), None), Reason::FieldInvalid);
        assert_eq!(refused(Some(i64::MAX), Some(i64::MAX)), Reason::FieldInvalid, "no overflow");
    }
}
