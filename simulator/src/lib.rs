//! Whole worlds in one thread: real drivers, real clients, a virtual network and a virtual clock, all from one seed.
//!
//! ```text
//!   Scenario::from_seed ──► World ──► Outcome: figures, digest of the trace, what went wrong
//!                             │
//!        ┌────────────────────┼─────────────────────┐
//!        │ host 10.0.0.1      │ host 10.0.0.2       │   Host: the four roles of a driver, a real directory
//!        │ clients            │ clients             │   Client: a client conductor, stepped through its invoker
//!        │ publishers, subscribers                  │   Publisher, Subscriber: what applications do
//!        └───── SimulatedNetwork: loss, delay, ... ─┘
//! ```
//!
//! Production code is what runs; only sockets, clocks, threads and chance are replaced. Each step gives every role,
//! conductor and application at most one turn, in an order drawn from the seed, checks what must always hold, and moves
//! the clock on. The same seed gives the same trace, byte by byte, on any machine.
//!
//! | looking for | go to |
//! | --- | --- |
//! | what a seed decides: streams, network, pace, faults | [`scenario`] |
//! | what goes wrong | [`fault`] |
//! | what few worlds show, and some are sure to | [`feature`] |
//! | hosts, names, links, how time passes | `surroundings` |
//! | who publishes and subscribes | `applications` |
//! | what must hold | [`invariants`] |
//! | the smallest world that fails like another | [`mod@minimise`] |
//! | what happened | [`trace`], and [`capture`] for Wireshark |

pub mod capture;
pub mod counts;
pub mod fault;
pub mod feature;
pub mod invariants;
pub mod minimise;
pub mod outcome;
pub mod scenario;
pub mod trace;
pub mod world;

mod applications;
mod surroundings;

pub use outcome::{Failure, Figures, Outcome};
pub use scenario::Scenario;
pub use world::run;

/// Something that must not happen did.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Violation {
    /// What was to hold: the same for all violations of one kind, whatever the ids and positions.
    pub invariant: &'static str,
    /// What went wrong this time.
    pub reason: String,
}

/// Makes a [`Violation`] of a text, whose literal part tells the invariant.
macro_rules! violation {
    ($text:literal $($arguments:tt)*) => {
        $crate::Violation { invariant: $text, reason: format!($text $($arguments)*) }
    };
}

/// Returns a [`Violation`] unless a condition holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::violation!($($text)+));
        }
    };
}
pub(crate) use {ensure, violation};
