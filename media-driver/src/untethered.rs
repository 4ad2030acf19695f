//! Subscribers that must not hold a stream up: what happens to one that falls behind.
//! Used alike by images, by spies of network publications and by IPC subscriptions. Source: driver spec 5.8, 14.2.
//!
//! ```text
//!           behind for the window             lingered               rested
//!             limit timeout
//!   Active ------------------------> Linger ---------------> Resting --------> Active
//!                                       |                       |
//!                                       +------> Closed <-------+
//!                             no rejoin, or the resource is draining
//! ```

use core::time::Duration;

use epona_protocol::types::{Nanos, Position};

/// Where a subscriber stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TetherState {
    /// It reads, and holds the stream back.
    Active,
    /// Its client has been told that the image is gone; its position still holds the stream back.
    Linger,
    /// It holds nothing back and waits to rejoin.
    Resting,
    /// It is gone for good.
    Closed,
}

/// What a check decided; the state has changed already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TetherAction {
    /// Active to linger: tell its client that the image is unavailable.
    ReportUnavailable,
    /// Linger to resting: its position counts no longer.
    Rest,
    /// To closed: its position counts no longer; free its position counter.
    Close,
    /// Resting to active: set its position to the join position and tell its client that the image is available.
    Rejoin,
}

/// How long a subscriber may stay in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TetherTimeouts {
    /// Behind the window limit before it is let go: `untethered-window-limit-timeout`.
    pub window_limit: Duration,
    /// Lingering before it rests: `untethered-linger-timeout`.
    pub linger: Duration,
    /// Resting before it rejoins: `untethered-resting-timeout`.
    pub resting: Duration,
}

/// Position that an untethered subscriber must be past: a quarter into the `window` (bytes) that ends at `furthest`.
///
/// `furthest` is the furthest subscriber of an image, the sender position for spies, and the consumer position for IPC.
#[must_use]
pub fn window_limit(furthest: Position, window: i32) -> Position {
    furthest - i64::from(window) + i64::from(window / 4)
}

/// The tether of one subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Tether {
    state: TetherState,
    is_tethered: bool,
    may_rejoin: bool,
    last_update: Nanos,
}

impl Tether {
    /// A subscriber that joins now; `is_tethered` and `may_rejoin` from its channel's `tether` and `rejoin`.
    #[must_use]
    pub const fn new(is_tethered: bool, may_rejoin: bool, now: Nanos) -> Self {
        Self { state: TetherState::Active, is_tethered, may_rejoin, last_update: now }
    }

    /// Where the subscriber stands.
    #[inline]
    #[must_use]
    pub const fn state(&self) -> TetherState {
        self.state
    }

    /// Whether its position holds the stream back, and it counts as working.
    #[inline]
    #[must_use]
    pub const fn is_working(&self) -> bool {
        matches!(self.state, TetherState::Active | TetherState::Linger)
    }

    /// Looks after the subscriber, on the conductor's timer. `position` is its own, `limit` from [`window_limit`].
    /// With `allow_rejoin` false the resource is draining: it must not wait for anybody.
    pub fn check(
        &mut self,
        position: Position,
        limit: Position,
        timeouts: &TetherTimeouts,
        allow_rejoin: bool,
        now: Nanos,
    ) -> Option<TetherAction> {
        if self.is_tethered {
            self.last_update = now;
            return None;
        }
        match self.state {
            TetherState::Active if position > limit => {
                self.last_update = now;
                None
            }
            TetherState::Active if self.has_passed(timeouts.window_limit, now) => {
                Some(self.move_to(TetherState::Linger, TetherAction::ReportUnavailable, now))
            }
            TetherState::Linger if self.has_passed(timeouts.linger, now) => {
                if allow_rejoin && self.may_rejoin {
                    Some(self.move_to(TetherState::Resting, TetherAction::Rest, now))
                } else {
                    Some(self.move_to(TetherState::Closed, TetherAction::Close, now))
                }
            }
            TetherState::Resting if !allow_rejoin => {
                Some(self.move_to(TetherState::Closed, TetherAction::Close, now))
            }
            TetherState::Resting if self.has_passed(timeouts.resting, now) => {
                Some(self.move_to(TetherState::Active, TetherAction::Rejoin, now))
            }
            _ => None,
        }
    }

    fn has_passed(&self, timeout: Duration, now: Nanos) -> bool {
        now > self.last_update + timeout
    }

