//! Tags as they are written: made, changed, deleted. Who is in them is edited in [`super::members`].
//!
//! A grant says which tags its holder may make and edit; administrators may all. Whether a tag is sensitive, which
//! grants may use it all the same, and who owns it is for administrators to say.

use super::tags::TagView;
use super::{Registrar, check, may_tag};
use crate::access::authority::exceeds;
use crate::access::{Caller, Reach};
use crate::audience::parse::parse;
use crate::audience::{Snapshot, rule};
use crate::domain::access::{Grant, KeyScope, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::tag::{Tag, TagKind};
use crate::store::TagDraft;

/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// The most grants that one tag names.
const USER_GRANTS_MAX: usize = 64;

/// What a write of a tag did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagWritten {
    /// The tag as it is now.
    pub view: TagView,
    /// It did not exist before.
    pub created: bool,
    /// The change number.
    pub seq: i64,
}

impl Registrar {
    /// Creates a static or rule tag, or changes everything of it but its kind. The rule of a caller who does not run the
    /// whole service may use the tags that the caller may use, and no others. What only administrators say stays as it is for the
    /// others; a new tag belongs to the department of the application that makes it.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, or for what only administrators say; `TEST_KEY`, `TAG_NOT_GRANTED`,
    /// `EXCEEDS_OWN_RIGHTS`, those of a wrong field or rule, `TAG_CYCLE`, `ID_TAKEN` for a tag of another kind, `UNKNOWN_DEPARTMENT`, `ETAG_MISMATCH`.
    pub async fn upsert_tag(&self, caller: &Caller, mut draft: TagDraft) -> Result<TagWritten, Refusal> {
        may_tag(caller)?;
        draft.name = check::tag_name("tag.tag", &draft.name)?;
        self.bury(&[draft.name.as_str()]).await?;
        let snapshot = self.parts.memory.index.snapshot();
        let kept = match self.editable(caller, &draft.name, &snapshot) {
            // An office makes tags of its own under names that nobody has.
            Err(_) if snapshot.tag(&draft.name).is_none() && self.administers(caller) => None,
            found => found?,
        };
        let created = kept.is_none();
        self.settle_ownership(caller, &mut draft, kept, &snapshot)?;
        self.check(&draft, kept).await?;
        self.check_rule(caller, &draft, &snapshot)?;
        let deed = Deed::of(Action::TagUpsert).on(kept.map_or(Object::None, |tag| Object::Tag(tag.id)));
        self.parts.audit.record(caller, deed.over([format!("{draft:?}")])).await?;
        let (tag, seq) = self.parts.store.directory.upsert_tag(draft, self.parts.clock.now()).await?;
        if created {
            // What it is was not known before.
            self.parts.audit.record(caller, Deed::of(Action::TagUpsert).on(Object::Tag(tag.id))).await?;
        }
        self.parts.follower.catch_up(seq).await?;
        let view = self.view(caller, &tag, &self.parts.memory.index.snapshot());
        Ok(TagWritten { view, created, seq })
    }

    /// Deletes a tag; people stay. Returns the change number.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, `TEST_KEY`, `TAG_NOT_GRANTED`, `NOT_FOUND`, `ETAG_MISMATCH`.
    pub async fn delete_tag(&self, caller: &Caller, name: &str, version: Option<i64>) -> Result<i64, Refusal> {
        may_tag(caller)?;
        let name = check::tag_name("tag", name)?;
        self.bury(&[name.as_str()]).await?;
        let known = self.editable(caller, &name, &self.parts.memory.index.snapshot())?.map(|tag| tag.id);
        let deed = Deed::of(Action::TagDelete).on(known.map_or(Object::None, Object::Tag)).over([&name]);
        self.parts.audit.record(caller, deed).await?;
        let seq = self.parts.store.directory.delete_tag(&name, version, self.parts.clock.now()).await?;
        self.parts.follower.catch_up(seq).await?;
        Ok(seq)
    }

