//! Roles: given, taken, listed.

use tonic::{Request, Response};

use super::Answer;
use crate::access::admin::RoleFilter;
use crate::api::convert::{enums, page, publish, role};
use crate::api::{Services, v1};
use crate::domain::audit::{Action, Deed};

pub(super) async fn assign(
    services: &Services,
    request: Request<v1::AssignRoleRequest>,
) -> Answer<v1::AssignRoleResponse> {
    let caller = services.caller(request.metadata()).await?;
    let draft = role::draft(request.into_inner().assignment)?;
    let given = services.admin.assign_role(&caller, draft).await;
    let given = services.audit.denied(&caller, Deed::of(Action::RoleAssign), given).await?;
    tracing::info!(person = given.ordinal, role = given.role.name(), by = %caller.key.id, "a role was given");
    let assignment = Some(role::assignment(&given, &services.index.snapshot()));
    Ok(Response::new(v1::AssignRoleResponse { assignment }))
}

pub(super) async fn withdraw(
    services: &Services,
    request: Request<v1::WithdrawRoleRequest>,
) -> Answer<v1::WithdrawRoleResponse> {
    let caller = services.caller(request.metadata()).await?;
    let taken = role::withdrawn(request.into_inner())?;
    let name = taken.role.name();
    let withdrawn = services.admin.withdraw_role(&caller, taken).await;
    services.audit.denied(&caller, Deed::of(Action::RoleWithdraw), withdrawn).await?;
    tracing::info!(role = name, by = %caller.key.id, "a role was taken");
    Ok(Response::new(v1::WithdrawRoleResponse {}))
}

pub(super) async fn list(services: &Services, request: Request<v1::ListRolesRequest>) -> Answer<v1::ListRolesResponse> {
    let caller = services.caller(request.metadata()).await?;
    let mut wanted = request.into_inner();
    let (page, list) = page::page(&mut wanted)?;
    let filter = RoleFilter {
        user_id: publish::external_id("user_id", wanted.user_id)?,
        role: enums::role_if("role", wanted.role)?,
        departments: services.departments_under(&wanted.department_id)?,
    };
    let found = services.admin.list_roles(&caller, &filter, &page)?;
    let directory = services.index.snapshot();
    Ok(Response::new(v1::ListRolesResponse {
        assignments: found.items.iter().map(|one| role::assignment(one, &directory)).collect(),
        next_page_token: list.token(found.next),
    }))
}
