//! What happened in a world, in order: a digest of all of it, and as many events as are wanted.

use std::{collections::VecDeque, fmt};

use epona_media_driver::media::simulated::{self, TraceEntry};
use epona_protocol::{
    frame::{self, Frame},
    types::{Nanos, Position, SessionId},
};

use crate::fault::Disturbance;

/// Events kept for the report of a failure, when not all are.
const TAIL: usize = 60;

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The network took a datagram.
    Datagram(TraceEntry),
    /// The driver answered an application that added something.
    Added {
        /// Which application.
        who: Who,
        /// Session of a publication.
        session: Option<SessionId>,
    },
    /// A message was offered and taken, or a claim committed.
    Sent {
        /// Which application.
        who: Who,
        /// Number of the message in its session.
        number: usize,
        /// Its length in bytes.
        length: usize,
        /// Position after it.
        position: Position,
    },
    /// A message arrived, whole.
    Delivered {
        /// Which application.
        who: Who,
        /// Session that it came from.
        session: SessionId,
        /// Number of the message in its session.
        number: usize,
        /// Position after it.
        position: Position,
    },
    /// An image came or went.
    Image {
        /// Which application.
        who: Who,
        /// Session of the image.
        session: SessionId,
        /// Whether it came.
        available: bool,
        /// Its position.
        position: Position,
    },
    /// An application closed what it had.
    Closed(Who),
    /// A fault starts, or ends.
    Fault {
        /// Which.
        what: Disturbance,
        /// Whether it starts.
        starts: bool,
    },
    /// A client ended by itself, because.
    ClientEnded(usize, String),
    /// The world entered another phase.
    Phase(&'static str),
}

/// An application of a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A publisher, by stream and place in it.
    Publisher(usize, usize),
    /// A subscriber, by stream and place in it.
    Subscriber(usize, usize),
}

/// Told of each event when it happens.
type Observer = Box<dyn FnMut(Nanos, &Event)>;

/// Events in order, and their digest.
pub struct Trace {
    digest: Fnv,
    kept: VecDeque<(Nanos, Event)>,
    limit: usize,
    observer: Option<Observer>,
}

impl Trace {
    /// Keeps the last events only.
    #[must_use]
    pub const fn tail() -> Self {
        Self { digest: Fnv::new(), kept: VecDeque::new(), limit: TAIL, observer: None }
    }

    /// Keeps the last events, and tells `observer` of each one when it happens.
    #[must_use]
    pub fn observed(observer: impl FnMut(Nanos, &Event) + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..Self::tail() }
    }

    /// Adds an event.
    pub fn record(&mut self, at: Nanos, event: Event) {
        self.digest.i64(at.get());
        digest(&mut self.digest, &event);
        if let Some(observer) = &mut self.observer {
            observer(at, &event);
        }
        if self.kept.len() == self.limit {
            self.kept.pop_front();
        }
        self.kept.push_back((at, event));
    }

    /// A number that is the same for the same events, and hardly ever for others.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest.0
    }

    /// The last events, as text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.kept.iter().map(|(at, event)| line(*at, event)).collect()
    }
}

