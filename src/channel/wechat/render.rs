//! Content as the body of WeCom's message/send: the same bytes for the same batch, whenever it is built, since WeCom's
//! duplicate check compares bytes.

use serde::Serialize;

use crate::domain::content::{Content, WechatContent, WechatForm};

/// The longest text or Markdown, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;
/// The longest title of a text card, in bytes.
const TITLE_BYTES_MAX: usize = 128;
/// The longest description of a text card, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 512;
/// The longest link of a text card, in bytes.
const LINK_BYTES_MAX: usize = 2_048;
/// The longest name of a text card's button, in characters.
const BUTTON_CHARS_MAX: usize = 4;

/// Content that is too long for WeCom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too long for WeChat: {actual} {unit}, at most {limit}")]
pub struct TooLong {
    /// The field of the request that has to become shorter.
    pub field: &'static str,
    /// The most WeCom takes.
    pub limit: usize,
    /// How much it would be.
    pub actual: usize,
    /// `bytes` (of UTF-8; a Chinese character has three) or `characters`.
    pub unit: &'static str,
}

/// Whether WeCom would take the content whole; longer texts would be cut there. Asked when a message is accepted.
pub fn check(content: &Content) -> Result<(), TooLong> {
    let own = own(content);
    let text_field = if own.text.is_some() { "content.wechat.text" } else { "content.inline.body" };
    let bytes = |field, limit, actual| longest(field, limit, actual, "bytes");
    match Form::of(content) {
        Form::Text { content } | Form::Markdown { content } => bytes(text_field, TEXT_BYTES_MAX, content.len()),
        Form::TextCard { title, description, url, .. } => {
            let described =
                if own.description.is_some() { "content.wechat.description" } else { "content.inline.summary" };
            bytes("content.inline.title", TITLE_BYTES_MAX, title.len())?;
            bytes(described, DESCRIPTION_BYTES_MAX, description.len())?;
            bytes("content.inline.link", LINK_BYTES_MAX, url.len())?;
            let button = own.button_text.as_deref().unwrap_or_default().chars().count();
            longest("content.wechat.button_text", BUTTON_CHARS_MAX, button, "characters")
        }
    }
}

fn longest(field: &'static str, limit: usize, actual: usize, unit: &'static str) -> Result<(), TooLong> {
    if actual <= limit { Ok(()) } else { Err(TooLong { field, limit, actual, unit }) }
}

/// The body of one call. `touser` holds the users joined by `|`.
pub(super) fn body(content: &Content, touser: &str, agent_id: u32, duplicate_check_s: u64) -> Result<Vec<u8>, String> {
    let message = Message {
        touser,
        agentid: agent_id,
        form: Form::of(content),
        enable_duplicate_check: 1,
        duplicate_check_interval: duplicate_check_s,
    };
    serde_json::to_vec(&message).map_err(|_| "the message could not be built".to_owned())
}

#[derive(Serialize)]
struct Message<'a> {
    touser: &'a str,
    agentid: u32,
    #[serde(flatten)]
    form: Form,
    enable_duplicate_check: u8,
    duplicate_check_interval: u64,
}

/// `"msgtype": "text", "text": {…}` and so on.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    Text { content: String },
    Markdown { content: String },
    TextCard { title: String, description: String, url: String, button: Option<String> },
}

impl Form {
    /// A text card needs a link; without one it is Markdown.
    fn of(content: &Content) -> Form {
        let own = own(content);
        let text = own.text.as_deref().map(tidy);
        match (own.form, &content.link) {
            (WechatForm::Text, _) => Form::Text { content: text.unwrap_or_else(|| plain(content)) },
            (WechatForm::Auto | WechatForm::TextCard, Some(link)) => Form::TextCard {
                title: tidy(&content.title),
                description: own.description.as_deref().map_or_else(|| tidy(&content.summary_text()), tidy),
                url: link.clone(),
                button: button(content, own),
            },
            _ => Form::Markdown { content: text.unwrap_or_else(|| markdown(content)) },
        }
    }
}

impl Serialize for Form {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Text<'a> {
            content: &'a str,
        }
        #[derive(Serialize)]
        struct Card<'a> {
            title: &'a str,
            description: &'a str,
            url: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            btntxt: Option<&'a str>,
        }
        #[derive(Serialize)]
        #[serde(tag = "msgtype", rename_all = "lowercase")]
        enum Wire<'a> {
            Text { text: Text<'a> },
            Markdown { markdown: Text<'a> },
            TextCard { textcard: Card<'a> },
        }
        match self {
            Form::Text { content } => Wire::Text { text: Text { content } },
            Form::Markdown { content } => Wire::Markdown { markdown: Text { content } },
            Form::TextCard { title, description, url, button } => {
                Wire::TextCard { textcard: Card { title, description, url, btntxt: button.as_deref() } }
            }
        }
        .serialize(serializer)
    }
}

