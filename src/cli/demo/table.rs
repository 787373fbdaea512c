//! What the day came to, in tables.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::super::print;
use super::books::Books;
use super::campus::Campus;
use super::plan::Kind;
use super::setting;
use campanile::api::v1::Channel;

/// Application systems that have a row of their own.
const SYSTEMS_SHOWN: usize = 10;
/// Rates are taken until this share of the deliveries is in, so that a retry after 5 s does not count as slowness.
const RATE_SHARE: f64 = 0.99;

/// How long things took, beside what the books hold.
pub struct Timing<'a> {
    /// Publish latency, in microseconds.
    pub accept: &'a Histogram<u64>,
    /// When each message could start, in milliseconds since 1970: when it was accepted, or approved.
    pub created_at: &'a HashMap<String, i64>,
    /// When the whole-school notice came to each open app, ascending, in milliseconds since 1970.
    pub screens: &'a [i64],
    /// The most memory that a node of the service held, in MiB.
    pub memory: Option<u64>,
}

/// Prints all tables.
pub fn show(campus: &Campus, books: &Books<'_>, timing: &Timing<'_>) {
    outcomes(books);
    systems(campus, books);
    refusals(books);
    nodes(books);
    times(books, timing);
}

/// Who gave how much, as far as the wire tells; of one node there is nothing to tell.
fn nodes(books: &Books<'_>) {
    let Some(kill) = books.kill() else { return };
    let mut table = print::table(&["node", "mail deliveries, as the relay counts them", ""]);
    for (greeting, n) in &books.receipts.by_greeting {
        let node = setting::node_of(greeting).unwrap_or(greeting);
        let fate = if node == kill.node { "killed with -9" } else { "" };
        table.add_row([node.to_owned(), print::number(*n), fate.to_owned()]);
    }
    println!("\nNodes, which agree through: {}\n{table}", kill.coordination);
}

fn outcomes(books: &Books<'_>) {
    let mut table = print::table(&["channel", "outcome", "deliveries", "people"]);
    for ((channel, outcome), (deliveries, people)) in &books.figures.outcomes {
        table.add_row([
            print::channel(*channel),
            print::outcome(*outcome),
            print::number(*deliveries),
            print::number(people.len()),
        ]);
    }
    println!("\nDeliveries, and the people behind them\n{table}");
}

fn systems(campus: &Campus, books: &Books<'_>) {
    let mut rows: Vec<_> = books.figures.systems.iter().collect();
    rows.sort_by_key(|(system, (_, deliveries, _))| (std::cmp::Reverse(*deliveries), **system));
    let mut table = print::table(&["application", "department", "messages", "deliveries", "sent"]);
    for (system, (messages, deliveries, sent)) in rows.iter().take(SYSTEMS_SHOWN) {
        let system = &campus.systems[**system];
        let figures = [*messages, *deliveries, *sent].map(print::number);
        let mut cells = vec![system.title.clone(), system.department.to_owned()];
        cells.extend(figures);
        table.add_row(cells);
    }
    let rest = &rows[rows.len().min(SYSTEMS_SHOWN)..];
    if !rest.is_empty() {
        let sum = |part: fn(&(u64, u64, u64)) -> u64| rest.iter().map(|(_, figures)| part(figures)).sum::<u64>();
        let figures = [sum(|f| f.0), sum(|f| f.1), sum(|f| f.2)].map(print::number);
        let mut cells = vec![format!("{} others", rest.len()), String::new()];
        cells.extend(figures);
        table.add_row(cells);
    }
    println!("\nApplications\n{table}");
}

fn refusals(books: &Books<'_>) {
    let mut table = print::table(&["channel", "why not, or not at once", "times"]);
    for ((channel, reason, said), n) in &books.figures.reasons {
        let text = if said.is_empty() { reason.clone() } else { format!("{reason} · {said}") };
        table.add_row([print::channel(*channel), text, print::number(*n)]);
    }
    for (channel, n) in &books.figures.repeated {
        table.add_row([
            print::channel(*channel),
            "refused at first, then taken (a retry)".to_owned(),
            print::number(*n),
        ]);
    }
    for ((channel, code, words), n) in &books.receipts.refused {
        table.add_row([print::channel(*channel), format!("the provider answered: {code} {words}"), print::number(*n)]);
    }
    println!("\nRefusals\n{table}");
    println!(
        " Under the test key {} deliveries were answered by the stub; no provider saw them.",
        print::number(books.figures.simulated)
    );
}

