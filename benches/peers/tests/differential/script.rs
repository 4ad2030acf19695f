//! What is asked: commands on a few channels that have much to do with each other, all from a seed.

use epona_peers::net;

/// What a command is about, by the step that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// The resource of that step.
    Step(usize),
    /// Nothing that exists.
    Nothing,
}

/// One command; `{host}` and `{group}` in a channel stand for addresses of the driver's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    AddPublication {
        stream: i32,
        channel: String,
    },
    AddExclusivePublication {
        stream: i32,
        channel: String,
    },
    AddSubscription {
        stream: i32,
        channel: String,
    },
    AddDestination {
        target: Target,
        channel: String,
    },
    RemoveDestination {
        target: Target,
        channel: String,
    },
    RemoveDestinationById {
        target: Target,
        destination: Target,
    },
    AddReceiveDestination {
        target: Target,
        channel: String,
    },
    RemoveReceiveDestination {
        target: Target,
        channel: String,
    },
    AddCounter {
        type_id: i32,
        key: Vec<u8>,
        label: String,
    },
    AddStaticCounter {
        type_id: i32,
        key: Vec<u8>,
        label: String,
        registration_id: i64,
    },
    RemovePublication {
        target: Target,
        revoke: bool,
    },
    RemoveSubscription {
        target: Target,
    },
    RemoveCounter {
        target: Target,
    },
    NextSession {
        stream: i32,
    },
    RejectImage {
        target: Target,
        reason: String,
    },
    /// The client says goodbye; what it holds goes.
    Close,
}

impl Step {
    /// Whether a resource may come of it that has to be removed.
    fn makes(&self) -> Option<fn(Target) -> Self> {
        match self {
            Self::AddPublication { .. } | Self::AddExclusivePublication { .. } => {
                Some(|target| Self::RemovePublication { target, revoke: false })
            }
            Self::AddSubscription { .. } => Some(|target| Self::RemoveSubscription { target }),
            Self::AddCounter { .. } => Some(|target| Self::RemoveCounter { target }),
            _ => None,
        }
    }
}

/// Commands in their order.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    /// Ports that the channels name; others are the operating system's choice.
    pub(crate) ports: Vec<u16>,
}

/// Values of parameters: those that are fine, those at a limit and those that are not. What the two makes take for
/// different numbers on purpose is in docs/differences.md, and not here; nor is what makes Aeron C leave a socket open.
const PUBLICATION: &[(&str, &[&str])] = &[
    ("mtu", &["1408", "1376", "4096", "32", "64", "100", "65504", "65536", "8k", "0", "-32", "x"]),
    ("term-length", &["64k", "128k", "65536", "1m", "63k", "100000", "0", "32k", "2g", "-1", "x"]),
    (
        "session-id",
        &["5", "-7", "0", "2147483647", "-2147483648", "2147483648", "x", "tag:9", "tag:", "tag:x"],
    ),
    ("linger", &["0", "10ms", "50ms", "1us", "x", "-1"]),
    ("pub-wnd", &["4k", "32k", "64k", "1408", "1k", "0", "x"]),
    ("sparse", &["true", "false", "yes"]),
    ("eos", &["true", "false", "1"]),
    ("ssc", &["true", "false"]),
    ("max-resend", &["1", "16", "256", "257", "0", "-1", "x"]),
    ("fc", &["max", "min", "tagged", "min,g:/2", "tagged,g:5/1,t:2s", "max,rrwm:8"]),
    ("tags", &["1", "1,9", "2", "2,9", "1,x", "x", ",3"]),
    ("alias", &["a", "with space"]),
    ("so-sndbuf", &["128k", "64k", "0", "x"]),
    ("so-rcvbuf", &["128k", "64k", "0", "x"]),
    ("so-tos", &["0", "8", "255", "256", "-1", "x"]),
    ("ttl", &["0", "5", "255"]),
    ("untethered-window-limit-timeout", &["1s", "0", "x"]),
    ("untethered-linger-timeout", &["2s", "0", "x"]),
    ("untethered-resting-timeout", &["3s", "x"]),
    ("channel-snd-ts-offset", &["0", "8", "reserved", "-8", "x"]),
    ("response-correlation-id", &["-1", "77", "prototype", "-2", "x"]),
    ("ats", &["true", "false"]),
    ("init-term-id=3|term-id=5|term-offset", &["0", "64", "32768", "65536", "33", "65568", "-32"]),
    ("init-term-id=-3|term-id=-3|term-offset", &["0", "96"]),
    ("init-term-id=5|term-id=3|term-offset", &["0"]),
    ("term-id", &["4"]),
    ("term-offset", &["0"]),
    ("stream-id", &["1001"]),
    ("unknown", &["1"]),
    ("control-mode", &["dynamic", "manual", "response"]),
    ("mtuu", &["x"]),
    ("rcv-wnd", &["64k", "x"]),
    ("gtag", &["4", "x"]),
    ("cc", &["static", "cubic", "other"]),
    ("group", &["true", "x"]),
    ("reliable", &["false", "x"]),
    ("rejoin", &["false", "x"]),
    ("tether", &["false", "x"]),
    ("nak-delay", &["1ms", "x"]),
    ("media-rcv-ts-offset", &["0", "x"]),
    ("channel-rcv-ts-offset", &["0", "16", "x"]),
];

