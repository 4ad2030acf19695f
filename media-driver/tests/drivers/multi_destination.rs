//! Publications with several destinations through whole drivers, threads and sockets and all. Acceptance lines MDC-02 to
//! MDC-04, MDC-10, EOS-03, EOS-07, SPY-10, CLI-07.

use std::sync::{Arc, Mutex};

use epona_client::{
    Aeron, ClientError, Context as ClientContext, OfferError, Publication, PublicationErrorFrame,
    Subscription,
};
use epona_protocol::{command::ErrorCode, counters::SystemCounter, frame::DataFlags, types::CounterTypeId};

use crate::harness::{connect, free_port, launch, launch_with, unicast, until};

const STREAM: i32 = 1001;
/// With the slowest receiver in charge, no scheduler can make one fall behind for good.
const MANUAL: &str = "aeron:udp?control-mode=manual|fc=min";

fn message(number: usize) -> Vec<u8> {
    (0..number * 37 % 3000).map(|i| (number * 31 + i) as u8).collect()
}

/// Publishes messages and checks that every subscriber gets every byte of each, in order.
fn exchange(publication: &Publication, subscriptions: &mut [&mut Subscription], messages: usize) {
    let mut received = vec![(0, Vec::new()); subscriptions.len()];
    let mut sent = 0;
    until("all messages exchanged", || {
        if sent < messages {
            match publication.offer(&message(sent)) {
                Ok(_) => sent += 1,
                Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => {}
                Err(error) => panic!("offer {sent}: {error}"),
            }
        }
        for (subscription, (count, partial)) in subscriptions.iter_mut().zip(&mut received) {
            subscription.poll(
                |fragment, header| {
                    partial.extend_from_slice(fragment);
                    if header.flags().contains(DataFlags::END) {
                        assert_eq!(*partial, message(*count), "message {count}");
                        *count += 1;
                        partial.clear();
                    }
                },
                10,
            );
        }
        received.iter().all(|(count, _)| *count == messages)
    });
}

/// Until subscribers are as many as there should be, so that flow control waits for nobody who comes later.
fn await_images(subscriptions: &[&mut Subscription]) {
    until("every subscriber has an image", || subscriptions.iter().all(|s| s.image_count() == 1));
}

fn add(publication: &Publication, channel: &str) -> epona_client::RegistrationId {
    publication.add_destination(channel).unwrap().wait().unwrap()
}

fn destinations(aeron: &Aeron) -> i64 {
    aeron.counters_reader().iter().find(|c| c.type_id == CounterTypeId::MDC_DESTINATIONS).unwrap().value
}

fn short_sends(aeron: &Aeron) -> i64 {
    aeron.counters_reader().value(SystemCounter::ShortSends.id()).unwrap()
}

#[test]
fn subscribers_on_two_drivers_make_themselves_destinations_and_get_everything() {
    let (one, other) = (launch(), launch());
    let (near, far) = (connect(&one), connect(&other));
    let publication =
        near.add_publication("aeron:udp?control=127.0.0.1:0|control-mode=dynamic|fc=min", STREAM).unwrap();
    let control = publication.local_socket_addresses().remove(0);
    let channel = format!("aeron:udp?endpoint=127.0.0.1:0|control={control}|control-mode=dynamic");
    let mut first = near.add_subscription(&channel, STREAM).unwrap();
    let session = format!("{channel}|session-id={}", publication.session_id());
    let mut second = far.add_subscription(&session, STREAM).unwrap();
    let mut third = far.add_subscription(&channel, STREAM).unwrap();
    let mut all = [&mut first, &mut second, &mut third];
    await_images(&all);
    exchange(&publication, &mut all, 300);
    assert_eq!(destinations(&near), 3);
    drop((first, second, third));
    until("it ends when the last subscriber goes", || !publication.is_connected());
}

#[test]
fn destinations_come_and_go_by_channel_and_by_id_while_the_stream_flows() {
    let (one, other) = (launch(), launch());
    let (near, far) = (connect(&one), connect(&other));
    let channels = [unicast(), unicast(), unicast()];
    let mut first = near.add_subscription(&channels[0], STREAM).unwrap();
    let mut second = far.add_subscription(&channels[1], STREAM).unwrap();
    let mut third = far.add_subscription(&channels[2], STREAM).unwrap();
    let publication = near.add_publication(MANUAL, STREAM).unwrap();
    add(&publication, &channels[0]);
    until("the first destination is connected", || publication.is_connected() && first.image_count() == 1);
    exchange(&publication, &mut [&mut first], 20);

    let second_id = add(&publication, &channels[1]);
    add(&publication, &channels[2]);
    await_images(&[&mut first, &mut second, &mut third]);
    exchange(&publication, &mut [&mut first, &mut second, &mut third], 50);

    publication.remove_destination_by_id(second_id).unwrap().wait().unwrap();
    publication.remove_destination(&channels[2]).unwrap().wait().unwrap();
    until("two are gone", || destinations(&near) == 1);
    exchange(&publication, &mut [&mut first], 20);
    for gone in [&mut second, &mut third] {
        assert_eq!(gone.poll(|_, _| {}, 10), 0, "nothing comes any more");
    }
    drop((first, second, third));
    until("the stream has no receiver", || !publication.is_connected());
}

