//! What a message says, from the wire and back.

use super::{absent, invalid, not_yet, required, some, text};
use crate::api::v1;
use crate::domain::channel::Channel;
use crate::domain::content::{
    AppContent, BODY_BYTES_MAX, Content, EmailContent, SUMMARY_CHARS_MAX, TITLE_CHARS_MAX, WechatContent, WechatForm,
};
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};

const LINK_TEXT_CHARS_MAX: usize = 64;
const WECHAT_TEXT_BYTES_MAX: usize = 2_048;
const WECHAT_DESCRIPTION_BYTES_MAX: usize = 512;
const WECHAT_BUTTON_CHARS_MAX: usize = 4;
const DEEP_LINK_CHARS_MAX: usize = 2_048;

/// The language of content that names none; the only one served yet.
const LOCALE: &str = "zh-CN";

/// The content of a publish.
///
/// # Errors
/// Whatever is wrong with a field, by its path from `content`.
pub fn from_wire(content: v1::Content) -> Result<Content, Refusal> {
    let inline = match content.source {
        Some(v1::content::Source::Inline(inline)) => inline,
        Some(v1::content::Source::Template(_)) => return Err(not_yet("content.template")),
        None => return Err(required("content.inline")),
    };
    absent(content.webhook.is_none(), "content.webhook")?;
    absent(content.sms.is_none(), "content.sms")?;
    let mut shared = inline_from(inline)?;
    shared.email = content.email.map(email_from).transpose()?;
    shared.wechat = content.wechat.map(wechat_from).transpose()?;
    shared.app = content.app.map(app_from).transpose()?;
    Ok(shared)
}

fn inline_from(inline: v1::Inline) -> Result<Content, Refusal> {
    if line::is_blank(&inline.title) {
        return Err(required("content.inline.title"));
    }
    line::one_line("content.inline.title", &inline.title, TITLE_CHARS_MAX)?;
    text::block("content.inline.body", &inline.body, BODY_BYTES_MAX)?;
    line::one_line("content.inline.summary", &inline.summary, SUMMARY_CHARS_MAX)?;
    line::one_line("content.inline.link_text", &inline.link_text, LINK_TEXT_CHARS_MAX)?;
    if !inline.link.is_empty() {
        text::link("content.inline.link", &inline.link)?;
    }
    for (path, value) in [
        ("content.inline.title", &inline.title),
        ("content.inline.body", &inline.body),
        ("content.inline.summary", &inline.summary),
        ("content.inline.link", &inline.link),
        ("content.inline.link_text", &inline.link_text),
    ] {
        text::without_placeholders(path, value)?;
    }
    absent(inline.attachments.is_empty(), "content.inline.attachments")?;
    absent(inline.translations.is_empty(), "content.inline.translations")?;
    absent(inline.locale.is_empty() || inline.locale == LOCALE, "content.inline.locale")?;
    Ok(Content {
        title: inline.title,
        body: inline.body,
        summary: some(inline.summary),
        link: some(inline.link),
        link_text: some(inline.link_text),
        email: None,
        wechat: None,
        app: None,
    })
}

fn email_from(email: v1::EmailContent) -> Result<EmailContent, Refusal> {
    absent(email.html.is_empty(), "content.email.html")?;
    line::one_line("content.email.subject", &email.subject, TITLE_CHARS_MAX)?;
    text::without_placeholders("content.email.subject", &email.subject)?;
    text::block("content.email.text", &email.text, BODY_BYTES_MAX)?;
    text::without_placeholders("content.email.text", &email.text)?;
    if !email.reply_to.is_empty() && !Channel::Email.accepts_address(&email.reply_to) {
        return Err(invalid("content.email.reply_to", "is not one plain mailbox such as office@example.edu"));
    }
    Ok(EmailContent { subject: some(email.subject), text: some(email.text), reply_to: some(email.reply_to) })
}

