//! Edits of who is in a static tag, by stream.

use super::{Refused, Registrar, check, may_tag, tags};
use crate::access::Caller;
use crate::audience::Snapshot;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::{Tag, TagKind, is_external_id};
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::{self, Set};
use crate::store::{Error, RowError};

/// The most ids of one list of an edit.
pub const IDS_MAX: usize = 10_000;

/// What a stream of edits did.
#[derive(Clone, Debug, Default)]
pub struct MembersEdited {
    /// Users that were not in.
    pub added: u64,
    /// Users that were in.
    pub removed: u64,
    /// The first ids that were left out; the row is the edit's place in the stream.
    pub errors: Vec<RowError>,
    /// Ids left out in all.
    pub error_count: u64,
    /// The change number.
    pub seq: i64,
}

/// A stream of edits under way. Each edit stands once it was put.
pub struct MemberEdit {
    registrar: Registrar,
    caller: Caller,
    tag: Option<String>,
    next: usize,
    refused: Refused,
    edited: MembersEdited,
}

impl Registrar {
    /// Begins a stream of edits.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, `TEST_KEY`.
    pub fn edit_members(&self, caller: &Caller) -> Result<MemberEdit, Refusal> {
        may_tag(caller)?;
        let (refused, edited) = (Refused::default(), MembersEdited::default());
        Ok(MemberEdit { registrar: self.clone(), caller: caller.clone(), tag: None, next: 0, refused, edited })
    }
}

impl MemberEdit {
    /// Puts people into a tag and takes people out; `tag` is that of the edit before if it is empty. An id that
    /// nobody has is left out and listed.
    ///
    /// # Errors
    /// `FIELD_REQUIRED` without a tag, `FIELD_TOO_LONG` for too many ids, `FIELD_INVALID` for a rule tag,
    /// `TAG_NOT_GRANTED`, `NOT_FOUND` for the tag, and those of the store. Earlier edits stand.
    pub async fn put(&mut self, tag: &str, add: &[String], remove: &[String]) -> Result<(), Refusal> {
        let row = self.next;
        self.next += 1;
        if !tag.is_empty() {
            self.tag = Some(check::tag_name("tag", tag)?);
        }
        let Some(name) = self.tag.clone() else {
            return Err(Refusal::new(Reason::FieldRequired, "Name the tag in the first message.").field("tag"));
        };
        line::longest("add", add.len(), IDS_MAX, "entries")?;
        line::longest("remove", remove.len(), IDS_MAX, "entries")?;
        let parts = self.registrar.parts.clone();
        self.registrar.bury(&[name.as_str()]).await?;
        let snapshot = parts.memory.index.snapshot();
        let kept = self.registrar.editable(&self.caller, &name, &snapshot)?;
        let Tag { id, kind, .. } = *kept.ok_or_else(|| tags::not_found(&name))?;
        if kind != TagKind::Static {
            let message = format!("Tag `{name}` is a rule and has no members to edit. Change its rule.");
            return Err(Refusal::new(Reason::FieldInvalid, message).field("tag").with("tag", name));
        }
        let add = self.known("add", add, row, &snapshot);
        let remove = self.known("remove", remove, row, &snapshot);
        let sets = [&add, &remove].map(set::to_bytes);
        parts.audit.record(&self.caller, Deed::of(Action::TagEdit).on(Object::Tag(id)).over(sets)).await?;
        match parts.store.directory.edit_tag(&name, add, remove, parts.clock.now()).await {
            Ok(written) => {
                self.edited.added += written.added;
                self.edited.removed += written.removed;
                self.edited.seq = written.seq;
            }
            // A group among them, say: this edit is left out, the others go on.
            Err(Error::Refused(refusal)) => self.refused.add(row, refusal),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits until this node's index has all edits.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn finish(mut self) -> Result<MembersEdited, Refusal> {
        let parts = &self.registrar.parts;
        if self.edited.seq == 0 {
            self.edited.seq = parts.memory.index.seq();
        }
        parts.follower.catch_up(self.edited.seq).await?;
        Ok(MembersEdited { errors: self.refused.errors, error_count: self.refused.count, ..self.edited })
    }

    fn known(&mut self, list: &str, ids: &[String], row: usize, snapshot: &Snapshot) -> Set {
        let mut known = Set::new();
        for (place, ordinal) in snapshot.users().ordinals(ids).into_iter().enumerate() {
            match ordinal {
                Some(ordinal) => drop(known.insert(ordinal)),
                None => {
                    let message = "There is no such user. Correct the id, or enter the user into the directory first.";
                    let refusal = Refusal::new(Reason::UnknownUser, message).field(format!("{list}[{place}]"));
                    // Whatever else was sent there may be somebody's address.
                    let named = is_external_id(&ids[place]);
                    self.refused.add(row, if named { refusal.with("user_ids", &ids[place]) } else { refusal });
                }
            }
        }
        known
    }
}