    const fn move_to(&mut self, state: TetherState, action: TetherAction, now: Nanos) -> TetherAction {
        self.state = state;
        self.last_update = now;
        action
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMEOUTS: TetherTimeouts = TetherTimeouts {
        window_limit: Duration::from_secs(5),
        linger: Duration::from_secs(3),
        resting: Duration::from_secs(10),
    };
    const LIMIT: Position = Position::new(1000);
    const BEHIND: Position = LIMIT;
    const AHEAD: Position = Position::new(1001);
    const JUST: Duration = Duration::from_nanos(1);

    /// A subscriber and the time.
    struct Subscriber {
        tether: Tether,
        now: Nanos,
    }

    impl Subscriber {
        fn new(is_tethered: bool, may_rejoin: bool) -> Self {
            Self { tether: Tether::new(is_tethered, may_rejoin, Nanos::new(7)), now: Nanos::new(7) }
        }

        fn after(&mut self, wait: Duration, position: Position) -> Option<TetherAction> {
            self.now = self.now + wait;
            self.tether.check(position, LIMIT, &TIMEOUTS, true, self.now)
        }

        fn draining_after(&mut self, wait: Duration) -> Option<TetherAction> {
            self.now = self.now + wait;
            self.tether.check(BEHIND, LIMIT, &TIMEOUTS, false, self.now)
        }
    }

    #[test]
    fn the_window_limit_lies_a_quarter_into_the_window() {
        assert_eq!(window_limit(Position::new(100_000), 1000), Position::new(99_250));
        assert_eq!(window_limit(Position::ZERO, 131_072), Position::new(-98_304));
    }

    /// UNT-01
    #[test]
    fn a_tethered_subscriber_stays_however_slow_it_is() {
        let mut subscriber = Subscriber::new(true, true);
        assert_eq!(subscriber.after(Duration::from_secs(1_000_000), BEHIND), None);
        assert!(subscriber.tether.is_working());
    }

    /// UNT-01
    #[test]
    fn a_slow_untethered_subscriber_becomes_unavailable_after_the_window_limit_timeout() {
        let mut subscriber = Subscriber::new(false, true);
        assert_eq!(subscriber.after(TIMEOUTS.window_limit, BEHIND), None);
        assert_eq!(subscriber.after(JUST, BEHIND), Some(TetherAction::ReportUnavailable));
        assert!(subscriber.tether.is_working(), "it still holds the stream back");
    }

    #[test]
    fn a_subscriber_past_the_limit_starts_anew() {
        let mut subscriber = Subscriber::new(false, true);
        assert_eq!(subscriber.after(TIMEOUTS.window_limit + JUST, AHEAD), None);
        assert_eq!(subscriber.after(TIMEOUTS.window_limit, BEHIND), None);
        assert_eq!(subscriber.after(JUST, BEHIND), Some(TetherAction::ReportUnavailable));
    }

    /// UNT-02
    #[test]
    fn it_lingers_rests_and_rejoins() {
        let mut subscriber = Subscriber::new(false, true);
        subscriber.after(TIMEOUTS.window_limit + JUST, BEHIND);
        assert_eq!(subscriber.after(TIMEOUTS.linger, AHEAD), None);
        assert_eq!(subscriber.after(JUST, AHEAD), Some(TetherAction::Rest));
        assert_eq!(
            (subscriber.tether.is_working(), subscriber.tether.state()),
            (false, TetherState::Resting)
        );
        assert_eq!(subscriber.after(TIMEOUTS.resting, AHEAD), None);
        assert_eq!(subscriber.after(JUST, AHEAD), Some(TetherAction::Rejoin));
        assert_eq!((subscriber.tether.is_working(), subscriber.tether.state()), (true, TetherState::Active));
    }

    /// UNT-02
    #[test]
    fn one_that_may_not_rejoin_is_closed_after_lingering() {
        let mut subscriber = Subscriber::new(false, false);
        subscriber.after(TIMEOUTS.window_limit + JUST, BEHIND);
        assert_eq!(subscriber.after(TIMEOUTS.linger + JUST, BEHIND), Some(TetherAction::Close));
        assert_eq!(subscriber.after(TIMEOUTS.resting * 9, BEHIND), None);
        assert_eq!((subscriber.tether.is_working(), subscriber.tether.state()), (false, TetherState::Closed));
    }

    /// UNT-06
    #[test]
    fn a_draining_resource_closes_who_lingers_or_rests() {
        let mut lingering = Subscriber::new(false, true);
        assert_eq!(
            lingering.draining_after(TIMEOUTS.window_limit + JUST),
            Some(TetherAction::ReportUnavailable)
        );
        assert_eq!(lingering.draining_after(TIMEOUTS.linger), None);
        assert_eq!(lingering.draining_after(JUST), Some(TetherAction::Close));

        let mut resting = Subscriber::new(false, true);
        resting.after(TIMEOUTS.window_limit + JUST, BEHIND);
        resting.after(TIMEOUTS.linger + JUST, BEHIND);
        assert_eq!(resting.draining_after(Duration::ZERO), Some(TetherAction::Close));
    }

    proptest! {
        /// UNT-05: whatever happens, states follow the drawing, and what clients are told alternates.
        #[test]
        fn any_history_follows_the_drawing(
            may_rejoin: bool,
            steps in proptest::collection::vec((0_u64..15, any::<bool>(), proptest::bool::weighted(0.9)), 1..100),
        ) {
            let mut subscriber = Subscriber::new(false, may_rejoin);
            let mut is_available = true;
            for (seconds, is_ahead, allow_rejoin) in steps {
                let before = subscriber.tether.state();
                subscriber.now = subscriber.now + Duration::from_secs(seconds);
                let position = if is_ahead { AHEAD } else { BEHIND };
                let tether = &mut subscriber.tether;
                let action = tether.check(position, LIMIT, &TIMEOUTS, allow_rejoin, subscriber.now);
                let (expected, after) = match action {
                    None => (before, before),
                    Some(TetherAction::ReportUnavailable) => (TetherState::Active, TetherState::Linger),
                    Some(TetherAction::Rest) => (TetherState::Linger, TetherState::Resting),
                    Some(TetherAction::Rejoin) => (TetherState::Resting, TetherState::Active),
                    Some(TetherAction::Close) => {
                        prop_assert!(!is_available && (!may_rejoin || !allow_rejoin));
                        (before, TetherState::Closed)
                    }
                };
                prop_assert_eq!((before, tether.state()), (expected, after));
                match action {
                    Some(TetherAction::ReportUnavailable) => {
                        prop_assert!(is_available && !is_ahead);
                        is_available = false;
                    }
                    Some(TetherAction::Rejoin) => {
                        prop_assert!(!is_available && may_rejoin && allow_rejoin);
                        is_available = true;
                    }
                    _ => {}
                }
                prop_assert_eq!(tether.is_working(), matches!(after, TetherState::Active | TetherState::Linger));
            }
        }
    }
}