fn wechat_from(wechat: v1::WechatContent) -> Result<WechatContent, Refusal> {
    absent(wechat.slots.is_empty(), "content.wechat.slots")?;
    absent(wechat.provider_id.is_empty(), "content.wechat.provider_id")?;
    let form = match v1::WechatForm::try_from(wechat.form) {
        Ok(v1::WechatForm::Unspecified | v1::WechatForm::Auto) => WechatForm::Auto,
        Ok(v1::WechatForm::Text) => WechatForm::Text,
        Ok(v1::WechatForm::Markdown) => WechatForm::Markdown,
        Ok(v1::WechatForm::TextCard) => WechatForm::TextCard,
        Ok(v1::WechatForm::News | v1::WechatForm::MiniProgram) => return Err(not_yet("content.wechat.form")),
        Err(_) => return Err(invalid("content.wechat.form", "names no form of a WeChat message")),
    };
    for (path, value, limit) in [
        ("content.wechat.text", &wechat.text, WECHAT_TEXT_BYTES_MAX),
        ("content.wechat.description", &wechat.description, WECHAT_DESCRIPTION_BYTES_MAX),
    ] {
        text::block(path, value, limit).map_err(for_wechat)?;
        text::without_placeholders(path, value)?;
    }
    line::one_line("content.wechat.button_text", &wechat.button_text, WECHAT_BUTTON_CHARS_MAX).map_err(for_wechat)?;
    text::without_placeholders("content.wechat.button_text", &wechat.button_text)?;
    Ok(WechatContent {
        form,
        text: some(wechat.text),
        description: some(wechat.description),
        button_text: some(wechat.button_text),
    })
}

fn for_wechat(refusal: Refusal) -> Refusal {
    if refusal.reason == Reason::FieldTooLong { refusal.with("channel", Channel::Wechat) } else { refusal }
}

fn app_from(app: v1::AppContent) -> Result<AppContent, Refusal> {
    absent(app.image_url.is_empty(), "content.app.image_url")?;
    absent(app.data.is_none(), "content.app.data")?;
    absent(!app.silent, "content.app.silent")?;
    absent(!app.confirm_button, "content.app.confirm_button")?;
    line::one_line("content.app.banner_title", &app.banner_title, TITLE_CHARS_MAX)?;
    line::one_line("content.app.banner_text", &app.banner_text, TITLE_CHARS_MAX)?;
    line::one_line("content.app.deep_link", &app.deep_link, DEEP_LINK_CHARS_MAX)?;
    for (path, value) in [
        ("content.app.banner_title", &app.banner_title),
        ("content.app.banner_text", &app.banner_text),
        ("content.app.deep_link", &app.deep_link),
    ] {
        text::without_placeholders(path, value)?;
    }
    Ok(AppContent {
        banner_title: some(app.banner_title),
        banner_text: some(app.banner_text),
        deep_link: some(app.deep_link),
    })
}

/// The content as the wire carries it.
#[must_use]
pub fn to_wire(content: &Content) -> v1::Content {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let inline = v1::Inline {
        title: content.title.clone(),
        body: content.body.clone(),
        summary: text(&content.summary),
        link: text(&content.link),
        link_text: text(&content.link_text),
        locale: LOCALE.to_owned(),
        ..Default::default()
    };
    v1::Content {
        source: Some(v1::content::Source::Inline(inline)),
        email: content.email.as_ref().map(|email| v1::EmailContent {
            subject: text(&email.subject),
            html: String::new(),
            text: text(&email.text),
            reply_to: text(&email.reply_to),
        }),
        wechat: content.wechat.as_ref().map(|wechat| v1::WechatContent {
            form: form_number(wechat.form),
            text: text(&wechat.text),
            description: text(&wechat.description),
            button_text: text(&wechat.button_text),
            ..Default::default()
        }),
        app: content.app.as_ref().map(|app| v1::AppContent {
            banner_title: text(&app.banner_title),
            banner_text: text(&app.banner_text),
            deep_link: text(&app.deep_link),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn form_number(form: WechatForm) -> i32 {
    match form {
        WechatForm::Auto => v1::WechatForm::Auto,
        WechatForm::Text => v1::WechatForm::Text,
        WechatForm::Markdown => v1::WechatForm::Markdown,
        WechatForm::TextCard => v1::WechatForm::TextCard,
    }
    .into()
}
