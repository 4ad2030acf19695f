use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    logbuffer::{LogBuffers, appender::ConcurrentAppender},
    types::{CounterId, CounterTypeId, Position, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exclusive, exists, publication, refusal};

#[test]
fn publications_on_one_channel_share_a_socket_and_each_has_its_stream() {
    let mut driver = Driver::new();
    let (first, told) = driver.publish(UDP);
    let ready = told[1].ready().clone();
    assert_eq!(ready.status, driver.counter(CounterTypeId::SEND_CHANNEL_STATUS).id);
    let (second, told) = driver.ask(publication(UDP, STREAM + 1));
    assert_eq!((told[0].ready().original, told[0].ready().status), (second, ready.status));
    let (_, told) = driver.publish(UDP);
    assert_eq!((told[0].ready().original, told[0].ready().session), (first, ready.session));
    assert_eq!((&told[0].ready().log, driver.logs().len()), (&ready.log, 2), "one log for each stream");
    let (_, told) = driver.publish("aeron:udp?endpoint=127.0.0.1:24326");
    assert!(told[0].ready().status != ready.status);
}

#[test]
fn spies_hear_of_a_publication_after_its_client_does() {
    let mut driver = Driver::new();
    let spied = format!("aeron-spy:{UDP}");
    let (spy, told) = driver.subscribe(&spied);
    assert!(matches!(told[1], Told::Subscription { status: CounterId::NULL, .. }), "{told:?}");
    driver.subscribe(&format!("{spied}|session-id=123456"));
    driver.subscribe("aeron-spy:aeron:udp?endpoint=127.0.0.1:1");
    let (id, told) = driver.publish(UDP);
    assert!(
        matches!(&told[..], [Told::Publication(_), Told::Available { image, subscription, source, .. }]
        if (*image, *subscription, source.as_str()) == (id, spy, "aeron:ipc")),
        "{told:?}"
    );
    let (late, told) = driver.subscribe(&spied);
    assert!(
        matches!(told[..], [Told::Subscription { .. }, Told::Available { subscription, .. }] if subscription == late)
    );
    assert!(
        matches!(driver.remove_subscription(late)[..], [Told::Success(_)]),
        "the remover is told nothing more"
    );

    driver.remove_publication(id);
    driver.wait(Duration::from_secs(3));
    assert_eq!(driver.told(), [Told::Unavailable { image: id, subscription: spy, channel: spied }]);
}

#[test]
fn a_spy_with_the_tag_of_a_channel_needs_no_addresses() {
    let mut driver = Driver::new();
    let (id, _) = driver.publish("aeron:udp?endpoint=127.0.0.1:24325|tags=9");
    let (_, told) = driver.subscribe("aeron-spy:aeron:udp?tags=9");
    assert!(matches!(told[1], Told::Available { image, .. } if image == id), "{told:?}");
}

#[test]
fn shared_publications_agree_about_spies_and_parameters() {
    let mut driver = Driver::new();
    driver.publish(UDP);
    for (different, reason) in [
        ("ssc=true", "different spies simulate connection"),
        ("mtu=2048", "different 'mtu'"),
        ("session-id=1", "different 'session-id'"),
        ("term-length=128k", "different 'term-length'"),
    ] {
        let (_, told) = driver.publish(&format!("{UDP}|{different}"));
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(reason), "{different}: {text}");
    }
}

#[test]
fn session_ids_clash_per_endpoint_and_stream() {
    let mut driver = Driver::new();
    let channel = format!("{UDP}|session-id=5");
    let (first, _) = driver.publish_exclusively(&channel);
    let (_, told) = driver.publish_exclusively(&channel);
    assert_eq!(refusal(&told).0, ErrorCode::InvalidChannel);
    let (_, told) = driver.ask(exclusive(&channel, STREAM + 1));
    assert_eq!(told[0].ready().session, 5);
    let (_, told) = driver.publish_exclusively("aeron:udp?endpoint=127.0.0.1:24326|session-id=5");
    assert_eq!(told[0].ready().session, 5);

    driver.remove_publication(first);
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    driver.told();
    let (_, told) = driver.publish_exclusively(&channel);
    assert_eq!(refusal(&told).0, ErrorCode::InvalidChannel, "it lingers");
    driver.wait_alive(Duration::from_secs(8), CLIENT);
    driver.told();
    let (_, told) = driver.publish_exclusively(&channel);
    assert_eq!(told[0].ready().session, 5, "the linger is over");
}

#[test]
fn a_session_can_be_taken_from_a_tagged_publication_with_its_sizes() {
    let mut driver = Driver::new();
    let (_, told) = driver.publish(&format!("{UDP}|tags=1,22|mtu=2048|term-length=128k"));
    let session = told[1].ready().session;
    let (_, told) = driver.publish("aeron:udp?endpoint=127.0.0.1:24326|session-id=tag:22");
    let ready = told[0].ready();
    let log = LogBuffers::open(ready.log.as_ref()).unwrap();
    assert_eq!(ready.session, session);
    assert_eq!(log.metadata().mtu().unwrap().get(), 2048);
    assert_eq!(log.metadata().term_length().unwrap().get(), 131_072);
    let (_, told) = driver.publish("aeron:udp?endpoint=127.0.0.1:24327|session-id=tag:23");
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("session-id=tag:23"), "{text}");
}

