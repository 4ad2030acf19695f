use std::time::Duration;

use epona_protocol::{
    command::Request,
    counters::SystemCounter,
    logbuffer::{LogBuffers, appender::ConcurrentAppender},
    types::{CounterTypeId, Position, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exclusive, publication};

/// Publishes what nobody reads, revokes, and looks at what subscribers are told of it.
fn revoked_before_it_is_read(published: &str, subscribed: &str, is_exclusive: bool) {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(subscribed);
    let request = if is_exclusive { exclusive(published, STREAM) } else { publication(published, STREAM) };
    let (id, mut told) = driver.ask(request);
    driver.wait(Duration::from_secs(2));
    told.extend(driver.told());
    let written = LogBuffers::open(told[0].ready().log.as_ref()).unwrap();
    let [Told::Available { image, subscription: of, log, .. }] = &told[1..] else {
        panic!("{published}: {told:?}")
    };
    assert_eq!(*of, subscription);
    let read = LogBuffers::open_to_read(log.as_ref()).unwrap();
    assert!(written.metadata().is_connected(), "{published}");

    let limit = Position::new(driver.counter(CounterTypeId::PUBLISHER_LIMIT).value);
    let position = ConcurrentAppender::new(written).unwrap().offer(&[1; 500], limit).unwrap();
    driver.settle();
    let revoke = Request::RemovePublication { registration_id: RegistrationId::new(id), revoke: true };
    let (_, told) = driver.ask(revoke);
    assert!(matches!(told[..], [Told::Success(_)]), "{published}: {told:?}");
    driver.wait_alive(Duration::from_secs(5), CLIENT);
    let told = driver.told();
    assert!(
        matches!(&told[..], [Told::Unavailable { image: gone, subscription: of, .. }]
        if (gone, *of) == (image, subscription)),
        "{published}: {told:?}"
    );
    assert!(read.metadata().is_revoked(), "{published}");
    assert_eq!(read.metadata().end_of_stream_position(), position, "{published}");
    assert_eq!(driver.system(SystemCounter::PublicationsRevoked), 1, "{published}");
    let images = i64::from(!published.starts_with("aeron:ipc"));
    assert_eq!(driver.system(SystemCounter::PublicationImagesRevoked), images, "{published}");
    driver.wait_alive(Duration::from_secs(25), CLIENT);
    assert_eq!(driver.logs().len(), 0, "{published}");
}

#[test]
fn a_revoked_stream_ends_at_once_for_its_subscribers_whatever_they_have_read() {
    const MULTICAST: &str = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1";
    const DYNAMIC: &str = "aeron:udp?control=127.0.0.1:24326|control-mode=dynamic";
    const OF_DYNAMIC: &str =
        "aeron:udp?endpoint=127.0.0.1:24330|control=127.0.0.1:24326|control-mode=dynamic";
    for (published, subscribed) in
        [(UDP, UDP), (MULTICAST, MULTICAST), (DYNAMIC, OF_DYNAMIC), ("aeron:ipc", "aeron:ipc")]
    {
        for is_exclusive in [false, true] {
            revoked_before_it_is_read(published, subscribed, is_exclusive);
        }
    }
}

#[test]
fn a_spy_loses_a_revoked_stream_too() {
    let mut driver = Driver::new();
    let spied = format!("aeron-spy:{UDP}");
    let (spy, _) = driver.subscribe(&spied);
    let (id, _) = driver.publish(UDP);
    driver.ask(Request::RemovePublication { registration_id: RegistrationId::new(id), revoke: true });
    driver.wait(Duration::from_secs(2));
    assert_eq!(driver.told(), [Told::Unavailable { image: id, subscription: spy, channel: spied }]);
}

#[test]
fn one_of_two_holders_revokes_for_both() {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(UDP);
    let (first, told) = driver.publish(UDP);
    let log = LogBuffers::open(told[0].ready().log.as_ref()).unwrap();
    let (second, _) = driver.publish(UDP);
    driver.ask(Request::RemovePublication { registration_id: RegistrationId::new(second), revoke: true });
    driver.wait(Duration::from_secs(3));
    assert!(log.metadata().is_revoked() && !log.metadata().is_connected());
    let told = driver.told();
    assert!(
        matches!(told[..], [Told::Unavailable { subscription: of, .. }] if of == subscription),
        "{told:?}"
    );
    assert!(matches!(driver.remove_publication(first)[..], [Told::Success(_)]));
}
