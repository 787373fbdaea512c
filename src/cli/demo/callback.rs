//! The message that is called back while it is going out.

use std::time::Duration;

use tokio::time::sleep;

use super::super::client::{Failure, timed};
use super::super::print;
use super::day::Day;
use super::plan;
use campanile::api::v1;

/// Tries to hit the middle; each is a message of its own.
const TRIES: usize = 5;
const POLL_INTERVAL: Duration = Duration::from_millis(4);
/// The message is called back when this share of it is out.
const CANCEL_FROM: f64 = 0.25;
/// Half-way means that both what was sent and what was stopped lie between these shares.
const HALF_WAY: std::ops::RangeInclusive<f64> = 0.1..=0.9;

/// Publishes a notice to everybody by e-mail and calls it back half-way.
pub async fn run(day: &mut Day<'_>) -> Result<(), Failure> {
    for try_n in 0..TRIES {
        let accepted = day.publish(plan::cancelled_notice(try_n)).await?;
        let all = f64::from(accepted.recipient_count);
        let session = day.reader(&day.published[day.published.len() - 1]).clone();
        loop {
            let request = v1::GetMessageRequest { message_id: accepted.message_id.clone(), ..Default::default() };
            let message = session.publish().get_message(timed(request)).await?.into_inner().message.unwrap_or_default();
            let sent: i32 = message.counts.iter().map(|counts| counts.sent).sum();
            if f64::from(sent) >= CANCEL_FROM * all || super::progress::is_final(&message) {
                break;
            }
            sleep(POLL_INTERVAL).await;
        }
        let request =
            v1::CancelMessageRequest { message_id: accepted.message_id.clone(), why: "the water is back".to_owned() };
        let answer = match session.publish().cancel_message(timed(request)).await {
            Ok(answer) => answer.into_inner(),
            // It was over before the call came; the next try may be luckier.
            Err(status) if Failure::from(status.clone()).reason == "MESSAGE_FINISHED" => continue,
            Err(status) => return Err(status.into()),
        };
        let shares = [answer.sent, answer.stopped].map(|n| f64::from(n) / all);
        if shares.iter().all(|share| HALF_WAY.contains(share)) {
            println!(
                "  {} was called back half-way: {} settled, {} stopped, {} in the relay's hands.",
                accepted.message_id,
                print::number(answer.sent),
                print::number(answer.stopped),
                print::number(answer.open)
            );
            return Ok(());
        }
    }
    Err(Failure::refused(format!(
        "no message could be called back half-way in {TRIES} tries; use a larger campus with --users"
    )))
}
