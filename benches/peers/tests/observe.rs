//! What Aeron's clients and tools see of a driver: images that come and go, counters, the error log, its end.

mod common;

use common::{Exchange, SEED, STREAM, client, cnc, driver, lossy, type_id, udp_channel};
use epona_peers::{
    aeron::{self, AeronClient, CounterEntry},
    party::DriverKind,
    party::{Client, ImageEvent, Publication, Sharing},
    transfer::{self, Plan},
};

/// Runs the tests of this file for a kind of driver.
macro_rules! on_driver {
    ($name:ident: $kind:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn images_come_and_go_over_udp() {
                images_come_and_go(DriverKind::$kind, &udp_channel(), "127.0.0.1:");
            }

            #[test]
            fn images_come_and_go_over_ipc() {
                images_come_and_go(DriverKind::$kind, "aeron:ipc", "aeron:ipc");
            }

            #[test]
            fn counters_are_found_by_type_and_label_and_tell_positions() {
                counters_tell_positions(DriverKind::$kind);
            }

            #[test]
            fn a_refused_command_is_in_the_error_log() {
                a_refused_command_is_logged(DriverKind::$kind);
            }

            #[test]
            fn loss_is_in_the_loss_report() {
                loss_is_reported(DriverKind::$kind);
            }

            #[test]
            fn a_healthy_driver_is_silent_and_ends_on_a_signal() {
                a_healthy_driver_is_silent(DriverKind::$kind);
            }

            #[test]
            fn a_driver_that_allows_it_ends_on_request() {
                ends_on_request(DriverKind::$kind);
            }
        }
    };
}

fn images_come_and_go(kind: DriverKind, channel: &str, source: &str) {
    let process = driver(kind, &[("aeron.image.liveness.timeout", "2s".to_owned())]);
    let mut subscriber: AeronClient = client(&process);
    let mut publisher: AeronClient = client(&process);
    let subscription = subscriber.add_subscription(channel, STREAM, &mut || ()).unwrap();
    for _ in 0..2 {
        let publication = publisher.add_publication(channel, STREAM, Sharing::Exclusive, &mut || ()).unwrap();
        let session_id = publication.session_id();
        let come = next_image_event(&mut subscriber, &mut publisher);
        assert!(come.available, "{come:?}");
        assert_eq!(come.session_id, session_id);
        assert!(come.source_identity.starts_with(source), "{come:?}");

        drop(publication);
        let gone = next_image_event(&mut subscriber, &mut publisher);
        assert_eq!(gone, ImageEvent { available: false, ..come });
    }
    drop(subscription);
}

fn next_image_event(subscriber: &mut AeronClient, publisher: &mut AeronClient) -> ImageEvent {
    let mut events = Vec::new();
    let subscriber = std::cell::RefCell::new(subscriber);
    transfer::until(
        "an image event",
        &mut || {
            subscriber.borrow_mut().do_work();
            publisher.do_work();
        },
        || {
            events.extend(subscriber.borrow_mut().take_image_events());
            !events.is_empty()
        },
    )
    .unwrap();
    assert_eq!(events.len(), 1, "one event at a time: {events:?}");
    events.remove(0)
}

/// The one counter of a type, which has the label that tools look for.
fn only(counters: &[CounterEntry], type_id: i32, label: &str) -> CounterEntry {
    let of_type: Vec<_> = counters.iter().filter(|counter| counter.type_id == type_id).collect();
    assert_eq!(of_type.len(), 1, "counters of type {type_id}: {of_type:?}");
    assert!(of_type[0].label.starts_with(label), "{:?} does not begin with {label:?}", of_type[0].label);
    of_type[0].clone()
}

