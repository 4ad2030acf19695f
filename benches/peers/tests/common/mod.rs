//! What the interop tests share: pairs of drivers, channels, and the exchange itself.
#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod ends;
pub(crate) mod hosts;
#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "../../../../media-driver/tests/support/skip.rs"]
pub(crate) mod skip;

use epona_peers::{
    aeron::Cnc,
    net,
    party::{Client, DriverKind, Sharing, Subscription},
    process::DriverProcess,
    transfer::{self, Outcome, Plan},
};

/// Seeds of the two drivers' loss and of the content; printed by a failure.
pub(crate) const SEED: u64 = 0x00E9_0A1E;

/// Stream of all tests.
pub(crate) const STREAM: i32 = 1001;

/// Who made a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Maker {
    Aeron,
    Epona,
}

impl Maker {
    /// The maker of a driver, whose client knows it best.
    pub(crate) fn of(kind: DriverKind) -> Self {
        match kind {
            DriverKind::Aeron => Self::Aeron,
            DriverKind::Epona => Self::Epona,
        }
    }
}

/// Five per cent of everything that arrives is lost, at this driver.
pub(crate) fn lossy(seed: u64) -> Vec<(&'static str, String)> {
    vec![
        ("aeron.udp.channel.incoming.interceptors", "loss".to_owned()),
        (
            "aeron.udp.channel.transport.bindings.loss.args",
            format!("rate=0.05|seed={seed}|recv-msg-mask=0xffffffff"),
        ),
    ]
}

/// Settings with which states that depend on the drivers' timers change soon.
pub(crate) fn settings(more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let quick = [("aeron.timer.interval", "50ms"), ("aeron.rcv.status.message.timeout", "50ms")];
    quick.iter().chain(more).map(|&(name, value)| (name, value.to_owned())).collect()
}

/// A driver process with extra properties.
pub(crate) fn driver(kind: DriverKind, properties: &[(&'static str, String)]) -> DriverProcess {
    let properties: Vec<_> = properties.iter().map(|(name, value)| (*name, value.as_str())).collect();
    DriverProcess::spawn(kind, &properties).unwrap_or_else(|error| panic!("{kind:?} driver: {error}"))
}

/// A UDP channel on a free port of the loopback, with short terms.
pub(crate) fn udp_channel() -> String {
    let port = net::free_port().expect("a free port");
    format!("aeron:udp?endpoint=127.0.0.1:{port}|term-length=64k")
}

/// A client of the driver in `process`.
pub(crate) fn client<C: Client>(process: &DriverProcess) -> C {
    C::connect(process.dir())
        .unwrap_or_else(|error| panic!("{} client on {:?} driver: {error}", C::NAME, process.kind()))
}

/// How one exchange is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) sharing: Sharing,
    pub(crate) plan: Plan,
}

impl Exchange {
    pub(crate) fn new(sharing: Sharing, terms: usize) -> Self {
        Self { sharing, plan: Plan { seed: SEED, terms, claim: false } }
    }

    /// Messages of one fragment are claimed instead of offered.
    pub(crate) fn claiming(self) -> Self {
        Self { plan: Plan { claim: true, ..self.plan }, ..self }
    }

    /// Sends everything from a client of type `P` to one of type `S` and checks every byte.
    pub(crate) fn run<P: Client, S: Client>(
        self,
        publisher_driver: &DriverProcess,
        subscriber_driver: &DriverProcess,
        channel: &str,
    ) -> Outcome {
        let mut publisher: P = client(publisher_driver);
        let mut subscriber: S = client(subscriber_driver);
        let mut subscription = subscriber
            .add_subscription(channel, STREAM, &mut || ())
            .unwrap_or_else(|error| panic!("subscription: {error}"));
        let mut publication = publisher
            .add_publication(channel, STREAM, self.sharing, &mut || {
                subscriber.do_work();
            })
            .unwrap_or_else(|error| panic!("publication: {error}"));
        let outcome = {
            let mut turn = transfer::turns(&mut publisher, &mut subscriber);
            transfer::run(&self.plan, &mut publication, &mut subscription, &mut turn)
        };
        let outcome = outcome.unwrap_or_else(|fault| {
            panic!("{self:?}: {fault}; publisher {:?}", publisher.take_errors());
        });
        assert_eq!(subscription.image_count(), 1, "one publisher, one image");
        assert_eq!(publisher.take_errors(), Vec::<String>::new(), "the publisher's client saw no error");
        assert_eq!(subscriber.take_errors(), Vec::<String>::new(), "the subscriber's client saw no error");
        outcome
    }
}

/// The CnC file of the driver in `process`, read by Aeron's tools.
pub(crate) fn cnc(process: &DriverProcess) -> Cnc {
    Cnc::open(process.dir()).unwrap_or_else(|error| panic!("{:?} driver: {error}", process.kind()))
}

/// The value of a system counter, by its label.
pub(crate) fn system_counter(process: &DriverProcess, label: &str) -> i64 {
    let entry = cnc(process).counter(type_id::SYSTEM, label);
    entry.unwrap_or_else(|| panic!("{:?} driver has no counter {label:?}", process.kind())).value
}

/// The value of a stream counter of a session on the driver in `process`, when there is one.
pub(crate) fn stream_counter(process: &DriverProcess, type_id: i32, session_id: i32) -> Option<i64> {
    let stream = format!(" {session_id} {STREAM} ");
    cnc(process).counter(type_id, &stream).map(|entry| entry.value)
}

/// How many destinations the one publication with several has.
pub(crate) fn destinations(process: &DriverProcess) -> i64 {
    let entry = cnc(process).counter(type_id::MDC_DESTINATIONS, "mdc-num-dest");
    entry.expect("a counter of destinations").value
}

/// Counter types. Source: shared-memory spec, counter type ids.
pub(crate) mod type_id {
    pub(crate) const SYSTEM: i32 = 0;
    pub(crate) const PUBLISHER_LIMIT: i32 = 1;
    pub(crate) const SENDER_POSITION: i32 = 2;
    pub(crate) const RECEIVER_HWM: i32 = 3;
    pub(crate) const SUBSCRIBER_POSITION: i32 = 4;
    pub(crate) const RECEIVER_POSITION: i32 = 5;
    pub(crate) const SEND_CHANNEL_STATUS: i32 = 6;
    pub(crate) const RECEIVE_CHANNEL_STATUS: i32 = 7;
    pub(crate) const SENDER_LIMIT: i32 = 9;
    pub(crate) const PER_IMAGE: i32 = 10;
    pub(crate) const CLIENT_HEARTBEAT: i32 = 11;
    pub(crate) const PUBLISHER_POSITION: i32 = 12;
    pub(crate) const RESOLVER_NEIGHBORS: i32 = 15;
    pub(crate) const RESOLVER_CACHE_ENTRIES: i32 = 16;
    pub(crate) const FLOW_CONTROL_RECEIVERS: i32 = 17;
    pub(crate) const MDC_DESTINATIONS: i32 = 18;
    pub(crate) const BOOTSTRAP_NEIGHBOR: i32 = 21;
}
