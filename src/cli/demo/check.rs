//! The checker. It reads the providers' own logs, and asks the service over gRPC what became of everybody. It never
//! looks into the store.

use std::collections::HashMap;
use std::path::Path;

use futures::stream::{self, StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::super::client::{Failure, Session, timed};
use super::super::watch;
use super::books::{Books, Wrong};
use super::campus::Campus;
use super::day::Day;
use super::plan::Kind;
use super::takeover::Kill;
use campanile::api::v1::{self, Channel};

/// Messages whose recipients are listed at a time.
const AT_ONCE: usize = 8;
/// What the references of the service's own messages begin with.
const OWN: &str = "campanile:";
/// Entries of one page.
const PAGE: i32 = 1_000;

/// Fills the books of a day from the logs in a folder and from the service. Also tells when the service accepted each
/// message, in milliseconds since 1970.
pub async fn check<'a>(
    admin: &Session,
    day: &'a Day<'_>,
    campus: &'a Campus,
    folder: &Path,
    kill: Option<Kill>,
) -> Result<(Books<'a>, HashMap<String, i64>), Failure> {
    let mut books = Books::open(campus, &day.published, kill);
    let (created, own) = listed(admin).await?;
    books.own = own;
    books.read_log(Channel::Email, &folder.join("smtp.log"))?;
    books.read_log(Channel::Wechat, &folder.join("wecom.log"))?;
    books.read_refusals(Channel::Email, &folder.join("smtp.log"));
    books.read_refusals(Channel::Wechat, &folder.join("wecom.log"));
    let bar = watch::bar("checking the books");
    bar.set_length(day.published.len() as u64);
    let shared = Mutex::new(books);
    let list = |message: usize| {
        let (shared, bar) = (&shared, &bar);
        async move {
            recipients(day, shared, message).await?;
            bar.inc(1);
            Ok::<_, Failure>(())
        }
    };
    stream::iter(0..day.published.len()).map(list).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    bar.finish_and_clear();
    let mut books = shared.into_inner();
    books.close();
    strangers(&created, &mut books);
    Ok((books, created))
}

async fn recipients(day: &Day<'_>, books: &Mutex<Books<'_>>, message: usize) -> Result<(), Failure> {
    let published = &day.published[message];
    let mut client = day.reader(published).publish();
    let mut request =
        v1::ListRecipientsRequest { message_id: published.message_id.clone(), page_size: PAGE, ..Default::default() };
    loop {
        let page = client.list_recipients(timed(request.clone())).await?.into_inner();
        books.lock().enter(message, &page.recipients);
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

/// The service must know every message of the day and no other.
fn strangers(created: &HashMap<String, i64>, books: &mut Books<'_>) {
    for one in books.published() {
        if one.plan.kind != Kind::Test && !created.contains_key(&one.message_id) {
            books.fault(Wrong::Missing, format!("message {} was accepted and is not listed", one.message_id));
        }
    }
    for id in created.keys() {
        if books.with_id(id).is_none() && !books.own.contains_key(id) {
            books.fault(Wrong::Duplicated, format!("message {id} is listed and nobody published it"));
        }
    }
}

/// When each message could start, in milliseconds since 1970: when it was accepted, or approved. And the titles of what
/// the service itself had to say, by id.
async fn listed(admin: &Session) -> Result<(HashMap<String, i64>, HashMap<String, String>), Failure> {
    let mut request = v1::ListMessagesRequest { page_size: PAGE, ..Default::default() };
    let (mut found, mut own) = (HashMap::new(), HashMap::new());
    loop {
        let page = admin.publish().list_messages(timed(request.clone())).await?.into_inner();
        for message in page.messages {
            let published = message.publish.unwrap_or_default();
            if published.reference.starts_with(OWN) {
                own.insert(message.message_id.clone(), title(admin, &message.message_id).await?);
            }
            let at = published.send_at.unwrap_or_default();
            found.insert(message.message_id, at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000);
        }
        if page.next_page_token.is_empty() {
            return Ok((found, own));
        }
        request.page_token = page.next_page_token;
    }
}

async fn title(admin: &Session, message_id: &str) -> Result<String, Failure> {
    let view = v1::MessageView::Full.into();
    let request = v1::GetMessageRequest { message_id: message_id.to_owned(), view };
    let answer = admin.publish().get_message(timed(request)).await?.into_inner();
    let content = answer.message.and_then(|message| message.publish).and_then(|published| published.content);
    Ok(match content.and_then(|content| content.source) {
        Some(v1::content::Source::Inline(inline)) => inline.title,
        _ => String::new(),
    })
}
