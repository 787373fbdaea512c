//! `AccessService`: applications, keys, grants, and who one is. What has a subject of its own stands beside.

mod changes;
pub(super) mod requests;
mod roles;

use std::sync::Arc;

use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use super::convert::{self, access, count, message, page, role, time};
use super::v1::access_service_server::AccessService;
use super::{Services, audit, v1};
use crate::access::admin::GrantFilter;
use crate::access::{Applications, KeyUse};
use crate::audience::Snapshot;
use crate::domain::access::{Grant, Key, Mode, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

type Answer<T> = Result<Response<T>, Status>;

const DAY_MS: i64 = 86_400_000;

#[tonic::async_trait]
impl AccessService for Services {
    async fn who_am_i(&self, request: Request<v1::WhoAmIRequest>) -> Answer<v1::WhoAmIResponse> {
        let caller = self.caller(request.metadata()).await?;
        let (names, now) = (Names::of(self), self.clock.now());
        let held: Vec<Arc<Grant>> =
            self.admin.held(caller.principal).into_iter().filter(|grant| grant.is_valid(now)).collect();
        let mut quotas = Vec::new();
        for grant in &held {
            if let Some(limit) = grant.per_day {
                quotas.push(v1::QuotaUse {
                    grant_id: grant.id.to_string(),
                    quota: "per_day".to_owned(),
                    limit: count(limit),
                    used: count(self.admin.used_today(grant.id).await?),
                    reset_at: Some(time::stamp(At((now.day() + 1) * DAY_MS))),
                });
            }
        }
        Ok(Response::new(v1::WhoAmIResponse {
            principal: Some(names.principal(caller.principal)),
            test: caller.mode() == Mode::Test,
            scopes: convert::enums::scope_numbers(caller.key.scopes),
            roles: self
                .admin
                .roles_of(caller.principal)
                .iter()
                .map(|one| role::assignment(one, &names.directory))
                .collect(),
            grants: held.iter().map(|grant| names.grant(grant, now)).collect(),
            quotas,
            server_at: Some(time::stamp(now)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key_id: caller.key.id.to_string(),
        }))
    }

    async fn create_application(
        &self,
        request: Request<v1::CreateApplicationRequest>,
    ) -> Answer<v1::CreateApplicationResponse> {
        let caller = self.caller(request.metadata()).await?;
        let directory = self.index.snapshot();
        let wanted = access::new_application(request.into_inner().application, &directory)?;
        let made = self.admin.create_application(&caller, wanted).await;
        let made = self.audit.denied(&caller, Deed::of(Action::ApplicationCreate), made).await?;
        let application = Some(access::application(&made, &directory));
        Ok(Response::new(v1::CreateApplicationResponse { application }))
    }

    async fn update_application(
        &self,
        request: Request<v1::UpdateApplicationRequest>,
    ) -> Answer<v1::UpdateApplicationResponse> {
        changes::update_application(self, request).await
    }

    async fn list_applications(
        &self,
        request: Request<v1::ListApplicationsRequest>,
    ) -> Answer<v1::ListApplicationsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let directory = self.index.snapshot();
        let under = self.departments_under(&wanted.department_id)?;
        let found = self.admin.list_applications(&caller, under.as_deref(), &page)?;
        Ok(Response::new(v1::ListApplicationsResponse {
            applications: found.items.iter().map(|one| access::application(one, &directory)).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn create_key(&self, request: Request<v1::CreateKeyRequest>) -> Answer<v1::CreateKeyResponse> {
        let caller = self.caller(request.metadata()).await?;
        let draft = access::key_draft(request.into_inner())?;
        let made = self.admin.create_key(&caller, draft).await;
        let made = self.audit.denied(&caller, Deed::of(Action::KeyCreate), made).await?;
        tracing::info!(key = %made.key.id, by = %caller.key.id, "a key was made");
        Ok(Response::new(v1::CreateKeyResponse {
            key: Some(Names::of(self).key(&made.key)),
            token: made.token.expose_secret().to_owned(),
        }))
    }

    async fn rotate_key(&self, request: Request<v1::RotateKeyRequest>) -> Answer<v1::RotateKeyResponse> {
        changes::rotate(self, request).await
    }

    async fn revoke_key(&self, request: Request<v1::RevokeKeyRequest>) -> Answer<v1::RevokeKeyResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::RevokeKeyRequest { key_id, why } = request.into_inner();
        convert::why(&why)?;
        let id = message::id("key_id", &key_id)?;
        let revoked = self.admin.revoke_key(&caller, id).await;
        let revoked = self.audit.denied(&caller, Deed::of(Action::KeyRevoke).on(Object::Key(id)), revoked).await?;
        tracing::info!(key = %revoked.id, by = %caller.key.id, "a key was revoked");
        Ok(Response::new(v1::RevokeKeyResponse { key: Some(Names::of(self).key(&revoked)) }))
    }

    async fn list_keys(&self, request: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let owner = access::key_owner(&wanted.application_id, wanted.user_id)?;
        let found = self.admin.list_keys(&caller, owner.as_ref(), &page)?;
        let uses = self.admin.key_uses(found.items.iter().map(|key| key.id).collect()).await?;
        let names = Names::of(self);
        Ok(Response::new(v1::ListKeysResponse {
            keys: found.items.iter().map(|key| names.used_key(key, uses.get(&key.id))).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn assign_role(&self, request: Request<v1::AssignRoleRequest>) -> Answer<v1::AssignRoleResponse> {
        roles::assign(self, request).await
    }

    async fn withdraw_role(&self, request: Request<v1::WithdrawRoleRequest>) -> Answer<v1::WithdrawRoleResponse> {
        roles::withdraw(self, request).await
    }

    async fn list_roles(&self, request: Request<v1::ListRolesRequest>) -> Answer<v1::ListRolesResponse> {
        roles::list(self, request).await
    }

    async fn request_grant(&self, request: Request<v1::RequestGrantRequest>) -> Answer<v1::RequestGrantResponse> {
        requests::make(self, request).await
    }

    async fn list_requests(&self, request: Request<v1::ListRequestsRequest>) -> Answer<v1::ListRequestsResponse> {
        requests::list(self, request).await
    }

    async fn decide_request(&self, request: Request<v1::DecideRequestRequest>) -> Answer<v1::DecideRequestResponse> {
        requests::decide(self, request).await
    }

    async fn create_grant(&self, request: Request<v1::CreateGrantRequest>) -> Answer<v1::CreateGrantResponse> {
        let caller = self.caller(request.metadata()).await?;
        let draft = access::grant_draft(request.into_inner().grant, &self.index.snapshot())?;
        let given = self.admin.create_grant(&caller, draft).await;
        let given = self.audit.denied(&caller, Deed::of(Action::GrantCreate), given).await?;
        tracing::info!(grant = %given.id, by = %caller.key.id, "a grant was given");
        let grant = Some(Names::of(self).grant(&given, self.clock.now()));
        Ok(Response::new(v1::CreateGrantResponse { grant }))
    }

    async fn renew_grant(&self, request: Request<v1::RenewGrantRequest>) -> Answer<v1::RenewGrantResponse> {
        changes::renew(self, request).await
    }

    async fn revoke_grant(&self, request: Request<v1::RevokeGrantRequest>) -> Answer<v1::RevokeGrantResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::RevokeGrantRequest { grant_id, why } = request.into_inner();
        convert::why(&why)?;
        let id = message::id("grant_id", &grant_id)?;
        let revoked = self.admin.revoke_grant(&caller, id).await;
        let revoked = self.audit.denied(&caller, Deed::of(Action::GrantRevoke).on(Object::Grant(id)), revoked).await?;
        tracing::info!(grant = %revoked.id, by = %caller.key.id, "a grant was revoked");
        let grant = Some(Names::of(self).grant(&revoked, self.clock.now()));
        Ok(Response::new(v1::RevokeGrantResponse { grant }))
    }

    async fn list_grants(&self, request: Request<v1::ListGrantsRequest>) -> Answer<v1::ListGrantsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let (directory, now) = (self.index.snapshot(), self.clock.now());
        let as_of = time::at_if("as_of", wanted.as_of.as_ref())?;
        if as_of.is_some_and(|at| at > now) {
            return Err(convert::invalid("as_of", "lies in the future").into());
        }
        let reaches = access::reached(&wanted.reaches_user_id, &directory)?;
        let holder = wanted.principal.map(|one| access::principal("principal", &one, &directory)).transpose()?;
        let department_id = self.department(&wanted.department_id)?;
        let filter = GrantFilter {
            principal: holder,
            department_id,
            state: access::grant_state_if(wanted.state)?,
            as_of,
            reaches,
        };
        let found = self.admin.list_grants(&caller, &filter, &page)?;
        let names = Names::of(self);
        Ok(Response::new(v1::ListGrantsResponse {
            grants: found.items.iter().map(|grant| names.grant_at(grant, as_of.unwrap_or(now))).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn check_access(&self, request: Request<v1::CheckAccessRequest>) -> Answer<v1::CheckAccessResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut question = access::question(request.into_inner(), &self.index.snapshot())?;
        let asked = question.principal.unwrap_or(caller.principal);
        if question.channels.is_empty()
            && let Principal::Application(id) = asked
        {
            let application = self.applications.get(id);
            question.channels = application.map(|one| one.default_channels.clone()).unwrap_or_default();
        }
        let found = self.admin.check_access(&caller, question).await?;
        Ok(Response::new(access::explanation(found)))
    }

    async fn list_reviews(&self, request: Request<v1::ListReviewsRequest>) -> Answer<v1::ListReviewsResponse> {
        self.reviews(request).await
    }

    async fn delegate_reviews(
        &self,
        request: Request<v1::DelegateReviewsRequest>,
    ) -> Answer<v1::DelegateReviewsResponse> {
        self.delegate(request).await
    }

    async fn review_message(&self, request: Request<v1::ReviewMessageRequest>) -> Answer<v1::ReviewMessageResponse> {
        self.decide(request).await
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Answer<v1::ListAuditEventsResponse> {
        self.audit_events(request).await
    }

    async fn export_audit(&self, request: Request<v1::ExportAuditRequest>) -> Answer<audit::Pieces> {
        self.audit_export(request).await
    }

    async fn verify_audit(&self, request: Request<v1::VerifyAuditRequest>) -> Answer<v1::VerifyAuditResponse> {
        self.audit_verdict(request).await
    }
}

impl Services {
    /// The store's key of a department in a field that may be empty.
    fn department(&self, external_id: &str) -> Result<Option<i64>, Refusal> {
        if external_id.is_empty() {
            return Ok(None);
        }
        let snapshot = self.index.snapshot();
        snapshot.tree().by_external_id(external_id).map(|found| Some(found.id)).ok_or_else(|| {
            let advice = format!("There is no department {external_id:?}; look it up in the directory.");
            Refusal::new(Reason::UnknownDepartment, advice).field("department_id")
        })
    }

    /// The store's keys of a department and all below it; `None` if the field is empty.
    fn departments_under(&self, external_id: &str) -> Result<Option<Vec<i64>>, Refusal> {
        let root = self.department(external_id)?;
        Ok(root.map(|root| self.index.snapshot().tree().subtree(root)))
    }
}

/// The names of applications, departments and people.
pub(super) struct Names<'a> {
    directory: Arc<Snapshot>,
    applications: &'a Applications,
}

impl Names<'_> {
    pub(super) fn of(services: &Services) -> Names<'_> {
        Names { directory: services.index.snapshot(), applications: &services.applications }
    }

    pub(super) fn principal(&self, principal: Principal) -> v1::Principal {
        let application = match principal {
            Principal::Application(id) => self.applications.get(id),
            Principal::Person(_) => None,
        };
        access::shown(principal, application.as_deref(), &self.directory)
    }

    fn key(&self, key: &Key) -> v1::Key {
        self.used_key(key, None)
    }

    fn used_key(&self, key: &Key, last: Option<&KeyUse>) -> v1::Key {
        access::key(key, self.principal(key.principal), last)
    }

    /// A grant as it was at an earlier time.
    fn grant_at(&self, grant: &Grant, at: At) -> v1::Grant {
        let then = Grant { revoked_at: grant.revoked_at.filter(|revoked| *revoked <= at), ..grant.clone() };
        self.grant(&then, at)
    }

    fn grant(&self, grant: &Grant, now: At) -> v1::Grant {
        let (holder, giver) = (self.principal(grant.principal), self.principal(grant.granted_by));
        access::grant(grant, holder, giver, &self.directory, now)
    }
}
