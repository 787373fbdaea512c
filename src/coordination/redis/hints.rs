//! Hints through Redis: gathered into few messages, told to whoever listens now.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::standing::{Stand, Standing};
use crate::coordination::{Hint, Hints};

/// Hints that wait to be told.
const WAITING: usize = 4_096;
/// Hints in one message.
const GROUP: usize = 512;

/// Hints between nodes.
pub(super) struct RedisHints {
    queue: mpsc::Sender<Hint>,
    heard: broadcast::Sender<Hint>,
}

/// Tells what is in the queue.
pub(super) struct Teller {
    queue: mpsc::Receiver<Hint>,
}

impl RedisHints {
    /// Hints that are told by the teller; what others tell arrives in `heard`.
    pub(super) fn new(heard: broadcast::Sender<Hint>) -> (RedisHints, Teller) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (RedisHints { queue, heard }, Teller { queue: waiting })
    }
}

impl Hints for RedisHints {
    fn tell(&self, hint: Hint) {
        // A full queue drops it: the others poll.
        let _ = self.queue.try_send(hint);
    }

    fn listen(&self) -> broadcast::Receiver<Hint> {
        self.heard.subscribe()
    }
}

impl Teller {
    /// Tells until shutdown. While Redis is away hints are dropped.
    pub(super) async fn run(mut self, link: Link, standing: Arc<Standing>, stop: CancellationToken) {
        let mut group = Vec::new();
        loop {
            let n = tokio::select! {
                biased;
                () = stop.cancelled() => 0,
                n = self.queue.recv_many(&mut group, GROUP) => n,
            };
            if n == 0 {
                return;
            }
            let words = words(&group);
            group.clear();
            if !words.is_empty() && standing.stand() == Stand::Signed {
                // A hint that is lost is found in the store.
                let _ = link.publish(&words).await;
            }
        }
    }
}

/// The words of some hints, each once; of the change feed only the last.
fn words(group: &[Hint]) -> Vec<String> {
    let changes = group.iter().filter_map(|hint| if let Hint::Changed { seq } = hint { Some(*seq) } else { None });
    let last = changes.max().map(|seq| Hint::Changed { seq });
    let mut told = HashSet::new();
    let others = group.iter().filter(|hint| !matches!(hint, Hint::Changed { .. }));
    others.filter(|hint| told.insert(**hint)).chain(&last).filter_map(Hint::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_everything_once_and_the_last_change_only() {
        let group = [Hint::Wake, Hint::Changed { seq: 3 }, Hint::Wake, Hint::Changed { seq: 9 }, Hint::CatchUp];
        assert_eq!(words(&group), ["w", "c:9"]);
        assert!(words(&[]).is_empty());
    }
}
