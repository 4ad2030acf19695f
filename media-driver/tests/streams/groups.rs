//! Multicast groups, whose receivers differ in pace.

use std::time::Duration;

use epona_client::Subscription;
use epona_protocol::counters::SystemCounter;

use crate::world::{World, offer};

const GROUP: &str = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1|term-length=64k";

#[test]
fn with_max_flow_control_who_stays_behind_loses_its_image_and_the_others_miss_nothing() {
    let mut world = World::new(3);
    let [publisher, quick, slow] = [0, 1, 2].map(|host| world.connect(host));
    let mut quick = world.subscribe(&quick, GROUP, 7);
    let mut slow = world.subscribe(&slow, GROUP, 7);
    let publication = world.publish(&publisher, &format!("{GROUP}|fc=max"), 7);
    world.meet(&publication, &quick);
    world.meet(&publication, &slow);
    let number = |payload: &[u8]| u64::from_le_bytes(payload[..8].try_into().unwrap());
    let (mut sent, mut by_quick, mut by_slow) = (0_u64, 0, 0);
    let mut flow = |slow: Option<&mut Subscription>| {
        sent += u64::from(offer(&publication, &sent.to_le_bytes().repeat(100)));
        quick.poll(
            |payload, _| {
                assert_eq!(number(payload), by_quick);
                by_quick += 1;
            },
            10,
        );
        if let Some(slow) = slow {
            slow.poll(
                |payload, _| {
                    assert_eq!(number(payload), by_slow);
                    by_slow += 1;
                },
                10,
            );
        }
        (by_quick, by_slow)
    };
    for _ in 0..15_000 {
        world.turn();
        flow(None);
    }
    assert!(slow.is_connected(), "what it has received it may still read");
    // That alone is left for it, since nothing was taken in for longer than the liveness timeout of images.
    let (by_quick, by_slow) = world.until("the slow one has lost its image", || {
        let so_far = flow(Some(&mut slow));
        (slow.image_count() == 0).then_some(so_far)
    });
    assert!(by_slow > 20 && by_quick > 10 * by_slow, "{by_quick} {by_slow}");
    assert!(world.system(2, SystemCounter::FlowControlOverRuns) > 0);
}

#[test]
fn with_min_flow_control_the_slowest_sets_the_pace_and_everybody_gets_everything() {
    let mut world = World::new(3);
    let [publisher, one, two] = [0, 1, 2].map(|host| world.connect(host));
    let mut one = world.subscribe(&one, GROUP, 7);
    let mut two = world.subscribe(&two, GROUP, 7);
    let publication = world.publish(&publisher, &format!("{GROUP}|fc=min,g:/2"), 7);
    world.run(Duration::from_secs(1));
    world.exchange(&publication, &mut [&mut one, &mut two], 200);
    for host in [1, 2] {
        assert_eq!(world.system(host, SystemCounter::FlowControlOverRuns), 0);
    }
}

#[test]
fn a_group_is_not_connected_before_the_receivers_that_it_requires() {
    let mut world = World::new(3);
    let [publisher, one, two] = [0, 1, 2].map(|host| world.connect(host));
    for (flow_control, channel) in
        [("fc=min,g:/2", GROUP.to_owned()), ("fc=tagged,g:9/2", format!("{GROUP}|gtag=9"))]
    {
        let publication = world.publish(&publisher, &format!("{GROUP}|linger=0s|{flow_control}"), 7);
        let first = world.subscribe(&one, &channel, 7);
        world.until("image", || first.is_connected().then_some(()));
        world.run(Duration::from_secs(2));
        assert!(!publication.is_connected(), "{flow_control}");
        let second = world.subscribe(&two, &channel, 7);
        world.until("connected", || publication.is_connected().then_some(()));
        second.close();
        world.until("disconnected", || (!publication.is_connected()).then_some(()));
        drop((first, publication));
        world.run(Duration::from_secs(15));
    }
}
