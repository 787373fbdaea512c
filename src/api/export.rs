//! `ExportUser`: all that is kept about a person as one ZIP file, made of what the interface's own calls answer about
//! her. It is read and packed page by page as fast as the caller takes it; nothing waits in memory but one page.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use futures::stream::{self, Stream, TryStreamExt};
use parking_lot::Mutex;
use prost::Message;
use serde_json::json;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

use super::access::requests;
use super::convert::{self, message};
use super::directory::given;
use super::v1::access_service_server::AccessService;
use super::v1::directory_service_server::DirectoryService;
use super::v1::publish_service_server::PublishService;
use super::{Services, error, json, v1};
use crate::access::Caller;
use crate::domain::access::Principal;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::page::PageRequest;
use crate::domain::refusal::{Reason, Refusal};

/// Bytes of a piece.
const PIECE_BYTES: usize = 128 * 1_024;
/// Entries that are read at once.
const PAGE: i32 = 50;

/// What is in the file, in this order. Each is a file of JSON lines with its name.
const CONTENTS: [Part; 9] = [
    Part::About,
    Part::User,
    Part::Roles,
    Part::Keys,
    Part::Grants,
    Part::Requests,
    Part::Messages,
    Part::Deeds,
    Part::Mentions,
];

/// One file of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Of whom the export is, who wanted it, when and why.
    About,
    /// What the directory knows.
    User,
    /// What the person is here for.
    Roles,
    /// Keys, without their secrets.
    Keys,
    /// Rights to send, also those that ended.
    Grants,
    /// Rights that were asked for.
    Requests,
    /// Messages to the person, with their words and what became of them.
    Messages,
    /// What the person did, as the audit trail has it.
    Deeds,
    /// What others did to or looked up about the person.
    Mentions,
}

impl Part {
    fn file(self) -> &'static str {
        match self {
            Part::About => "export.json",
            Part::User => "user.json",
            Part::Roles => "roles.jsonl",
            Part::Keys => "keys.jsonl",
            Part::Grants => "grants.jsonl",
            Part::Requests => "requests.jsonl",
            Part::Messages => "messages.jsonl",
            Part::Deeds => "deeds.jsonl",
            Part::Mentions => "mentions.jsonl",
        }
    }
}

/// The pieces of an export.
pub(super) type Pieces = std::pin::Pin<Box<dyn Stream<Item = Result<v1::ExportUserResponse, Status>> + Send>>;

impl Services {
    /// Everything that is kept about a person.
    pub(super) async fn export(&self, request: Request<v1::ExportUserRequest>) -> Result<Response<Pieces>, Status> {
        let caller = self.caller(request.metadata()).await?;
        let metadata = request.metadata().clone();
        let v1::ExportUserRequest { user_id, why } = request.into_inner();
        let (user_id, deed) = (given("user_id", user_id)?, Deed::of(Action::UserExport));
        convert::why(&why)?;
        let known = self.index.snapshot().users().ordinal(&user_id);
        let deed = deed.on(known.map_or(Object::None, Object::User));
        let ordinal = self.audit.denied(&caller, deed, self.exported(&caller, known)).await?;
        self.audit.record(&caller, deed.over([&why])).await?;
        let packed = Packed::default();
        let export = Export {
            zip: Some(ZipWriter::new_stream(packed.clone())),
            packed,
            services: self.clone(),
            caller,
            metadata,
            user_id,
            ordinal,
            why,
        };
        let pages = stream::try_unfold((export, Place::start()), |(mut export, place)| async move {
            let Some(place) = place else { return Ok::<_, Status>(None) };
            let next = export.step(place).await?;
            let pieces = export.packed.take(next.is_none());
            Ok(Some((stream::iter(pieces.into_iter().map(Ok)), (export, next))))
        });
        let answers = pages.try_flatten().map_ok(|chunk| v1::ExportUserResponse { chunk });
        Ok(Response::new(Box::pin(self.until_drain(answers))))
    }

