//! The bulk write of users: one pass over the rows, the sets gathered and written once at the end.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::encode::{advance, head, known};
use super::member::{self, MemberChanges};
use super::{department, fault, feed, tag, user};
use crate::domain::channel::Channel;
use crate::domain::directory::{ADMINISTRATOR_ID, Address, SIMULATED, TagKind, UserDraft, UserKind, UserStatus};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Error, Result, RowError, UsersWritten, refuse};

/// Writes the rows in one transaction. A refused row is left out, the others are written.
pub(super) fn users(connection: &Connection, rows: Vec<UserDraft>, at: At) -> Result<UsersWritten> {
    let first = head(connection, "ordinal")?;
    let mut bulk = Bulk {
        connection,
        at,
        departments: HashMap::new(),
        tags: HashMap::new(),
        implied: HashMap::new(),
        members: MemberChanges::default(),
        created: Set::new(),
        next: first,
    };
    let mut written = UsersWritten::default();
    for (row, draft) in rows.into_iter().enumerate() {
        match bulk.resolve(&draft) {
            Ok(wanted) => match bulk.upsert(&draft.external_id, &wanted)? {
                Done::Created => written.created += 1,
                Done::Updated => written.updated += 1,
                Done::Unchanged => written.unchanged += 1,
            },
            Err(Error::Refused(refusal)) => written.errors.push(RowError { row, refusal }),
            Err(error) => return Err(error),
        }
    }
    if bulk.next > first {
        advance(connection, "ordinal", bulk.next - first)?;
        feed::append_users(connection, at, &bulk.created)?;
    }
    bulk.members.write(connection, at)?;
    written.seq = head(connection, "change")?;
    Ok(written)
}

/// One bulk write under way.
struct Bulk<'a> {
    connection: &'a Connection,
    at: At,
    /// By external id: the department's key and that of its tag; `None` where there is no such department.
    departments: HashMap<String, Option<(i64, i64)>>,
    /// By name: the static tags.
    tags: HashMap<String, i64>,
    /// The tags that follow from addresses and status.
    implied: HashMap<(TagKind, &'static str), i64>,
    members: MemberChanges,
    created: Set,
    next: i64,
}

/// What became of a row.
enum Done {
    Created,
    Updated,
    Unchanged,
}

/// What the rows of a user say, with names resolved. Lists are sorted and hold nothing twice.
#[derive(PartialEq, Eq)]
struct Entry {
    kind: UserKind,
    name: String,
    status: UserStatus,
    locale: String,
    primary_id: Option<i64>,
    addresses: Vec<Address>,
    /// Static tags and tags of departments.
    tag_ids: Vec<i64>,
}

