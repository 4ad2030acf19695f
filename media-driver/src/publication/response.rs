//! Response channels: what a publication, and a subscription, has to do with one.
//!
//! ```text
//!   requester                                            responder
//!   subscription S  control-mode=response
//!   publication, response-correlation-id=S ── SETUP, flag 0x80 ──► image I
//!                                          ◄── RSP_SETUP ───────── publication, control-mode=response|
//!   S takes the one session that it names ─── SM, flag S ────────►   response-correlation-id=I
//!                                          ◄── SETUP, data ───────   sends to whence that SM came
//! ```
//! Source: wire spec 2.7, driver spec 2.12.

use epona_protocol::types::{CorrelationId, RegistrationId};

/// What a network publication has to do with response channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseRole {
    /// Nothing.
    None,
    /// It asks: its setups say that a response is wanted, which this subscription is to receive.
    Request(RegistrationId),
    /// It answers, and sends to whoever elicits its setup: the image whose source is answered, none for a prototype.
    Response(Option<CorrelationId>),
}

/// How far a response subscription has come. Source: driver spec 14.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseProgress {
    /// It is an ordinary subscription.
    Ordinary,
    /// It waits to hear which session it is to receive.
    Pending,
    /// It receives the session that it heard of.
    Complete,
    /// It heard of another session than its channel names: it never receives anything.
    Failed,
}

impl ResponseProgress {
    /// Whether the subscription has no session to receive, so that the receiver knows nothing of it.
    #[must_use]
    pub const fn is_unsettled(self) -> bool {
        matches!(self, Self::Pending | Self::Failed)
    }
}
