//! What the status counter of a channel endpoint says.

use core::fmt;

/// State of a channel endpoint, the value of its status counter. Source: shared-memory spec 5.9.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i64)]
pub enum ChannelStatus {
    /// The socket could not be opened, or failed. Also what APIs answer when there is no status counter.
    Errored = -1,
    /// Being opened.
    Initializing = 0,
    /// Open and usable.
    Active = 1,
    /// Being closed.
    Closing = 2,
}

impl ChannelStatus {
    /// The counter value.
    #[must_use]
    pub const fn value(self) -> i64 {
        self as i64
    }

    /// Reads a counter value; `None` for a number that is no status.
    #[must_use]
    pub const fn from_value(value: i64) -> Option<Self> {
        match value {
            -1 => Some(Self::Errored),
            0 => Some(Self::Initializing),
            1 => Some(Self::Active),
            2 => Some(Self::Closing),
            _ => None,
        }
    }
}

impl fmt::Display for ChannelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errored => "errored",
            Self::Initializing => "initializing",
            Self::Active => "active",
            Self::Closing => "closing",
        })
    }
}
