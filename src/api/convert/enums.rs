//! The enumerations of the interface and their values in the domain.

use super::{invalid, not_yet};
use crate::api::v1;
use crate::domain::access::{KeyScope, KeyScopes, Mode};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::message::{LostAnswer, MessageState};
use crate::domain::outcome::{Outcome, ReceiptKind};
use crate::domain::refusal::Refusal;
use crate::domain::role::Role;

/// One named channel.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn channel(path: &str, number: i32) -> Result<Channel, Refusal> {
    Channel::from_code(i64::from(number)).ok_or_else(|| invalid(path, "names no channel"))
}

/// A channel that may be left out.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn channel_if(path: &str, number: i32) -> Result<Option<Channel>, Refusal> {
    if number == 0 { Ok(None) } else { channel(path, number).map(Some) }
}

/// Channels in the caller's order.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none and for a repetition.
pub fn channels(path: &str, numbers: &[i32]) -> Result<Vec<Channel>, Refusal> {
    let mut known = Vec::with_capacity(numbers.len().min(Channel::ALL.len()));
    for (place, number) in numbers.iter().enumerate() {
        let path = || format!("{path}[{place}]");
        let channel = channel(&path(), *number)?;
        if known.contains(&channel) {
            return Err(invalid(&path(), "repeats a channel; name each once"));
        }
        known.push(channel);
    }
    Ok(known)
}

/// A channel's number on the wire.
#[must_use]
pub fn channel_number(channel: Channel) -> i32 {
    match channel {
        Channel::Email => v1::Channel::Email,
        Channel::Wechat => v1::Channel::Wechat,
        Channel::App => v1::Channel::App,
        Channel::Webhook => v1::Channel::Webhook,
        Channel::Sms => v1::Channel::Sms,
        Channel::Dingtalk => v1::Channel::Dingtalk,
        Channel::Feishu => v1::Channel::Feishu,
    }
    .into()
}

/// A class that may be left out.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn class_if(path: &str, number: i32) -> Result<Option<Class>, Refusal> {
    if number == 0 {
        return Ok(None);
    }
    Class::from_code(i64::from(number)).map(Some).ok_or_else(|| invalid(path, "names no message class"))
}

/// A class's number on the wire.
#[must_use]
pub fn class_number(class: Class) -> i32 {
    match class {
        Class::Emergency => v1::MessageClass::Emergency,
        Class::Transactional => v1::MessageClass::Transactional,
        Class::Notice => v1::MessageClass::Notice,
        Class::Bulk => v1::MessageClass::Bulk,
    }
    .into()
}

/// The state that a filter names.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn state(path: &str, number: i32) -> Result<MessageState, Refusal> {
    match v1::MessageState::try_from(number) {
        Ok(v1::MessageState::Scheduled) => Ok(MessageState::Scheduled),
        Ok(v1::MessageState::Sending) => Ok(MessageState::Open),
        Ok(v1::MessageState::Finished) => Ok(MessageState::Closed),
        Ok(v1::MessageState::Cancelled) => Ok(MessageState::Cancelled),
        Ok(v1::MessageState::Expired) => Ok(MessageState::Expired),
        Ok(v1::MessageState::Rejected) => Ok(MessageState::Rejected),
        Ok(v1::MessageState::InReview) => Ok(MessageState::Held),
        Ok(v1::MessageState::Paused) => Ok(MessageState::Paused),
        Ok(v1::MessageState::Unspecified) | Err(_) => Err(invalid(path, "names no message state")),
    }
}

/// A state's number on the wire.
#[must_use]
pub fn state_number(state: MessageState) -> i32 {
    match state {
        MessageState::Scheduled => v1::MessageState::Scheduled,
        MessageState::Open => v1::MessageState::Sending,
        MessageState::Closed => v1::MessageState::Finished,
        MessageState::Cancelled => v1::MessageState::Cancelled,
        MessageState::Expired => v1::MessageState::Expired,
        MessageState::Rejected => v1::MessageState::Rejected,
        MessageState::Held => v1::MessageState::InReview,
        MessageState::Paused => v1::MessageState::Paused,
    }
    .into()
}