fn counters_tell_positions(kind: DriverKind) {
    let process = driver(kind, &[]);
    let channel = udp_channel();
    let mut one: AeronClient = client(&process);
    let mut other: AeronClient = client(&process);
    let mut subscription = other.add_subscription(&channel, STREAM, &mut || ()).unwrap();
    let mut publication = one.add_publication(&channel, STREAM, Sharing::Exclusive, &mut || ()).unwrap();
    let plan = Plan { seed: SEED, terms: 1, claim: false };
    let position = {
        let mut turn = transfer::turns(&mut one, &mut other);
        transfer::run(&plan, &mut publication, &mut subscription, &mut turn).unwrap().position
    };

    let reader = cnc(&process);
    let stream = format!("{} {STREAM} {channel}", publication.session_id());
    let positions = [
        (type_id::SENDER_POSITION, "snd-pos: "),
        (type_id::RECEIVER_HWM, "rcv-hwm: "),
        (type_id::RECEIVER_POSITION, "rcv-pos: "),
        (type_id::SUBSCRIBER_POSITION, "sub-pos: "),
        (type_id::PUBLISHER_POSITION, "pub-pos (exclusive): "),
    ];
    for (type_id, label) in positions {
        let what = format!("{label}at {position}");
        transfer::until(&what, &mut transfer::turns(&mut one, &mut other), || {
            only(&reader.counters(), type_id, label).value == position
        })
        .unwrap();
        let counter = only(&reader.counters(), type_id, label);
        assert!(counter.label.contains(&stream), "{:?} does not name {stream:?}", counter.label);
    }
    let counters = reader.counters();
    for (type_id, label) in [(type_id::PUBLISHER_LIMIT, "pub-lmt: "), (type_id::SENDER_LIMIT, "snd-lmt: ")] {
        let counter = only(&counters, type_id, label);
        assert!(counter.value > position, "{counter:?} is beyond {position}");
        assert!(counter.label.contains(&stream), "{:?} does not name {stream:?}", counter.label);
    }
    for (type_id, label) in
        [(type_id::SEND_CHANNEL_STATUS, "snd-channel: "), (type_id::RECEIVE_CHANNEL_STATUS, "rcv-channel: ")]
    {
        assert_eq!(only(&counters, type_id, label).value, 1, "{label}active");
    }
    let heartbeats = counters.iter().filter(|counter| counter.type_id == type_id::CLIENT_HEARTBEAT);
    assert_eq!(heartbeats.count(), 2, "one heartbeat per client");
}

fn a_refused_command_is_logged(kind: DriverKind) {
    let process = driver(kind, &[]);
    let reader = cnc(&process);
    assert_eq!(reader.errors(), [], "nothing has gone wrong yet");
    let mut refused: AeronClient = client(&process);
    for _ in 0..2 {
        let outcome = refused.add_subscription("aeron:udp?endpoint=127.0.0.1:99999", STREAM, &mut || ());
        assert!(outcome.is_err(), "port 99999 is none");
    }
    transfer::until("an entry in the error log", &mut || (), || !reader.errors().is_empty()).unwrap();
    let errors = reader.errors();
    assert_eq!(errors.len(), 1, "the same mistake twice is one distinct error: {errors:?}");
    assert_eq!(errors[0].observations, 2);
    assert!(errors[0].text.contains("99999"), "{errors:?}");
    assert!(common::system_counter(&process, "Errors") >= 2);
}

fn loss_is_reported(kind: DriverKind) {
    let (from, to) = (driver(kind, &[]), driver(kind, &lossy(SEED)));
    let channel = udp_channel();
    Exchange::new(Sharing::Exclusive, 4).run::<AeronClient, AeronClient>(&from, &to, &channel);
    let losses = cnc(&to).losses();
    assert_eq!(losses.len(), 1, "one stream lost something: {losses:?}");
    let loss = &losses[0];
    assert!(loss.observations > 0 && loss.bytes > 0, "{loss:?}");
    assert_eq!(loss.stream_id, STREAM);
    assert!(loss.channel.contains(&channel), "{loss:?}");
    assert!(loss.source.starts_with("127.0.0.1:"), "{loss:?}");
    assert!(cnc(&from).losses().is_empty(), "the sender lost nothing");
}

fn a_healthy_driver_is_silent(kind: DriverKind) {
    let mut process = driver(kind, &[]);
    Exchange::new(Sharing::Concurrent, 1).run::<AeronClient, AeronClient>(&process, &process, &udp_channel());
    Exchange::new(Sharing::Exclusive, 1).run::<AeronClient, AeronClient>(&process, &process, "aeron:ipc");
    assert_eq!(cnc(&process).errors(), []);
    let (code, stderr) = process.terminate().unwrap();
    // The exit status is the signal's number, as aeronmd's is. Source: driver spec 8.3.
    assert_eq!((code, stderr.as_str()), (Some(15), ""));
}

fn ends_on_request(kind: DriverKind) {
    let mut process = driver(kind, &[("aeron.driver.termination.validator", "allow".to_owned())]);
    drop(cnc(&process));
    aeron::request_termination(process.dir(), b"please").unwrap();
    let (code, stderr) = process.wait().unwrap();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

on_driver!(their_driver: Aeron);
on_driver!(our_driver: Epona);

#[test]
fn system_counters_have_the_ids_keys_and_labels_of_the_reference_driver() {
    let of = |kind| {
        let process = driver(kind, &[]);
        let mut counters = cnc(&process).counters();
        counters.retain(|counter| counter.type_id == type_id::SYSTEM);
        // The label with the version ends in what differs by build, and so do the counters of time and memory by value.
        let text = |label: &str| match label.split_once("commit=") {
            Some((start, _)) => start.to_owned(),
            None => label.to_owned(),
        };
        let version = |counter: &CounterEntry| counter.label.contains("ersion").then_some(counter.value);
        counters
            .into_iter()
            .map(|counter| (counter.id, version(&counter), text(&counter.label), counter.key))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(DriverKind::Epona), of(DriverKind::Aeron));
}
