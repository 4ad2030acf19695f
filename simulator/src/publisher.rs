//! An application that publishes.

use epona_client::{Aeron, ClientError, ExclusivePublication, OfferError, Pending, Publication};
use epona_protocol::types::{Position, RegistrationId, SessionId};

use crate::{
    Violation,
    content::Limits,
    ensure,
    scenario::{self, Lengths},
    trace::{Event, Who},
    turn::Turn,
    violation,
};

/// Share of claims that are given up instead of written.
const ABORTED_CLAIMS: f64 = 0.1;

pub(crate) struct Publisher {
    who: Who,
    home: (usize, usize),
    spec: scenario::Publisher,
    lengths: Lengths,
    state: State,
    sent: usize,
    message: Vec<u8>,
    /// Number of the message that is ready to be sent.
    composed: Option<usize>,
    session: Option<usize>,
}

enum State {
    Waiting,
    AddingShared(Pending<Publication>),
    AddingExclusive(Pending<ExclusivePublication>),
    AddingDestinations(Box<Handle>, Vec<Pending<RegistrationId>>),
    Open(Box<Handle>),
    Closed,
}

enum Handle {
    Shared(Publication),
    Exclusive(ExclusivePublication),
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
            spec,
            lengths,
            state: State::Waiting,
            sent: 0,
            message: Vec::new(),
            composed: None,
            session: None,
        }
    }

    pub(crate) const fn spec(&self) -> &scenario::Publisher {
        &self.spec
    }

    /// Index of its session in the ledger, once it has one.
    pub(crate) const fn session(&self) -> Option<usize> {
        self.session
    }

    pub(crate) const fn host(&self) -> usize {
        self.home.1
    }

    /// Whether it has sent what it was to send.
    pub(crate) const fn has_sent_enough(&self) -> bool {
        self.sent >= self.spec.messages
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Adds the publication, or looks whether it is there.
    pub(crate) fn register(
        &mut self,
        aeron: &Aeron,
        stream: &scenario::Stream,
        turn: &mut Turn<'_>,
    ) -> Result<usize, Violation> {
        let failed = |error: ClientError| violation!("a publication was refused: {error}");
        let (channel, id) = (stream.channel.as_str(), stream.stream_id);
        let handle = match &mut self.state {
            State::Waiting if self.spec.exclusive => {
                let pending = aeron.add_exclusive_publication_async(channel, id).map_err(failed)?;
                self.state = State::AddingExclusive(pending);
                return Ok(1);
            }
            State::Waiting => {
                let pending = aeron.add_publication_async(channel, id).map_err(failed)?;
                self.state = State::AddingShared(pending);
                return Ok(1);
            }
            State::AddingShared(pending) => pending.poll().map_err(failed)?.map(Handle::Shared),
            State::AddingExclusive(pending) => pending.poll().map_err(failed)?.map(Handle::Exclusive),
            State::AddingDestinations(..) => return self.await_destinations(turn),
            State::Open(_) | State::Closed => None,
        };
        let Some(handle) = handle else { return Ok(0) };
        let destinations = self.spec.destinations.iter().map(|channel| handle.add_destination(channel));
        let pending = destinations.collect::<Result<_, _>>().map_err(failed)?;
        self.state = State::AddingDestinations(Box::new(handle), pending);
        self.await_destinations(turn)
    }

    /// Is ready to send once all destinations are there.
    fn await_destinations(&mut self, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let State::AddingDestinations(handle, mut pending) =
            std::mem::replace(&mut self.state, State::Waiting)
        else {
            return Ok(0);
        };
        while let Some(next) = pending.last_mut() {
            let outcome = next.poll().map_err(|error| violation!("a destination was refused: {error}"))?;
            if outcome.is_none() {
                self.state = State::AddingDestinations(handle, pending);
                return Ok(0);
            }
            pending.pop();
        }
        let session = handle.session();
        self.session = Some(turn.ledger.open(self.home, session, self.lengths, handle.limits()));
        self.state = State::Open(handle);
        turn.record(Event::Added { who: self.who, session: Some(session) });
        Ok(1)
    }

    /// Sends a few messages, as far as it may; seldom once it has sent enough.
    pub(crate) fn send(&mut self, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        if self.has_sent_enough() && turn.random.u8(..) != 0 {
            return Ok(0);
        }
        let (State::Open(handle), Some(session)) = (&mut self.state, self.session) else { return Ok(0) };
        let mut work = 0;
        for _ in 0..self.spec.burst {
            let number = turn.ledger.next_number(session);
            if self.composed != Some(number) {
                turn.ledger.compose(session, &mut self.message);
                self.composed = Some(number);
            }
            let (before, limit) = (handle.position()?, handle.limit()?);
            let as_claim =
                self.message.len() <= handle.limits().max_payload && turn.random.f64() < self.spec.claims;
            if as_claim && turn.random.f64() < ABORTED_CLAIMS {
                handle.claim_in_vain(self.message.len())?;
                turn.ledger.publication_at(session, handle.position()?)?;
                continue;
            }
            let outcome = if as_claim { handle.claim(&self.message) } else { handle.offer(&self.message) };
            let position = match outcome {
                Ok(position) => position,
                Err(refused) => {
                    ensure!(refused.is_temporary(), "{}: offer refused: {refused}", self.who);
                    turn.ledger.publication_at(session, handle.position()?)?;
                    break;
                }
            };
            ensure!(before < limit, "{}: offer at {before:?} beyond the limit {limit:?}", self.who);
            ensure!(handle.position()? == position, "{}: offer up to {position:?} only", self.who);
            turn.figures.checks += 2;
            turn.figures.sent += 1;
            turn.ledger.sent(session, before, position, turn.now.nanos);
            turn.ledger.publication_at(session, position)?;
            let (who, length) = (self.who, self.message.len());
            turn.record(Event::Sent { who, number, length, position });
            self.sent += 1;
            work += 1;
        }
        Ok(work)
    }

    pub(crate) fn close(&mut self, turn: &mut Turn<'_>) {
        if !self.is_closed() {
            self.state = State::Closed;
            turn.record(Event::Closed(self.who));
        }
    }
}

