//! The applications of one stream.

use epona_protocol::types::Nanos;

use crate::{
    Violation,
    applications::client::Client,
    applications::publisher::Publisher,
    applications::subscriber::Subscriber,
    applications::turn::{Phase, Turn},
    invariants::content::mix,
    invariants::ledger::Ledger,
    scenario,
};

pub(super) struct Stream {
    pub(super) spec: scenario::Stream,
    pub(super) publishers: Vec<Publisher>,
    pub(super) subscribers: Vec<Subscriber>,
    /// Whether nothing severe happens to anybody.
    is_calm: bool,
    pub(super) departure: Departure,
}

/// Whether a receiver has left, or fallen silent, whom flow control waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    NotYet,
    At(Nanos),
    /// It is not waited for any more.
    Over,
}

impl Stream {
    pub(super) fn new(spec: &scenario::Stream, clients: &[Client], seed: u64, is_calm: bool) -> Self {
        let number = spec.number;
        let host_of = |client: usize| clients[client].host;
        let publishers = spec.publishers.iter().enumerate().map(|(place, publisher)| {
            Publisher::new((number, place), host_of(publisher.client), publisher.clone(), spec.lengths)
        });
        let subscribers = spec.subscribers.iter().enumerate().map(|(place, subscriber)| {
            let seed = mix(seed, 1000 + 100 * number as u64 + place as u64);
            Subscriber::new((number, place), host_of(subscriber.client), subscriber.clone(), seed)
        });
        Self {
            spec: spec.clone(),
            publishers: publishers.collect(),
            subscribers: subscribers.collect(),
            is_calm,
            departure: Departure::NotYet,
        }
    }

    /// The turn of a publisher: adds its publication, sends, and closes when it is time.
    pub(super) fn publish(
        &mut self,
        place: usize,
        (aeron, generation): (&epona_client::Aeron, u32),
        turn: &mut Turn<'_>,
    ) -> Result<usize, Violation> {
        let everybody_is_there = self.subscribers.iter().all(Subscriber::is_registered);
        let publisher = &mut self.publishers[place];
        if publisher.is_closed() {
            return Ok(0);
        }
        if !publisher.is_open() {
            return publisher.register(aeron, (&self.spec, generation), turn);
        }
        let work = publisher.change_destinations(turn)?;
        if turn.phase == Phase::Finishing {
            if publisher.spec().closes_early || publisher.spec().revokes {
                publisher.close(turn);
                return Ok(1);
            }
            return Ok(0);
        }
        if turn.phase == Phase::Running && self.spec.waits_for_subscribers && !everybody_is_there {
            return Ok(work);
        }
        Ok(work + publisher.send(turn)?)
    }

    /// Whether it must get on whatever happened.
    fn is_to_recover(&self) -> bool {
        self.is_calm || !self.spec.is_fragile
    }

    /// Subscribers that must hear everything, each with every session that it hears.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Subscriber, &Publisher, usize)> {
        let subscribers = self.subscribers.iter().filter(|subscriber| {
            self.is_to_recover() && subscriber.is_registered() && !subscriber.spec().is_left_behind
        });
        subscribers.flat_map(|subscriber| {
            // Who leaves early is not waited for.
            let publishers = self.publishers.iter().filter(|publisher| publisher.spec().ends_at.is_none());
            let heard = publishers.filter(|publisher| {
                let session = publisher.session_id();
                let only = subscriber.spec().session;
                subscriber.hears(publisher)
                    && only.is_none_or(|only| session.is_none_or(|session| session.get() == only))
                    && only.is_none_or(|only| self.spec.channel.contains(&format!("session-id={only}")))
            });
            heard.filter_map(move |publisher| Some((subscriber, publisher, publisher.session()?)))
        })
    }

    /// Whether everybody is there, and hears what is sent now.
    pub(super) fn is_recovered(&self, ledger: &Ledger) -> bool {
        if !self.is_to_recover() {
            return true;
        }
        let publishers_are_there = self
            .publishers
            .iter()
            .all(|publisher| publisher.session().is_some() || publisher.spec().ends_at.is_some());
        publishers_are_there
            && self.subscribers.iter().all(|subscriber| subscriber.is_registered() || subscriber.is_closed())
            && self.pairs().all(|(subscriber, publisher, session)| {
                publisher.is_exhausted() || ledger.has_recovered(subscriber.place(), session)
            })
    }

    pub(super) fn is_delivered(&self, ledger: &Ledger) -> bool {
        self.pairs().all(|(subscriber, publisher, session)| {
            let is_over = publisher.is_exhausted() && ledger.ends_early(session);
            is_over
                || publisher.spec().revokes
                || subscriber.spec().is_untethered
                || ledger.has_all(subscriber.place(), session)
        })
    }

    /// What keeps it from having recovered or being delivered, each with its kind.
    pub(super) fn what_is_missing(&self, phase: Phase, ledger: &Ledger) -> Vec<(&'static str, String)> {
        let mut missing = Vec::new();
        let (number, channel) = (self.spec.number, &self.spec.channel);
        for (place, publisher) in self.publishers.iter().enumerate() {
            if publisher.session().is_none() && publisher.spec().ends_at.is_none() {
                missing.push((
                    "a publisher is not there",
                    format!("publisher {number}.{place} of {channel} is not there"),
                ));
            }
        }
        for subscriber in &self.subscribers {
            if !subscriber.is_registered() && !subscriber.is_closed() {
                missing.push((
                    "a subscriber is not there",
                    format!("subscriber {:?} is not there", subscriber.place()),
                ));
            }
        }
        for (subscriber, _, session) in self.pairs() {
            let place = subscriber.place();
            let is_behind = match phase {
                Phase::Finishing => !ledger.has_all(place, session),
                Phase::Running | Phase::Recovering => !ledger.has_recovered(place, session),
            };
            if is_behind {
                let has_image = ledger.position_of(place, session).is_some();
                let kind = if has_image { "messages are missing" } else { "an image is missing" };
                missing.push((
                    kind,
                    format!("subscriber {place:?} of {channel}, {}", ledger.progress(place, session)),
                ));
            }
        }
        missing
    }
}
