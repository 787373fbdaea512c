//! Whether the node lives, whether it is ready, and its metrics, over plain HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::metrics::{self, Figures};

/// Reads the figures of the moment.
pub type ReadFigures = Arc<dyn Fn() -> Figures + Send + Sync>;

/// Whether the node takes work: false while it starts and while it goes away.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<watch::Sender<bool>>);

impl Readiness {
    /// From now on the node is ready, or not.
    pub fn set(&self, ready: bool) {
        self.0.send_replace(ready);
    }

    /// Whether it is.
    #[must_use]
    pub fn get(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is, or is not.
    pub async fn wait_for(&self, ready: bool) {
        // It cannot be closed: this is a sender.
        let _ = self.0.subscribe().wait_for(|now| *now == ready).await;
    }
}

#[derive(Clone)]
struct Shown {
    readiness: Readiness,
    figures: ReadFigures,
}

/// The routes `/healthz`, `/readyz` and `/metrics`.
pub fn routes(readiness: Readiness, figures: ReadFigures) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures_text))
        .with_state(Shown { readiness, figures })
}

async fn ready(State(shown): State<Shown>) -> Response {
    if shown.readiness.get() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn figures_text(State(shown): State<Shown>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, metrics::text(&(shown.figures)())).into_response()
}
