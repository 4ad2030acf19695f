use std::time::Duration;

use epona_protocol::{
    command::ErrorCode,
    counters::{ChannelKey, LocalSocketAddressKey, SystemCounter},
    types::CounterTypeId,
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exclusive, publication, refusal, subscription};

#[test]
fn counters_of_a_channel_name_it_and_the_address_it_got() {
    let mut driver = Driver::new();
    let (id, told) = driver.subscribe("aeron:udp?endpoint=127.0.0.1:0|alias=any");
    let status = driver.counter(CounterTypeId::RECEIVE_CHANNEL_STATUS);
    let address = driver.counter(CounterTypeId::LOCAL_SOCKET_ADDRESS);
    assert!(matches!(told[1], Told::Subscription { status: answered, .. } if answered == status.id));
    assert_eq!((status.registration_id, status.owner_id, status.value), (id, 0, 1));
    assert_eq!((address.registration_id, address.owner_id, address.value), (id, 0, 1));
    assert_eq!(ChannelKey::decode(&status.key).unwrap().channel, "aeron:udp?endpoint=127.0.0.1:0|alias=any");
    let key = LocalSocketAddressKey::decode(&address.key).unwrap();
    assert_eq!(key.channel_status_id, status.id);
    assert!(key.address.starts_with("127.0.0.1:") && key.address != "127.0.0.1:0", "{}", key.address);
    assert_eq!(
        status.label,
        format!("rcv-channel: aeron:udp?endpoint=127.0.0.1:0|alias=any {}", key.address)
    );
    assert_eq!(address.label, format!("rcv-local-sockaddr: {} {}", status.id, key.address));
}

#[test]
fn the_label_of_a_channel_is_what_the_client_wrote() {
    let mut driver = Driver::new();
    driver.publish("aeron:udp?mtu=1408|alias=x|endpoint=127.0.0.1:24325|term-length=64k");
    let label = driver.counter(CounterTypeId::SEND_CHANNEL_STATUS).label;
    let written = "snd-channel: aeron:udp?mtu=1408|alias=x|endpoint=127.0.0.1:24325|term-length=64k ";
    assert!(label.starts_with(written), "{label}");
}

#[test]
fn wildcard_ports_are_never_shared() {
    let mut driver = Driver::new();
    driver.subscribe("aeron:udp?endpoint=127.0.0.1:0");
    driver.subscribe("aeron:udp?endpoint=127.0.0.1:0");
    assert_eq!(
        driver.counters().iter().filter(|c| c.type_id == CounterTypeId::RECEIVE_CHANNEL_STATUS).count(),
        2
    );
}

#[test]
fn a_tag_leads_to_the_endpoint_that_has_it() {
    let mut driver = Driver::new();
    let (_, told) = driver.publish(&format!("{UDP}|tags=7"));
    let status = told[1].ready().status;
    let (_, told) = driver.ask(publication("aeron:udp?tags=7", STREAM + 1));
    assert_eq!(told[0].ready().status, status);

    let (_, told) = driver.publish("aeron:udp?endpoint=127.0.0.1:1|tags=7");
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("matching tag 7"), "{text}");
    let (_, told) = driver.publish("aeron:udp?tags=8");
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("when original"), "{text}");
    let (_, told) = driver.publish(&format!("{UDP}|tags=8"));
    assert!(told[0].ready().status != status, "two tags are two endpoints");
}

#[test]
fn a_channel_must_not_ask_for_another_socket_than_its_endpoint_has() {
    let mut driver = Driver::new();
    driver.publish(&format!("{UDP}|so-sndbuf=64k|so-rcvbuf=128k|so-tos=8|channel-snd-ts-offset=reserved"));
    for (option, name) in [
        ("channel-snd-ts-offset=0", "channel-snd-ts-offset=0"),
        (
            "channel-snd-ts-offset=reserved|so-sndbuf=32k",
            "so-sndbuf=32768 does not match existing value of 65536",
        ),
        ("channel-snd-ts-offset=reserved|so-rcvbuf=64k", "so-rcvbuf=65536"),
        ("channel-snd-ts-offset=reserved|so-tos=9", "so-tos=9 does not match existing value of 8"),
        ("channel-snd-ts-offset=reserved|mtu=65504|so-sndbuf=64k|term-length=1m", ""),
    ] {
        let (_, told) = driver.ask(publication(&format!("{UDP}|{option}"), STREAM + 1));
        if name.is_empty() {
            assert!(matches!(told[..], [Told::Publication(_)]), "{told:?}");
            continue;
        }
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(name), "{option}: {text}");
    }
}

#[test]
fn sockets_are_opened_with_what_their_channel_asks_for() {
    let mut driver = Driver::new();
    let group = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1";
    for channel in [UDP, group] {
        driver.publish(&format!("{channel}|so-sndbuf=96k|so-rcvbuf=160k|so-tos=8|ttl=3"));
        driver.subscribe(&format!("{channel}|so-sndbuf=64k|so-rcvbuf=256k|so-tos=9|media-rcv-ts-offset=0"));
    }
    let opened = driver.opened.lock().unwrap();
    let asked: Vec<_> = opened
        .iter()
        .map(|spec| {
            (spec.send_buffer >> 10, spec.receive_buffer >> 10, spec.traffic_class, spec.media_timestamps)
        })
        .collect();
    assert_eq!(asked, [(96, 160, Some(8), false), (64, 256, Some(9), true)].repeat(2));
    let ttl = |at: usize| opened[at].multicast.map(|multicast| multicast.ttl);
    assert_eq!((ttl(0), ttl(2)), (None, Some(3)));
}