#[test]
fn a_publication_lingers_before_its_log_goes() {
    let mut driver = Driver::new();
    let (id, told) = driver.publish(UDP);
    let log = told[1].ready().log.clone();
    driver.remove_publication(id);
    driver.wait_alive(Duration::from_secs(4), CLIENT);
    assert!(exists(&log));
    driver.wait_alive(Duration::from_secs(5), CLIENT);
    assert!(!exists(&log));
    let left: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
    assert_eq!(left, [CounterTypeId::CLIENT_HEARTBEAT], "its counters and those of its socket are free");
}

#[test]
fn a_removed_publication_is_unknown() {
    let mut driver = Driver::new();
    let (id, _) = driver.publish(UDP);
    driver.remove_publication(id);
    for unknown in [id, 999] {
        let told = driver.remove_publication(unknown);
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::UnknownPublication && text.contains(&unknown.to_string()), "{text}");
    }
    let id = RegistrationId::new(7);
    let (_, told) = driver.ask_as(77, Request::RemovePublication { registration_id: id, revoke: false });
    assert_eq!(refusal(&told).0, ErrorCode::UnknownPublication);
    assert_eq!(driver.counters().iter().filter(|c| c.owner_id == 77).count(), 0, "and makes no client");
}

/// As in Aeron C: differential test, script of seed 111.
#[test]
fn publications_that_share_a_socket_have_the_flow_control_of_its_channel() {
    let first = "aeron:udp?control=127.0.0.1:24330|control-mode=dynamic|fc=min,g:/2|tags=7";
    let mut driver = Driver::new();
    driver.publish(first);
    for (stream, channel) in (STREAM + 1..).zip([
        "aeron:udp?tags=7",
        "aeron:udp?control=127.0.0.1:24330|control-mode=dynamic",
        "aeron:udp?control=127.0.0.1:24330|control-mode=dynamic|fc=max",
        "aeron:udp?control=127.0.0.1:24330|control-mode=dynamic|fc=nonsense",
    ]) {
        let (id, told) = driver.ask(publication(channel, stream));
        let session = told[0].ready().session;
        let label = format!("fc-receivers: {id} {session} {stream} {first}");
        assert!(driver.labels().contains(&label), "{channel}: {:?}", driver.labels());
    }
}

#[test]
fn flow_control_that_tracks_receivers_counts_them_on_a_group_only() {
    let group = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1|fc=min";
    let mut driver = Driver::new();
    driver.publish(&format!("{UDP}|fc=min"));
    driver.publish("aeron:udp?endpoint=224.20.30.41:24326|interface=127.0.0.1|fc=max");
    let is_count = |kind: CounterTypeId| kind == CounterTypeId::FLOW_CONTROL_RECEIVERS;
    assert!(driver.counters().iter().all(|c| !is_count(c.type_id)), "{:?}", driver.labels());
    let (id, told) = driver.publish(group);
    let session = told[0].ready().session;
    let counter = driver.counter(CounterTypeId::FLOW_CONTROL_RECEIVERS);
    assert_eq!((counter.registration_id, counter.owner_id, counter.value), (id, -1, 0));
    assert_eq!(counter.label, format!("fc-receivers: {id} {session} {STREAM} {group}"));
    driver.subscribe(group);
    driver.wait(Duration::from_secs(1));
    assert_eq!(driver.counter(CounterTypeId::FLOW_CONTROL_RECEIVERS).value, 1);
    driver.remove_publication(id);
    driver.wait_alive(Duration::from_secs(12), CLIENT);
    assert!(driver.counters().iter().all(|c| !is_count(c.type_id)), "{:?}", driver.labels());
}

#[test]
fn the_limit_follows_what_the_sender_sent_in_the_next_turn_after_a_long_rest_of_the_conductor() {
    let mut driver = Driver::new();
    driver.subscribe(UDP);
    let (_, told) = driver.publish(UDP);
    let log = LogBuffers::open(told[0].ready().log.as_ref()).unwrap();
    driver.wait(Duration::from_secs(2));
    let appender = ConcurrentAppender::new(log).unwrap();
    let limit = |driver: &Driver| driver.counter(CounterTypeId::PUBLISHER_LIMIT).value;
    let window = limit(&driver);
    for sent in 1..=3 {
        (0..1000).for_each(|_| driver.turn_of_conductor());
        appender.offer(&[1; 992], Position::new(limit(&driver))).unwrap();
        driver.turn_without_agent();
        assert_eq!(limit(&driver), window + 1024 * sent);
    }
}

#[test]
fn many_publications_end_in_time_also_where_a_turn_comes_once_in_a_timer_interval() {
    let mut driver = Driver::new();
    let ids: Vec<i64> = (0..40).map(|at| driver.ask(publication(UDP, STREAM + at)).0).collect();
    for id in ids {
        driver.remove_publication(id);
    }
    assert_eq!(driver.logs().len(), 40);
    // Five seconds of linger, and some turns for what sender and conductor say to each other.
    for _ in 0..17 {
        driver.pass(Duration::from_millis(1001));
        driver.turn();
    }
    assert_eq!(driver.logs().len(), 0);
}
