//! Grants: given, listed, taken back, explained.

use std::sync::Arc;

use super::Admin;
use crate::access::announce::SERVICE;
use crate::access::authority::exceeds;
use crate::access::explain::Explanation;
use crate::access::{Caller, Reach, Request};
use crate::audience::show::tags_of;
use crate::audience::{Snapshot, Usable, parse, resolve};
use crate::domain::access::{Grant, GrantState, KeyScope, Principal};
use crate::domain::audience::Audience;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::GrantId;
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::tag::{Tag, is_tag_pattern};
use crate::domain::time::At;

/// The most departments or tags of one grant.
const LIST_MAX: usize = 256;

/// A grant as an administrator wants it.
#[derive(Clone, Debug)]
pub struct GrantDraft {
    /// Who will hold it.
    pub principal: Principal,
    /// External ids of departments that it covers, with all below them.
    pub department_ids: Vec<String>,
    /// A further scope, as an expression.
    pub audience: Option<String>,
    /// Tags that may be used in expressions, by name or as `key:*`; empty: every tag that is not sensitive.
    pub tags: Vec<String>,
    /// Tags that may be made and edited, by name or as `key:*`.
    pub edit_tags: Vec<String>,
    /// Channels that may be used.
    pub channels: Vec<Channel>,
    /// Classes that may be used; empty: notice and transactional.
    pub classes: Vec<Class>,
    /// Most people a day, UTC.
    pub per_day: Option<u64>,
    /// Most people of one message.
    pub per_message: Option<u64>,
    /// May publish for persons with grants of their own.
    pub may_act_for: bool,
    /// Before this it is no right; default now.
    pub valid_after: Option<At>,
    /// After this it is no right.
    pub expire_at: Option<At>,
}

/// Which grants to list; `None` is no limit.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter {
    /// Held by.
    pub principal: Option<Principal>,
    /// Covering this department (the store's key) by name.
    pub department_id: Option<i64>,
    /// In this state.
    pub state: Option<GrantState>,
    /// As things were then; default now.
    pub as_of: Option<At>,
    /// In force, and reaching this person as the directory is now.
    pub reaches: Option<u32>,
}

/// A question about rights.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who would publish; default the caller.
    pub principal: Option<Principal>,
    /// To whom.
    pub audience: Audience,
    /// Over which channels.
    pub channels: Vec<Channel>,
    /// How urgent.
    pub class: Class,
    /// Who speaks: external id; default the application's department.
    pub department_id: Option<String>,
    /// The person acted for: external id.
    pub sender_user_id: Option<String>,
}

