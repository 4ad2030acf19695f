//! What publications and subscriptions share: sockets, sessions, logs; and what becomes of it when they come and go.

use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    counters::CounterDescriptor,
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{
    CLIENT, Driver, STREAM, Told, UDP, exclusive, exists, publication, refusal, subscription,
};

fn receive_endpoints(driver: &Driver) -> Vec<CounterDescriptor> {
    let endpoints = driver.counters().into_iter();
    endpoints.filter(|c| c.type_id == CounterTypeId::RECEIVE_CHANNEL_STATUS).collect()
}

/// The status counter of the socket that a subscription got.
#[track_caller]
fn status_of(told: &[Told]) -> epona_protocol::types::CounterId {
    let status = told.iter().find_map(|told| match told {
        Told::Subscription { status, .. } => Some(*status),
        _ => None,
    });
    status.unwrap_or_else(|| panic!("not a subscription: {told:?}"))
}

#[test]
fn subscriptions_on_one_channel_share_a_socket_until_the_last_is_removed() {
    let mut driver = Driver::new();
    let (first, told) = driver.subscribe(UDP);
    let status = status_of(&told);
    let (second, told) = driver.subscribe(UDP);
    assert_eq!(status_of(&told), status);
    let (other_stream, told) = driver.ask(subscription(UDP, STREAM + 1));
    assert_eq!(status_of(&told), status);
    let (session, told) = driver.subscribe(&format!("{UDP}|session-id=5"));
    assert_eq!(status_of(&told), status);
    for removed in [first, other_stream, session] {
        driver.remove_subscription(removed);
        driver.wait_alive(Duration::from_secs(2), CLIENT);
        assert_eq!(receive_endpoints(&driver)[0].value, 1, "in use");
    }
    driver.remove_subscription(second);
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    assert_eq!(receive_endpoints(&driver).len(), 0);
}

#[test]
fn a_subscription_to_a_session_leaves_the_others_of_its_stream_alone() {
    let mut driver = Driver::new();
    let (session, _) = driver.subscribe(&format!("{UDP}|session-id=5"));
    let (other, _) = driver.subscribe(&format!("{UDP}|session-id=6"));
    assert!(matches!(driver.remove_subscription(session)[..], [Told::Success(_)]));
    let (_, told) = driver.publish_exclusively(&format!("{UDP}|session-id=5"));
    driver.wait_alive(Duration::from_millis(500), CLIENT);
    let told = [told, driver.told()].concat();
    assert!(matches!(told[..], [Told::Exclusive(_)]), "nobody wants it any more: {told:?}");
    let (_, told) = driver.publish_exclusively(&format!("{UDP}|session-id=6"));
    assert!(matches!(told[1], Told::Available { subscription, .. } if subscription == other), "{told:?}");
}

#[test]
fn exclusive_publications_have_logs_and_sessions_of_their_own() {
    for channel in [UDP, "aeron:ipc"] {
        let mut driver = Driver::new();
        let ready = [0; 4].map(|_| driver.publish_exclusively(channel).1.pop().unwrap().ready().clone());
        for (index, one) in ready.iter().enumerate() {
            assert!(exists(&one.log));
            for other in &ready[index + 1..] {
                assert!(one.session != other.session && one.log != other.log, "{one:?} {other:?}");
                assert_eq!(one.status, other.status, "they share the socket");
            }
        }
    }
}

#[test]
fn shared_and_exclusive_publications_never_have_the_same_session() {
    for channel in [format!("{UDP}|session-id=5"), "aeron:ipc?session-id=5".into()] {
        for (first, second) in [
            (publication(&channel, STREAM), exclusive(&channel, STREAM)),
            (exclusive(&channel, STREAM), publication(&channel, STREAM)),
        ] {
            let mut driver = Driver::new();
            let (_, told) = driver.ask(first);
            assert_eq!(told[1].ready().session, 5);
            let (_, told) = driver.ask(second);
            let (code, text) = refusal(&told);
            assert!(code == ErrorCode::InvalidChannel && text.contains("clashing session id 5"), "{text}");
        }
    }
}

