//! An application that subscribes.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use epona_client::{
    Action, Aeron, ClientError, ControlledFragmentAssembler, FragmentAssembler, Header, Image, ImageHandlers,
    Pending, Subscription,
};
use epona_protocol::types::{Position, RegistrationId, SessionId, StreamId};

use crate::{
    Violation, ensure,
    ledger::Place,
    scenario,
    trace::{Event, Who},
    turn::Turn,
    violation,
};

pub(crate) struct Subscriber {
    place: Place,
    host: usize,
    spec: scenario::Subscriber,
    state: State,
    assembler: Assembler,
    inbox: Inbox,
    images: ImageEvents,
}

enum State {
    Waiting,
    Adding(Pending<Subscription>),
    AddingDestinations(Subscription, Vec<Pending<RegistrationId>>),
    Open(Subscription),
    Closed,
}

type Handler = Box<dyn FnMut(&[u8], &Header<'_>)>;
type ControlledHandler = Box<dyn FnMut(&[u8], &Header<'_>) -> Action>;

enum Assembler {
    Plain(FragmentAssembler<Handler>),
    Controlled(ControlledFragmentAssembler<ControlledHandler>),
}

/// A message as it arrived.
struct Arrival {
    session: SessionId,
    stream: StreamId,
    position: Position,
    payload: Vec<u8>,
}

/// Filled by handlers during a poll, emptied after it.
type Inbox = Rc<RefCell<Vec<Arrival>>>;

/// Filled by the client's conductor, emptied in the subscriber's turn.
type ImageEvents = Arc<Mutex<Vec<ImageEvent>>>;

#[derive(Clone, Copy)]
struct ImageEvent {
    session: SessionId,
    available: bool,
    joined: Position,
    position: Position,
}

impl Subscriber {
    /// `host` is that of its client; `seed` decides when a controlled poll breaks off.
    pub(crate) fn new(place: Place, host: usize, spec: scenario::Subscriber, seed: u64) -> Self {
        let inbox = Inbox::default();
        let assembler = if spec.controlled {
            Assembler::Controlled(ControlledFragmentAssembler::new(capricious(Rc::clone(&inbox), seed)))
        } else {
            let inbox = Rc::clone(&inbox);
            Assembler::Plain(FragmentAssembler::new(Box::new(move |payload, header| {
                inbox.borrow_mut().push(Arrival::of(payload, header));
            })))
        };
        Self { place, host, spec, state: State::Waiting, assembler, inbox, images: ImageEvents::default() }
    }

    pub(crate) const fn spec(&self) -> &scenario::Subscriber {
        &self.spec
    }

    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// Whether the publications of a host can reach it.
    pub(crate) const fn hears(&self, host: usize) -> bool {
        !self.spec.is_spy || self.host == host
    }

    pub(crate) const fn is_registered(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Adds the subscription, or looks whether it is there.
    pub(crate) fn register(
        &mut self,
        aeron: &Aeron,
        stream: &scenario::Stream,
        turn: &mut Turn<'_>,
    ) -> Result<usize, Violation> {
        let failed = |error: ClientError| violation!("a subscription was refused: {error}");
        match &mut self.state {
            State::Waiting => {
                let prefix = if self.spec.is_spy { "aeron-spy:" } else { "" };
                let channel = format!("{prefix}{}", self.spec.channel);
                let pending = aeron
                    .add_subscription_with_async(&channel, stream.stream_id, self.handlers())
                    .map_err(failed)?;
                self.state = State::Adding(pending);
                Ok(1)
            }
            State::Adding(pending) => {
                let Some(subscription) = pending.poll().map_err(failed)? else { return Ok(0) };
                let destinations = &self.spec.destinations;
                let pending = destinations.iter().map(|channel| subscription.add_destination(channel));
                let pending = pending.collect::<Result<_, _>>().map_err(failed)?;
                self.state = State::AddingDestinations(subscription, pending);
                self.await_destinations(turn)
            }
            State::AddingDestinations(..) => self.await_destinations(turn),
            State::Open(_) | State::Closed => Ok(0),
        }
    }

    /// Is ready to receive once all destinations are there.
    fn await_destinations(&mut self, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let State::AddingDestinations(subscription, mut pending) =
            std::mem::replace(&mut self.state, State::Waiting)
        else {
            return Ok(0);
        };
        while let Some(next) = pending.last_mut() {
            let outcome = next.poll().map_err(|error| violation!("a destination was refused: {error}"))?;
            if outcome.is_none() {
                self.state = State::AddingDestinations(subscription, pending);
                return Ok(0);
            }
            pending.pop();
        }
        self.state = State::Open(subscription);
        turn.record(Event::Added { who: self.who(), session: None });
        Ok(1)
    }

    fn handlers(&self) -> ImageHandlers {
        let events = |available| {
            let images = Arc::clone(&self.images);
            move |image: &Image| {
                images.lock().unwrap_or_else(PoisonError::into_inner).push(ImageEvent {
                    session: image.session_id(),
                    available,
                    joined: image.join_position(),
                    position: image.position(),
                });
            }
        };
        ImageHandlers::new().on_available(events(true)).on_unavailable(events(false))
    }

    /// Polls once, and checks what came.
    pub(crate) fn poll(&mut self, expected: StreamId, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let mut work = self.take_image_events(turn)?;
        let (who, place) = (self.who(), self.place);
        let State::Open(subscription) = &mut self.state else { return Ok(work) };
        work += match &mut self.assembler {
            Assembler::Plain(assembler) => subscription
                .poll(|payload, header| assembler.on_fragment(payload, header), self.spec.fragment_limit),
            Assembler::Controlled(assembler) => subscription.controlled_poll(
                |payload, header| assembler.on_fragment(payload, header),
                self.spec.fragment_limit,
            ),
        };
        for Arrival { session, stream, position, payload } in self.inbox.take() {
            ensure!(stream == expected, "{who} of stream {expected} got a message of stream {stream}");
            let (number, took) = turn.ledger.delivered(place, session, position, &payload, turn.now.nanos)?;
            turn.figures.worst_recovery = turn.figures.worst_recovery.max(took);
            turn.figures.delivered += 1;
            turn.figures.checks += 3;
            turn.record(Event::Delivered { who, session, number, position });
        }
        for image in subscription.images() {
            turn.ledger.image_at(place, image.session_id(), image.position())?;
            turn.figures.checks += 1;
        }
        Ok(work)
    }

    /// Takes note of images that came or went; of those whose publisher has not heard of itself yet, later.
    fn take_image_events(&mut self, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let mut events = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, unknown): (Vec<_>, Vec<_>) =
            events.drain(..).partition(|event| turn.ledger.knows(self.place, event.session));
        *events = unknown;
        for &ImageEvent { session, available, joined, position } in &known {
            turn.record(Event::Image { who: self.who(), session, available, position });
            if available {
                turn.ledger.joined(self.place, session, joined)?;
            } else {
                turn.ledger.left(self.place, session)?;
            }
            turn.figures.checks += 1;
        }
        Ok(known.len())
    }

    /// Whether it has heard of a session that nobody knows.
    pub(crate) fn has_unknown_images(&self) -> bool {
        !self.images.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn close(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Closed;
            turn.record(Event::Closed(self.who()));
        }
    }

    const fn who(&self) -> Who {
        Who::Subscriber(self.place.0, self.place.1)
    }
}

impl Arrival {
    fn of(payload: &[u8], header: &Header<'_>) -> Self {
        Self {
            session: header.session_id(),
            stream: header.stream_id(),
            position: header.position(),
            payload: payload.to_vec(),
        }
    }
}

/// A handler that takes most messages, and now and then breaks off after one or wants it again.
fn capricious(inbox: Inbox, seed: u64) -> ControlledHandler {
    let mut random = fastrand::Rng::with_seed(seed);
    Box::new(move |payload, header| {
        let action = match random.u8(..16) {
            0 => return Action::Abort,
            1 => Action::Break,
            2 => Action::Commit,
            _ => Action::Continue,
        };
        inbox.borrow_mut().push(Arrival::of(payload, header));
        action
    })
}
