//! A WeCom API with `gettoken` and `message/send`, which delivers application messages into a log.
//!
//! A receipt's id is the link of a text card, else the first line of the text without the `#` of a heading; its
//! content is what the user would read. Users whose id begins with `left_` are invalid (and lower-cased in the
//! answer, as WeCom does), those with `unlicensed_` have no licence. Business errors come inside HTTP 200.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::log::{BreakLog, Log};
use crate::runtime::clock::{SharedClock, SystemClock};
use crate::runtime::tasks::Tasks;

/// The most users of one call.
const USERS_MAX: usize = 1_000;
/// The most bytes of a text; the rest is cut off.
const TEXT_BYTES_MAX: usize = 2_048;
/// The most calls that the duplicate check remembers.
const SEEN_MAX: usize = 1_000_000;
/// How long the duplicate check remembers unless the call says it, in seconds.
const DUPLICATE_CHECK_S: i64 = 1_800;

/// How the stand-in behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where receipts are appended.
    pub log: PathBuf,
    /// The enterprise's id; another one is answered 40013.
    pub corp_id: String,
    /// The application's secret; another one is answered 40001.
    pub secret: String,
    /// The application's number; another one is answered 40056.
    pub agent_id: i64,
    /// How long a token is said to live.
    pub expires_in: Duration,
    /// After so many sends a token has expired, whatever was said (42001).
    pub sends_per_token: Option<u64>,
    /// The send call with this number, from 1, is answered 45009.
    pub throttle_call: Option<u64>,
    /// How many calls from that one on are answered so.
    pub throttle_times: u64,
    /// Waits so long before each answer.
    pub step_delay: Option<Duration>,
    /// Cheats once.
    pub break_log: Option<BreakLog>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            log: PathBuf::new(),
            corp_id: "standin-corp".to_owned(),
            secret: "standin-secret".to_owned(),
            agent_id: 1_000_002,
            expires_in: Duration::from_secs(7_200),
            sends_per_token: None,
            throttle_call: None,
            throttle_times: 1,
            step_delay: None,
            break_log: None,
        }
    }
}

struct Shared {
    options: Options,
    log: Log,
    clock: SharedClock,
    state: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    tokens_n: u64,
    token: Option<Token>,
    calls_n: u64,
    /// What the duplicate check remembers: the call's digest and until when, in milliseconds since 1970.
    seen: HashMap<u64, i64>,
}

struct Token {
    name: String,
    sends_n: u64,
    until_ms: i64,
}

/// A business error: errcode and errmsg.
struct Refused(i64, &'static str);

/// Serves until the tasks are stopped. Fails if the log cannot be opened.
pub fn serve(listener: TcpListener, options: Options, tasks: Tasks) -> BoxFuture<'static, io::Result<()>> {
    Box::pin(async move {
        let log = Log::open(&options.log, options.break_log)?;
        let shared = Arc::new(Shared { options, log, clock: SystemClock::shared(), state: Mutex::default() });
        let router = Router::new()
            .route("/cgi-bin/gettoken", get(gettoken))
            .route("/cgi-bin/message/send", post(send))
            .with_state(shared);
        // Without Nagle's algorithm answers leave at once; failing to say so costs only time.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let stop = tasks.stop_token();
        axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
    })
}

async fn gettoken(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    shared.delay().await;
    let query = query.unwrap_or_default();
    let options = &shared.options;
    let answer = if value(&query, "corpid").as_ref() != Some(&options.corp_id) {
        Refused(40_013, "invalid corpid").json()
    } else if value(&query, "corpsecret").as_ref() != Some(&options.secret) {
        Refused(40_001, "invalid credential").json()
    } else {
        let expires_in = options.expires_in.as_secs();
        json!({"errcode": 0, "errmsg": "ok", "access_token": shared.token(), "expires_in": expires_in})
    };
    Json(answer).into_response()
}

async fn send(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    shared.delay().await;
    let taken = shared.admit(&query.unwrap_or_default()).and_then(|()| shared.deliver(&body));
    let answer = taken.unwrap_or_else(|refused| {
        shared.log.note_refusal(&refused.0.to_string(), refused.1, shared.clock.now().0, "");
        refused.json()
    });
    Json(answer).into_response()
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    touser: String,
    #[serde(default)]
    agentid: i64,
    #[serde(default)]
    msgtype: String,
    text: Option<Text>,
    markdown: Option<Text>,
    textcard: Option<Card>,
    #[serde(default)]
    enable_duplicate_check: u8,
    duplicate_check_interval: Option<i64>,
}

#[derive(Deserialize)]
struct Text {
    content: String,
}

#[derive(Deserialize)]
struct Card {
    title: String,
    description: String,
    url: String,
}

impl Message {
    /// The receipt's id and content.
    fn said(&self) -> Result<(String, String), Refused> {
        let text = match (self.msgtype.as_str(), &self.text, &self.markdown, &self.textcard) {
            ("textcard", _, _, Some(card)) if !card.url.is_empty() && !card.title.is_empty() => {
                return Ok((card.url.clone(), format!("{}\n{}", card.title, card.description)));
            }
            ("text", Some(text), _, _) | ("markdown", _, Some(text), _) => &text.content,
            ("text" | "markdown" | "textcard", ..) => return Err(Refused(44_004, "empty content")),
            _ => return Err(Refused(40_008, "invalid message type")),
        };
        let cut = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let first = cut.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        if first.is_empty() { Err(Refused(44_004, "empty content")) } else { Ok((first.to_owned(), cut.to_owned())) }
    }
}

