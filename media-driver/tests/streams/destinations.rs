//! Publications and subscriptions with several destinations.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use epona_client::{Aeron, Publication, Subscription};

use crate::world::{World, message, offer, to};

const MANUAL: &str = "aeron:udp?control-mode=manual|term-length=64k";
const DYNAMIC: &str = "aeron:udp?control=10.0.0.1:20130|control-mode=dynamic|term-length=64k";
const GROUP: &str = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1|term-length=64k";

/// A subscription on a host to a publication that learns its destinations.
fn learned(host: usize) -> String {
    to(host, 20121) + "|control=10.0.0.1:20130|control-mode=dynamic"
}

/// A publication to several destinations, either by hand or learned, and what subscribes to it on each host.
struct Fan {
    world: World,
    publisher: Aeron,
    subscribers: Vec<Aeron>,
    is_manual: bool,
}

impl Fan {
    /// `hosts` are those of the subscribers.
    fn new(is_manual: bool, hosts: &[usize]) -> Self {
        let mut world = World::new(3);
        let publisher = world.connect(0);
        let subscribers = hosts.iter().map(|host| world.connect(*host)).collect();
        Self { world, publisher, subscribers, is_manual }
    }

    fn publish(&mut self, parameters: &str) -> Publication {
        let channel = if self.is_manual { MANUAL } else { DYNAMIC };
        self.world.publish(&self.publisher, &format!("{channel}|linger=0s{parameters}"), 7)
    }

    /// Subscribes at a host and, by hand, adds it; the port is its own there.
    fn subscribe(&mut self, publication: &Publication, at: usize, host: usize) -> Subscription {
        let channel = if self.is_manual { to(host, 20121) } else { learned(host) };
        let channel = channel.replace("20121", &format!("2012{at}"));
        let subscription = self.world.subscribe(&self.subscribers[at], &channel, 7);
        if self.is_manual {
            self.world.complete(publication.add_destination(&channel)).unwrap();
        }
        self.world.until("image", || subscription.is_connected().then_some(()));
        subscription
    }
}

#[test]
fn everything_reaches_all_destinations_in_spite_of_loss_with_one_driver_or_several() {
    for is_manual in [true, false] {
        for hosts in [[1, 2], [0, 0]] {
            let mut fan = Fan::new(is_manual, &hosts);
            let publication = fan.publish("|fc=min,g:/2");
            let mut one = fan.subscribe(&publication, 0, hosts[0]);
            let mut two = fan.subscribe(&publication, 1, hosts[1]);
            for (from, to) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
                fan.world.set_loss(from, to, 0.1);
            }
            fan.world.exchange(&publication, &mut [&mut one, &mut two], 150);
        }
    }
}

#[test]
fn destinations_come_and_go_while_data_flows() {
    let mut fan = Fan::new(true, &[1, 2]);
    let publication = fan.publish("|fc=max");
    let mut steady = fan.subscribe(&publication, 0, 1);
    let channel = to(2, 20125);
    let mut guest = fan.world.subscribe(&fan.subscribers[1], &channel, 7);
    let number = |payload: &[u8]| u64::from_le_bytes(payload[..8].try_into().unwrap());
    let (mut sent, mut by_steady, mut by_guest) = (0_u64, 0, Vec::new());
    for by_id in [false, true] {
        let id = fan.world.complete(publication.add_destination(&channel)).unwrap();
        by_guest.clear();
        for is_there in [true, false] {
            fan.world.until("the guest is there or gone", || {
                sent += u64::from(offer(&publication, &sent.to_le_bytes().repeat(20)));
                steady.poll(
                    |payload, _| {
                        assert_eq!(number(payload), by_steady);
                        by_steady += 1;
                    },
                    20,
                );
                guest.poll(|payload, _| by_guest.push(number(payload)), 20);
                let is_enough = if is_there { by_guest.len() > 200 } else { guest.image_count() == 0 };
                is_enough.then_some(())
            });
            if is_there && by_id {
                fan.world.complete(publication.remove_destination_by_id(id)).unwrap();
            } else if is_there {
                fan.world.complete(publication.remove_destination(&channel)).unwrap();
            }
        }
        let expected: Vec<u64> = (by_guest[0]..).take(by_guest.len()).collect();
        assert_eq!(by_guest, expected, "without a gap while it was there");
    }
    assert!(publication.is_connected() && by_steady > 400);
}

