//! One person's case.

use campanile::api::v1;
use tonic::Request;

use crate::support::app::{TestApp, letter, notice, user_id};
use crate::support::refusal::refused;

async fn explain(app: &TestApp, token: &str, message_id: &str, user_id: &str) -> v1::ExplainRecipientResponse {
    let wanted = v1::ExplainRecipientRequest { message_id: message_id.to_owned(), user_id: user_id.to_owned() };
    app.publish(token).explain_recipient(wanted).await.unwrap().into_inner()
}

fn clauses(explained: &v1::ExplainRecipientResponse) -> Vec<(&str, bool)> {
    explained.clauses.iter().map(|one| (one.clause.as_str(), one.matched)).collect()
}

#[tokio::test]
async fn whoever_was_meant_learns_by_which_clause_even_after_the_directory_changed() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let text = "(grade:2022 OR department:math OR user:u001) AND NOT user:u016";
    let accepted = app.publish(&campus.live).publish(notice("e-1", text)).await.unwrap().into_inner();
    let message = accepted.message_id.as_str();

    let explained = explain(&app, &campus.live, message, &user_id(25)).await;
    assert!(explained.in_snapshot && !explained.clauses_as_of_now);
    let wanted = [("grade:2022", true), ("department:math", true), ("user:u001", false), ("user:u016", false)];
    assert_eq!(clauses(&explained), wanted);
    assert_eq!(explained.sentence, "u025 was meant, by `grade:2022`, `department:math`; it was sent.");
    assert_eq!(explained.recipient.unwrap().deliveries.len(), 1);

    // She leaves grade:2022 and the message's clauses stay as they were.
    let edit =
        v1::EditTagMembersRequest { tag: "grade:2022".to_owned(), remove: vec![user_id(25)], ..Default::default() };
    app.directory(&app.admin).edit_tag_members(tokio_stream::iter([edit])).await.unwrap();
    assert_eq!(clauses(&explain(&app, &campus.live, message, &user_id(25)).await), wanted);

    let single = app.publish(&campus.live).publish(notice("e-2", "department:cs")).await.unwrap().into_inner();
    let explained = explain(&app, &campus.live, &single.message_id, &user_id(3)).await;
    assert_eq!(clauses(&explained), [("department:cs", true)]);
    let list = app.publish(&campus.live).publish(letter("e-3", &["u003"])).await.unwrap().into_inner();
    let mut wanted = Request::new(v1::ExplainRecipientRequest { message_id: list.message_id, user_id: user_id(3) });
    wanted.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    let explained = app.publish(&campus.live).explain_recipient(wanted).await.unwrap().into_inner();
    assert_eq!((explained.sentence.as_str(), explained.clauses.len()), ("u003 属于本消息的受众（名单），已发出。", 0));
}

#[tokio::test]
async fn whoever_was_not_meant_learns_so_and_only_an_administrator_why() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let text = "department:cs AND NOT grade:2022";
    let message = app.publish(&campus.live).publish(notice("e-1", text)).await.unwrap().into_inner().message_id;

    let explained = explain(&app, &campus.live, &message, &user_id(16)).await;
    assert!(!explained.in_snapshot && explained.recipient.is_none() && explained.clauses.is_empty());
    assert_eq!(explained.sentence, "u016 was not among the people of this message.");
    let explained = explain(&app, &app.admin, &message, &user_id(16)).await;
    assert_eq!(
        (clauses(&explained), explained.clauses_as_of_now),
        (vec![("department:cs", true), ("grade:2022", true)], true)
    );

    let wanted = |message: &str, user: &str| v1::ExplainRecipientRequest {
        message_id: message.to_owned(),
        user_id: user.to_owned(),
    };
    let mut client = app.publish(&campus.live);
    for (message, user, reason) in [
        (message.as_str(), "nobody", "UNKNOWN_USER"),
        (message.as_str(), "", "FIELD_REQUIRED"),
        ("msg_0000000000001", "u001", "NOT_FOUND"),
    ] {
        let status = client.explain_recipient(wanted(message, user)).await.unwrap_err();
        assert_eq!(refused(&status).reason, reason, "{user}");
    }
    let other = app.application("Laboratory", "math").await;
    let (_, token) = app.key(&other, v1::KeyMode::Live, &[v1::KeyScope::Read]).await;
    let status = app.publish(&token).explain_recipient(wanted(&message, "u001")).await.unwrap_err();
    assert_eq!(refused(&status).reason, "NOT_FOUND", "it is not theirs");
}
