//! Streams that start and end anywhere.

use std::time::Duration;

use epona_client::{OfferError, Publication};
use epona_protocol::{counters::SystemCounter, types::Position};

use crate::world::{World, to};

/// Bytes of a term.
const TERM: i64 = 65_536;

fn at(initial: i32, term: i32, offset: i32) -> String {
    format!("|init-term-id={initial}|term-id={term}|term-offset={offset}")
}

#[test]
fn a_stream_from_any_position_is_delivered_whole() {
    for (initial, term, offset) in [
        (0, 0, 0),
        (-1, 3, 64),
        (7, 8, 65_536 - 32),
        (i32::MAX, i32::MIN, 1024),
        (i32::MIN, -1000, 32),
        (-5, 1_000_000, 65_536 - 1440),
    ] {
        for channel in [to(1, 20121), "aeron:ipc?alias=x".into()] {
            let mut world = World::new(2);
            let is_ipc = channel.starts_with("aeron:ipc");
            let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
            let mut subscription = world.subscribe(&subscriber, &channel, 7);
            let publication = world.publish(&publisher, &(channel + &at(initial, term, offset)), 7);
            let start = i64::from(term.wrapping_sub(initial).cast_unsigned()) * TERM + i64::from(offset);
            assert_eq!(publication.position().unwrap(), Position::new(start));
            world.meet(&publication, &subscription);
            assert_eq!(subscription.images()[0].join_position(), Position::new(start));
            world.exchange(&publication, &mut [&mut subscription], 200);
            assert_eq!(subscription.images()[0].position(), publication.position().unwrap());
        }
    }
}

#[test]
fn a_stream_ends_at_its_last_position_and_is_delivered_to_there() {
    for channel in [to(1, 20121), "aeron:ipc?alias=x".into()] {
        let mut world = World::new(2);
        let is_ipc = channel.starts_with("aeron:ipc");
        let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
        let mut subscription = world.subscribe(&subscriber, &channel, 7);
        let last_term = at(0, i32::MAX, 65_536 - 512);
        let mut publication = world.publish_exclusively(&publisher, &(channel.clone() + &last_term), 7);
        world.until("connected", || publication.is_connected().then_some(()));
        let mut taken = 0;
        world.until("the end", || match publication.offer(&[9; 96]) {
            Ok(_) => {
                taken += 1;
                None
            }
            Err(OfferError::MaxPositionExceeded) => Some(()),
            Err(error) => {
                assert!(error.is_temporary() || error == OfferError::NotConnected, "{error}");
                None
            }
        });
        assert!((3..=4).contains(&taken), "512 bytes hold three or four frames of 128: {taken}");
        assert_eq!(publication.offer(&[9; 96]), Err(OfferError::MaxPositionExceeded));
        let mut received = 0;
        world.until("all", || {
            received += subscription.poll(|payload, _| assert_eq!(payload, [9; 96]), 10);
            (received == taken).then_some(())
        });
        world.run(Duration::from_secs(1));
        assert_eq!(world.errors(), Vec::<String>::new(), "{channel}");
    }
}

#[test]
fn a_publication_far_from_where_its_receiver_stands_connects_only_when_the_old_image_is_gone() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let subscription = world.subscribe(&subscriber, &to(1, 20121), 7);
    let channel = |term| to(1, 20121) + "|session-id=5|linger=0s|eos=false" + &at(0, term, 0);
    let near = world.publish(&publisher, &channel(0), 7);
    world.meet(&near, &subscription);
    near.close();
    world.run(Duration::from_secs(4));
    assert_eq!(subscription.image_count(), 1, "nobody said that the stream has ended");
    let far = world.publish(&publisher, &channel(3), 7);
    for _ in 0..20 {
        world.run(Duration::from_millis(100));
        assert!(!far.is_connected(), "the receiver is three terms behind");
    }
    assert!(world.system(0, SystemCounter::StatusMessagesRejected) > 0);
    world.until("connected", || Publication::is_connected(&far).then_some(()));
    assert_eq!(world.errors(), Vec::<String>::new());
}
