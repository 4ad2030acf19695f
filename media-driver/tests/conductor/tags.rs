use epona_protocol::{command::ErrorCode, types::CounterId};

use crate::harness::{Driver, STREAM, Told, UDP, publication, refusal, subscription};

/// A channel with a tag, and everything else that it may disagree about.
const TAGGED: &str = "aeron:udp?endpoint=127.0.0.1:24325|control=127.0.0.1:24326|mtu=2048|term-length=64k|so-sndbuf=64k|tags=7";

fn status(told: &[Told]) -> CounterId {
    match told.iter().find(|told| !matches!(told, Told::Counter(..))) {
        Some(Told::Publication(ready)) => ready.status,
        Some(Told::Subscription { status, .. }) => *status,
        _ => panic!("{told:?}"),
    }
}

#[test]
fn a_tag_alone_finds_the_socket_of_publications_on_any_stream() {
    let mut driver = Driver::new();
    let (first, told) = driver.publish(TAGGED);
    let socket = status(&told);
    let (_, told) = driver.publish("aeron:udp?tags=7");
    assert_eq!((told[0].ready().original, status(&told)), (first, socket), "one stream is shared");
    let (other, told) = driver.ask(publication("aeron:udp?tags=7", STREAM + 1));
    assert_eq!((told[0].ready().original, status(&told)), (other, socket), "another one is its own");
}

#[test]
fn a_tag_alone_finds_the_socket_of_subscriptions_on_any_stream() {
    let mut driver = Driver::new();
    let (first, told) = driver.subscribe(&format!("{UDP}|tags=7"));
    let socket = status(&told);
    let (second, told) = driver.subscribe("aeron:udp?tags=7");
    assert_eq!(status(&told), socket);
    let (_, told) = driver.ask(subscription("aeron:udp?tags=7", STREAM + 1));
    assert_eq!(status(&told), socket);
    let (_, told) = driver.publish(UDP);
    let subscribers: Vec<_> = told[1..]
        .iter()
        .map(|told| match told {
            Told::Available { subscription, .. } => *subscription,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(subscribers, [first, second]);
}

#[test]
fn what_a_tagged_publication_says_besides_must_be_so() {
    let mut driver = Driver::new();
    let (original, told) = driver.publish(TAGGED);
    let socket = status(&told);
    for same in [
        TAGGED,
        "aeron:udp?tags=7|mtu=2048",
        "aeron:udp?tags=7|so-sndbuf=64k|term-length=64k",
        "aeron:udp?endpoint=127.0.0.1:24325|control=127.0.0.1:24326|tags=7",
    ] {
        let (_, told) = driver.publish(same);
        assert_eq!((told[0].ready().original, status(&told)), (original, socket), "{same}");
    }
    for (different, reason) in [
        (
            "aeron:udp?endpoint=127.0.0.1:1|control=127.0.0.1:24326|tags=7",
            "matching tag 7 has mismatched endpoint",
        ),
        (
            "aeron:udp?endpoint=127.0.0.1:24325|control=127.0.0.1:1|tags=7",
            "matching tag 7 has mismatched endpoint",
        ),
        ("aeron:udp?tags=7|control-mode=manual", "matching tag 7 has mismatched control-mode"),
        ("aeron:udp?tags=7|so-sndbuf=32k", "so-sndbuf=32768 does not match existing value of 65536"),
        ("aeron:udp?tags=7|so-rcvbuf=64k", "so-rcvbuf=65536 does not match"),
        ("aeron:udp?tags=7|mtu=4096", "different 'mtu'"),
        ("aeron:udp?tags=7|term-length=128k", "different 'term-length'"),
        ("aeron:udp?tags=8", "when original"),
    ] {
        let (_, told) = driver.publish(different);
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(reason), "{different}: {text}");
    }
}

#[test]
fn what_a_tagged_subscription_says_besides_must_be_so() {
    let mut driver = Driver::new();
    let tagged = format!("{UDP}|so-rcvbuf=132k|tags=7");
    let (_, told) = driver.subscribe(&tagged);
    let socket = status(&told);
    for same in [&tagged, "aeron:udp?tags=7|so-rcvbuf=132k", &format!("{UDP}|tags=7|so-rcvbuf=132k")] {
        let (_, told) = driver.subscribe(same);
        assert_eq!(status(&told), socket, "{same}");
    }
    for (different, reason) in [
        ("aeron:udp?endpoint=127.0.0.1:1|tags=7", "matching tag 7 has mismatched endpoint"),
        (
            "aeron:udp?endpoint=127.0.0.1:24325|control=127.0.0.1:1|tags=7",
            "matching tag 7 has mismatched endpoint or control",
        ),
        ("aeron:udp?tags=7|so-rcvbuf=256k", "so-rcvbuf=262144 does not match"),
        ("aeron:udp?tags=7|control-mode=manual", "matching tag 7 has mismatched control-mode"),
    ] {
        let (_, told) = driver.subscribe(different);
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(reason), "{different}: {text}");
    }
}

#[test]
fn a_tag_keeps_its_control_mode_for_channels_that_name_none() {
    let mut driver = Driver::new();
    let dynamic = "aeron:udp?control=127.0.0.1:24326|control-mode=dynamic|tags=7";
    let (_, told) = driver.publish(dynamic);
    let socket = status(&told);
    let (_, told) = driver.ask(publication("aeron:udp?tags=7", STREAM + 1));
    assert_eq!(status(&told), socket);
    let (_, told) = driver.ask(publication("aeron:udp?tags=7|control-mode=manual", STREAM + 2));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("mismatched control-mode"), "{text}");

    let receiver = "aeron:udp?endpoint=127.0.0.1:24330|control=127.0.0.1:24326|control-mode=dynamic";
    for stream in [STREAM, STREAM + 1] {
        driver.ask(subscription(receiver, stream));
        driver.wait(std::time::Duration::from_secs(2));
        let told = driver.told();
        assert!(matches!(told[..], [Told::Available { .. }]), "stream {stream}: {told:?}");
    }
}

#[test]
fn a_session_tag_names_a_publication_on_the_network() {
    let mut driver = Driver::new();
    driver.publish(&format!("{UDP}|tags=7,22"));
    driver.publish("aeron:ipc?tags=8,23");
    for (channel, reason) in [
        ("aeron:udp?endpoint=127.0.0.1:1|session-id=tag:x", "session-id=tag:x"),
        ("aeron:udp?endpoint=127.0.0.1:1|session-id=tag:", "session-id=tag:"),
        ("aeron:udp?endpoint=127.0.0.1:1|session-id=tag:7", "session-id=tag:7"),
        ("aeron:udp?endpoint=127.0.0.1:1|session-id=tag:23", "session-id=tag:23"),
        ("aeron:ipc?session-id=tag:23", "session-id=tag:23"),
    ] {
        let (_, told) = driver.publish(channel);
        let (code, text) = refusal(&told);
        assert!(code == ErrorCode::GenericError && text.contains(reason), "{channel}: {text}");
    }
}