#[test]
fn a_subscription_to_one_session_of_several_hears_that_one() {
    for is_manual in [true, false] {
        let mut fan = Fan::new(is_manual, &[1, 1]);
        let five = fan.publish("|session-id=5");
        let channel = if is_manual { to(1, 20121) } else { learned(1) };
        let wanted = fan.world.subscribe(&fan.subscribers[0], &(channel.clone() + "|session-id=5"), 7);
        let other = fan.world.subscribe(&fan.subscribers[1], &(channel.clone() + "|session-id=6"), 7);
        if is_manual {
            fan.world.complete(five.add_destination(&channel)).unwrap();
        }
        fan.world.meet(&five, &wanted);
        fan.world.run(Duration::from_secs(1));
        assert_eq!((wanted.image_count(), other.image_count()), (1, 0), "manual: {is_manual}");
    }
}

#[test]
fn a_subscriber_that_closes_holds_nobody_back_any_more() {
    for is_manual in [true, false] {
        let mut fan = Fan::new(is_manual, &[1, 2]);
        let publication = fan.publish("|fc=min,t:30s");
        let mut quick = fan.subscribe(&publication, 0, 1);
        let stuck = fan.subscribe(&publication, 1, 2);
        fan.world.run(Duration::from_secs(1));
        let mut flow = |world: &mut World, time: u64| {
            let mut taken = 0;
            for _ in 0..time {
                world.turn();
                taken += u32::from(offer(&publication, &[1; 1000]));
                quick.poll(|_, _| {}, 10);
            }
            taken
        };
        assert!(flow(&mut fan.world, 2000) < 200, "it is held back");
        stuck.close();
        // Well before the receiver timeout of flow control, 30 s.
        flow(&mut fan.world, 3000);
        assert!(flow(&mut fan.world, 2000) > 500, "it flows, manual: {is_manual}");
    }
}

#[test]
fn a_publication_is_disconnected_when_its_subscriptions_close() {
    for is_manual in [true, false] {
        let mut fan = Fan::new(is_manual, &[1, 2]);
        let publication = fan.publish("");
        let one = fan.subscribe(&publication, 0, 1);
        let two = fan.subscribe(&publication, 1, 2);
        fan.world.until("connected", || publication.is_connected().then_some(()));
        one.close();
        fan.world.run(Duration::from_secs(7));
        assert!(publication.is_connected());
        two.close();
        fan.world.until("disconnected", || (!publication.is_connected()).then_some(()));
    }
}

#[test]
fn a_rejection_names_the_destination_by_which_it_came() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    let mut world = World::new(3);
    let publisher = world.connect_with(0, |context| {
        context.on_publication_error(move |error| {
            told.lock().unwrap().push((error.destination_registration_id, error.message.clone()));
        })
    });
    let publication = world.publish(&publisher, MANUAL, 7);
    let mut subscriptions = Vec::new();
    for host in [1, 2] {
        let subscriber = world.connect(host);
        let subscription = world.subscribe(&subscriber, &to(host, 20121), 7);
        let id = world.complete(publication.add_destination(&to(host, 20121))).unwrap();
        world.until("image", || subscription.is_connected().then_some(()));
        subscriptions.push((subscription, id));
    }
    // A destination is known by the receiver whose status messages came from it.
    world.run(Duration::from_secs(1));
    for (subscription, id) in &mut subscriptions {
        let rejection = subscription.images()[0].reject("no");
        world.complete(rejection).unwrap();
        world.run(Duration::from_secs(2));
        let told = std::mem::take(&mut *heard.lock().unwrap());
        assert_eq!(told, [(Some(*id), "no".to_owned())]);
    }
}

#[test]
fn a_subscription_receives_from_one_address_from_a_group_and_from_a_publication_that_learns() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let mut subscription = world.subscribe(&subscriber, MANUAL, 7);
    for (published, destination) in [
        (to(1, 20121), "aeron:udp?endpoint=10.0.0.2:20121".to_owned()),
        (GROUP.into(), "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1".into()),
        (
            DYNAMIC.into(),
            "aeron:udp?endpoint=10.0.0.2:20123|control=10.0.0.1:20130|control-mode=dynamic".into(),
        ),
    ] {
        world.complete(subscription.add_destination(&destination)).unwrap();
        let publication = world.publish(&publisher, &published, 7);
        world.until("connected", || publication.is_connected().then_some(()));
        world.exchange(&publication, &mut [&mut subscription], 50);
        drop(publication);
        world.until("the end", || (subscription.image_count() == 0).then_some(()));
    }
    for destination in
        ["aeron:udp?endpoint=10.0.0.2:20121", "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1"]
    {
        world.complete(subscription.remove_destination(destination)).unwrap();
    }
    assert_eq!(world.errors(), Vec::<String>::new());
}

