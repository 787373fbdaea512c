//! Who may issue a user token, and whose inbox one opens.

use std::time::Duration;

use campanile::domain::access::{KeyScope, KeyScopes, Mode};
use campanile::domain::change::{Change, ChangeKind};
use campanile::domain::id::ApplicationId;
use campanile::domain::refusal::Reason;
use campanile::inbox::{Change as Told, Reconnect};

use super::{GATEWAY, Hall, added, caller, next, people};
use crate::store::fixture::NOW;
use crate::store::nth;

fn scopes(scopes: &[KeyScope]) -> KeyScopes {
    scopes.iter().copied().collect()
}

#[tokio::test]
async fn a_gateway_issues_tokens_in_its_keys_own_mode_until_they_end() {
    let hall = Hall::new(2).await;
    let gateway = caller(GATEWAY, Mode::Live, scopes(&[KeyScope::IssueUserTokens]));
    let issued = hall.inboxes.issue(&gateway, "u2", None).await.unwrap();
    assert!(issued.token.starts_with("cpl_user_"));
    let reader = hall.inboxes.verify(&issued.token).unwrap();
    assert_eq!((reader.ordinal, reader.mode, reader.expire_at), (nth(2), Mode::Live, issued.expire_at));
    hall.clock.advance(Duration::from_secs(3_600));
    assert_eq!(hall.inboxes.verify(&issued.token).unwrap_err().reason, Reason::TokenInvalid);
    let test = caller(GATEWAY, Mode::Test, scopes(&[KeyScope::IssueUserTokens]));
    let issued = hall.inboxes.issue(&test, "sim-sent", Some(Duration::from_secs(86_400))).await.unwrap();
    assert_eq!(hall.inboxes.verify(&issued.token).unwrap().mode, Mode::Test);
}

#[tokio::test]
async fn nobody_else_issues_tokens_and_nobody_unknown_gets_one() {
    let hall = Hall::new(1).await;
    let issue = [KeyScope::IssueUserTokens];
    let reason = async |application, granted: &[KeyScope], user: &str, valid_for| {
        let caller = caller(application, Mode::Live, scopes(granted));
        hall.inboxes.issue(&caller, user, valid_for).await.err().map(|refusal| refusal.reason)
    };
    assert_eq!(reason(GATEWAY, &[KeyScope::Publish], "u1", None).await, Some(Reason::ScopeMissing));
    assert_eq!(reason(ApplicationId(10), &issue, "u1", None).await, Some(Reason::ScopeMissing), "no gateway");
    for stranger in ["u2", "1 OR everyone", "administrator", "sim-sent"] {
        assert_eq!(reason(GATEWAY, &issue, stranger, None).await, Some(Reason::UnknownUser), "{stranger}");
    }
    for span in [Duration::ZERO, Duration::from_secs(86_401)] {
        assert_eq!(reason(GATEWAY, &issue, "u1", Some(span)).await, Some(Reason::FieldInvalid));
    }
    for token in ["", "cpl_user_", "cpl_live_0000000000001_x"] {
        assert_eq!(hall.inboxes.verify(token).unwrap_err().reason, Reason::TokenInvalid);
    }
}

#[tokio::test]
async fn tokens_and_streams_end_before_their_time_when_the_persons_epoch_rises() {
    let hall = Hall::new(2).await;
    let gateway = caller(GATEWAY, Mode::Live, scopes(&[KeyScope::IssueUserTokens]));
    let token = async |user| hall.inboxes.issue(&gateway, user, None).await.unwrap().token;
    let (hers, his) = (token("u1").await, token("u2").await);
    let (reader, other) = (hall.inboxes.verify(&hers).unwrap(), hall.inboxes.verify(&his).unwrap());
    let mut stream = hall.inboxes.subscribe(&reader, "").await.unwrap();
    let mut others = hall.inboxes.subscribe(&other, "").await.unwrap();
    let what = ChangeKind::TokensEnded(vec![(nth(1), 1)]);
    hall.index.apply(&[Change { seq: hall.index.seq() + 1, at: NOW, what }]);
    assert!(matches!(next(&mut stream).await.change, Told::Reconnect(Reconnect::TokenExpiring)));
    assert!(stream.next().await.is_none());
    assert_eq!(hall.inboxes.verify(&hers).unwrap_err().reason, Reason::TokenInvalid);
    assert_eq!(hall.inboxes.subscribe(&reader, "").await.err().unwrap().reason, Reason::TokenInvalid);
    assert_eq!(hall.inboxes.verify(&token("u1").await).unwrap().token_epoch, 1, "a new one works");
    // The other one's is none the worse for it.
    assert_eq!(hall.inboxes.verify(&his), Ok(other));
    let message = hall.release(1, people([2])).await;
    assert_eq!(added(&mut others).await, message);
}
