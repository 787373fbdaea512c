//! Departments, users, tags and the feed in SQLite. Each method is one read or one transaction.

use async_trait::async_trait;

use super::encode::head;
use super::reader::snapshot;
use super::{Sqlite, department, feed, leaving, member, tag, upsert, user};
use crate::domain::change::Change;
use crate::domain::directory::{Tag, User, UserDraft};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{
    DepartmentDraft, Departments, Directory, DirectoryImage, MembersWritten, Result, TagDraft, UserFilter, UsersWritten,
};

#[async_trait]
impl Directory for Sqlite {
    async fn load(&self) -> Result<DirectoryImage> {
        let image = |connection: &_| {
            let mut members = member::all(connection)?;
            let mut with_members = |tag: Tag| {
                let set = members.remove(&tag.id).unwrap_or_default();
                (tag, set)
            };
            Ok(DirectoryImage {
                seq: head(connection, "change")?,
                users: user::all(connection)?,
                token_epochs: leaving::epochs(connection)?,
                aliases: user::all_aliases(connection)?,
                departments: department::all(connection)?,
                tags: tag::all(connection)?.into_iter().map(&mut with_members).collect(),
            })
        };
        self.readers.read(move |connection| snapshot(connection, image)).await
    }

    async fn head(&self) -> Result<i64> {
        self.readers.read(|connection| head(connection, "change")).await
    }

    async fn changes_after(&self, seq: i64, limit: usize) -> Result<Vec<Change>> {
        let read = move |connection: &_| snapshot(connection, |moment| feed::changes_after(moment, seq, limit));
        self.readers.read(read).await
    }

    async fn upsert_departments(&self, rows: Vec<DepartmentDraft>, at: At) -> Result<i64> {
        let write = move |connection: &_| {
            department::upsert(connection, rows, at)?;
            head(connection, "change")
        };
        self.writer.write(write).await
    }

    async fn upsert_users(&self, rows: Vec<UserDraft>, at: At) -> Result<UsersWritten> {
        self.writer.write(move |connection| upsert::users(connection, rows, at)).await
    }

    async fn user(&self, external_id: &str) -> Result<Option<User>> {
        let external_id = external_id.to_owned();
        let read = move |connection: &_| match user::ordinal_of(connection, &external_id)? {
            Some(ordinal) => user::complete(connection, ordinal),
            None => Ok(None),
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn users(&self, ordinals: Vec<u32>) -> Result<Vec<User>> {
        let read = move |connection: &_| {
            let users = ordinals.into_iter().map(|ordinal| user::complete(connection, ordinal));
            users.filter_map(Result::transpose).collect()
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn list_users(&self, filter: UserFilter, after: Option<u32>, limit: usize) -> Result<Vec<User>> {
        let read = move |connection: &_| user::list(connection, &filter, after, limit);
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn upsert_tag(&self, tag: TagDraft, at: At) -> Result<(Tag, i64)> {
        self.writer.write(move |connection| tag::upsert(connection, tag, at)).await
    }

    async fn delete_tag(&self, name: &str, version: Option<i64>, at: At) -> Result<i64> {
        let name = name.to_owned();
        self.writer.write(move |connection| tag::delete(connection, &name, version, at)).await
    }

    async fn edit_tag(&self, name: &str, add: Set, remove: Set, at: At) -> Result<MembersWritten> {
        let name = name.to_owned();
        self.writer.write(move |connection| tag::edit(connection, &name, add, remove, at)).await
    }
}

#[async_trait]
impl Departments for Sqlite {
    async fn check(&self, rows: Vec<DepartmentDraft>) -> Result<u64> {
        self.readers.read(move |connection| snapshot(connection, |moment| department::check(moment, rows))).await
    }

    async fn relocate(&self, external_id: &str, parent: Option<&str>, at: At) -> Result<i64> {
        let (id, parent) = (external_id.to_owned(), parent.map(str::to_owned));
        self.writer.write(move |connection| department::relocate(connection, &id, parent.as_deref(), at)).await
    }

    async fn delete(&self, external_id: &str, version: Option<i64>, at: At) -> Result<i64> {
        let id = external_id.to_owned();
        self.writer.write(move |connection| department::delete(connection, &id, version, at)).await
    }
}
