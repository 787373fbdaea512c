//! A stream of publishes. Items are worked on together, so that they share commits, and answered as they are
//! done. The answers are made while the client reads them: who does not read is not read from.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use parking_lot::Mutex;
use tonic::{Status, Streaming};

use super::convert::{self, message, required};
use super::{Services, error, v1};
use crate::access::{Caller, Origin};
use crate::domain::message::Draft;
use crate::domain::refusal::Refusal;

/// Items of one stream without an answer; then the stream is not read.
const UNANSWERED_MAX: usize = 1_024;

/// What the items of one stream have in common.
pub(super) struct Publishing {
    services: Services,
    caller: Mutex<Caller>,
    token: String,
    origin: Origin,
    /// Why the stream is not read any more, if not because the client has ended it.
    end: Mutex<Option<Status>>,
}

impl Publishing {
    pub(super) fn new(services: Services, caller: Caller, token: String, origin: Origin) -> Publishing {
        Publishing { services, caller: Mutex::new(caller), token, origin, end: Mutex::new(None) }
    }

    /// The answer to one item. What needs no waiting is done at once, so that a thousand waiting items are small.
    fn answer(
        self: &Arc<Self>,
        request: v1::PublishStreamRequest,
    ) -> impl Future<Output = v1::PublishStreamResponse> + use<> {
        use v1::publish_stream_response::Answer;
        let (publishing, sequence) = (self.clone(), request.sequence);
        let drafted = self.draft(request.publish);
        async move {
            let published = match drafted {
                Ok((caller, draft)) => publishing.services.publisher.publish(&caller, draft).await,
                Err(refusal) => Err(refusal),
            };
            let answer = match published {
                Ok(receipt) => Answer::Accepted(message::receipt(receipt)),
                Err(refusal) => Answer::Error(error::item(refusal)),
            };
            v1::PublishStreamResponse { sequence, answer: Some(answer) }
        }
    }

    fn draft(&self, request: Option<v1::PublishRequest>) -> Result<(Caller, Draft), Refusal> {
        let caller = self.caller()?;
        let draft = convert::publish::draft(request.ok_or_else(|| required("publish"))?)?;
        self.services.keyring.step(&caller, self.services.clock.monotonic())?;
        Ok((caller, draft))
    }

    /// Rights are read anew for every item.
    fn caller(&self) -> Result<Caller, Refusal> {
        let mut known = self.caller.lock();
        let caller = self.services.again(&known, &self.token, self.origin)?;
        if !Arc::ptr_eq(&caller.key, &known.key) {
            *known = caller.clone();
        }
        Ok(caller)
    }

    /// The next item. A fault of the transport or a shutdown ends the reading; what is under way is still
    /// answered.
    async fn next(&self, requests: &mut Streaming<v1::PublishStreamRequest>) -> Option<v1::PublishStreamRequest> {
        tokio::select! {
            // A client that never pauses must not keep the node from hearing that it goes away.
            biased;
            () = self.services.stop.cancelled() => {
                *self.end.lock() = Some(error::status(&super::draining()));
                None
            }
            read = requests.message() => match read {
                Ok(request) => request,
                Err(status) => {
                    *self.end.lock() = Some(error::transport(status));
                    None
                }
            },
        }
    }
}

/// The answers to a stream of publishes, in the order in which they are known.
pub(super) fn answers(
    publishing: Publishing,
    requests: Streaming<v1::PublishStreamRequest>,
) -> impl Stream<Item = Result<v1::PublishStreamResponse, Status>> {
    let publishing = Arc::new(publishing);
    let (reading, ending) = (publishing.clone(), publishing.clone());
    let items = stream::unfold((reading, requests), |(reading, mut requests)| async move {
        let request = reading.next(&mut requests).await?;
        Some((request, (reading, requests)))
    });
    let answers = items.map(move |request| publishing.answer(request));
    let end = stream::once(async move { ending.end.lock().take() }).filter_map(|end| async move { end.map(Err) });
    answers.buffer_unordered(UNANSWERED_MAX).map(Ok).chain(end)
}
