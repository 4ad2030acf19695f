//! Channel URIs: how applications name a medium, addresses and options in one string.
//!
//! ```text
//!   uri   = [ "aeron-spy:" ] "aeron:" media [ "?" param *( "|" param ) ]
//!   media = "udp" | "ipc"
//!   param = key "=" value
//! ```
//!
//! [`ChannelUri`] keeps every parameter, known or not, in its order; [`keys`] names those that mean something and
//! typed getters read them. [`ChannelUriBuilder`] writes them. [`units`] and [`address`] parse the values that occur
//! elsewhere too: sizes, durations, `host:port`, interfaces. What parameters mean together, and their defaults, is the
//! driver's business. Source: wire spec 11, 15.2, 15.5.
//!
//! ```
//! use epona_protocol::{types::TermLength, uri::{ChannelUri, ChannelUriBuilder}};
//!
//! let uri: ChannelUri = "aeron:udp?endpoint=localhost:20121|term-length=65536".parse()?;
//! assert_eq!(uri.endpoint(), Some("localhost:20121"));
//! assert_eq!(uri.term_length()?, Some(TermLength::MIN));
//!
//! let same = ChannelUriBuilder::udp().endpoint("localhost:20121").term_length(TermLength::MIN).build()?;
//! assert_eq!(same, uri);
//! # Ok::<(), epona_protocol::uri::UriError>(())
//! ```

pub mod address;
mod builder;
mod channel_uri;
mod edits;
mod error;
pub mod keys;
mod params;
pub mod units;

pub use builder::ChannelUriBuilder;
pub use channel_uri::{ChannelUri, MAX_LENGTH, Media, SPY_PREFIX};
pub use error::{SyntaxError, UriError, ValueError};
pub use params::{ControlMode, InferableBool, ResponseCorrelation, SessionIdParam, TimestampOffset};

#[cfg(test)]
mod tests;
