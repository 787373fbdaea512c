//! Departments, users and tags, both ways.

use super::{absent, count, enums, error_row, invalid, message, required, some, time};
use crate::api::v1;
use crate::directory::{
    DepartmentDraft, DepartmentMoved, DepartmentView, ErasureReceipt, GrantChange, MembersEdited, TagDraft, TagView,
    UsersUpserted,
};
use crate::domain::address::{Address, AddressDraft, AddressState};
use crate::domain::directory::{User, UserDraft, UserKind, UserStatus};
use crate::domain::refusal::Refusal;
use crate::domain::tag::TagKind;

/// A department as its caller wants it.
///
/// # Errors
/// `FIELD_REQUIRED`, or `NOT_YET_AVAILABLE` for a field that is not served.
pub fn department_draft(wanted: Option<v1::Department>) -> Result<DepartmentDraft, Refusal> {
    let wanted = wanted.ok_or_else(|| required("department"))?;
    absent(wanted.sender_name.is_empty(), "department.sender_name")?;
    absent(wanted.reply_to.is_empty(), "department.reply_to")?;
    absent(wanted.provider_ids.is_empty(), "department.provider_ids")?;
    let version = version("department.etag", &wanted.etag)?;
    Ok(DepartmentDraft {
        external_id: wanted.department_id,
        parent: some(wanted.parent_id),
        name: wanted.name,
        version,
    })
}

/// The version that an etag names; `None` if it is empty.
///
/// # Errors
/// `FIELD_INVALID` for a text that no answer gave.
pub fn version(path: &str, etag: &str) -> Result<Option<i64>, Refusal> {
    if etag.is_empty() {
        return Ok(None);
    }
    etag.parse().map(Some).map_err(|_| invalid(path, "is no etag of an answer; leave it out or read it again"))
}

/// What a move of a department changes.
#[must_use]
pub fn moved(done: DepartmentMoved) -> v1::MoveDepartmentResponse {
    let change = |one: GrantChange| v1::GrantChange {
        grant_id: one.grant.to_string(),
        gained: count(one.gained),
        lost: count(one.lost),
    };
    v1::MoveDepartmentResponse {
        changes: done.changes.into_iter().map(change).collect(),
        directory_seq: done.seq.unwrap_or_default(),
    }
}

/// A department as the wire carries it.
#[must_use]
pub fn department(view: DepartmentView) -> v1::Department {
    v1::Department {
        department_id: view.department.external_id,
        parent_id: view.parent.unwrap_or_default(),
        name: view.department.name,
        level: i32::try_from(view.level).unwrap_or(i32::MAX),
        etag: view.department.version.to_string(),
        ..Default::default()
    }
}

/// A user as its caller wants it.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID`, or `NOT_YET_AVAILABLE` for a field that is not served.
pub fn user_draft(wanted: Option<v1::User>) -> Result<UserDraft, Refusal> {
    let wanted = wanted.ok_or_else(|| required("user"))?;
    let kind = match v1::UserKind::try_from(wanted.kind) {
        Ok(v1::UserKind::Unspecified | v1::UserKind::Person) => UserKind::Person,
        Ok(v1::UserKind::Group) => UserKind::Group,
        Err(_) => return Err(invalid("user.kind", "names no kind of user")),
    };
    let status = match v1::UserStatus::try_from(wanted.status) {
        Ok(v1::UserStatus::Unspecified | v1::UserStatus::Active) => UserStatus::Active,
        Ok(v1::UserStatus::OnLeave) => UserStatus::OnLeave,
        Ok(v1::UserStatus::Graduated) => UserStatus::Graduated,
        Ok(v1::UserStatus::Left) => UserStatus::Left,
        Ok(v1::UserStatus::Deceased) => UserStatus::Deceased,
        Ok(v1::UserStatus::Erased) | Err(_) => return Err(invalid("user.status", "is no status that can be given")),
    };
    let addresses = wanted.addresses.into_iter().enumerate().map(|(place, one)| address(place, one));
    Ok(UserDraft {
        external_id: wanted.user_id,
        alias_ids: wanted.alias_ids,
        kind,
        name: wanted.name,
        status,
        locale: wanted.locale,
        primary_department: some(wanted.primary_department_id),
        departments: wanted.department_ids,
        addresses: addresses.collect::<Result<_, _>>()?,
        tags: wanted.tags,
        version: version("user.etag", &wanted.etag)?,
    })
}

