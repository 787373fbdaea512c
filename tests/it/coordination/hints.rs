//! Hints reach the other nodes, and whoever may have missed some is told to look.

use std::time::Duration;

use campanile::coordination::{Hint, Hints, Mode};
use campanile::domain::id::LegId;
use campanile::domain::time::At;
use tokio::sync::broadcast::Receiver;

use super::{Nodes, Server};

const SOON: Duration = Duration::from_secs(10);
const SPAN: Duration = Duration::from_secs(1);

/// Waits for a hint; others may come before it.
async fn hear(heard: &mut Receiver<Hint>, wanted: Hint) {
    let found = async { while heard.recv().await.unwrap() != wanted {} };
    tokio::time::timeout(SOON, found).await.unwrap_or_else(|_| panic!("never heard {wanted:?}"));
}

/// Tells until it is heard: whoever is told before the subscription stands hears nothing.
async fn tell_until_heard(from: &dyn Hints, heard: &mut Receiver<Hint>, hint: Hint) {
    let telling = async {
        loop {
            from.tell(hint);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = hear(heard, hint) => {}
        () = telling => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_hear_a_hint_and_the_teller_does_not() {
    let Some(server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 2, 100, SPAN);
    nodes.all(Mode::Redis, SOON).await;
    let (one, two) = (nodes.nodes[0].redis.hints(), nodes.nodes[1].redis.hints());
    let (mut own, mut other) = (one.listen(), two.listen());
    tell_until_heard(&*one, &mut other, Hint::Wake).await;
    let shown = Hint::Shown { leg: LegId(0x1231), visible_at: At(99), only: Some(7) };
    one.tell(shown);
    hear(&mut other, shown).await;
    two.tell(Hint::Changed { seq: 12 });
    hear(&mut own, Hint::Changed { seq: 12 }).await;
    let heard: Vec<Hint> = std::iter::from_fn(|| own.try_recv().ok()).collect();
    assert!(!heard.contains(&shown) && !heard.contains(&Hint::Wake), "{heard:?}");
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_subscription_comes_back_by_itself_and_says_to_catch_up() {
    let Some(mut server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 2, 100, SPAN);
    nodes.all(Mode::Redis, SOON).await;
    let (one, two) = (nodes.nodes[0].redis.hints(), nodes.nodes[1].redis.hints());
    let mut heard = two.listen();
    tell_until_heard(&*one, &mut heard, Hint::Changed { seq: 1 }).await;

    // An operator's tool, or a proxy, ends all connections.
    server.say(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    hear(&mut heard, Hint::CatchUp).await;
    tell_until_heard(&*one, &mut heard, Hint::Changed { seq: 2 }).await;

    server.redis.kill().unwrap();
    hear(&mut heard, Hint::CatchUp).await;
    server.redis.resume().unwrap();
    tell_until_heard(&*one, &mut heard, Hint::Changed { seq: 3 }).await;
    nodes.stop().await;
}
