//! `InboxService`: tokens for people, and a person's own inbox.

use std::pin::Pin;

use futures::stream;
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::convert::{self, absent, count, inbox, page, required, time};
use super::v1::inbox_service_server::InboxService;
use super::{Services, error, v1};
use crate::domain::audit::{Action, Deed};
use crate::inbox::ListFilter;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl InboxService for Services {
    async fn issue_user_token(
        &self,
        request: Request<v1::IssueUserTokenRequest>,
    ) -> Answer<v1::IssueUserTokenResponse> {
        let caller = self.caller(request.metadata()).await?;
        let wanted = request.into_inner();
        absent(wanted.device_id.is_empty(), "device_id")?;
        if wanted.user_id.is_empty() {
            return Err(required("user_id").into());
        }
        let valid_for = wanted.valid_for.map(|span| time::span("valid_for", &span)).transpose()?;
        let issued = self.inboxes.issue(&caller, &wanted.user_id, valid_for).await;
        let issued = self.audit.denied(&caller, Deed::of(Action::InboxToken), issued).await?;
        Ok(Response::new(v1::IssueUserTokenResponse {
            token: issued.token,
            expire_at: Some(time::stamp(issued.expire_at)),
        }))
    }

    async fn list_inbox(&self, request: Request<v1::ListInboxRequest>) -> Answer<v1::ListInboxResponse> {
        let reader = self.reader(request.metadata())?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let filter = ListFilter {
            unread_only: wanted.unread_only,
            topic: convert::some(wanted.topic),
            after: time::at_if("after", wanted.after.as_ref())?,
            page,
        };
        let found = self.inboxes.list(&reader, &filter).await?;
        Ok(Response::new(v1::ListInboxResponse {
            items: found.items.iter().map(inbox::item).collect(),
            unread_count: count(found.unread),
            cursor: found.cursor,
            next_page_token: list.token(found.next),
        }))
    }

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Answer<Pin<Box<dyn Stream<Item = Result<v1::SubscribeResponse, Status>> + Send>>> {
        let reader = self.reader(request.metadata())?;
        let v1::SubscribeRequest { cursor, device_id } = request.into_inner();
        absent(device_id.is_empty(), "device_id")?;
        let subscription = self.inboxes.subscribe(&reader, &cursor).await?;
        let events = stream::unfold(subscription, |mut subscription| async move {
            let told = match subscription.next().await? {
                Ok(event) => Ok(inbox::event(&event)),
                Err(refusal) => Err(error::status(&refusal)),
            };
            Some((told, subscription))
        });
        Ok(Response::new(self.drained(events).boxed()))
    }

    async fn mark_read(&self, request: Request<v1::MarkReadRequest>) -> Answer<v1::MarkReadResponse> {
        let reader = self.reader(request.metadata())?;
        let which = inbox::which(request.into_inner())?;
        let unread = self.inboxes.mark_read(&reader, which).await?;
        Ok(Response::new(v1::MarkReadResponse { unread_count: count(unread) }))
    }

    async fn get_unread_count(
        &self,
        request: Request<v1::GetUnreadCountRequest>,
    ) -> Answer<v1::GetUnreadCountResponse> {
        let reader = self.reader(request.metadata())?;
        let unread = self.inboxes.unread_count(&reader).await?;
        Ok(Response::new(v1::GetUnreadCountResponse { unread_count: count(unread) }))
    }
}
