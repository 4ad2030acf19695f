//! Channels that the driver refuses, each with the code that a client can act on.

use std::net::UdpSocket;

use epona_client::{
    Aeron,
    ErrorCode::{self, GenericError, InvalidChannel, UnknownHost},
};
use epona_protocol::counters::SystemCounter;

use crate::{
    process::{Driver, refused, until, workspace},
    traffic::{exchange, free_port},
};

/// What every kind of request refuses. Source: driver spec 2.1, 2.3, 2.4, 14.1.
const BAD_FOR_ALL: &[(&str, ErrorCode)] = &[
    ("", InvalidChannel),
    ("aeron", InvalidChannel),
    ("aeron:", InvalidChannel),
    ("aeron:tcp?endpoint=localhost:40123", InvalidChannel),
    ("http://localhost:40123", InvalidChannel),
    ("aeron:udp", InvalidChannel),
    ("aeron:udp?", InvalidChannel),
    ("aeron:udp?endpoint", InvalidChannel),
    ("aeron:udp?endpoint=", InvalidChannel),
    ("aeron:udp?=localhost:40123", InvalidChannel),
    ("aeron:udp?endpoint=localhost:40123|linger=", InvalidChannel),
    ("aeron:udp?mtu=1408", InvalidChannel),
    ("aeron:udp?control-mode=dynamic", InvalidChannel),
    ("aeron:udp?endpoint=localhost:40123|control-mode=dynamic", InvalidChannel),
    ("aeron:udp?endpoint=localhost:40123|tags=one", InvalidChannel),
    ("aeron:udp?endpoint=localhost", GenericError),
    ("aeron:udp?endpoint=localhost:", GenericError),
    ("aeron:udp?endpoint=localhost:port", GenericError),
    ("aeron:udp?endpoint=localhost:-1", GenericError),
    ("aeron:udp?endpoint=localhost:65536", GenericError),
    ("aeron:udp?endpoint=[::1:40123", GenericError),
    ("aeron:udp?endpoint=224.20.30.38:40123", GenericError),
    ("aeron:udp?endpoint=224.20.30.39:40123|interface=192.0.2.1", GenericError),
    ("aeron:udp?endpoint=no-such-host.invalid:40123", UnknownHost),
    ("aeron:udp?endpoint=localhost:40123|so-sndbuf=lots", GenericError),
    ("aeron:udp?endpoint=localhost:40123|so-rcvbuf=-1", GenericError),
    ("aeron:udp?endpoint=localhost:40123|rcv-wnd=1x", GenericError),
    ("aeron:udp?endpoint=localhost:40123|so-tos=256", GenericError),
    ("aeron:udp?endpoint=localhost:40123|so-tos=-1", GenericError),
    ("aeron:udp?endpoint=localhost:40123|ats=maybe", GenericError),
    ("aeron:udp?endpoint=localhost:40123|session-id=me", GenericError),
    ("aeron:udp?endpoint=localhost:40123|session-id=2147483648", GenericError),
    ("aeron:udp?endpoint=localhost:40123|sparse=perhaps", GenericError),
    ("aeron:udp?endpoint=localhost:40123|media-rcv-ts-offset=0|channel-rcv-ts-offset=4", GenericError),
    ("aeron:ipc?sparse=", InvalidChannel),
    ("aeron:ipc?sparse=perhaps", GenericError),
    ("aeron:ipc?untethered-resting-timeout=soon", GenericError),
];

