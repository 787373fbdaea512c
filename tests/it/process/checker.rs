//! Checks the books from outside: what was acknowledged, what the service says of every recipient, and what the
//! relay has taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use campanile::api::v1;
use campanile::standin::log::Receipt;
use futures::stream::{self, StreamExt};
use tokio::time::timeout;

use super::campus;
use super::oracle::Ack;
use super::service::{Client, House, LOOK_EVERY, PATIENCE};

/// Calls that may be open when a node dies: 64 unanswered, and 64 answered but not committed.
const OPEN_CALLS_MAX: usize = 128;
/// How long before a kill a call can have reached the relay whose outcome was not committed at the kill. A commit
/// comes 50 ms after the first verdict; the rest is for a busy machine.
const OPEN_MS: i64 = 2_000;

/// A kill between two lives of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// When the next life began.
    pub next_ms: i64,
}

/// Something that is not as it was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Acknowledged, and not there or not handed over.
    Lost(String),
    /// Handed over more often than an open call explains.
    Duplicated(String),
    /// The numbers or outcomes do not fit.
    Unbalanced(String),
    /// Nobody asked for it.
    Stray(String),
    /// It happened, but too late.
    Late(String),
}

/// What went out more than once.
#[derive(Clone, Debug)]
pub struct Repeated<'a> {
    /// For each kill the calls (leg and time) that were open and were made again.
    pub calls: Vec<BTreeSet<(&'a str, i64)>>,
    /// Copies that no kill explains.
    pub unexplained: Vec<String>,
}

impl Repeated<'_> {
    /// In words: how many calls, the most at one kill, and how long before it the oldest was.
    pub fn in_words(&self, kills: &[Kill]) -> String {
        let all: usize = self.calls.iter().map(BTreeSet::len).sum();
        let most = self.calls.iter().map(BTreeSet::len).max().unwrap_or_default();
        let ages = self.calls.iter().zip(kills).flat_map(|(calls, kill)| calls.iter().map(|(_, at)| kill.at_ms - at));
        let oldest = ages.max().unwrap_or_default();
        format!("{all} calls repeated, at most {most} after one kill, the oldest {oldest} ms before it")
    }
}

/// All that is known when everything has come to rest.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub acks: Vec<Ack>,
    pub messages: Vec<v1::Message>,
    /// By message.
    pub recipients: HashMap<String, Vec<v1::Recipient>>,
    pub receipts: Vec<Receipt<'static>>,
    pub kills: Vec<Kill>,
}

impl Evidence {
    /// Waits until every message has ended and collects everything.
    pub async fn collect(house: &House, client: &Client, acks: Vec<Ack>, kills: Vec<Kill>) -> Evidence {
        let drained = async {
            while !is_at_rest(client).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if timeout(PATIENCE, drained).await.is_err() {
            let left = messages(client, open_states(), 1_000).await;
            panic!("{} messages do not end, such as {:?}\n{}", left.len(), left.first(), house.complaints());
        }
        let messages = messages(client, Vec::new(), 1_000).await;
        let of_message = |id: String| async move { (id.clone(), recipients(client, id).await) };
        let ids: Vec<_> = messages.iter().map(|message| message.message_id.clone()).collect();
        let recipients = stream::iter(ids).map(of_message).buffer_unordered(32).collect().await;
        Evidence { acks, messages, recipients, receipts: house.receipts(), kills }
    }

    /// Everything that is not as it was promised; nothing if all is well.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let messages: HashMap<_, _> = self.messages.iter().map(|one| (one.message_id.as_str(), one)).collect();
        let mut taken: HashMap<&str, BTreeMap<&str, Vec<i64>>> = HashMap::new();
        for ((_, title), addresses) in self.deliveries() {
            if taken.insert(title, addresses).is_some() {
                findings.push(Finding::Duplicated(format!("{title} went out as more than one leg")));
            }
        }
        let repeated = self.repeated();
        for (kill, calls) in self.kills.iter().zip(&repeated.calls).filter(|(_, calls)| calls.len() > OPEN_CALLS_MAX) {
            findings.push(Finding::Duplicated(format!("{} calls were repeated after {kill:?}", calls.len())));
        }
        findings.extend(repeated.unexplained.into_iter().map(Finding::Duplicated));
        let mut known = BTreeSet::new();
        for ack in &self.acks {
            known.insert(ack.message_id.as_str());
            let taken = taken.remove(ack.key.as_str()).unwrap_or_default();
            match messages.get(ack.message_id.as_str()) {
                None => findings.push(Finding::Lost(format!("{ack:?} is not known to the service"))),
                Some(message) => self.outcomes(ack, message, &taken, &mut findings),
            }
        }
        let strays = messages.keys().filter(|id| !known.contains(*id)).chain(taken.keys());
        findings.extend(strays.map(|id| Finding::Stray(format!("nobody was promised {id}"))));
        findings
    }

    /// Every address of every leg and title, with the times at which the relay took it.
    fn deliveries(&self) -> BTreeMap<(&str, &str), BTreeMap<&str, Vec<i64>>> {
        let mut deliveries: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
        for receipt in &self.receipts {
            let addresses = deliveries.entry((&*receipt.id, &*receipt.content)).or_default();
            addresses.entry(&*receipt.address).or_default().push(receipt.at_ms);
        }
        for times in deliveries.values_mut().flat_map(BTreeMap::values_mut) {
            times.sort_unstable();
        }
        deliveries
    }

