//! What an SMTP reply means for a recipient, by the step at which it came (RFC 5321, RFC 3463).

use std::sync::Arc;
use std::time::Duration;

use crate::channel::detail;
use crate::domain::outcome::Reason;
use crate::domain::verdict::{Fault, Verdict};

/// The step of a session at which a reply came. The same code means different things at different steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Mail,
    Rcpt,
    Data,
    Body,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::Body => "body",
        }
    }
}

/// A refusal: the reply code, the enhanced code if the text begins with one of the same class, the text after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) enhanced: Option<(u16, u16)>,
    text: String,
}

impl Refusal {
    /// Reads a reply. `enhanced` is (subject, detail); the class repeats the first digit of the code.
    pub(super) fn parse(code: u16, text: &str) -> Refusal {
        let text = text.trim();
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match enhanced(code, first) {
            Some(found) => Refusal { code, enhanced: Some(found), text: rest.to_owned() },
            None => Refusal { code, enhanced: None, text: text.to_owned() },
        }
    }

    /// `RCPT 550 5.1.1 no such user`, without anything private.
    pub(super) fn detail(&self, stage: Stage, private: &[&str]) -> Arc<str> {
        let words = detail::words(&self.text, private);
        let class = self.code / 100;
        let shown = match self.enhanced {
            Some((subject, detail)) => format!("{} {} {class}.{subject}.{detail} {words}", stage.name(), self.code),
            None => format!("{} {} {words}", stage.name(), self.code),
        };
        shown.trim_end().into()
    }

    /// The server wants the rest in another transaction. Old servers say 552, and a bare 452 after somebody was
    /// accepted can hardly mean the disk.
    fn is_too_many(&self, accepted: usize) -> bool {
        match (self.code, self.enhanced) {
            (_, Some((5, 3))) => true,
            (452, None) => accepted > 0,
            (552, None) => true,
            _ => false,
        }
    }
}

fn enhanced(code: u16, text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    let mut number = || parts.next().filter(|p| p.len() <= 3 && p.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    let (class, subject, detail): (u16, u16, u16) = (number()?, number()?, number()?);
    (parts.next().is_none() && class == code / 100).then_some((subject, detail))
}

/// What follows from a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// The session cannot go on: the server leaves, or replies and commands are out of step.
    pub(super) hang_up: bool,
    /// Asking for further recipients in this transaction is useless.
    pub(super) full: bool,
}

/// Judges a refusal (4yz or 5yz). `accepted` is how many recipients the transaction has already.
pub(super) fn judge(stage: Stage, refusal: &Refusal, accepted: usize, private: &[&str]) -> Judged {
    let detail = refusal.detail(stage, private);
    let retry = |fault| Verdict::Retry { after: None, fault, detail: detail.clone() };
    let go_on = |verdict| Judged { verdict, hang_up: false, full: false };
    match refusal.code {
        421 => return Judged { verdict: retry(Fault::Provider), hang_up: true, full: false },
        // Replies and commands are out of step, or the server does not know what it offered: only a new
        // session can heal that. A bad parameter (501) is about the command itself and judged below.
        500 | 502..=504 => return Judged { verdict: retry(Fault::Network), hang_up: true, full: false },
        _ => {}
    }
    if stage == Stage::Rcpt && refusal.is_too_many(accepted) {
        let after = (accepted > 0).then_some(Duration::ZERO);
        return Judged {
            verdict: Verdict::Retry { after, fault: Fault::Recipient, detail },
            hang_up: false,
            full: true,
        };
    }
    if refusal.code < 500 {
        return go_on(retry(temporary(stage, refusal)));
    }
    match permanent(stage, refusal) {
        Permanent::Never(reason) => go_on(Verdict::Rejected { reason, detail }),
        Permanent::Wait => go_on(retry(Fault::Provider)),
        // What was mended may only show in a new session; but at RCPT the others are still to be asked for.
        Permanent::Mend => Judged { hang_up: stage != Stage::Rcpt, ..go_on(retry(Fault::Operator)) },
    }
}

fn temporary(stage: Stage, refusal: &Refusal) -> Fault {
    match (stage, refusal.enhanced) {
        (_, Some((3, _))) => Fault::Provider,
        (Stage::Rcpt, _) => Fault::Recipient,
        // About this mail (deferred by policy, greylisted) and not about the server.
        (Stage::Data | Stage::Body, Some((2 | 6 | 7, _))) => Fault::Recipient,
        (Stage::Data | Stage::Body, None) if refusal.code == 450 => Fault::Recipient,
        _ => Fault::Provider,
    }
}

/// What a 5yz reply means.
enum Permanent {
    /// Final for the recipient or the mail.
    Never(Reason),
    /// The relay may change its mind while the mail waits.
    Wait,
    /// Our credentials or our sender's address are wrong: no mail can go.
    Mend,
}

