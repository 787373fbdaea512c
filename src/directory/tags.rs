//! Tags as callers read them: looked up, listed, counted. Writing is in [`super::tag_write`].

use std::sync::Arc;

use super::{Registrar, check};
use crate::access::Caller;
use crate::audience::resolve::{Usable, expression};
use crate::audience::{Snapshot, rule};
use crate::domain::access::KeyScope;
use crate::domain::audience::{Expression, Term};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::tag::{Tag, TagKind};

/// Counts below this are withheld from those whose grants do not cover the people.
const COUNT_SHOWN_MIN: u64 = 5;

/// A tag with how many people it holds, as far as the caller may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagView {
    /// The tag.
    pub tag: Tag,
    /// External id of the owning department.
    pub department: Option<String>,
    /// Its members; of a rule tag those that the rule names now, 0 if it names nothing any more. `None`: one to four
    /// whom no grant of the caller covers; of a rule tag, fewer than five and its terms name somebody beyond the
    /// caller's grants and office.
    pub count: Option<u64>,
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
    /// One tag. A tag that the caller may neither use nor edit answers like one that does not exist.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `NOT_FOUND`.
    pub fn tag(&self, caller: &Caller, name: &str) -> Result<TagView, Refusal> {
        caller.require(KeyScope::Read)?;
        let name = check::tag_name("tag", name)?;
        let snapshot = self.parts.memory.index.snapshot();
        let entry = snapshot.tag(&name).filter(|entry| self.knows(caller, &entry.tag));
        entry.map(|entry| self.view(caller, &entry.tag, &snapshot)).ok_or_else(|| not_found(&name))
    }

    /// Tags by name.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `PAGE_TOKEN_INVALID`.
    pub fn tags(&self, caller: &Caller, filter: &TagFilter, page: &PageRequest) -> Result<Page<TagView>, Refusal> {
        caller.require(KeyScope::Read)?;
        line::one_line("query", &filter.query, line::NAME_CHARS_MAX)?;
        let snapshot = self.parts.memory.index.snapshot();
        let (usable, query) = (self.usable(caller), filter.query.to_lowercase());
        let wanted = |tag: &Tag| {
            (tag.name.to_lowercase().contains(&query) || tag.title.to_lowercase().contains(&query))
                && (usable.allows(tag) || (!filter.usable_only && self.edits(caller, tag)))
        };
        let after = page.after::<String>()?;
        let rest =
            snapshot.tags().map(|entry| &entry.tag).filter(|tag| after.as_ref().is_none_or(|last| tag.name > *last));
        let mut tags: Vec<&Tag> = rest.filter(|tag| wanted(tag)).collect();
        tags.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let found = Page::first(tags, page.limit(), |tag| tag.name.clone());
        Ok(found.map(|tag| self.view(caller, tag, &snapshot)))
    }

    /// External ids of a tag's members, in the order in which they came into the directory, for those who may edit it.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `TAGS`, `TAG_NOT_GRANTED`, `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
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
        let tag = self.editable(caller, &name, &snapshot)?.ok_or_else(|| not_found(&name))?;
        self.parts.audit.record(caller, Deed::of(Action::TagMembers).on(Object::Tag(tag.id))).await?;
        let members = self.members(tag, &snapshot).unwrap_or_default();
        let from = after.map_or(Some(0), |last| last.checked_add(1));
        let rest = from.into_iter().flat_map(|from| members.range(from..));
        let found = Page::first(rest, page.limit(), u32::to_string);
        let ids = snapshot.users().external_ids(&found.items.into_iter().collect());
        Ok(Page { items: ids.into_iter().map(|(_, id)| id).collect(), next: found.next })
    }

    /// The tags that a caller may use in an expression.
    pub(super) fn usable(&self, caller: &Caller) -> Usable {
        let now = self.parts.clock.now();
        if caller.administered(now).is_everywhere() {
            return Usable::any(now);
        }
        self.parts.memory.grants.usable(caller.principal, now)
    }

    /// Whether a caller may know of a tag.
    fn knows(&self, caller: &Caller, tag: &Tag) -> bool {
        self.usable(caller).allows(tag) || self.edits(caller, tag)
    }

    /// The tag as the caller may see it.
    pub(super) fn view(&self, caller: &Caller, tag: &Tag, snapshot: &Snapshot) -> TagView {
        let department = tag.department_id.and_then(|id| snapshot.tree().get(id)).map(|one| one.external_id.clone());
        let (members, now) = (self.members(tag, snapshot).unwrap_or_default(), self.parts.clock.now());
        let covered = |people: &Set| self.parts.policy.outside(caller.principal, people, snapshot, now) == 0;
        let shown = match snapshot.tag(&tag.name).filter(|entry| entry.rule.is_some()) {
            // Whoever makes a rule need not know the people: even that it names nobody tells who is not in a tag.
            Some(entry) if members.len() < COUNT_SHOWN_MIN => {
                let people = rule::told(entry, snapshot, now);
                caller.administered(now).within(&people, snapshot) == people || covered(&people)
            }
            Some(_) => true,
            None => !(1..COUNT_SHOWN_MIN).contains(&members.len()) || self.edits(caller, tag) || covered(&members),
        };
        let mut tag = tag.clone();
        if !self.edits(caller, &tag) {
            tag.user_grants.clear();
        }
        TagView { tag, department, count: shown.then(|| members.len()) }
    }

    fn members(&self, tag: &Tag, snapshot: &Snapshot) -> Option<Set> {
        let any = Usable::any(self.parts.clock.now());
        match tag.kind {
            TagKind::Rule => expression(&Expression::Term(Term::Tag(tag.name.clone())), snapshot, &any).ok(),
            _ => Some(Set::clone(snapshot.members(tag.id))),
        }
    }
}

pub(super) fn not_found(name: &str) -> Refusal {
    let message = format!("There is no tag `{name}`. List the tags, or create it first.");
    Refusal::new(Reason::NotFound, message).field("tag").with("tag", name)
}
