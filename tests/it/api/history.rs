//! What one person was sent.

use campanile::api::v1;
use tonic::{Code, Status};

use crate::support::app::{TestApp, letter, notice, user_id};
use crate::support::refusal::refused;

fn of(user_id: &str) -> v1::ListUserHistoryRequest {
    v1::ListUserHistoryRequest { user_id: user_id.to_owned(), ..Default::default() }
}

async fn history(app: &TestApp, token: &str, wanted: v1::ListUserHistoryRequest) -> v1::ListUserHistoryResponse {
    app.publish(token).list_user_history(wanted).await.unwrap().into_inner()
}

async fn denied(app: &TestApp, token: &str, wanted: v1::ListUserHistoryRequest) -> Status {
    app.publish(token).list_user_history(wanted).await.unwrap_err()
}

fn ids(answer: &v1::ListUserHistoryResponse) -> Vec<&str> {
    answer.entries.iter().map(|entry| entry.message_id.as_str()).collect()
}

async fn accepted(app: &TestApp, token: &str, wanted: v1::PublishRequest) -> String {
    app.publish(token).publish(wanted).await.unwrap().into_inner().message_id
}

#[tokio::test]
async fn a_history_holds_letters_and_broadcasts_with_what_became_of_each() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let first = accepted(&app, &campus.live, notice("1", "department:cs")).await;
    let second = accepted(&app, &campus.live, letter("2", &["u003"])).await;
    accepted(&app, &campus.live, notice("3", "department:math")).await;
    accepted(&app, &campus.test, notice("4", "department:cs")).await;
    let later = v1::PublishRequest {
        send_at: Some(std::time::SystemTime::now().checked_add(std::time::Duration::from_secs(3_600)).unwrap().into()),
        ..notice("5", "department:cs")
    };
    let scheduled = accepted(&app, &campus.live, later).await;
    let reader = app.user_token(&campus, &user_id(3)).await;
    let which = v1::mark_read_request::Which::MessageIds(v1::MessageIds { message_ids: vec![first.clone()] });
    let read = v1::MarkReadRequest { which: Some(which) };
    app.inbox(&reader).mark_read(read).await.unwrap();

    let whole = history(&app, &campus.live, of(&user_id(3))).await;
    assert_eq!((ids(&whole), whole.next_page_token.as_str()), (vec![second.as_str(), &first], ""), "newest first");
    let (letter, broadcast) = (&whole.entries[0], &whole.entries[1]);
    assert_eq!((letter.title.as_str(), letter.department_id.as_str()), ("补考通知", "cs"));
    assert_eq!((letter.application_id.as_str(), letter.sender_user_id.as_str()), (campus.application.as_str(), ""));
    assert_eq!((letter.state(), letter.deliveries.len()), (v1::RecipientState::Sent, 1));
    assert_eq!(letter.deliveries[0].outcome(), v1::Outcome::Sent);
    assert!(letter.sent_at.is_some());
    assert_eq!(broadcast.state(), v1::RecipientState::Read);
    assert_eq!(broadcast.deliveries[0].receipts[0].kind(), v1::ReceiptKind::Read);

    let cancel = v1::CancelMessageRequest { message_id: scheduled.clone(), ..Default::default() };
    app.publish(&campus.live).cancel_message(cancel).await.unwrap();
    let whole = history(&app, &campus.live, of(&user_id(3))).await;
    assert_eq!(ids(&whole), [&second, &first], "what was stopped before its time was sent to nobody");
    let states = |state: v1::RecipientState| v1::ListUserHistoryRequest { states: vec![state.into()], ..of("u003") };
    assert_eq!(ids(&history(&app, &campus.live, states(v1::RecipientState::Read)).await), [&first]);
    assert_eq!(ids(&history(&app, &campus.live, states(v1::RecipientState::Failed)).await), Vec::<&str>::new());
    let mail = v1::ListUserHistoryRequest { channel: v1::Channel::Email.into(), ..of("u003") };
    assert_eq!(ids(&history(&app, &campus.live, mail).await), Vec::<&str>::new());
    let since = v1::ListUserHistoryRequest { after: letter.sent_at, ..of("u003") };
    assert!(ids(&history(&app, &campus.live, since).await).contains(&second.as_str()));
    let until = v1::ListUserHistoryRequest { before: broadcast.sent_at, ..of("u003") };
    assert_eq!(ids(&history(&app, &campus.live, until).await), Vec::<&str>::new());
    let test = history(&app, &campus.test, of("u003")).await;
    assert_eq!(test.entries.len(), 1, "a test key sees what test keys sent");
}

#[tokio::test]
async fn a_history_goes_on_page_by_page() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut want = Vec::new();
    for n in 0..7 {
        let wanted = if n % 2 == 0 { notice(&format!("{n}"), "everyone") } else { letter(&format!("{n}"), &["u003"]) };
        want.insert(0, accepted(&app, &campus.live, wanted).await);
    }
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let wanted = v1::ListUserHistoryRequest { page_size: 3, page_token: token, ..of("u003") };
        let page = history(&app, &campus.live, wanted).await;
        assert!(page.entries.len() <= 3 && !page.entries.is_empty());
        found.extend(page.entries.into_iter().map(|entry| entry.message_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, want);
    let first = v1::ListUserHistoryRequest { page_size: 3, ..of("u003") };
    let token = history(&app, &campus.live, first).await.next_page_token;
    let other = v1::ListUserHistoryRequest { page_size: 3, page_token: token, ..of("u004") };
    assert_eq!(refused(&denied(&app, &campus.live, other).await).reason, "PAGE_TOKEN_INVALID", "another's list");
}

#[tokio::test]
async fn an_application_sees_its_own_messages_and_an_administrator_all() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let first = accepted(&app, &campus.live, notice("1", "everyone")).await;
    let other = app.application("Laboratory", "math").await;
    app.grant(&other, v1::Grant { department_ids: vec!["school".to_owned()], ..Default::default() }).await;
    let (_, both) = app.key(&other, v1::KeyMode::Live, &[v1::KeyScope::Publish, v1::KeyScope::Read]).await;
    let (_, mute) = app.key(&other, v1::KeyMode::Live, &[v1::KeyScope::Publish]).await;
    let second = accepted(&app, &both, letter("1", &["u003"])).await;
    assert_eq!(ids(&history(&app, &campus.live, of("u003")).await), [&first]);
    assert_eq!(ids(&history(&app, &both, of("u003")).await), [&second]);
    assert_eq!(ids(&history(&app, &app.admin, of("u003")).await), [&second, &first]);

    let denial = denied(&app, &mute, of("u003")).await;
    assert_eq!((denial.code(), refused(&denial).reason.as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    assert_eq!(refused(&denied(&app, &both, of("nobody")).await).reason, "UNKNOWN_USER");
    assert_eq!(refused(&denied(&app, &both, of("")).await).reason, "FIELD_REQUIRED");
    let wrong = v1::ListUserHistoryRequest { states: vec![99], ..of("u003") };
    assert_eq!(refused(&denied(&app, &both, wrong).await).reason, "FIELD_INVALID");
}