    /// Whether a caller may edit a tag and who is in it.
    pub(super) fn edits(&self, caller: &Caller, tag: &Tag) -> bool {
        tag.is_current(self.parts.clock.now()) && self.may_edit(caller, &tag.name, Some(tag))
    }

    /// The tag of a name that the caller may edit, if it exists.
    ///
    /// # Errors
    /// `TAG_NOT_GRANTED`, whether it exists or not.
    pub(super) fn editable<'a>(
        &self,
        caller: &Caller,
        name: &str,
        snapshot: &'a Snapshot,
    ) -> Result<Option<&'a Tag>, Refusal> {
        let now = self.parts.clock.now();
        let kept = snapshot.tag(name).map(|entry| &entry.tag).filter(|tag| tag.is_current(now));
        if self.may_edit(caller, name, kept) {
            return Ok(kept);
        }
        let message = format!("No grant lets you make or edit the tag `{name}`. Ask for one that names it to edit.");
        Err(Refusal::new(Reason::TagNotGranted, message).field("tag").with("tag", name))
    }

    /// Administrators edit the tags that their departments own, of the platform all; everybody what a grant names. A
    /// sensitive tag must be named in full: `key:*` names none.
    fn may_edit(&self, caller: &Caller, name: &str, kept: Option<&Tag>) -> bool {
        let now = self.parts.clock.now();
        if self.owns(&caller.administered(now), kept) {
            return true;
        }
        let held = self.parts.memory.grants.of(caller.principal);
        let sensitive = kept.is_some_and(|tag| tag.sensitive);
        let edits = |grant: &Grant| match sensitive {
            true => grant.edit_tags.iter().any(|one| one == name),
            false => grant.may_edit(name),
        };
        caller.may(KeyScope::Tags) && held.iter().any(|grant| grant.is_valid(now) && edits(grant))
    }

    /// Whether a tag lies within an office.
    fn owns(&self, reach: &Reach, kept: Option<&Tag>) -> bool {
        let owner = kept.and_then(|tag| tag.department_id);
        let snapshot = self.parts.memory.index.snapshot();
        reach.is_everywhere() || owner.is_some_and(|id| reach.covers(id, snapshot.tree()))
    }

    fn administers(&self, caller: &Caller) -> bool {
        !caller.administered(self.parts.clock.now()).is_nowhere()
    }

    /// Whose the tag will be, and who says what is sensitive: an administrator of its departments, or else nobody.
    fn settle_ownership(
        &self,
        caller: &Caller,
        draft: &mut TagDraft,
        kept: Option<&Tag>,
        snapshot: &Snapshot,
    ) -> Result<(), Refusal> {
        let reach = caller.administered(self.parts.clock.now());
        let granted = self.parts.memory.grants.may_edit(caller.principal, &draft.name, self.parts.clock.now());
        let own = match &reach {
            Reach::Everywhere => return Ok(()),
            Reach::Departments(ids) if self.owns(&reach, kept) || (kept.is_none() && !granted) => ids,
            Reach::Departments(_) => return self.leave_to_administrators(caller, draft, kept, snapshot),
        };
        let id_of = |id: i64| snapshot.tree().get(id).map(|one| one.external_id.clone());
        if draft.department.is_none() {
            draft.department = kept.and_then(|tag| tag.department_id).or(own.first().copied()).and_then(id_of);
        }
        let owner = draft.department.as_deref().and_then(|id| snapshot.tree().by_external_id(id));
        match owner.is_some_and(|owner| reach.covers(owner.id, snapshot.tree())) {
            true => Ok(()),
            false => Err(exceeds("The tag").field("tag.owner_department_id")),
        }
    }

    /// Takes over what is kept where only administrators may say something else.
    fn leave_to_administrators(
        &self,
        caller: &Caller,
        draft: &mut TagDraft,
        kept: Option<&Tag>,
        snapshot: &Snapshot,
    ) -> Result<(), Refusal> {
        let own = || match caller.principal {
            Principal::Application(id) => self.parts.memory.applications.get(id).map(|one| one.department_id),
            Principal::Person(_) => None,
        };
        let owner_id = kept.map_or_else(own, |tag| tag.department_id);
        let owner = owner_id.and_then(|id| snapshot.tree().get(id)).map(|one| one.external_id.clone());
        let sensitive = kept.is_some_and(|tag| tag.sensitive);
        let user_grants = kept.map(|tag| tag.user_grants.clone()).unwrap_or_default();
        let said = [
            ("tag.sensitive", draft.sensitive && !sensitive),
            ("tag.user_grants", !draft.user_grants.is_empty() && draft.user_grants != user_grants),
            ("tag.owner_department_id", draft.department.is_some() && draft.department != owner),
        ];
        if let Some((field, _)) = said.into_iter().find(|(_, differs)| *differs) {
            let message =
                format!("Only an administrator changes `{field}`. Leave it out, or call with the scope ADMIN.");
            return Err(Refusal::new(Reason::ScopeMissing, message).field(field).with("scope", "ADMIN"));
        }
        draft.department = owner;
        draft.sensitive = sensitive;
        draft.user_grants = user_grants;
        Ok(())
    }

    async fn check(&self, draft: &TagDraft, kept: Option<&Tag>) -> Result<(), Refusal> {
        line::one_line("tag.title", &draft.title, line::NAME_CHARS_MAX)?;
        let field = "tag.description";
        line::longest(field, draft.description.chars().count(), DESCRIPTION_CHARS_MAX, "characters")?;
        draft.description.lines().try_for_each(|text| line::one_line(field, text, DESCRIPTION_CHARS_MAX))?;
        if let Some(department) = &draft.department {
            check::external_id("tag.owner_department_id", department)?;
        }
        let same = kept.is_some_and(|tag| tag.expire_at == draft.expire_at);
        if !same && draft.expire_at.is_some_and(|end| end <= self.parts.clock.now()) {
            let message = "The tag would vanish at once; choose a time in the future, or none.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("tag.expire_at"));
        }
        line::longest("tag.user_grants", draft.user_grants.len(), USER_GRANTS_MAX, "entries")?;
        for (place, id) in draft.user_grants.iter().enumerate() {
            if self.parts.store.access.grant(*id).await?.is_none() {
                let message = format!("There is no grant {id}. Correct the id.");
                return Err(Refusal::new(Reason::NotFound, message).field(format!("tag.user_grants[{place}]")));
            }
        }
        Ok(())
    }

    fn check_rule(&self, caller: &Caller, draft: &TagDraft, snapshot: &Snapshot) -> Result<(), Refusal> {
        let at_rule = |refusal: Refusal| refusal.field("tag.rule");
        match (draft.kind, draft.rule.as_deref().filter(|text| !text.trim().is_empty())) {
            (TagKind::Static, None) => Ok(()),
            (TagKind::Static, Some(_)) => {
                let message = "A static tag has no rule. Leave the rule out, or make a rule tag.";
                Err(Refusal::new(Reason::FieldInvalid, message).field("tag.rule"))
            }
            (TagKind::Rule, Some(text)) => {
                let tree = parse(text).map_err(at_rule)?;
                rule::check(&draft.name, &tree, snapshot, &self.usable(caller)).map_err(at_rule)
            }
            (TagKind::Rule, None) => {
                let message = "Give the rule as an audience expression, such as grade:2021 AND department:cs.";
                Err(Refusal::new(Reason::FieldRequired, message).field("tag.rule"))
            }
            (TagKind::Department | TagKind::Reachable | TagKind::Unreachable | TagKind::Everyone, _) => {
                let message = "The service keeps tags of this kind itself. Make a static or a rule tag.";
                Err(Refusal::new(Reason::FieldInvalid, message).field("tag.kind"))
            }
        }
    }
}
