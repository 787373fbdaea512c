//! `OperationsService`: how the service is.

use tonic::{Request, Response, Status};

use super::convert::{enums, operations, page};
use super::v1::operations_service_server::OperationsService;
use super::{Services, v1};
use crate::domain::page::Page;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OperationsService for Services {
    async fn get_status(&self, request: Request<v1::GetStatusRequest>) -> Answer<v1::GetStatusResponse> {
        let caller = self.caller(request.metadata()).await?;
        let picture = self.operations.picture(&caller).await?;
        Ok(Response::new(operations::status(picture)))
    }

    async fn list_providers(&self, request: Request<v1::ListProvidersRequest>) -> Answer<v1::ListProvidersResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (request, list) = page::page(&mut wanted)?;
        let (channel, after) = (enums::channel_if("channel", wanted.channel)?, request.after::<String>()?);

        let picture = self.operations.picture(&caller).await?;
        let shown = picture.providers.into_iter().filter(|provider| {
            channel.is_none_or(|channel| provider.word.channel == channel)
                && after.as_ref().is_none_or(|after| provider.word.id > *after)
        });
        let found = Page::first(shown, request.limit(), |provider| provider.word.id.clone());
        let next_page_token = list.token(found.next);
        let providers = found.items.into_iter().map(operations::provider).collect();
        Ok(Response::new(v1::ListProvidersResponse { providers, next_page_token }))
    }

    async fn list_nodes(&self, request: Request<v1::ListNodesRequest>) -> Answer<v1::ListNodesResponse> {
        let caller = self.caller(request.metadata()).await?;
        let mut wanted = request.into_inner();
        let (request, list) = page::page(&mut wanted)?;
        let after = request.after::<i64>()?;

        let picture = self.operations.picture(&caller).await?;
        let shown = picture.nodes.into_iter().filter(|node| after.is_none_or(|after| node.epoch > after));
        let found = Page::first(shown, request.limit(), |node| node.epoch.to_string());
        let next_page_token = list.token(found.next);
        let nodes = found.items.into_iter().map(|node| operations::node(node, picture.epoch)).collect();
        Ok(Response::new(v1::ListNodesResponse { nodes, next_page_token }))
    }
}
