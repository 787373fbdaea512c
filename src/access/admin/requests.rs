//! Requests for grants: asked for by somebody, decided by somebody else. The administrators of the department from
//! which it is asked agree or, where it stays within what they administer, grant; what reaches beyond goes on to the
//! platform's administrators.

mod notices;

use std::time::Duration;

use super::grants::not_lent;
use super::{Admin, GrantDraft};
use crate::access::Caller;
use crate::access::authority::{Reach, exceeds, role_missing};
use crate::access::scope::{Scope, is_everything};
use crate::audience::Snapshot;
use crate::domain::access::{Grant, KeyScope, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::{GrantId, RequestId};
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::request::{Request, RequestDecision, RequestState, RequestVote};
use crate::domain::role::Role;
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Decided, RequestFilter};

/// How long a request waits for a decision.
const WAITS: Duration = Duration::from_secs(14 * 86_400);
/// The most open requests of one person.
const OPEN_MAX: usize = 20;
/// The longest reason or remark, in characters.
const WORDS_MAX: usize = 2_000;
/// Rows that a list reads at a time, and at most for one page.
const STEP: usize = 200;
const SCAN_MAX: usize = 4_000;

/// A decision as somebody makes it.
#[derive(Clone, Debug)]
pub struct RequestAnswer {
    /// What is decided.
    pub decision: RequestDecision,
    /// A smaller grant than was wanted; `None`: as wanted.
    pub narrowed: Option<GrantDraft>,
    /// A remark; whoever refuses or sends back says why.
    pub comment: String,
}

/// Which requests to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestQuery {
    /// Only the caller's own.
    pub mine: bool,
    /// Only those that the caller may decide now.
    pub to_decide: bool,
    /// In this state.
    pub state: Option<RequestState>,
}

impl Admin {
    /// Asks for a grant, for oneself or for an application of one's own department.
    ///
    /// # Errors
    /// `PERSON_REQUIRED`, `TEST_KEY`, `NOT_FOUND` for an application of others, `QUOTA_EXHAUSTED`, and what is wrong
    /// with the grant or the reason.
    pub async fn request_grant(&self, caller: &Caller, draft: GrantDraft, why: String) -> Result<Request, Refusal> {
        let requester = caller.require_person()?;
        caller.require_live()?;
        if line::is_blank(&why) {
            let message = "Say what the grant is for; whoever decides reads it.";
            return Err(Refusal::new(Reason::FieldRequired, message).field("why"));
        }
        words("why", &why)?;
        let now = self.parts.clock.now();
        let home = self.home(caller, &draft, now)?;
        let usable = self.lendable(&caller.administered(now), self.parts.grants.valid_of(caller.principal, now), now);
        let wanted = self.compose(draft, &Reach::Everywhere, caller.principal, &usable)?;
        let filter = RequestFilter { requester: Some(requester), state: Some(RequestState::Open) };
        if self.parts.store.requests.list(filter, None, OPEN_MAX).await?.len() == OPEN_MAX {
            let message = format!("You have {OPEN_MAX} open requests; wait until some are decided.");
            return Err(Refusal::new(Reason::QuotaExhausted, message)
                .with("quota", "open_requests")
                .with("limit", OPEN_MAX));
        }
        let request = Request {
            id: RequestId(self.parts.ids.next()),
            requester,
            wanted,
            home,
            why,
            state: RequestState::Open,
            due_at: now.plus(WAITS),
            votes: Vec::new(),
            grant_id: None,
            version: 1,
        };
        self.parts.audit.record(caller, Deed::of(Action::RequestMake).on(Object::Request(request.id))).await?;
        self.parts.store.requests.make(request.clone()).await?;
        Ok(request)
    }