const SUBSCRIPTION: &[(&str, &[&str])] = &[
    ("session-id", &["5", "-7", "0", "2147483648", "x", "tag:9"]),
    ("reliable", &["true", "false", "maybe"]),
    ("tether", &["true", "false", "x"]),
    ("rejoin", &["true", "false", "x"]),
    ("sparse", &["true", "false"]),
    ("group", &["true", "false", "infer", "x"]),
    ("rcv-wnd", &["64k", "128k", "256k", "1k", "0", "x"]),
    ("so-rcvbuf", &["128k", "256k", "0", "x"]),
    ("so-sndbuf", &["128k", "64k", "0", "x"]),
    ("so-tos", &["0", "8", "255", "256", "-1", "x"]),
    ("tags", &["1", "2", "1,5", "x"]),
    ("gtag", &["4", "-1"]),
    ("cc", &["static", "cubic"]),
    ("nak-delay", &["0", "100us", "x"]),
    ("alias", &["a"]),
    ("ats", &["true", "false"]),
    ("control-mode", &["response", "dynamic", "other"]),
    ("media-rcv-ts-offset", &["0", "8", "reserved", "x"]),
    ("channel-rcv-ts-offset", &["0", "4", "16", "reserved", "x"]),
    ("untethered-window-limit-timeout", &["1s", "x"]),
    ("untethered-linger-timeout", &["2s", "x"]),
    ("untethered-resting-timeout", &["3s", "x"]),
    ("mtu", &["x"]),
    ("term-length", &["x"]),
    ("unknown", &["1"]),
    ("ttl", &["5", "256", "-1", "x"]),
    ("fc", &["min", "other"]),
    ("ssc", &["true", "x"]),
    ("eos", &["false", "x"]),
    ("linger", &["0", "x"]),
    ("max-resend", &["1", "x"]),
    ("pub-wnd", &["4k", "x"]),
    ("stream-id", &["1002"]),
    ("response-correlation-id", &["-1", "7", "x"]),
    ("channel-snd-ts-offset", &["0", "8", "x"]),
    ("init-term-id=3|term-id=5|term-offset", &["0", "33"]),
];

const DESTINATION: &[(&str, &[&str])] = &[
    ("mtu", &["1408"]),
    ("rcv-wnd", &["64k"]),
    ("so-rcvbuf", &["64k"]),
    ("so-sndbuf", &["64k"]),
    ("so-tos", &["1"]),
    ("response-correlation-id", &["1"]),
    ("control-mode", &["response", "manual"]),
    ("alias", &["a"]),
    ("ats", &["true", "false"]),
    ("session-id", &["5", "x"]),
    ("tags", &["1", "x"]),
    ("tether", &["false", "x"]),
    ("rejoin", &["false"]),
    ("reliable", &["false"]),
    ("gtag", &["4", "x"]),
    ("channel-rcv-ts-offset", &["0", "x"]),
];

