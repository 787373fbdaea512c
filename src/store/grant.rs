//! A grant as every backend keeps it: what the publish commit verifies in columns, the rest as one text.

use serde::{Deserialize, Serialize};

use super::encode::{json, unjson};
use super::{Result, refuse};
use crate::domain::access::{Grant, Principal};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::GrantId;
use crate::domain::time::At;

#[derive(Serialize, Deserialize)]
struct Body {
    department_ids: Vec<i64>,
    audience: Option<String>,
    tags: Vec<String>,
    any_tag: bool,
    #[serde(default)]
    edit_tags: Vec<String>,
    channels: Vec<Channel>,
    classes: Vec<Class>,
    per_day: Option<u64>,
    per_message: Option<u64>,
    may_act_for: bool,
    valid_after: At,
    expire_at: Option<At>,
    granted_by: i64,
    #[serde(default)]
    ceiling: Option<Vec<i64>>,
    #[serde(default)]
    while_in: Option<i64>,
}

/// The text of what has no column.
pub(super) fn body(grant: &Grant) -> Result<String> {
    json(&Body {
        department_ids: grant.department_ids.clone(),
        audience: grant.audience.clone(),
        tags: grant.tags.clone(),
        any_tag: grant.any_tag,
        edit_tags: grant.edit_tags.clone(),
        channels: grant.channels.clone(),
        classes: grant.classes.clone(),
        per_day: grant.per_day,
        per_message: grant.per_message,
        may_act_for: grant.may_act_for,
        valid_after: grant.valid_after,
        expire_at: grant.expire_at,
        granted_by: grant.granted_by.code(),
        ceiling: grant.ceiling.clone(),
        while_in: grant.while_in,
    })
}

/// A grant with another end, if it stands and has the version that is meant.
pub(super) fn renewed(grant: Grant, expire_at: At, version: Option<i64>) -> Result<Grant> {
    if grant.revoked_at.is_some() {
        return Err(refuse::grant_is_over().into());
    }
    refuse::other_version(version, grant.version, "etag")?;
    Ok(Grant { expire_at: Some(expire_at), version: grant.version + 1, ..grant })
}

/// The grant of a row.
pub(super) fn read(
    id: GrantId,
    principal: Principal,
    revoked_at: Option<At>,
    version: i64,
    body: &str,
) -> Result<Grant> {
    let body: Body = unjson(body, "a grant")?;
    Ok(Grant {
        id,
        principal,
        department_ids: body.department_ids,
        audience: body.audience,
        tags: body.tags,
        any_tag: body.any_tag,
        edit_tags: body.edit_tags,
        channels: body.channels,
        classes: body.classes,
        per_day: body.per_day,
        per_message: body.per_message,
        may_act_for: body.may_act_for,
        valid_after: body.valid_after,
        expire_at: body.expire_at,
        granted_by: Principal::from_code(body.granted_by),
        ceiling: body.ceiling,
        while_in: body.while_in,
        revoked_at,
        version,
    })
}