    /// Whom a caller may export: anybody, for those who run the whole service with a live key.
    fn exported(&self, caller: &Caller, known: Option<u32>) -> Result<u32, Refusal> {
        caller.require_platform(self.clock.now())?;
        caller.require_live()?;
        known.ok_or_else(|| {
            let message = "There is no user with this id; look it up in the directory.";
            Refusal::new(Reason::NotFound, message).field("user_id")
        })
    }
}

/// Where an export stands: the parts to come, and the page of the first of them.
struct Place {
    parts: VecDeque<Part>,
    page_token: Option<String>,
}

impl Place {
    fn start() -> Option<Place> {
        Some(Place { parts: CONTENTS.into(), page_token: None })
    }
}

/// Lines of a page, and the token of the next one if there is any.
type Lines = (Vec<u8>, Option<String>);

/// An export under way.
struct Export {
    /// Until it is finished.
    zip: Option<ZipWriter<StreamWriter<Packed>>>,
    packed: Packed,
    services: Services,
    caller: Caller,
    /// Of the call: with it the parts are asked for.
    metadata: MetadataMap,
    user_id: String,
    ordinal: u32,
    why: String,
}

impl Export {
    /// Packs the next page. Returns where it goes on.
    async fn step(&mut self, mut place: Place) -> Result<Option<Place>, Status> {
        let Some(part) = place.parts.front().copied() else {
            let finished = self.zip.take().map(ZipWriter::finish).transpose();
            return finished.map(|_| None).map_err(|fault| broken(&fault));
        };
        let begins = place.page_token.is_none();
        let (lines, next) = self.page(part, place.page_token.take().unwrap_or_default()).await?;
        if let Some(zip) = &mut self.zip {
            if begins {
                zip.start_file(part.file(), SimpleFileOptions::default()).map_err(|fault| broken(&fault))?;
            }
            zip.write_all(&lines).map_err(|fault| broken(&fault))?;
        }
        if next.is_none() {
            place.parts.pop_front();
        }
        Ok(Some(Place { page_token: next, ..place }))
    }

    async fn page(&self, part: Part, page_token: String) -> Result<Lines, Status> {
        match part {
            Part::About => self.about().map(|lines| (lines, None)),
            Part::User => self.user().await,
            Part::Roles => self.roles(page_token).await,
            Part::Keys => self.keys(page_token).await,
            Part::Grants => self.grants(page_token).await,
            Part::Requests => self.requests(page_token).await,
            Part::Messages => self.messages(page_token).await,
            Part::Deeds => self.events((self.user_id.clone(), String::new()), page_token).await,
            Part::Mentions => self.events((String::new(), format!("user:{}", self.user_id)), page_token).await,
        }
    }

    fn about(&self) -> Result<Vec<u8>, Status> {
        let who = match self.caller.principal {
            Principal::Person(ordinal) => message::person(&self.services.index.snapshot(), ordinal),
            Principal::Application(id) => id.to_string(),
        };
        let at = jiff::Timestamp::from_millisecond(self.services.clock.now().0).map_err(|fault| broken(&fault))?;
        let about = json!({ "userId": self.user_id, "exportedBy": who, "at": at.to_string(), "why": self.why });
        serde_json::to_vec_pretty(&about).map_err(|fault| broken(&fault))
    }

    async fn user(&self) -> Result<Lines, Status> {
        let answer = self.services.get_user(self.ask(v1::GetUserRequest { user_id: self.user_id.clone() })).await?;
        Ok((lines("User", answer.into_inner().user.as_slice())?, None))
    }

    async fn roles(&self, page_token: String) -> Result<Lines, Status> {
        let user_id = self.user_id.clone();
        let wanted = v1::ListRolesRequest { user_id, page_size: PAGE, page_token, ..Default::default() };
        let page = self.services.list_roles(self.ask(wanted)).await?.into_inner();
        Ok((lines("RoleAssignment", &page.assignments)?, convert::some(page.next_page_token)))
    }