#[test]
fn a_session_id_is_shared_by_who_asks_for_what_the_publication_is() {
    for channel in [UDP.to_owned(), "aeron:ipc?alias=x".into()] {
        let mut driver = Driver::new();
        let with = |option: &str| format!("{channel}|session-id=5|mtu=2048|term-length=128k{option}");
        let (original, _) = driver.publish(&with(""));
        let (_, told) = driver.publish(&with(""));
        assert_eq!(told[0].ready().original, original);
        for different in ["mtu=4096|term-length=128k", "mtu=2048|term-length=64k"] {
            let (_, told) = driver.publish(&format!("{channel}|session-id=5|{different}"));
            assert_eq!(refusal(&told).0, ErrorCode::GenericError, "{different}");
        }
    }
}

#[test]
fn a_start_position_is_shared_by_who_asks_for_it_or_for_none() {
    for channel in [UDP.to_owned(), "aeron:ipc?alias=x".into()] {
        let at = |term: i32, offset: i32| {
            format!("{channel}|init-term-id=7|term-id={term}|term-offset={offset}|term-length=64k")
        };
        let mut driver = Driver::new();
        let (original, _) = driver.publish(&at(8, 64));
        for same in [at(8, 64), channel.clone()] {
            let (_, told) = driver.publish(&same);
            assert_eq!(told[0].ready().original, original, "{same}");
        }
        for other in [at(8, 96), at(9, 64)] {
            let (_, told) = driver.publish(&other);
            assert_eq!(refusal(&told).0, ErrorCode::GenericError, "{other}");
        }
        let mut driver = Driver::new();
        driver.publish(&channel);
        let (_, told) = driver.publish(&at(8, 64));
        assert_eq!(refusal(&told).0, ErrorCode::GenericError, "the first asked for none");
    }
}

#[test]
fn an_exclusive_publication_starts_where_its_channel_says() {
    for (channel, positions) in [
        (UDP.to_owned(), vec![CounterTypeId::PUBLISHER_POSITION, CounterTypeId::SENDER_POSITION]),
        ("aeron:ipc?alias=x".into(), vec![CounterTypeId::PUBLISHER_POSITION]),
    ] {
        let mut driver = Driver::new();
        driver.publish_exclusively(&format!(
            "{channel}|init-term-id=-3|term-id=-1|term-offset=64|term-length=64k"
        ));
        for kind in positions {
            assert_eq!(driver.counter(kind).value, 2 * 65_536 + 64, "{channel} {kind:?}");
        }
    }
}

#[test]
fn a_publication_can_be_closed_and_opened_again_at_once() {
    for channel in [UDP, "aeron:ipc"] {
        for add in [publication(channel, STREAM), exclusive(channel, STREAM)] {
            let mut driver = Driver::new();
            let (mut open, told) = driver.ask(add);
            let mut log = told[1].ready().log.clone();
            for _ in 0..5 {
                let registration_id = RegistrationId::new(open);
                driver.send_as(CLIENT, Request::RemovePublication { registration_id, revoke: false });
                let (id, told) = driver.ask(add);
                let [Told::Success(_), ready] = &told[..] else { panic!("{told:?}") };
                let ready = ready.ready().clone();
                assert!(ready.original == id && ready.log != log, "it is a new one");
                (open, log) = (id, ready.log);
            }
            driver.wait_alive(Duration::from_secs(12), CLIENT);
            assert_eq!(driver.logs().len(), 1, "and the old ones go");
            assert!(exists(&log));
        }
    }
}

#[test]
fn a_subscription_can_be_closed_and_opened_again_at_once_by_asking_until_the_socket_is_free() {
    let mut driver = Driver::new();
    let (mut open, _) = driver.subscribe(UDP);
    for _ in 0..5 {
        driver.send_as(CLIENT, Request::RemoveSubscription { registration_id: RegistrationId::new(open) });
        let mut told = driver.subscribe(UDP);
        while let [.., Told::Error { code: ErrorCode::ResourceTemporarilyUnavailable, .. }] = told.1[..] {
            told = driver.subscribe(UDP);
        }
        status_of(&told.1);
        open = told.0;
    }
    driver.wait_alive(Duration::from_secs(5), CLIENT);
    let endpoints = receive_endpoints(&driver);
    assert!(
        endpoints.len() == 1 && endpoints[0].value == 1,
        "the new socket outlives the old ones: {endpoints:?}"
    );
    assert_eq!(driver.errors(), Vec::<String>::new());
}