/// An event and its time, as text.
#[must_use]
pub fn line(at: Nanos, event: &Event) -> String {
    format!("{:>5}.{:09} {event}", at.get() / 1_000_000_000, at.get() % 1_000_000_000)
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publisher(stream, place) => write!(f, "publisher {stream}.{place}"),
            Self::Subscriber(stream, place) => write!(f, "subscriber {stream}.{place}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagram(entry) => {
                write!(f, "{} > {} ", entry.source, entry.destination)?;
                describe(&entry.bytes, f)?;
                match entry.event {
                    simulated::Event::Sent(due) => write!(f, " takes {:?}", due.since(entry.at)),
                    simulated::Event::Late(due) => write!(f, " LATE, takes {:?}", due.since(entry.at)),
                    simulated::Event::Duplicated(due) => {
                        write!(f, " again, takes {:?}", due.since(entry.at))
                    }
                    simulated::Event::Altered(due) => {
                        write!(f, " ALTERED, takes {:?}", due.since(entry.at))
                    }
                    simulated::Event::Lost => f.write_str(" LOST"),
                    simulated::Event::Taken => f.write_str(" TAKEN AWAY"),
                    simulated::Event::Unreachable => f.write_str(" to nobody"),
                }
            }
            Self::Added { who, session: Some(session) } => write!(f, "{who} is added, session {session}"),
            Self::Added { who, session: None } => write!(f, "{who} is added"),
            Self::Sent { who, number, length, position } => {
                write!(f, "{who} sent {number}, {length} bytes, up to {}", position.get())
            }
            Self::Delivered { who, session, number, position } => {
                write!(f, "{who} got {number} of session {session}, up to {}", position.get())
            }
            Self::Image { who, session, available, position } => {
                let change = if *available { "has" } else { "lost" };
                write!(f, "{who} {change} the image of session {session}, at {}", position.get())
            }
            Self::Closed(who) => write!(f, "{who} closes"),
            Self::Fault { what, starts: true } => write!(f, "**** {what:?}"),
            Self::Fault { what, starts: false } => write!(f, "**** over: {what:?}"),
            Self::ClientEnded(client, why) => write!(f, "client {client} ended: {why}"),
            Self::Phase(phase) => write!(f, "---- {phase}"),
        }
    }
}

/// The kind of a datagram, and what tells it from others of its kind.
fn describe(datagram: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let length = datagram.len();
    match frame::decode(datagram) {
        Ok(Frame::Data(view)) => {
            let kind = if view.is_heartbeat() { "HEARTBEAT" } else { "DATA" };
            let data = view.to_frame();
            write!(f, "{kind} {}.{} ", data.session_id, data.stream_id)?;
            write!(f, "{}@{} flags {:02x}, {length} bytes", data.term_id, data.term_offset, data.flags.get())
        }
        Ok(Frame::Nak(view)) => {
            let nak = view.to_frame();
            write!(f, "NAK {}.{} {}@{}", nak.session_id, nak.stream_id, nak.term_id, nak.term_offset)?;
            write!(f, " for {}", nak.length)
        }
        Ok(Frame::StatusMessage(view)) => {
            let message = view.to_frame();
            write!(f, "SM {}.{} ", message.session_id, message.stream_id)?;
            write!(f, "{}@{} ", message.consumption_term_id, message.consumption_term_offset)?;
            write!(f, "flags {:02x}, window {}", message.flags.get(), message.receiver_window)
        }
        Ok(Frame::Setup(view)) => {
            let setup = view.to_frame();
            write!(f, "SETUP {}.{} ", setup.session_id, setup.stream_id)?;
            write!(f, "{}@{}", setup.active_term_id, setup.term_offset)
        }
        Ok(other) => write!(f, "{other:?}"),
        Err(error) => write!(f, "{length} bytes, invalid: {error}"),
    }
}

fn digest(digest: &mut Fnv, event: &Event) {
    match event {
        Event::Datagram(entry) => {
            let (kind, due) = match entry.event {
                simulated::Event::Sent(due) => (1, due.get()),
                simulated::Event::Duplicated(due) => (2, due.get()),
                simulated::Event::Lost => (3, 0),
                simulated::Event::Unreachable => (4, 0),
                simulated::Event::Taken => (6, 0),
                simulated::Event::Altered(due) => (7, due.get()),
                simulated::Event::Late(due) => (5, due.get()),
            };
            [entry.at.get(), kind, due].into_iter().for_each(|value| digest.i64(value));
            [entry.source, entry.destination].iter().for_each(|address| {
                digest.bytes(address.to_string().as_bytes());
            });
            digest.bytes(&entry.bytes);
        }
        others => digest.bytes(others.to_string().as_bytes()),
    }
}

/// FNV-1a, 64 bits: short, and the same everywhere.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }
}
