//! Live streams: nothing is lost between list and stream, between two streams, or while many publish.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use campanile::domain::id::MessageId;
use campanile::domain::page::PageRequest;
use campanile::domain::refusal::Reason;
use campanile::inbox::{Change, Inboxes, ListFilter, Reader, Reconnect, STREAMS_PER_USER, Which};

use super::{Hall, added, next, people, reader};

#[tokio::test]
async fn a_stream_goes_on_where_the_list_ended() {
    let hall = Hall::new(2).await;
    hall.release(1, people([1, 2])).await;
    let (_, page) = hall.inbox(&reader(1), false).await;
    let missed = [hall.release(2, people([1])).await, hall.release(3, people([1, 2])).await];
    hall.release(4, people([2])).await;
    let mut stream = hall.inboxes.subscribe(&reader(1), &page.cursor).await.unwrap();
    let live = hall.release(5, people([1])).await;
    assert_eq!([added(&mut stream).await, added(&mut stream).await], missed);
    assert_eq!(added(&mut stream).await, live);
    let mut fresh = hall.inboxes.subscribe(&reader(2), "").await.unwrap();
    let last = hall.release(6, people([1, 2])).await;
    assert_eq!(added(&mut fresh).await, last, "without a cursor from now on");
}

#[tokio::test]
async fn a_committed_message_that_is_not_told_yet_comes_once() {
    let hall = Hall::new(2).await;
    let late = hall.store(1, people([1])).await;
    let mut open = hall.inboxes.subscribe(&reader(1), "").await.unwrap();
    let (listed, page) = hall.inbox(&reader(1), false).await;
    let message = late.leg.message();
    assert_eq!(listed, [message]);
    hall.inboxes.shown(late);
    let mut stream = hall.inboxes.subscribe(&reader(1), &page.cursor).await.unwrap();
    let next = hall.release(2, people([1])).await;
    assert_eq!(added(&mut stream).await, next, "the list had the first");
    assert_eq!([added(&mut open).await, added(&mut open).await], [message, next], "the stream had it from the list");
    assert_eq!(hall.inbox(&reader(1), false).await.0, [next, message]);
}

#[tokio::test]
async fn a_cursor_outlives_a_restart() {
    let hall = Hall::new(2).await;
    hall.release(1, people([1, 2])).await;
    let (_, page) = hall.inbox(&reader(1), false).await;
    hall.clock.advance(Duration::from_secs(60));
    let missed = [hall.release(2, people([1])).await, hall.release(3, people([1, 2])).await];
    let hall = hall.again().await;
    let mut stream = hall.inboxes.subscribe(&reader(1), &page.cursor).await.unwrap();
    let live = hall.release(4, people([1])).await;
    assert_eq!([added(&mut stream).await, added(&mut stream).await], missed);
    assert_eq!(added(&mut stream).await, live);
    let refused = hall.inboxes.subscribe(&reader(1), "nonsense").await.err().unwrap();
    assert_eq!(refused.reason, Reason::FieldInvalid);
}

#[tokio::test]
async fn streams_hear_of_marks_and_of_what_vanished() {
    let hall = Hall::new(2).await;
    let shown = hall.store(1, people([1, 2])).await;
    let message = shown.leg.message();
    hall.inboxes.shown(shown.clone());
    let mut stream = hall.inboxes.subscribe(&reader(1), "").await.unwrap();
    hall.inboxes.mark_read(&reader(1), Which::Messages(vec![message])).await.unwrap();
    assert!(matches!(next(&mut stream).await.change, Change::Read { message: read, .. } if read == message));
    let unread = next(&mut stream).await;
    assert!(matches!(unread.change, Change::Unread(0)));
    drop(stream);
    hall.inboxes.hidden(shown.leg);
    let mut stream = hall.inboxes.subscribe(&reader(1), &unread.cursor).await.unwrap();
    assert!(matches!(next(&mut stream).await.change, Change::Removed(gone) if gone == message));
}