    /// Decides on a request. The decision is made on the request as it stands: of two at once one is refused.
    ///
    /// # Errors
    /// `PERSON_REQUIRED`, `SCOPE_MISSING`, `TEST_KEY`, `NOT_FOUND` (absent and foreign alike), `OWN_REQUEST`,
    /// `ROLE_MISSING`, `REQUEST_CLOSED`, `EXCEEDS_OWN_RIGHTS`, `FIELD_REQUIRED`, `FIELD_INVALID`, `ETAG_MISMATCH`.
    pub async fn decide_request(
        &self,
        caller: &Caller,
        id: RequestId,
        answer: RequestAnswer,
    ) -> Result<Request, Refusal> {
        let ordinal = caller.require_person()?;
        caller.require_live()?;
        let now = self.parts.clock.now();
        let request = self.parts.store.requests.request(id).await?;
        let request = request.filter(|one| self.may_see(caller, one, now)).ok_or_else(|| absent(id))?;
        let reach = self.may_decide(caller, &request, now)?;
        words("comment", &answer.comment)?;
        let grant = self.granted(caller, &request, &reach, &answer)?;
        let vote = RequestVote { ordinal, decision: answer.decision, comment: answer.comment, at: now };
        let state = answer.decision.leads_to();
        let decided = Decided { id, version: request.version, state, vote, grant: grant.clone() };
        let deed = Deed::of(Action::RequestDecide).on(Object::Request(id)).over([format!("{decided:?}")]);
        self.parts.audit.record(caller, deed).await?;
        if let Some(grant) = &grant {
            let deed = Deed::of(Action::GrantCreate).on(Object::Grant(grant.id)).over([format!("{grant:?}")]);
            self.parts.audit.record(caller, deed).await?;
        }
        if !self.parts.store.requests.decide(decided).await? {
            let message = "Somebody else decided at the same moment; look at the request again.";
            return Err(Refusal::new(Reason::EtagMismatch, message).field("request_id"));
        }
        if let Some(grant) = grant {
            self.parts.grants.put(grant);
        }
        self.parts.store.requests.request(id).await?.ok_or_else(|| absent(id))
    }

    /// One page of the requests that concern the caller, newest first.
    ///
    /// # Errors
    /// `PERSON_REQUIRED`, `PAGE_TOKEN_INVALID`.
    pub async fn list_requests(
        &self,
        caller: &Caller,
        query: RequestQuery,
        page: &PageRequest,
    ) -> Result<Page<Request>, Refusal> {
        let ordinal = caller.require_person()?;
        let (now, length, mut before) = (self.parts.clock.now(), page.limit(), page.after::<RequestId>()?);
        let filter = RequestFilter { requester: query.mine.then_some(ordinal), state: query.state };
        let wanted = |one: &Request| {
            self.may_see(caller, one, now) && (!query.to_decide || self.may_decide(caller, one, now).is_ok())
        };
        let (mut items, mut scanned) = (Vec::new(), 0);
        while scanned < SCAN_MAX {
            let found = self.parts.store.requests.list(filter, before, STEP).await?;
            scanned += found.len();
            let last = found.len() < STEP;
            for one in found {
                if items.len() == length {
                    return Ok(Page { items, next: before.map(|id| id.to_string()) });
                }
                before = Some(one.id);
                if wanted(&one) {
                    items.push(one);
                }
            }
            if last {
                return Ok(Page { items, next: None });
            }
        }
        Ok(Page { items, next: before.map(|id| id.to_string()) })
    }

    /// One page of the requests that a person made, newest first, for those who run the whole service.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `PAGE_TOKEN_INVALID`.
    pub async fn requests_of(
        &self,
        caller: &Caller,
        ordinal: u32,
        page: &PageRequest,
    ) -> Result<Page<Request>, Refusal> {
        caller.require_platform(self.parts.clock.now())?;
        let filter = RequestFilter { requester: Some(ordinal), state: None };
        let found = self.parts.store.requests.list(filter, page.after::<RequestId>()?, page.limit() + 1).await?;
        Ok(Page::first(found, page.limit(), |last| last.id.to_string()))
    }

    /// Who may decide on a request now, ascending: first the department's administrators, if there are any besides
    /// the one who asks, then the platform's.
    #[must_use]
    pub fn deciders(&self, request: &Request) -> Vec<u32> {
        let (now, snapshot) = (self.parts.clock.now(), self.parts.index.snapshot());
        let holders = |role, department_id| {
            let mut found = self.parts.roles.holders(role, department_id, snapshot.tree(), now);
            found.retain(|ordinal| *ordinal != request.requester);
            found
        };
        let near = holders(Role::DepartmentAdministrator, Some(request.home));
        match (request.state, request.is_agreed() || near.is_empty()) {
            (RequestState::Open, false) => near,
            (RequestState::Open, true) => holders(Role::PlatformAdministrator, None),
            _ => Vec::new(),
        }
    }