impl Shared {
    async fn delay(&self) {
        if let Some(delay) = self.options.step_delay {
            tokio::time::sleep(delay).await;
        }
    }

    /// The current token; a new one if that has expired.
    fn token(&self) -> String {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if let Some(token) = state.token.as_ref().filter(|token| self.is_alive(token)) {
            return token.name.clone();
        }
        state.tokens_n += 1;
        let name = format!("standin-token-{}", state.tokens_n);
        state.token = Some(Token { name: name.clone(), sends_n: 0, until_ms: now.plus(self.options.expires_in).0 });
        name
    }

    fn is_alive(&self, token: &Token) -> bool {
        self.clock.now().0 < token.until_ms && self.options.sends_per_token.is_none_or(|max| token.sends_n < max)
    }

    /// Lets a send call in: its token and the number of calls so far decide.
    fn admit(&self, query: &str) -> Result<(), Refused> {
        let mut state = self.state.lock();
        let given = value(query, "access_token").filter(|given| !given.is_empty());
        let given = given.ok_or(Refused(41_001, "access_token missing"))?;
        let token = state.token.as_mut().filter(|token| token.name == given);
        let token = token.ok_or(Refused(40_014, "invalid access_token"))?;
        if !self.is_alive(token) {
            return Err(Refused(42_001, "access_token expired"));
        }
        token.sends_n += 1;
        state.calls_n += 1;
        let throttled = |first| (first..first + self.options.throttle_times).contains(&state.calls_n);
        if self.options.throttle_call.is_some_and(throttled) {
            return Err(Refused(45_009, "api freq out of limit"));
        }
        Ok(())
    }

    fn deliver(&self, body: &[u8]) -> Result<Value, Refused> {
        if has_escape(body) {
            return Err(Refused(40_033, "invalid charset, \\uxxxx in the body"));
        }
        let message: Message = serde_json::from_slice(body).map_err(|_| Refused(47_001, "data format error"))?;
        if message.agentid != self.options.agent_id {
            return Err(Refused(40_056, "invalid agentid"));
        }
        let (id, content) = message.said()?;
        let users: Vec<&str> = message.touser.split('|').filter(|user| !user.is_empty()).collect();
        match users.len() {
            0 => return Err(Refused(81_012, "no receiver is specified")),
            1..=USERS_MAX => {}
            _ => return Err(Refused(40_032, "invalid user list size")),
        }
        let of = |prefix: &'static str| users.iter().filter(move |user| begins(user, prefix));
        let (left, unlicensed) = (join(of("left_")), join(of("unlicensed_")));
        for user in of("left_") {
            self.log.note_refusal("invaliduser", "in the answer", self.clock.now().0, user);
        }
        let reached = || users.iter().copied().filter(|user| !begins(user, "left_") && !begins(user, "unlicensed_"));
        if reached().next().is_none() && unlicensed.is_empty() {
            return Err(Refused(81_013, "user & party & tag all invalid"));
        }
        if self.is_new(&message, body) {
            let logged = self.log.append(&id, &content, self.clock.now().0, "", reached());
            logged.map_err(|_| Refused(-1, "system busy"))?;
        }
        let msgid = format!("standin-{:016x}", digest(body));
        let mut answer = json!({"errcode": 0, "errmsg": "ok", "msgid": msgid});
        for (name, list) in [("invaliduser", left), ("unlicenseduser", unlicensed)] {
            if !list.is_empty() {
                answer[name] = list.into();
            }
        }
        Ok(answer)
    }

    /// Whether the duplicate check lets a call through.
    fn is_new(&self, message: &Message, body: &[u8]) -> bool {
        if message.enable_duplicate_check != 1 {
            return true;
        }
        let now = self.clock.now().0;
        let seconds = message.duplicate_check_interval.unwrap_or(DUPLICATE_CHECK_S).clamp(1, 14_400);
        let mut state = self.state.lock();
        if state.seen.len() >= SEEN_MAX {
            state.seen.retain(|_, until| *until > now);
        }
        let until = state.seen.entry(digest(body)).or_insert(0);
        let is_new = *until <= now;
        if is_new {
            *until = now + seconds * 1_000;
        }
        is_new
    }
}

impl Refused {
    fn json(&self) -> Value {
        json!({"errcode": self.0, "errmsg": self.1})
    }
}

fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

fn begins(user: &str, prefix: &str) -> bool {
    user.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn join<'a>(users: impl Iterator<Item = &'a &'a str>) -> String {
    users.map(|user| user.to_lowercase()).collect::<Vec<_>>().join("|")
}

/// A `\u` escape, and not an escaped backslash before a `u`.
fn has_escape(json: &[u8]) -> bool {
    let mut rest = json.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'\\' && rest.next() == Some(&b'u') {
            return true;
        }
    }
    false
}

/// The decoded value of a name in a query.
fn value(query: &str, name: &str) -> Option<String> {
    let raw = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_and_hostile_ones_are_nothing() {
        assert_eq!(value("a=1&corpid=x%2By%20%E4%B8%AD", "corpid").as_deref(), Some("x+y 中"));
        for query in ["", "corpid", "corpid=%", "corpid=%zz", "corpid=%ff", "xcorpid=1"] {
            assert_eq!(value(query, "corpid"), None, "{query}");
        }
    }

    #[test]
    fn escapes_are_told_from_backslashes() {
        assert!(has_escape(br#""\u4e2d""#) && has_escape(br#""\\\u4e2d""#));
        assert!(!has_escape(br#""\\u4e2d\n""#) && !has_escape(b"\\"));
    }
}
