//! E-mail through one SMTP relay. Identical mail goes to many recipients in one transaction, with a verdict for each.

mod client;
mod pool;
mod render;
mod settings;
mod transaction;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout;

pub use settings::Settings;

use self::client::{Failure, Session};
use self::pool::Pool;
use self::render::{Renderer, To};
use self::transaction::{End, Mail, Progress};
use super::{Call, Capacity, Channel, Report};
use crate::domain::channel;
use crate::domain::outcome::Reason;
use crate::domain::verdict::Verdict;
use crate::runtime::clock::SharedClock;

/// One SMTP relay.
pub struct Email {
    settings: Settings,
    mail_line: String,
    pool: Pool,
    renderer: Renderer,
}

impl Email {
    /// A channel to the relay of the settings. Connects to nothing yet. The error says which setting is wrong.
    pub fn new(settings: Settings, clock: SharedClock) -> Result<Email, String> {
        settings.validate()?;
        let renderer = Renderer::new(&settings, clock.clone())?;
        let mail_line = format!("MAIL FROM:<{}>\r\n", settings.from);
        Ok(Email { pool: Pool::new(&settings, clock), mail_line, renderer, settings })
    }

    async fn run(&self, call: &Call, progress: &mut Progress) {
        for (index, recipient) in call.recipients.iter().enumerate() {
            // The engine has tested this already; but what is written into a command line is tested where it
            // is written.
            if !channel::Channel::Email.accepts_address(&recipient.address) {
                let detail = "not a mailbox".into();
                progress.decide(index, Verdict::Rejected { reason: Reason::AddressInvalid, detail });
            }
        }
        let rendered = match self.renderer.render(call) {
            Ok(rendered) => rendered,
            Err(why) => {
                let verdict = Verdict::Rejected { reason: Reason::RenderFailed, detail: why.into() };
                return progress.decide_rest(&verdict);
            }
        };
        if !progress.is_open() {
            return;
        }
        let to = To::of(call, self.settings.recipients_per_transaction);
        let mail = Mail { mail_line: &self.mail_line, parts: [to.as_bytes(), &rendered] };
        if let Err(failure) = self.hand_over(call, &mail, progress).await {
            progress.fail(failure, &call.recipients);
        }
    }

    /// Runs the transaction on an idle session, and if that is stale on a new one.
    async fn hand_over(&self, call: &Call, mail: &Mail<'_>, progress: &mut Progress) -> Result<(), Failure> {
        let _permit = self.pool.permit().await?;
        let mut session = self.pool.session(&self.settings).await?;
        loop {
            match transaction::run(&mut session, &self.settings, mail, &call.recipients, progress).await {
                End::Stale => {
                    self.pool.forget_idle();
                    progress.connect_again();
                    session = Session::open(&self.settings).await?;
                }
                End::Keep if session.is_worn(&self.settings) => {
                    session.quit().await;
                    return Ok(());
                }
                End::Keep => {
                    self.pool.park(session);
                    return Ok(());
                }
                End::Discard => return Ok(()),
            }
        }
    }
}

#[async_trait]
impl Channel for Email {
    fn kind(&self) -> channel::Channel {
        channel::Channel::Email
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            per_call: self.settings.recipients_per_transaction,
            concurrency: self.settings.connections,
            rate: self.settings.rate,
            dedupes_identical: false,
        }
    }

    async fn send(&self, call: Call) -> Report {
        let mut progress = Progress::new(call.recipients.len());
        if timeout(super::within(call.deadline), self.run(&call, &mut progress)).await.is_err() {
            progress.lose("no answer in time");
        }
        Report { verdicts: progress.into_verdicts(), cool_down: None }
    }

    async fn check(&self) -> Result<(), String> {
        match Session::open(&self.settings).await {
            Ok(mut session) => {
                // Without a recipient nothing comes of it; but a relay that does not know us says so here.
                let believed = session.command(&self.mail_line, self.settings.command_timeout).await;
                let checked = believed.map_err(|failure| unusable(&failure, verdict::Stage::Mail));
                session.quit().await;
                checked
            }
            Err(failure) => Err(unusable(&failure, verdict::Stage::Connect)),
        }
    }
}

fn unusable(failure: &Failure, stage: verdict::Stage) -> String {
    match failure {
        Failure::Lost(what) => format!("the SMTP relay cannot be used: {what}"),
        Failure::Refused(refusal) => format!("the SMTP relay refuses us: {}", refusal.detail(stage, &[])),
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Email").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Shared bytes of a mail.
type Bytes = Arc<[u8]>;

#[cfg(test)]
mod tests;
