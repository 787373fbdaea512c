//! The bulk write of users: what is kept is read, the plan made, the sets written once at the end.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use rusqlite::{CachedStatement, Connection};

use super::encode::{advance, head, known};
use super::{department, fault, feed, leaving, member, tag, user};
use crate::domain::directory::{Address, TagKind, UserDraft, UserKind, UserStatus};
use crate::domain::time::At;
use crate::store::users::{self, Kept, Known, Names, Plan, Write};
use crate::store::{Error, Result, UsersWritten};

/// Writes the rows in one transaction. A refused row is left out, the others are written.
pub(super) fn users(connection: &Connection, rows: Vec<UserDraft>, at: At) -> Result<UsersWritten> {
    let plan = plan(connection, rows, None, &HashSet::new())?;
    write(connection, plan, at)
}

/// What the rows would change, in the name of a source or of none, once the departments `coming` were there.
pub(super) fn plan(
    connection: &Connection,
    rows: Vec<UserDraft>,
    source_id: Option<i64>,
    coming: &HashSet<String>,
) -> Result<Plan> {
    let names = Names::of(&rows);
    let departments = names.departments.clone();
    let mut known = look_up(connection, names)?;
    known.expect(coming, &departments);
    users::plan(rows, known, source_id)
}

/// Writes a plan in the transaction in which it was made.
pub(super) fn write(connection: &Connection, plan: Plan, at: At) -> Result<UsersWritten> {
    let first = head(connection, "ordinal")?;
    let Plan { mut written, tags, users, created, renamed, leaving, ordinal, members } = plan;
    for planned in tags {
        if tag::insert(connection, &planned, at)? != planned.id {
            return Err(Error::Damaged("the order of changes".into()));
        }
    }
    // What one gives up another may take.
    for gone in users.iter().flat_map(Write::gone_aliases) {
        delete_alias(connection, gone)?;
    }
    let mut rows = Rows::prepare(connection)?;
    for write in users {
        match write.kept {
            None => rows.insert(&write)?,
            Some(_) => update(connection, write.ordinal, &write.wanted)?,
        }
        for new in write.new_aliases() {
            insert_alias(connection, write.ordinal, new)?;
        }
        for gone in write.gone_addresses() {
            delete_address(connection, write.ordinal, gone)?;
        }
        for gone in write.gone_tags() {
            member::delete_row(connection, write.ordinal, gone)?;
        }
        rows.insert_parts(&write, at)?;
    }
    drop(rows);
    if !created.is_empty() {
        advance(connection, "ordinal", ordinal - first)?;
        feed::append_users(connection, at, &created)?;
    }
    if !renamed.is_empty() {
        feed::append_aliases(connection, at, &renamed)?;
    }
    member::write(connection, members, at)?;
    written.ended = leaving::end(connection, &leaving, at)?;
    written.seq = head(connection, "change")?;
    Ok(written)
}

fn look_up(connection: &Connection, names: Names) -> Result<Known> {
    let mut found = Known {
        seq: head(connection, "change")?,
        ordinal: head(connection, "ordinal")?,
        implied: tag::implied(connection)?,
        ..Known::default()
    };
    for external_id in names.departments {
        if let Some(department) = department::by_external_id(connection, &external_id)? {
            let tag_id = tag::id_of(connection, TagKind::Department, &external_id)?;
            let tag_id = tag_id.ok_or_else(|| Error::Damaged("the tag of a department".into()))?;
            found.departments.insert(external_id, (department.id, tag_id));
        }
    }
    for name in names.tags {
        if let Some(tag) = tag::named(connection, &name)? {
            found.tags.insert(name, (tag.kind, tag.id));
        }
    }
    found.users = HashMap::with_capacity(names.users.len());
    for external_id in names.users {
        if let Some(ordinal) = user::ordinal_of(connection, &external_id)? {
            found.ids.insert(external_id, ordinal);
            if let Entry::Vacant(place) = found.users.entry(ordinal) {
                place.insert(kept(connection, ordinal)?);
            }
        }
    }
    Ok(found)
}

