//! Whose inbox a call is about: user tokens, issued by inbox gateways and good for nothing else.

use std::time::Duration;

use super::Inboxes;
use crate::access::Caller;
use crate::access::token::invalid;
use crate::access::user_token::UserToken;
use crate::domain::access::{KeyScope, Mode, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::{FIRST_ORDINAL, is_external_id};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// How long a user token works unless its caller says so.
pub const VALID_FOR: Duration = Duration::from_secs(3_600);
/// The longest that a user token works.
pub const VALID_FOR_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Whose inbox a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The person.
    pub ordinal: u32,
    /// Live or test messages.
    pub mode: Mode,
    /// The epoch of the token; it ends when the person's rises.
    pub token_epoch: i64,
    /// When the token ends.
    pub expire_at: At,
}

/// A new user token.
#[derive(Clone)]
pub struct Issued {
    /// The token itself; shown once.
    pub token: String,
    /// When it ends.
    pub expire_at: At,
}

impl Inboxes {
    /// Issues a token with which one person reaches her inbox. It carries the mode of the caller's key.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without the scope or for an application that is no inbox gateway, `FIELD_INVALID`,
    /// `UNKNOWN_USER`.
    pub async fn issue(&self, caller: &Caller, user_id: &str, valid_for: Option<Duration>) -> Result<Issued, Refusal> {
        caller.require(KeyScope::IssueUserTokens)?;
        let gateway = match caller.principal {
            Principal::Application(id) => self.parts.applications.get(id).is_some_and(|one| one.inbox_gateway),
            Principal::Person(_) => false,
        };
        if !gateway {
            let advice = "Only an application that is an inbox gateway issues user tokens. Ask an administrator.";
            return Err(Refusal::new(Reason::ScopeMissing, advice).with("scope", KeyScope::IssueUserTokens.name()));
        }
        let span = validity(valid_for)?;
        let snapshot = self.parts.index.snapshot();
        // Simulated users have inboxes for test keys only; the administrator, groups and those who left have none.
        let has_inbox = |ordinal: &u32| match *ordinal < FIRST_ORDINAL {
            true => caller.mode() == Mode::Test,
            false => snapshot.everyone().contains(*ordinal),
        };
        let ordinal = snapshot.users().ordinal(user_id).filter(has_inbox);
        let ordinal = ordinal.ok_or_else(|| unknown_user(user_id))?;
        self.parts.audit.record(caller, Deed::of(Action::InboxToken).on(Object::User(ordinal))).await?;
        let expire_at = self.parts.clock.now().plus(span);
        let (mode, token_epoch) = (caller.mode(), snapshot.users().token_epoch(ordinal));
        let token = UserToken { ordinal, mode, token_epoch, expire_at };
        Ok(Issued { token: token.sign(&self.parts.seal), expire_at })
    }

    /// Whose inbox a token opens. Other services do not take it, and this one takes no other.
    ///
    /// # Errors
    /// `TOKEN_INVALID`, also for a person who was erased or whose tokens were ended.
    pub fn verify(&self, token: &str) -> Result<Reader, Refusal> {
        let token = UserToken::verify(token, &self.parts.seal, self.parts.clock.now())?;
        let UserToken { ordinal, mode, token_epoch, expire_at } = token;
        let reader = Reader { ordinal, mode, token_epoch, expire_at };
        let known = self.parts.index.snapshot().users().external_id(ordinal).is_some();
        if known && self.is_present(&reader) { Ok(reader) } else { Err(invalid()) }
    }

    /// Whether a reader's token was not ended before its time.
    pub(super) fn is_present(&self, reader: &Reader) -> bool {
        self.parts.index.snapshot().users().token_epoch(reader.ordinal) == reader.token_epoch
    }
}

/// How long a token is to work.
fn validity(wanted: Option<Duration>) -> Result<Duration, Refusal> {
    match wanted {
        None => Ok(VALID_FOR),
        Some(span) if span > Duration::ZERO && span <= VALID_FOR_MAX => Ok(span),
        Some(_) => {
            let advice = "A user token works for more than 0 and at most 24 hours; leave the field out for one hour.";
            Err(Refusal::new(Reason::FieldInvalid, advice).field("valid_for"))
        }
    }
}

fn unknown_user(user_id: &str) -> Refusal {
    let message = "There is no such user. Correct the id, or enter the user into the directory first.";
    let refusal = Refusal::new(Reason::UnknownUser, message).field("user_id").with("count", 1);
    // What is no id at all is not repeated.
    if is_external_id(user_id) { refusal.with("user_ids", user_id) } else { refusal }
}
