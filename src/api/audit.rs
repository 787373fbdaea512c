//! The calls of `AccessService` about the audit trail.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::convert::{audit, page, time};
use super::{Services, error, v1};

type Answer<T> = Result<Response<T>, Status>;

/// The pieces of an export.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<v1::ExportAuditResponse, Status>> + Send>>;

impl Services {
    pub(super) async fn audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Answer<v1::ListAuditEventsResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (page, list) = page::page(&mut wanted)?;
        let directory = self.index.snapshot();
        let query = audit::query(&wanted, &directory)?;
        let found = self.audit.list(&caller, &query, &page).await?;
        Ok(Response::new(v1::ListAuditEventsResponse {
            events: found.items.iter().map(|event| audit::event(event, &directory)).collect(),
            next_page_token: list.token(found.next),
        }))
    }

    pub(super) async fn audit_export(&self, request: Request<v1::ExportAuditRequest>) -> Answer<Pieces> {
        let caller = self.caller(request.metadata()).await?;
        let v1::ExportAuditRequest { after, before } = request.into_inner();
        let (after, before) = (time::at_if("after", after.as_ref())?, time::at_if("before", before.as_ref())?);
        let pieces = self.audit.export(&caller, after, before).await?;
        let answers = pieces.map(|piece| match piece {
            Ok(chunk) => Ok(v1::ExportAuditResponse { chunk }),
            Err(refusal) => Err(error::status(&refusal)),
        });
        Ok(Response::new(Box::pin(self.until_drain(answers))))
    }

    pub(super) async fn audit_verdict(
        &self,
        request: Request<v1::VerifyAuditRequest>,
    ) -> Answer<v1::VerifyAuditResponse> {
        let caller = self.caller(request.metadata()).await?;
        let found = self.audit.verify(&caller).await?;
        Ok(Response::new(v1::VerifyAuditResponse { verdict: Some(audit::verdict(&found)) }))
    }
}
