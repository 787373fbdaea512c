//! All that an administrator can see of one kind, page by page.

use super::super::client::{Failure, Session, timed};
use super::LIST_MAX;
use campanile::api::v1;

/// Every entry of a list whose pages come from `page`, which takes the token of a page and returns its entries with the
/// token of the next one.
async fn every<T>(page: impl AsyncFn(String) -> Result<(Vec<T>, String), Failure>) -> Result<Vec<T>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let (entries, next) = page(page_token).await?;
        all.extend(entries);
        page_token = next;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Every department.
pub(super) async fn departments(session: &Session) -> Result<Vec<v1::Department>, Failure> {
    every(async |page_token| {
        let request =
            v1::ListDepartmentsRequest { recursive: true, page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.directory().list_departments(timed(request)).await?.into_inner();
        Ok((page.departments, page.next_page_token))
    })
    .await
}

/// Every application.
pub(super) async fn applications(session: &Session) -> Result<Vec<v1::Application>, Failure> {
    every(async |page_token| {
        let request = v1::ListApplicationsRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.access().list_applications(timed(request)).await?.into_inner();
        Ok((page.applications, page.next_page_token))
    })
    .await
}

/// Every topic, or those of a department and all below it.
pub(super) async fn topics(session: &Session, department_id: &str) -> Result<Vec<v1::Topic>, Failure> {
    every(async |page_token| {
        let department_id = department_id.to_owned();
        let request = v1::ListTopicsRequest { department_id, page_size: LIST_MAX, page_token };
        let page = session.directory().list_topics(timed(request)).await?.into_inner();
        Ok((page.topics, page.next_page_token))
    })
    .await
}

/// Every role that is held.
pub(super) async fn roles(session: &Session) -> Result<Vec<v1::RoleAssignment>, Failure> {
    every(async |page_token| {
        let request = v1::ListRolesRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.access().list_roles(timed(request)).await?.into_inner();
        Ok((page.assignments, page.next_page_token))
    })
    .await
}

/// Every grant in force.
pub(super) async fn grants(session: &Session) -> Result<Vec<v1::Grant>, Failure> {
    let all = every(async |page_token| {
        let request = v1::ListGrantsRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.access().list_grants(timed(request)).await?.into_inner();
        Ok((page.grants, page.next_page_token))
    });
    Ok(all.await?.into_iter().filter(|grant| grant.state() == v1::GrantState::Active).collect())
}
