use std::time::Duration;

use epona_protocol::{
    counters::SystemCounter,
    logbuffer::{LogBuffers, appender::ConcurrentAppender},
    types::{CounterTypeId, Position},
};

use crate::harness::{CLIENT, Driver, UDP};

/// Longer than a receiver that has gone counts as there.
const GONE: Duration = Duration::from_secs(8);

const DYNAMIC: &str = "aeron:udp?control=127.0.0.1:24326|control-mode=dynamic";

/// A publication with a spy; the publication's log and the spy.
fn spied(driver: &mut Driver, channel: &str) -> (LogBuffers, i64) {
    let addresses = if channel.starts_with(DYNAMIC) { DYNAMIC } else { UDP };
    let (spy, _) = driver.subscribe(&format!("aeron-spy:{addresses}"));
    let (_, told) = driver.publish(channel);
    let log = LogBuffers::open(told[0].ready().log.as_ref()).unwrap();
    driver.wait(Duration::from_secs(2));
    (log, spy)
}

fn value(driver: &Driver, kind: CounterTypeId) -> i64 {
    driver.counter(kind).value
}

#[test]
fn spies_make_a_connection_where_the_channel_or_the_driver_says_so() {
    let on = || Driver::with(|context| context.streams.spies_simulate_connection = true);
    let ssc = |value: bool| format!("{UDP}|ssc={value}");
    for (mut driver, channel, is_connected) in [
        (Driver::new(), UDP.to_owned(), false),
        (Driver::new(), ssc(true), true),
        (Driver::new(), ssc(false), false),
        (on(), UDP.to_owned(), true),
        (on(), ssc(false), false),
    ] {
        let (log, _) = spied(&mut driver, &channel);
        assert_eq!(log.metadata().is_connected(), is_connected, "{channel}");
    }
}

#[test]
fn a_spy_that_comes_to_a_publication_long_at_rest_lets_it_publish() {
    let mut driver = Driver::new();
    driver.publish(&format!("{UDP}|ssc=true"));
    (0..100).for_each(|_| driver.wait_alive(Duration::from_millis(100), CLIENT));
    assert_eq!(value(&driver, CounterTypeId::PUBLISHER_LIMIT), 0);
    driver.subscribe(&format!("aeron-spy:{UDP}"));
    driver.wait(Duration::from_millis(10));
    assert_eq!(value(&driver, CounterTypeId::PUBLISHER_LIMIT), 32 * 1024);
}

#[test]
fn a_receiver_that_leaves_does_not_end_a_connection_that_spies_simulate() {
    let mut driver = Driver::new();
    let (log, spy) = spied(&mut driver, &format!("{UDP}|ssc=true"));
    let (receiver, _) = driver.subscribe(UDP);
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    driver.remove_subscription(receiver);
    for _ in 0..GONE.as_secs() * 10 {
        driver.wait_alive(Duration::from_millis(100), CLIENT);
        assert!(log.metadata().is_connected());
    }
    let (receiver, _) = driver.subscribe(UDP);
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    driver.remove_subscription(spy);
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    assert!(log.metadata().is_connected(), "there is a receiver");
    driver.remove_subscription(receiver);
    driver.wait_alive(GONE, CLIENT);
    assert!(!log.metadata().is_connected(), "nobody is left");
}

#[test]
fn without_receivers_the_stream_moves_as_fast_as_its_fastest_spy() {
    for channel in [UDP, DYNAMIC] {
        let mut driver = Driver::new();
        let (log, _) = spied(&mut driver, &format!("{channel}|ssc=true"));
        let spy = driver.counter(CounterTypeId::SUBSCRIBER_POSITION).id;
        let appender = ConcurrentAppender::new(log).unwrap();
        let window = value(&driver, CounterTypeId::PUBLISHER_LIMIT);
        assert_eq!(window, 32 * 1024, "half a term");
        let mut position = Position::ZERO;
        for _ in 0..200 {
            let limit = Position::new(value(&driver, CounterTypeId::PUBLISHER_LIMIT));
            // The end of a term turns the first attempt down.
            while let Ok(next) = appender.offer(&[1; 1000], limit) {
                position = next;
            }
            driver.reader().writable(spy).unwrap().set_release(position.get());
            driver.settle();
            assert_eq!(value(&driver, CounterTypeId::SENDER_POSITION), position.get(), "{channel}");
            assert!(value(&driver, CounterTypeId::PUBLISHER_LIMIT) <= position.get() + window, "{channel}");
        }
        assert!(position.get() > 40 * window, "{channel}: {position}");
        assert_eq!(driver.system(SystemCounter::ShortSends), 0, "{channel}");
    }
}

#[test]
fn a_slow_receiver_holds_the_stream_back_whatever_spies_have_read() {
    let learning = format!("{UDP}|control=127.0.0.1:24326|control-mode=dynamic");
    for (channel, receiver) in [(UDP, UDP), (DYNAMIC, learning.as_str())] {
        let mut driver = Driver::new();
        let (log, _) = spied(&mut driver, &format!("{channel}|ssc=true"));
        let spy = driver.counter(CounterTypeId::SUBSCRIBER_POSITION).id;
        driver.subscribe(receiver);
        driver.wait_alive(Duration::from_secs(2), CLIENT);
        let positions = driver.counters();
        let subscribers =
            positions.iter().filter(|counter| counter.type_id == CounterTypeId::SUBSCRIBER_POSITION);
        assert_eq!(subscribers.count(), 2, "{channel}: the receiver has an image");
        let appender = ConcurrentAppender::new(log).unwrap();
        let mut position = Position::ZERO;
        for _ in 0..100 {
            let limit = Position::new(value(&driver, CounterTypeId::PUBLISHER_LIMIT));
            while let Ok(next) = appender.offer(&[1; 1000], limit) {
                position = next;
            }
            driver.settle();
            let sent = value(&driver, CounterTypeId::SENDER_POSITION);
            driver.reader().writable(spy).unwrap().set_release(sent);
            driver.settle();
        }
        let window = 32 * 1024;
        assert!(position.get() > window && position.get() <= 4 * window, "{channel}: {position}");
        let (sent, limit) = (CounterTypeId::SENDER_POSITION, CounterTypeId::SENDER_LIMIT);
        assert!(value(&driver, sent) <= value(&driver, limit), "{channel}");
        assert_eq!(driver.system(SystemCounter::ShortSends), 0, "{channel}");
    }
}