    async fn keys(&self, page_token: String) -> Result<Lines, Status> {
        let user_id = self.user_id.clone();
        let wanted = v1::ListKeysRequest { user_id, page_size: PAGE, page_token, ..Default::default() };
        let page = self.services.list_keys(self.ask(wanted)).await?.into_inner();
        Ok((lines("Key", &page.keys)?, convert::some(page.next_page_token)))
    }

    async fn grants(&self, page_token: String) -> Result<Lines, Status> {
        let subject = Some(v1::principal::Subject::UserId(self.user_id.clone()));
        let principal = Some(v1::Principal { subject, ..Default::default() });
        let wanted = v1::ListGrantsRequest { principal, page_size: PAGE, page_token, ..Default::default() };
        let page = self.services.list_grants(self.ask(wanted)).await?.into_inner();
        Ok((lines("Grant", &page.grants)?, convert::some(page.next_page_token)))
    }

    async fn requests(&self, page_token: String) -> Result<Lines, Status> {
        let page = PageRequest { size: PAGE.unsigned_abs() as usize, after: convert::some(page_token) };
        let found = self.services.admin.requests_of(&self.caller, self.ordinal, &page).await?;
        let made: Vec<v1::Request> = found.items.iter().map(|one| requests::shown(&self.services, one)).collect();
        Ok((lines("Request", &made)?, found.next))
    }

    /// The history with the words of each message.
    async fn messages(&self, page_token: String) -> Result<Lines, Status> {
        let user_id = self.user_id.clone();
        let wanted = v1::ListUserHistoryRequest { user_id, page_size: PAGE, page_token, ..Default::default() };
        let page = self.services.list_user_history(self.ask(wanted)).await?.into_inner();
        let mut text = Vec::new();
        for entry in &page.entries {
            let view = v1::MessageView::Full.into();
            let wanted = v1::GetMessageRequest { message_id: entry.message_id.clone(), view };
            let message = self.services.get_message(self.ask(wanted)).await?.into_inner().message;
            let content = message.and_then(|message| message.publish?.content).unwrap_or_default();
            text.extend([br#"{"entry":"#, line("HistoryEntry", entry)?.trim_ascii_end()].concat());
            text.extend([br#","content":"#, line("Content", &content)?.trim_ascii_end(), b"}\n"].concat());
        }
        Ok((text, convert::some(page.next_page_token)))
    }

    async fn events(&self, (actor, object_id): (String, String), page_token: String) -> Result<Lines, Status> {
        let wanted = v1::ListAuditEventsRequest { actor, object_id, page_size: PAGE, page_token, ..Default::default() };
        let page = self.services.list_audit_events(self.ask(wanted)).await?.into_inner();
        Ok((lines("AuditEvent", &page.events)?, convert::some(page.next_page_token)))
    }

    /// A call of the same caller.
    fn ask<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.metadata.clone(), Extensions::default(), message)
    }
}

fn lines<M: Message>(name: &str, messages: &[M]) -> Result<Vec<u8>, Status> {
    let each: Vec<Vec<u8>> = messages.iter().map(|message| line(name, message)).collect::<Result<_, _>>()?;
    Ok(each.concat())
}

fn line<M: Message>(name: &str, message: &M) -> Result<Vec<u8>, Status> {
    json::line(name, message).map_err(|fault| broken(&fault))
}

/// The file could not be written, into memory: a fault of ours.
fn broken(fault: &dyn std::fmt::Display) -> Status {
    tracing::error!(%fault, "an export of a person broke off");
    error::status(&Refusal::new(Reason::Internal, "The export broke off; the operator's log says why."))
}

/// Packed bytes that nobody has taken yet.
#[derive(Clone, Default)]
struct Packed(Arc<Mutex<Vec<u8>>>);

impl Packed {
    /// Whole pieces; at the end also what is left.
    fn take(&self, end: bool) -> Vec<Vec<u8>> {
        let mut waiting = self.0.lock();
        let whole = waiting.len() / PIECE_BYTES * PIECE_BYTES;
        let take = if end { waiting.len() } else { whole };
        let taken: Vec<u8> = waiting.drain(..take).collect();
        taken.chunks(PIECE_BYTES).map(<[u8]>::to_vec).collect()
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