fn address(place: usize, wanted: v1::Address) -> Result<AddressDraft, Refusal> {
    let path = |field: &str| format!("user.addresses[{place}].{field}");
    absent(wanted.provider_id.is_empty(), &path("provider_id"))?;
    let state = match v1::AddressState::try_from(wanted.state) {
        Ok(v1::AddressState::Unspecified) => None,
        Ok(v1::AddressState::Usable) => Some(AddressState::Usable),
        Ok(v1::AddressState::Unverified) => Some(AddressState::Unverified),
        Ok(v1::AddressState::Invalid) => Some(AddressState::Invalid),
        Ok(v1::AddressState::Dead) => Some(AddressState::Dead),
        Err(_) => return Err(invalid(&path("state"), "names no state of an address")),
    };
    Ok(AddressDraft {
        channel: enums::channel(&path("channel"), wanted.channel)?,
        value: wanted.value,
        state,
        verified_at: time::at_if(&path("verified_at"), wanted.verified_at.as_ref())?,
    })
}

/// A user as the wire carries it.
#[must_use]
pub fn user(user: User) -> v1::User {
    let kind = match user.kind {
        UserKind::Person => v1::UserKind::Person,
        UserKind::Group => v1::UserKind::Group,
    };
    let status = match user.status {
        UserStatus::Active => v1::UserStatus::Active,
        UserStatus::OnLeave => v1::UserStatus::OnLeave,
        UserStatus::Graduated => v1::UserStatus::Graduated,
        UserStatus::Left => v1::UserStatus::Left,
        UserStatus::Deceased => v1::UserStatus::Deceased,
    };
    let address = |address: Address| v1::Address {
        channel: enums::channel_number(address.channel),
        value: address.value,
        state: address_state(address.state).into(),
        verified_at: address.verified_at.map(time::stamp),
        ..Default::default()
    };
    v1::User {
        user_id: user.external_id,
        alias_ids: user.alias_ids,
        kind: kind.into(),
        name: user.name,
        status: status.into(),
        primary_department_id: user.primary_department.unwrap_or_default(),
        department_ids: user.departments,
        addresses: user.addresses.into_iter().map(address).collect(),
        tags: user.tags,
        locale: user.locale,
        etag: user.version.to_string(),
    }
}

fn address_state(state: AddressState) -> v1::AddressState {
    match state {
        AddressState::Usable => v1::AddressState::Usable,
        AddressState::Unverified => v1::AddressState::Unverified,
        AddressState::Invalid => v1::AddressState::Invalid,
        AddressState::Dead => v1::AddressState::Dead,
    }
}

/// What came of a stream of users.
#[must_use]
pub fn upserted(done: UsersUpserted) -> v1::UpsertUsersResponse {
    v1::UpsertUsersResponse {
        created: count(done.created),
        updated: count(done.updated),
        unchanged: count(done.unchanged),
        errors: done.errors.into_iter().map(|one| error_row(one.row, one.refusal)).collect(),
        error_count: count(done.error_count),
        directory_seq: done.seq,
    }
}

/// What an erasure took away.
#[must_use]
pub fn receipt(receipt: ErasureReceipt) -> v1::ErasureReceipt {
    v1::ErasureReceipt {
        erasure_id: receipt.id,
        erased_at: receipt.at.map(time::stamp),
        addresses: count(receipt.erased.addresses),
        devices: 0,
        messages: count(receipt.erased.messages),
        tags: count(receipt.erased.tags),
        rights: count(receipt.erased.rights),
    }
}

