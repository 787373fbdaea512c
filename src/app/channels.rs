//! The providers of the settings.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::Registry;
use crate::channel::credential::Credentials;
use crate::channel::email::Email;
use crate::channel::stub::Stub;
use crate::channel::wechat::{self, Wechat};
use crate::config::Settings;
use crate::domain::batch::STUB_PROVIDER;
use crate::runtime::clock::SharedClock;

/// Where the token of a provider with these settings is kept.
pub(super) type KeepToken<'a> = &'a dyn Fn(&str, &wechat::Settings) -> Arc<dyn Credentials>;

/// Every provider of the settings, and the stub for test keys. The error names the table at fault.
pub(super) fn registry(settings: &Settings, clock: &SharedClock, keep: KeepToken<'_>) -> Result<Registry, String> {
    let mut registry = Registry::default();
    for (name, relay) in &settings.channel.email {
        let id = format!("email.{name}");
        let email = Email::new(relay.clone(), clock.clone()).map_err(|wrong| format!("[channel.{id}] {wrong}"))?;
        registry.add(&id, Arc::new(email));
    }
    for (name, application) in &settings.channel.wechat {
        let id = format!("wechat.{name}");
        let wechat = Wechat::with_credentials(application.clone(), keep(&id, application));
        let wechat = wechat.map_err(|wrong| format!("[channel.{id}] {wrong}"))?;
        registry.add(&id, Arc::new(wechat));
    }
    registry.add(STUB_PROVIDER, Arc::new(Stub::default()));
    Ok(registry)
}

/// The limits that the providers themselves know of: provider, recipients, and in how long.
pub(super) fn rates(registry: &Registry) -> Vec<(String, u32, Duration)> {
    let limited = registry.iter().filter_map(|(id, provider)| Some((id, provider.capacity().rate?)));
    limited.map(|(id, rate)| (id.to_string(), rate.n, rate.per)).collect()
}