fn times(books: &Books<'_>, timing: &Timing<'_>) {
    let mut table = print::table(&["what", "how fast"]);
    let wait = if books.kill().is_some() { ", with the wait for the takeover" } else { "" };
    let quantile = |q: f64| timing.accept.value_at_quantile(q) as f64 / 1_000.0;
    table.add_row([
        format!("{} publishes, from the call until stored durably", print::number(timing.accept.len())),
        format!("p50 {:.1} ms, p99 {:.1} ms", quantile(0.5), quantile(0.99)),
    ]);
    for channel in [Channel::Email, Channel::Wechat] {
        let waits = waits(books, timing, channel);
        if let (Some(half), Some(most)) = (at_share(&waits, 0.5), at_share(&waits, 0.99)) {
            let name = print::channel(channel.into());
            let pause = if channel == Channel::Wechat { ", with the pause after 45009" } else { "" };
            let what = format!("small messages, from accepted until the {name} provider has it");
            table.add_row([what, format!("p50 {half} ms, p99 {most} ms{pause}{wait}")]);
        }
    }
    for channel in [Channel::Email, Channel::Wechat] {
        let receipts = books.receipts.school.get(&channel.into()).map_or(&[][..], Vec::as_slice);
        if let Some(rate) = rate(receipts) {
            let what = format!("whole-school notice, as the {} provider received it", print::channel(channel.into()));
            table.add_row([what, format!("{} deliveries/s{wait}", print::number(rate))]);
        }
    }
    if let Some((people, last)) = inboxes(books, timing) {
        let what = format!("whole-school notice, in {} inboxes", print::number(people));
        let screens = print::number(timing.screens.len() as u64);
        table.add_row([
            what,
            format!("on all {screens} open apps {last} ms after it was accepted, the review included"),
        ]);
    }
    if let Some(kill) = books.kill() {
        let what = format!("from the kill of {} until the others had its work", kill.node);
        table.add_row([what, format!("{:.1} s", kill.takeover.as_secs_f64())]);
    }
    if let Some(memory) = timing.memory {
        table.add_row(["memory of the service at its peak".to_owned(), format!("{memory} MiB")]);
    }
    println!("\nTimes\n{table}");
}

/// How many people have the whole-school notice in their inbox, and how many milliseconds after it was accepted the
/// last open app showed it.
fn inboxes(books: &Books<'_>, timing: &Timing<'_>) -> Option<(u64, i64)> {
    let message = books.published().iter().position(|one| one.plan.kind == Kind::School)?;
    let accepted = timing.created_at.get(&books.published()[message].message_id)?;
    Some((books.members[message].len() as u64, timing.screens.last()? - accepted))
}

/// From acceptance until the provider had the first delivery, of messages that were to go at once; in milliseconds, ascending.
fn waits(books: &Books<'_>, timing: &Timing<'_>, channel: Channel) -> Vec<i64> {
    let mut waits: Vec<i64> = books
        .receipts
        .first
        .iter()
        .filter(|((_, on), _)| *on == i32::from(channel))
        .filter_map(|((message, _), first)| {
            let one = &books.published()[*message];
            let small = matches!(one.plan.kind, Kind::OneToOne | Kind::Notice);
            let accepted = timing.created_at.get(&one.message_id).filter(|_| small)?;
            Some((first - accepted).max(0))
        })
        .collect();
    waits.sort_unstable();
    waits
}

fn at_share(sorted: &[i64], share: f64) -> Option<i64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share) as usize).copied()
}

/// Deliveries per second.
fn rate(sorted: &[i64]) -> Option<u64> {
    let n = (sorted.len() as f64 * RATE_SHARE) as u64;
    let span = at_share(sorted, RATE_SHARE)? - sorted.first()?;
    Some(n * 1_000 / u64::try_from(span.max(1)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_retry_does_not_slow_the_rate() {
        let mut times: Vec<i64> = (0..1_000).collect();
        times.push(6_000);
        assert_eq!(rate(&times), Some(1_000));
        assert_eq!(rate(&[]), None);
    }
}