#[test]
fn who_comes_to_a_socket_in_use_asks_for_the_buffers_that_it_has() {
    // The socket has what the first channel asked for, else what the driver is configured with. A subscription that
    // asks for nothing asks for what is configured, a publication for nothing.
    for (first, configured, asked, fits, subscription_fits) in [
        ("so-sndbuf=64k", 0, "so-sndbuf=64k", true, true),
        ("so-sndbuf=64k", 0, "so-sndbuf=32k", false, false),
        ("alias=none", 65_536, "so-sndbuf=64k", true, true),
        ("alias=none", 65_536, "so-sndbuf=32k", false, false),
        ("so-sndbuf=64k", 32_768, "alias=none", true, false),
        ("alias=none", 0, "so-sndbuf=32k", false, false),
    ] {
        let mut driver = Driver::with(|context| {
            context.network.socket_send_buffer = configured;
            context.network.socket_receive_buffer = if configured == 0 { 0 } else { 131_072 };
        });
        driver.publish(&format!("{UDP}|{first}"));
        let (_, told) = driver.ask(publication(&format!("{UDP}|{asked}"), STREAM + 1));
        assert_eq!(
            matches!(told[..], [Told::Publication(_)]),
            fits,
            "{first} {configured} {asked}: {told:?}"
        );
        let (received, asked) = (first.replace("snd", "rcv"), asked.replace("snd", "rcv"));
        let received = received.replace("64k", "256k");
        let asked =
            asked.replace("64k", if configured == 0 { "256k" } else { "128k" }).replace("32k", "192k");
        driver.subscribe(&format!("{UDP}|{received}"));
        let (_, told) = driver.ask(subscription(&format!("{UDP}|{asked}"), STREAM + 1));
        assert_eq!(
            matches!(told[..], [Told::Subscription { .. }]),
            subscription_fits,
            "{received} {configured} {asked}: {told:?}"
        );
    }
}

#[test]
fn what_must_fit_a_socket_is_held_against_what_it_gets() {
    // The system grants 212,992 bytes of either kind.
    for (buffers, configured, largest) in
        [("alias=none", 0, 212_992), ("alias=none", 131_072, 131_072), ("so-rcvbuf=160k", 131_072, 163_840)]
    {
        let mut driver = Driver::with(|context| context.network.socket_receive_buffer = configured);
        for (window, fits) in [(largest, true), (largest + 32, false)] {
            let (id, told) = driver.subscribe(&format!("{UDP}|{buffers}|rcv-wnd={window}"));
            let ready = matches!(told.last(), Some(Told::Subscription { .. }));
            assert_eq!(ready, fits, "{buffers} {configured} {window}: {told:?}");
            driver.remove_subscription(id);
            driver.wait_alive(Duration::from_secs(2), CLIENT);
            driver.told();
        }
    }
    for (buffers, configured, largest) in
        [("alias=none", 4096, 4096), ("so-sndbuf=8k", 4096, 8192), ("so-sndbuf=2k", 0, 2048)]
    {
        let mut driver = Driver::with(|context| context.network.socket_send_buffer = configured);
        for (mtu, fits) in [(largest, true), (largest + 32, false)] {
            let (_, told) = driver.publish(&format!("{UDP}|{buffers}|mtu={mtu}|linger=0s"));
            let ready = matches!(told.last(), Some(Told::Publication(_)));
            assert_eq!(ready, fits, "{buffers} {configured} {mtu}: {told:?}");
            if let Some(Told::Publication(ready)) = told.last() {
                driver.remove_publication(ready.id);
                driver.wait_alive(Duration::from_secs(6), CLIENT);
                driver.told();
            }
        }
    }
}

#[test]
fn a_traffic_class_is_that_of_the_socket_in_use_and_between_0_and_255() {
    let mut driver = Driver::new();
    for class in ["-2", "256", "x"] {
        let channel = format!("{UDP}|so-tos={class}");
        for told in [driver.publish(&channel).1, driver.subscribe(&channel).1] {
            let (code, text) = refusal(&told);
            assert!(code == ErrorCode::GenericError && text.contains(&format!("so-tos={class}")), "{text}");
        }
    }
    driver.subscribe(&format!("{UDP}|so-tos=8"));
    let (_, told) = driver.ask(subscription(&format!("{UDP}|so-tos=9"), STREAM + 1));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("so-tos=9 does not match existing value of 8"));
    let (_, told) = driver.ask(subscription(&format!("{UDP}|so-tos=8"), STREAM + 1));
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
}
