//! The audit trail: what somebody did ([`Deed`]), and the chains that no later hand can alter unseen ([`chain`]).
//!
//! Nothing here holds a name, an address or a token: objects are ids and ordinals, and what a deed was about in
//! detail is a digest.

pub mod chain;
mod verify;

use aws_lc_rs::digest;

use super::id::{ApplicationId, GrantId, KeyId, MessageId, RequestId};

pub use chain::{Checkpoint, Entry, Head};
pub use verify::{Broken, Fault, Verifier};

/// The digest of a deed that needs none.
pub const NO_DIGEST: [u8; 32] = [0; 32];

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $code:literal $name:literal,)*) => {
        /// What was done. Codes and names are for ever: they are in hashes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Action {
            $($(#[$doc])* $action = $code,)*
        }

        impl Action {
            /// Every action, by code.
            pub const ALL: &[Action] = &[$(Action::$action,)*];

            /// The name, such as `grant.create`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Action::$action => $name,)*
                }
            }
        }
    };
}

actions! {
    /// An application was connected.
    ApplicationCreate = 1 "application.create",
    /// An application was changed.
    ApplicationUpdate = 2 "application.update",
    /// A key was made.
    KeyCreate = 3 "key.create",
    /// A key got a successor.
    KeyRotate = 4 "key.rotate",
    /// A key was ended.
    KeyRevoke = 5 "key.revoke",
    /// Somebody was given a role.
    RoleAssign = 6 "role.assign",
    /// A role was taken back.
    RoleWithdraw = 7 "role.withdraw",
    /// A right to send was given.
    GrantCreate = 8 "grant.create",
    /// A right to send was renewed.
    GrantRenew = 9 "grant.renew",
    /// A right to send was taken back.
    GrantRevoke = 10 "grant.revoke",
    /// Somebody asked for a right.
    RequestMake = 11 "request.make",
    /// A request was decided.
    RequestDecide = 12 "request.decide",
    /// A message was reviewed.
    ReviewDecide = 13 "review.decide",
    /// Reviews were handed to a deputy.
    ReviewDelegate = 14 "review.delegate",
    /// Messages were accepted.
    MessagePublish = 15 "message.publish",
    /// A message was stopped.
    MessageCancel = 16 "message.cancel",
    /// A message was not released when its time came.
    MessageReject = 17 "message.reject",
    /// Departments were made or changed.
    DepartmentUpsert = 18 "department.upsert",
    /// A department got another place in the tree.
    DepartmentMove = 19 "department.move",
    /// A department was deleted.
    DepartmentDelete = 20 "department.delete",
    /// Users were made or changed.
    UsersUpsert = 21 "users.upsert",
    /// A person was erased.
    UserErase = 22 "user.erase",
    /// Everything about a person was handed out.
    UserExport = 23 "user.export",
    /// A tag was made or changed.
    TagUpsert = 24 "tag.upsert",
    /// A tag was deleted.
    TagDelete = 25 "tag.delete",
    /// People were put into a tag or taken out.
    TagEdit = 26 "tag.edit",
    /// The directory was made like a list of the institution.
    DirectorySync = 27 "directory.sync",
    /// A person's record was read.
    UserRead = 28 "user.read",
    /// A page of people was read.
    UsersList = 29 "users.list",
    /// A page of the people of a tag was read.
    TagMembers = 30 "tag.members",
    /// A page of the people of a message was read.
    RecipientsList = 31 "recipients.list",
    /// One person's case was explained.
    RecipientExplain = 32 "recipient.explain",
    /// What a person was sent was read.
    HistoryRead = 33 "history.read",
    /// Some people of an audience were shown.
    PreviewSample = 34 "preview.sample",
    /// An inbox was opened for a person.
    InboxToken = 35 "inbox.token",
    /// The audit trail was read, exported or checked.
    AuditRead = 36 "audit.read",
    /// A right of somebody who left was ended by the service.
    LeaverEnd = 37 "leaver.end",
    /// A proof of a message was sent to its author.
    ProofSend = 38 "proof.send",
    /// A topic was declared or changed.
    TopicUpsert = 39 "topic.upsert",
    /// It was looked whom an audience names, without seeing any of them.
    AudiencePreview = 40 "audience.preview",
}

