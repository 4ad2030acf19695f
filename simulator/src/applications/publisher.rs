//! An application that publishes.

use std::time::Duration;

use epona_client::{Aeron, ClientError, ExclusivePublication, OfferError, Pending, Publication};
use epona_protocol::{
    command::ErrorCode,
    types::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT, Nanos, Position, SessionId},
};

use crate::{
    Violation,
    applications::destinations::{Destinations, Removal},
    applications::handle::Handle,
    applications::ports::is_one_of,
    applications::turn::{CLEARED, Phase, RETRY, Turn, fill_in},
    ensure,
    fault::{FaultKind, Moment},
    feature::Feature,
    scenario::{self, Lengths},
    trace::{Event, Who},
};

/// Share of claims that are given up instead of written.
const ABORTED_CLAIMS: f64 = 0.1;

/// Time between messages that show that a stream gets on.
const RECOVERY_PERIOD: Duration = Duration::from_millis(50);

/// Where streams near the maximum end: a term before the last position of all, from which on setups and heartbeats name
/// a term that cannot be, so that receivers, Aeron's too, neither ask for what they miss nor keep the image.
const LAST_USED: i64 = (1 << 47) - (64 << 10);

pub(crate) struct Publisher {
    who: Who,
    home: (usize, usize),
    spec: scenario::Publisher,
    lengths: Lengths,
    state: State,
    destinations: Destinations,
    sent: usize,
    message: Vec<u8>,
    /// Number of the message that is ready to be sent.
    composed: Option<usize>,
    session: Option<usize>,
    /// The id that its driver gave it for its session, if it asked.
    given: Option<SessionId>,
    /// The furthest limit that it was told of. The limit goes back when nobody listens, and who is connected again need not
    /// look: it will be at least where it was.
    told: Position,
    /// Whether the stream has used up its positions.
    is_exhausted: bool,
    acts_at: Nanos,
    /// Until when what it had before may be in its way.
    cleared_at: Nanos,
}

enum State {
    Waiting,
    AskingForSession(Pending<SessionId>),
    AddingShared(Pending<Publication>),
    AddingExclusive(Pending<ExclusivePublication>),
    AddingDestinations(Box<Handle>),
    Open(Box<Handle>),
    Closed,
}

/// What became of a message.
enum Went {
    In,
    /// Its claim was given up; it is to be sent again.
    InVain,
    Nowhere,
}

/// What is left of a publisher whose client died.
pub(crate) struct Remains {
    _state: State,
}

impl Publisher {
    /// `host` is that of its client.
    pub(crate) fn new(
        (stream, place): (usize, usize),
        host: usize,
        spec: scenario::Publisher,
        lengths: Lengths,
    ) -> Self {
        Self {
            who: Who::Publisher(stream, place),
            home: (stream, host),
            destinations: Destinations::new(&spec.destinations),
            spec,
            lengths,
            state: State::Waiting,
            sent: 0,
            message: Vec::new(),
            composed: None,
            session: None,
            given: None,
            told: Position::ZERO,
            is_exhausted: false,
            acts_at: Nanos::new(i64::MIN),
            cleared_at: Nanos::new(i64::MIN),
        }
    }

    pub(crate) const fn spec(&self) -> &scenario::Publisher {
        &self.spec
    }

    /// Index of its session in the ledger, once it has one.
    pub(crate) const fn session(&self) -> Option<usize> {
        self.session
    }

