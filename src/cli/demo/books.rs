//! The books: what was meant, what the service says became of it, and what the providers say they were given. All
//! three must be the same.

mod receipts;

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

use super::super::print;
use super::campus::Campus;
use super::day::Published;
use super::plan::{self, Kind};
use super::takeover::{Kill, Repeated};
use campanile::api::v1::{self, Channel, Outcome};
use campanile::domain::id::LegId;

/// Faults that are shown in full; the rest is only counted.
const FAULTS_SHOWN: usize = 5;

/// Bytes of what a provider said that are told apart and shown.
const DETAIL_SHOWN: usize = 60;

pub use receipts::Receipts;

/// One delivery: number of the message in the day, channel, person.
type Key = (usize, i32, u32);

/// What is wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It should be there and is not.
    Missing,
    /// It is there more than once.
    Duplicated,
    /// Somebody has it who was not meant.
    Stranger,
    /// Its outcome is not what it must be.
    Outcome,
}

/// What is added up for the table.
#[derive(Debug, Default)]
pub struct Figures {
    /// Deliveries and people per channel and outcome.
    pub outcomes: BTreeMap<(i32, i32), (u64, RoaringBitmap)>,
    /// Messages, deliveries and those that were sent, per application system.
    pub systems: BTreeMap<usize, (u64, u64, u64)>,
    /// Deliveries per channel, reason and the first words of what the provider said.
    pub reasons: BTreeMap<(i32, String, String), u64>,
    /// Deliveries per channel that took more than one call.
    pub repeated: BTreeMap<i32, u64>,
    /// Deliveries that the stub answered under the test key.
    pub simulated: u64,
}

/// The books of a day.
pub struct Books<'a> {
    campus: &'a Campus,
    published: &'a [Published],
    by_id: HashMap<&'a str, usize>,
    by_reference: HashMap<&'a str, usize>,
    /// Titles of what the service itself had to say, by id: nobody published it, and it is in no figure.
    pub own: HashMap<String, String>,
    /// Who was meant by each message, ascending.
    pub members: Vec<Vec<u32>>,
    seen: Vec<RoaringBitmap>,
    /// What the providers were given.
    pub receipts: Receipts,
    /// What is added up.
    pub figures: Figures,
    deliveries: u64,
    faults: BTreeMap<Wrong, u64>,
    shown: Vec<String>,
    /// The kill of a node, if there was one, and the calls that it explains.
    kill: Option<Kill>,
    repeated: Repeated,
}

