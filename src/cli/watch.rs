//! `campanile watch MESSAGE`: follows a message until it is final.

use std::fmt::Write;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use tonic::Request;

use super::client::{Connection, Failure};
use super::print;
use campanile::api::v1;

/// Follows a message; with --json one picture a line-separated document.
pub async fn run(connection: &Connection, message_id: String) -> Result<(), Failure> {
    let session = connection.open().await?;
    let request = Request::new(v1::WatchMessageRequest { message_id });
    let mut pictures = session.publish().watch_message(request).await?.into_inner();
    let bars = Bars::new();
    let mut last = v1::Message::default();
    while let Some(picture) = pictures.message().await? {
        if connection.json {
            print::json("WatchMessageResponse", &picture)?;
        }
        last = picture.message.unwrap_or_default();
        if !connection.json {
            bars.show(&last, picture.per_second);
        }
        if picture.ended {
            break;
        }
    }
    bars.clear();
    if !connection.json {
        println!(
            "{} is {}; {} of {} people reached.",
            last.message_id,
            print::state(last.state),
            print::number(last.reached),
            print::number(last.recipient_count)
        );
        println!("{}", print::counts(&last.counts));
    }
    Ok(())
}

/// One bar per channel on a terminal, otherwise a line for each picture that is another one.
struct Bars {
    all: MultiProgress,
    rows: std::cell::RefCell<Vec<(i32, ProgressBar)>>,
    terminal: bool,
    /// What was said last where there is no terminal: the same is not said again.
    said: std::cell::RefCell<String>,
}

impl Bars {
    fn new() -> Bars {
        Bars {
            all: MultiProgress::new(),
            rows: Default::default(),
            terminal: std::io::stderr().is_terminal(),
            said: Default::default(),
        }
    }

    fn show(&self, message: &v1::Message, per_second: i32) {
        if !self.terminal {
            let settled: i32 = message.counts.iter().map(|counts| counts.members - counts.pending).sum();
            let members: i32 = message.counts.iter().map(|counts| counts.members).sum();
            let mut line = format!("{}: {settled} of {members} settled, {per_second}/s", print::state(message.state));
            if message.pause_reason() == v1::PauseReason::ReviewLapsed {
                line.push_str("; a reviewer has to agree again, see `campanile review show`");
            }
            if self.said.replace(line.clone()) != line {
                eprintln!("{line}");
            }
            return;
        }
        let mut rows = self.rows.borrow_mut();
        for counts in &message.counts {
            let bar = match rows.iter().find(|(channel, _)| *channel == counts.channel) {
                Some((_, bar)) => bar.clone(),
                None => {
                    let bar = self.all.add(bar(&print::channel(counts.channel)));
                    rows.push((counts.channel, bar.clone()));
                    bar
                }
            };
            bar.set_length(u64::try_from(counts.members).unwrap_or(0));
            bar.set_position(u64::try_from(counts.members - counts.pending).unwrap_or(0));
        }
    }

    fn clear(&self) {
        self.all.clear().ok();
    }
}

/// A progress bar on stderr with a label; hidden when that is no terminal.
pub(super) fn bar(label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix:<22} {bar:30} {human_pos:>9}/{human_len:<9} {rate:>9}/s")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // A rate that cannot be written is a rate that is not shown.
            write!(out, "{}", print::number(state.per_sec() as i64)).ok();
        });
    ProgressBar::new(0).with_style(style).with_prefix(label.to_owned())
}
