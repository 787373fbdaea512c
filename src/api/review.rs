//! The reviewing part of `AccessService`: who waits for a second person, and what that person decides.

use tonic::{Request, Response, Status};

use super::access::Names;
use super::convert::{message, page, review};
use super::{Services, v1};
use crate::access::Caller;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::MessageId;
use crate::domain::refusal::{Reason, Refusal};
use crate::report::View;

type Answer<T> = Result<Response<T>, Status>;

impl Services {
    pub(super) async fn reviews(&self, request: Request<v1::ListReviewsRequest>) -> Answer<v1::ListReviewsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let found = self.publisher.list_reviews(&caller, wanted.to_decide, &page).await?;
        let mut reviews = Vec::with_capacity(found.items.len());
        for item in found.items {
            let author = Some(Names::of(self).principal(item.row.facts.principal));
            let status = Some(review::status(item.status));
            let view = self.reporter.shown(&caller, item.row).await?;
            let mut shown = message::message(&view, &self.index.snapshot(), true);
            shown.review = status.clone();
            reviews.push(v1::Review { message: Some(shown), status, author });
        }
        Ok(Response::new(v1::ListReviewsResponse { reviews, next_page_token: list.token(found.next) }))
    }

    pub(super) async fn decide(&self, request: Request<v1::ReviewMessageRequest>) -> Answer<v1::ReviewMessageResponse> {
        let caller = self.caller(request.metadata()).await?;
        let wanted = review::deciding(request.into_inner())?;
        let deed = Deed::of(Action::ReviewDecide).on(Object::Message(wanted.message));
        let decided = self.publisher.review(&caller, wanted).await;
        let row = self.audit.denied(&caller, deed, decided).await?;
        let view = self.reporter.shown(&caller, row).await?;
        let message = Some(self.with_review(&caller, &view, false).await?);
        Ok(Response::new(v1::ReviewMessageResponse { message }))
    }

    pub(super) async fn delegate(
        &self,
        request: Request<v1::DelegateReviewsRequest>,
    ) -> Answer<v1::DelegateReviewsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let deputy = review::deputy(request.into_inner())?;
        let named = self.publisher.delegate_reviews(&caller, deputy).await;
        self.audit.denied(&caller, Deed::of(Action::ReviewDelegate), named).await?;
        Ok(Response::new(v1::DelegateReviewsResponse {}))
    }

    /// A message that the caller may read as its author, as an administrator, or because she is asked about it.
    pub(super) async fn readable(&self, caller: &Caller, id: MessageId) -> Result<View, Refusal> {
        match self.reporter.get(caller, id).await {
            Err(refusal) if refusal.reason == Reason::NotFound => {
                self.reporter.shown(caller, self.publisher.reviewable(caller, id).await?).await
            }
            answer => answer,
        }
    }

    /// A message with its review on the wire.
    pub(super) async fn with_review(
        &self,
        caller: &Caller,
        view: &View,
        with_content: bool,
    ) -> Result<v1::Message, Refusal> {
        let mut shown = message::message(view, &self.index.snapshot(), with_content);
        shown.review = self.publisher.review_status(caller, &view.row).await?.map(review::status);
        Ok(shown)
    }
}
