//! Who calls, with which key, and what a grant lets them do.

use serde::{Deserialize, Serialize};

use super::certificate::Fingerprint;
use super::channel::Channel;
use super::class::Class;
use super::id::{ApplicationId, GrantId, KeyId};
use super::network::Network;
use super::tag::{Tag, covers};
use super::time::At;

/// Whether a key reaches people or only the stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Mode {
    /// Reaches people.
    Live = 1,
    /// Reaches nobody: every leg gets the stub provider.
    Test = 2,
}

impl Mode {
    /// The mode with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Mode> {
        [Mode::Live, Mode::Test].into_iter().find(|mode| *mode as i64 == code)
    }
}

/// In whose name a call is made or a grant is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A connected application system.
    Application(ApplicationId),
    /// A person, by ordinal.
    Person(u32),
}

impl Principal {
    /// One number for both kinds, as the store keys them: applications positive, persons negative.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Principal::Application(id) => id.0,
            Principal::Person(ordinal) => -1 - i64::from(ordinal),
        }
    }

    /// The principal with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Principal {
        match u32::try_from(-1 - code) {
            Ok(ordinal) if code < 0 => Principal::Person(ordinal),
            _ => Principal::Application(ApplicationId(code)),
        }
    }
}

/// What a key may be used for; a set of [`KeyScope`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyScopes(pub u8);

/// One thing a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyScope {
    /// Publish, preview, cancel own messages.
    Publish = 1,
    /// Read own messages and their reports.
    Read = 2,
    /// Edit tags.
    Tags = 4,
    /// Issue user tokens for the inbox.
    IssueUserTokens = 8,
    /// Administer directory and rights, read everything.
    Admin = 16,
}

impl KeyScope {
    /// Every scope.
    pub const ALL: [KeyScope; 5] =
        [KeyScope::Publish, KeyScope::Read, KeyScope::Tags, KeyScope::IssueUserTokens, KeyScope::Admin];

    /// The name as in the interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyScope::Publish => "PUBLISH",
            KeyScope::Read => "READ",
            KeyScope::Tags => "TAGS",
            KeyScope::IssueUserTokens => "ISSUE_USER_TOKENS",
            KeyScope::Admin => "ADMIN",
        }
    }
}

impl KeyScopes {
    /// Every scope there is.
    #[must_use]
    pub fn all() -> KeyScopes {
        KeyScope::ALL.into_iter().collect()
    }

    /// Whether the key may be used for this.
    #[must_use]
    pub fn has(self, scope: KeyScope) -> bool {
        self.0 & scope as u8 != 0
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<I: IntoIterator<Item = KeyScope>>(scopes: I) -> Self {
        KeyScopes(scopes.into_iter().fold(0, |bits, scope| bits | scope as u8))
    }
}

/// A connected application system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id.
    pub id: ApplicationId,
    /// The owning department (the store's key).
    pub department_id: i64,
    /// The shown name.
    pub title: String,
    /// Weight against other applications in one lane; 1 is ordinary.
    pub weight: u32,
    /// May issue user tokens.
    pub inbox_gateway: bool,
    /// Channels of a publish that names none.
    pub default_channels: Vec<Channel>,
    /// Topic of a publish that names none.
    pub default_topic: Option<String>,
    /// Whom to ask about it.
    pub contact: String,
    /// Raised by every change.
    pub version: i64,
}

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id, part of the shown token.
    pub id: KeyId,
    /// Whose key it is.
    pub principal: Principal,
    /// Live or test.
    pub mode: Mode,
    /// HMAC-SHA-256 of the secret part under the installation's own key.
    pub hash: [u8; 32],
    /// What it may be used for.
    pub scopes: KeyScopes,
    /// After this it is refused.
    pub expire_at: Option<At>,
    /// When it was revoked.
    pub revoked_at: Option<At>,
    /// Raised by every change; publishes verify it in their commit.
    pub version: i64,
    /// When it was made.
    pub created_at: At,
    /// What the owner calls it.
    pub title: String,
    /// Where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// With which client certificates; empty: with any and without.
    pub certificates: Vec<Fingerprint>,
}

impl Key {
    /// A new key that never expires and may do nothing yet.
    #[must_use]
    pub fn new(id: KeyId, principal: Principal, mode: Mode, hash: [u8; 32], created_at: At) -> Key {
        Key {
            id,
            principal,
            mode,
            hash,
            scopes: KeyScopes(0),
            expire_at: None,
            revoked_at: None,
            version: 1,
            created_at,
            title: String::new(),
            networks: Vec::new(),
            certificates: Vec::new(),
        }
    }

    /// Whether the key opens anything at this moment.
    #[must_use]
    pub fn is_valid(&self, now: At) -> bool {
        self.revoked_at.is_none() && self.expire_at.is_none_or(|end| now < end)
    }

    /// Whether an administrator can work with it at this moment.
    #[must_use]
    pub fn administers(&self, now: At) -> bool {
        self.is_valid(now) && self.mode == Mode::Live && self.scopes.has(KeyScope::Admin)
    }
}

