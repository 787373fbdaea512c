//! `campanile report`: deliveries added up over a span of days.

use super::client::{Connection, Failure, timed};
use super::print;
use campanile::api::v1;
use campanile::runtime::clock::SystemClock;

const DAY_SECONDS: i64 = 86_400;

/// Which totals.
#[derive(Clone, Debug, clap::Args)]
pub struct ReportArgs {
    /// How many days back, today included
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    days: i64,
    /// month, day, department, application, channel, class, outcome; may be repeated
    #[arg(long = "by", value_name = "GROUP", value_parser = parse_group, default_values = ["channel", "outcome"])]
    by: Vec<v1::GroupBy>,
    /// Only this application
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    application: String,
    /// Only this department and those under it
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    department: String,
}

fn parse_group(name: &str) -> Result<v1::GroupBy, String> {
    let known = v1::GroupBy::from_str_name(&format!("GROUP_BY_{}", name.to_uppercase()));
    known
        // The service does not keep totals by topic yet.
        .filter(|&group| !matches!(group, v1::GroupBy::Unspecified | v1::GroupBy::Topic))
        .ok_or_else(|| "known are month, day, department, application, channel, class and outcome".to_owned())
}

/// Prints the totals.
pub async fn run(connection: &Connection, args: ReportArgs) -> Result<(), Failure> {
    let session = connection.open().await?;
    let now = SystemClock::shared().now().0 / 1_000;
    let start_at = prost_types::Timestamp { seconds: now - (args.days - 1) * DAY_SECONDS, nanos: 0 };
    let request = v1::GetReportRequest {
        start_at: Some(start_at),
        group_by: args.by.iter().map(|&group| group.into()).collect(),
        application_id: args.application,
        department_id: args.department,
        ..Default::default()
    };
    let answer = session.report().get_report(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("GetReportResponse", &answer);
    }
    let names: Vec<_> = args.by.iter().map(|&group| group_name(group)).collect();
    let mut header: Vec<&str> = names.iter().map(String::as_str).collect();
    header.extend(["deliveries", "messages", "people"]);
    let mut table = print::table(&header);
    for row in &answer.rows {
        let mut cells: Vec<_> = args.by.iter().map(|&group| cell(row, group)).collect();
        cells.push(print::number(row.deliveries));
        // Not every group's messages and people are kept; 0 says so.
        cells.extend([row.messages, row.people].map(|n| if n == 0 { String::new() } else { print::number(n) }));
        table.add_row(cells);
    }
    println!("{table}");
    Ok(())
}

fn group_name(group: v1::GroupBy) -> String {
    group.as_str_name().trim_start_matches("GROUP_BY_").to_lowercase()
}

fn cell(row: &v1::ReportRow, group: v1::GroupBy) -> String {
    match group {
        v1::GroupBy::Unspecified => String::new(),
        v1::GroupBy::Month => row.month.clone(),
        v1::GroupBy::Day => row.day.clone(),
        v1::GroupBy::Department => row.department_id.clone(),
        v1::GroupBy::Application => row.application_id.clone(),
        v1::GroupBy::Channel => print::channel(row.channel),
        v1::GroupBy::Class => print::class(row.message_class),
        v1::GroupBy::Topic => row.topic.clone(),
        v1::GroupBy::Outcome => print::outcome(row.outcome),
    }
}