fn permanent(stage: Stage, refusal: &Refusal) -> Permanent {
    let credentials = matches!(refusal.code, 530 | 534 | 535 | 538)
        || matches!(refusal.enhanced, Some((7, 8 | 9)))
        || matches!(refusal.enhanced, Some((7, 20..=27 | 515)));
    if credentials {
        return Permanent::Mend;
    }
    match stage {
        // The relay does not want us here: a blocked IP, no service. Nothing is wrong with the mail.
        Stage::Connect => Permanent::Wait,
        Stage::Mail => match refusal.code {
            523 | 552 => Permanent::Never(Reason::RefusedContent),
            _ => Permanent::Mend,
        },
        Stage::Rcpt => Permanent::Never(match (refusal.code, refusal.enhanced) {
            (501, None) | (_, Some((1, 3))) => Reason::AddressInvalid,
            (_, Some((1, 1 | 2 | 6 | 10) | (2, 1))) | (551 | 556, _) => Reason::AddressDead,
            (523, _) | (_, Some((2, 3) | (3, 4) | (6, _))) => Reason::RefusedContent,
            _ => Reason::RefusedRecipient,
        }),
        Stage::Data | Stage::Body => Permanent::Never(Reason::RefusedContent),
    }
}

/// The relay's own name for a mail it took: `queued as NAME`.
pub(super) fn reference(text: &str) -> Option<Arc<str>> {
    let (_, rest) = text.split_once("queued as ")?;
    let name: &str = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
    (!name.is_empty() && name.len() <= 64).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(stage: Stage, code: u16, text: &str) -> Option<Reason> {
        match judge(stage, &Refusal::parse(code, text), 3, &[]).verdict {
            Verdict::Rejected { reason, .. } => Some(reason),
            _ => None,
        }
    }

    fn fault(stage: Stage, code: u16, text: &str) -> Option<Fault> {
        match judge(stage, &Refusal::parse(code, text), 3, &[]).verdict {
            Verdict::Retry { fault, .. } => Some(fault),
            _ => None,
        }
    }

    #[test]
    fn the_same_code_means_different_things_at_different_steps() {
        assert_eq!(rejected(Stage::Rcpt, 550, "5.1.1 no such user"), Some(Reason::AddressDead));
        assert_eq!(rejected(Stage::Rcpt, 550, "5.7.1 policy"), Some(Reason::RefusedRecipient));
        assert_eq!(rejected(Stage::Rcpt, 550, "go away"), Some(Reason::RefusedRecipient));
        assert_eq!(rejected(Stage::Rcpt, 501, "5.1.3 bad address"), Some(Reason::AddressInvalid));
        assert_eq!(rejected(Stage::Body, 554, "spam"), Some(Reason::RefusedContent));
        for (stage, code, text) in [
            (Stage::Connect, 535, "5.7.8 wrong password"),
            (Stage::Mail, 530, "5.7.0 log in first"),
            (Stage::Mail, 550, "5.1.8 unknown sender"),
            (Stage::Rcpt, 530, "5.7.0 log in first"),
            (Stage::Body, 550, "5.7.26 no SPF, no DKIM"),
        ] {
            assert_eq!(fault(stage, code, text), Some(Fault::Operator), "{code} {text}");
        }
        assert_eq!(fault(Stage::Connect, 554, "no service"), Some(Fault::Provider));
        assert_eq!(fault(Stage::Rcpt, 452, "4.2.2 mailbox full"), Some(Fault::Recipient));
        assert_eq!(fault(Stage::Rcpt, 452, "4.3.1 disk full"), Some(Fault::Provider));
        assert_eq!(fault(Stage::Body, 451, "4.3.0 try later"), Some(Fault::Provider));
    }

    #[test]
    fn too_many_recipients_is_soon_unless_nobody_fitted() {
        for (code, text) in [(452, "4.5.3 too many"), (552, "5.5.3 too many"), (552, "too many"), (452, "too many")] {
            let judged = judge(Stage::Rcpt, &Refusal::parse(code, text), 3, &[]);
            assert!(judged.full && !judged.hang_up, "{code} {text}");
            let Verdict::Retry { after: Some(Duration::ZERO), fault: Fault::Recipient, .. } = judged.verdict else {
                panic!("{judged:?}")
            };
        }
        let nobody = judge(Stage::Rcpt, &Refusal::parse(452, "4.5.3 too many"), 0, &[]);
        assert!(matches!(nobody.verdict, Verdict::Retry { after: None, .. }), "or it would spin");
    }

    #[test]
    fn a_leaving_or_confused_server_ends_the_session() {
        for code in [421, 500, 503] {
            assert!(judge(Stage::Rcpt, &Refusal::parse(code, ""), 1, &[]).hang_up);
        }
    }

    #[test]
    fn hostile_texts_give_no_enhanced_code_and_no_address() {
        for text in ["", ".", "5.1", "5.1.1.1", "4.1.1 other class", "5..1 x", "5.99999.1", "5.-1.1", "5.1.1x", "…"] {
            assert_eq!(Refusal::parse(550, text).enhanced, None, "{text:?}");
        }
        let refusal = Refusal::parse(550, "5.1.1 <li.ming@x.edu>\u{0}\u{1b}[31m li.ming unknown");
        assert_eq!(&*refusal.detail(Stage::Rcpt, &["li.ming"]), "RCPT 550 5.1.1 […] [31m […] unknown");
    }

    #[test]
    fn a_reference_is_a_plain_word() {
        assert_eq!(reference("2.0.0 Ok: queued as 3F2A-1 <x@y>").as_deref(), Some("3F2A-1"));
        assert_eq!(reference("2.0.0 Ok: queued as <x@y>"), None);
        assert_eq!(reference("ok"), None);
    }
}