#[test]
fn what_is_lost_on_the_way_to_one_destination_is_sent_again() {
    let publisher = launch();
    let lossy = launch_with(|context| {
        context.interceptors.incoming = Some("loss".to_owned());
        context.interceptors.loss_args = Some("rate=0.1|seed=7|recv-msg-mask=0xf".to_owned());
    });
    let (near, far) = (connect(&publisher), connect(&lossy));
    let channels = [unicast(), unicast()];
    let mut first = near.add_subscription(&channels[0], STREAM).unwrap();
    let mut second = far.add_subscription(&channels[1], STREAM).unwrap();
    let publication = near.add_publication(MANUAL, STREAM).unwrap();
    for channel in &channels {
        add(&publication, channel);
    }
    await_images(&[&mut first, &mut second]);
    exchange(&publication, &mut [&mut first, &mut second], 100);
    let retransmits = near.counters_reader().value(SystemCounter::RetransmitsSent.id()).unwrap();
    assert!(retransmits > 0);
}

#[test]
fn a_destination_that_the_driver_refuses_is_an_error_with_its_reason_for_who_asked() {
    let driver = launch();
    let aeron = connect(&driver);
    let publication = aeron.add_publication(MANUAL, STREAM).unwrap();
    for (channel, code) in [
        ("aeron:udp?endpoint=127.0.0.1:9|mtu=1408", ErrorCode::InvalidChannel),
        ("aeron-spy:aeron:udp?endpoint=127.0.0.1:9", ErrorCode::InvalidChannel),
        ("aeron:udp?endpoint=127.0.0.1:0", ErrorCode::GenericError),
    ] {
        let answers = [
            publication.add_destination(channel).unwrap().wait().map(drop),
            publication.remove_destination(channel).unwrap().wait(),
        ];
        for answer in answers {
            let Err(ClientError::Registration { code: found, .. }) = answer else {
                panic!("{channel}: {answer:?}")
            };
            assert_eq!(found, code, "{channel}");
        }
    }
    assert_eq!(destinations(&aeron), 0);
    let exclusive = aeron.add_exclusive_publication(MANUAL, STREAM).unwrap();
    let added = exclusive.add_destination("aeron:udp?endpoint=127.0.0.1:9").unwrap().wait().unwrap();
    exclusive.remove_destination_by_id(added).unwrap().wait().unwrap();
}

#[test]
fn a_rejected_image_tells_the_publisher_which_destination_rejected_it() {
    let driver = launch();
    let errors = Arc::<Mutex<Vec<PublicationErrorFrame>>>::default();
    let seen = Arc::clone(&errors);
    let context = ClientContext::new().dir(driver.directory());
    let publisher =
        Aeron::connect(context.on_publication_error(move |error: &PublicationErrorFrame| {
            seen.lock().unwrap().push(error.clone())
        }))
        .unwrap();
    let subscriber = connect(&driver);
    let channels = [unicast(), unicast()];
    let mut first = subscriber.add_subscription(&channels[0], STREAM).unwrap();
    let mut second = subscriber.add_subscription(&channels[1], STREAM).unwrap();
    let publication = publisher.add_publication(MANUAL, STREAM).unwrap();
    add(&publication, &channels[0]);
    let rejecting = add(&publication, &channels[1]);
    await_images(&[&mut first, &mut second]);
    exchange(&publication, &mut [&mut first, &mut second], 5);
    second.images()[0].reject("not for me").unwrap().wait().unwrap();
    until("the publisher is told", || !errors.lock().unwrap().is_empty());
    let error = errors.lock().unwrap()[0].clone();
    assert_eq!(error.destination_registration_id, Some(rejecting));
    assert_eq!((error.error_code, error.message.as_str()), (ErrorCode::ImageRejected, "not for me"));
    assert_eq!(error.registration_id, publication.original_registration_id());
}

#[test]
fn spies_that_simulate_a_connection_read_on_with_and_without_subscribers() {
    let driver = launch();
    let aeron = connect(&driver);
    let control = free_port();
    let channel = format!("aeron:udp?control=127.0.0.1:{control}|control-mode=dynamic|ssc=true|fc=min");
    let publication = aeron.add_publication(&channel, STREAM).unwrap();
    let mut spy = aeron.add_subscription(&format!("aeron-spy:{channel}"), STREAM).unwrap();
    until("the spy makes a connection", || publication.is_connected());
    exchange(&publication, &mut [&mut spy], 200);

    let network = format!("aeron:udp?endpoint=127.0.0.1:0|control=127.0.0.1:{control}");
    let mut subscription = aeron.add_subscription(&network, STREAM).unwrap();
    until("a subscriber of the network has come", || subscription.image_count() == 1);
    exchange(&publication, &mut [&mut spy, &mut subscription], 200);
    drop(subscription);
    exchange(&publication, &mut [&mut spy], 200);
    assert!(publication.is_connected(), "the spy is still there");
    assert_eq!(short_sends(&aeron), 0);
}
