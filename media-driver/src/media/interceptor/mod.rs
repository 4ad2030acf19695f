//! Ways to disturb a network on purpose: seeded, by configuration, in any driver.
//!
//! ```text
//!   network ──► UdpTransport ──► [ last listed ] ──► ... ──► [ first listed ] ──► role      incoming
//!   role    ──► [ last listed ] ──► ... ──► [ first listed ] ──► UdpTransport ──► network   outgoing
//! ```
//!
//! | name | arguments, `key=value` joined by `\|` |
//! | --- | --- |
//! | `loss` | `rate` 0.0..1.0, `seed`, `recv-msg-mask` hexadecimal: bit n stands for frame type n |
//! | `fixed-loss` | `term-id`, `term-offset`, `length`: this range of each session is lost once |
//! | `multi-gap-loss` | `term-id`, `gap-radix`, `gap-length`, `total-gaps`: a gap at each multiple of the radix, lost once |
//! | `delay` | `delay` duration, `jitter` duration, `seed`: everything is late, nothing overtakes |
//! | `reorder` | `rate`, `seed`, `delay` duration (1ms): some datagrams are late and so overtaken |
//! | `duplicate` | `rate`, `seed`, `delay` duration (0): some datagrams come again |
//!
//! The first three are Aeron's, with its names, arguments and decisions; they look at the first frame of a datagram.
//! Unknown arguments are ignored, as by Aeron. Lists: `aeron.udp.channel.incoming.interceptors` and
//! `aeron.udp.channel.outgoing.interceptors`; arguments: [`InterceptorKind::argument_variable`].
//! Source: driver spec 7.4.

mod arguments;
mod config;
mod delay;
mod duplicate;
mod fixed_loss;
mod loss;
mod multi_gap_loss;
mod random;
mod reorder;
mod transport;

use std::{fmt, time::Duration};

use epona_protocol::{frame, types::Nanos};

pub use arguments::ArgumentError;
pub use config::{InterceptorConfig, InterceptorConfigError, InterceptorKind};
pub use transport::{InterceptedTransport, InterceptingFactory};

/// What becomes of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It goes on at once.
    Pass,
    /// It is lost.
    Drop,
    /// It goes on after this time.
    Delay(Duration),
    /// It goes on at once, and again after this time.
    Duplicate(Duration),
}

/// Decides about datagrams of one transport in one direction.
trait Interceptor: Send + fmt::Debug {
    /// What becomes of this datagram, now.
    fn judge(&mut self, now: Nanos, datagram: &[u8]) -> Fate;

    /// Whether it may hold datagrams back, so that the transport must be read without a sign of readiness.
    fn holds(&self) -> bool {
        false
    }
}

/// Type id of the first frame; `None` for datagrams too short to have one.
fn frame_type(datagram: &[u8]) -> Option<u16> {
    let at = frame::layout::TYPE;
    Some(u16::from_le_bytes(datagram.get(at..at + 2)?.try_into().ok()?))
}

/// The first frame's header, if the datagram is DATA (not PAD).
fn data_frame(datagram: &[u8]) -> Option<frame::DataView<'_>> {
    (frame_type(datagram)? == frame::frame_type::DATA).then(|| frame::DataView::new(datagram).ok()).flatten()
}

#[cfg(test)]
mod tests;
