//! How answers look: proto3 JSON on request, otherwise tables and lines that a person can read.

use std::io::IsTerminal;

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use jiff::tz::TimeZone;
use prost::Message;

use super::client::Failure;
use campanile::api::v1;

/// Prints a message as JSON, just as the HTTP bridge would: names in camel case, enums by name.
pub fn json<M: Message>(name: &str, message: &M) -> Result<(), Failure> {
    println!("{}", json_text(name, message)?);
    Ok(())
}

/// A message of `campanile.v1` with this name as a JSON value.
pub fn json_value<M: Message>(name: &str, message: &M) -> Result<serde_json::Value, Failure> {
    let fault = |error| Failure::refused(format!("cannot show {name} as JSON: {error}"));
    serde_json::from_str(&json_text(name, message)?).map_err(fault)
}

/// Prints a JSON value.
pub fn value(value: &serde_json::Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    println!("{}", text.map_err(|error| Failure::refused(format!("cannot show JSON: {error}")))?);
    Ok(())
}

/// The JSON of a message of `campanile.v1` with this name.
fn json_text<M: Message>(name: &str, message: &M) -> Result<String, Failure> {
    campanile::api::json::pretty(name, message).map_err(Failure::refused)
}

/// Headers of columns that hold ids.
const IDS: [&str; 7] = ["application", "department", "grant", "key", "message", "node", "provider"];

/// An empty table in the house's style. Chinese characters count as two columns.
#[must_use]
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::new(' ', '─', '─', ' ');
    table.load_style(TableStyle::new().header_separator(line));
    // Columns keep their width when the output goes to a file.
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header.to_vec());
    for (place, name) in header.iter().enumerate() {
        // An id that is broken over two lines cannot be copied: other columns give way.
        if IDS.contains(name)
            && let Some(column) = table.column_mut(place)
        {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// A number with separators, such as `50,000`.
#[must_use]
pub fn number(n: impl TryInto<i128>) -> String {
    let n: i128 = n.try_into().unwrap_or_default();
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A point in time in the campus zone; empty when absent.
#[must_use]
pub fn time(at: Option<&prost_types::Timestamp>) -> String {
    let Some(at) = at else { return String::new() };
    let Ok(instant) = jiff::Timestamp::new(at.seconds, at.nanos) else { return "?".to_owned() };
    instant.to_zoned_datetime(campus_zone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The zone in which times are read and shown. China has one offset, so a machine without zone data needs none.
#[must_use]
pub fn campus_zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(8)))
}

/// The lower-case name of a channel as on the command line.
#[must_use]
pub fn channel(channel: i32) -> String {
    let name = v1::Channel::try_from(channel).unwrap_or_default().as_str_name();
    name.trim_start_matches("CHANNEL_").to_lowercase()
}

/// Reads a channel as on the command line.
pub fn parse_channel(name: &str) -> Result<v1::Channel, String> {
    let known = v1::Channel::from_str_name(&format!("CHANNEL_{}", name.to_uppercase()));
    known
        .filter(|&channel| channel != v1::Channel::Unspecified)
        .ok_or_else(|| "known are email, wechat, app, webhook, sms, dingtalk and feishu".to_owned())
}

/// The lower-case name of a class.
#[must_use]
pub fn class(class: i32) -> String {
    let name = v1::MessageClass::try_from(class).unwrap_or_default().as_str_name();
    name.trim_start_matches("MESSAGE_CLASS_").to_lowercase()
}

/// Reads a class as on the command line.
pub fn parse_class(name: &str) -> Result<v1::MessageClass, String> {
    let known = v1::MessageClass::from_str_name(&format!("MESSAGE_CLASS_{}", name.to_uppercase()));
    known
        .filter(|&class| class != v1::MessageClass::Unspecified)
        .ok_or_else(|| "known are emergency, transactional, notice and bulk".to_owned())
}

/// The lower-case name of a message's state.
#[must_use]
pub fn state(state: i32) -> String {
    let name = v1::MessageState::try_from(state).unwrap_or_default().as_str_name();
    name.trim_start_matches("MESSAGE_STATE_").to_lowercase()
}

/// The lower-case name of an outcome.
#[must_use]
pub fn outcome(outcome: i32) -> String {
    let name = v1::Outcome::try_from(outcome).unwrap_or_default().as_str_name();
    name.trim_start_matches("OUTCOME_").to_lowercase()
}

/// The lower-case name of how a person stands.
#[must_use]
pub fn recipient_state(state: i32) -> String {
    let name = v1::RecipientState::try_from(state).unwrap_or_default().as_str_name();
    name.trim_start_matches("RECIPIENT_STATE_").to_lowercase()
}

/// The counts of a message, one row per channel.
#[must_use]
pub fn counts(counts: &[v1::Counts]) -> Table {
    let mut table =
        table(&["channel", "members", "pending", "sent", "failed", "suppressed", "expired", "cancelled", "unknown"]);
    for row in counts {
        let mut cells = vec![channel(row.channel)];
        let figures =
            [row.members, row.pending, row.sent, row.failed, row.suppressed, row.expired, row.cancelled, row.unknown];
        cells.extend(figures.into_iter().map(number));
        table.add_row(cells);
    }
    table
}

/// What each channel plans to do.
#[must_use]
pub fn plans(plans: &[v1::ChannelPlan]) -> Table {
    let mut table = table(&["channel", "provider", "reachable", "left out", "delayed"]);
    for plan in plans {
        let counts = |rows: &[v1::ReasonCount]| rows.iter().map(reason_count).collect::<Vec<_>>().join(", ");
        let (dropped, delayed) = (counts(&plan.dropped), counts(&plan.delayed));
        table.add_row([channel(plan.channel), plan.provider_id.clone(), number(plan.reachable), dropped, delayed]);
    }
    table
}

fn reason_count(reason: &v1::ReasonCount) -> String {
    match reason.under_five {
        true => format!("{} < 5", reason.reason),
        false => format!("{} {}", reason.reason, number(reason.count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, -50_000, 3_670_000].map(number), ["0", "999", "1,000", "-50,000", "3,670,000"]);
    }

    #[test]
    fn times_are_shown_in_the_campus_zone() {
        let at = prost_types::Timestamp { seconds: 1_788_220_800, nanos: 0 };
        assert!(time(Some(&at)).starts_with("2026-09-01 "), "{}", time(Some(&at)));
        assert_eq!(time(None), "");
    }
}
