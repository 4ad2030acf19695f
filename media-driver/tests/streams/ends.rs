//! How streams end and begin again: silence, closing, rejection.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use epona_client::{Context, ErrorCode, ReceiverId};
use epona_protocol::{
    counters::SystemCounter,
    types::{CounterTypeId, GroupTag, Position},
};

use crate::world::{World, address, to};

/// What handlers heard.
type Heard = Arc<Mutex<Vec<String>>>;

fn take(heard: &Heard) -> Vec<String> {
    std::mem::take(&mut heard.lock().unwrap())
}

fn with_images(heard: &Heard) -> impl FnOnce(Context) -> Context {
    let (available, unavailable) = (Arc::clone(heard), Arc::clone(heard));
    |context| {
        context
            .on_available_image(move |image| {
                available.lock().unwrap().push(format!("+{}", image.subscription_registration_id()));
            })
            .on_unavailable_image(move |image| {
                unavailable.lock().unwrap().push(format!("-{}", image.subscription_registration_id()));
            })
    }
}

#[test]
fn an_image_times_out_for_every_subscription_which_can_then_be_removed() {
    let mut world = World::new(2);
    let heard = [Heard::default(), Heard::default()];
    let publisher = world.connect(0);
    let subscribers = [0, 1].map(|index| world.connect_with(1, with_images(&heard[index])));
    let one = world.subscribe(&subscribers[0], &to(1, 20121), 7);
    let two = world.subscribe(&subscribers[1], &to(1, 20121), 7);
    let publication = world.publish(&publisher, &to(1, 20121), 7);
    world.meet(&publication, &one);
    world.meet(&publication, &two);
    assert_eq!(heard.each_ref().map(|heard| take(heard).len()), [1, 1]);
    world.set_loss(0, 1, 1.0);
    world.run(Duration::from_secs(9));
    assert_eq!(heard.each_ref().map(|heard| take(heard).len()), [0, 0], "not yet");
    world.run(Duration::from_secs(3));
    let gone = [&one, &two].map(|subscription| vec![format!("-{}", subscription.registration_id())]);
    assert_eq!(heard.each_ref().map(take), gone);
    assert!(one.image_count() == 0 && two.image_count() == 0 && !publication.is_connected());
    one.close();
    two.close();
    world.run(Duration::from_secs(5));
    assert_eq!(world.counters(1, CounterTypeId::RECEIVE_CHANNEL_STATUS).len(), 0);
    assert_eq!(world.errors(), Vec::<String>::new());
}

/// IMG-07
#[test]
fn image_handlers_are_called_with_the_publisher_in_the_same_client_or_in_another() {
    for channel in [to(0, 20121), "aeron:ipc".into(), format!("aeron-spy:{}", to(0, 20121))] {
        for is_same in [true, false] {
            let mut world = World::new(1);
            let heard = Heard::default();
            let subscriber = world.connect_with(0, with_images(&heard));
            let publisher = if is_same { subscriber.clone() } else { world.connect(0) };
            let subscription = world.subscribe(&subscriber, &channel, 7);
            let publication = world.publish(&publisher, channel.trim_start_matches("aeron-spy:"), 7);
            world.until("an image", || (subscription.image_count() == 1).then_some(()));
            publication.close();
            world.until("no image", || (subscription.image_count() == 0).then_some(()));
            let id = subscription.registration_id();
            assert_eq!(take(&heard), [format!("+{id}"), format!("-{id}")], "{channel}, same: {is_same}");
        }
    }
}

/// IMG-08
#[test]
fn the_end_of_a_stream_is_known_before_it_is_read_and_is_where_its_publication_ended() {
    for channel in [to(1, 20121), "aeron:ipc".into()] {
        let is_ipc = channel == "aeron:ipc";
        let mut world = World::new(2);
        let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
        let mut subscription = world.subscribe(&subscriber, &channel, 7);
        let publication = world.publish(&publisher, &channel, 7);
        world.meet(&publication, &subscription);
        for _ in 0..5 {
            world.until("taken", || crate::world::offer(&publication, &[3; 300]).then_some(()));
        }
        let end = publication.position().unwrap();
        assert_eq!(subscription.images()[0].end_of_stream_position(), Position::MAX);
        publication.close();
        world.until("the end is known", || {
            (subscription.images()[0].end_of_stream_position() == end).then_some(())
        });
        assert!(!subscription.images()[0].is_end_of_stream(), "nothing was read");
        let polled = subscription.poll(|payload, _| assert_eq!(payload, [3; 300]), 10);
        let image = &subscription.images()[0];
        assert_eq!((polled, image.position(), image.is_end_of_stream()), (5, end, true), "{channel}");
    }
}

/// FLC-10
#[test]
fn a_unicast_publication_does_not_linger_once_its_receiver_has_closed() {
    for receiver_closes in [true, false] {
        let mut world = World::new(2);
        let (publisher, subscriber) = (world.connect(0), world.connect(1));
        let subscription = world.subscribe(&subscriber, &to(1, 20121), 7);
        let publication = world.publish(&publisher, &(to(1, 20121) + "|linger=60s"), 7);
        world.meet(&publication, &subscription);
        if receiver_closes {
            subscription.close();
            world.run(Duration::from_secs(3));
        } else {
            // It falls silent instead.
            world.set_loss(1, 0, 1.0);
        }
        publication.close();
        world.run(Duration::from_secs(30));
        let is_there = world.counters(0, CounterTypeId::SENDER_POSITION).len() == 1;
        assert_eq!(is_there, !receiver_closes);
    }
}