#[test]
fn datagrams_must_fit_the_socket() {
    let mut driver = Driver::new();
    let (_, told) = driver.publish(&format!("{UDP}|mtu=8192|so-sndbuf=4k"));
    let (code, text) = refusal(&told);
    assert!(
        code == ErrorCode::GenericError && text.contains("MTU 8192 greater than SO_SNDBUF 4096"),
        "{text}"
    );
    let (_, told) = driver.subscribe(&format!("{UDP}|rcv-wnd=256k"));
    let (code, text) = refusal(&told);
    assert!(
        code == ErrorCode::GenericError && text.contains("window 262144 greater than SO_RCVBUF 131072"),
        "{text}"
    );
    assert_eq!(driver.counters().len(), 0);
}

#[test]
fn subscriptions_to_one_stream_of_an_endpoint_agree_on_how_it_is_received() {
    let mut driver = Driver::new();
    driver.subscribe(UDP);
    for (stream, option) in [(STREAM + 1, "reliable=false"), (STREAM + 2, "rejoin=false")] {
        let channel = format!("{UDP}|{option}");
        let (_, told) = driver.subscribe(&channel);
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(option), "{text}");
        let (_, told) = driver.ask(subscription(&channel, stream));
        assert!(matches!(told[..], [Told::Subscription { .. }]), "another stream: {told:?}");
        let (_, told) = driver.subscribe(&format!("{channel}|session-id={stream}"));
        assert!(matches!(told[..], [Told::Subscription { .. }]), "one session, not all: {told:?}");
    }
    let (_, told) = driver.subscribe(&format!("{UDP}|so-rcvbuf=132k"));
    assert!(refusal(&told).1.contains("so-rcvbuf=135168 does not match"), "{told:?}");
    for option in ["channel-rcv-ts-offset=0", "media-rcv-ts-offset=8"] {
        let (_, told) = driver.subscribe(&format!("{UDP}|{option}"));
        assert!(refusal(&told).1.contains(option), "{told:?}");
    }
}

#[test]
fn who_comes_while_a_socket_closes_is_asked_to_come_back_and_nothing_is_logged() {
    let mut driver = Driver::new();
    let (id, _) = driver.subscribe(UDP);
    let remove = epona_protocol::command::Request::RemoveSubscription {
        registration_id: epona_protocol::types::RegistrationId::new(id),
    };
    driver.send_as(CLIENT, remove);
    driver.send_as(CLIENT, subscription(UDP, STREAM));
    for _ in 0..4 {
        driver.turn_of_control();
    }
    let told = driver.told();
    let (code, text) = refusal(&told[1..]);
    assert_eq!(code, ErrorCode::ResourceTemporarilyUnavailable, "{text}");
    assert_eq!((driver.errors().len(), driver.system(SystemCounter::Errors)), (0, 0));
    assert_eq!(driver.counter(CounterTypeId::RECEIVE_CHANNEL_STATUS).value, 2, "it shows that it closes");
    driver.settle();
    let (_, told) = driver.subscribe(UDP);
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
}

#[test]
fn a_publication_that_comes_while_a_socket_closes_is_asked_to_come_back_and_nothing_is_logged() {
    for add in [publication(UDP, STREAM), exclusive(UDP, STREAM)] {
        let mut driver = Driver::new();
        let (id, _) = driver.publish(&format!("{UDP}|linger=0s"));
        driver.remove_publication(id);
        // The sender takes the order to close the socket in the turn after the conductor has given it.
        while driver.counter(CounterTypeId::SEND_CHANNEL_STATUS).value != 2 {
            driver.pass(Duration::from_millis(50));
            driver.turn();
        }
        driver.told();
        driver.send_as(CLIENT, add);
        for _ in 0..4 {
            driver.turn_of_control();
        }
        let told = driver.told();
        let (code, text) = refusal(&told);
        assert_eq!(code, ErrorCode::ResourceTemporarilyUnavailable, "{text}");
        assert_eq!((driver.errors().len(), driver.system(SystemCounter::Errors)), (0, 0));
        driver.settle();
        let (_, told) = driver.ask(add);
        assert!(matches!(told[..], [Told::Publication(_) | Told::Exclusive(_)]), "{told:?}");
    }
}

#[test]
fn the_socket_of_publications_goes_when_the_last_of_them_has_gone() {
    let mut driver = Driver::new();
    let (first, _) = driver.publish_exclusively(&format!("{UDP}|linger=0s"));
    let (second, _) = driver.publish_exclusively(&format!("{UDP}|linger=0s"));
    driver.remove_publication(first);
    driver.wait_alive(Duration::from_secs(4), CLIENT);
    assert_eq!(driver.counter(CounterTypeId::SEND_CHANNEL_STATUS).value, 1);
    driver.remove_publication(second);
    driver.wait_alive(Duration::from_secs(5), CLIENT);
    assert_eq!(driver.counters().len(), 1, "{:?}", driver.labels());
}

#[test]
fn busy_polling_is_for_sockets_that_receive_data() {
    let time = Duration::from_micros(50);
    let mut driver = Driver::with(|context| context.network.socket_busy_poll = time);
    driver.subscribe("aeron:udp?endpoint=127.0.0.1:0");
    driver.publish(UDP);
    let asked: Vec<_> = driver.opened.lock().unwrap().iter().map(|spec| spec.busy_poll).collect();
    assert_eq!(asked, [time, Duration::ZERO]);
}
