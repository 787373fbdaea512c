//! Departments, users, tags and the feed in PostgreSQL. Each method is one snapshot or one transaction; writers
//! take turns by the lock of the feed's head.

use async_trait::async_trait;

use super::encode::head;
use super::{Postgres, department, feed, leaving, member, tag, upsert, user};
use crate::domain::change::Change;
use crate::domain::directory::{Tag, User, UserDraft};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{
    DepartmentDraft, Departments, Directory, DirectoryImage, MembersWritten, Result, TagDraft, UserFilter, UsersWritten,
};

#[async_trait]
impl Directory for Postgres {
    async fn load(&self) -> Result<DirectoryImage> {
        let session = self.whole_snapshot().await?;
        let mut members = member::all(&session).await?;
        let mut with_members = |tag: Tag| {
            let set = members.remove(&tag.id).unwrap_or_default();
            (tag, set)
        };
        Ok(DirectoryImage {
            seq: head(&session).await?,
            users: user::all(&session).await?,
            token_epochs: leaving::epochs(&session).await?,
            aliases: user::all_aliases(&session).await?,
            departments: department::all(&session).await?,
            tags: tag::all(&session).await?.into_iter().map(&mut with_members).collect(),
        })
    }

    async fn head(&self) -> Result<i64> {
        head(&self.session().await?).await
    }

    async fn changes_after(&self, seq: i64, limit: usize) -> Result<Vec<Change>> {
        feed::changes_after(&self.snapshot().await?, seq, limit).await
    }

    async fn upsert_departments(&self, rows: Vec<DepartmentDraft>, at: At) -> Result<i64> {
        let session = self.transaction().await?;
        let seq = department::upsert(&session, rows, at).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn upsert_users(&self, rows: Vec<UserDraft>, at: At) -> Result<UsersWritten> {
        let session = self.whole_transaction().await?;
        let written = upsert::users(&session, rows, at).await?;
        session.commit().await?;
        Ok(written)
    }

    async fn user(&self, external_id: &str) -> Result<Option<User>> {
        // No text that is kept can have this character, nor can one be asked for.
        if external_id.contains('\0') {
            return Ok(None);
        }
        let session = self.snapshot().await?;
        match user::ordinal_of(&session, external_id).await? {
            Some(ordinal) => Ok(user::complete(&session, &[ordinal]).await?.pop()),
            None => Ok(None),
        }
    }

    async fn users(&self, ordinals: Vec<u32>) -> Result<Vec<User>> {
        user::complete(&self.snapshot().await?, &ordinals).await
    }

    async fn list_users(&self, filter: UserFilter, after: Option<u32>, limit: usize) -> Result<Vec<User>> {
        user::list(&self.snapshot().await?, &filter, after, limit).await
    }

    async fn upsert_tag(&self, tag: TagDraft, at: At) -> Result<(Tag, i64)> {
        let session = self.transaction().await?;
        let written = tag::upsert(&session, tag, at).await?;
        session.commit().await?;
        Ok(written)
    }

    async fn delete_tag(&self, name: &str, version: Option<i64>, at: At) -> Result<i64> {
        let session = self.whole_transaction().await?;
        let seq = tag::delete(&session, name, version, at).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn edit_tag(&self, name: &str, add: Set, remove: Set, at: At) -> Result<MembersWritten> {
        let session = self.whole_transaction().await?;
        let written = tag::edit(&session, name, add, remove, at).await?;
        session.commit().await?;
        Ok(written)
    }
}

#[async_trait]
impl Departments for Postgres {
    async fn check(&self, rows: Vec<DepartmentDraft>) -> Result<u64> {
        department::check(&self.snapshot().await?, rows).await
    }

    async fn relocate(&self, external_id: &str, parent: Option<&str>, at: At) -> Result<i64> {
        let session = self.transaction().await?;
        let seq = department::relocate(&session, external_id, parent, at).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn delete(&self, external_id: &str, version: Option<i64>, at: At) -> Result<i64> {
        let session = self.transaction().await?;
        let seq = department::delete(&session, external_id, version, at).await?;
        session.commit().await?;
        Ok(seq)
    }
}
