//! Messages that refer to earlier ones.

use campanile::api::v1;
use tonic::Status;

use crate::support::app::{Campus, TestApp, letter, notice, user_id};
use crate::support::refusal::refused;

fn tie(kind: v1::RelationKind, message_id: &str) -> Option<v1::Relation> {
    Some(v1::Relation { kind: kind.into(), message_id: message_id.to_owned(), ..Default::default() })
}

/// A publish whose people follow from the earlier message.
fn tied(key: &str, kind: v1::RelationKind, message_id: &str) -> v1::PublishRequest {
    v1::PublishRequest { audience: None, relation: tie(kind, message_id), ..letter(key, &[]) }
}

async fn accepted(app: &TestApp, token: &str, wanted: v1::PublishRequest) -> v1::PublishResponse {
    app.publish(token).publish(wanted).await.unwrap().into_inner()
}

async fn denied(app: &TestApp, token: &str, wanted: v1::PublishRequest) -> Status {
    app.publish(token).publish(wanted).await.unwrap_err()
}

async fn related(app: &TestApp, token: &str, message_id: &str) -> Vec<(v1::RelationKind, String, bool)> {
    let wanted = v1::GetMessageRequest { message_id: message_id.to_owned(), ..Default::default() };
    let message = app.publish(token).get_message(wanted).await.unwrap().into_inner().message.unwrap();
    message.related.iter().map(|one| (one.kind(), one.message_id.clone(), one.incoming)).collect()
}

async fn people(app: &TestApp, campus: &Campus, message_id: &str) -> Vec<String> {
    let wanted = v1::ListRecipientsRequest { message_id: message_id.to_owned(), ..Default::default() };
    let listed = app.publish(&campus.live).list_recipients(wanted).await.unwrap().into_inner();
    listed.recipients.into_iter().map(|one| one.user_id).collect()
}

async fn into_tag(app: &TestApp, tag: &str, add: &[&str], remove: &[&str]) -> i64 {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let edit = v1::EditTagMembersRequest { tag: tag.to_owned(), add: ids(add), remove: ids(remove) };
    let edited = app.directory(&app.admin).edit_tag_members(tokio_stream::iter([edit])).await.unwrap().into_inner();
    edited.directory_seq
}

#[tokio::test]
async fn a_correction_is_shown_on_both_messages() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let wrong = accepted(&app, &campus.live, notice("1", "department:cs")).await.message_id;
    let relation = tie(v1::RelationKind::Corrects, &wrong);
    let wanted = v1::PublishRequest { relation, ..notice("2", "department:cs") };
    let right = accepted(&app, &campus.live, wanted.clone()).await;
    assert_eq!(
        related(&app, &campus.live, &right.message_id).await,
        [(v1::RelationKind::Corrects, wrong.clone(), false)]
    );
    let corrected = (v1::RelationKind::Corrects, right.message_id.clone(), true);
    assert_eq!(related(&app, &campus.live, &wrong).await, [corrected]);
    let again = accepted(&app, &campus.live, wanted).await;
    assert_eq!((again.message_id, again.duplicate), (right.message_id, true));

    let other = app.application("Laboratory", "math").await;
    app.grant(&other, v1::Grant { department_ids: vec!["school".to_owned()], ..Default::default() }).await;
    let (_, foreign) = app.key(&other, v1::KeyMode::Live, &[v1::KeyScope::Publish, v1::KeyScope::Read]).await;
    let about =
        |id: &str| v1::PublishRequest { relation: tie(v1::RelationKind::Corrects, id), ..notice("3", "department:cs") };
    for (token, id) in [(&foreign, wrong.as_str()), (&campus.test, &wrong), (&campus.live, "msg_0000000000001")] {
        let denial = refused(&denied(&app, token, about(id)).await);
        assert_eq!((denial.reason.as_str(), denial.field.as_str()), ("NOT_FOUND", "relation.message_id"));
    }
}