/// Addresses: those that are fine, and those that are not.
const ADDRESSES: &[&str] = &[
    "endpoint={host}:{0}",
    "endpoint={host}:{0}",
    "endpoint={host}:{0}",
    "endpoint={host}:{1}",
    "endpoint={host}:{0}|interface={host}",
    "endpoint={group}:{2}|interface=127.0.0.1",
    "control={host}:{1}|control-mode=dynamic",
    "control={host}:{1}|control-mode=manual",
    "control-mode=manual",
    "control-mode=dynamic",
    "control={host}:{1}|endpoint={host}:{0}",
    "control={host}:{1}",
    "control={host}:0|control-mode=dynamic",
    "control={host}:{1}|control-mode=response",
    "endpoint={host}:0",
    "endpoint={host}",
    "endpoint={host}:99999",
    "endpoint={host}:",
    "endpoint=",
    "endpoint=224.10.9.8:{0}",
    "endpoint=no-such-host.invalid:{0}",
    "endpoint={host}:{0}|interface=10.99.0.1",
    "endpoint={host}:{0}|interface=x",
    "tags=1",
    "tags=2",
    "alias=alone",
];

const ODD: &[&str] = &[
    "",
    "aeron",
    "aeron:",
    "aeron:udp",
    "aeron:udp?",
    "aeron:ipc?",
    "aeron:tcp?endpoint={host}:{0}",
    "aeron:ipc?mtu",
    "aeron:ipc?mtu=",
    "aeron:ipc?=1",
    "aeron:ipc?|",
    "aeron:ipc?mtu=1408|",
    "aeron:ipc?mtu=1408||term-length=64k",
    "aeron:ipc:mtu=1408",
    "Aeron:ipc",
    "aeron:ipc ",
    "aeron:udp?endpoint={host}:{0}|endpoint={host}:{1}",
    "aeron:ipc?mtu=1408|mtu=1376",
    "aeron-spy:aeron:ipc",
    "aeron-spy:",
    "aeron-spy:aeron:udp",
    "aeron:ipc?alias=a=b",
    "aeron:ipc?alias=a?b",
    "aeron:ipc?alias=a:b",
];

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let ports: Vec<u16> = (0..3).map(|_| net::free_port().expect("a free port")).collect();
        let mut writer = Writer { random: fastrand::Rng::with_seed(seed), ports: &ports, steps: Vec::new() };
        for _ in 0..writer.random.usize(4..16) {
            let step = writer.step();
            writer.steps.push(step);
        }
        writer.remove_everything();
        Self { steps: writer.steps, ports }
    }
}

/// A publication that is not refused, and has destinations.
fn is_plainly_manual(step: &Step) -> bool {
    let (Step::AddPublication { channel, .. } | Step::AddExclusivePublication { channel, .. }) = step else {
        return false;
    };
    channel == "aeron:udp?control-mode=manual"
}

struct Writer<'a> {
    random: fastrand::Rng,
    ports: &'a [u16],
    steps: Vec<Step>,
}

