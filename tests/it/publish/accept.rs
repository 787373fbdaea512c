//! What is taken and what is refused; nothing of a refused publish is stored.

use campanile::domain::access::Grant;
use campanile::domain::audience::{Audience, UnknownUsers};
use campanile::domain::batch::STUB_PROVIDER;
use campanile::domain::channel::Channel;
use campanile::domain::class::Class;
use campanile::domain::content::Content;
use campanile::domain::message::{Draft, Expected, MessageState};
use campanile::domain::outcome::Reason as Why;
use campanile::domain::refusal::Reason;
use campanile::domain::time::At;
use campanile::store::Members;

use super::house::{NOW, grant, house, listed, notice, ordinals, refused};

#[tokio::test]
async fn a_notice_is_planned_per_channel_and_its_inbox_leg_is_told() {
    let house = house().await;
    let receipt = house.publisher.publish(&house.library().await, notice("a", "department:cs")).await.unwrap();
    assert_eq!((receipt.recipient_count, receipt.state, receipt.duplicate), (30, MessageState::Open, false));
    let [mail, app] = &receipt.channels[..] else { panic!("{receipt:?}") };
    assert_eq!((mail.channel, &*mail.provider, mail.reachable), (Channel::Email, "email.default", 29));
    assert_eq!(mail.dropped, [(Why::NoAddress, 1)]);
    assert_eq!((app.channel, app.reachable, app.dropped.len()), (Channel::App, 30, 0));
    let shown = std::mem::take(&mut *house.inbox.shown.lock());
    let [leg] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((leg.leg, leg.visible_at), (receipt.message_id.unwrap().leg(2), NOW));
    let Members::Many(members) = &leg.members else { panic!("many people") };
    assert_eq!(**members, ordinals(1..=30));
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_stores_nothing() {
    let house = house().await;
    let library = house.library().await;
    let long = Content { title: "x".into(), body: "y".repeat(101), ..Content::default() };
    let wide = Audience::Users { ids: vec!["u1 OR everyone".into()], unknown: UnknownUsers::Skip };
    let cs = || notice("k", "department:cs");
    let expected = |recipients, tolerance_percent| Some(Expected { recipients, tolerance_percent });
    let table: Vec<(&str, Draft, Reason)> = vec![
        ("outside the grant", notice("k", "everyone"), Reason::AudienceOutsideGrant),
        ("unknown tag", notice("k", "tag:nosuch"), Reason::UnknownTag),
        ("unreadable", notice("k", "department:cs AND"), Reason::AudienceSyntax),
        ("ambiguous", notice("k", "tag:rare AND department:cs OR user:u1"), Reason::AudienceAmbiguous),
        ("nobody", notice("k", "tag:rare AND user:u9"), Reason::EmptyAudience),
        ("injection", Draft { audience: wide, ..cs() }, Reason::FieldInvalid),
        ("unknown user", listed("k", &["u1", "u999"]), Reason::UnknownUser),
        ("simulated user", listed("k", &["sim-sent"]), Reason::UnknownUser),
        ("expression", Draft { class: Class::Transactional, ..cs() }, Reason::ClassNeedsUserList),
        ("class", Draft { class: Class::Emergency, ..cs() }, Reason::ClassNotGranted),
        ("no provider", Draft { channels: vec![Channel::Wechat], ..cs() }, Reason::ChannelNotConfigured),
        ("department", Draft { department_id: Some("law".into()), ..cs() }, Reason::DepartmentNotGranted),
        ("no department", Draft { department_id: Some("x".into()), ..cs() }, Reason::UnknownDepartment),
        ("sender", Draft { sender_user_id: Some("u1".into()), ..cs() }, Reason::SenderNotGranted),
        ("past", Draft { send_at: Some(At(NOW.0 - 61_000)), ..cs() }, Reason::PastSendAt),
        ("expired", Draft { expire_at: Some(NOW), ..cs() }, Reason::ExpireBeforeSend),
        ("too long", Draft { content: long.into(), ..cs() }, Reason::FieldTooLong),
        ("fewer", Draft { expected: expected(34, 10), ..cs() }, Reason::RecipientsUnexpected),
        ("not exactly", Draft { expected: expected(31, 0), ..cs() }, Reason::RecipientsUnexpected),
        ("never answered", Draft { min_directory_seq: Some(1 << 40), ..cs() }, Reason::FieldInvalid),
    ];
    for (what, draft, reason) in table {
        assert_eq!(refused(house.publisher.publish(&library, draft).await), reason, "{what}");
    }
    let admin = house.administrator().await;
    assert_eq!(refused(house.publisher.publish(&admin, cs()).await), Reason::ScopeMissing);
    assert_eq!(house.stored().await, 0);
    assert!(house.delivery.taken.lock().is_empty() && house.inbox.shown.lock().is_empty());
    let near = Draft { expected: expected(33, 10), ..cs() };
    assert_eq!(house.publisher.publish(&library, near).await.unwrap().recipient_count, 30);
}

#[tokio::test]
async fn the_guard_says_what_it_expected_and_found() {
    let house = house().await;
    let expected = Some(Expected { recipients: 10, tolerance_percent: 10 });
    let draft = Draft { expected, ..notice("k", "department:cs") };
    let refusal = house.publisher.publish(&house.library().await, draft).await.unwrap_err();
    assert_eq!(refusal.metadata, [("expected", "10".to_owned()), ("actual", "30".to_owned())]);
}

#[tokio::test]
async fn only_validating_answers_in_full_and_stores_nothing() {
    let house = house().await;
    let draft = Draft { validate_only: true, ..notice("k", "department:cs") };
    let receipt = house.publisher.publish(&house.library().await, draft).await.unwrap();
    assert_eq!((receipt.message_id, receipt.recipient_count, receipt.channels.len()), (None, 30, 2));
    assert_eq!(house.stored().await, 0);
}

#[tokio::test]
async fn a_test_key_gets_the_stub_for_every_leg() {
    let house = house().await;
    house.delivery.room.store(10, std::sync::atomic::Ordering::SeqCst);
    let tester = house.tester().await;
    let receipt = house.publisher.publish(&tester, notice("k", "department:cs")).await.unwrap();
    assert!(receipt.test && receipt.channels.iter().all(|plan| &*plan.provider == STUB_PROVIDER));
    let simulated = listed("s", &["sim-sent", "sim-no-address"]);
    let simulated = house.publisher.publish(&tester, simulated).await.unwrap();
    assert_eq!(simulated.channels[0].reachable, 1);
    let unconfigured = Draft { channels: vec![Channel::Wechat], ..notice("w", "department:cs") };
    house.publisher.publish(&tester, unconfigured).await.unwrap();
    assert!(house.delivery.taken.lock().iter().all(|batch| &*batch.provider == STUB_PROVIDER));
    assert!(house.inbox.shown.lock().is_empty(), "no inbox shows a test message");
    for leg in house.store.messages.legs(receipt.message_id.unwrap()).await.unwrap() {
        assert_eq!(leg.visible_at, None);
    }
}

#[tokio::test]
async fn skipped_users_are_listed_and_repeated_ones_are_warned_of() {
    let house = house().await;
    let ids = ["u1", "u999", "u1", "sim-sent"].map(str::to_owned).to_vec();
    let draft = Draft { audience: Audience::Users { ids, unknown: UnknownUsers::Skip }, ..listed("k", &[]) };
    let receipt = house.publisher.publish(&house.library().await, draft).await.unwrap();
    assert_eq!((receipt.recipient_count, receipt.unknown_user_ids), (1, vec!["u999".into(), "sim-sent".into()]));
    assert_eq!(receipt.warnings.iter().map(|warning| warning.reason).collect::<Vec<_>>(), ["LISTED_TWICE"]);
}

#[tokio::test]
async fn a_daily_quota_is_kept_exactly_and_another_grant_takes_over() {
    let house = house().await;
    let library = house.library().await;
    let limited = Grant { per_day: Some(45), ..grant(1, cs(&house).await) };
    house.store.access.revoke_grant(limited.id, NOW).await.unwrap();
    let limited = Grant { id: campanile::domain::id::GrantId(2), ..limited };
    house.store.access.create_grant(limited.clone()).await.unwrap();
    house.grants.put(house.store.access.grant(campanile::domain::id::GrantId(1)).await.unwrap().unwrap());
    house.grants.put(limited);
    house.publisher.publish(&library, notice("a", "department:cs")).await.unwrap();
    let refusal = house.publisher.publish(&library, notice("b", "department:cs")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::QuotaExhausted);
    assert!(refusal.metadata.contains(&("used", "30".to_owned())), "{refusal:?}");
    let spare = grant(3, cs(&house).await);
    house.store.access.create_grant(spare.clone()).await.unwrap();
    house.grants.put(spare);
    house.publisher.publish(&library, notice("b", "department:cs")).await.unwrap();
}

async fn cs(house: &super::house::House) -> i64 {
    let image = house.store.directory.load().await.unwrap();
    image.departments.iter().find(|one| one.external_id == "cs").unwrap().id
}
