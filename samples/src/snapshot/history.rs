//! What several snapshots tell together: rates, since when somebody stands still, how long ago a position was passed.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::Duration,
};

use epona_protocol::{
    counters::SystemCounter,
    types::{EpochMillis, Position, RegistrationId, SessionId, StreamId},
};

use super::{Snapshot, Subscriber};
use crate::text;

/// Moments that are remembered of each mark.
const MOMENTS: usize = 256;

/// Something with a number that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// How far a publication was written.
    Publication(RegistrationId),
    /// How far it was sent.
    Sender(RegistrationId),
    /// How far an image is complete.
    Image(RegistrationId),
    /// Requests of an image to send again.
    Naks(RegistrationId),
    /// How far a subscription has read one stream.
    Subscriber(RegistrationId, SessionId, StreamId),
    /// A counter of the driver.
    System(SystemCounter),
}

impl From<&Subscriber> for Mark {
    fn from(subscriber: &Subscriber) -> Self {
        Self::Subscriber(subscriber.registration_id, subscriber.session_id, subscriber.stream_id)
    }
}

/// The latest numbers of all marks; what is gone is forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    tracks: HashMap<Mark, Track>,
    pid: i64,
}

/// The numbers of one mark.
#[derive(Clone, Debug)]
struct Track {
    /// By time, the latest last; at least one.
    moments: VecDeque<(EpochMillis, i64)>,
    /// When the latest number was first seen.
    since: EpochMillis,
    /// Whether nothing was seen before that.
    is_first_sight: bool,
}

/// Since when a mark stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Still {
    pub(crate) since: EpochMillis,
    /// Whether it was never seen to move, and may have stood before.
    pub(crate) is_first_sight: bool,
}

impl fmt::Display for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_before = if self.is_first_sight { " or before" } else { "" };
        write!(f, "since {}{or_before}", text::time_of_day(self.since))
    }
}

impl History {
    /// Takes in another snapshot, later than those before.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        // Another driver begins anew.
        if self.pid != snapshot.driver.pid {
            self.tracks.clear();
            self.pid = snapshot.driver.pid;
        }
        let marks: HashMap<Mark, i64> = marks(snapshot).collect();
        self.tracks.retain(|mark, _| marks.contains_key(mark));
        for (mark, number) in marks {
            self.note(mark, snapshot.taken, number);
        }
    }

    pub(super) fn note(&mut self, mark: Mark, now: EpochMillis, number: i64) {
        let new = || Track { moments: VecDeque::new(), since: now, is_first_sight: true };
        let track = self.tracks.entry(mark).or_insert_with(new);
        match track.moments.back() {
            Some((_, last)) if *last == number => {}
            // A number that went back belongs to something new.
            Some((_, last)) if *last > number => *track = new(),
            Some(_) => (track.since, track.is_first_sight) = (now, false),
            None => {}
        }
        if track.moments.len() == MOMENTS {
            track.moments.pop_front();
        }
        track.moments.push_back((now, number));
    }

    /// How much a mark grew per second between the last two snapshots; `None` before the second.
    pub(crate) fn rate(&self, mark: Mark) -> Option<f64> {
        let moments = &self.tracks.get(&mark)?.moments;
        let (end, now) = moments.back()?;
        let (begin, before) = moments.get(moments.len().checked_sub(2)?)?;
        let seconds = millis_between(*begin, *end) as f64 / 1e3;
        (seconds > 0.0).then(|| now.saturating_sub(*before) as f64 / seconds)
    }

    /// Since when a mark stands still, as far as it was watched; `None` when it moved at last, or was seen only once.
    pub(crate) fn still(&self, mark: Mark) -> Option<Still> {
        let track = self.tracks.get(&mark)?;
        let (now, _) = track.moments.back()?;
        let still = Still { since: track.since, is_first_sight: track.is_first_sight };
        (track.since < *now).then_some(still)
    }

    /// How long ago a mark passed a number, as far back as it was watched; nothing when it has not.
    pub(crate) fn age_of(&self, mark: Mark, number: Position) -> Option<Duration> {
        let moments = &self.tracks.get(&mark)?.moments;
        let (now, latest) = moments.back()?;
        if *latest <= number.get() {
            return Some(Duration::ZERO);
        }
        let passed = moments.iter().find(|(_, at)| *at > number.get()).map(|(time, _)| *time)?;
        Some(Duration::from_millis(u64::try_from(millis_between(passed, *now)).unwrap_or(0)))
    }
}