/// A right to send. Empty lists allow nothing, except `tags`, where empty means that no tag may be used
/// and `any_tag` lifts the limit for tags that are not sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who holds it.
    pub principal: Principal,
    /// Departments (the store's keys) that it covers, with all below them.
    pub department_ids: Vec<i64>,
    /// A further scope, as an audience expression; `everyone` covers the whole institution.
    pub audience: Option<String>,
    /// Tags that may be used in expressions, by name or as `key:*`.
    pub tags: Vec<String>,
    /// Every tag that is not sensitive may be used.
    pub any_tag: bool,
    /// Tags that may be made and edited, by name or as `key:*`.
    pub edit_tags: Vec<String>,
    /// Channels that may be used.
    pub channels: Vec<Channel>,
    /// Classes that may be used.
    pub classes: Vec<Class>,
    /// Most deliveries' people a day, UTC; `None` is no limit.
    pub per_day: Option<u64>,
    /// Most people of one message; `None` is no limit.
    pub per_message: Option<u64>,
    /// May publish for persons with grants of their own (`sender_user_id`).
    pub may_act_for: bool,
    /// Before this it is no right.
    pub valid_after: At,
    /// After this it is no right.
    pub expire_at: Option<At>,
    /// Who gave it.
    pub granted_by: Principal,
    /// The departments (the store's keys) of the giver's office: whatever the grant names, it reaches nobody
    /// outside them. `None`: the giver's office was the whole institution.
    pub ceiling: Option<Vec<i64>>,
    /// It is no right while the person who holds it is not of this department (the store's key) or one below.
    pub while_in: Option<i64>,
    /// When it was taken back.
    pub revoked_at: Option<At>,
    /// Raised by every change; publishes verify it in their commit.
    pub version: i64,
}

/// Where a grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// It is a right.
    Active,
    /// It is none yet.
    Future,
    /// Its time ran out.
    Expired,
    /// It was taken back.
    Revoked,
}

impl Grant {
    /// A new grant that never expires and covers nothing yet.
    #[must_use]
    pub fn new(id: GrantId, principal: Principal, granted_by: Principal, valid_after: At) -> Grant {
        Grant {
            id,
            principal,
            department_ids: Vec::new(),
            audience: None,
            tags: Vec::new(),
            any_tag: false,
            edit_tags: Vec::new(),
            channels: Vec::new(),
            classes: Vec::new(),
            per_day: None,
            per_message: None,
            may_act_for: false,
            valid_after,
            expire_at: None,
            granted_by,
            ceiling: None,
            while_in: None,
            revoked_at: None,
            version: 1,
        }
    }

    /// Where the grant stands at this moment.
    #[must_use]
    pub fn state(&self, now: At) -> GrantState {
        if self.revoked_at.is_some() {
            GrantState::Revoked
        } else if self.expire_at.is_some_and(|end| end <= now) {
            GrantState::Expired
        } else if self.valid_after > now {
            GrantState::Future
        } else {
            GrantState::Active
        }
    }

    /// Where it stood at an earlier moment, as far as it tells itself: a renewal leaves no trace of the end before it.
    /// `None` before it was given.
    #[must_use]
    pub fn state_at(&self, at: At) -> Option<GrantState> {
        let not_yet_revoked = Grant { revoked_at: self.revoked_at.filter(|revoked| *revoked <= at), ..self.clone() };
        (self.id.made_at() <= at).then(|| not_yet_revoked.state(at))
    }

    /// Whether the grant lets its holder name a tag in an expression. A sensitive tag must be named by the grant
    /// itself, or the grant by the tag; `key:*` names none.
    #[must_use]
    pub fn may_use(&self, tag: &Tag) -> bool {
        if self.tags.contains(&tag.name) {
            return true;
        }
        let covered = self.any_tag || self.tags.iter().any(|pattern| covers(pattern, &tag.name));
        covered && (!tag.sensitive || tag.user_grants.contains(&self.id))
    }

    /// Whether the grant lets its holder make and edit a tag of this name.
    #[must_use]
    pub fn may_edit(&self, tag: &str) -> bool {
        self.edit_tags.iter().any(|pattern| covers(pattern, tag))
    }

    /// Whether the grant is a right at this moment.
    #[must_use]
    pub fn is_valid(&self, now: At) -> bool {
        self.state(now) == GrantState::Active
    }
}

#[cfg(test)]
mod tests {
    use super::super::tag::TagKind;
    use super::*;

    #[test]
    fn a_sensitive_tag_is_used_by_name_only() {
        let grant = |tags: &[&str], any_tag| Grant {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            any_tag,
            ..Grant::new(GrantId(7), Principal::Person(1), Principal::Person(0), At(0))
        };
        let plain = Tag::new(1, TagKind::Static, "aid:yes");
        let sensitive = Tag { sensitive: true, ..plain.clone() };
        let lent = Tag { user_grants: vec![GrantId(7)], ..sensitive.clone() };
        for (grant, expected) in [
            (grant(&[], true), [true, false, true]),
            (grant(&["aid:*"], false), [true, false, true]),
            (grant(&["aid:yes"], false), [true, true, true]),
            (grant(&["other"], false), [false, false, false]),
        ] {
            assert_eq!([&plain, &sensitive, &lent].map(|tag| grant.may_use(tag)), expected, "{:?}", grant.tags);
        }
    }
}