impl Writer<'_> {
    fn step(&mut self) -> Step {
        let stream = 1001 + self.random.i32(0..2);
        match self.random.u8(0..32) {
            0..7 => Step::AddPublication { stream, channel: self.channel(PUBLICATION, false) },
            7..12 => Step::AddExclusivePublication { stream, channel: self.channel(PUBLICATION, false) },
            12..21 => {
                let mut channel = self.channel(SUBSCRIPTION, true);
                // With an address, such a subscription has a socket of its own here, and may share one in Aeron C.
                if let (Some(at), true) = (channel.find("control={host}"), channel.contains("=manual")) {
                    let end = channel[at..].find('|').map_or(channel.len(), |length| at + length + 1);
                    channel.replace_range(at..end, "");
                }
                // Aeron C leaves the socket of a response subscription open that names its session.
                if channel.contains("=response") {
                    channel = channel.replace("session-id=", "session=");
                }
                Step::AddSubscription { stream, channel }
            }
            21 | 22 => Step::AddDestination {
                target: self.target(|step| {
                    matches!(step, Step::AddPublication { .. } | Step::AddExclusivePublication { .. })
                }),
                channel: self.channel(DESTINATION, true),
            },
            23 => Step::RemoveDestination {
                target: self.target(|step| {
                    matches!(step, Step::AddPublication { .. } | Step::AddExclusivePublication { .. })
                }),
                channel: self.channel(DESTINATION, true),
            },
            24 => Step::RemoveDestinationById {
                // Where there is no such publication, Aeron C does not answer.
                target: match self.target(is_plainly_manual) {
                    Target::Step(step) => Target::Step(step),
                    Target::Nothing => return Step::NextSession { stream },
                },
                destination: self.target(|step| matches!(step, Step::AddDestination { .. })),
            },
            25 | 26 => Step::AddReceiveDestination {
                target: self.target(|step| matches!(step, Step::AddSubscription { .. })),
                channel: self.channel(DESTINATION, true),
            },
            27 => Step::RemoveReceiveDestination {
                target: self.target(|step| matches!(step, Step::AddSubscription { .. })),
                channel: self.channel(DESTINATION, true),
            },
            28 => {
                let key = (0..self.random.usize(0..20)).map(|_| self.random.u8(..)).collect();
                let label = "label ".repeat(self.random.usize(0..80));
                Step::AddCounter { type_id: self.random.i32(-2..2000), key, label }
            }
            29 => {
                let key = (0..self.random.usize(0..130)).map(|_| self.random.u8(..)).collect();
                // As odd as may be, and of no other script.
                let (type_id, registration_id) = (self.random.i32(100_000..), self.random.i64(..));
                Step::AddStaticCounter { type_id, key, label: "static".to_owned(), registration_id }
            }
            30 => match self.random.u8(0..4) {
                0 => Step::RemovePublication { target: Target::Nothing, revoke: self.random.bool() },
                1 => Step::RemoveSubscription { target: Target::Nothing },
                2 => Step::RemoveCounter { target: Target::Nothing },
                _ => Step::NextSession { stream },
            },
            _ => Step::RejectImage {
                // Which has an image by that id if it is of this driver alone.
                target: match self.random.bool() {
                    true => Target::Nothing,
                    false => self.target(|step| {
                        matches!(step, Step::AddPublication { .. } | Step::AddExclusivePublication { .. })
                    }),
                },
                reason: "r".repeat([4, 1022, 1023, 1024, 2000][self.random.usize(0..5)]),
            },
        }
    }

    /// A step before that fits, mostly.
    fn target(&mut self, fits: fn(&Step) -> bool) -> Target {
        let fitting: Vec<usize> = (0..self.steps.len()).filter(|&step| fits(&self.steps[step])).collect();
        match fitting.as_slice() {
            [] => Target::Nothing,
            _ if self.random.u8(..) < 16 => Target::Nothing,
            several => Target::Step(several[self.random.usize(..several.len())]),
        }
    }

    fn pick<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of[self.random.usize(..of.len())]
    }

    fn channel(&mut self, parameters: &[(&str, &[&str])], spies: bool) -> String {
        let mut channel = match self.random.u8(0..40) {
            0 => return self.with_ports(self.random.clone().choice(ODD).copied().unwrap_or_default()),
            1..10 => "aeron:ipc".to_owned(),
            10..15 if spies => format!("aeron-spy:aeron:udp?{}", self.pick(ADDRESSES)),
            // Most often one of the first, so that channels meet.
            15..30 => format!("aeron:udp?{}", self.pick(&ADDRESSES[..8])),
            _ => format!("aeron:udp?{}", self.pick(ADDRESSES)),
        };
        for _ in 0..[0, 0, 1, 1, 2, 3][self.random.usize(0..6)] {
            let (key, values) = parameters[self.random.usize(..parameters.len())];
            // Values that are fine come first, and more often.
            let value = values[self.random.usize(..values.len()).min(self.random.usize(..values.len()))];
            channel.push(if channel.contains('?') { '|' } else { '?' });
            channel.push_str(&format!("{key}={value}"));
        }
        self.with_ports(&channel)
    }

    fn with_ports(&self, channel: &str) -> String {
        let mut channel = channel.to_owned();
        for (number, port) in self.ports.iter().enumerate() {
            channel = channel.replace(&format!("{{{number}}}"), &port.to_string());
        }
        channel
    }

    /// In any order, one of them twice; or the client closes.
    fn remove_everything(&mut self) {
        let mut removals: Vec<Step> = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            removals.extend(step.makes().map(|remove| remove(Target::Step(number))));
        }
        for removal in &mut removals {
            if let Step::RemovePublication { revoke, .. } = removal {
                *revoke = self.random.u8(..) < 64;
            }
        }
        self.random.shuffle(&mut removals);
        if self.random.bool() {
            removals.truncate(self.random.usize(..=removals.len()));
        } else {
            removals.extend(removals.first().cloned());
        }
        self.steps.extend(removals);
        self.steps.push(Step::Close);
    }
}