#[tokio::test]
async fn an_all_clear_goes_once_to_the_people_of_the_alarm() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let classes = vec![v1::MessageClass::Emergency.into(), v1::MessageClass::Notice.into()];
    app.grant(
        &campus.application,
        v1::Grant { department_ids: vec!["school".to_owned()], classes, ..Default::default() },
    )
    .await;
    let emergency =
        |wanted: v1::PublishRequest| v1::PublishRequest { message_class: v1::MessageClass::Emergency.into(), ..wanted };
    let alarm = accepted(&app, &campus.live, emergency(notice("1", "grade:2022 AND department:cs"))).await;
    assert_eq!(alarm.recipient_count, 5);
    into_tag(&app, "grade:2022", &["u001"], &["u016"]).await;

    let wanted = emergency(tied("2", v1::RelationKind::AllClearFor, &alarm.message_id));
    let clear = accepted(&app, &campus.live, wanted.clone()).await;
    assert_eq!(people(&app, &campus, &clear.message_id).await, people(&app, &campus, &alarm.message_id).await);
    assert!(accepted(&app, &campus.live, wanted).await.duplicate);
    let second = emergency(tied("3", v1::RelationKind::AllClearFor, &alarm.message_id));
    assert_eq!(refused(&denied(&app, &campus.live, second).await).reason, "ALREADY_ALL_CLEAR");
    let ordinary = accepted(&app, &campus.live, notice("4", "department:cs")).await.message_id;
    let denial = refused(&denied(&app, &campus.live, tied("5", v1::RelationKind::AllClearFor, &ordinary)).await);
    assert_eq!((denial.reason.as_str(), denial.field.as_str()), ("FIELD_INVALID", "relation.message_id"));
    let beside = v1::PublishRequest {
        relation: tie(v1::RelationKind::AllClearFor, &alarm.message_id),
        ..notice("6", "department:cs")
    };
    assert_eq!(refused(&denied(&app, &campus.live, beside).await).field, "audience");
}

#[tokio::test]
async fn what_follows_goes_to_those_who_joined_since() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let first = accepted(&app, &campus.live, notice("1", "grade:2022 AND department:cs")).await;
    let follows = |key: &str, id: &str| tied(key, v1::RelationKind::Follows, id);
    let denial = refused(&denied(&app, &campus.live, follows("2", &first.message_id)).await);
    assert_eq!((denial.reason.as_str(), denial.field.as_str()), ("EMPTY_AUDIENCE", "relation.message_id"));

    let seq = into_tag(&app, "grade:2022", &["u001", "u002"], &["u016"]).await;
    let relation = tie(v1::RelationKind::Follows, &first.message_id);
    let preview = v1::PreviewAudienceRequest { relation, ..Default::default() };
    let shown = app.publish(&campus.live).preview_audience(preview).await.unwrap().into_inner();
    assert_eq!((shown.recipient_count, shown.allowed), (2, true), "{shown:?}");
    let after = |wanted: v1::PublishRequest, seq| v1::PublishRequest { min_directory_seq: seq, ..wanted };
    let second = accepted(&app, &campus.live, after(follows("3", &first.message_id), seq)).await;
    assert_eq!(people(&app, &campus, &second.message_id).await, [user_id(1), user_id(2)]);
    let repeated = accepted(&app, &campus.live, after(follows("3", &first.message_id), seq)).await;
    assert!(repeated.duplicate, "nobody is left, and yet the same answer");

    let seq = into_tag(&app, "grade:2022", &["u003"], &[]).await;
    let third = accepted(&app, &campus.live, after(follows("4", &second.message_id), seq)).await;
    assert_eq!(people(&app, &campus, &third.message_id).await, [user_id(3)], "it follows the first one too");
    let ties = related(&app, &campus.live, &first.message_id).await;
    let want = [&second, &third].map(|one| (v1::RelationKind::Follows, one.message_id.clone(), true));
    assert_eq!(ties, want);
    let list = accepted(&app, &campus.live, letter("5", &["u001"])).await.message_id;
    assert_eq!(refused(&denied(&app, &campus.live, follows("6", &list)).await).reason, "FIELD_INVALID", "a list");
}
