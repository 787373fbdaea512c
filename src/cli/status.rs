//! `campanile status`: how the service is, on one page.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::client::{Connection, Failure, Session, timed};
use super::doctor::{judged, show};
use super::print;
use campanile::api::v1;
use campanile::operations::Level;
use campanile::runtime::clock::SystemClock;

/// How often the page is taken anew.
const EVERY: Duration = Duration::from_secs(2);

/// How to show it.
#[derive(Clone, Copy, Debug, Args)]
pub struct StatusArgs {
    /// Show it anew every two seconds, until interrupted
    #[arg(long)]
    watch: bool,
}

/// Everything on the page.
struct Page {
    status: v1::GetStatusResponse,
    providers: v1::ListProvidersResponse,
    nodes: v1::ListNodesResponse,
}

/// Prints the page.
pub async fn run(connection: &Connection, args: StatusArgs) -> Result<(), Failure> {
    let session = connection.open().await?;
    loop {
        let page = Page::take(&session).await?;
        if connection.json {
            page.print_json()?;
        } else {
            if args.watch && std::io::stdout().is_terminal() {
                // Back to the upper left corner, and nothing below it.
                print!("\x1b[H\x1b[2J");
            }
            page.print();
        }
        if !args.watch {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Page {
    async fn take(session: &Session) -> Result<Page, Failure> {
        let mut client = session.operations();
        let status = client.get_status(timed(v1::GetStatusRequest {})).await?.into_inner();
        let all = v1::ListProvidersRequest { page_size: 1_000, ..Default::default() };
        let providers = client.list_providers(timed(all)).await?.into_inner();
        let all = v1::ListNodesRequest { page_size: 1_000, ..Default::default() };
        let nodes = client.list_nodes(timed(all)).await?.into_inner();
        Ok(Page { status, providers, nodes })
    }

    fn print_json(&self) -> Result<(), Failure> {
        let providers = print::json_value("ListProvidersResponse", &self.providers)?;
        let nodes = print::json_value("ListNodesResponse", &self.nodes)?;
        print::value(&json!({
            "status": print::json_value("GetStatusResponse", &self.status)?,
            "providers": providers.get("providers").unwrap_or(&json!([])),
            "nodes": nodes.get("nodes").unwrap_or(&json!([])),
        }))
    }

    fn print(&self) {
        let status = &self.status;
        println!("Campanile {} · answered by node {}", status.version, status.node_id);
        println!("store         {} {}, {}", status.store, status.store_version, status.durability);
        println!("coordination  {}", status.coordination);
        println!("clock         {}", skew(status.clock_skew.as_ref()));
        if status.disk_free_bytes > 0 {
            println!("disk          {} MiB left", print::number(status.disk_free_bytes >> 20));
        }
        println!("books         {}", books(status));
        println!("\n{}", nodes(&self.nodes.nodes));
        if !self.providers.providers.is_empty() {
            println!("\n{}", providers(&self.providers.providers));
        }
        if !status.lanes.is_empty() {
            println!("\n{}", lanes(&status.lanes));
        }
        let unwell: Vec<_> =
            status.checks.iter().cloned().map(judged).filter(|check| check.level > Level::Ok).collect();
        if !unwell.is_empty() {
            println!();
            show(&unwell);
        }
    }
}

fn skew(skew: Option<&prost_types::Duration>) -> String {
    let ms = skew.map_or(0, |skew| skew.seconds * 1_000 + i64::from(skew.nanos) / 1_000_000);
    match ms {
        0 => "agrees with the store's".to_owned(),
        1.. => format!("{ms} ms ahead of the store's"),
        _ => format!("{} ms behind the store's", -ms),
    }
}

fn books(status: &v1::GetStatusResponse) -> String {
    let at = match &status.balanced_at {
        Some(at) => format!("balanced at {}", print::time(Some(at))),
        None => "not checked yet".to_owned(),
    };
    match status.unbalanced_leg_ids.as_slice() {
        [] => at,
        legs => format!("NOT BALANCED: {}; {at}", legs.join(" ")),
    }
}

fn nodes(nodes: &[v1::Node]) -> comfy_table::Table {
    let mut table = print::table(&["node", "name", "state", "roles", "batches", "lease until", "since"]);
    for node in nodes {
        table.add_row([
            node.node_id.clone(),
            node.name.clone(),
            node.state().as_str_name().trim_start_matches("NODE_STATE_").to_lowercase(),
            node.roles.join(" "),
            print::number(node.batches),
            print::time(node.lease_expire_at.as_ref()),
            print::time(node.started_at.as_ref()),
        ]);
    }
    table
}

fn providers(providers: &[v1::Provider]) -> comfy_table::Table {
    let mut table = print::table(&["provider", "state", "waiting", "open", "calls in 5 min", "failed", "last trouble"]);
    for provider in providers {
        let trouble = match provider.last_error_kind.as_str() {
            "" => String::new(),
            kind => format!("{} {kind}: {}", print::time(provider.last_error_at.as_ref()), provider.last_error),
        };
        table.add_row([
            provider.provider_id.clone(),
            provider.state().as_str_name().trim_start_matches("PROVIDER_STATE_").to_lowercase().replace('_', " "),
            print::number(provider.waiting),
            print::number(provider.in_flight),
            print::number(provider.recent_calls),
            print::number(provider.recent_failures),
            trouble,
        ]);
    }
    table
}

fn lanes(lanes: &[v1::LaneDepth]) -> comfy_table::Table {
    let now = SystemClock::shared().now().0 / 1_000;
    let mut table = print::table(&["lane", "channel", "waiting", "held", "oldest"]);
    for lane in lanes {
        let oldest = match lane.oldest_at.as_ref().map(|at| now - at.seconds) {
            None => String::new(),
            Some(age) if age < 0 => format!("due in {} s", -age),
            Some(age) => format!("{age} s"),
        };
        table.add_row([
            lane.lane().as_str_name().trim_start_matches("LANE_").to_lowercase(),
            print::channel(lane.channel),
            print::number(lane.waiting),
            print::number(lane.held),
            oldest,
        ]);
    }
    table
}