const fn millis_between(earlier: EpochMillis, later: EpochMillis) -> i64 {
    later.get().saturating_sub(earlier.get())
}

fn marks(snapshot: &Snapshot) -> impl Iterator<Item = (Mark, i64)> {
    let (publications, images) = (snapshot.publications(), snapshot.images());
    let mut marks = Vec::new();
    for publication in &publications {
        let id = publication.registration_id;
        marks.push((Mark::Publication(id), publication.position.get()));
        marks.extend(publication.sender.map(|sender| (Mark::Sender(id), sender.position.get())));
    }
    for image in &images {
        let id = image.correlation_id;
        marks.push((Mark::Image(id), image.position.get()));
        marks.push((Mark::Naks(id), image.naks_sent));
    }
    let of_publications = publications.iter().flat_map(|publication| &publication.subscribers);
    let subscribers = of_publications.chain(images.iter().flat_map(|image| &image.subscribers));
    marks.extend(subscribers.map(|subscriber| (Mark::from(subscriber), subscriber.position.get())));
    let system = |counter| snapshot.system(counter).map(|value| (Mark::System(counter), value));
    marks.extend(SystemCounter::ALL.into_iter().filter_map(system));
    marks.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark::Image(RegistrationId::new(7));

    fn history(moments: &[(i64, i64)]) -> History {
        let mut history = History::default();
        moments.iter().for_each(|(time, number)| history.note(MARK, EpochMillis::new(*time), *number));
        history
    }

    #[test]
    fn a_rate_is_of_the_last_interval() {
        assert_eq!(history(&[(0, 5)]).rate(MARK), None);
        assert_eq!(history(&[(0, 0), (500, 100)]).rate(MARK), Some(200.0));
        assert_eq!(history(&[(0, 0), (500, 100), (1500, 150)]).rate(MARK), Some(50.0));
        assert_eq!(history(&[(0, 0), (0, 100)]).rate(MARK), None, "no time has passed");
    }

    #[test]
    fn who_stands_still_does_so_since_the_number_was_first_seen() {
        let still =
            |moments| history(moments).still(MARK).map(|still| (still.since.get(), still.is_first_sight));
        assert_eq!(still(&[(100, 5)]), None);
        assert_eq!(still(&[(100, 4), (200, 5)]), None);
        assert_eq!(still(&[(100, 5), (200, 5)]), Some((100, true)), "it may have stood before");
        assert_eq!(still(&[(100, 4), (200, 5), (300, 5), (400, 5)]), Some((200, false)));
        assert_eq!(still(&[(100, 9), (200, 5), (300, 5)]), Some((200, true)), "what goes back begins anew");
    }

    #[test]
    fn a_position_was_passed_when_the_number_was_first_greater() {
        let history = history(&[(0, 0), (1000, 100), (2000, 200)]);
        let age = |number| history.age_of(MARK, Position::new(number)).map(|age| age.as_millis());
        assert_eq!((age(200), age(150), age(100), age(0)), (Some(0), Some(0), Some(0), Some(1000)));
        assert_eq!(history.age_of(Mark::Image(RegistrationId::new(8)), Position::ZERO), None);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let moments: Vec<_> = (0..1000).map(|index| (index, index)).collect();
        assert_eq!(history(&moments).tracks[&MARK].moments.len(), MOMENTS);
    }
}