/// What publications refuse besides.
const BAD_FOR_PUBLICATIONS: &[(&str, ErrorCode)] = &[
    ("aeron:udp?endpoint=localhost:0", GenericError),
    ("aeron:udp?control=localhost:40124", GenericError),
    ("aeron-spy:aeron:udp?endpoint=localhost:40123", InvalidChannel),
    ("aeron:udp?endpoint=localhost:40123|term-length=100000", GenericError),
    ("aeron:udp?endpoint=localhost:40123|term-length=32k", GenericError),
    ("aeron:udp?endpoint=localhost:40123|term-length=2g", GenericError),
    ("aeron:udp?endpoint=localhost:40123|mtu=32", GenericError),
    ("aeron:udp?endpoint=localhost:40123|mtu=1400", GenericError),
    ("aeron:udp?endpoint=localhost:40123|mtu=65536", GenericError),
    ("aeron:udp?endpoint=localhost:40123|so-sndbuf=4k|mtu=8k", GenericError),
    ("aeron:udp?endpoint=localhost:40123|pub-wnd=1k", GenericError),
    ("aeron:udp?endpoint=localhost:40123|pub-wnd=64k|term-length=64k", GenericError),
    ("aeron:udp?endpoint=localhost:40123|linger=long", GenericError),
    ("aeron:udp?endpoint=localhost:40123|max-resend=0", GenericError),
    ("aeron:udp?endpoint=localhost:40123|max-resend=257", GenericError),
    ("aeron:udp?endpoint=localhost:40123|eos=1", GenericError),
    ("aeron:udp?endpoint=localhost:40123|ssc=yes", GenericError),
    ("aeron:udp?control=127.0.0.1:0|control-mode=dynamic|fc=magic", GenericError),
    ("aeron:udp?control=127.0.0.1:0|control-mode=dynamic|fc=min,g:many", GenericError),
    ("aeron:udp?endpoint=localhost:40123|session-id=tag:5", GenericError),
    ("aeron:udp?endpoint=localhost:40123|response-correlation-id=99", GenericError),
    ("aeron:udp?endpoint=localhost:40123|response-correlation-id=-2", GenericError),
    ("aeron:udp?endpoint=localhost:40123|init-term-id=1", GenericError),
    ("aeron:udp?endpoint=localhost:40123|init-term-id=1|term-id=1", GenericError),
    ("aeron:udp?endpoint=localhost:40123|init-term-id=2|term-id=1|term-offset=0", GenericError),
    ("aeron:udp?endpoint=localhost:40123|init-term-id=1|term-id=1|term-offset=33", GenericError),
    (
        "aeron:udp?endpoint=localhost:40123|init-term-id=1|term-id=1|term-offset=65568|term-length=64k",
        GenericError,
    ),
    ("aeron:udp?endpoint=localhost:40123|init-term-id=1|term-id=1|term-offset=-32", GenericError),
    ("aeron:udp?endpoint=localhost:40123|control-mode=response", GenericError),
    ("aeron:udp?endpoint=localhost:40123|control-mode=response|response-correlation-id=99", GenericError),
    ("aeron:udp?tags=77", GenericError),
    ("aeron:ipc?term-length=100000", GenericError),
    ("aeron:ipc?mtu=33", GenericError),
    ("aeron:ipc?pub-wnd=16", GenericError),
    ("aeron:ipc?init-term-id=5", GenericError),
];

/// What subscriptions refuse besides.
const BAD_FOR_SUBSCRIPTIONS: &[(&str, ErrorCode)] = &[
    ("aeron:udp?endpoint=localhost:40123|control=localhost:0", GenericError),
    ("aeron:udp?endpoint=localhost:40123|rcv-wnd=1g", GenericError),
    ("aeron:udp?endpoint=localhost:40123|reliable=often", GenericError),
    ("aeron:udp?endpoint=localhost:40123|tether=1", GenericError),
    ("aeron:udp?endpoint=localhost:40123|rejoin=2", GenericError),
    ("aeron:udp?endpoint=192.0.2.1:40123", GenericError),
    ("aeron-spy:aeron:udp", InvalidChannel),
    ("aeron-spy:aeron:ipc", InvalidChannel),
    ("aeron-spy:nonsense", InvalidChannel),
    ("aeron-spy:aeron:udp?endpoint=no-such-host.invalid:40123", UnknownHost),
];

