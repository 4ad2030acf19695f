//! The ways by which an image's data arrives: at most one for each receive destination of its endpoint.
//!
//! A connection is made when a destination is added while the image is there, or by the first frame that arrives on
//! one. Control frames go to those that were heard lately, by an address that the destination's channel names or, when
//! it names none, that the first frame came from. Source: driver spec 5.3.

use std::{net::SocketAddr, time::Duration};

use epona_protocol::types::{Nanos, Position};

use super::origin::{DestinationIndex, Origin, ReplyRoute};

/// A source counts as active this long after its last frame. Source: wire spec 7.2.
const ACTIVITY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Connection {
    destination: DestinationIndex,
    /// Where control frames go, once that is known.
    control_address: Option<SocketAddr>,
    time_of_last_activity: Nanos,
    /// `None` before the first frame.
    time_of_last_frame: Option<Nanos>,
    end_of_stream: Option<Position>,
}

/// The connections of one image.
#[derive(Debug, Default)]
pub(super) struct Connections {
    list: Vec<Connection>,
}

impl Connections {
    /// The image's source was heard on a destination.
    #[inline]
    pub(super) fn track(&mut self, origin: Origin, now: Nanos) {
        match self.list.iter_mut().find(|connection| connection.destination == origin.destination) {
            Some(connection) => {
                connection.control_address.get_or_insert(origin.control_address);
                connection.time_of_last_activity = now;
                connection.time_of_last_frame = Some(now);
            }
            None => self.add(origin.destination, Some(origin.control_address), now, Some(now)),
        }
    }

    /// A destination was added: it may bring the image's data too.
    pub(super) fn expect(&mut self, route: ReplyRoute, now: Nanos) {
        self.add(route.destination, route.control_address, now, None);
    }

    #[cold]
    fn add(
        &mut self,
        destination: DestinationIndex,
        control_address: Option<SocketAddr>,
        time_of_last_activity: Nanos,
        time_of_last_frame: Option<Nanos>,
    ) {
        self.list.push(Connection {
            destination,
            control_address,
            time_of_last_activity,
            time_of_last_frame,
            end_of_stream: None,
        });
    }

    /// Keeps the connections of some destinations only.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(DestinationIndex) -> bool) {
        self.list.retain(|connection| is_kept(connection.destination));
    }

    /// The control address of a destination has changed.
    pub(super) fn set_control_address(&mut self, destination: DestinationIndex, address: SocketAddr) {
        for connection in self.list.iter_mut().filter(|c| c.destination == destination) {
            connection.control_address = Some(address);
        }
    }

    /// The stream has ended on a destination; where it ends once it has on all. Source: driver spec 5.2.
    pub(super) fn on_end_of_stream(
        &mut self,
        destination: DestinationIndex,
        position: Position,
    ) -> Option<Position> {
        let mut end = position;
        let mut has_ended = true;
        for connection in &mut self.list {
            if connection.destination == destination {
                connection.end_of_stream = Some(position);
            }
            match connection.end_of_stream {
                Some(position) => end = end.max(position),
                None => has_ended = false,
            }
        }
        has_ended.then_some(end)
    }

    /// Where control frames go now: to all that are known and were heard, or added, lately.
    #[inline]
    pub(super) fn active(&self, now: Nanos) -> impl Iterator<Item = Origin> {
        self.list
            .iter()
            .filter(move |connection| now < connection.time_of_last_activity + ACTIVITY_TIMEOUT)
            .filter_map(Connection::origin)
    }

    /// Everybody that can be told something, heard lately or not.
    pub(super) fn all(&self) -> impl Iterator<Item = Origin> {
        self.list.iter().filter_map(Connection::origin)
    }

    /// How many brought a frame within `liveness_timeout`.
    pub(super) fn transports(&self, now: Nanos, liveness_timeout: Duration) -> usize {
        let is_live = |heard: Nanos| now < heard + liveness_timeout;
        self.list.iter().filter(|connection| connection.time_of_last_frame.is_some_and(is_live)).count()
    }
}

impl Connection {
    fn origin(&self) -> Option<Origin> {
        let control_address = self.control_address?;
        Some(Origin { destination: self.destination, control_address })
    }
}
