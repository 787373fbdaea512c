//! The rows of a source while it is read: groups of them as text, a fraction of what they take as values. Bounded by
//! [`USERS_MAX`] rows and [`BYTES_MAX`] bytes.

use serde::{Deserialize, Serialize};

use crate::domain::address::{AddressDraft, AddressState};
use crate::domain::channel::Channel;
use crate::domain::directory::{UserDraft, UserKind, UserStatus};
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// The most people of one source.
pub(super) const USERS_MAX: usize = 2_000_000;
/// The most that the rows of one source take in memory; a million rows of three addresses and six tags take half.
const BYTES_MAX: usize = 512 * 1024 * 1024;
/// Rows that are compared or written in one transaction.
pub(super) const GROUP: usize = 1_000;

/// Rows with their places among all that were sent, accepted or not.
#[derive(Debug, Default)]
pub(super) struct Spool {
    groups: Vec<String>,
    rows: usize,
    bytes: usize,
}

/// A row as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept(
    usize,
    String,
    UserKind,
    String,
    UserStatus,
    String,
    Option<String>,
    Vec<String>,
    Vec<SaidAddress>,
    Vec<String>,
    Vec<String>,
    Option<i64>,
);

/// Channel, value, state and proof of an address, as far as they were said.
type SaidAddress = (Channel, String, Option<AddressState>, Option<At>);

impl Spool {
    /// Keeps one more row.
    pub(super) fn push(&mut self, place: usize, row: UserDraft) -> Result<(), Refusal> {
        line::longest("user", self.rows + 1, USERS_MAX, "entries")?;
        let address = |one: AddressDraft| (one.channel, one.value, one.state, one.verified_at);
        let kept = Kept(
            place,
            row.external_id,
            row.kind,
            row.name,
            row.status,
            row.locale,
            row.primary_department,
            row.departments,
            row.addresses.into_iter().map(address).collect(),
            row.tags,
            row.alias_ids,
            row.version,
        );
        let text = serde_json::to_string(&kept).map_err(|_| damaged())?;
        self.bytes += text.len() + 1;
        line::longest("user", self.bytes, BYTES_MAX, "bytes")?;
        if self.rows.is_multiple_of(GROUP) {
            self.groups.push(String::with_capacity(GROUP * text.len()));
        }
        if let Some(group) = self.groups.last_mut() {
            group.push_str(&text);
            group.push('\n');
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows with their places, group by group, in the order in which they came.
    pub(super) fn groups(&self) -> impl Iterator<Item = Result<(Vec<usize>, Vec<UserDraft>), Refusal>> {
        self.groups.iter().map(|group| group.lines().map(read).collect())
    }
}

fn read(text: &str) -> Result<(usize, UserDraft), Refusal> {
    let kept: Kept = serde_json::from_str(text).map_err(|_| damaged())?;
    let address =
        |(channel, value, state, verified_at): SaidAddress| AddressDraft { channel, value, state, verified_at };
    let row = UserDraft {
        external_id: kept.1,
        kind: kept.2,
        name: kept.3,
        status: kept.4,
        locale: kept.5,
        primary_department: kept.6,
        departments: kept.7,
        addresses: kept.8.into_iter().map(address).collect(),
        tags: kept.9,
        alias_ids: kept.10,
        version: kept.11,
    };
    Ok((kept.0, row))
}

fn damaged() -> Refusal {
    Refusal::new(Reason::Internal, "A row of the source could not be kept; send it again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_in_groups_as_they_were_sent() {
        let row = |n: usize| UserDraft {
            external_id: n.to_string(),
            kind: if n == 1 { UserKind::Group } else { UserKind::Person },
            name: "王\"芳\"".to_owned(),
            status: UserStatus::OnLeave,
            locale: "zh-CN".to_owned(),
            primary_department: n.is_multiple_of(2).then(|| "cs".to_owned()),
            departments: vec!["law".to_owned()],
            addresses: vec![AddressDraft {
                state: (n % 2 == 1).then_some(AddressState::Dead),
                ..AddressDraft::new(Channel::Email, format!("{n}@example.edu"))
            }],
            tags: vec!["校区:创新港".to_owned()],
            alias_ids: vec![format!("a{n}")],
            version: n.is_multiple_of(3).then_some(7),
        };
        let mut spool = Spool::default();
        (0..2_500).for_each(|n| spool.push(n + 1, row(n)).unwrap());
        let groups: Vec<_> = spool.groups().map(Result::unwrap).collect();
        assert_eq!(groups.iter().map(|(places, _)| places.len()).collect::<Vec<_>>(), [1_000, 1_000, 500]);
        let back = groups.into_iter().flat_map(|(places, rows)| places.into_iter().zip(rows));
        assert!(back.eq((0..2_500).map(|n| (n + 1, row(n)))));
    }
}
