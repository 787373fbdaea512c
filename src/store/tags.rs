//! The write of a tag, decided without a database.

use super::encode::{json, unjson};
use super::{Result, TagDraft, refuse};
use crate::domain::id::GrantId;
use crate::domain::tag::{Tag, TagKind};

/// What is to be written of a tag.
#[derive(Debug)]
pub(super) enum Step {
    /// It is new; its key and version are given when it is written.
    Insert(Tag),
    /// It changes.
    Update(Tag),
    /// It is so already.
    Keep(Tag),
}

/// Decides a write. `kept` is the static or rule tag of the name, `department_id` the owner's key.
pub(super) fn step(draft: TagDraft, department_id: Option<i64>, kept: Option<Tag>) -> Result<Step> {
    if !matches!(draft.kind, TagKind::Static | TagKind::Rule) {
        return Err(refuse::tag_follows_from_others().into());
    }
    same_version(draft.version, kept.as_ref())?;
    let TagDraft { name, kind, title, description, rule, sensitive, user_grants, expire_at, .. } = draft;
    let (id, version) = kept.as_ref().map_or((0, 0), |kept| (kept.id, kept.version));
    let wanted =
        Tag { id, kind, name, title, description, rule, department_id, sensitive, user_grants, expire_at, version };
    match kept {
        None => Ok(Step::Insert(wanted)),
        Some(kept) if kept.kind != wanted.kind => Err(refuse::tag_of_another_kind(&wanted.name).into()),
        Some(kept) if kept == wanted => Ok(Step::Keep(wanted)),
        Some(_) => Ok(Step::Update(Tag { version: version + 1, ..wanted })),
    }
}

/// Refuses if a version is meant and what is kept is another one, or is not there at all.
pub(super) fn same_version(meant: Option<i64>, kept: Option<&Tag>) -> Result<()> {
    match meant {
        Some(meant) if kept.is_none_or(|kept| kept.version != meant) => {
            Err(refuse::changed_meanwhile("tag.etag").into())
        }
        _ => Ok(()),
    }
}

/// The grants of a tag as they are stored.
pub(super) fn grants_text(tag: &Tag) -> Result<String> {
    json(&tag.user_grants.iter().map(|id| id.0).collect::<Vec<i64>>())
}

/// The grants that [`grants_text`] wrote.
pub(super) fn grants_of(text: &str) -> Result<Vec<GrantId>> {
    let ids: Vec<i64> = unjson(text, "the grants of a tag")?;
    Ok(ids.into_iter().map(GrantId).collect())
}
