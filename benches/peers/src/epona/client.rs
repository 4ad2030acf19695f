//! Our client, its conductor invoked by the caller.

use super::{NAME, failed};
use crate::party::{
    Client, Counter, Destination, ImageEvent, Offer, Publication, PublicationErrorEvent, Result, Sharing,
    Subscription,
};
use epona_client::{
    Aeron, Context, CounterTypeId, ExclusivePublication, FragmentAssembler, Header, Image, ImageHandlers,
    Invoker, OfferError, Pending, Position, PublicationErrorFrame, RegistrationId, SessionId,
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What the handlers were told, until somebody asks.
#[derive(Default, Debug)]
struct Reports {
    images: Vec<ImageEvent>,
    publication_errors: Vec<PublicationErrorEvent>,
    errors: Vec<String>,
}

/// A client with an invoked conductor.
#[derive(Debug)]
pub struct EponaClient {
    aeron: Aeron,
    invoker: Invoker,
    reports: Arc<Mutex<Reports>>,
}

impl EponaClient {
    /// The client itself, for what the parties do not have in common.
    #[must_use]
    pub fn aeron(&self) -> &Aeron {
        &self.aeron
    }

    fn await_completion<T>(&mut self, mut pending: Pending<T>, turn: &mut dyn FnMut()) -> Result<T> {
        loop {
            self.invoker.invoke().map_err(failed)?;
            if let Some(made) = pending.poll().map_err(failed)? {
                return Ok(made);
            }
            turn();
            std::thread::yield_now();
        }
    }
}

/// Waits for the driver's answer while `turn` gives the client its turns.
fn await_answer<T>(mut pending: Pending<T>, turn: &mut dyn FnMut()) -> Result<T> {
    loop {
        turn();
        if let Some(answer) = pending.poll().map_err(failed)? {
            return Ok(answer);
        }
        std::thread::yield_now();
    }
}

/// Reports are plain data: a panic elsewhere leaves them usable.
fn with<T>(reports: &Mutex<Reports>, use_them: impl FnOnce(&mut Reports) -> T) -> T {
    use_them(&mut reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn event(available: bool, image: &Image) -> ImageEvent {
    ImageEvent {
        available,
        session_id: image.session_id().get(),
        correlation_id: image.correlation_id().get(),
        source_identity: image.source_identity().to_owned(),
        join_position: image.join_position().get(),
        revoked: image.is_publication_revoked(),
    }
}

fn rejection(frame: &PublicationErrorFrame) -> PublicationErrorEvent {
    PublicationErrorEvent {
        registration_id: frame.registration_id.get(),
        session_id: frame.session_id.get(),
        stream_id: frame.stream_id.get(),
        group_tag: frame.group_tag.map_or(-1, |tag| tag.get()),
        source: frame.source,
        error_code: frame.error_code.get(),
        message: frame.message.clone(),
    }
}

impl Client for EponaClient {
    const NAME: &'static str = NAME;
    type Publication = EponaPublication;
    type Subscription = EponaSubscription;
    type Counter = epona_client::Counter;

    fn connect_within(dir: &Path, driver_timeout: Duration) -> Result<Self> {
        let reports = Arc::<Mutex<Reports>>::default();
        let (told, rejected) = (Arc::clone(&reports), Arc::clone(&reports));
        let context = Context::new()
            .dir(dir)
            .driver_timeout(driver_timeout)
            .use_invoker()
            .on_publication_error(move |frame| {
                with(&rejected, |reports| reports.publication_errors.push(rejection(frame)));
            })
            .on_error(move |error| with(&told, |reports| reports.errors.push(error.to_string())));
        let aeron = Aeron::connect(context).map_err(failed)?;
        let invoker = aeron.invoker().ok_or_else(|| failed("an invoked client without an invoker"))?;
        Ok(Self { aeron, invoker, reports })
    }

    fn add_publication(
        &mut self,
        channel: &str,
        stream_id: i32,
        sharing: Sharing,
        turn: &mut dyn FnMut(),
    ) -> Result<EponaPublication> {
        match sharing {
            Sharing::Concurrent => {
                let pending = self.aeron.add_publication_async(channel, stream_id).map_err(failed)?;
                self.await_completion(pending, turn).map(EponaPublication::Concurrent)
            }
            Sharing::Exclusive => {
                let pending =
                    self.aeron.add_exclusive_publication_async(channel, stream_id).map_err(failed)?;
                self.await_completion(pending, turn).map(EponaPublication::Exclusive)
            }
        }
    }

    fn add_subscription(
        &mut self,
        channel: &str,
        stream_id: i32,
        turn: &mut dyn FnMut(),
    ) -> Result<EponaSubscription> {
        let (come, gone) = (Arc::clone(&self.reports), Arc::clone(&self.reports));
        let handlers = ImageHandlers::new()
            .on_available(move |image| with(&come, |reports| reports.images.push(event(true, image))))
            .on_unavailable(move |image| with(&gone, |reports| reports.images.push(event(false, image))));
        let pending = self.aeron.add_subscription_with_async(channel, stream_id, handlers).map_err(failed)?;
        Ok(EponaSubscription::new(self.await_completion(pending, turn)?))
    }

    fn add_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<epona_client::Counter> {
        let type_id = CounterTypeId::new(type_id);
        let pending = self.aeron.add_counter_async(type_id, key, label).map_err(failed)?;
        self.await_completion(pending, turn)
    }

    fn add_static_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        registration_id: i64,
        turn: &mut dyn FnMut(),
    ) -> Result<epona_client::Counter> {
        let (type_id, registration_id) = (CounterTypeId::new(type_id), RegistrationId::new(registration_id));
        let pending =
            self.aeron.add_static_counter_async(type_id, key, label, registration_id).map_err(failed)?;
        self.await_completion(pending, turn)
    }

    fn next_session_id(&mut self, stream_id: i32, turn: &mut dyn FnMut()) -> Result<i32> {
        let pending = self.aeron.next_session_id_async(stream_id).map_err(failed)?;
        self.await_completion(pending, turn).map(SessionId::get)
    }

    fn add_destination(
        &mut self,
        publication: &EponaPublication,
        channel: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<i64> {
        let pending = match publication {
            EponaPublication::Concurrent(publication) => publication.add_destination(channel),
            EponaPublication::Exclusive(publication) => publication.add_destination(channel),
        };
        Ok(self.await_completion(pending.map_err(failed)?, turn)?.get())
    }

    fn remove_destination(
        &mut self,
        publication: &EponaPublication,
        destination: Destination<'_>,
        turn: &mut dyn FnMut(),
    ) -> Result<()> {
        use EponaPublication::{Concurrent, Exclusive};
        let pending = match (publication, destination) {
            (Concurrent(publication), Destination::Id(id)) => {
                publication.remove_destination_by_id(RegistrationId::new(id))
            }
            (Exclusive(publication), Destination::Id(id)) => {
                publication.remove_destination_by_id(RegistrationId::new(id))
            }
            (Concurrent(publication), Destination::Channel(channel)) => {
                publication.remove_destination(channel)
            }
            (Exclusive(publication), Destination::Channel(channel)) => {
                publication.remove_destination(channel)
            }
        };
        self.await_completion(pending.map_err(failed)?, turn)
    }

    fn do_work(&mut self) -> usize {
        // A fatal error has closed the client, which `is_closed` and the error handler tell.
        self.invoker.invoke().unwrap_or(0)
    }

    fn take_image_events(&mut self) -> Vec<ImageEvent> {
        with(&self.reports, |reports| std::mem::take(&mut reports.images))
    }

    fn take_publication_errors(&mut self) -> Vec<PublicationErrorEvent> {
        with(&self.reports, |reports| std::mem::take(&mut reports.publication_errors))
    }

    fn take_errors(&mut self) -> Vec<String> {
        with(&self.reports, |reports| std::mem::take(&mut reports.errors))
    }

    fn is_closed(&self) -> bool {
        self.aeron.is_closed()
    }
}

/// A concurrent or exclusive publication.
#[derive(Debug)]
pub enum EponaPublication {
    /// Shares its session.
    Concurrent(epona_client::Publication),
    /// Owns its session.
    Exclusive(ExclusivePublication),
}

/// Runs an expression on the publication of either kind.
macro_rules! either {
    ($publication:expr, $inner:ident => $result:expr) => {
        match $publication {
            EponaPublication::Concurrent($inner) => $result,
            EponaPublication::Exclusive($inner) => $result,
        }
    };
}

#[inline]
fn outcome(result: std::result::Result<Position, OfferError>) -> Offer {
    match result {
        Ok(position) => Offer::Sent(position.get()),
        Err(OfferError::NotConnected) => Offer::NotConnected,
        Err(OfferError::BackPressured) => Offer::BackPressured,
        Err(OfferError::AdminAction) => Offer::AdminAction,
        Err(OfferError::Closed) => Offer::Closed,
        Err(OfferError::MaxPositionExceeded) => Offer::MaxPositionExceeded,
        Err(_) => Offer::Refused,
    }
}

impl Publication for EponaPublication {
    #[inline]
    fn offer(&mut self, message: &[u8]) -> Offer {
        outcome(either!(self, publication => publication.offer(message)))
    }

    #[inline]
    fn offer_batch(&mut self, messages: &[&[u8]]) -> usize {
        either!(self, publication => publication.offer_batch(messages)).map_or(0, |batch| batch.messages)
    }

    fn try_claim(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Offer {
        outcome(either!(self, publication => publication.try_claim(length).map(|mut claim| {
            fill(&mut claim);
            claim.commit()
        })))
    }

    fn abandon_claim(&mut self, length: usize) -> Offer {
        either!(self, publication => match publication.try_claim(length) {
            Ok(claim) => {
                std::mem::forget(claim);
                Offer::Sent(0)
            }
            Err(error) => outcome(Err(error)),
        })
    }

    fn is_connected(&self) -> bool {
        either!(self, publication => publication.is_connected())
    }

    fn max_message_length(&self) -> usize {
        either!(self, publication => publication.max_message_length())
    }

    fn max_payload_length(&self) -> usize {
        either!(self, publication => publication.max_payload_length())
    }

    fn term_length(&self) -> usize {
        either!(self, publication => publication.term_length().get() as usize)
    }

    fn session_id(&self) -> i32 {
        either!(self, publication => publication.session_id().get())
    }

    fn original_registration_id(&self) -> i64 {
        either!(self, publication => publication.original_registration_id().get())
    }

    fn revoke(self) {
        match self {
            Self::Concurrent(publication) => drop(publication),
            Self::Exclusive(publication) => publication.revoke(),
        }
    }
}

impl Counter for epona_client::Counter {
    fn id(&self) -> i32 {
        self.id().get()
    }

    fn set(&self, value: i64) {
        self.set(value);
    }
}

/// Takes whole messages out of the assembler, which owns its handler, to the handler of one poll.
type Sink = Arc<Mutex<Vec<Vec<u8>>>>;

/// A handler that keeps what it is given.
type Keeper = Box<dyn FnMut(&[u8], &Header<'_>)>;

/// A subscription.
pub struct EponaSubscription {
    subscription: epona_client::Subscription,
    assembler: FragmentAssembler<Keeper>,
    messages: Sink,
}

impl EponaSubscription {
    fn new(subscription: epona_client::Subscription) -> Self {
        let messages = Sink::default();
        let sink = Arc::clone(&messages);
        let keeper: Keeper = Box::new(move |message, _| {
            sink.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(message.to_vec());
        });
        Self { subscription, assembler: FragmentAssembler::new(keeper), messages }
    }
}

impl Subscription for EponaSubscription {
    fn poll_messages<F: FnMut(&[u8])>(&mut self, limit: usize, mut on_message: F) -> usize {
        let assembler = &mut self.assembler;
        let fragments =
            self.subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), limit);
        let messages =
            std::mem::take(&mut *self.messages.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        messages.iter().for_each(|message| on_message(message));
        fragments
    }

    #[inline]
    fn poll_fragments<F: FnMut(&[u8])>(&mut self, limit: usize, mut on_fragment: F) -> usize {
        self.subscription.poll(|fragment, _| on_fragment(fragment), limit)
    }

    fn image_count(&self) -> usize {
        self.subscription.image_count()
    }

    fn registration_id(&self) -> i64 {
        self.subscription.registration_id().get()
    }

    fn add_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()> {
        let pending = self.subscription.add_destination(channel).map_err(failed)?;
        await_answer(pending, turn).map(drop)
    }

    fn remove_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()> {
        let pending = self.subscription.remove_destination(channel).map_err(failed)?;
        await_answer(pending, turn)
    }

    fn reject(&mut self, session_id: i32, reason: &str) -> Result<()> {
        let image = self.subscription.image_by_session_id(SessionId::new(session_id));
        let image = image.ok_or_else(|| failed(format!("no image of session {session_id}")))?;
        image.reject(reason).map(drop).map_err(failed)
    }

    fn resolved_channel(&self) -> Option<String> {
        self.subscription.try_resolve_channel_endpoint_port()
    }
}
