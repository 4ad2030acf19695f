//! Requests that their client does not wait for.

use std::time::Duration;

use epona_client::{Aeron, ClientError, ErrorCode};
use epona_protocol::types::CounterTypeId;

use crate::world::{World, to};

const KIND: CounterTypeId = CounterTypeId::new(1001);

/// Counters that show what clients hold, but for their heartbeats.
fn held(world: &World) -> usize {
    let kinds = [
        CounterTypeId::PUBLISHER_LIMIT,
        CounterTypeId::SEND_CHANNEL_STATUS,
        CounterTypeId::RECEIVE_CHANNEL_STATUS,
        KIND,
    ];
    kinds.iter().map(|kind| world.counters(0, *kind).len()).sum()
}

/// Leaves a request of each kind, dropping the handle before or after the driver has answered.
fn leave(world: &mut World, aeron: &Aeron, is_answered: bool) {
    let udp = to(0, 20121);
    let turns = |world: &mut World| {
        if is_answered {
            world.run(Duration::from_millis(50));
        }
    };
    let pending = aeron.add_publication_async(&udp, 7).unwrap();
    turns(world);
    drop(pending);
    let pending = aeron.add_exclusive_publication_async("aeron:ipc", 7).unwrap();
    turns(world);
    drop(pending);
    let pending = aeron.add_subscription_async(&udp, 7).unwrap();
    turns(world);
    drop(pending);
    let pending = aeron.add_counter_async(KIND, b"key", "label").unwrap();
    turns(world);
    drop(pending);
}

#[test]
fn what_nobody_waits_for_any_more_is_taken_back() {
    for is_answered in [false, true] {
        let mut world = World::new(1);
        let aeron = world.connect(0);
        leave(&mut world, &aeron, is_answered);
        world.run(Duration::from_secs(20));
        assert_eq!(held(&world), 0, "answered: {is_answered}");
        assert_eq!(world.errors(), Vec::<String>::new());
        // The client is none the worse for it.
        let subscription = world.subscribe(&aeron, &to(0, 20121), 7);
        let publication = world.publish(&aeron, &to(0, 20121), 7);
        world.meet(&publication, &subscription);
    }
}

#[test]
fn what_cannot_be_is_told_to_who_asks_later() {
    let mut world = World::new(1);
    let aeron = world.connect(0);
    let udp = to(0, 20121);
    let subscription = world.subscribe(&aeron, &udp, 7);
    for (channel, expected) in [
        ("aeron:udp?endpoint=no-such-host.invalid:1", ErrorCode::UnknownHost),
        ("aeron:udp?alias=x", ErrorCode::InvalidChannel),
    ] {
        let refusals = [
            world.complete(aeron.add_publication_async(channel, 7)).err(),
            world.complete(aeron.add_exclusive_publication_async(channel, 7)).err(),
            world.complete(aeron.add_subscription_async(channel, 7)).err(),
        ];
        for refusal in refusals {
            let Some(ClientError::Registration { code, .. }) = refusal else { panic!("{refusal:?}") };
            assert_eq!(code, expected, "{channel}");
        }
        assert!(world.errors().iter().any(|text| text.contains(channel)), "{channel}: {:?}", world.errors());
    }
    let refused = world.complete(subscription.add_destination("aeron:udp?endpoint=10.0.0.1:9")).err();
    let Some(ClientError::Registration { code: ErrorCode::InvalidChannel, message, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(world.errors().iter().any(|text| text.ends_with(&message)), "{message}: {:?}", world.errors());
}