impl Action {
    /// The number as it is stored and hashed.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The action with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Action> {
        Action::ALL.iter().copied().find(|action| action.code() == code)
    }

    /// The action with a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Action> {
        Action::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// What something was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// Nothing in particular.
    None,
    /// A message.
    Message(MessageId),
    /// An application.
    Application(ApplicationId),
    /// A key.
    Key(KeyId),
    /// A grant.
    Grant(GrantId),
    /// A user, by ordinal.
    User(u32),
    /// A department, by the store's key.
    Department(i64),
    /// A tag, by the store's key.
    Tag(i64),
    /// A request for a grant.
    Request(RequestId),
}

impl Object {
    /// Kind and number as they are stored and hashed.
    #[must_use]
    pub fn codes(self) -> (i64, i64) {
        match self {
            Object::None => (0, 0),
            Object::Message(id) => (1, id.0),
            Object::Application(id) => (2, id.0),
            Object::Key(id) => (3, id.0),
            Object::Grant(id) => (4, id.0),
            Object::User(ordinal) => (5, i64::from(ordinal)),
            Object::Department(id) => (6, id),
            Object::Tag(id) => (7, id),
            Object::Request(id) => (8, id.0),
        }
    }

    /// The object with stored numbers.
    #[must_use]
    pub fn from_codes(kind: i64, id: i64) -> Option<Object> {
        Some(match kind {
            0 => Object::None,
            1 => Object::Message(MessageId(id)),
            2 => Object::Application(ApplicationId(id)),
            3 => Object::Key(KeyId(id)),
            4 => Object::Grant(GrantId(id)),
            5 => Object::User(u32::try_from(id).ok()?),
            6 => Object::Department(id),
            7 => Object::Tag(id),
            8 => Object::Request(RequestId(id)),
            _ => return None,
        })
    }
}

/// Something that somebody does or was not allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// It was refused for want of a right.
    pub denied: bool,
    /// SHA-256 over what it was about in detail; see [`Deed::over`].
    pub digest: [u8; 32],
}

impl Deed {
    /// A deed that was allowed, to nothing in particular.
    #[must_use]
    pub fn of(action: Action) -> Deed {
        Deed { action, object: Object::None, denied: false, digest: NO_DIGEST }
    }

    /// The deed, done to this.
    #[must_use]
    pub fn on(self, object: Object) -> Deed {
        Deed { object, ..self }
    }

    /// The deed with a digest over its details, part by part. Not for what somebody could guess about a person:
    /// a digest of a number of ten digits is the number.
    #[must_use]
    pub fn over<P: AsRef<[u8]>>(self, parts: impl IntoIterator<Item = P>) -> Deed {
        Deed { digest: digest_of(parts), ..self }
    }
}

/// SHA-256 over parts, each after its length, so that no two lists of parts are taken for one another.
#[must_use]
pub fn digest_of<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        let part = part.as_ref();
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    finished(hash)
}

fn finished(hash: digest::Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_keep_their_codes_and_names_for_ever() {
        let codes: Vec<i64> = Action::ALL.iter().map(|action| action.code()).collect();
        assert_eq!(codes, (1..=codes.len() as i64).collect::<Vec<_>>());
        for action in Action::ALL {
            assert_eq!(Action::from_code(action.code()), Some(*action));
            assert_eq!(Action::from_name(action.name()), Some(*action));
            assert!(action.name().split('.').count() == 2 && action.name().is_ascii(), "{}", action.name());
        }
        assert_eq!((Action::GrantCreate.code(), Action::MessagePublish.code(), Action::AuditRead.code()), (8, 15, 36));
    }

    #[test]
    fn objects_read_back() {
        let objects = [
            Object::None,
            Object::Message(MessageId(16)),
            Object::Application(ApplicationId(2)),
            Object::Key(KeyId(3)),
            Object::Grant(GrantId(4)),
            Object::User(5),
            Object::Department(6),
            Object::Tag(7),
            Object::Request(RequestId(8)),
        ];
        for (kind, object) in objects.into_iter().enumerate() {
            let (code, id) = object.codes();
            assert_eq!((code, Object::from_codes(code, id)), (kind as i64, Some(object)));
        }
        assert_eq!(Object::from_codes(5, -1), None);
    }

    #[test]
    fn parts_are_not_taken_for_one_another() {
        assert_ne!(digest_of(["ab", "c"]), digest_of(["a", "bc"]));
        assert_ne!(digest_of(["ab"]), NO_DIGEST);
    }
}