/// What to do about lost answers.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none, `NOT_YET_AVAILABLE` for `RETRY_LATER`.
pub fn lost_answer(path: &str, number: i32) -> Result<LostAnswer, Refusal> {
    match v1::LostAnswer::try_from(number) {
        Ok(v1::LostAnswer::Unspecified | v1::LostAnswer::Retry) => Ok(LostAnswer::Repeat),
        Ok(v1::LostAnswer::Never) => Ok(LostAnswer::Never),
        Ok(v1::LostAnswer::RetryLater) => Err(not_yet(path)),
        Err(_) => Err(invalid(path, "names no way to treat lost answers")),
    }
}

/// A policy's number on the wire.
#[must_use]
pub fn lost_answer_number(policy: LostAnswer) -> i32 {
    match policy {
        LostAnswer::Repeat => v1::LostAnswer::Retry,
        LostAnswer::Never => v1::LostAnswer::Never,
    }
    .into()
}

/// An outcome to filter by.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn outcome(path: &str, number: i32) -> Result<Outcome, Refusal> {
    match v1::Outcome::try_from(number) {
        Ok(v1::Outcome::Pending) => Ok(Outcome::Pending),
        Ok(v1::Outcome::Sent) => Ok(Outcome::Sent),
        Ok(v1::Outcome::Failed) => Ok(Outcome::Failed),
        Ok(v1::Outcome::Suppressed) => Ok(Outcome::Suppressed),
        Ok(v1::Outcome::Expired) => Ok(Outcome::Expired),
        Ok(v1::Outcome::Cancelled) => Ok(Outcome::Cancelled),
        Ok(v1::Outcome::Unknown) => Ok(Outcome::Unknown),
        Ok(v1::Outcome::Unspecified) | Err(_) => Err(invalid(path, "names no outcome")),
    }
}

/// An outcome's number on the wire.
#[must_use]
pub fn outcome_number(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Pending => v1::Outcome::Pending,
        Outcome::Sent => v1::Outcome::Sent,
        Outcome::Failed => v1::Outcome::Failed,
        Outcome::Suppressed => v1::Outcome::Suppressed,
        Outcome::Expired => v1::Outcome::Expired,
        Outcome::Cancelled => v1::Outcome::Cancelled,
        Outcome::Unknown => v1::Outcome::Unknown,
    }
    .into()
}

/// A receipt kind's number on the wire. A removal is the person's own affair and not shown.
#[must_use]
pub fn receipt_number(kind: ReceiptKind) -> Option<i32> {
    let shown = match kind {
        ReceiptKind::Delivered => v1::ReceiptKind::Delivered,
        ReceiptKind::Bounced => v1::ReceiptKind::Bounced,
        ReceiptKind::Complained => v1::ReceiptKind::Complained,
        ReceiptKind::Read => v1::ReceiptKind::Read,
        ReceiptKind::Confirmed => v1::ReceiptKind::Confirmed,
        ReceiptKind::Recalled => v1::ReceiptKind::Recalled,
        ReceiptKind::Removed => return None,
    };
    Some(shown.into())
}

/// A receipt to filter by.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn receipt(path: &str, number: i32) -> Result<ReceiptKind, Refusal> {
    let found = ReceiptKind::ALL.into_iter().find(|kind| number != 0 && receipt_number(*kind) == Some(number));
    found.ok_or_else(|| invalid(path, "names no kind of receipt"))
}

/// A key's mode.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn mode(path: &str, number: i32) -> Result<Mode, Refusal> {
    match v1::KeyMode::try_from(number) {
        Ok(v1::KeyMode::Unspecified | v1::KeyMode::Live) => Ok(Mode::Live),
        Ok(v1::KeyMode::Test) => Ok(Mode::Test),
        Err(_) => Err(invalid(path, "names no key mode")),
    }
}

/// A mode's number on the wire.
#[must_use]
pub fn mode_number(mode: Mode) -> i32 {
    match mode {
        Mode::Live => v1::KeyMode::Live,
        Mode::Test => v1::KeyMode::Test,
    }
    .into()
}