fn own(content: &Content) -> &WechatContent {
    static NOTHING: WechatContent =
        WechatContent { form: WechatForm::Auto, text: None, description: None, button_text: None };
    content.wechat.as_ref().unwrap_or(&NOTHING)
}

/// The button's own name, or the link's if it is short enough; else WeCom's default.
fn button(content: &Content, own: &WechatContent) -> Option<String> {
    let link_text = content.link_text.as_deref().filter(|text| text.chars().count() <= BUTTON_CHARS_MAX);
    own.button_text.as_deref().or(link_text).map(tidy)
}

fn plain(content: &Content) -> String {
    let mut text = content.title.clone();
    for part in [Some(content.body.as_str()), content.link.as_deref()].into_iter().flatten() {
        push_paragraph(&mut text, "\n", part);
    }
    tidy(&text)
}

fn markdown(content: &Content) -> String {
    let mut text = format!("# {}", content.title);
    push_paragraph(&mut text, "\n", &content.body);
    if let Some(link) = &content.link {
        let name = content.link_text.as_deref().unwrap_or(link);
        push_paragraph(&mut text, "\n\n", &format!("[{name}]({link})"));
    }
    tidy(&text)
}

fn push_paragraph(text: &mut String, between: &str, part: &str) {
    let part = part.trim_end();
    if !part.is_empty() {
        text.push_str(between);
        text.push_str(part);
    }
}

/// Lines end in one character, and no other control characters: JSON would escape those as `\u00..`, which WeCom refuses.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(content: &Content) -> String {
        String::from_utf8(body(content, "a|b", 7, 1_800).unwrap()).unwrap()
    }

    fn with_form(form: WechatForm) -> Content {
        let wechat = Some(WechatContent { form, ..WechatContent::default() });
        Content { title: "标题".to_owned(), body: "正文\r\n\u{1}x".to_owned(), wechat, ..Content::default() }
    }

    #[test]
    fn each_form_has_its_bytes() {
        let tail = r#","enable_duplicate_check":1,"duplicate_check_interval":1800}"#;
        let text = r#"{"touser":"a|b","agentid":7,"msgtype":"text","text":{"content":"标题\n正文\nx"}"#;
        assert_eq!(json(&with_form(WechatForm::Text)), format!("{text}{tail}"));
        let markdown = r##"{"touser":"a|b","agentid":7,"msgtype":"markdown","markdown":{"content":"# 标题\n正文\nx"}"##;
        assert_eq!(json(&with_form(WechatForm::Auto)), format!("{markdown}{tail}"));
        let link = Some("https://e.cn/1".to_owned());
        let card = Content { link, link_text: Some("查看".to_owned()), ..with_form(WechatForm::Auto) };
        let expected = r#"{"touser":"a|b","agentid":7,"msgtype":"textcard","textcard":{"title":"标题","description":"正文 x","url":"https://e.cn/1","btntxt":"查看"}"#;
        assert_eq!(json(&card), format!("{expected}{tail}"));
    }

    #[test]
    fn no_escapes_that_wecom_refuses() {
        let content = Content { body: "\u{0}\u{1f}\u{7f}\u{85}😀".to_owned(), ..Content::default() };
        assert!(!json(&content).contains("\\u"));
    }

    #[test]
    fn lengths_are_counted_in_bytes_and_name_their_field() {
        let long = |field, limit, actual| Err(TooLong { field, limit, actual, unit: "bytes" });
        let body = Content { body: "汉".repeat(700), ..with_form(WechatForm::Text) };
        assert_eq!(check(&body), long("content.inline.body", 2_048, 6 + 1 + 2_100));
        let link = Some("https://e.cn".to_owned());
        let title = Content { title: "汉".repeat(43), link: link.clone(), ..Content::default() };
        assert_eq!(check(&title), long("content.inline.title", 128, 129));
        assert_eq!(check(&Content { title: "汉".repeat(42), link: link.clone(), ..Content::default() }), Ok(()));
        let longest_summary = Content { summary: Some("😀".repeat(120)), link, ..Content::default() };
        assert_eq!(check(&longest_summary), Ok(()), "a valid summary always fits");
    }
}
