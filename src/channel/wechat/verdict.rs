//! What WeCom's answer means for each user of a call. HTTP 200 says nothing; errcode does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::channel::{Recipient, Report, detail};
use crate::domain::outcome::Reason;
use crate::domain::verdict::{Fault, Verdict};

/// An answer of message/send or gettoken. What a later version adds is ignored; what is missing is not there.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) errcode: i64,
    #[serde(default)]
    pub(super) errmsg: Option<String>,
    #[serde(default)]
    invaliduser: Option<String>,
    #[serde(default)]
    unlicenseduser: Option<String>,
    #[serde(default)]
    msgid: Option<String>,
}

impl Answer {
    /// Reads an answer; `None` if it is none.
    pub(super) fn parse(json: &[u8]) -> Option<Answer> {
        serde_json::from_slice(json).ok()
    }

    /// `send 81013 user & party & tag all invalid`, without anything private.
    pub(super) fn detail(&self, call: &str, private: &[&str]) -> Arc<str> {
        let words = detail::words(self.errmsg.as_deref().unwrap_or_default(), private);
        format!("{call} {} {words}", self.errcode).trim_end().into()
    }

    /// The access token is not valid any more.
    pub(super) fn wants_new_token(&self) -> bool {
        matches!(self.errcode, 40_001 | 40_014 | 42_001)
    }
}

/// What follows from an errcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// Taken, except for the users that the answer names.
    Taken,
    /// Not now; the fault says for whom.
    Later(Fault),
    /// Not now, and no other call either.
    CoolDown,
    /// Never.
    Never(Reason),
    /// Not before a person has changed credentials, rights or settings.
    Mend,
    /// Never for some users; which, the answer may not say.
    SomeNever,
}

fn reaction(errcode: i64) -> Reaction {
    match errcode {
        0 => Reaction::Taken,
        -1 | 45_033 | 81_026 => Reaction::Later(Fault::Provider),
        45_009 => Reaction::CoolDown,
        40_003 | 40_031 | 43_004 | 46_004 | 50_002 | 60_011 | 60_021 | 60_111 => Reaction::SomeNever,
        81_013 | 82_001 => Reaction::Never(Reason::RefusedRecipient),
        // Parameters, lengths and words: another content might pass.
        40_008 | 40_033 | 40_035 | 40_039 | 40_058 | 40_063 | 40_094 | 41_011 | 41_016 | 41_033 | 44_004 | 45_001
        | 45_002 | 45_007 | 45_008 | 45_034 | 47_001 | 82_004 | 85_002 => Reaction::Never(Reason::RefusedContent),
        // Credentials, rights and settings of the application: no call can go well.
        40_001 | 40_013 | 40_056 | 40_091 | 41_001 | 41_002 | 41_004 | 45_031 | 48_001 | 48_002 | 48_006 | 50_003
        | 60_020 | 301_002 => Reaction::Mend,
        // The list of users of this call.
        40_032 | 81_012 | 82_002 | 82_003 => Reaction::Never(Reason::ProviderMisconfigured),
        // Data version conflict, and whatever is not known: tried again, and never taken for success.
        _ => Reaction::Later(Fault::Recipient),
    }
}

/// The verdict for everybody when the provider gave no token.
pub(super) fn without_token(answer: &Answer, private: &[&str]) -> Verdict {
    let detail = answer.detail("gettoken", private);
    match reaction(answer.errcode) {
        Reaction::Mend | Reaction::Never(_) => Verdict::Retry { after: None, fault: Fault::Operator, detail },
        _ => Verdict::Retry { after: None, fault: Fault::Provider, detail },
    }
}

/// The report of a call. `private` are the secrets in use.
pub(super) fn judge(answer: &Answer, recipients: &[Recipient], private: &[&str], cool_down: Duration) -> Report {
    let n = recipients.len();
    let detail = || {
        let names = recipients.iter().map(|recipient| &*recipient.address);
        answer.detail("send", &private.iter().copied().chain(names).collect::<Vec<_>>())
    };
    let later = |fault| Verdict::Retry { after: None, fault, detail: detail() };
    match reaction(answer.errcode) {
        Reaction::Taken => Report { verdicts: taken(answer, recipients), cool_down: None },
        Reaction::Later(fault) => Report::all(n, &later(fault)),
        Reaction::CoolDown => {
            let verdict = Verdict::Retry { after: Some(cool_down), fault: Fault::Provider, detail: detail() };
            Report { cool_down: Some(cool_down), ..Report::all(n, &verdict) }
        }
        Reaction::Mend => Report::all(n, &later(Fault::Operator)),
        Reaction::Never(reason) => Report::all(n, &Verdict::Rejected { reason, detail: detail() }),
        Reaction::SomeNever => {
            let named = named(answer);
            let refused = Verdict::Rejected { reason: Reason::RefusedRecipient, detail: detail() };
            // One bad user must not decide for the others: who is not named is tried again.
            let others = if n == 1 { refused.clone() } else { later(Fault::Recipient) };
            let verdict = |recipient: &Recipient| if named.has(recipient) { &refused } else { &others };
            Report { verdicts: recipients.iter().map(|r| verdict(r).clone()).collect(), cool_down: None }
        }
    }
}

