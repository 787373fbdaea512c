//! What the providers say they were given, laid beside what the service says.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::super::super::client::Failure;
use super::super::super::print;
use super::super::plan::Kind;
use super::super::takeover::Copy;
use super::{Books, Key, Wrong};
use campanile::api::v1::{self, Channel, Outcome};
use campanile::standin::log;

/// What the providers say they were given.
#[derive(Debug, Default)]
pub struct Receipts {
    pub(super) copies: HashMap<Key, Vec<Copy>>,
    /// Deliveries of mail by who gave them, as they greeted.
    pub by_greeting: BTreeMap<Box<str>, u64>,
    /// When each message first came, per channel, in milliseconds since 1970.
    pub first: HashMap<(usize, i32), i64>,
    /// When each delivery of the whole-school notice came, per channel, ascending.
    pub school: BTreeMap<i32, Vec<i64>>,
    /// Calls that the provider refused as a whole, per channel, code and words.
    pub refused: BTreeMap<(i32, String, String), u64>,
}

impl Books<'_> {
    /// Reads a provider's own log of receipts.
    pub fn read_log(&mut self, channel: Channel, path: &Path) -> Result<(), Failure> {
        let fault = |error| Failure::refused(format!("cannot read {}: {error}", path.display()));
        for receipt in log::read(path).map_err(fault)? {
            self.enter_receipt(channel, &receipt);
        }
        for times in self.receipts.school.values_mut() {
            times.sort_unstable();
        }
        Ok(())
    }

    /// Reads what a provider refused, beside its log.
    pub fn read_refusals(&mut self, channel: Channel, path: &Path) {
        for refusal in log::read(&log::refusals(path)).unwrap_or_default() {
            let key = (channel.into(), refusal.id.into_owned(), refusal.content.into_owned());
            *self.receipts.refused.entry(key).or_default() += 1;
        }
    }

    pub(super) fn enter_receipt(&mut self, channel: Channel, receipt: &log::Receipt<'_>) {
        if self.is_own(channel, &receipt.id) {
            return;
        }
        let Some(message) = self.message_of(channel, &receipt.id) else {
            let text = format!("somebody was given {:?}, which was not published", receipt.id);
            return self.fault(Wrong::Stranger, text);
        };
        let key = (message, channel.into());
        let first = self.receipts.first.entry(key).or_insert(receipt.at_ms);
        *first = receipt.at_ms.min(*first);
        if self.published[message].plan.kind == Kind::School {
            self.receipts.school.entry(channel.into()).or_default().push(receipt.at_ms);
        }
        let copy = Copy { at_ms: receipt.at_ms, from: receipt.from.as_ref().into() };
        if !copy.from.is_empty() {
            *self.receipts.by_greeting.entry(copy.from.clone()).or_default() += 1;
        }
        match self.campus.at(channel, &receipt.address) {
            Some(person) => self.receipts.copies.entry((message, channel.into(), person)).or_default().push(copy),
            None => {
                let id = &self.published[message].message_id;
                let name = print::channel(channel.into());
                let text = format!("message {id} went to {:?} by {name}, who is nobody of the campus", receipt.address);
                self.fault(Wrong::Stranger, text);
            }
        }
    }

    /// The provider was given it exactly when the service says so.
    pub(super) fn check_receipt(&mut self, message: usize, person: u32, channel: Channel, delivery: &v1::Delivery) {
        let copies = self.receipts.copies.remove(&(message, channel.into(), person)).unwrap_or_default();
        let (given, outcome) = (copies.len(), delivery.outcome());
        let sent = outcome == Outcome::Sent;
        if given > 1 {
            self.check_copies(message, person, channel, &copies, delivery);
        }
        if given == 0 && sent {
            let text = "is sent according to the service, but the provider was not given it";
            self.fault_at(Wrong::Missing, message, person, Some(channel), text);
        } else if given > 0 && !sent && outcome != Outcome::Unknown {
            let text = "was given to the provider, but the service does not say that it was sent";
            self.fault_at(Wrong::Outcome, message, person, Some(channel), text);
        }
    }

    /// Only a call that was open when its node was killed may be made again.
    fn check_copies(
        &mut self,
        message: usize,
        person: u32,
        channel: Channel,
        copies: &[Copy],
        delivery: &v1::Delivery,
    ) {
        let settled_ms = delivery.settled_at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000);
        if self.kill.as_ref().is_some_and(|kill| kill.explains(copies, settled_ms)) {
            return self.repeated.add(message, channel, copies);
        }
        let times: Vec<_> = copies.iter().map(|copy| format!("{} {}", copy.at_ms, copy.from)).collect();
        let text =
            format!("was given to the provider {} times ({})", copies.len(), times.join(", ").replace(" ,", ","));
        self.fault_at(Wrong::Duplicated, message, person, Some(channel), &text);
    }
}
