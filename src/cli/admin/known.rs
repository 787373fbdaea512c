//! All that an administrator can see of one kind, page by page.

use super::super::client::{Failure, Session, timed};
use super::LIST_MAX;
use crate::api::v1;

/// Every department.
pub(super) async fn departments(session: &Session) -> Result<Vec<v1::Department>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            v1::ListDepartmentsRequest { recursive: true, page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.directory().list_departments(timed(request)).await?.into_inner();
        all.extend(page.departments);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Every application.
pub(super) async fn applications(session: &Session) -> Result<Vec<v1::Application>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListApplicationsRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.access().list_applications(timed(request)).await?.into_inner();
        all.extend(page.applications);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Every topic, or those of a department and all below it.
pub(super) async fn topics(session: &Session, department_id: String) -> Result<Vec<v1::Topic>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let department_id = department_id.clone();
        let request = v1::ListTopicsRequest { department_id, page_size: LIST_MAX, page_token };
        let page = session.directory().list_topics(timed(request)).await?.into_inner();
        all.extend(page.topics);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Every role that is held.
pub(super) async fn roles(session: &Session) -> Result<Vec<v1::RoleAssignment>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListRolesRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.access().list_roles(timed(request)).await?.into_inner();
        all.extend(page.assignments);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Every grant in force.
pub(super) async fn grants(session: &Session) -> Result<Vec<v1::Grant>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListGrantsRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = session.access().list_grants(timed(request)).await?.into_inner();
        all.extend(page.grants.into_iter().filter(|grant| grant.state() == v1::GrantState::Active));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}
