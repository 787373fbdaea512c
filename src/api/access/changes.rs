//! Changes of what is there: an application, the successor of a key, the later end of a grant.

use std::time::Duration;

use secrecy::ExposeSecret;
use tonic::{Request, Response};

use super::{Answer, Names};
use crate::api::convert::{access, message, required, time};
use crate::api::{Services, v1};
use crate::domain::audit::{Action, Deed, Object};

/// How long an old key works beside its successor if nothing is said.
const OVERLAP: Duration = Duration::from_secs(86_400);

pub(super) async fn rotate(
    services: &Services,
    request: Request<v1::RotateKeyRequest>,
) -> Answer<v1::RotateKeyResponse> {
    let caller = services.caller(request.metadata()).await?;
    let v1::RotateKeyRequest { key_id, overlap } = request.into_inner();
    let overlap = overlap.map(|span| time::span("overlap", &span)).transpose()?.unwrap_or(OVERLAP);
    let id = message::id("key_id", &key_id)?;
    let made = services.admin.rotate_key(&caller, id, overlap).await;
    let deed = Deed::of(Action::KeyRotate).on(Object::Key(id));
    let (made, old_end) = services.audit.denied(&caller, deed, made).await?;
    tracing::info!(key = %id, successor = %made.key.id, by = %caller.key.id, "a key was rotated");
    Ok(Response::new(v1::RotateKeyResponse {
        key: Some(Names::of(services).key(&made.key)),
        token: made.token.expose_secret().to_owned(),
        old_expire_at: Some(time::stamp(old_end)),
    }))
}

pub(super) async fn renew(
    services: &Services,
    request: Request<v1::RenewGrantRequest>,
) -> Answer<v1::RenewGrantResponse> {
    let caller = services.caller(request.metadata()).await?;
    let v1::RenewGrantRequest { grant_id, expire_at, etag } = request.into_inner();
    let id = message::id("grant_id", &grant_id)?;
    let expire_at = time::at_if("expire_at", expire_at.as_ref())?.ok_or_else(|| required("expire_at"))?;
    let version = access::version("etag", &etag)?;
    let renewed = services.admin.renew_grant(&caller, id, expire_at, version).await;
    let deed = Deed::of(Action::GrantRenew).on(Object::Grant(id));
    let renewed = services.audit.denied(&caller, deed, renewed).await?;
    tracing::info!(grant = %id, by = %caller.key.id, "a grant was renewed");
    let grant = Some(Names::of(services).grant(&renewed, services.clock.now()));
    Ok(Response::new(v1::RenewGrantResponse { grant }))
}

pub(super) async fn update_application(
    services: &Services,
    request: Request<v1::UpdateApplicationRequest>,
) -> Answer<v1::UpdateApplicationResponse> {
    let caller = services.caller(request.metadata()).await?;
    let directory = services.index.snapshot();
    let (id, wanted, version) = access::changed_application(request.into_inner().application, &directory)?;
    let changed = services.admin.update_application(&caller, id, wanted, version).await;
    let deed = Deed::of(Action::ApplicationUpdate).on(Object::Application(id));
    let changed = services.audit.denied(&caller, deed, changed).await?;
    tracing::info!(application = %id, by = %caller.key.id, "an application was changed");
    let application = Some(access::application(&changed, &directory));
    Ok(Response::new(v1::UpdateApplicationResponse { application }))
}
