use std::time::Duration;

use epona_protocol::{
    command::Request,
    counters::SystemCounter,
    ring_buffer::mpsc::Producer,
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exists, publication, subscription};

fn user_counter<'a>() -> Request<'a> {
    Request::AddCounter { type_id: CounterTypeId::new(1001), key: &[], label: b"mine" }
}

#[test]
fn a_silent_client_is_announced_dead_before_what_it_held_goes() {
    let mut driver = Driver::new();
    let (_, told) = driver.publish("aeron:ipc");
    let log = told[1].ready().log.clone();
    let heartbeat = driver.counter(CounterTypeId::CLIENT_HEARTBEAT).id;
    let (counter, _) = driver.ask(user_counter());
    let counter_id = driver.counter(CounterTypeId::new(1001)).id;
    driver.subscribe("aeron:ipc");
    driver.subscribe(UDP);
    driver.told();
    driver.wait(Duration::from_secs(10));
    assert_eq!(driver.told(), [], "the timeout has not passed yet");
    driver.wait(Duration::from_secs(2));
    let expected = [
        Told::ClientTimeout(CLIENT),
        Told::CounterGone(CLIENT, heartbeat),
        Told::CounterGone(counter, counter_id),
    ];
    assert_eq!(driver.told(), expected);
    assert_eq!(driver.system(SystemCounter::ClientTimeouts), 1);
    driver.wait(Duration::from_secs(3));
    assert!(!exists(&log));
    assert_eq!(driver.labels(), Vec::<String>::new());
}

#[test]
fn a_publication_on_the_network_goes_with_its_silent_client() {
    let mut driver = Driver::new();
    let (_, told) = driver.publish(UDP);
    let log = told[1].ready().log.clone();
    driver.wait(Duration::from_secs(12));
    assert_eq!(driver.system(SystemCounter::ClientTimeouts), 1);
    driver.wait(Duration::from_secs(10));
    assert!(!exists(&log));
    assert_eq!(driver.labels(), Vec::<String>::new(), "the socket is gone too");
}

#[test]
fn heartbeats_keep_a_client_alive() {
    let mut driver = Driver::new();
    for channel in ["aeron:ipc", UDP] {
        driver.publish(channel);
        driver.subscribe(channel);
    }
    driver.subscribe(&format!("aeron-spy:{UDP}"));
    driver.ask(user_counter());
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    driver.told();
    let held = |driver: &Driver| (driver.labels(), driver.logs());
    let before = held(&driver);
    driver.wait_alive(Duration::from_secs(12), CLIENT);
    let heartbeat = driver.counter(CounterTypeId::CLIENT_HEARTBEAT);
    assert!(driver.now.epoch.get() - heartbeat.value <= 1000, "keepalive commands set it");
    for _ in 0..12 {
        // As current clients do it.
        driver.reader().writable(heartbeat.id).unwrap().set_release(driver.now.epoch.get());
        driver.wait(Duration::from_secs(1));
    }
    assert_eq!(driver.told(), []);
    assert_eq!(held(&driver), before, "publications, subscriptions, images, counters");
}

/// IPC-05
#[test]
fn a_publication_goes_with_its_silent_client_though_another_client_subscribes() {
    for (published, subscribed) in [("aeron:ipc", "aeron:ipc".to_owned()), (UDP, format!("aeron-spy:{UDP}"))]
    {
        let mut driver = Driver::new();
        let (subscription, _) = driver.subscribe(&subscribed);
        let (image, told) = driver.ask_as(2, publication(published, STREAM));
        let log = told.iter().find_map(|told| match told {
            Told::Publication(ready) => Some(ready.log.clone()),
            _ => None,
        });
        driver.wait_alive(Duration::from_secs(13), CLIENT);
        let told = driver.told();
        let channel = subscribed.clone();
        assert!(matches!(told[..2], [Told::ClientTimeout(2), Told::CounterGone(2, _)]), "{told:?}");
        driver.wait_alive(Duration::from_secs(20), CLIENT);
        let told = [told, driver.told()].concat();
        assert_eq!(told[2..], [Told::Unavailable { image, subscription, channel }], "{published}");
        assert!(!exists(&log.unwrap()));
        assert_eq!(driver.labels(), ["client-heartbeat: id=1"], "the subscription waits for another one");
    }
}