/// What a key is to be used for.
///
/// # Errors
/// `FIELD_INVALID` for a number that names no scope.
pub fn scopes(path: &str, numbers: &[i32]) -> Result<KeyScopes, Refusal> {
    let scope = |(place, number): (usize, &i32)| match v1::KeyScope::try_from(*number) {
        Ok(v1::KeyScope::Publish) => Ok(KeyScope::Publish),
        Ok(v1::KeyScope::Read) => Ok(KeyScope::Read),
        Ok(v1::KeyScope::Tags) => Ok(KeyScope::Tags),
        Ok(v1::KeyScope::IssueUserTokens) => Ok(KeyScope::IssueUserTokens),
        Ok(v1::KeyScope::Admin) => Ok(KeyScope::Admin),
        Ok(v1::KeyScope::Unspecified) | Err(_) => Err(invalid(&format!("{path}[{place}]"), "names no scope")),
    };
    numbers.iter().enumerate().map(scope).collect()
}

/// A role.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn role(path: &str, number: i32) -> Result<Role, Refusal> {
    role_if(path, number)?.ok_or_else(|| invalid(path, "names no role"))
}

/// A role that may be left out.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn role_if(path: &str, number: i32) -> Result<Option<Role>, Refusal> {
    match v1::Role::try_from(number) {
        Ok(v1::Role::Unspecified) => Ok(None),
        Ok(v1::Role::PlatformAdministrator) => Ok(Some(Role::PlatformAdministrator)),
        Ok(v1::Role::DepartmentAdministrator) => Ok(Some(Role::DepartmentAdministrator)),
        Ok(v1::Role::Reviewer) => Ok(Some(Role::Reviewer)),
        Ok(v1::Role::Sender) => Ok(Some(Role::Sender)),
        Ok(v1::Role::Auditor) => Ok(Some(Role::Auditor)),
        Err(_) => Err(invalid(path, "names no role")),
    }
}

/// A role's number on the wire.
#[must_use]
pub fn role_number(role: Role) -> i32 {
    match role {
        Role::PlatformAdministrator => v1::Role::PlatformAdministrator,
        Role::DepartmentAdministrator => v1::Role::DepartmentAdministrator,
        Role::Reviewer => v1::Role::Reviewer,
        Role::Sender => v1::Role::Sender,
        Role::Auditor => v1::Role::Auditor,
    }
    .into()
}

/// The numbers of a key's scopes on the wire.
#[must_use]
pub fn scope_numbers(scopes: KeyScopes) -> Vec<i32> {
    let number = |scope| match scope {
        KeyScope::Publish => v1::KeyScope::Publish,
        KeyScope::Read => v1::KeyScope::Read,
        KeyScope::Tags => v1::KeyScope::Tags,
        KeyScope::IssueUserTokens => v1::KeyScope::IssueUserTokens,
        KeyScope::Admin => v1::KeyScope::Admin,
    };
    KeyScope::ALL.into_iter().filter(|scope| scopes.has(*scope)).map(|scope| number(scope).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back_and_unknown_numbers_are_refused() {
        for known in Channel::ALL {
            assert_eq!(channel("c", channel_number(known)), Ok(known));
        }
        for known in Class::ALL {
            assert_eq!(class_if("c", class_number(known)), Ok(Some(known)));
        }
        for known in MessageState::ALL {
            assert_eq!(state("s", state_number(known)), Ok(known));
        }
        for known in Outcome::ALL {
            assert_eq!(outcome("o", outcome_number(known)), Ok(known));
        }
        for known in [Mode::Live, Mode::Test] {
            assert_eq!(mode("m", mode_number(known)), Ok(known));
        }
        for known in Role::ALL {
            assert_eq!(role("r", role_number(known)), Ok(known));
        }
        assert_eq!(scopes("s", &scope_numbers(KeyScopes::all())), Ok(KeyScopes::all()));
        assert!(channel("c", 999).is_err() && class_if("c", 999).is_err() && state("s", 999).is_err());
        assert!(outcome("o", 999).is_err() && mode("m", 999).is_err() && scopes("s", &[0]).is_err());
        assert!(channels("c", &[1, 2, 1]).is_err(), "a repetition");
    }
}