impl Admin {
    /// Gives a right.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `ROLE_MISSING`, `EXCEEDS_OWN_RIGHTS`, `NOT_FOUND`, `UNKNOWN_DEPARTMENT`, `FIELD_REQUIRED`, `FIELD_INVALID`,
    /// `FIELD_TOO_LONG`, `AUDIENCE_SYNTAX` and what else is wrong with the expression.
    pub async fn create_grant(&self, caller: &Caller, draft: GrantDraft) -> Result<Grant, Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        self.known_principal(draft.principal, &reach, "grant.principal")?;
        let grant = self.compose(draft, &reach, caller.principal, &self.lendable(&reach, Vec::new(), now))?;
        let deed = Deed::of(Action::GrantCreate).on(Object::Grant(grant.id)).over([format!("{grant:?}")]);
        self.parts.audit.record(caller, deed).await?;
        self.parts.store.access.create_grant(grant.clone()).await?;
        self.parts.grants.put(grant.clone());
        Ok(grant)
    }

    /// The tags that may stand in the audience of a grant: for an office those of its departments and all that are not
    /// sensitive, besides what its holder may use by these grants. Any other answers like one that does not exist.
    pub(super) fn lendable(&self, reach: &Reach, grants: Vec<Arc<Grant>>, now: At) -> Usable {
        let snapshot = self.parts.index.snapshot();
        match reach {
            Reach::Everywhere => Usable::any(now),
            Reach::Departments(_) => {
                let departments = snapshot.tree().iter().map(|one| one.id);
                let owned = departments.filter(|id| reach.covers(*id, snapshot.tree())).collect();
                Usable::in_office(owned, grants, now)
            }
        }
    }

    /// The grant of a draft, beneath the office of whoever gives it.
    ///
    /// # Errors
    /// What is wrong with the draft; `EXCEEDS_OWN_RIGHTS`.
    pub(in crate::access) fn compose(
        &self,
        draft: GrantDraft,
        reach: &Reach,
        giver: Principal,
        usable: &Usable,
    ) -> Result<Grant, Refusal> {
        let now = self.parts.clock.now();
        self.check(&draft, usable, now)?;
        let department_ids = draft
            .department_ids
            .iter()
            .map(|id| self.department(id, "grant.department_ids"))
            .collect::<Result<Vec<_>, _>>()?;
        let classes = if draft.classes.is_empty() { vec![Class::Notice, Class::Transactional] } else { draft.classes };
        let (id, from) = (GrantId(self.parts.ids.next()), draft.valid_after.unwrap_or(now));
        let grant = Grant {
            department_ids,
            audience: draft.audience,
            any_tag: draft.tags.is_empty(),
            tags: draft.tags,
            edit_tags: draft.edit_tags,
            channels: draft.channels,
            classes,
            per_day: draft.per_day,
            per_message: draft.per_message,
            may_act_for: draft.may_act_for,
            expire_at: draft.expire_at,
            ceiling: match reach {
                Reach::Everywhere => None,
                Reach::Departments(ids) => Some(ids.clone()),
            },
            ..Grant::new(id, draft.principal, giver, from)
        };
        let snapshot = self.parts.index.snapshot();
        if !grant.department_ids.iter().all(|id| reach.covers(*id, snapshot.tree())) {
            return Err(exceeds("The grant").field("grant.department_ids"));
        }
        if let Some(field) = not_lent(reach, &grant, &snapshot) {
            return Err(exceeds("The grant").field(field));
        }
        if !reach.holds(&grant, snapshot.tree()) {
            return Err(exceeds("The grant").field("grant.classes"));
        }
        Ok(grant)
    }

    /// One page of grants, ascending by id, revoked and expired ones included. One's own need READ, all others
    /// ADMIN.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `PAGE_TOKEN_INVALID`.
    pub fn list_grants(
        &self,
        caller: &Caller,
        filter: &GrantFilter,
        page: &PageRequest,
    ) -> Result<Page<Arc<Grant>>, Refusal> {
        let own = filter.principal == Some(caller.principal);
        let now = self.parts.clock.now();
        let reach = match own {
            true => caller.require(KeyScope::Read).map(|()| Reach::Everywhere)?,
            false => self.watched(caller, now)?,
        };
        let (snapshot, at) = (self.parts.index.snapshot(), filter.as_of.unwrap_or(now));
        let reaches = |grant: &Grant, ordinal: u32| {
            grant.state_at(at) == Some(GrantState::Active) && self.parts.policy.reaches(grant, ordinal, &snapshot, at)
        };
        let wanted = |grant: &Grant| {
            self.concerns(&reach, grant)
                && filter.department_id.is_none_or(|wanted| grant.department_ids.contains(&wanted))
                && grant.state_at(at).is_some_and(|state| filter.state.is_none_or(|wanted| state == wanted))
                && filter.reaches.is_none_or(|ordinal| reaches(grant, ordinal))
        };
        self.parts.grants.list(filter.principal, wanted, page)
    }

    /// The grants that a principal holds or held, as this node has them.
    #[must_use]
    pub fn held(&self, principal: Principal) -> Vec<Arc<Grant>> {
        self.parts.grants.of(principal).to_vec()
    }

    /// People whom a grant has reached today, UTC.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn used_today(&self, grant: GrantId) -> Result<u64, Refusal> {
        Ok(self.parts.store.access.used(grant, self.parts.clock.now().day()).await?)
    }

    /// Takes a right back: the next publish under it is refused, and so is one that is under way.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `NOT_FOUND`.
    pub async fn revoke_grant(&self, caller: &Caller, id: GrantId) -> Result<Grant, Refusal> {
        caller.require_live()?;
        let reach = caller.require_administrator(self.parts.clock.now())?;
        self.concerning(&reach, id).await?;
        self.parts.audit.record(caller, Deed::of(Action::GrantRevoke).on(Object::Grant(id))).await?;
        self.parts.store.access.revoke_grant(id, self.parts.clock.now()).await?;
        let grant = self.concerning(&reach, id).await?;
        self.parts.grants.put(grant.clone());
        Ok(grant)
    }

    /// A grant that an office looks after: that of somebody in its reach, or one that it could give itself.
    pub(super) async fn concerning(&self, reach: &Reach, id: GrantId) -> Result<Grant, Refusal> {
        let grant = self.parts.store.access.grant(id).await?;
        // The service's own grant is nobody's to take back.
        grant
            .filter(|grant| grant.principal != SERVICE && self.concerns(reach, grant))
            .ok_or_else(|| Refusal::new(Reason::NotFound, format!("There is no grant {id}.")).field("grant_id"))
    }

    fn concerns(&self, reach: &Reach, grant: &Grant) -> bool {
        self.looks_after(reach, grant.principal) || reach.holds(grant, self.parts.index.snapshot().tree())
    }

    /// Whether something might be published and what is missing. About oneself with PUBLISH, else with ADMIN.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `UNKNOWN_DEPARTMENT`, `UNKNOWN_USER`, and what is wrong with the audience.
    pub async fn check_access(&self, caller: &Caller, question: Question) -> Result<Explanation, Refusal> {
        let principal = question.principal.unwrap_or(caller.principal);
        let (snapshot, now) = (self.parts.index.snapshot(), self.parts.clock.now());
        if principal == caller.principal {
            caller.require(KeyScope::Publish)?;
        } else {
            let reach = caller.require_administrator(now)?;
            self.known_principal(principal, &reach, "principal")?;
        }
        let owner_id = match principal {
            Principal::Application(id) => self.parts.applications.get(id).map(|one| one.department_id),
            Principal::Person(_) => None,
        };
        let department_id = match (&question.department_id, owner_id) {
            (Some(named), _) => self.department(named, "department_id")?,
            (None, Some(owner)) => owner,
            (None, None) => return Err(Refusal::new(Reason::FieldRequired, "Say who speaks.").field("department_id")),
        };
        let sender = question.sender_user_id.as_deref().map(|user_id| self.person(user_id)).transpose()?;
        let usable = self.parts.grants.usable(principal, now);
        let resolved = match resolve::resolve(&question.audience, &snapshot, &usable) {
            Ok(resolved) => resolved,
            Err(refusal) => match self.parts.policy.nothing_held(principal, &snapshot, now) {
                Some(missing) if refusal.reason == Reason::UnknownTag => {
                    return Ok(Explanation::of(None, vec![missing]));
                }
                _ => return Err(refusal),
            },
        };
        let mut used = Vec::new();
        for holder in [Some(principal), sender.map(Principal::Person)].into_iter().flatten() {
            for grant in self.held(holder).iter().filter(|grant| grant.per_day.is_some()) {
                used.push((grant.id, self.used_today(grant.id).await?));
            }
        }
        let used_today = |id| used.iter().find(|(grant, _)| *grant == id).map_or(0, |(_, n)| *n);
        Ok(self.parts.policy.explain(&Request {
            principal,
            sender,
            class: question.class,
            channels: &question.channels,
            department_id,
            owner_id,
            tags: &resolved.tags,
            audience: &resolved.set,
            snapshot: &snapshot,
            now,
            used_today: &used_today,
        }))
    }

    fn check(&self, draft: &GrantDraft, usable: &Usable, now: At) -> Result<(), Refusal> {
        let refuse = |reason, field: &str, message: &str| Err(Refusal::new(reason, message).field(field));
        if draft.department_ids.is_empty() && draft.audience.is_none() {
            let message = "Say whom the grant reaches: departments, an audience, or both.";
            return refuse(Reason::FieldRequired, "grant.department_ids", message);
        }
        if draft.channels.is_empty() {
            return refuse(Reason::FieldRequired, "grant.channels", "Say over which channels the grant may send.");
        }
        line::longest("grant.department_ids", draft.department_ids.len(), LIST_MAX, "entries")?;
        for (field, tags) in [("grant.tags", &draft.tags), ("grant.edit_tags", &draft.edit_tags)] {
            line::longest(field, tags.len(), LIST_MAX, "entries")?;
            if tags.iter().any(|tag| !is_tag_pattern(tag)) {
                let message = "A tag is a name such as freshman or grade:2021; grade:* is every tag of a key.";
                return refuse(Reason::FieldInvalid, field, message);
            }
        }
        if draft.expire_at.is_some_and(|end| end <= draft.valid_after.unwrap_or(now).max(now)) {
            return refuse(Reason::FieldInvalid, "grant.expire_at", "The grant would end before it begins.");
        }
        if let Some(audience) = &draft.audience {
            let named = |mut refusal: Refusal| {
                refusal.field = Some("grant.audience".into());
                refusal
            };
            let tree = parse::parse(audience).map_err(named)?;
            resolve::expression(&tree, &self.parts.index.snapshot(), usable).map_err(named)?;
        }
        Ok(())
    }
}

/// The field with tags that an office may not lend: to use it lends all but the sensitive ones of others, to edit it
/// lends its own.
pub(super) fn not_lent(reach: &Reach, grant: &Grant, snapshot: &Snapshot) -> Option<&'static str> {
    let tag = |name: &str| snapshot.tag(name).map(|entry| &entry.tag);
    let own = |tag: &Tag| tag.department_id.is_some_and(|id| reach.covers(id, snapshot.tree()));
    let used = |name: &String| tag(name).is_none_or(|tag| !tag.sensitive || own(tag));
    let edited = |name: &String| tag(name).is_some_and(own);
    let audience = grant.audience.as_deref().and_then(|text| parse::parse(text).ok());
    let named = audience.iter().flat_map(tags_of).all(|name| used(&name.to_owned()));
    match reach.is_everywhere() {
        true => None,
        false if !named => Some("grant.audience"),
        false if !grant.tags.iter().all(used) => Some("grant.tags"),
        false if !grant.edit_tags.iter().all(edited) => Some("grant.edit_tags"),
        false => None,
    }
}
