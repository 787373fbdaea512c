//! Tags: made, changed, deleted and looked up. Who is in them is edited in [`super::members`].

use std::sync::Arc;

use super::{Registrar, check, may_tag};
use crate::access::Caller;
use crate::audience::parse::parse;
use crate::audience::resolve::{Usable, expression};
use crate::audience::{Snapshot, rule};
use crate::domain::access::KeyScope;
use crate::domain::audience::{Expression, Term};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::{Tag, TagKind};
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::store::TagDraft;

/// A tag with how many people it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagView {
    /// The tag.
    pub tag: Tag,
    /// External id of the owning department.
    pub department: Option<String>,
    /// Its members; of a rule tag those that the rule names now, 0 if it names nothing any more.
    pub count: u64,
}

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

/// Which tags to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// Part of the name or title.
    pub query: String,
    /// Only those that the caller may use in an audience.
    pub usable_only: bool,
}

impl Registrar {
    /// Creates a static or rule tag, or changes its title, owner or rule. The rule of a caller without `ADMIN` may
    /// use the tags that the caller may use, and no others.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, `TEST_KEY`, those of a wrong field or rule, `TAG_CYCLE`, `ID_TAKEN` for a
    /// tag of another kind, `UNKNOWN_DEPARTMENT`.
    pub async fn upsert_tag(&self, caller: &Caller, mut draft: TagDraft) -> Result<TagWritten, Refusal> {
        may_tag(caller)?;
        draft.name = check::tag_name("tag.tag", &draft.name)?;
        line::one_line("tag.title", &draft.title, line::NAME_CHARS_MAX)?;
        if let Some(department) = &draft.department {
            check::external_id("tag.owner_department_id", department)?;
        }
        let snapshot = self.parts.memory.index.snapshot();
        self.check_rule(caller, &draft, &snapshot)?;
        let known = snapshot.tag(&draft.name).map(|entry| entry.tag.id);
        let created = known.is_none();
        let deed = Deed::of(Action::TagUpsert).on(known.map_or(Object::None, Object::Tag)).over([format!("{draft:?}")]);
        self.parts.audit.record(caller, deed).await?;
        let (tag, seq) = self.parts.store.directory.upsert_tag(draft, self.parts.clock.now()).await?;
        if created {
            // What it is was not known before.
            self.parts.audit.record(caller, Deed::of(Action::TagUpsert).on(Object::Tag(tag.id))).await?;
        }
        self.parts.follower.catch_up(seq).await?;
        Ok(TagWritten { view: view(tag, &self.parts.memory.index.snapshot()), created, seq })
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
            (TagKind::Department | TagKind::Reachable | TagKind::Everyone, _) => {
                let message = "The service keeps tags of this kind itself. Make a static or a rule tag.";
                Err(Refusal::new(Reason::FieldInvalid, message).field("tag.kind"))
            }
        }
    }

    /// Deletes a tag; people stay. Returns the change number.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, `TEST_KEY`, `NOT_FOUND`.
    pub async fn delete_tag(&self, caller: &Caller, name: &str) -> Result<i64, Refusal> {
        may_tag(caller)?;
        let name = check::tag_name("tag", name)?;
        let known = self.parts.memory.index.snapshot().tag(&name).map(|entry| entry.tag.id);
        let deed = Deed::of(Action::TagDelete).on(known.map_or(Object::None, Object::Tag)).over([&name]);
        self.parts.audit.record(caller, deed).await?;
        let seq = self.parts.store.directory.delete_tag(&name, self.parts.clock.now()).await?;
        self.parts.follower.catch_up(seq).await?;
        Ok(seq)
    }

    /// One tag. A tag that the caller may neither use nor edit answers like one that does not exist.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `NOT_FOUND`.
    pub fn tag(&self, caller: &Caller, name: &str) -> Result<TagView, Refusal> {
        caller.require(KeyScope::Read)?;
        let name = check::tag_name("tag", name)?;
        let snapshot = self.parts.memory.index.snapshot();
        let entry = snapshot.tag(&name).filter(|_| self.seen(caller).allows(&name));
        entry.map(|entry| view(entry.tag.clone(), &snapshot)).ok_or_else(|| not_found(&name))
    }

    /// Tags by name.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `PAGE_TOKEN_INVALID`.
    pub fn tags(&self, caller: &Caller, filter: &TagFilter, page: &PageRequest) -> Result<Page<TagView>, Refusal> {
        caller.require(KeyScope::Read)?;
        line::one_line("query", &filter.query, line::NAME_CHARS_MAX)?;
        let snapshot = self.parts.memory.index.snapshot();
        let seen = if filter.usable_only { self.usable(caller) } else { self.seen(caller) };
        let query = filter.query.to_lowercase();
        let wanted = |tag: &Tag| {
            seen.allows(&tag.name)
                && (tag.name.to_lowercase().contains(&query) || tag.title.to_lowercase().contains(&query))
        };
        let after = page.after::<String>()?;
        let rest =
            snapshot.tags().map(|entry| &entry.tag).filter(|tag| after.as_ref().is_none_or(|last| tag.name > *last));
        let mut tags: Vec<&Tag> = rest.filter(|tag| wanted(tag)).collect();
        tags.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let found = Page::first(tags, page.limit(), |tag| tag.name.clone());
        Ok(found.map(|tag| view(tag.clone(), &snapshot)))
    }

    /// External ids of a tag's members, in the order in which they came into the directory.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
    pub async fn tag_members(
        &self,
        caller: &Caller,
        name: &str,
        page: &PageRequest,
    ) -> Result<Page<Arc<str>>, Refusal> {
        caller.require(KeyScope::Tags)?;
        let name = check::tag_name("tag", name)?;
        let after = page.after::<u32>()?;
        let snapshot = self.parts.memory.index.snapshot();
        let tag = &snapshot.tag(&name).ok_or_else(|| not_found(&name))?.tag;
        self.parts.audit.record(caller, Deed::of(Action::TagMembers).on(Object::Tag(tag.id))).await?;
        let members = members(tag, &snapshot).unwrap_or_default();
        let from = after.map_or(Some(0), |last| last.checked_add(1));
        let rest = from.into_iter().flat_map(|from| members.range(from..));
        let found = Page::first(rest, page.limit(), u32::to_string);
        let ids = snapshot.users().external_ids(&found.items.into_iter().collect());
        Ok(Page { items: ids.into_iter().map(|(_, id)| id).collect(), next: found.next })
    }

    /// The tags that a caller may use in an expression.
    fn usable(&self, caller: &Caller) -> Usable {
        if caller.may(KeyScope::Admin) {
            return Usable::Any;
        }
        self.parts.memory.grants.usable(caller.principal, self.parts.clock.now())
    }

    /// The tags that a caller may know of.
    fn seen(&self, caller: &Caller) -> Usable {
        if caller.may(KeyScope::Tags) { Usable::Any } else { self.usable(caller) }
    }
}

fn view(tag: Tag, snapshot: &Snapshot) -> TagView {
    let department = tag.department_id.and_then(|id| snapshot.tree().get(id)).map(|one| one.external_id.clone());
    let count = match tag.kind {
        TagKind::Rule => members(&tag, snapshot).map_or(0, |set| set.len()),
        _ => snapshot.members(tag.id).len(),
    };
    TagView { tag, department, count }
}

fn members(tag: &Tag, snapshot: &Snapshot) -> Option<Set> {
    match tag.kind {
        TagKind::Rule => expression(&Expression::Term(Term::Tag(tag.name.clone())), snapshot, &Usable::Any).ok(),
        _ => Some(Set::clone(snapshot.members(tag.id))),
    }
}

pub(super) fn not_found(name: &str) -> Refusal {
    let message = format!("There is no tag `{name}`. List the tags, or create it first.");
    Refusal::new(Reason::NotFound, message).field("tag").with("tag", name)
}
