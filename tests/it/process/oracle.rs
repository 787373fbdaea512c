//! The memory outside the service: every acknowledgement, in a file of its own and synced before it counts.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// What the service has promised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The idempotency key, which is also the title.
    pub key: String,
    /// The id that was answered.
    pub message_id: String,
    /// The numbers of the people it was for, ascending.
    pub people: Vec<usize>,
}

/// Takes acknowledgements; clones share the file.
#[derive(Clone)]
pub struct Oracle {
    queue: Sender<(Ack, oneshot::Sender<()>)>,
    counted: Arc<AtomicUsize>,
    path: PathBuf,
}

impl Oracle {
    /// Starts one on a new file.
    pub fn open(path: &Path) -> Oracle {
        let file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
        let (queue, waiting) = mpsc::channel();
        let counted = Arc::new(AtomicUsize::new(0));
        let counter = counted.clone();
        std::thread::spawn(move || write(file, &waiting, &counter));
        Oracle { queue, counted, path: path.to_owned() }
    }

    /// Notes an acknowledgement; it is on the disk and counted when this returns.
    pub async fn note(&self, ack: Ack) {
        let (done, synced) = oneshot::channel();
        self.queue.send((ack, done)).unwrap();
        synced.await.unwrap();
    }

    /// How many are counted.
    pub fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }

    /// Everything that was noted, from the file.
    pub fn read(&self) -> Vec<Ack> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Those that come together share a sync.
fn write(mut file: File, waiting: &Receiver<(Ack, oneshot::Sender<()>)>, counted: &AtomicUsize) {
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let mut lines = Vec::new();
        for (ack, _) in &group {
            serde_json::to_writer(&mut lines, ack).unwrap();
            lines.push(b'\n');
        }
        file.write_all(&lines).unwrap();
        file.sync_data().unwrap();
        counted.fetch_add(group.len(), Ordering::Relaxed);
        for (_, done) in group {
            // Whoever does not wait any more has its line all the same.
            let _ = done.send(());
        }
    }
}
