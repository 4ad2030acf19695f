//! Subscriptions that hold nobody back.

use std::time::Duration;

use epona_client::{Publication, Subscription};

use crate::world::{World, offer, to};

/// Publishes as quickly as it is taken, and lets the tethered subscription read all of it in order.
struct Flow {
    sent: u64,
    received: u64,
}

impl Flow {
    /// Goes on until something is so, at most for `seconds`; whether it became so.
    fn until(
        &mut self,
        world: &mut World,
        publication: &Publication,
        tethered: &mut Subscription,
        seconds: u64,
        mut is_so: impl FnMut() -> bool,
    ) -> bool {
        let end = world.now.nanos + Duration::from_secs(seconds);
        while world.now.nanos < end && !is_so() {
            world.turn();
            self.sent += u64::from(offer(publication, &self.sent.to_le_bytes().repeat(40)));
            let received = &mut self.received;
            tethered.poll(
                |payload, _| {
                    assert_eq!(payload[..8], received.to_le_bytes());
                    *received += 1;
                },
                10,
            );
        }
        is_so()
    }
}

fn world() -> World {
    World::with(2, |context| {
        context.timeouts.untethered_window_limit = Duration::from_secs(2);
        context.timeouts.untethered_linger = Some(Duration::from_secs(2));
        context.timeouts.untethered_resting = Duration::from_secs(3);
    })
}

/// Published channel, subscribed channel without and with parameters of its own, host of the subscriber.
fn ways() -> [(String, String, usize); 3] {
    [
        (to(1, 20121), to(1, 20121), 1),
        ("aeron:ipc?alias=p".into(), "aeron:ipc?alias=s".into(), 0),
        (to(1, 20121) + "|ssc=true", format!("aeron-spy:{}", to(1, 20121)), 0),
    ]
}

#[test]
fn a_slow_one_falls_off_rests_and_comes_back_while_tethered_ones_miss_nothing() {
    for (published, subscribed, host) in ways() {
        let mut world = world();
        let (publisher, subscriber) = (world.connect(0), world.connect(host));
        let mut tethered = world.subscribe(&subscriber, &subscribed, 7);
        let slow = world.subscribe(&subscriber, &(subscribed.clone() + "|tether=false"), 7);
        let publication = world.publish(&publisher, &published, 7);
        world.meet(&publication, &slow);
        let mut flow = Flow { sent: 0, received: 0 };
        for round in 0..2 {
            let is_off = || slow.image_count() == 0;
            assert!(flow.until(&mut world, &publication, &mut tethered, 30, is_off), "{subscribed} {round}");
            let is_back = || slow.image_count() == 1;
            assert!(flow.until(&mut world, &publication, &mut tethered, 30, is_back), "{subscribed} {round}");
            assert!(publication.is_connected());
        }
        assert!(flow.received > 1000, "{subscribed}: {}", flow.received);
    }
}

#[test]
fn one_that_must_not_rejoin_does_not_come_back() {
    for (published, subscribed, host) in ways() {
        let mut world = world();
        let (publisher, subscriber) = (world.connect(0), world.connect(host));
        let rejoin = "|rejoin=false";
        let mut tethered = world.subscribe(&subscriber, &(subscribed.clone() + rejoin), 7);
        let slow = world.subscribe(&subscriber, &(subscribed.clone() + "|tether=false" + rejoin), 7);
        let publication = world.publish(&publisher, &published, 7);
        world.meet(&publication, &slow);
        let mut flow = Flow { sent: 0, received: 0 };
        let is_off = || slow.image_count() == 0;
        assert!(flow.until(&mut world, &publication, &mut tethered, 30, is_off), "{subscribed}");
        let is_back = || slow.image_count() == 1;
        assert!(!flow.until(&mut world, &publication, &mut tethered, 15, is_back), "{subscribed}");
    }
}

#[test]
fn a_publication_is_not_connected_while_its_only_subscription_rests_and_is_when_it_comes_back() {
    // Over UDP the subscription would be back before the publisher notices that nobody listens.
    for (published, subscribed, host) in &ways()[1..] {
        let mut world = world();
        let (publisher, subscriber) = (world.connect(0), world.connect(*host));
        let mut tethered = world.subscribe(&subscriber, subscribed, 7);
        let mut slow = world.subscribe(&subscriber, &(subscribed.clone() + "|tether=false"), 7);
        let publication = world.publish(&publisher, published, 7);
        world.meet(&publication, &slow);
        let mut flow = Flow { sent: 0, received: 0 };
        let is_off = || slow.image_count() == 0;
        assert!(flow.until(&mut world, &publication, &mut tethered, 30, is_off), "{subscribed}");
        flow.until(&mut world, &publication, &mut tethered, 3, || false);
        tethered.close();
        world.until("disconnected", || (!publication.is_connected()).then_some(()));
        assert_eq!(slow.image_count(), 0, "it rests");
        world.meet(&publication, &slow);
        world.until("taken", || offer(&publication, &[2; 500]).then_some(()));
        world.until("received", || {
            let mut last = false;
            slow.poll(|payload, _| last |= payload == [2; 500], 100);
            last.then_some(())
        });
    }
}
