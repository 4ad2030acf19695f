//! Why an offer is taken or not.

use std::{cmp, fmt, net::SocketAddr, sync::Arc, time::Duration};

use epona_protocol::{
    counters::{Confirmation, CountersReader},
    types::{CounterId, CounterTypeId, Position, SessionId, StreamId},
    uri::{ChannelUri, Media},
};

use super::{Consumer, Receivers};
use crate::{offer_error::OfferError, state::PublicationState};

/// How a publication stands: what the next offer meets, and who holds it up. Made by
/// [`Publication::explain`](crate::Publication::explain); `Display` says it in words.
///
/// The numbers are read one after the other while the stream goes on, so they may differ by what passed meanwhile.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublicationExplanation {
    /// Channel as given when adding.
    pub channel: Arc<str>,
    /// Stream of the publication.
    pub stream_id: StreamId,
    /// Session of the stream.
    pub session_id: SessionId,
    /// What an empty message would be answered now; [`OfferError::AdminAction`] at the end of a term.
    pub next_offer: Result<(), OfferError>,
    /// Where the next message goes, in bytes.
    pub position: Position,
    /// How far the driver lets the publisher go, in bytes; the consumer of [`Self::held_by`] and a window.
    pub limit: Position,
    /// The counter that holds the limit.
    pub limit_id: CounterId,
    /// How long the limit has not moved, as far as this client has seen, to within
    /// [`Context::idle_sleep`](crate::Context::idle_sleep) for every eight publications of the client.
    pub limit_age: Duration,
    /// How long ago the driver heard the last status message of a receiver, by the clocks of driver and client, to within
    /// [`Context::idle_sleep`](crate::Context::idle_sleep) for every eight publications of the client. `None` over IPC,
    /// before the first one, and with a driver that does not tell, as Aeron's.
    pub status_message_age: Option<Duration>,
    /// Where the receiver is, or was, that set the limit last; `None` as for the age.
    pub pacemaker: Option<SocketAddr>,
    /// Whether there is a subscriber, as far as the driver knows.
    pub is_connected: bool,
    /// How long that has been so, as far as this client has seen.
    pub connection_age: Duration,
    /// Who keeps the limit from rising, whether it is reached or not.
    pub held_by: HeldBy,
}

/// Whose position a publication's limit depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldBy {
    /// Nobody is there. With the subscriber on this driver that left last, if its counter still tells.
    Nobody(Option<Consumer>),
    /// The slowest subscription that reads the log itself: over IPC, or as a spy.
    Subscriber(Consumer),
    /// Flow control: receivers have not yet allowed what was sent to be followed by more.
    Receivers(ReceiverWindow),
    /// The driver's sender has room and has not sent yet: it is the slowest, or has just not come round to it.
    Sender {
        /// How far it has sent.
        position: Position,
        /// Bytes that wait to be sent.
        behind: i64,
    },
    /// Every consumer is where the publisher is: the driver's conductor has only to raise the limit.
    Conductor,
}

/// How flow control stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverWindow {
    /// Who receives.
    pub receivers: Receivers,
    /// The counter of how far it was sent.
    pub sender_position_id: CounterId,
    /// How far it was sent.
    pub sender_position: Position,
    /// How far receivers allow it to be sent.
    pub sender_limit: Position,
    /// Bytes that wait to be sent.
    pub behind: i64,
    /// How often the sender has met this since the publication was added.
    pub back_pressure_events: i64,
    /// Where a receiver is on this same driver: its slowest subscription.
    pub subscriber: Option<Consumer>,
}

/// How a publication stands, with its publisher at `position`.
pub(crate) fn explain(
    publication: &PublicationState,
    position: Position,
    counters: &CountersReader,
) -> PublicationExplanation {
    Stream { publication, counters, position, limit: publication.limit.position() }.explain()
}

/// What an explanation is made of.
struct Stream<'a> {
    publication: &'a PublicationState,
    counters: &'a CountersReader,
    position: Position,
    limit: Position,
}