/// A tag as its caller wants it.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID`.
pub fn tag_draft(wanted: Option<v1::Tag>) -> Result<TagDraft, Refusal> {
    let wanted = wanted.ok_or_else(|| required("tag"))?;
    let kind = match v1::TagKind::try_from(wanted.kind) {
        Ok(v1::TagKind::Unspecified | v1::TagKind::Static) => TagKind::Static,
        Ok(v1::TagKind::Rule) => TagKind::Rule,
        _ => return Err(invalid("tag.kind", "is neither STATIC nor RULE; other tags are kept by the service")),
    };
    let grant = |(place, id): (usize, &String)| message::id(&format!("tag.user_grants[{place}]"), id);
    Ok(TagDraft {
        name: wanted.tag,
        kind,
        title: wanted.title,
        description: wanted.description,
        rule: some(wanted.rule),
        department: some(wanted.owner_department_id),
        sensitive: wanted.sensitive,
        user_grants: wanted.user_grants.iter().enumerate().map(grant).collect::<Result<_, _>>()?,
        expire_at: time::at_if("tag.expire_at", wanted.expire_at.as_ref())?,
        version: version("tag.etag", &wanted.etag)?,
    })
}

/// A tag as the wire carries it.
#[must_use]
pub fn tag(view: TagView) -> v1::Tag {
    let kind = match view.tag.kind {
        TagKind::Static => v1::TagKind::Static,
        TagKind::Rule => v1::TagKind::Rule,
        TagKind::Department => v1::TagKind::Department,
        TagKind::Reachable => v1::TagKind::Reachable,
        TagKind::Unreachable | TagKind::Everyone => v1::TagKind::Unspecified,
    };
    v1::Tag {
        tag: view.tag.name,
        title: view.tag.title,
        owner_department_id: view.department.unwrap_or_default(),
        kind: kind.into(),
        rule: view.tag.rule.unwrap_or_default(),
        description: view.tag.description,
        sensitive: view.tag.sensitive,
        user_grants: view.tag.user_grants.iter().map(ToString::to_string).collect(),
        count: count(view.count.unwrap_or_default()),
        under_five: view.count.is_none(),
        expire_at: view.tag.expire_at.map(time::stamp),
        etag: view.tag.version.to_string(),
    }
}

/// What came of a stream of edits.
#[must_use]
pub fn edited(done: MembersEdited) -> v1::EditTagMembersResponse {
    v1::EditTagMembersResponse {
        added: count(done.added),
        removed: count(done.removed),
        errors: done.errors.into_iter().map(|one| error_row(one.row, one.refusal)).collect(),
        error_count: count(done.error_count),
        directory_seq: done.seq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::channel::Channel;
    use crate::domain::refusal::Reason;

    fn sample() -> v1::User {
        v1::User {
            user_id: "3121151001".to_owned(),
            alias_ids: vec!["20199".to_owned()],
            kind: v1::UserKind::Person.into(),
            name: "李明".to_owned(),
            status: v1::UserStatus::Active.into(),
            primary_department_id: "cs".to_owned(),
            department_ids: vec!["cs".to_owned()],
            addresses: vec![v1::Address {
                channel: v1::Channel::Email.into(),
                value: "li@example.edu".to_owned(),
                state: v1::AddressState::Usable.into(),
                ..Default::default()
            }],
            tags: vec!["grade:2021".to_owned()],
            locale: "zh-CN".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn a_user_reads_back() {
        let draft = user_draft(Some(sample())).unwrap();
        assert_eq!(draft.addresses[0].channel, Channel::Email);
        let kept = User {
            ordinal: 16,
            external_id: draft.external_id,
            alias_ids: draft.alias_ids,
            kind: draft.kind,
            name: draft.name,
            status: draft.status,
            locale: draft.locale,
            primary_department: draft.primary_department,
            departments: draft.departments,
            addresses: draft.addresses.iter().map(|one| one.over(None)).collect(),
            tags: draft.tags,
            version: 1,
        };
        assert_eq!(user(kept), v1::User { etag: "1".to_owned(), ..sample() });
    }

    #[test]
    fn what_is_not_kept_is_refused_and_not_dropped() {
        let of_one = v1::Address { provider_id: "wecom".to_owned(), ..sample().addresses.remove(0) };
        let refusal = user_draft(Some(v1::User { addresses: vec![of_one], ..sample() })).unwrap_err();
        let field = Some("user.addresses[0].provider_id");
        assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::NotYetAvailable, field));
    }
}