fn taken(answer: &Answer, recipients: &[Recipient]) -> Vec<Verdict> {
    let named = named(answer);
    let reference = answer.msgid.as_deref().filter(|id| !id.is_empty() && id.len() <= 128);
    let accepted = Verdict::Accepted { reference: reference.map(Into::into) };
    let refused = |list: &str| Verdict::Rejected { reason: Reason::RefusedRecipient, detail: list.into() };
    let (invalid, unlicensed) = (refused("send 0 invaliduser"), refused("send 0 unlicenseduser"));
    let verdict = |recipient: &Recipient| {
        let name = recipient.address.to_ascii_lowercase();
        match () {
            () if named.invalid.contains(&name) => &invalid,
            () if named.unlicensed.contains(&name) => &unlicensed,
            () => &accepted,
        }
    };
    recipients.iter().map(|recipient| verdict(recipient).clone()).collect()
}

/// The users that an answer names. WeCom lower-cases them.
struct Named {
    invalid: HashSet<String>,
    unlicensed: HashSet<String>,
}

impl Named {
    fn has(&self, recipient: &Recipient) -> bool {
        let name = recipient.address.to_ascii_lowercase();
        self.invalid.contains(&name) || self.unlicensed.contains(&name)
    }
}

fn named(answer: &Answer) -> Named {
    let list = |names: &Option<String>| {
        let names = names.as_deref().unwrap_or_default().split('|').filter(|name| !name.is_empty());
        names.map(str::to_ascii_lowercase).collect()
    };
    Named { invalid: list(&answer.invaliduser), unlicensed: list(&answer.unlicenseduser) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOL_DOWN: Duration = Duration::from_secs(60);

    fn report(json: &str, users: &[&str]) -> Report {
        let user = |address: &&str| Recipient { ordinal: 0, address: (*address).into() };
        let users: Vec<_> = users.iter().map(user).collect();
        judge(&Answer::parse(json.as_bytes()).unwrap(), &users, &["tok-secret"], COOL_DOWN)
    }

    fn reasons(report: &Report) -> Vec<Option<Reason>> {
        let reason = |verdict: &Verdict| match verdict {
            Verdict::Accepted { .. } => Some(Reason::None),
            Verdict::Rejected { reason, .. } => Some(*reason),
            _ => None,
        };
        report.verdicts.iter().map(reason).collect()
    }

    #[test]
    fn named_users_are_refused_whatever_their_case() {
        let json =
            r#"{"errcode":0,"errmsg":"ok","invaliduser":"left_a|x","unlicenseduser":"b","msgid":"m1","new":[1]}"#;
        let refused = Some(Reason::RefusedRecipient);
        assert_eq!(reasons(&report(json, &["LEFT_A", "c", "B"])), [refused, Some(Reason::None), refused]);
        let nulls = r#"{"errcode":0,"errmsg":null,"invaliduser":null}"#;
        assert_eq!(reasons(&report(nulls, &["c"])), [Some(Reason::None)]);
    }

    #[test]
    fn no_other_code_is_a_success() {
        for errcode in (-10..100_000).chain([301_002, i64::MIN, i64::MAX]).filter(|&code| code != 0) {
            assert!(!matches!(reaction(errcode), Reaction::Taken), "{errcode}");
        }
    }

    #[test]
    fn one_bad_user_does_not_decide_for_the_others() {
        let json = r#"{"errcode":60111,"errmsg":"userid not found: Left_A","invaliduser":"left_a"}"#;
        assert_eq!(reasons(&report(json, &["Left_A", "b"])), [Some(Reason::RefusedRecipient), None]);
        let alone = report(r#"{"errcode":60111,"errmsg":"no Li tok-secret"}"#, &["Li"]);
        let Verdict::Rejected { detail, .. } = &alone.verdicts[0] else { panic!("{alone:?}") };
        assert_eq!(&**detail, "send 60111 no […] […]");
        assert_eq!(reasons(&report(r#"{"errcode":81013}"#, &["a", "b"])), [Some(Reason::RefusedRecipient); 2]);
    }

    #[test]
    fn too_many_calls_cool_the_provider_down() {
        let report = report(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, &["a"]);
        assert_eq!(report.cool_down, Some(COOL_DOWN));
        assert!(matches!(report.verdicts[0], Verdict::Retry { fault: Fault::Provider, .. }));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let hostile: [&[u8]; 10] = [
            b"",
            b"{}",
            b"[]",
            b"null",
            b"{\"errcode\":\"0\"}",
            b"{\"errcode\":0",
            b"{\"errcode\":0.0}",
            b"{\"errcode\":0,\"errcode\":0}",
            b"{\"errcode\":0,\"errmsg\":\"\xff\"}",
            b"<html>",
        ];
        assert!(hostile.iter().all(|json| Answer::parse(json).is_none()));
        assert!(Answer::parse("[".repeat(100_000).as_bytes()).is_none());
    }
}
