//! What streams are like unless their channel says otherwise.

use epona_protocol::uri::InferableBool;

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