/// Every refusal that is not as it should be, so that one run shows them all.
fn differences(requests: impl Iterator<Item = (&'static str, ErrorCode)>, ask: impl Fn(&str) -> Outcome) {
    let wrong: Vec<_> = requests
        .filter_map(|(channel, expected)| match ask(channel) {
            Err(epona_client::ClientError::Registration { code, message, .. }) => (code != expected
                || message.is_empty())
            .then(|| format!("{channel:?}: {code} instead of {expected}: {message}")),
            other => Some(format!("{channel:?}: {other:?} instead of {expected}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Outcome = Result<(), epona_client::ClientError>;

fn with_client(test: impl FnOnce(&Aeron)) {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let aeron = driver.connect();
    test(&aeron);
    // Whatever it was asked, it still works.
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    let mut subscription = aeron.add_subscription(&channel, 99).unwrap();
    exchange(&aeron.add_publication(&channel, 99).unwrap(), &mut subscription, 20);
    assert!(!driver.errors().is_empty(), "refusals are in the error log too");
}

#[test]
fn publications_on_bad_channels_are_refused_with_the_code_for_it() {
    with_client(|aeron| {
        let requests = || BAD_FOR_ALL.iter().chain(BAD_FOR_PUBLICATIONS).copied();
        differences(requests(), |channel| aeron.add_publication(channel, 1).map(drop));
        differences(requests(), |channel| aeron.add_exclusive_publication(channel, 1).map(drop));
    });
}

#[test]
fn subscriptions_on_bad_channels_are_refused_with_the_code_for_it() {
    with_client(|aeron| {
        let requests = BAD_FOR_ALL.iter().chain(BAD_FOR_SUBSCRIPTIONS).copied();
        differences(requests, |channel| aeron.add_subscription(channel, 1).map(drop));
    });
}

#[test]
fn channels_that_are_too_long_are_refused_with_the_limit() {
    with_client(|aeron| {
        for start in ["aeron:udp?endpoint=localhost:40123|alias=", "aeron:ipc?alias=", "aeron-spy:aeron:udp?"]
        {
            let channel = format!("{start}{}", "x".repeat(4096 - start.len()));
            let (code, text) = refused(aeron.add_subscription(&channel, 1));
            assert_eq!(code, InvalidChannel);
            assert!(text.contains("4096") && text.contains("4095"), "{text}");
        }
    });
}

#[test]
fn parameters_that_conflict_with_what_exists_are_refused() {
    with_client(|aeron| {
        let port = free_port();
        let udp = |more: &str| format!("aeron:udp?endpoint=127.0.0.1:{port}{more}");
        let ipc = |more: &str| format!("aeron:ipc?alias=a{more}");
        let _udp = aeron.add_publication(&udp("|session-id=5|so-sndbuf=64k"), 1).unwrap();
        let _ipc = aeron.add_publication(&ipc("|session-id=5"), 1).unwrap();
        for more in
            ["|session-id=6", "|mtu=4096", "|term-length=128k", "|init-term-id=1|term-id=1|term-offset=0"]
        {
            for channel in [udp(more), ipc(more)] {
                let (code, text) = refused(aeron.add_publication(&channel, 1));
                assert_eq!(code, GenericError, "{text}");
                assert!(text.contains("existing publication has different"), "{text}");
            }
        }
        for more in ["|ssc=true", "|so-sndbuf=128k", "|so-tos=8"] {
            assert_eq!(refused(aeron.add_publication(&udp(more), 1)).0, GenericError, "{more}");
        }
        for channel in [udp("|session-id=5"), ipc("|session-id=5")] {
            let (code, text) = refused(aeron.add_exclusive_publication(&channel, 1));
            assert_eq!(code, InvalidChannel, "{text}");
            assert!(text.contains("clashing session id"), "{text}");
        }
        let _subscription = aeron.add_subscription(&udp(""), 1).unwrap();
        for more in ["|reliable=false", "|rejoin=false", "|so-rcvbuf=512k", "|so-tos=8"] {
            assert_eq!(refused(aeron.add_subscription(&udp(more), 1)).0, GenericError, "{more}");
        }
    });
}

#[test]
fn a_port_in_use_is_refused_and_can_be_had_once_it_is_free() {
    with_client(|aeron| {
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let channel = format!("aeron:udp?endpoint={}", other.local_addr().unwrap());
        let (code, text) = refused(aeron.add_subscription(&channel, 1));
        assert_eq!(code, GenericError);
        assert!(text.contains(&channel) && text.contains("in use"), "{text}");
        drop(other);
        let mut subscription = until("the port is free again", || aeron.add_subscription(&channel, 1).ok());
        exchange(&aeron.add_publication(&channel, 1).unwrap(), &mut subscription, 20);
    });
}

#[test]
fn counters_tell_the_versions_and_how_long_names_took() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &["-Daeron.driver.name.resolver.threshold=1ns"]);
    let aeron = driver.connect();
    assert_eq!(driver.counter(SystemCounter::AeronVersion), 0x0001_3600, "1.54.0");
    assert_eq!(driver.counter(SystemCounter::ControlProtocolVersion), 0x0001_0000, "1.0.0");
    assert_eq!(driver.counter(SystemCounter::NameResolverTimeThresholdExceeded), 0);
    let channel = format!("aeron:udp?endpoint=localhost:{}", free_port());
    let _subscription = aeron.add_subscription(&channel, 1).unwrap();
    assert!(driver.counter(SystemCounter::NameResolverMaxTime) > 0);
    assert!(driver.counter(SystemCounter::NameResolverTimeThresholdExceeded) > 0);
}