/// The same bytes once more, as an archive replays them: what merging a replay into a live stream needs.
const SAME: &str = "|session-id=5|init-term-id=0|term-id=0|term-offset=0|linger=0s";

/// A live stream that somebody else hears already, and what was sent on it.
struct Live {
    publication: Publication,
    bystander: Subscription,
    sent: usize,
}

impl Live {
    fn send(&mut self, world: &mut World) {
        let number = self.sent;
        world.until("taken", || {
            self.bystander.poll(|_, _| {}, 20);
            offer(&self.publication, &message(number)).then_some(())
        });
        self.sent += 1;
    }

    /// Replays the stream from its beginning to a new subscription of a client, merges that with the live stream, and
    /// checks that it hears everything once, up to `end`.
    fn merge(&mut self, world: &mut World, replayer: &Aeron, subscriber: &Aeron, end: usize) {
        let replay = world.publish(replayer, &(to(1, 20121) + SAME), 7);
        let mut merging = world.subscribe(subscriber, MANUAL, 7);
        world.complete(merging.add_destination("aeron:udp?endpoint=10.0.0.2:20121")).unwrap();
        world.meet(&replay, &merging);
        let mut received = Vec::new();
        let mut assembler =
            epona_client::FragmentAssembler::new(|payload: &[u8], _: &epona_client::Header<'_>| {
                received.push(payload.to_vec());
            });
        let recorded = self.sent;
        for number in 0..recorded + 20 {
            if number >= recorded {
                self.send(world);
            }
            world.until("taken", || offer(&replay, &message(number)).then_some(()));
            world.run(Duration::from_millis(5));
            merging.poll(|fragment, header| assembler.on_fragment(fragment, header), 20);
            if number == recorded + 5 {
                let live = "aeron:udp?endpoint=10.0.0.2:20123|control=10.0.0.1:20130|control-mode=dynamic";
                world.complete(merging.add_destination(live)).unwrap();
            }
        }
        world.run(Duration::from_secs(1));
        assert_eq!(merging.images()[0].active_transport_count(), 2, "it hears both");
        world.complete(merging.remove_destination("aeron:udp?endpoint=10.0.0.2:20121")).unwrap();
        drop(replay);
        while self.sent < end {
            self.send(world);
            world.run(Duration::from_millis(5));
            merging.poll(|fragment, header| assembler.on_fragment(fragment, header), 20);
        }
        world.run(Duration::from_secs(1));
        merging.poll(|fragment, header| assembler.on_fragment(fragment, header), 20);
        assert_eq!(merging.image_count(), 1);
        assert_eq!(received, (0..end).map(message).collect::<Vec<_>>());
    }
}

#[test]
fn a_subscription_goes_over_from_what_was_recorded_to_what_is_sent_now_also_when_its_client_starts_anew() {
    let mut world = World::new(3);
    let (publisher, bystander, replayer) = (world.connect(0), world.connect(2), world.connect(0));
    let publication = world.publish(&publisher, &format!("{DYNAMIC}|fc=max{SAME}"), 7);
    let bystander = world.subscribe(&bystander, &learned(2), 7);
    world.until("connected", || publication.is_connected().then_some(()));
    let mut live = Live { publication, bystander, sent: 0 };
    for _ in 0..40 {
        live.send(&mut world);
    }
    let first = world.connect(1);
    live.merge(&mut world, &replayer, &first, 100);
    first.close();
    world.run(Duration::from_secs(1));
    let second = world.connect(1);
    live.merge(&mut world, &replayer, &second, 160);
}

#[test]
fn subscriptions_with_the_same_group_as_destination_do_not_disturb_each_other() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let group = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1";
    let mut subscriptions = [0, 1].map(|_| world.subscribe(&subscriber, MANUAL, 7));
    for subscription in &subscriptions {
        world.complete(subscription.add_destination(group)).unwrap();
    }
    let publication = world.publish(&publisher, &format!("{GROUP}|fc=min,g:/2"), 7);
    let [one, two] = &mut subscriptions;
    world.exchange(&publication, &mut [one, two], 100);
    let [mut one, two] = subscriptions;
    two.close();
    world.run(Duration::from_secs(1));
    assert!(one.is_connected());
    assert_eq!(one.poll(|_, _| panic!("nothing was sent"), 1), 0);
}
