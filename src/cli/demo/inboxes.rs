//! What people see: inboxes listed with each person's own token, and what appeared on the open apps.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use tokio::time::sleep;

use super::super::client::{Failure, Session, timed};
use super::books::{Books, Wrong};
use super::campus::Campus;
use super::load;
use super::plan::Kind;
use campanile::api::v1::{self, Channel};
use campanile::standin::log;

/// Inboxes that are looked at.
const INBOXES: usize = 1_000;
const AT_ONCE: usize = 32;
/// Waits for what is still on its way to the screens, at most so often.
const WAITS: u32 = 100;
const WAIT: Duration = Duration::from_millis(50);

/// So many people by chance, the same for the same seed.
#[must_use]
pub fn sample(seed: u64, campus: &Campus, n: usize) -> Vec<u32> {
    let all = campus.people.len();
    let mut rng = StdRng::seed_from_u64(seed);
    index::sample(&mut rng, all, n.min(all)).iter().map(|person| u32::try_from(person).unwrap_or(0)).collect()
}

/// Lists the inboxes of people by chance with their own tokens, and compares. Returns how many.
pub async fn check(gateway: &Session, campus: &Campus, books: &mut Books<'_>, seed: u64) -> Result<usize, Failure> {
    let people = sample(seed.wrapping_add(2), campus, INBOXES);
    let tokens = load::user_tokens(gateway, campus, &people).await?;
    let one = |(person, token): (u32, String)| async move {
        let session = gateway.with_token(&token)?;
        let request = v1::ListInboxRequest { page_size: 1_000, ..Default::default() };
        let page = session.inbox().list_inbox(timed(request)).await?.into_inner();
        Ok::<_, Failure>((person, page.items))
    };
    let inboxes: BTreeMap<u32, Vec<v1::InboxItem>> =
        stream::iter(tokens).map(one).buffer_unordered(AT_ONCE).try_collect().await?;
    let wanted = wanted(books, people.iter().copied());
    for (person, items) in &inboxes {
        let mut seen = HashMap::new();
        for item in items {
            *seen.entry(item.message_id.as_str()).or_insert(0u32) += 1;
        }
        compare(books, *person, &wanted[person], &seen, "inbox");
    }
    Ok(inboxes.len())
}

/// Compares the log of the open apps. Returns when the whole-school notice came to each, in milliseconds since 1970.
pub async fn check_screens(books: &mut Books<'_>, people: &[u32], folder: &Path) -> Result<Vec<i64>, Failure> {
    let path = folder.join("app.log");
    let wanted = wanted(books, people.iter().copied());
    let all: usize = wanted.values().map(Vec::len).sum();
    let mut receipts = Vec::new();
    for _ in 0..WAITS {
        receipts =
            log::read(&path).map_err(|error| Failure::refused(format!("cannot read {}: {error}", path.display())))?;
        if receipts.len() >= all {
            break;
        }
        sleep(WAIT).await;
    }
    let mut seen: HashMap<&str, HashMap<&str, u32>> = HashMap::new();
    for receipt in &receipts {
        *seen.entry(&receipt.address).or_default().entry(&receipt.id).or_default() += 1;
    }
    let none = HashMap::new();
    for person in people {
        let user = books.campus().people[*person as usize].id.clone();
        compare(books, *person, &wanted[person], seen.get(user.as_str()).unwrap_or(&none), "open app");
    }
    let school = books.published().iter().find(|one| one.plan.kind == Kind::School).map(|one| &one.message_id);
    let mut times: Vec<_> = receipts
        .iter()
        .filter(|receipt| school.is_some_and(|id| *id == *receipt.id))
        .map(|receipt| receipt.at_ms)
        .collect();
    times.sort_unstable();
    Ok(times)
}

/// The messages that each of some people must see in the app.
fn wanted(books: &Books<'_>, people: impl Iterator<Item = u32>) -> BTreeMap<u32, Vec<usize>> {
    let mut wanted: BTreeMap<u32, Vec<usize>> = people.map(|person| (person, Vec::new())).collect();
    for (message, one) in books.published().iter().enumerate() {
        if one.plan.kind == Kind::Test || !one.plan.channels.contains(&Channel::App) {
            continue;
        }
        let members = &books.members[message];
        // A message to one person is not looked for in a thousand lists.
        if members.len() < wanted.len() {
            for person in members {
                if let Some(messages) = wanted.get_mut(person) {
                    messages.push(message);
                }
            }
        } else {
            for (person, messages) in &mut wanted {
                if members.binary_search(person).is_ok() {
                    messages.push(message);
                }
            }
        }
    }
    wanted
}

fn compare(books: &mut Books<'_>, person: u32, wanted: &[usize], seen: &HashMap<&str, u32>, place: &str) {
    let published = books.published();
    for &message in wanted {
        match seen.get(published[message].message_id.as_str()).copied().unwrap_or(0) {
            1 => {}
            0 => {
                let text = format!("is not in the person's {place}");
                books.fault_at(Wrong::Missing, message, person, Some(Channel::App), &text);
            }
            n => {
                let text = format!("is {n} times in the person's {place}");
                books.fault_at(Wrong::Duplicated, message, person, Some(Channel::App), &text);
            }
        }
    }
    for id in seen.keys() {
        match books.with_id(id) {
            Some(message) if wanted.contains(&message) => {}
            Some(message) => {
                let text = format!("is in the {place} of somebody who was not meant");
                books.fault_at(Wrong::Stranger, message, person, Some(Channel::App), &text);
            }
            // What the service itself tells a reviewer.
            None if books.own.contains_key(*id) => {}
            None => {
                books.fault(Wrong::Stranger, format!("message {id} is in a person's {place} and nobody published it"))
            }
        }
    }
}
