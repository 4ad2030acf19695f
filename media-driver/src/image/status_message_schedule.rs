//! When an image has something new to tell its sender. Source: wire spec 5.1, driver spec 5.4.

use epona_protocol::types::Position;

use crate::congestion_control::Window;

/// What the next status message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScheduledStatus {
    /// Position of the slowest subscriber.
    pub position: Position,
    /// Bytes accepted from there.
    pub window: i32,
}

/// The conductor's half of status messages: decides when to hand the receiver a new one.
///
/// The receiver sends each at once and repeats the last one when its timeout passes.
#[derive(Clone, Copy, Debug)]
pub struct StatusMessageSchedule {
    last: ScheduledStatus,
}

impl StatusMessageSchedule {
    /// Nothing but the join position and the initial window is scheduled.
    #[must_use]
    pub const fn new(join_position: Position, initial_window: i32) -> Self {
        Self { last: ScheduledStatus { position: join_position, window: initial_window } }
    }

    /// What was scheduled last.
    #[inline]
    #[must_use]
    pub const fn last(&self) -> ScheduledStatus {
        self.last
    }

    /// After a rebuild: a status message to send when congestion control forces one, the slowest subscriber has consumed
    /// more than a quarter of the window, or the window has changed.
    #[inline]
    pub fn on_rebuild(&mut self, consumption: Position, window: Window) -> Option<ScheduledStatus> {
        let threshold = self.last.position + i64::from(window.length / 4);
        let is_news =
            window.force_status_message || consumption > threshold || window.length != self.last.window;
        if !is_news {
            return None;
        }
        self.last = ScheduledStatus { position: consumption, window: window.length };
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { length: 131_072, force_status_message: false };

    /// Vector of wire spec 12.21.
    #[test]
    fn a_status_message_follows_the_consumption_of_more_than_a_quarter_of_the_window() {
        let mut schedule = StatusMessageSchedule::new(Position::new(64), WINDOW.length);
        assert_eq!(schedule.on_rebuild(Position::new(64 + 32_768), WINDOW), None);
        let next = ScheduledStatus { position: Position::new(64 + 32_800), window: WINDOW.length };
        assert_eq!(schedule.on_rebuild(next.position, WINDOW), Some(next));
        assert_eq!((schedule.last(), schedule.on_rebuild(next.position, WINDOW)), (next, None));
    }

    #[test]
    fn a_changed_window_is_told_once() {
        let mut schedule = StatusMessageSchedule::new(Position::ZERO, WINDOW.length);
        let smaller = Window { length: 65_536, ..WINDOW };
        assert_eq!(
            schedule.on_rebuild(Position::ZERO, smaller),
            Some(ScheduledStatus { position: Position::ZERO, window: 65_536 })
        );
        assert_eq!(schedule.on_rebuild(Position::ZERO, smaller), None);
    }

    #[test]
    fn congestion_control_can_force_a_status_message() {
        let mut schedule = StatusMessageSchedule::new(Position::ZERO, WINDOW.length);
        let forced = Window { force_status_message: true, ..WINDOW };
        assert!(schedule.on_rebuild(Position::ZERO, forced).is_some());
        assert!(schedule.on_rebuild(Position::ZERO, forced).is_some());
    }
}
