//! One mail transaction: MAIL, a RCPT per recipient, DATA, the body; and what is known of each recipient
//! whenever it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client::{Failure, Session};
use super::settings::Settings;
use super::verdict::{Judged, Stage, judge, reference};
use crate::channel::Recipient;
use crate::domain::verdict::{Fault, Verdict};

/// What is known of the recipients of one call so far. Survives a cancelled transaction.
pub(super) struct Progress {
    verdicts: Vec<Option<Verdict>>,
    stage: Stage,
    dot: AtomicBool,
}

/// How a transaction ended.
pub(super) enum End {
    /// The session can be used again.
    Keep,
    /// The session must not be used again.
    Discard,
    /// Nothing was handed over and the session was an old one: another one may do.
    Stale,
}

impl Progress {
    pub(super) fn new(recipients: usize) -> Progress {
        Progress { verdicts: vec![None; recipients], stage: Stage::Connect, dot: AtomicBool::new(false) }
    }

    /// Nothing was handed over; a new session is being opened.
    pub(super) fn connect_again(&mut self) {
        self.stage = Stage::Connect;
    }

    /// Decides one recipient.
    pub(super) fn decide(&mut self, index: usize, verdict: Verdict) {
        self.verdicts[index] = Some(verdict);
    }

    /// Whether anybody is left to be asked for.
    pub(super) fn is_open(&self) -> bool {
        self.verdicts.iter().any(Option::is_none)
    }

    /// Decides everybody who is not decided yet.
    pub(super) fn decide_rest(&mut self, verdict: &Verdict) {
        for open in self.verdicts.iter_mut().filter(|v| v.is_none()) {
            *open = Some(verdict.clone());
        }
    }

    /// No answer came. After the final dot nobody knows what became of those who were accepted; before it
    /// the server cannot have acted.
    pub(super) fn lose(&mut self, what: &str) {
        let detail: Arc<str> = format!("{}: {what}", self.stage.name()).into();
        if self.dot.load(Ordering::Relaxed) {
            self.decide_rest(&Verdict::Unknown { detail });
        } else {
            self.decide_rest(&Verdict::Retry { after: None, fault: Fault::Network, detail });
        }
    }

    /// A step failed for everybody who is not decided yet.
    pub(super) fn fail(&mut self, failure: Failure, recipients: &[Recipient]) -> End {
        match failure {
            Failure::Lost(what) => {
                self.lose(what);
                End::Discard
            }
            Failure::Refused(refusal) => {
                let names: Vec<&str> = recipients.iter().map(|r| local(&r.address)).collect();
                let Judged { verdict, hang_up, .. } = judge(self.stage, &refusal, 0, &names);
                self.decide_rest(&verdict);
                if hang_up { End::Discard } else { End::Keep }
            }
        }
    }

    /// The verdicts in the recipients' order.
    pub(super) fn into_verdicts(self) -> Vec<Verdict> {
        let missing = || Verdict::Unknown { detail: "the call ended without a verdict".into() };
        self.verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(missing)).collect()
    }
}

/// The lines and bytes of one mail.
pub(super) struct Mail<'a> {
    /// `MAIL FROM:<…>` with CRLF.
    pub(super) mail_line: &'a str,
    /// The To header with CRLF, and the rest of the mail without its last CRLF.
    pub(super) parts: [&'a [u8]; 2],
}

/// Runs one transaction for the recipients who have no verdict yet.
pub(super) async fn run(
    session: &mut Session,
    settings: &Settings,
    mail: &Mail<'_>,
    recipients: &[Recipient],
    progress: &mut Progress,
) -> End {
    progress.stage = Stage::Mail;
    if let Err(failure) = session.command(mail.mail_line, settings.command_timeout).await {
        if session.reused && is_stale(&failure) {
            return End::Stale;
        }
        return progress.fail(failure, recipients);
    }
    progress.stage = Stage::Rcpt;
    let accepted = match ask(session, settings.command_timeout, recipients, progress).await {
        Ok(accepted) => accepted,
        Err(end) => return end,
    };
    if accepted == 0 {
        return reset(session, settings).await;
    }
    progress.stage = Stage::Data;
    if let Err(failure) = session.data(settings.command_timeout).await {
        return match progress.fail(failure, recipients) {
            End::Keep => reset(session, settings).await,
            end => end,
        };
    }
    progress.stage = Stage::Body;
    match session.body(mail.parts, settings.body_timeout, &progress.dot).await {
        Ok(text) => {
            progress.decide_rest(&Verdict::Accepted { reference: reference(&text) });
            End::Keep
        }
        Err(failure) => progress.fail(failure, recipients),
    }
}

/// Asks for each undecided recipient; how many were accepted (they stay undecided). The error means that the session
/// ended and everybody is decided.
async fn ask(
    session: &mut Session,
    limit: Duration,
    recipients: &[Recipient],
    progress: &mut Progress,
) -> Result<usize, End> {
    let mut line = String::with_capacity(128);
    let mut accepted = 0;
    for (index, recipient) in recipients.iter().enumerate() {
        if progress.verdicts[index].is_some() {
            continue;
        }
        line.clear();
        line.push_str("RCPT TO:<");
        line.push_str(&recipient.address);
        line.push_str(">\r\n");
        match session.command(&line, limit).await {
            Ok(()) => accepted += 1,
            Err(Failure::Refused(refusal)) => {
                let judged = judge(Stage::Rcpt, &refusal, accepted, &[local(&recipient.address)]);
                if judged.hang_up {
                    progress.decide_rest(&judged.verdict);
                    return Err(End::Discard);
                }
                let asked = if judged.full { recipients.len() } else { index + 1 };
                for later in index..asked {
                    progress.verdicts[later].get_or_insert_with(|| judged.verdict.clone());
                }
                if judged.full {
                    break;
                }
            }
            Err(lost) => return Err(progress.fail(lost, recipients)),
        }
    }
    Ok(accepted)
}

async fn reset(session: &mut Session, settings: &Settings) -> End {
    match session.command("RSET\r\n", settings.command_timeout).await {
        Ok(()) => End::Keep,
        Err(_) => End::Discard,
    }
}

/// How a server that closed an idle session shows it.
fn is_stale(failure: &Failure) -> bool {
    match failure {
        Failure::Lost(_) => true,
        Failure::Refused(refusal) => matches!(refusal.code, 421 | 503),
    }
}

fn local(address: &str) -> &str {
    address.split_once('@').map_or(address, |(local, _)| local)
}
