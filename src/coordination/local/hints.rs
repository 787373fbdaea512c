//! Hints within one process: a node alone tells nobody, and several nodes of one process (as in tests) tell
//! one another.

use tokio::sync::broadcast;

use crate::coordination::{Hint, Hints};

/// Hints that may wait for a slow listener.
const WAITING: usize = 1_024;

/// One node's end of hints within a process.
pub struct LocalHints {
    told_by_me: Vec<broadcast::Sender<Hint>>,
    heard: broadcast::Sender<Hint>,
}

impl LocalHints {
    /// The hints of a node that is alone.
    #[must_use]
    pub fn alone() -> LocalHints {
        LocalHints { told_by_me: Vec::new(), heard: broadcast::channel(1).0 }
    }

    /// The ends of so many nodes that hear one another and not themselves.
    #[must_use]
    pub fn between(nodes: usize) -> Vec<LocalHints> {
        let heard: Vec<_> = (0..nodes).map(|_| broadcast::channel(WAITING).0).collect();
        let others = |me: usize| {
            let others = heard.iter().enumerate().filter(move |(node, _)| *node != me);
            others.map(|(_, sender)| sender.clone()).collect()
        };
        (0..nodes).map(|me| LocalHints { told_by_me: others(me), heard: heard[me].clone() }).collect()
    }
}

impl Hints for LocalHints {
    fn tell(&self, hint: Hint) {
        for other in &self.told_by_me {
            // Nobody listens: nobody needs to know.
            let _ = other.send(hint);
        }
    }

    fn listen(&self) -> broadcast::Receiver<Hint> {
        self.heard.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_hear_one_another_and_not_themselves() {
        let nodes = LocalHints::between(3);
        let mut heard: Vec<_> = nodes.iter().map(Hints::listen).collect();
        nodes[1].tell(Hint::Changed { seq: 7 });
        assert_eq!(heard[0].try_recv(), Ok(Hint::Changed { seq: 7 }));
        assert!(heard[1].try_recv().is_err());
        assert_eq!(heard[2].try_recv(), Ok(Hint::Changed { seq: 7 }));
        LocalHints::alone().tell(Hint::Wake);
    }
}