fn kept(connection: &Connection, ordinal: u32) -> Result<Kept> {
    type Columns = (String, i64, String, i64, String, Option<i64>, Option<i64>, i64);
    const SQL: &str = "select external_id, kind, name, status, locale, primary_department_id, source_id, version \
                       from user where ordinal = ?1";
    let (external_id, kind, name, status, locale, primary_id, source_id, version): Columns = connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            let columns = |row: &rusqlite::Row<'_>| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ))
            };
            statement.query_row([ordinal], columns)
        })
        .map_err(fault)?;
    let mut addresses = user::addresses(connection, ordinal)?;
    users::sort(&mut addresses);
    let entry = users::Entry {
        kind: known(UserKind::from_code(kind), "kind of user")?,
        name,
        status: known(UserStatus::from_code(status), "status")?,
        locale,
        alias_ids: user::aliases(connection, ordinal)?,
        primary_id,
        source_id,
        addresses,
        tag_ids: member::rows_of(connection, ordinal)?,
    };
    Ok(Kept { external_id, version, entry })
}

/// The rows that a bulk write has most of. Their statements stay at hand: a million people have eleven million rows.
struct Rows<'c> {
    user: CachedStatement<'c>,
    address: CachedStatement<'c>,
    membership: CachedStatement<'c>,
}

impl<'c> Rows<'c> {
    fn prepare(connection: &'c Connection) -> Result<Rows<'c>> {
        const USER: &str = "insert into user \
                            (ordinal, external_id, kind, name, status, locale, primary_department_id, source_id, version) \
                            values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)";
        const ADDRESS: &str = "insert into address (ordinal, channel, value, state, verified_at, changed_at) \
                               values (?1, ?2, ?3, ?4, ?5, ?6)";
        const MEMBERSHIP: &str = "insert into membership (ordinal, tag_id) values (?1, ?2)";
        Ok(Rows {
            user: connection.prepare_cached(USER).map_err(fault)?,
            address: connection.prepare_cached(ADDRESS).map_err(fault)?,
            membership: connection.prepare_cached(MEMBERSHIP).map_err(fault)?,
        })
    }

    /// Somebody new.
    fn insert(&mut self, write: &Write) -> Result<()> {
        let users::Entry { kind, name, status, locale, primary_id, source_id, .. } = &write.wanted;
        let (kind, status) = (*kind as i64, *status as i64);
        let values = (write.ordinal, &write.external_id, kind, name, status, locale, primary_id, source_id);
        self.user.execute(values).map(|_| ()).map_err(fault)
    }

    /// The addresses and tags that somebody did not have.
    fn insert_parts(&mut self, write: &Write, at: At) -> Result<()> {
        for Address { channel, value, state, verified_at } in write.new_addresses() {
            let (state, verified_at) = (*state as i64, verified_at.map(|at| at.0));
            let values = (write.ordinal, channel.code(), value, state, verified_at, at.0);
            self.address.execute(values).map_err(fault)?;
        }
        for tag_id in write.new_tags() {
            self.membership.execute((write.ordinal, tag_id)).map_err(fault)?;
        }
        Ok(())
    }
}

fn update(connection: &Connection, ordinal: u32, entry: &users::Entry) -> Result<()> {
    const SQL: &str = "update user set kind = ?2, name = ?3, status = ?4, locale = ?5, primary_department_id = ?6, \
                       source_id = ?7, version = version + 1 where ordinal = ?1";
    let users::Entry { kind, name, status, locale, primary_id, source_id, .. } = entry;
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            statement.execute((ordinal, *kind as i64, name, *status as i64, locale, primary_id, source_id))
        })
        .map(|_| ())
        .map_err(fault)
}

fn insert_alias(connection: &Connection, ordinal: u32, alias: &str) -> Result<()> {
    connection
        .prepare_cached("insert into alias (external_id, ordinal) values (?1, ?2)")
        .and_then(|mut statement| statement.execute((alias, ordinal)))
        .map(|_| ())
        .map_err(fault)
}

fn delete_alias(connection: &Connection, alias: &str) -> Result<()> {
    connection
        .prepare_cached("delete from alias where external_id = ?1")
        .and_then(|mut statement| statement.execute([alias]))
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
