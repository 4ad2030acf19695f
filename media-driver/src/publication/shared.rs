//! What the conductor and the sender both know of one network publication.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering, fence};

use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::LogBuffers,
    signals::Signal,
    types::{Mtu, Position, RegistrationId, SessionId, StreamId, TermGeometry},
};

/// Flags and positions of a network publication that cross threads, with the log and counters both sides use.
///
/// Every flag has one writer, named below, stores release and is loaded acquire by the other side.
/// Source: driver spec 3.1.
#[derive(Debug)]
pub struct NetworkPublicationState {
    /// Registration id of the command that created the publication.
    pub registration_id: RegistrationId,
    /// Session id, unique among publications of this stream on this endpoint.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Terms and metadata.
    pub log: LogBuffers,
    /// How positions map to terms.
    pub geometry: TermGeometry,
    /// Longest datagram.
    pub mtu: Mtu,
    /// Whether spies count as receivers (`ssc`).
    pub spies_simulate_connection: bool,
    /// Whether heartbeats carry the end-of-stream flag (`eos`).
    pub signal_eos: bool,
    /// `snd-pos`, written by the sender.
    pub sender_position: AtomicCounter,
    /// `snd-lmt`, written by the sender.
    pub sender_limit: AtomicCounter,
    is_end_of_stream: AtomicBool,
    is_revoked: AtomicBool,
    has_spies: AtomicBool,
    max_spy_position: AtomicI64,
    has_receivers: AtomicBool,
    has_required_receivers: AtomicBool,
    has_received_unicast_eos: AtomicBool,
    news: Signal,
}

/// What identifies a network publication and where it starts; see [`NetworkPublicationState`].
#[derive(Debug)]
pub struct NetworkPublicationIdentity {
    /// Registration id of the command that created the publication.
    pub registration_id: RegistrationId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Longest datagram.
    pub mtu: Mtu,
    /// `ssc`.
    pub spies_simulate_connection: bool,
    /// `eos`.
    pub signal_eos: bool,
}

impl NetworkPublicationState {
    /// State of a publication that nobody has heard of yet. `news` is what its conductor listens to.
    #[must_use]
    pub fn new(
        identity: NetworkPublicationIdentity,
        log: LogBuffers,
        sender_position: AtomicCounter,
        sender_limit: AtomicCounter,
        news: Signal,
    ) -> Self {
        Self {
            registration_id: identity.registration_id,
            session_id: identity.session_id,
            stream_id: identity.stream_id,
            geometry: log.geometry(),
            log,
            mtu: identity.mtu,
            spies_simulate_connection: identity.spies_simulate_connection,
            signal_eos: identity.signal_eos,
            max_spy_position: AtomicI64::new(sender_position.get()),
            sender_position,
            sender_limit,
            is_end_of_stream: AtomicBool::new(false),
            is_revoked: AtomicBool::new(false),
            has_spies: AtomicBool::new(false),
            has_receivers: AtomicBool::new(false),
            has_required_receivers: AtomicBool::new(false),
            has_received_unicast_eos: AtomicBool::new(false),
            news,
        }
    }

    /// Position up to which datagrams went out.
    #[inline]
    #[must_use]
    pub fn sender_position(&self) -> Position {
        Position::at_frame(self.sender_position.get_acquire())
    }

    /// Whether the last byte has been sent and no more will follow; written by the conductor.
    #[inline]
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.is_end_of_stream.load(Ordering::Acquire)
    }

    /// Says that no more will follow.
    pub fn set_end_of_stream(&self) {
        self.is_end_of_stream.store(true, Ordering::Release);
    }

    /// Whether the publication was revoked; written by the conductor.
    #[inline]
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Acquire)
    }

    /// Says that the publication was revoked, here and to the clients that map the log.
    pub fn set_revoked(&self) {
        self.log.metadata().set_revoked();
        self.is_revoked.store(true, Ordering::Release);
    }

    /// Whether a spy is attached; written by the conductor.
    #[inline]
    #[must_use]
    pub fn has_spies(&self) -> bool {
        self.has_spies.load(Ordering::Acquire)
    }

    /// Says whether a spy is attached.
    pub fn set_has_spies(&self, has_spies: bool) {
        self.has_spies.store(has_spies, Ordering::Release);
    }

    /// How far the fastest spy has read; written by the conductor, never moves back.
    #[inline]
    #[must_use]
    pub fn max_spy_position(&self) -> Position {
        Position::new(self.max_spy_position.load(Ordering::Acquire))
    }

    /// Moves the fastest spy's position up.
    pub fn propose_max_spy_position(&self, position: Position) {
        if position.get() > self.max_spy_position.load(Ordering::Relaxed) {
            self.max_spy_position.store(position.get(), Ordering::Release);
        }
    }

    /// Whether a receiver was heard of within the connection timeout; written by the sender.
    #[inline]
    #[must_use]
    pub fn has_receivers(&self) -> bool {
        self.has_receivers.load(Ordering::Acquire)
    }

    /// Says whether receivers are live, and whether there are as many as flow control asks for; whether that is new. Stored
    /// only then: the conductor reads it every turn of a busy publication.
    #[inline]
    pub fn set_receivers(&self, has_receivers: bool, has_required_receivers: bool) -> bool {
        let mut is_new = false;
        for (flag, is_set) in
            [(&self.has_required_receivers, has_required_receivers), (&self.has_receivers, has_receivers)]
        {
            if flag.load(Ordering::Relaxed) != is_set {
                flag.store(is_set, Ordering::Release);
                is_new = true;
            }
        }
        if is_new {
            self.note_news();
        }
        is_new
    }

    /// Something was published or sent, or those who receive it came or went: the conductor has something to do.
    #[inline]
    pub fn note_news(&self) {
        self.news.raise();
    }

    /// Moves the sender's position, of which the conductor hears; by the sender.
    #[inline]
    pub fn set_sender_position(&self, position: Position) {
        self.sender_position.set_release(position.get());
        self.note_news();
    }

    /// Whether the one receiver of a unicast channel said that it has finished; written by the sender.
    #[must_use]
    pub fn has_received_unicast_eos(&self) -> bool {
        self.has_received_unicast_eos.load(Ordering::Acquire)
    }

    /// Says that the one receiver of a unicast channel has finished.
    pub fn set_received_unicast_eos(&self) {
        self.has_received_unicast_eos.store(true, Ordering::Release);
    }

    /// Whether anybody would receive what is published. Source: wire spec 2.5.
    #[inline]
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        (self.has_receivers() && self.has_required_receivers.load(Ordering::Acquire))
            || (self.spies_simulate_connection && self.has_spies())
    }

    /// Tells the clients whether anybody receives; written to the log only when it changes.
    ///
    /// Sender and conductor both call it, after what they found out was stored. Whoever writes last looks again, so that
    /// neither undoes for good what the other told.
    pub fn tell_connected(&self) {
        let metadata = self.log.metadata();
        loop {
            let is_connected = self.has_subscribers();
            if metadata.is_connected() != is_connected {
                metadata.set_connected(is_connected);
            }
            fence(Ordering::SeqCst);
            if self.has_subscribers() == is_connected {
                return;
            }
        }
    }
}
