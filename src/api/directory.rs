//! `DirectoryService`: departments, users and tags.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

use super::auth::{self, bearer};
use super::convert::{self, directory as convert_directory, enums, page, required, topic};
use super::sync::{self, Sender};
use super::v1::directory_service_server::DirectoryService;
use super::{Services, error, export, v1};
use crate::directory::{TagFilter, UserQuery};
use crate::domain::audit::{Action, Deed};

type Answer<T> = Result<Response<T>, Status>;

/// How long a stream of rows may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

#[tonic::async_trait]
impl DirectoryService for Services {
    async fn upsert_department(
        &self,
        request: Request<v1::UpsertDepartmentRequest>,
    ) -> Answer<v1::UpsertDepartmentResponse> {
        let caller = self.caller(request.metadata()).await?;
        let draft = convert_directory::department_draft(request.into_inner().department)?;
        let written = self.registrar.upsert_department(&caller, draft).await;
        let written = self.audit.denied(&caller, Deed::of(Action::DepartmentUpsert), written).await?;
        Ok(Response::new(v1::UpsertDepartmentResponse {
            department: Some(convert_directory::department(written.view)),
            created: written.created,
            directory_seq: written.seq,
        }))
    }

    async fn get_department(&self, request: Request<v1::GetDepartmentRequest>) -> Answer<v1::GetDepartmentResponse> {
        let caller = self.caller(request.metadata()).await?;
        let id = given("department_id", request.into_inner().department_id)?;
        let view = self.registrar.department(&caller, &id)?;
        Ok(Response::new(v1::GetDepartmentResponse { department: Some(convert_directory::department(view)) }))
    }