impl Bulk<'_> {
    /// The row with its names resolved, creating tags that are new. Every refusal comes before anything is
    /// created.
    fn resolve(&mut self, draft: &UserDraft) -> Result<Entry> {
        if is_own(&draft.external_id) {
            return Err(refuse::own_user().into());
        }
        if draft.kind == UserKind::Group && !draft.tags.is_empty() {
            return Err(refuse::groups_have_no_tags("user.tags").into());
        }
        let mut tag_ids = Vec::with_capacity(draft.departments.len() + draft.tags.len() + 1);
        for external_id in &draft.departments {
            tag_ids.push(self.department(external_id)?.1);
        }
        let mut primary_id = None;
        if let Some(external_id) = &draft.primary_department {
            let (id, tag_id) = self.department(external_id)?;
            primary_id = Some(id);
            tag_ids.push(tag_id);
        }
        for name in &draft.tags {
            self.refuse_rule(name)?;
        }
        for name in &draft.tags {
            tag_ids.push(self.static_tag(name)?);
        }
        tag_ids.sort_unstable();
        tag_ids.dedup();
        let mut addresses = draft.addresses.clone();
        sort(&mut addresses);
        addresses.dedup();
        Ok(Entry {
            kind: draft.kind,
            name: draft.name.clone(),
            status: draft.status,
            locale: draft.locale.clone(),
            primary_id,
            addresses,
            tag_ids,
        })
    }

    fn department(&mut self, external_id: &str) -> Result<(i64, i64)> {
        let unknown = || refuse::unknown_department(external_id, "user.department_ids").into();
        if let Some(found) = self.departments.get(external_id) {
            return found.ok_or_else(unknown);
        }
        let found = match department::by_external_id(self.connection, external_id)? {
            None => None,
            Some(department) => {
                let tag_id = tag::id_of(self.connection, TagKind::Department, external_id)?;
                Some((department.id, tag_id.ok_or_else(|| Error::Damaged("the tag of a department".into()))?))
            }
        };
        self.departments.insert(external_id.to_owned(), found);
        found.ok_or_else(unknown)
    }

    fn refuse_rule(&mut self, name: &str) -> Result<()> {
        if self.tags.contains_key(name) {
            return Ok(());
        }
        match tag::named(self.connection, name)? {
            Some(tag) if tag.kind == TagKind::Rule => Err(refuse::rule_takes_nobody(name).into()),
            Some(tag) => {
                self.tags.insert(name.to_owned(), tag.id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The number of a static tag, which is created if it is new.
    fn static_tag(&mut self, name: &str) -> Result<i64> {
        if let Some(id) = self.tags.get(name) {
            return Ok(*id);
        }
        let id = tag::create(self.connection, TagKind::Static, name, None, self.at)?;
        self.tags.insert(name.to_owned(), id);
        Ok(id)
    }

    fn implied_tag(&mut self, kind: TagKind, name: &'static str) -> Result<i64> {
        if let Some(id) = self.implied.get(&(kind, name)) {
            return Ok(*id);
        }
        let id = match tag::id_of(self.connection, kind, name)? {
            Some(id) => id,
            None => tag::create(self.connection, kind, name, None, self.at)?,
        };
        self.implied.insert((kind, name), id);
        Ok(id)
    }

    fn upsert(&mut self, external_id: &str, wanted: &Entry) -> Result<Done> {
        let Some((ordinal, kept)) = kept(self.connection, external_id)? else {
            let ordinal = u32::try_from(self.next).map_err(|_| Error::Unavailable("no ordinal is left".into()))?;
            self.next += 1;
            self.created.insert(ordinal);
            insert(self.connection, ordinal, external_id, wanted)?;
            self.write_lists(ordinal, None, wanted)?;
            return Ok(Done::Created);
        };
        if kept == *wanted {
            return Ok(Done::Unchanged);
        }
        update(self.connection, ordinal, wanted)?;
        self.write_lists(ordinal, Some(&kept), wanted)?;
        Ok(Done::Updated)
    }

    /// Writes addresses, tag rows and sets, as far as they differ.
    fn write_lists(&mut self, ordinal: u32, kept: Option<&Entry>, wanted: &Entry) -> Result<()> {
        let old_addresses = kept.map_or(&[][..], |kept| &kept.addresses);
        for gone in old_addresses.iter().filter(|address| !wanted.addresses.contains(address)) {
            delete_address(self.connection, ordinal, gone)?;
        }
        for new in wanted.addresses.iter().filter(|address| !old_addresses.contains(address)) {
            insert_address(self.connection, ordinal, new, self.at)?;
        }
        let old_tags = kept.map_or(&[][..], |kept| &kept.tag_ids);
        for gone in old_tags.iter().filter(|id| !wanted.tag_ids.contains(id)) {
            member::delete_row(self.connection, ordinal, *gone)?;
        }
        for new in wanted.tag_ids.iter().filter(|id| !old_tags.contains(id)) {
            member::insert_row(self.connection, ordinal, *new)?;
        }
        let old_sets = kept.map_or_else(|| Ok(Vec::new()), |kept| self.sets(kept))?;
        let new_sets = self.sets(wanted)?;
        for gone in old_sets.iter().filter(|id| !new_sets.contains(id)) {
            self.members.remove(*gone, ordinal);
        }
        for new in new_sets.iter().filter(|id| !old_sets.contains(id)) {
            self.members.add(*new, ordinal);
        }
        Ok(())
    }

    /// The sets that such a user is in: groups only in those of reachability, and in `everyone` only people
    /// who receive.
    fn sets(&mut self, entry: &Entry) -> Result<Vec<i64>> {
        let mut sets = Vec::with_capacity(entry.tag_ids.len() + 4);
        if entry.kind == UserKind::Person {
            sets.extend(&entry.tag_ids);
            if entry.status.receives() {
                sets.push(self.implied_tag(TagKind::Everyone, "")?);
            }
        }
        for channel in Channel::ALL {
            if entry.addresses.iter().any(|address| address.channel == channel) {
                sets.push(self.implied_tag(TagKind::Reachable, channel.name())?);
            }
        }
        Ok(sets)
    }
}

fn kept(connection: &Connection, external_id: &str) -> Result<Option<(u32, Entry)>> {
    type Columns = (u32, i64, String, i64, String, Option<i64>);
    let row: Option<Columns> = connection
        .prepare_cached(
            "select ordinal, kind, name, status, locale, primary_department_id from user where external_id = ?1",
        )
        .and_then(|mut statement| {
            let columns = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            };
            statement.query_row([external_id], columns).optional()
        })
        .map_err(fault)?;
    let Some((ordinal, kind, name, status, locale, primary_id)) = row else { return Ok(None) };
    let mut addresses = user::addresses(connection, ordinal)?;
    sort(&mut addresses);
    let entry = Entry {
        kind: known(UserKind::from_code(kind), "kind of user")?,
        name,
        status: known(UserStatus::from_code(status), "status")?,
        locale,
        primary_id,
        addresses,
        tag_ids: member::rows_of(connection, ordinal)?,
    };
    Ok(Some((ordinal, entry)))
}

/// Whether it is the administrator or a simulated user: nobody writes those.
fn is_own(external_id: &str) -> bool {
    external_id == ADMINISTRATOR_ID || SIMULATED.iter().any(|(_, id)| *id == external_id)
}

fn sort(addresses: &mut [Address]) {
    addresses.sort_unstable_by(|a, b| (a.channel, &a.value).cmp(&(b.channel, &b.value)));
}

fn insert(connection: &Connection, ordinal: u32, external_id: &str, entry: &Entry) -> Result<()> {
    const SQL: &str = "insert into user \
                       (ordinal, external_id, kind, name, status, locale, primary_department_id, version) \
                       values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)";
    let Entry { kind, name, status, locale, primary_id, .. } = entry;
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            statement.execute((ordinal, external_id, *kind as i64, name, *status as i64, locale, primary_id))
        })
        .map(|_| ())
        .map_err(fault)
}

fn update(connection: &Connection, ordinal: u32, entry: &Entry) -> Result<()> {
    const SQL: &str = "update user set kind = ?2, name = ?3, status = ?4, locale = ?5, primary_department_id = ?6, \
                       version = version + 1 where ordinal = ?1";
    let Entry { kind, name, status, locale, primary_id, .. } = entry;
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.execute((ordinal, *kind as i64, name, *status as i64, locale, primary_id)))
        .map(|_| ())
        .map_err(fault)
}

fn insert_address(connection: &Connection, ordinal: u32, address: &Address, at: At) -> Result<()> {
    connection
        .prepare_cached("insert into address (ordinal, channel, value, changed_at) values (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| statement.execute((ordinal, address.channel.code(), &address.value, at.0)))
        .map(|_| ())
        .map_err(fault)
}

fn delete_address(connection: &Connection, ordinal: u32, address: &Address) -> Result<()> {
    connection
        .prepare_cached("delete from address where ordinal = ?1 and channel = ?2 and value = ?3")
        .and_then(|mut statement| statement.execute((ordinal, address.channel.code(), &address.value)))
        .map(|_| ())
        .map_err(fault)
}