impl Stream<'_> {
    fn explain(&self) -> PublicationExplanation {
        let publication = self.publication;
        let is_connected = !publication.is_closed() && publication.log.metadata().is_connected();
        PublicationExplanation {
            channel: Arc::clone(&publication.channel),
            stream_id: publication.stream_id,
            session_id: publication.session_id,
            next_offer: self.next_offer(is_connected),
            position: self.position,
            limit: self.limit,
            limit_id: publication.limit.id(),
            limit_age: publication.watch.limit_age(self.limit),
            is_connected,
            status_message_age: self.status_message_age(),
            pacemaker: self.pacemaker(),
            connection_age: publication.watch.connection_age(is_connected),
            held_by: self.held_by(is_connected),
        }
    }

    fn status_message_age(&self) -> Option<Duration> {
        Some(self.publication.watch.epoch_age(self.confirmation()?.at))
    }

    fn pacemaker(&self) -> Option<SocketAddr> {
        self.confirmation()?.by
    }

    /// The last status message, where the driver tells of it.
    fn confirmation(&self) -> Option<Confirmation> {
        let id = self.counters.find(CounterTypeId::SENDER_LIMIT, self.registration_id()?)?;
        self.counters.descriptor(id)?.confirmation
    }

    /// What the counters of the stream are registered with.
    fn registration_id(&self) -> Option<i64> {
        self.counters.registration_id(self.publication.limit.id())
    }

    /// As an appender decides. Source: shared-memory spec 8.2, 8.5.
    fn next_offer(&self, is_connected: bool) -> Result<(), OfferError> {
        let log = &self.publication.log;
        let geometry = log.geometry();
        if self.publication.is_closed() {
            return Err(OfferError::Closed);
        }
        if self.position >= self.limit {
            return Err(if self.position + 32 >= geometry.max_position() {
                OfferError::MaxPositionExceeded
            } else if is_connected {
                OfferError::BackPressured
            } else {
                OfferError::NotConnected
            });
        }
        let tail = log.metadata().active_tail();
        if tail.offset(geometry.term_length()).get() == geometry.term_length().get() {
            return Err(OfferError::AdminAction);
        }
        Ok(())
    }

    fn held_by(&self, is_connected: bool) -> HeldBy {
        let stream = (self.publication.session_id, self.publication.stream_id);
        if !is_connected {
            return HeldBy::Nobody(Consumer::last_of_stream(self.counters, stream, self.position));
        }
        let subscribers = Consumer::of_stream(self.counters, stream, self.position);
        let (readers, others): (Vec<_>, Vec<_>) = subscribers
            .into_iter()
            .partition(|consumer| consumer.reference_id == self.publication.original_registration_id.get());
        let slowest = |consumers: Vec<Consumer>| consumers.into_iter().min_by_key(|each| each.position);
        let (reader, sender) = (slowest(readers), self.sender(slowest(others)));
        match (reader, sender) {
            (Some(reader), Some(sender)) if reader.position < sender.sender_position => {
                HeldBy::Subscriber(reader)
            }
            (_, Some(sender)) => self.of_window(sender),
            (Some(reader), None) if reader.behind > 0 => HeldBy::Subscriber(reader),
            (Some(_), None) => HeldBy::Conductor,
            (None, None) => HeldBy::Nobody(None),
        }
    }

    /// A window that the next datagram does not fit is full, too.
    fn of_window(&self, sender: ReceiverWindow) -> HeldBy {
        let mtu = self.publication.log.metadata().mtu().map_or(0, |mtu| i64::from(mtu.get()));
        let room = sender.sender_limit - sender.sender_position;
        if room <= 0 || room < sender.behind.min(mtu) {
            HeldBy::Receivers(sender)
        } else if sender.behind > 0 {
            HeldBy::Sender { position: sender.sender_position, behind: sender.behind }
        } else {
            HeldBy::Conductor
        }
    }

    /// The sending side; `None` over IPC.
    fn sender(&self, subscriber: Option<Consumer>) -> Option<ReceiverWindow> {
        let id = self.registration_id()?;
        let counter = |type_id| self.counters.find(type_id, id);
        let value = |type_id| counter(type_id).and_then(|id| self.counters.value(id));
        let sender_position_id = counter(CounterTypeId::SENDER_POSITION)?;
        let sender_position = Position::new(self.counters.value(sender_position_id)?);
        Some(ReceiverWindow {
            receivers: Receivers::of(
                &self.publication.channel,
                value(CounterTypeId::FLOW_CONTROL_RECEIVERS),
                self.pacemaker(),
            ),
            sender_position_id,
            sender_position,
            sender_limit: value(CounterTypeId::SENDER_LIMIT).map_or(sender_position, Position::new),
            behind: self.position - sender_position,
            back_pressure_events: value(CounterTypeId::SENDER_BPE).unwrap_or_default(),
            subscriber,
        })
    }
}

impl PublicationExplanation {
    fn is_network(&self) -> bool {
        ChannelUri::parse(&self.channel).is_ok_and(|uri| uri.media() == Media::Udp)
    }
}

impl fmt::Display for PublicationExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = cmp::max(self.limit - self.position, 0);
        write!(f, "stream {} session {} on {}: ", self.stream_id, self.session_id, self.channel)?;
        match self.next_offer {
            Ok(()) => write!(f, "open, {left} bytes before the limit at {}; ", self.limit)?,
            Err(OfferError::BackPressured) => {
                write!(
                    f,
                    "back pressured at the limit {}, which has not moved for {:.1?}; ",
                    self.limit, self.limit_age
                )?;
            }
            Err(OfferError::NotConnected) => write!(f, "not connected for {:.1?}; ", self.connection_age)?,
            Err(OfferError::Closed) => return OfferError::Closed.fmt(f),
            Err(other) => write!(f, "{other}; ")?,
        }
        match (self.next_offer, &self.held_by) {
            (Ok(()), HeldBy::Conductor) => f.write_str("every consumer has caught up"),
            (Err(OfferError::BackPressured), held_by) => write!(f, "waits for {held_by}"),
            (_, held_by) => write!(f, "limited by {held_by}"),
        }?;
        match self.status_message_age {
            Some(age) => write!(f, "; last status message {age:.1?} ago")?,
            None if self.is_network() => f.write_str("; no status message known of")?,
            None => {}
        }
        match (&self.held_by, self.pacemaker) {
            (HeldBy::Nobody(None), Some(last)) => write!(f, "; the last receiver was {last}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(None) => f.write_str("nobody: no subscriber is known"),
            Self::Nobody(Some(last)) => write!(f, "nobody: no subscriber is known; the last was {last}"),
            Self::Subscriber(consumer) => consumer.fmt(f),
            Self::Receivers(window) => window.fmt(f),
            Self::Sender { position, behind } => {
                write!(f, "the driver's sender at position {position}, {behind} bytes behind")
            }
            Self::Conductor => f.write_str("the driver's conductor, which has to raise the limit"),
        }
    }
}

impl fmt::Display for ReceiverWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: window full at {} (counter {}), {} bytes to send, {} times so far",
            self.receivers,
            self.sender_limit,
            self.sender_position_id,
            self.behind,
            self.back_pressure_events
        )?;
        match &self.subscriber {
            Some(subscriber) => write!(f, "; there, {subscriber}"),
            None => Ok(()),
        }
    }
}