#[test]
fn a_stream_is_joined_again_when_its_source_is_back_whether_or_not_it_was_polled() {
    for polls in [false, true] {
        let mut world = World::new(2);
        let heard = Heard::default();
        let (publisher, subscriber) = (world.connect(0), world.connect_with(1, with_images(&heard)));
        let mut subscription = world.subscribe(&subscriber, &to(1, 20121), 7);
        let publication = world.publish(&publisher, &to(1, 20121), 7);
        world.meet(&publication, &subscription);
        let id = subscription.registration_id();
        for _ in 0..3 {
            world.set_loss(0, 1, 1.0);
            for _ in 0..150 {
                world.run(Duration::from_millis(100));
                if polls {
                    subscription.poll(|_, _| panic!("nothing was sent"), 10);
                }
            }
            assert!(!subscription.is_connected() && !publication.is_connected());
            world.set_loss(0, 1, 0.0);
            world.meet(&publication, &subscription);
            world.until("taken", || crate::world::offer(&publication, b"again").then_some(()));
            world.until("received", || {
                (subscription.poll(|text, _| assert_eq!(text, b"again"), 1) == 1).then_some(())
            });
        }
        let heard = take(&heard);
        assert_eq!(heard.join(" "), [&*format!("+{id} -{id}"); 3].join(" ") + &format!(" +{id}"));
    }
}

#[test]
fn a_publication_without_subscriptions_is_not_connected() {
    for channel in [to(1, 20121), "aeron:ipc".into()] {
        let mut world = World::new(2);
        let is_ipc = channel == "aeron:ipc";
        let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
        let publication = world.publish(&publisher, &channel, 7);
        let mut exclusive = world.publish_exclusively(&publisher, &channel, 7);
        for _ in 0..2 {
            let one = world.subscribe(&subscriber, &channel, 7);
            let two = world.subscribe(&subscriber, &channel, 7);
            world.until("connected", || {
                (publication.is_connected() && exclusive.is_connected()).then_some(())
            });
            one.close();
            world.run(Duration::from_secs(7));
            assert!(publication.is_connected() && exclusive.is_connected(), "one is left");
            two.close();
            world.until("disconnected", || {
                (!publication.is_connected() && !exclusive.is_connected()).then_some(())
            });
            let refused = [publication.offer(b"x"), exclusive.offer(b"x")];
            assert_eq!(refused, [Err(epona_client::OfferError::NotConnected); 2]);
        }
    }
}

#[test]
fn a_rejected_image_is_told_to_who_published_it_and_to_no_one_else() {
    for (channel, tag) in
        [(to(1, 20121), None), (to(1, 20121) + "|gtag=9", Some(GroupTag::new(9))), ("aeron:ipc".into(), None)]
    {
        let is_ipc = channel == "aeron:ipc";
        let source = if is_ipc { Ipv4Addr::LOCALHOST.into() } else { address(1) };
        let mut world = World::new(2);
        let heard = [Heard::default(), Heard::default(), Heard::default()];
        let [publisher, sharer, stranger] = [0, 1, 2].map(|index| {
            let heard = Arc::clone(&heard[index]);
            world.connect_with(0, |context| {
                context.on_publication_error(move |error| {
                    assert_eq!(error.error_code, ErrorCode::ImageRejected);
                    assert_eq!((error.destination_registration_id, error.group_tag), (None, tag));
                    assert_eq!(error.receiver_id == ReceiverId::new(-1), is_ipc, "{error:?}");
                    assert_eq!(error.source.unwrap().ip(), source, "{error:?}");
                    let text = format!(
                        "{} {} {} {}",
                        error.registration_id, error.session_id, error.stream_id, error.message
                    );
                    heard.lock().unwrap().push(text);
                })
            })
        });
        let subscriber = world.connect(usize::from(!is_ipc));
        let mut subscription = world.subscribe(&subscriber, &channel, 7);
        let publication = world.publish(&publisher, &channel, 7);
        let shared = world.publish(&sharer, &channel, 7);
        let other = world.publish(&stranger, &channel, 8);
        world.meet(&publication, &subscription);
        let rejection = subscription.images()[0].reject("not this one");
        world.complete(rejection).unwrap();
        world.until("disconnected", || (!publication.is_connected()).then_some(()));
        assert!(!shared.is_connected() && !other.is_connected());
        world.run(Duration::from_secs(1));
        let told = format!("{} {} 7 not this one", publication.registration_id(), publication.session_id());
        assert_eq!(take(&heard[0]), [told], "{channel}");
        let of_sharer = take(&heard[1]);
        assert!(of_sharer.len() == 1 && of_sharer[0].ends_with(" 7 not this one"), "{of_sharer:?}");
        assert_eq!(take(&heard[2]), Vec::<String>::new());
        let host = usize::from(!is_ipc);
        assert_eq!(world.system(host, SystemCounter::ImagesRejected), 1);
        let _keep = (shared, other);
    }
}