    /// Ends requests that nobody decided in time. Returns how many there were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn lapse_requests(&self) -> Result<usize, Refusal> {
        Ok(self.parts.store.requests.lapse(self.parts.clock.now(), STEP).await?.len())
    }

    /// The department from which a grant is asked for: of a person's own departments, and those she sends for, the
    /// one over what is wanted, else the first; of an application its owner, who must be one's own department too.
    fn home(&self, caller: &Caller, draft: &GrantDraft, now: At) -> Result<i64, Refusal> {
        let ordinal = caller.require_person()?;
        let snapshot = self.parts.index.snapshot();
        let tree = snapshot.tree();
        let sends_for = caller.reach(&[Role::Sender, Role::DepartmentAdministrator], now);
        if draft.principal != caller.principal {
            let foreign =
                || Refusal::new(Reason::NotFound, "There is no such application or person.").field("wanted.principal");
            let Principal::Application(id) = draft.principal else { return Err(foreign()) };
            let owner = self.parts.applications.get(id).map(|one| one.department_id).ok_or_else(foreign)?;
            let own = snapshot.under(owner).contains(ordinal) || sends_for.covers(owner, tree);
            return if own { Ok(owner) } else { Err(foreign()) };
        }
        let mut own = snapshot.departments_of(ordinal);
        if let Reach::Departments(more) = &sends_for {
            own.extend(more);
        }
        let named: Vec<i64> =
            draft.department_ids.iter().filter_map(|id| tree.by_external_id(id)).map(|one| one.id).collect();
        let over = own.iter().find(|id| !named.is_empty() && named.iter().all(|one| tree.is_under(*one, **id)));
        over.or(own.first()).copied().ok_or_else(|| {
            let message = "You belong to no department; ask an administrator to put you into one.";
            Refusal::new(Reason::FieldInvalid, message).field("wanted.principal")
        })
    }

    fn may_see(&self, caller: &Caller, request: &Request, now: At) -> bool {
        let own = caller.principal == Principal::Person(request.requester);
        own || caller.audited(now).covers(request.home, self.parts.index.snapshot().tree())
    }

    /// The office by which a caller may decide.
    fn may_decide(&self, caller: &Caller, request: &Request, now: At) -> Result<Reach, Refusal> {
        if caller.principal == Principal::Person(request.requester) {
            let message = "Nobody decides on their own request; somebody else of the deciders has to.";
            return Err(Refusal::new(Reason::OwnRequest, message).field("request_id"));
        }
        caller.require(KeyScope::Admin)?;
        let reach = caller.administered(now);
        if !reach.covers(request.home, self.parts.index.snapshot().tree()) {
            return Err(role_missing(Role::DepartmentAdministrator));
        }
        if request.state != RequestState::Open {
            let message = "The request is decided or lapsed; nothing is left to decide.";
            return Err(Refusal::new(Reason::RequestClosed, message).field("request_id"));
        }
        if request.is_agreed() && !reach.is_everywhere() {
            return Err(role_missing(Role::PlatformAdministrator));
        }
        Ok(reach)
    }

    /// The grant that a decision makes of a request; `None` if it makes none.
    fn granted(
        &self,
        caller: &Caller,
        request: &Request,
        reach: &Reach,
        answer: &RequestAnswer,
    ) -> Result<Option<Grant>, Refusal> {
        let refuse = |reason, field: &str, message: &str| Err(Refusal::new(reason, message).field(field));
        match answer.decision {
            RequestDecision::Refuse | RequestDecision::SendBack if answer.comment.trim().is_empty() => {
                refuse(Reason::FieldRequired, "comment", "Say why, so that the person knows what to do.")
            }
            RequestDecision::Agree | RequestDecision::Refuse | RequestDecision::SendBack => match answer.narrowed {
                Some(_) => refuse(Reason::FieldInvalid, "narrowed", "Only a grant can be narrowed; leave it out."),
                None => Ok(None),
            },
            RequestDecision::Grant => self.grant_of(caller, request, reach, answer).map(Some),
        }
    }

    fn grant_of(
        &self,
        caller: &Caller,
        request: &Request,
        reach: &Reach,
        answer: &RequestAnswer,
    ) -> Result<Grant, Refusal> {
        let snapshot = self.parts.index.snapshot();
        if let Principal::Person(holder) = request.wanted.principal
            && !snapshot.everyone().contains(holder)
        {
            let message = "Whoever is to hold the grant is not here any more; refuse the request.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("request_id"));
        }
        let mut grant = match &answer.narrowed {
            None => request.wanted.clone(),
            Some(draft) => {
                let draft = GrantDraft { principal: request.wanted.principal, ..draft.clone() };
                let usable = self.lendable(reach, Vec::new(), self.parts.clock.now());
                self.compose(draft, &Reach::Everywhere, caller.principal, &usable)?
            }
        };
        if answer.narrowed.is_some() && !self.is_within(&grant, &request.wanted, &snapshot) {
            let message = "What is granted must lie within what was asked for; otherwise send the request back.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("narrowed"));
        }
        if let Reach::Departments(ids) = reach {
            let whole = self.people(&grant, &snapshot);
            grant.ceiling = Some(ids.clone());
            let beyond = whole.is_none_or(|people| reach.within(&people, &snapshot) != people);
            let lent = not_lent(reach, &grant, &snapshot).is_none();
            if beyond || !lent || !reach.holds(&grant, snapshot.tree()) {
                return Err(exceeds("What is asked for").field("decision"));
            }
        }
        grant.id = GrantId(self.parts.ids.next());
        grant.granted_by = caller.principal;
        grant.valid_after = grant.valid_after.max(self.parts.clock.now());
        grant.while_in = matches!(grant.principal, Principal::Person(_)).then_some(request.home);
        Ok(grant)
    }

    /// Whether a grant gives nothing that another does not.
    fn is_within(&self, small: &Grant, large: &Grant, snapshot: &Snapshot) -> bool {
        let limit = |small: Option<u64>, large: Option<u64>| large.is_none_or(|most| small.is_some_and(|n| n <= most));
        let people = match (self.people(small, snapshot), self.people(large, snapshot)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(small), Some(large)) => small.is_subset(&large),
        };
        let sensitive = |name: &str| snapshot.tag(name).is_some_and(|entry| entry.tag.sensitive);
        let used = |name: &String| large.tags.contains(name) || (large.any_tag && !sensitive(name));
        let tree = snapshot.tree();
        let under = |id: &i64| large.department_ids.iter().any(|top| tree.is_under(*id, *top));
        people
            && (is_everything(large) || small.department_ids.iter().all(under))
            && small.channels.iter().all(|one| large.channels.contains(one))
            && small.classes.iter().all(|one| large.classes.contains(one))
            && (large.any_tag || !small.any_tag)
            && small.tags.iter().all(used)
            && small.edit_tags.iter().all(|one| large.edit_tags.contains(one))
            && limit(small.per_day, large.per_day)
            && limit(small.per_message, large.per_message)
            && (large.may_act_for || !small.may_act_for)
            && large.expire_at.is_none_or(|end| small.expire_at.is_some_and(|earlier| earlier <= end))
    }

    /// Whom a grant reaches at this moment; `None`: the whole institution.
    fn people(&self, grant: &Grant, snapshot: &Snapshot) -> Option<Set> {
        if is_everything(grant) {
            return None;
        }
        match self.scopes.of(grant, snapshot, self.parts.clock.now()) {
            Scope::Everything => None,
            Scope::Parts(parts) => Some(parts.iter().fold(Set::new(), |all, part| all | part.as_ref())),
        }
    }
}

fn words(field: &str, text: &str) -> Result<(), Refusal> {
    line::longest(field, text.chars().count(), WORDS_MAX, "characters")?;
    line::lines(field, text)
}

fn absent(id: RequestId) -> Refusal {
    Refusal::new(Reason::NotFound, format!("There is no request {id} that you may decide on.")).field("request_id")
}
