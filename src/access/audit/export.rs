//! The trail as a file: JSON lines with all that is hashed, checkpoints first, so that it can be checked anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, Stream, TryStreamExt};

use super::checkpoint::PAGE as CHECKPOINTS;
use super::verify::PAGE;
use super::{Audit, AuditParts, line};
use crate::access::Caller;
use crate::domain::audit::{Entry, Head};
use crate::domain::refusal::Refusal;
use crate::domain::time::At;

/// Bytes of a piece, about; the longest line has some 50,000.
const PIECE_BYTES: usize = 128 * 1_024;

/// Where an export stands.
enum Step {
    Begin,
    Checkpoints { after: i64 },
    Entries { after: (i64, i64) },
}

/// An export under way.
struct Export {
    parts: Arc<AuditParts>,
    /// How far each chain went when it began.
    heads: BTreeMap<i64, Head>,
    span: (At, At),
    partial: bool,
    /// The last entry that was read, and whether it was written.
    last: Option<(Head, bool)>,
}

impl Audit {
    /// The trail, or what of it lies in a span of time, in pieces of whole lines. It makes a checkpoint first.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, those of the store.
    pub async fn export(
        &self,
        caller: &Caller,
        after: Option<At>,
        before: Option<At>,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Refusal>> + Send + use<>, Refusal> {
        self.read_by(caller).await?;
        self.seal_for_reader().await;
        self.checkpoint().await?;
        let heads = self.parts.store.heads().await?;
        let export = Export {
            parts: self.parts.clone(),
            heads: heads.into_iter().map(|head| (head.epoch, head)).collect(),
            span: (after.unwrap_or(At(i64::MIN)), before.unwrap_or(At(i64::MAX))),
            partial: after.is_some() || before.is_some(),
            last: None,
        };
        let pages = stream::try_unfold((export, Some(Step::Begin)), |(mut export, step)| async move {
            let Some(step) = step else { return Ok::<_, Refusal>(None) };
            let (lines, next) = export.page(step).await?;
            Ok(Some((stream::iter(pieces(lines).into_iter().map(Ok)), (export, next))))
        });
        Ok(pages.try_flatten())
    }
}

impl Export {
    async fn page(&mut self, step: Step) -> Result<(Vec<String>, Option<Step>), Refusal> {
        match step {
            Step::Begin => {
                let first = line::trail(self.parts.signer.public_key(), self.partial);
                Ok((vec![first], Some(Step::Checkpoints { after: 0 })))
            }
            Step::Checkpoints { after } => {
                let page = self.parts.store.checkpoints(after, CHECKPOINTS).await?;
                let next = match page.last() {
                    Some(last) if page.len() == CHECKPOINTS => Step::Checkpoints { after: last.number },
                    _ => Step::Entries { after: (i64::MIN, i64::MIN) },
                };
                Ok((page.iter().map(line::checkpoint).collect(), Some(next)))
            }
            Step::Entries { after } => {
                let page = self.parts.store.chain(after, PAGE).await?;
                let next = page.last().filter(|_| page.len() == PAGE).map(|last| (last.epoch, last.sequence));
                let lines = page.iter().filter_map(|entry| self.entry(entry)).collect();
                Ok((lines, next.map(|after| Step::Entries { after })))
            }
        }
    }

    /// The line of an entry that is in the span. What came after the export began is left to the next one.
    fn entry(&mut self, entry: &Entry) -> Option<String> {
        let last = self.last.filter(|(last, _)| last.epoch == entry.epoch);
        let is_late = self.heads.get(&entry.epoch).is_some_and(|head| entry.sequence > head.sequence);
        let wanted = !is_late && (self.span.0..self.span.1).contains(&entry.at);
        self.last = Some((Head { epoch: entry.epoch, sequence: entry.sequence, hash: entry.hash }, wanted));
        let previous = last.filter(|(_, written)| !written).map(|(last, _)| last.hash);
        wanted.then(|| line::entry(entry, previous.as_ref().filter(|_| self.partial)))
    }
}

/// Lines put together to pieces.
fn pieces(lines: Vec<String>) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        match pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_BYTES => piece.extend(line.as_bytes()),
            _ => pieces.push(line.into_bytes()),
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(b'\n');
        }
    }
    pieces
}
