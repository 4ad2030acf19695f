//! An application that publishes.

use std::time::Duration;

use epona_client::{Aeron, ClientError, ExclusivePublication, OfferError, Pending, Publication};
use epona_protocol::{
    command::ErrorCode,
    types::{Nanos, Position, RegistrationId, SessionId},
};

use crate::{
    Violation,
    applications::destinations::{Destinations, HasDestinations, Removal},
    applications::turn::{Phase, Turn, fill_in},
    ensure,
    fault::{FaultKind, Moment},
    invariants::content::Limits,
    scenario::{self, Lengths},
    trace::{Event, Who},
    violation,
};

/// Share of claims that are given up instead of written.
const ABORTED_CLAIMS: f64 = 0.1;

/// Time between messages that show that a stream gets on.
const RECOVERY_PERIOD: Duration = Duration::from_millis(50);

/// Where streams near the maximum end: a term before the last position of all, from which on setups and heartbeats name
/// a term that cannot be, so that receivers, Aeron's too, neither ask for what they miss nor keep the image.
const LAST_USED: i64 = (1 << 47) - (64 << 10);

/// How long an application waits before it asks again for what was refused.
const RETRY: Duration = Duration::from_millis(200);

/// How long a driver may keep what a client had that is gone: longer than its liveness timeout and all lingering.
const CLEARED: Duration = Duration::from_secs(30);

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
    /// Whether the stream has used up its positions.
    is_exhausted: bool,
    acts_at: Nanos,
    /// Until when what it had before may be in its way.
    cleared_at: Nanos,
}

enum State {
    Waiting,
    AddingShared(Pending<Publication>),
    AddingExclusive(Pending<ExclusivePublication>),
    AddingDestinations(Box<Handle>),
    Open(Box<Handle>),
    Closed,
}

enum Handle {
    Shared(Publication),
    Exclusive(ExclusivePublication),
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
            Ok(work) => Ok(work),
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
            State::Waiting => {
                let Some(channel) =
                    fill_in(&stream.channel.replace("{generation}", &generation.to_string()), turn.known)
                else {
                    return Ok(0);
                };
                self.state = if self.spec.exclusive {
                    State::AddingExclusive(aeron.add_exclusive_publication_async(&channel, id)?)
                } else {
                    State::AddingShared(aeron.add_publication_async(&channel, id)?)
                };
                return Ok(1);
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

    /// Is ready to send once all destinations are there.
    fn await_destinations(&mut self, turn: &mut Turn<'_>) -> Result<usize, ClientError> {
        let State::AddingDestinations(handle) = std::mem::replace(&mut self.state, State::Waiting) else {
            return Ok(0);
        };
        let work = self.destinations.step(&*handle)?;
        if !self.destinations.is_settled() {
            self.state = State::AddingDestinations(handle);
            return Ok(work);
        }
        let Ok(position) = handle.position() else { return Ok(0) };
        let session = handle.session();
        let limits = handle.limits();
        self.session = Some(turn.ledger.open(self.home, session, position, self.lengths, limits));
        self.state = State::Open(handle);
        turn.record(Event::Added { who: self.who, session: Some(session) });
        Ok(1)
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
        let mut work = 0;
        for _ in 0..turn.random.usize(1..=burst) {
            let number = turn.ledger.next_number(session);
            if self.composed != Some(number) {
                turn.ledger.compose(session, &mut self.message);
                self.composed = Some(number);
            }
            let (before, limit) = (handle.position()?, handle.limit()?);
            if before.get() >= LAST_USED {
                self.is_exhausted = true;
                break;
            }
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
                    self.is_exhausted = refused == OfferError::MaxPositionExceeded;
                    ensure!(
                        refused.is_temporary() || self.is_exhausted,
                        "{}: offer refused: {refused}",
                        self.who
                    );
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

    /// Takes its first destination away, or adds it again.
    pub(crate) fn send_destination_away(&mut self, away: Option<Removal>) {
        self.destinations.send_away(away);
    }

    /// Removes and adds destinations, as it was told to.
    pub(crate) fn change_destinations(&mut self, turn: &Turn<'_>) -> Result<usize, Violation> {
        let State::Open(handle) = &self.state else { return Ok(0) };
        match self.destinations.step(&**handle) {
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
    pub(crate) fn start_anew(&mut self, channel: &str, turn: &mut Turn<'_>) -> Remains {
        if self.is_closed() {
            return Remains { _state: State::Closed };
        }
        // Another stream under the id of one that subscribers still have would be taken for the same.
        let comes_back = !channel.contains("|session-id=");
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

impl Handle {
    fn session(&self) -> SessionId {
        match self {
            Self::Shared(publication) => publication.session_id(),
            Self::Exclusive(publication) => publication.session_id(),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Shared(publication) => publication.is_closed(),
            Self::Exclusive(publication) => publication.is_closed(),
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
            Err(refused) => ensure!(
                refused.is_temporary() || refused == OfferError::MaxPositionExceeded,
                "claim refused: {refused}"
            ),
        }
        Ok(())
    }

    /// Claims, if there is room, and never commits.
    fn claim_for_ever(&mut self, length: usize) {
        let claim = match self {
            Self::Shared(publication) => publication.try_claim(length),
            Self::Exclusive(publication) => publication.try_claim(length),
        };
        let _ = claim.map(std::mem::forget);
    }
}

impl HasDestinations for Handle {
    fn add(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
        match self {
            Self::Shared(publication) => publication.add_destination(channel),
            Self::Exclusive(publication) => publication.add_destination(channel),
        }
    }

    fn remove(&self, channel: &str) -> Result<Pending<()>, ClientError> {
        match self {
            Self::Shared(publication) => publication.remove_destination(channel),
            Self::Exclusive(publication) => publication.remove_destination(channel),
        }
    }

    fn remove_by_id(&self, id: RegistrationId) -> Result<Pending<()>, ClientError> {
        match self {
            Self::Shared(publication) => publication.remove_destination_by_id(id),
            Self::Exclusive(publication) => publication.remove_destination_by_id(id),
        }
    }
}

fn is_unknown_host(error: &ClientError) -> bool {
    matches!(error, ClientError::Registration { code: ErrorCode::UnknownHost, .. })
}

fn closed(error: OfferError) -> Violation {
    violation!("a publication that nobody closed is closed: {error}")
}
