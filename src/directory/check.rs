//! What a row of the directory may say, as far as the row alone tells.

use unicode_normalization::UnicodeNormalization;

use crate::domain::directory::{UserDraft, is_external_id, is_tag_name};
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::store::DepartmentDraft;

/// The most departments of one user.
const DEPARTMENTS_MAX: usize = 64;
/// The most addresses of one user.
const ADDRESSES_MAX: usize = 32;
/// The most further ids of one user.
const ALIASES_MAX: usize = 16;
/// The most static tags of one row.
const TAGS_MAX: usize = 256;
/// The locale of a user who has none.
const LOCALE_DEFAULT: &str = "zh-CN";

/// The institution's id in a field.
pub(super) fn external_id(field: &str, id: &str) -> Result<(), Refusal> {
    if is_external_id(id) {
        return Ok(());
    }
    let (reason, message) = match id {
        "" => (Reason::FieldRequired, format!("Give {field} an id.")),
        _ => (Reason::FieldInvalid, format!("{field} is 1 to 64 of the characters A-Z a-z 0-9 . _ -; correct it.")),
    };
    Err(Refusal::new(reason, message).field(field))
}

/// The name of a tag in the form in which it is kept.
pub(super) fn tag_name(field: &str, name: &str) -> Result<String, Refusal> {
    let name: String = name.nfc().collect();
    if is_tag_name(&name) {
        return Ok(name);
    }
    let message = format!(
        "{field} is a tag: key:value or a plain word of letters, digits and . _ -, at most 64 characters, and no \
         reserved or full-width word. Choose another name."
    );
    Err(Refusal::new(Reason::FieldInvalid, message).field(field))
}

/// A department's row.
pub(super) fn department(row: &DepartmentDraft) -> Result<(), Refusal> {
    external_id("department.department_id", &row.external_id)?;
    line::name("department.name", &row.name)?;
    row.parent.as_deref().map_or(Ok(()), |parent| external_id("department.parent_id", parent))
}

/// A user's row, put into the form in which it is kept.
pub(super) fn user(mut draft: UserDraft) -> Result<UserDraft, Refusal> {
    external_id("user.user_id", &draft.external_id)?;
    line::name("user.name", &draft.name)?;
    line::longest("user.alias_ids", draft.alias_ids.len(), ALIASES_MAX, "entries")?;
    for (place, id) in draft.alias_ids.iter().enumerate() {
        external_id(&format!("user.alias_ids[{place}]"), id)?;
    }
    if draft.locale.is_empty() {
        LOCALE_DEFAULT.clone_into(&mut draft.locale);
    }
    if !is_locale(&draft.locale) {
        let message = "user.locale is a language tag such as zh-CN; correct it or leave it out.";
        return Err(Refusal::new(Reason::FieldInvalid, message).field("user.locale"));
    }
    if let Some(primary) = &draft.primary_department {
        external_id("user.primary_department_id", primary)?;
    }
    line::longest("user.department_ids", draft.departments.len(), DEPARTMENTS_MAX, "entries")?;
    for (place, id) in draft.departments.iter().enumerate() {
        external_id(&format!("user.department_ids[{place}]"), id)?;
    }
    line::longest("user.addresses", draft.addresses.len(), ADDRESSES_MAX, "entries")?;
    for (place, address) in draft.addresses.iter().enumerate() {
        // A vendor's word for everybody is nobody's address, on whatever channel.
        if !address.channel.accepts_address(&address.value) || address.value.to_ascii_lowercase().starts_with("@all") {
            let message = format!("This is no address on the channel {}; correct it or leave it out.", address.channel);
            return Err(Refusal::new(Reason::FieldInvalid, message).field(format!("user.addresses[{place}].value")));
        }
    }
    line::longest("user.tags", draft.tags.len(), TAGS_MAX, "entries")?;
    for (place, tag) in draft.tags.iter_mut().enumerate() {
        *tag = tag_name(&format!("user.tags[{place}]"), tag)?;
    }
    Ok(draft)
}

fn is_locale(text: &str) -> bool {
    text.len() <= 35
        && text.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
