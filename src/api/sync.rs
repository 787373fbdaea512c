//! A whole source by stream: read to its end, and answered with how far it is and, last, how it differs.

use futures::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::convert::{directory as convert_directory, invalid, required, sync as convert_sync};
use super::v1::sync_directory_request::Part;
use super::{Services, v1};
use crate::access::{Caller, Origin};
use crate::directory::{SyncProgress, SyncRun, SyncTotals};
use crate::domain::audit::{Action, Deed};

/// Answers that may wait for a slow reader; progress beyond them is not told.
const WAITING: usize = 16;
/// How often the reading is told, in people.
const TELL_EVERY: u64 = 1_000;

type Answer = Result<v1::SyncDirectoryResponse, Status>;

/// Who sends a source, with what token.
pub(super) struct Sender {
    pub(super) services: Services,
    pub(super) caller: Caller,
    pub(super) token: String,
    pub(super) origin: Origin,
}

/// The answers to a source. The work is done while the client reads them; who goes away ends it.
pub(super) fn answers(sender: Sender, parts: Streaming<v1::SyncDirectoryRequest>) -> impl Stream<Item = Answer> {
    let (tell, told) = mpsc::channel(WAITING);
    let work = async move {
        let last = sender.take_over(parts, &tell).await;
        // Nobody reads any more if the client has gone.
        let _ = tell.send(last).await;
    };
    stream::select(ReceiverStream::new(told), stream::once(work).filter_map(|()| async { None }))
}

impl Sender {
    async fn take_over(&self, mut parts: Streaming<v1::SyncDirectoryRequest>, tell: &mpsc::Sender<Answer>) -> Answer {
        let Some(Part::Header(header)) = next(&mut parts).await? else { return Err(required("header").into()) };
        let run = self.services.registrar.sync(&self.caller, convert_sync::draft(header));
        let mut run = self.services.audit.denied(&self.caller, Deed::of(Action::DirectorySync), run).await?;
        let progress = |progress: SyncProgress| {
            // A picture that a slow reader misses is followed by another.
            let _ = tell.try_send(Ok(convert_sync::progress(progress)));
        };
        let totals = read(&mut parts, &mut run, progress).await?;
        // The source may have taken its time; who may begin a sync may not be who may end it.
        self.services.again(&self.caller, &self.token, self.origin)?;
        let id = run.id;
        let done = run.finish(totals, progress).await?;
        Ok(convert_sync::done(id, done))
    }
}

/// Reads a source to its end.
async fn read(
    parts: &mut Streaming<v1::SyncDirectoryRequest>,
    run: &mut SyncRun,
    progress: impl Fn(SyncProgress),
) -> Result<SyncTotals, Status> {
    loop {
        match next(parts).await? {
            Some(Part::Department(row)) => run.department(convert_directory::department_draft(Some(row))?)?,
            Some(Part::User(row)) => {
                let id = row.user_id.clone();
                run.user(&id, convert_directory::user_draft(Some(row)))?;
            }
            Some(Part::End(end)) => {
                if next(parts).await?.is_some() {
                    return Err(invalid("end", "stands last; send nothing after it").into());
                }
                return Ok(convert_sync::totals(&end)?);
            }
            Some(Part::Header(_)) => return Err(invalid("header", "stands first and once").into()),
            None => return Err(required("end").into()),
        }
        if run.progress().users.is_multiple_of(TELL_EVERY) {
            progress(run.progress());
        }
    }
}

async fn next(parts: &mut Streaming<v1::SyncDirectoryRequest>) -> Result<Option<Part>, Status> {
    match super::directory::next(parts).await? {
        None => Ok(None),
        Some(piece) => piece.part.map(Some).ok_or_else(|| required("part").into()),
    }
}
