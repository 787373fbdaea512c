//! Content as a mail: text and HTML side by side, once per leg.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use lettre::address::{Address, Envelope};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use parking_lot::Mutex;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Bytes;
use super::settings::Settings;
use crate::channel::{Call, Sender};
use crate::domain::content::Content;
use crate::domain::id::LegId;
use crate::runtime::clock::SharedClock;

/// Legs whose mail is kept; more legs than this are rarely sent at the same time.
const KEPT_MAX: usize = 64;

/// Makes mails and keeps the latest.
pub(super) struct Renderer {
    from: Address,
    domain: String,
    clock: SharedClock,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    leg: LegId,
    content: Arc<Content>,
    sender: Arc<Sender>,
    bytes: Bytes,
}

impl Kept {
    fn is_of(&self, call: &Call) -> bool {
        self.leg == call.leg
            && (Arc::ptr_eq(&self.content, &call.content) || self.content == call.content)
            && (Arc::ptr_eq(&self.sender, &call.sender) || self.sender == call.sender)
    }
}

impl Renderer {
    pub(super) fn new(settings: &Settings, clock: SharedClock) -> Result<Renderer, String> {
        let from = settings.from.parse().map_err(|_| "email: from must be a mailbox".to_owned())?;
        let domain = settings.message_id_domain().to_owned();
        Ok(Renderer { from, domain, clock, kept: Mutex::default() })
    }

    /// The mail of a call without its To header and without its last CRLF. The error is a sentence.
    pub(super) fn render(&self, call: &Call) -> Result<Bytes, &'static str> {
        if let Some(bytes) = self.kept(call) {
            return Ok(bytes);
        }
        let mut bytes = self.message(call)?.formatted();
        if bytes.ends_with(b"\r\n") {
            bytes.truncate(bytes.len() - 2);
        }
        let bytes: Bytes = bytes.into();
        let (content, sender) = (call.content.clone(), call.sender.clone());
        let mut kept = self.kept.lock();
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(Kept { leg: call.leg, content, sender, bytes: bytes.clone() });
        Ok(bytes)
    }

    fn kept(&self, call: &Call) -> Option<Bytes> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|kept| kept.is_of(call))?;
        if at > 0 {
            let found = kept.remove(at)?;
            kept.push_front(found);
        }
        kept.front().map(|found| found.bytes.clone())
    }

    fn message(&self, call: &Call) -> Result<Message, &'static str> {
        let content = &*call.content;
        let email = content.email.as_ref();
        let subject = email.and_then(|email| email.subject.as_deref()).unwrap_or(&content.title);
        let name = call.sender.name.trim();
        if [subject, name].iter().any(|line| line.chars().any(char::is_control)) {
            return Err("a control character in the subject or the sender's name");
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(self.clock.now().0).unwrap_or(0));
        let mut builder = Message::builder()
            .from(Mailbox::new(name, self.from.clone()))
            .subject(subject)
            .date(date)
            .message_id(Some(format!("<{}.campanile@{}>", call.leg, self.domain)))
            .raw_header(plain("Auto-Submitted", "auto-generated".to_owned()))
            .raw_header(plain("X-Campanile-Leg", call.leg.to_string()))
            // Who really gets it is said by RCPT; lettre only wants to see somebody.
            .envelope(Envelope::new(None, vec![self.from.clone()]).map_err(|_| "no envelope")?);
        if let Some(reply_to) = email.and_then(|email| email.reply_to.as_deref()) {
            builder = builder.reply_to(reply_to.parse().map_err(|_| "Reply-To is not a mailbox")?);
        }
        let parts = MultiPart::alternative()
            .boundary(format!("={}", call.leg))
            .singlepart(SinglePart::plain(text(content, &call.sender)))
            .singlepart(SinglePart::html(html(content, &call.sender)));
        builder.multipart(parts).map_err(|_| "the mail could not be built")
    }
}

fn plain(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// The To header with its CRLF.
pub(super) struct To(Option<String>);

impl To {
    /// Names the recipient only where every transaction has just one, so that a mail never tells whether its
    /// recipient was alone by accident.
    pub(super) fn of(call: &Call, per_call: usize) -> To {
        match call.recipients.as_slice() {
            [only] if per_call == 1 => To(Some(format!("To: {}\r\n", only.address))),
            _ => To(None),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or("To: undisclosed-recipients:;\r\n").as_bytes()
    }
}

fn text(content: &Content, sender: &Sender) -> String {
    let own = content.email.as_ref().and_then(|email| email.text.as_deref());
    let mut text = own.unwrap_or(&content.body).trim_end().to_owned();
    if let Some(link) = &content.link {
        let _ = match &content.link_text {
            Some(name) => write!(text, "\n\n{name}: {link}"),
            None => write!(text, "\n\n{link}"),
        };
    }
    if !sender.name.is_empty() {
        let _ = write!(text, "\n\n-- \n{}", sender.name);
    }
    text.push('\n');
    text
}

fn html(content: &Content, sender: &Sender) -> String {
    let mut html = String::with_capacity(content.body.len() + 1_024);
    html.push_str(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\n\
         <body style=\"margin:0 auto;max-width:40em;padding:1em;font-family:sans-serif;line-height:1.6\">\n<h2>",
    );
    escape(&content.title, &mut html);
    html.push_str("</h2>\n");
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(&content.body, options).map(harmless));
    if let Some(link) = &content.link {
        html.push_str("<p><a style=\"display:inline-block;padding:.6em 1.2em;background:#0b5cad;color:#fff;border-radius:4px;text-decoration:none\" href=\"");
        escape(link, &mut html);
        html.push_str("\">");
        escape(content.link_text.as_deref().unwrap_or(link), &mut html);
        html.push_str("</a></p>\n");
    }
    if !sender.name.is_empty() {
        html.push_str("<hr>\n<p style=\"color:#666\">");
        escape(&sender.name, &mut html);
        html.push_str("</p>\n");
    }
    html.push_str("</body></html>\n");
    html
}

/// Raw HTML is shown and not obeyed; an image becomes a link, because loading it would tell who reads; a link
/// leads to a web page or a mailbox or nowhere.
fn harmless(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Image { link_type, dest_url, title, id } | Tag::Link { link_type, dest_url, title, id }) => {
            let lower = dest_url.trim_start().to_ascii_lowercase();
            let leads = ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
            let dest_url = if leads { dest_url } else { "#".into() };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        other => other,
    }
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}