    /// Its session's id, while the publication is open.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        match &self.state {
            State::Open(handle) => Some(handle.session()),
            _ => None,
        }
    }

    pub(crate) const fn host(&self) -> usize {
        self.home.1
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(crate) const fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Adds the publication, or looks whether it is there.
    pub(crate) fn register(
        &mut self,
        aeron: &Aeron,
        (stream, generation): (&scenario::Stream, u32),
        turn: &mut Turn<'_>,
    ) -> Result<usize, Violation> {
        if turn.now.nanos < self.acts_at {
            return Ok(0);
        }
        match self.try_register(aeron, (stream, generation), turn) {
            Ok(work) => self.check_port(turn).and_then(|()| self.check_session(stream, turn)).map(|()| work),
            Err(error) => {
                let is_excused = turn.is_excused(&[self.home.1])
                    || turn.now.nanos < self.cleared_at
                    || (self.spec.awaits_gossip && is_unknown_host(&error));
                ensure!(is_excused, "a publication was refused: {error}");
                self.state = State::Waiting;
                self.destinations.start_anew();
                self.acts_at = turn.now.nanos + RETRY;
                Ok(1)
            }
        }
    }

    fn try_register(
        &mut self,
        aeron: &Aeron,
        (stream, generation): (&scenario::Stream, u32),
        turn: &mut Turn<'_>,
    ) -> Result<usize, ClientError> {
        let id = stream.stream_id;
        let handle = match &mut self.state {
            State::Waiting if self.spec.asks_for_session => {
                self.state = State::AskingForSession(aeron.next_session_id_async(id)?);
                return Ok(1);
            }
            State::Waiting => return self.add(aeron, (stream, generation), "", turn),
            State::AskingForSession(pending) => {
                let Some(session) = pending.poll()? else { return Ok(0) };
                self.given = Some(session);
                return self.add(aeron, (stream, generation), &format!("|session-id={session}"), turn);
            }
            State::AddingShared(pending) => pending.poll()?.map(Handle::Shared),
            State::AddingExclusive(pending) => pending.poll()?.map(Handle::Exclusive),
            State::AddingDestinations(..) => return self.await_destinations(turn),
            State::Open(_) | State::Closed => None,
        };
        let Some(handle) = handle else { return Ok(0) };
        self.destinations.add_all(&handle)?;
        self.state = State::AddingDestinations(Box::new(handle));
        self.await_destinations(turn)
    }

    /// Asks for the publication, with more to its channel, once all is known that its channel names.
    fn add(
        &mut self,
        aeron: &Aeron,
        (stream, generation): (&scenario::Stream, u32),
        more: &str,
        turn: &Turn<'_>,
    ) -> Result<usize, ClientError> {
        let channel = stream.channel_of(&self.spec).replace("{generation}", &generation.to_string());
        let Some(channel) = fill_in(&(channel + more), turn.known) else { return Ok(0) };
        self.state = if self.spec.exclusive {
            State::AddingExclusive(aeron.add_exclusive_publication_async(&channel, stream.stream_id)?)
        } else {
            State::AddingShared(aeron.add_publication_async(&channel, stream.stream_id)?)
        };
        Ok(1)
    }

    /// Is ready to send once all destinations are there.
    fn await_destinations(&mut self, turn: &mut Turn<'_>) -> Result<usize, ClientError> {
        let State::AddingDestinations(handle) = std::mem::replace(&mut self.state, State::Waiting) else {
            return Ok(0);
        };
        let work = self.destinations.step(&*handle, turn.now.nanos)?;
        if !self.destinations.is_settled() {
            self.state = State::AddingDestinations(handle);
            return Ok(work);
        }
        let Ok(position) = handle.position() else { return Ok(0) };
        let session = handle.session();
        let limits = handle.limits();
        self.told = Position::ZERO;
        let known = turn.ledger.open(self.home, session, position, self.lengths, limits);
        turn.ledger.shows(known, &self.spec.shows);
        self.session = Some(known);
        self.state = State::Open(handle);
        turn.record(Event::Added { who: self.who, session: Some(session) });
        Ok(1)
    }

    /// Whether its socket has a port of the driver's range, if it is to have one.
    fn check_port(&self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let State::Open(handle) = &self.state else { return Ok(()) };
        if self.spec.has_port_of_range {
            let ports = handle.ports();
            let is_of_range = |port: &String| is_one_of(&scenario::SENDER_PORTS, port);
            ensure!(
                !ports.is_empty() && ports.iter().all(is_of_range),
                "{} has ports {ports:?}, which are not of the senders' range",
                self.who
            );
            turn.figures.features.count(Feature::SenderPortRange);
        }
        Ok(())
    }

    /// Whether its session is the one that it was given, if it asked for one, and one that its driver may choose, if it did.
    fn check_session(&self, stream: &scenario::Stream, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let State::Open(handle) = &self.state else { return Ok(()) };
        if self.spec.asks_for_session {
            let (session, given) = (handle.session(), self.given);
            ensure!(given == Some(session), "{} has session {session}, and was given {given:?}", self.who);
            turn.figures.features.count(Feature::NextSession);
        }
        if turn.reserves_sessions && !stream.channel_of(&self.spec).contains("|session-id=") {
            let session = handle.session();
            ensure!(
                !scenario::RESERVED_SESSIONS.contains(&session.get()),
                "{} has session {session}, which its driver was to leave to others",
                self.who
            );
            turn.figures.features.count(Feature::ReservedSessions);
        }
        Ok(())
    }

    /// Sends a few messages, as far as it may and should.
    pub(crate) fn send(&mut self, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let (burst, period) = match turn.phase {
            Phase::Running if self.sent < self.spec.messages => (self.spec.burst, self.spec.period),
            Phase::Recovering => (1, RECOVERY_PERIOD),
            Phase::Running | Phase::Finishing => return Ok(0),
        };
        let (State::Open(handle), Some(session)) = (&mut self.state, self.session) else { return Ok(0) };
        if self.is_exhausted || handle.is_closed() || turn.now.nanos < self.acts_at {
            return Ok(0);
        }
        self.acts_at = turn.now.nanos + period;
        let count = turn.random.usize(1..=burst);
        if count > 1 && turn.random.f64() < self.spec.batches {
            return self.send_batch(session, count, turn);
        }
        let mut work = 0;
        for _ in 0..count {
            match self.send_one(session, turn)? {
                Went::In => work += 1,
                Went::InVain => {}
                Went::Nowhere => break,
            }
        }
        Ok(work)
    }

    /// Offers the next message, or claims room for it.
    fn send_one(&mut self, session: usize, turn: &mut Turn<'_>) -> Result<Went, Violation> {
        let State::Open(handle) = &mut self.state else { return Ok(Went::Nowhere) };
        let number = turn.ledger.next_number(session);
        if self.composed != Some(number) {
            turn.ledger.compose(session, number, &mut self.message);
            self.composed = Some(number);
        }
        let before = handle.position()?;
        self.told = self.told.max(handle.limit()?);
        let limit = self.told;
        if before.get() >= LAST_USED {
            self.is_exhausted = true;
            return Ok(Went::Nowhere);
        }
        let as_claim =
            self.message.len() <= handle.limits().max_payload && turn.random.f64() < self.spec.claims;
        if as_claim && turn.random.f64() < ABORTED_CLAIMS {
            handle.claim_in_vain(self.message.len())?;
            turn.ledger.publication_at(session, handle.position()?)?;
            return Ok(Went::InVain);
        }
        let reserved = if self.spec.reserves { turn.ledger.reserved_value(session, number) } else { 0 };
        let outcome = if as_claim {
            handle.claim(&self.message, reserved)
        } else {
            handle.offer(&self.message, reserved)
        };
        let position = match outcome {
            Ok(position) => position,
            Err(refused) => return self.refused(session, refused, turn).map(|()| Went::Nowhere),
        };
        ensure!(before < limit, "{}: offer at {before:?} beyond the limit {limit:?}", self.who);
        ensure!(handle.position()? == position, "{}: offer up to {position:?} only", self.who);
        turn.figures.checks += 2;
        self.taken(session, (before, position), (self.message.len(), reserved), turn)?;
        Ok(Went::In)
    }

    /// Offers the next messages at once, of which as many go in as there is room for, one right after the other.
    fn send_batch(&mut self, session: usize, count: usize, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let State::Open(handle) = &mut self.state else { return Ok(0) };
        let first = turn.ledger.next_number(session);
        let mut messages = vec![Vec::new(); count];
        for (number, message) in (first..).zip(&mut messages) {
            turn.ledger.compose(session, number, message);
        }
        let before = handle.position()?;
        self.told = self.told.max(handle.limit()?);
        let limit = self.told;
        if before.get() >= LAST_USED {
            self.is_exhausted = true;
            return Ok(0);
        }
        let batch = match handle.offer_batch(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Ok(batch) => batch,
            Err(refused) => return self.refused(session, refused, turn).map(|()| 0),
        };
        ensure!(before < limit, "{}: batch at {before:?} beyond the limit {limit:?}", self.who);
        ensure!((1..=count).contains(&batch.messages), "{}: batch of {} messages", self.who, batch.messages);
        ensure!(handle.position()? == batch.position, "{}: batch up to {:?} only", self.who, batch.position);
        messages.truncate(batch.messages);
        let mut start = before;
        for message in &messages {
            // What takes several frames goes in alone.
            let end = if messages.len() == 1 { batch.position } else { start + frame_length(message) };
            self.taken(session, (start, end), (message.len(), 0), turn)?;
            start = end;
        }
        ensure!(start == batch.position, "{}: batch up to {:?}, not {start:?}", self.who, batch.position);
        turn.figures.checks += 4;
        if messages.len() > 1 {
            turn.figures.features.count(Feature::Batch);
        }
        Ok(messages.len())
    }

    /// The next message went in, between two positions.
    fn taken(
        &mut self,
        session: usize,
        (start, position): (Position, Position),
        (length, reserved): (usize, i64),
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let (who, number) = (self.who, turn.ledger.next_number(session));
        turn.figures.sent += 1;
        turn.ledger.sent(session, (start, position), reserved, turn.now.nanos);
        turn.ledger.publication_at(session, position)?;
        turn.record(Event::Sent { who, number, length, position });
        self.sent += 1;
        Ok(())
    }

    /// An offer was refused, for which there must be a reason.
    fn refused(&mut self, session: usize, refused: OfferError, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.is_exhausted = refused == OfferError::MaxPositionExceeded;
        ensure!(refused.is_temporary() || self.is_exhausted, "{}: offer refused: {refused}", self.who);
        let State::Open(handle) = &self.state else { return Ok(()) };
        turn.ledger.publication_at(session, handle.position()?)
    }

    /// Takes its first destination away, or adds it again.
    pub(crate) fn send_destination_away(&mut self, away: Option<Removal>) {
        self.destinations.send_away(away);
    }

    /// Removes and adds destinations, as it was told to.
    pub(crate) fn change_destinations(&mut self, turn: &Turn<'_>) -> Result<usize, Violation> {
        let State::Open(handle) = &self.state else { return Ok(0) };
        match self.destinations.step(&**handle, turn.now.nanos) {
            Ok(work) => Ok(work),
            Err(error) => {
                ensure!(turn.is_excused(&[self.home.1]), "a destination could not be changed: {error}");
                self.destinations.start_anew();
                Ok(1)
            }
        }
    }

    pub(crate) fn close(&mut self, turn: &mut Turn<'_>) {
        if self.is_closed() {
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Closed);
        if let (State::Open(handle), true) = (state, self.spec.revokes)
            && let Handle::Exclusive(publication) = *handle
        {
            turn.figures.faults.count(FaultKind::Revocation);
            if let Some(session) = self.session {
                turn.ledger.may_end_early(session);
            }
            publication.revoke();
        }
        turn.record(Event::Closed(self.who));
    }

    /// Its client is about to die: does what it is to die in.
    pub(crate) fn die_in(&mut self, moment: Moment, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let (State::Open(handle), Some(session)) = (&mut self.state, self.session) else { return Ok(()) };
        if moment != Moment::Claimed || handle.is_closed() {
            return Ok(());
        }
        let length = turn.random.usize(..handle.limits().max_payload);
        handle.claim_for_ever(length);
        // Refused or not: what does not fit the term fills it up.
        turn.ledger.publication_at(session, handle.position()?)
    }

    /// Its client is gone: starts anew with the next one.
    pub(crate) fn start_anew(&mut self, stream: &scenario::Stream, turn: &mut Turn<'_>) -> Remains {
        if self.is_closed() {
            return Remains { _state: State::Closed };
        }
        // Another stream under the id of one that subscribers still have would be taken for the same.
        let comes_back = !stream.channel_of(&self.spec).contains("|session-id=");
        self.session = None;
        self.composed = None;
        self.destinations.start_anew();
        self.is_exhausted = false;
        self.acts_at = Nanos::new(i64::MIN);
        self.cleared_at = turn.now.nanos + CLEARED;
        turn.record(Event::Closed(self.who));
        Remains {
            _state: std::mem::replace(
                &mut self.state,
                if comes_back { State::Waiting } else { State::Closed },
            ),
        }
    }
}

fn is_unknown_host(error: &ClientError) -> bool {
    matches!(error, ClientError::Registration { code: ErrorCode::UnknownHost, .. })
}

/// Length of a message in a log, in bytes, if it takes one frame.
const fn frame_length(message: &[u8]) -> i64 {
    (message.len() + DATA_HEADER_LENGTH as usize).next_multiple_of(FRAME_ALIGNMENT as usize) as i64
}