    async fn list_departments(
        &self,
        request: Request<v1::ListDepartmentsRequest>,
    ) -> Answer<v1::ListDepartmentsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let parent = convert::some(wanted.parent_id);
        let found = self.registrar.departments(&caller, parent.as_deref(), wanted.recursive, &page)?;
        Ok(Response::new(v1::ListDepartmentsResponse {
            departments: found.items.into_iter().map(convert_directory::department).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn move_department(&self, request: Request<v1::MoveDepartmentRequest>) -> Answer<v1::MoveDepartmentResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::MoveDepartmentRequest { department_id, new_parent_id, validate_only } = request.into_inner();
        let (id, parent) = (given("department_id", department_id)?, convert::some(new_parent_id));
        let done = self.registrar.move_department(&caller, &id, parent.as_deref(), validate_only).await;
        let done = self.audit.denied(&caller, Deed::of(Action::DepartmentMove), done).await?;
        Ok(Response::new(convert_directory::moved(done)))
    }

    async fn delete_department(
        &self,
        request: Request<v1::DeleteDepartmentRequest>,
    ) -> Answer<v1::DeleteDepartmentResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::DeleteDepartmentRequest { department_id, etag } = request.into_inner();
        let version = convert_directory::version("etag", &etag)?;
        let id = given("department_id", department_id)?;
        let deleted = self.registrar.delete_department(&caller, &id, version).await;
        let directory_seq = self.audit.denied(&caller, Deed::of(Action::DepartmentDelete), deleted).await?;
        Ok(Response::new(v1::DeleteDepartmentResponse { directory_seq }))
    }

    async fn upsert_users(
        &self,
        request: Request<Streaming<v1::UpsertUsersRequest>>,
    ) -> Answer<v1::UpsertUsersResponse> {
        let caller = self.caller(request.metadata()).await?;
        let bulk = self.registrar.upsert_users(&caller);
        let mut bulk = self.audit.denied(&caller, Deed::of(Action::UsersUpsert), bulk).await?;
        let mut rows = request.into_inner();
        while let Some(row) = next(&mut rows).await? {
            bulk.put(convert_directory::user_draft(row.user)).await?;
        }
        let done = bulk.finish().await?;
        Ok(Response::new(convert_directory::upserted(done)))
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        let caller = self.caller(request.metadata()).await?;
        let id = given("user_id", request.into_inner().user_id)?;
        let user = self.registrar.user(&caller, &id).await;
        let user = self.audit.denied(&caller, Deed::of(Action::UserRead), user).await?;
        Ok(Response::new(v1::GetUserResponse { user: Some(convert_directory::user(user)) }))
    }

    async fn list_users(&self, request: Request<v1::ListUsersRequest>) -> Answer<v1::ListUsersResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let query = UserQuery {
            query: convert::some(wanted.query),
            department: convert::some(wanted.department_id),
            tag: convert::some(wanted.tag),
        };
        let found = self.registrar.users(&caller, &query, &page).await;
        let found = self.audit.denied(&caller, Deed::of(Action::UsersList), found).await?;
        Ok(Response::new(v1::ListUsersResponse {
            users: found.items.into_iter().map(convert_directory::user).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn reinstate_address(
        &self,
        request: Request<v1::ReinstateAddressRequest>,
    ) -> Answer<v1::ReinstateAddressResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::ReinstateAddressRequest { user_id, channel } = request.into_inner();
        let channel = enums::channel("channel", channel)?;
        let user = self.registrar.reinstate_address(&caller, &given("user_id", user_id)?, channel).await;
        let user = self.audit.denied(&caller, Deed::of(Action::UsersUpsert), user).await?;
        Ok(Response::new(v1::ReinstateAddressResponse { user: Some(convert_directory::user(user)) }))
    }

    async fn erase_user(&self, request: Request<v1::EraseUserRequest>) -> Answer<v1::EraseUserResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::EraseUserRequest { user_id, why, validate_only } = request.into_inner();
        convert::why(&why)?;
        let receipt = self.registrar.erase_user(&caller, &given("user_id", user_id)?, &why, validate_only).await;
        let receipt = self.audit.denied(&caller, Deed::of(Action::UserErase), receipt).await?;
        Ok(Response::new(v1::EraseUserResponse { receipt: Some(convert_directory::receipt(receipt)) }))
    }

    async fn export_user(&self, request: Request<v1::ExportUserRequest>) -> Answer<export::Pieces> {
        self.export(request).await
    }

    async fn upsert_tag(&self, request: Request<v1::UpsertTagRequest>) -> Answer<v1::UpsertTagResponse> {
        let caller = self.caller(request.metadata()).await?;
        let draft = convert_directory::tag_draft(request.into_inner().tag)?;
        let written = self.registrar.upsert_tag(&caller, draft).await;
        let written = self.audit.denied(&caller, Deed::of(Action::TagUpsert), written).await?;
        Ok(Response::new(v1::UpsertTagResponse {
            tag: Some(convert_directory::tag(written.view)),
            created: written.created,
            directory_seq: written.seq,
        }))
    }

    async fn get_tag(&self, request: Request<v1::GetTagRequest>) -> Answer<v1::GetTagResponse> {
        let caller = self.caller(request.metadata()).await?;
        let name = given("tag", request.into_inner().tag)?;
        let view = self.registrar.tag(&caller, &name)?;
        Ok(Response::new(v1::GetTagResponse { tag: Some(convert_directory::tag(view)) }))
    }

    async fn delete_tag(&self, request: Request<v1::DeleteTagRequest>) -> Answer<v1::DeleteTagResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::DeleteTagRequest { tag, etag } = request.into_inner();
        let version = convert_directory::version("etag", &etag)?;
        let deleted = self.registrar.delete_tag(&caller, &given("tag", tag)?, version).await;
        let directory_seq = self.audit.denied(&caller, Deed::of(Action::TagDelete), deleted).await?;
        Ok(Response::new(v1::DeleteTagResponse { directory_seq }))
    }

    async fn list_tags(&self, request: Request<v1::ListTagsRequest>) -> Answer<v1::ListTagsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let filter = TagFilter { query: wanted.query, usable_only: wanted.usable_only };
        let found = self.registrar.tags(&caller, &filter, &page)?;
        Ok(Response::new(v1::ListTagsResponse {
            tags: found.items.into_iter().map(convert_directory::tag).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn upsert_topic(&self, request: Request<v1::UpsertTopicRequest>) -> Answer<v1::UpsertTopicResponse> {
        let caller = self.caller(request.metadata()).await?;
        let draft = topic::draft(request.into_inner().topic)?;
        let written = self.registrar.upsert_topic(&caller, draft).await;
        let written = self.audit.denied(&caller, Deed::of(Action::TopicUpsert), written).await?;
        Ok(Response::new(v1::UpsertTopicResponse { topic: Some(topic::topic(written)) }))
    }

    async fn list_topics(&self, request: Request<v1::ListTopicsRequest>) -> Answer<v1::ListTopicsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let department = convert::some(wanted.department_id);
        let found = self.registrar.topics(&caller, department.as_deref(), &page)?;
        Ok(Response::new(v1::ListTopicsResponse {
            topics: found.items.into_iter().map(topic::topic).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn list_tag_members(
        &self,
        request: Request<v1::ListTagMembersRequest>,
    ) -> Answer<v1::ListTagMembersResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let found = self.registrar.tag_members(&caller, &given("tag", wanted.tag)?, &page).await;
        let found = self.audit.denied(&caller, Deed::of(Action::TagMembers), found).await?;
        Ok(Response::new(v1::ListTagMembersResponse {
            user_ids: found.items.iter().map(|id| id.to_string()).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn sync_directory(
        &self,
        request: Request<Streaming<v1::SyncDirectoryRequest>>,
    ) -> Answer<Pin<Box<dyn Stream<Item = Result<v1::SyncDirectoryResponse, Status>> + Send>>> {
        let caller = self.caller(request.metadata()).await?;
        let token = bearer(request.metadata())?.to_owned();
        let origin = auth::origin(request.metadata());
        let sender = Sender { services: self.clone(), caller, token, origin };
        let answers = sync::answers(sender, request.into_inner());
        Ok(Response::new(self.until_drain(answers).boxed()))
    }

    async fn edit_tag_members(
        &self,
        request: Request<Streaming<v1::EditTagMembersRequest>>,
    ) -> Answer<v1::EditTagMembersResponse> {
        let caller = self.caller(request.metadata()).await?;
        let (edits, deed) = (self.registrar.edit_members(&caller), Deed::of(Action::TagEdit));
        let mut edits = self.audit.denied(&caller, deed, edits).await?;
        let mut rows = request.into_inner();
        while let Some(edit) = next(&mut rows).await? {
            let edited = edits.put(&edit.tag, &edit.add, &edit.remove).await;
            self.audit.denied(&caller, deed, edited).await?;
        }
        let done = edits.finish().await?;
        Ok(Response::new(convert_directory::edited(done)))
    }
}

/// The text of a required field.
pub(super) fn given(path: &str, text: String) -> Result<String, Status> {
    if text.is_empty() { Err(required(path).into()) } else { Ok(text) }
}

/// The next row of a stream, which may not be silent for ever.
pub(super) async fn next<T>(rows: &mut Streaming<T>) -> Result<Option<T>, Status> {
    match timeout(SILENCE_MAX, rows.message()).await {
        Ok(read) => read.map_err(error::transport),
        Err(_) => Err(Status::deadline_exceeded("The stream was silent for a minute; send the rows again.")),
    }
}