#[test]
fn a_heartbeat_from_the_far_future_does_no_harm() {
    let mut driver = Driver::new();
    driver.publish("aeron:ipc");
    let heartbeat = driver.counter(CounterTypeId::CLIENT_HEARTBEAT).id;
    for value in [i64::MAX, i64::MIN] {
        driver.reader().writable(heartbeat).unwrap().set_release(value);
        driver.wait(Duration::from_secs(2));
    }
    assert!(driver.told().contains(&Told::ClientTimeout(CLIENT)));
}

#[test]
fn a_client_that_says_goodbye_does_not_time_out() {
    let mut driver = Driver::new();
    driver.publish("aeron:ipc");
    let heartbeat = driver.counter(CounterTypeId::CLIENT_HEARTBEAT).id;
    driver.ask_as(2, publication("aeron:ipc", STREAM));
    driver.send_with(CLIENT, -1, Request::ClientClose);
    driver.settle();
    assert_eq!(driver.told(), []);
    driver.wait(Duration::from_secs(2));
    assert_eq!(driver.told(), [Told::CounterGone(CLIENT, heartbeat)]);
    assert_eq!(driver.system(SystemCounter::ClientTimeouts), 0);
    assert_eq!(driver.logs().len(), 1, "client 2 still holds the publication");
}

#[test]
fn the_subscriptions_of_a_dead_client_hold_nothing_back() {
    let mut driver = Driver::new();
    driver.publish("aeron:ipc");
    driver.ask_as(2, subscription("aeron:ipc", STREAM));
    driver.ask_as(2, subscription(UDP, STREAM));
    driver.told();
    driver.wait_alive(Duration::from_secs(13), CLIENT);
    let told = driver.told();
    assert!(
        matches!(told[..], [Told::ClientTimeout(2), Told::CounterGone(2, _)]),
        "no image is unavailable: {told:?}"
    );
    let kinds: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
    assert!(!kinds.contains(&CounterTypeId::SUBSCRIBER_POSITION));
    assert!(!kinds.contains(&CounterTypeId::RECEIVE_CHANNEL_STATUS), "{kinds:?}");
}

#[test]
fn goodbyes_and_keepalives_of_strangers_are_ignored() {
    let mut driver = Driver::new();
    driver.send_with(5, -1, Request::ClientClose);
    driver.send_with(6, -1, Request::ClientKeepalive);
    driver.wait(Duration::from_secs(3));
    assert_eq!((driver.told().len(), driver.counters().len(), driver.errors().len()), (0, 0, 0));
}

#[test]
fn a_client_that_dies_while_it_waits_for_its_log_leaves_nothing_behind() {
    let mut driver = Driver::new();
    driver.send_as(CLIENT, publication("aeron:ipc", STREAM));
    driver.wait_without_agent(Duration::from_secs(30));
    driver.settle();
    assert_eq!(driver.told().len(), 2, "it counts as alive again from when its publication is made");
    driver.wait(Duration::from_secs(16));
    assert!(driver.told().contains(&Told::ClientTimeout(CLIENT)));
    assert_eq!((driver.logs().len(), driver.counters().len()), (0, 0));
}

#[test]
fn commands_behind_one_whose_writer_died_are_read_after_the_client_liveness_timeout() {
    let mut driver = Driver::new();
    driver.wait(Duration::from_secs(2));
    {
        let producer = Producer::new(driver.cnc.to_driver()).unwrap();
        let claim = producer.try_claim(4, 64).unwrap();
        // Neither committed nor aborted: as if the process had been killed.
        std::mem::forget(claim);
    }
    driver.send_as(CLIENT, subscription("aeron:ipc", STREAM));
    driver.wait(Duration::from_secs(9));
    assert_eq!(driver.told(), []);
    driver.wait(Duration::from_secs(4));
    assert!(matches!(driver.told()[..], [Told::Counter(..), Told::Subscription { .. }]));
    assert_eq!(driver.system(SystemCounter::UnblockedCommands), 1);
}

#[test]
fn removing_what_belongs_to_a_dead_client_is_refused() {
    let mut driver = Driver::new();
    let (id, _) = driver.publish("aeron:ipc");
    driver.wait(Duration::from_secs(13));
    driver.told();
    let remove = Request::RemovePublication { registration_id: RegistrationId::new(id), revoke: false };
    let (_, told) = driver.ask(remove);
    assert!(matches!(told[..], [Told::Error { .. }]), "{told:?}");
}