impl<'a> Books<'a> {
    /// Opens the books of a day; who was meant is worked out from the campus alone.
    #[must_use]
    pub fn open(campus: &'a Campus, published: &'a [Published], kill: Option<Kill>) -> Books<'a> {
        Books {
            campus,
            published,
            by_id: published.iter().map(|one| one.message_id.as_str()).zip(0..).collect(),
            by_reference: published.iter().map(|one| one.plan.reference.as_str()).zip(0..).collect(),
            own: HashMap::new(),
            members: published.iter().map(|one| one.plan.who.people(campus)).collect(),
            seen: vec![RoaringBitmap::new(); published.len()],
            receipts: Receipts::default(),
            figures: Figures::default(),
            deliveries: 0,
            faults: BTreeMap::new(),
            shown: Vec::new(),
            kill,
            repeated: Repeated::default(),
        }
    }

    /// The number of the message with an id.
    #[must_use]
    pub fn with_id(&self, message_id: &str) -> Option<usize> {
        self.by_id.get(message_id).copied()
    }

    /// The campus it was a day of.
    #[must_use]
    pub fn campus(&self) -> &'a Campus {
        self.campus
    }

    /// The messages of the day.
    #[must_use]
    pub fn published(&self) -> &'a [Published] {
        self.published
    }

    /// Mails name their leg, WeCom cards link to the message's page.
    fn message_of(&self, channel: Channel, id: &str) -> Option<usize> {
        match channel {
            Channel::Email => {
                let message_id = id.parse::<LegId>().ok()?.message().to_string();
                self.by_id.get(message_id.as_str()).copied()
            }
            _ => self.by_reference.get(plan::reference_in(id)?).copied(),
        }
    }

    /// Whether a provider was given this by the service itself.
    fn is_own(&self, channel: Channel, id: &str) -> bool {
        match channel {
            Channel::Email => id.parse::<LegId>().is_ok_and(|leg| self.own.contains_key(&leg.message().to_string())),
            _ => self.own.values().any(|title| title == id),
        }
    }

    /// Enters some recipients of a message, as the service lists them.
    pub fn enter(&mut self, message: usize, recipients: &[v1::Recipient]) {
        if self.published[message].plan.kind == Kind::Test {
            return self.enter_simulated(recipients);
        }
        for recipient in recipients {
            match self.campus.with_id(&recipient.user_id) {
                Some(person) if self.members[message].binary_search(&person).is_ok() => {
                    if !self.seen[message].insert(person) {
                        self.fault_at(Wrong::Duplicated, message, person, None, "is listed twice");
                    }
                    self.enter_person(message, person, &recipient.deliveries);
                }
                _ => {
                    let text = format!(
                        "message {} lists {}, who was not meant",
                        self.published[message].message_id, recipient.user_id
                    );
                    self.fault(Wrong::Stranger, text);
                }
            }
        }
    }

    fn enter_person(&mut self, message: usize, person: u32, deliveries: &[v1::Delivery]) {
        let published: &'a [Published] = self.published;
        let plan = &published[message].plan;
        for &channel in &plan.channels {
            let mut on_channel = deliveries.iter().filter(|delivery| delivery.channel == i32::from(channel));
            match (on_channel.next(), on_channel.next()) {
                (Some(delivery), None) => self.enter_delivery(message, person, channel, delivery),
                (None, _) => {
                    self.fault_at(Wrong::Missing, message, person, Some(channel), "is not in the service's list")
                }
                (Some(_), Some(_)) => {
                    self.fault_at(Wrong::Duplicated, message, person, Some(channel), "is listed twice")
                }
            }
        }
        if let Some(extra) =
            deliveries.iter().find(|delivery| !plan.channels.iter().any(|&c| i32::from(c) == delivery.channel))
        {
            let text = format!("is listed on {}, which was not asked for", print::channel(extra.channel));
            self.fault_at(Wrong::Outcome, message, person, None, &text);
        }
    }

    fn enter_delivery(&mut self, message: usize, person: u32, channel: Channel, delivery: &v1::Delivery) {
        let plan = &self.published[message].plan;
        self.deliveries += 1;
        let outcome = delivery.outcome();
        let sums = self.figures.outcomes.entry((channel.into(), delivery.outcome)).or_default();
        sums.0 += 1;
        sums.1.insert(person);
        let system = self.figures.systems.entry(plan.system).or_default();
        system.1 += 1;
        system.2 += u64::from(outcome == Outcome::Sent);
        if !delivery.reason.is_empty() {
            let key = (channel.into(), delivery.reason.clone(), in_short(&delivery.detail));
            *self.figures.reasons.entry(key).or_default() += 1;
        }
        if delivery.calls > 1 && outcome == Outcome::Sent {
            *self.figures.repeated.entry(channel.into()).or_default() += 1;
        }
        let kind = plan.kind;
        self.check_outcome(message, person, channel, delivery, kind);
        if channel != Channel::App {
            self.check_receipt(message, person, channel, delivery);
        }
    }

    /// A good address gets it, a bad one does not, and nothing stays open.
    fn check_outcome(&mut self, message: usize, person: u32, channel: Channel, delivery: &v1::Delivery, kind: Kind) {
        let outcome = delivery.outcome();
        let reachable = self.campus.reachable(person, channel);
        let right = match outcome {
            Outcome::Unspecified | Outcome::Pending => false,
            Outcome::Sent => reachable,
            Outcome::Cancelled => kind == Kind::Cancelled,
            Outcome::Failed | Outcome::Suppressed => !reachable,
            Outcome::Expired | Outcome::Unknown => false,
        };
        if !right {
            let text = format!("is {} {}, which it should not be", print::outcome(delivery.outcome), delivery.reason);
            self.fault_at(Wrong::Outcome, message, person, Some(channel), &text);
        }
    }

    /// Under a test key nobody of the campus is meant: what leaves all the same is found among the receipts.
    fn enter_simulated(&mut self, recipients: &[v1::Recipient]) {
        for delivery in recipients.iter().flat_map(|recipient| &recipient.deliveries) {
            if matches!(delivery.outcome(), Outcome::Unspecified | Outcome::Pending) {
                self.fault(Wrong::Outcome, "a delivery under the test key is still open".to_owned());
            }
            self.figures.simulated += 1;
        }
    }

    /// After the last recipient of every message: whoever was not listed, and whatever nobody was meant to get.
    pub fn close(&mut self) {
        for message in 0..self.published.len() {
            let system = self.figures.systems.entry(self.published[message].plan.system).or_default();
            system.0 += 1;
            let members: RoaringBitmap = self.members[message].iter().copied().collect();
            for person in members - &self.seen[message] {
                self.fault_at(Wrong::Missing, message, person, None, "is not in the service's list");
            }
        }
        if self.repeated.are_too_many() {
            let text = "more calls were repeated than a node has open at a time".to_owned();
            self.fault(Wrong::Duplicated, text);
        }
        let mut left: Vec<_> = std::mem::take(&mut self.receipts.copies).into_keys().collect();
        left.sort_unstable();
        for (message, channel, person) in left {
            let channel = Channel::try_from(channel).ok();
            self.fault_at(Wrong::Stranger, message, person, channel, "was given to the provider and was not meant");
        }
    }

    /// Enters a fault with one person's delivery of a message.
    pub fn fault_at(&mut self, wrong: Wrong, message: usize, person: u32, channel: Option<Channel>, what: &str) {
        let channel = channel.map_or_else(|| "any channel".to_owned(), |channel| print::channel(channel.into()));
        let (id, user) = (&self.published[message].message_id, &self.campus.people[person as usize].id);
        let text = format!("message {id}, user {user}, {channel}: {what}");
        self.fault(wrong, text);
    }

    /// Enters a fault.
    pub fn fault(&mut self, wrong: Wrong, text: String) {
        *self.faults.entry(wrong).or_default() += 1;
        if self.shown.len() < FAULTS_SHOWN {
            self.shown.push(text);
        }
    }

    /// The kill of a node, if there was one.
    #[must_use]
    pub fn kill(&self) -> Option<&Kill> {
        self.kill.as_ref()
    }

    /// The calls that were open at the kill and were made again, one line each.
    #[must_use]
    pub fn repeated(&self) -> Vec<String> {
        let id = |message: usize| self.published[message].message_id.as_str();
        self.kill.iter().flat_map(|kill| self.repeated.lines(kill, id)).collect()
    }

    /// The last line, and whether it is the good one.
    #[must_use]
    pub fn verdict(&self) -> (bool, String) {
        let n = |wrong| print::number(self.faults.get(&wrong).copied().unwrap_or(0));
        let repeated = match (&self.kill, self.repeated.deliveries()) {
            (Some(_), again) if again > 0 && self.faults.is_empty() => {
                format!("{} duplicated, each in a call that was open at the kill", print::number(again))
            }
            (Some(_), again) if again > 0 => {
                let again = print::number(again);
                format!("{} duplicated (and {again} in calls that were open at the kill)", n(Wrong::Duplicated))
            }
            _ => format!("{} duplicated", n(Wrong::Duplicated)),
        };
        let sums = format!("{} deliveries, {} missing, {repeated}", print::number(self.deliveries), n(Wrong::Missing));
        if self.faults.is_empty() {
            return (true, format!("books balance: {sums}"));
        }
        let mut text = format!(
            "books do NOT balance: {sums}, {} to the wrong person, {} with a wrong outcome",
            n(Wrong::Stranger),
            n(Wrong::Outcome)
        );
        for fault in &self.shown {
            text.push_str(&format!("\n  {fault}"));
        }
        (false, text)
    }
}

/// The beginning of what a provider said, in whole words.
fn in_short(detail: &str) -> String {
    let mut text = String::new();
    for word in detail.split_whitespace() {
        if text.len() + word.len() >= DETAIL_SHOWN {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests;
