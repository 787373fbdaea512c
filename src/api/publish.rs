//! `PublishService`: publish, preview, cancel, and what became of messages.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{self, enums, history, message, page, preview, time};
use super::v1::publish_service_server::PublishService;
use super::{Services, auth, error, publish_stream, v1};
use crate::domain::access::Principal;
use crate::domain::audit::{Action, Deed, Object};
use crate::report::{ListFilter, RecipientFilter};

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

#[tonic::async_trait]
impl PublishService for Services {
    async fn publish(&self, request: Request<v1::PublishRequest>) -> Answer<v1::PublishResponse> {
        let caller = self.caller(request.metadata()).await?;
        let draft = convert::publish::draft(request.into_inner())?;
        self.keyring.step(&caller, self.clock.monotonic())?;
        let receipt = self.publisher.publish(&caller, draft).await?;
        Ok(Response::new(message::receipt(receipt)))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<v1::PublishStreamRequest>>,
    ) -> Answer<Answers<v1::PublishStreamResponse>> {
        let caller = self.caller(request.metadata()).await?;
        let token = auth::bearer(request.metadata())?.to_owned();
        let publishing = publish_stream::Publishing::new(self.clone(), caller, token, auth::origin(request.metadata()));
        Ok(Response::new(publish_stream::answers(publishing, request.into_inner()).boxed()))
    }

    async fn preview_audience(
        &self,
        request: Request<v1::PreviewAudienceRequest>,
    ) -> Answer<v1::PreviewAudienceResponse> {
        let caller = self.caller(request.metadata()).await?;
        let language = auth::language(request.metadata().as_ref());
        let request = request.into_inner();
        let wish = preview::wish(&request, language)?;
        let preview = self.publisher.preview(&caller, preview::draft(request)?, wish).await?;
        Ok(Response::new(preview::answer(preview)))
    }

    async fn send_proof(&self, request: Request<v1::SendProofRequest>) -> Answer<v1::SendProofResponse> {
        let caller = self.caller(request.metadata()).await?;
        let proof = convert::publish::proof(request.into_inner())?;
        let id = self.publisher.send_proof(&caller, proof).await?;
        Ok(Response::new(v1::SendProofResponse { message_id: id.to_string() }))
    }

    async fn get_message(&self, request: Request<v1::GetMessageRequest>) -> Answer<v1::GetMessageResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::GetMessageRequest { message_id, view } = request.into_inner();
        let id = message::id("message_id", &message_id)?;
        let full = match v1::MessageView::try_from(view) {
            Ok(view) => view == v1::MessageView::Full,
            Err(_) => return Err(convert::invalid("view", "names no view").into()),
        };
        let view = self.readable(&caller, id).await?;
        let message = self.with_review(&caller, &view, full).await?;
        Ok(Response::new(v1::GetMessageResponse { message: Some(message) }))
    }

    async fn list_messages(&self, request: Request<v1::ListMessagesRequest>) -> Answer<v1::ListMessagesResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let application = message::id_if("application_id", &wanted.application_id)?;
        let states = wanted.states.iter().map(|state| enums::state("states", *state));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let filter = ListFilter {
            principal: application.map(Principal::Application),
            department_id: convert::some(wanted.department_id),
            states,
            reference: convert::some(wanted.reference),
            labels: wanted.labels,
            created_after: time::at_if("created_after", wanted.created_after.as_ref())?,
            created_before: time::at_if("created_before", wanted.created_before.as_ref())?,
        };
        let found = self.reporter.list(&caller, filter, &page).await?;
        let directory = self.index.snapshot();
        Ok(Response::new(v1::ListMessagesResponse {
            messages: found.items.iter().map(|view| message::message(view, &directory, false)).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn watch_message(
        &self,
        request: Request<v1::WatchMessageRequest>,
    ) -> Answer<Answers<v1::WatchMessageResponse>> {
        let caller = self.caller(request.metadata()).await?;
        let id = message::id("message_id", &request.into_inner().message_id)?;
        let pictures = self.reporter.watch(&caller, id).await?;
        let index = self.index.clone();
        let shown = ReceiverStream::new(pictures).map(move |picture| match picture {
            Ok(picture) => Ok(message::picture(&picture, &index.snapshot())),
            Err(refusal) => Err(error::status(&refusal)),
        });
        Ok(Response::new(self.until_drain(shown).boxed()))
    }

    async fn cancel_message(&self, request: Request<v1::CancelMessageRequest>) -> Answer<v1::CancelMessageResponse> {
        let caller = self.caller(request.metadata()).await?;
        let v1::CancelMessageRequest { message_id, why } = request.into_inner();
        convert::why(&why)?;
        let id = message::id("message_id", &message_id)?;
        let answer = self.publisher.cancel(&caller, id).await;
        let answer =
            self.audit.denied(&caller, Deed::of(Action::MessageCancel).on(Object::Message(id)), answer).await?;
        tracing::info!(message = %id, key = %caller.key.id, "a message was cancelled");
        Ok(Response::new(message::cancelled(answer)))
    }

    async fn explain_recipient(
        &self,
        request: Request<v1::ExplainRecipientRequest>,
    ) -> Answer<v1::ExplainRecipientResponse> {
        let caller = self.caller(request.metadata()).await?;
        let language = auth::language(request.metadata().as_ref());
        let wanted = request.into_inner();
        let id = message::id("message_id", &wanted.message_id)?;
        if wanted.user_id.is_empty() {
            return Err(convert::required("user_id").into());
        }
        let explained = self.reporter.explain(&caller, id, &wanted.user_id).await?;
        Ok(Response::new(message::explained(&explained, &wanted.user_id, language)))
    }

    async fn list_user_history(
        &self,
        request: Request<v1::ListUserHistoryRequest>,
    ) -> Answer<v1::ListUserHistoryResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        if wanted.user_id.is_empty() {
            return Err(convert::required("user_id").into());
        }
        let filter = history::filter(&wanted)?;
        let found = self.reporter.history(&caller, &wanted.user_id, &filter, &page).await?;
        let directory = self.index.snapshot();
        Ok(Response::new(v1::ListUserHistoryResponse {
            entries: found.items.iter().map(|entry| history::entry(entry, &directory)).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    async fn list_recipients(&self, request: Request<v1::ListRecipientsRequest>) -> Answer<v1::ListRecipientsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let id = message::id("message_id", &wanted.message_id)?;
        let all = |path: &'static str| move |number: &i32| enums::outcome(path, *number);
        let filter = RecipientFilter {
            channel: enums::channel_if("channel", wanted.channel)?,
            outcomes: wanted.outcomes.iter().map(all("outcomes")).collect::<Result<_, _>>()?,
            receipts: wanted.receipts.iter().map(|n| enums::receipt("receipts", *n)).collect::<Result<_, _>>()?,
            states: wanted.states.iter().map(|n| message::recipient_state("states", *n)).collect::<Result<_, _>>()?,
            department_id: convert::some(wanted.department_id),
            user_id: convert::some(wanted.user_id),
        };
        let found = self.reporter.recipients(&caller, id, filter, &page).await?;
        Ok(Response::new(v1::ListRecipientsResponse {
            recipients: found.items.iter().map(message::recipient).collect(),
            next_page_token: list.token(found.next),
        }))
    }
}
