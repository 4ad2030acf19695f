//! What becomes of an IPC stream that a subscriber has rejected, while it cools down and afterwards.

use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    logbuffer::LogBuffers,
    types::{CorrelationId, Position},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exists, publication, refusal};

const IPC: &str = "aeron:ipc";

fn reject<'a>(image: i64) -> Request<'a> {
    Request::RejectImage {
        image_id: CorrelationId::new(image),
        position: Position::new(0),
        reason: b"unwanted",
    }
}

/// A publication with a subscription that has just rejected it, and the log.
fn rejected() -> (Driver, i64, LogBuffers, String) {
    let mut driver = Driver::new();
    driver.subscribe(IPC);
    let (id, told) = driver.publish(IPC);
    let path = told[0].ready().log.clone();
    let log = LogBuffers::open(path.as_ref()).unwrap();
    assert!(log.metadata().is_connected());
    let (_, told) = driver.ask(reject(id));
    assert!(matches!(told[..], [Told::PublicationError { .. }, Told::Unavailable { .. }, Told::Success(_)]));
    (driver, id, log, path)
}

#[test]
fn a_rejected_stream_is_not_connected_until_it_has_cooled_down() {
    let (mut driver, id, log, _) = rejected();
    assert!(!log.metadata().is_connected());
    let (second, told) = driver.subscribe(IPC);
    assert!(matches!(told[..], [Told::Subscription { .. }]), "nobody joins meanwhile: {told:?}");
    driver.wait_alive(Duration::from_secs(8), CLIENT);
    assert_eq!(driver.told(), []);
    assert!(!log.metadata().is_connected());
    driver.wait_alive(Duration::from_secs(5), CLIENT);
    let told = driver.told();
    assert!(
        matches!(told[..], [Told::Available { image, .. }, Told::Available { image: same, subscription, .. }]
        if image == id && same == id && subscription == second),
        "{told:?}"
    );
    assert!(log.metadata().is_connected());
}

#[test]
fn a_rejected_stream_may_be_removed_while_it_cools_down() {
    let (mut driver, id, _, path) = rejected();
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    driver.remove_publication(id);
    driver.wait_alive(Duration::from_secs(30), CLIENT);
    assert_eq!(driver.told(), [], "its subscriber has lost it already");
    assert!(!exists(&path));
    let (again, told) = driver.publish(IPC);
    assert!(matches!(&told[1..], [Told::Available { image, .. }] if *image == again), "{told:?}");
}

#[test]
fn who_shares_a_rejected_stream_has_it_as_it_is() {
    let (mut driver, id, log, _) = rejected();
    let (_, told) = driver.ask_as(2, publication(IPC, STREAM));
    assert_eq!(told[1].ready().original, id, "while it cools down");
    assert!(!log.metadata().is_connected());
    for _ in 0..13 {
        driver.send_with(2, -1, Request::ClientKeepalive);
        driver.wait_alive(Duration::from_secs(1), CLIENT);
    }
    driver.told();
    let (_, told) = driver.ask_as(3, publication(IPC, STREAM));
    assert_eq!(told[1].ready().original, id, "afterwards");
    assert_eq!(told.len(), 2, "and subscribers hear nothing of it: {told:?}");
    assert!(log.metadata().is_connected());
}

#[test]
fn a_spy_cannot_reject_what_it_spies_on() {
    let mut driver = Driver::new();
    driver.subscribe(&format!("aeron-spy:{UDP}"));
    let (id, told) = driver.publish(UDP);
    assert!(matches!(told[1], Told::Available { image, .. } if image == id), "{told:?}");
    let (_, told) = driver.ask(reject(id));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("Unable to resolve image"), "{text}");
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    assert_eq!(driver.told(), []);
}

/// As in Aeron C: differential test, script of seed 144.
#[test]
fn subscribers_of_a_rejected_stream_are_told_by_the_channels_that_they_asked_for() {
    let channels = ["aeron:ipc", "aeron:ipc?alias=x"];
    let mut driver = Driver::new();
    let subscriptions = channels.map(|channel| driver.subscribe(channel).0);
    let (image, _) = driver.publish(IPC);
    let (_, told) = driver.ask(reject(image));
    let gone = [0, 1].map(|at| Told::Unavailable {
        image,
        subscription: subscriptions[at],
        channel: channels[at].to_owned(),
    });
    assert_eq!(told[1..3], gone);
}

#[test]
fn another_stream_is_not_concerned_by_a_rejection() {
    let (mut driver, ..) = rejected();
    let (other, told) = driver.publish_exclusively(IPC);
    assert!(matches!(told[1..], [Told::Available { image, .. }] if image == other), "{told:?}");
}

#[test]
fn the_subscription_that_rejected_may_be_removed_while_the_stream_cools_down() {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(IPC);
    let (id, _) = driver.publish(IPC);
    driver.ask(reject(id));
    assert!(matches!(driver.remove_subscription(subscription)[..], [Told::Success(_)]));
    driver.wait_alive(Duration::from_secs(13), CLIENT);
    assert_eq!(driver.told(), []);
}

#[test]
fn a_second_rejection_is_told_again_and_starts_the_cool_down_anew() {
    let (mut driver, id, log, _) = rejected();
    driver.wait_alive(Duration::from_secs(6), CLIENT);
    let (_, told) = driver.ask(reject(id));
    assert!(matches!(told[..], [Told::PublicationError { .. }, Told::Success(_)]), "{told:?}");
    driver.wait_alive(Duration::from_secs(7), CLIENT);
    assert_eq!(driver.told(), [], "the first cool-down would be over");
    driver.wait_alive(Duration::from_secs(6), CLIENT);
    assert!(matches!(driver.told()[..], [Told::Available { image, .. }] if image == id));
    assert!(log.metadata().is_connected());
}
