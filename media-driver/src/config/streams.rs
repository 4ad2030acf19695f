//! What streams are like unless their channel says otherwise.

use epona_protocol::uri::InferableBool;

use super::{
    kinds::{Flag, Inferable, Integer},
    setting::{MAX_I32, Setting, effective, field},
};

/// Defaults of publications and subscriptions. Source: driver spec 9.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Streams {
    /// Ask for what was lost rather than skip it (`reliable`). Default true.
    pub reliable: bool,
    /// Subscriptions hold their publication back (`tether`). Default true.
    pub tether: bool,
    /// A subscription that fell off may join again (`rejoin`). Default true.
    pub rejoin: bool,
    /// Whether receivers act as one of many (`group`). Default: multicast ones do.
    pub group: InferableBool,
    /// Spies alone make a publication connected (`ssc`). Default false.
    pub spies_simulate_connection: bool,
    /// First session id that the driver does not give out by itself. Default -1.
    pub reserved_session_id_low: i32,
    /// Last session id that the driver does not give out by itself. Default 1000.
    pub reserved_session_id_high: i32,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            reliable: true,
            tether: true,
            rejoin: true,
            group: InferableBool::Infer,
            spies_simulate_connection: false,
            reserved_session_id_low: -1,
            reserved_session_id_high: 1000,
        }
    }
}

/// Settings of [`super::Context::streams`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.reliable.stream",
        &Flag(field!(streams.reliable)),
        "ask for what was lost rather than skip it",
    ),
    effective(
        "aeron.tether.subscriptions",
        &Flag(field!(streams.tether)),
        "subscriptions hold their publication back",
    ),
    effective(
        "aeron.rejoin.stream",
        &Flag(field!(streams.rejoin)),
        "a subscription that fell off may join again",
    ),
    effective(
        "aeron.receiver.group.consideration",
        &Inferable(field!(streams.group)),
        "whether receivers act as one of many",
    ),
    effective(
        "aeron.spies.simulate.connection",
        &Flag(field!(streams.spies_simulate_connection)),
        "spies alone make a publication connected",
    ),
    effective(
        "aeron.publication.reserved.session.id.low",
        &Integer { field: field!(streams.reserved_session_id_low), min: i32::MIN as i64, max: MAX_I32 },
        "first session id not given out",
    ),
    effective(
        "aeron.publication.reserved.session.id.high",
        &Integer { field: field!(streams.reserved_session_id_high), min: i32::MIN as i64, max: MAX_I32 },
        "last session id not given out",
    ),
];