#[tokio::test]
async fn streams_are_counted_and_end_with_a_reason() {
    let hall = Hall::new(2).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_PER_USER {
        streams.push(hall.inboxes.subscribe(&reader(1), "").await.unwrap());
    }
    let refused = hall.inboxes.subscribe(&reader(1), "").await.err().unwrap();
    assert_eq!(refused.reason, Reason::StreamsExhausted);
    let other = hall.inboxes.subscribe(&reader(2), "").await.unwrap();
    assert_eq!(hall.inboxes.streams(), STREAMS_PER_USER + 1);
    drop((streams.split_off(1), other));
    assert_eq!(hall.inboxes.streams(), 1);
    let mut short = hall.inboxes.subscribe(&Reader { expire_at: super::NOW, ..reader(2) }, "").await.unwrap();
    assert!(matches!(next(&mut short).await.change, Change::Reconnect(Reconnect::TokenExpiring)));
    assert!(short.next().await.is_none());
    assert!(hall.tasks.stop(Duration::from_secs(5)).await);
    assert!(matches!(next(&mut streams[0]).await.change, Change::Reconnect(Reconnect::Draining(_))));
}

#[tokio::test]
async fn who_reads_too_slowly_comes_back_and_has_missed_nothing() {
    let hall = Hall::new(2).await;
    let mut stream = hall.inboxes.subscribe(&reader(1), "").await.unwrap();
    let mut sent = Vec::new();
    for n in 1..=100 {
        sent.push(hall.release(n, people([1, 2])).await);
    }
    let mut got = Vec::new();
    let mut ends = 0;
    while got.len() < sent.len() {
        let event = next(&mut stream).await;
        match event.change {
            Change::Added(item) => got.push(item.leg.message()),
            Change::Reconnect(why) => {
                assert_eq!(why, Reconnect::TooSlow);
                ends += 1;
                stream = hall.inboxes.subscribe(&reader(1), &event.cursor).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((got, ends), (sent, 1));
}

#[tokio::test]
async fn one_release_reaches_two_thousand_streams() {
    let hall = Hall::new(2_000).await;
    let mut streams = Vec::new();
    for n in 1..=2_000 {
        streams.push(hall.inboxes.subscribe(&reader(n), "").await.unwrap());
    }
    let message = hall.release(1, people(1..=1_999)).await;
    for stream in &mut streams[..1_999] {
        assert_eq!(added(stream).await, message);
    }
    let own = hall.release(2, people([2_000])).await;
    assert_eq!(added(&mut streams[1_999]).await, own);
}

/// Follows an inbox as an app does: lists, subscribes from there, and comes back now and then.
async fn follow(inboxes: Inboxes, reader: Reader, total: usize) -> HashMap<MessageId, u32> {
    let filter = ListFilter { page: PageRequest { size: 1_000, after: None }, ..ListFilter::default() };
    let page = inboxes.list(&reader, &filter).await.unwrap();
    let mut seen = HashMap::new();
    page.items.iter().for_each(|item| *seen.entry(item.leg.message()).or_insert(0) += 1);
    let mut cursor = page.cursor;
    while seen.len() < total {
        let mut stream = inboxes.subscribe(&reader, &cursor).await.unwrap();
        for _ in 0..7 {
            if seen.len() == total {
                break;
            }
            let event = next(&mut stream).await;
            cursor = event.cursor.to_string();
            match event.change {
                Change::Added(item) => *seen.entry(item.leg.message()).or_insert(0) += 1,
                Change::Reconnect(_) => break,
                _ => {}
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_while_many_publish_and_readers_come_and_go() {
    const EACH: i64 = 60;
    const PUBLISHERS: i64 = 4;
    let hall = Arc::new(Hall::new(3).await);
    let readers: Vec<_> = (1..=3)
        .flat_map(|n| [reader(n), reader(n)])
        .map(|reader| {
            // Half of the messages are for all three, a sixth for each alone.
            let total = usize::try_from(EACH * PUBLISHERS / 2 + EACH * PUBLISHERS / 6).unwrap();
            tokio::spawn(follow(hall.inboxes.clone(), reader, total))
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let hall = hall.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let to = match n % 6 {
                        0 => people([1]),
                        2 => people([2]),
                        4 => people([3]),
                        _ => people(1..=3),
                    };
                    hall.release(publisher * EACH + n + 1, to).await;
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    for reader in readers {
        let seen = reader.await.unwrap();
        assert!(seen.values().all(|times| *times == 1), "doubled");
    }
}