    /// Each copy but the last must have been in a call that was open at a kill, and the next one in a later life.
    pub fn repeated(&self) -> Repeated<'_> {
        let mut repeated = Repeated { calls: vec![BTreeSet::new(); self.kills.len()], unexplained: Vec::new() };
        for ((leg, _), addresses) in self.deliveries() {
            for (address, times) in addresses {
                for pair in times.windows(2) {
                    let (copy, next) = (pair[0], pair[1]);
                    let was_open =
                        |kill: &Kill| (kill.at_ms - OPEN_MS..=kill.next_ms).contains(&copy) && next >= kill.next_ms;
                    match self.kills.iter().position(was_open) {
                        Some(kill) => drop(repeated.calls[kill].insert((leg, copy))),
                        None => repeated.unexplained.push(format!("{leg} to {address} at {copy} and again at {next}")),
                    }
                }
            }
        }
        repeated
    }

    /// Each person of one message has the outcome that her address deserves, once, and the counts agree.
    fn outcomes(
        &self,
        ack: &Ack,
        message: &v1::Message,
        taken: &BTreeMap<&str, Vec<i64>>,
        findings: &mut Vec<Finding>,
    ) {
        let key = &ack.key;
        let mut unbalanced = |what: String| findings.push(Finding::Unbalanced(format!("{key}: {what}")));
        let mut people: BTreeMap<&str, &v1::Recipient> = BTreeMap::new();
        for one in self.recipients.get(&ack.message_id).into_iter().flatten() {
            if people.insert(&one.user_id, one).is_some() {
                unbalanced(format!("{} is listed twice", one.user_id));
            }
        }
        let mut sums: BTreeMap<i32, i32> = BTreeMap::new();
        let mut lost = Vec::new();
        for &person in &ack.people {
            let id = campus::user_id(person);
            let expected = campus::outcome(person);
            *sums.entry(expected.into()).or_default() += 1;
            let Some(recipient) = people.remove(id.as_str()) else {
                lost.push(format!("{key}: {id} is not among its recipients"));
                continue;
            };
            let outcomes: Vec<_> = recipient.deliveries.iter().map(v1::Delivery::outcome).collect();
            if outcomes != [expected] {
                unbalanced(format!("{id} should be {expected:?} and is {outcomes:?}"));
            }
            let arrived = campus::mailbox(person).is_some_and(|address| taken.contains_key(address.as_str()));
            match (expected, arrived) {
                (v1::Outcome::Sent, false) => lost.push(format!("{key}: nothing arrived for {id}")),
                (v1::Outcome::Failed | v1::Outcome::Suppressed, true) => unbalanced(format!("{id} got it after all")),
                _ => {}
            }
        }
        if !people.is_empty() {
            unbalanced(format!("it was never for {:?}", people.keys()));
        }
        let addresses: BTreeSet<_> = ack.people.iter().filter_map(|&person| campus::mailbox(person)).collect();
        for address in taken.keys().filter(|address| !addresses.contains(**address)) {
            unbalanced(format!("{address} got it and is not meant"));
        }
        if let Some(wrong) = wrong_counts(message, ack.people.len(), &sums) {
            unbalanced(wrong);
        }
        findings.extend(lost.into_iter().map(Finding::Lost));
    }
}

/// Whether a message's counts are those of its people.
fn wrong_counts(message: &v1::Message, people: usize, sums: &BTreeMap<i32, i32>) -> Option<String> {
    let sum = |outcome: v1::Outcome| sums.get(&outcome.into()).copied().unwrap_or_default();
    let expected = v1::Counts {
        channel: v1::Channel::Email.into(),
        members: i32::try_from(people).unwrap(),
        sent: sum(v1::Outcome::Sent),
        failed: sum(v1::Outcome::Failed),
        suppressed: sum(v1::Outcome::Suppressed),
        ..Default::default()
    };
    let finished = message.state() == v1::MessageState::Finished;
    let agrees = finished && message.recipient_count == expected.members && message.counts == [expected];
    (!agrees).then(|| format!("{:?} with {:?} instead of {expected:?}", message.state(), message.counts))
}

fn open_states() -> Vec<i32> {
    vec![v1::MessageState::Sending.into(), v1::MessageState::Scheduled.into()]
}

/// Whether every message has ended.
pub async fn is_at_rest(client: &Client) -> bool {
    messages(client, open_states(), 1).await.is_empty()
}

/// Messages in some states; one page if only one is asked for.
async fn messages(client: &Client, states: Vec<i32>, page_size: i32) -> Vec<v1::Message> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListMessagesRequest { states: states.clone(), page_size, page_token, ..Default::default() };
        let page = client.publish().list_messages(request).await.unwrap().into_inner();
        found.extend(page.messages);
        page_token = page.next_page_token;
        if page_token.is_empty() || page_size == 1 {
            return found;
        }
    }
}

async fn recipients(client: &Client, message_id: String) -> Vec<v1::Recipient> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListRecipientsRequest {
            message_id: message_id.clone(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = client.publish().list_recipients(request).await.unwrap().into_inner();
        found.extend(page.recipients);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}