impl Handle {
    fn session(&self) -> SessionId {
        match self {
            Self::Shared(publication) => publication.session_id(),
            Self::Exclusive(publication) => publication.session_id(),
        }
    }

    fn add_destination(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
        match self {
            Self::Shared(publication) => publication.add_destination(channel),
            Self::Exclusive(publication) => publication.add_destination(channel),
        }
    }

    fn limits(&self) -> Limits {
        let (max_payload, max_message) = match self {
            Self::Shared(publication) => (publication.max_payload_length(), publication.max_message_length()),
            Self::Exclusive(publication) => {
                (publication.max_payload_length(), publication.max_message_length())
            }
        };
        Limits { max_payload, max_message }
    }

    fn position(&self) -> Result<Position, Violation> {
        match self {
            Self::Shared(publication) => publication.position(),
            Self::Exclusive(publication) => publication.position(),
        }
        .map_err(closed)
    }

    fn limit(&self) -> Result<Position, Violation> {
        match self {
            Self::Shared(publication) => publication.position_limit(),
            Self::Exclusive(publication) => publication.position_limit(),
        }
        .map_err(closed)
    }

    fn offer(&mut self, message: &[u8]) -> Result<Position, OfferError> {
        match self {
            Self::Shared(publication) => publication.offer(message),
            Self::Exclusive(publication) => publication.offer(message),
        }
    }

    fn claim(&mut self, message: &[u8]) -> Result<Position, OfferError> {
        let mut claim = match self {
            Self::Shared(publication) => publication.try_claim(message.len()),
            Self::Exclusive(publication) => publication.try_claim(message.len()),
        }?;
        claim.copy_from_slice(message);
        Ok(claim.commit())
    }

    /// Claims and gives up: padding for everybody else.
    fn claim_in_vain(&mut self, length: usize) -> Result<(), Violation> {
        let claim = match self {
            Self::Shared(publication) => publication.try_claim(length),
            Self::Exclusive(publication) => publication.try_claim(length),
        };
        match claim {
            Ok(claim) => claim.abort(),
            Err(refused) => ensure!(refused.is_temporary(), "claim refused: {refused}"),
        }
        Ok(())
    }
}

fn closed(error: OfferError) -> Violation {
    violation!("a publication that nobody closed is closed: {error}")
}
