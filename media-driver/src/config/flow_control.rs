//! How senders follow receivers.

use std::time::Duration;

use epona_protocol::types::GroupTag;

/// Flow and congestion control of publications. Source: driver spec 7.1, 9.2.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowControl {
    /// Strategy of unicast publications. Default: follow the receiver.
    pub unicast: FlowControlStrategy,
    /// Strategy of multicast and multi-destination publications. Default: follow the fastest.
    pub multicast: FlowControlStrategy,
    /// Which receivers a tagged strategy follows. Default -1.
    pub group_tag: GroupTag,
    /// Receivers that make a group, at least 0. Default 0.
    pub group_min_size: i32,
    /// Silence after which a receiver is forgotten. Default 5 s.
    pub receiver_timeout: Duration,
    /// Receiver windows that one retransmission may span, unicast. Default 16.
    pub unicast_retransmit_window_multiple: u32,
    /// Receiver windows that one retransmission may span, multicast. Default 4.
    pub multicast_retransmit_window_multiple: u32,
}

impl Default for FlowControl {
    fn default() -> Self {
        Self {
            unicast: FlowControlStrategy::Unicast,
            multicast: FlowControlStrategy::Max,
            group_tag: GroupTag::new(-1),
            group_min_size: 0,
            receiver_timeout: Duration::from_secs(5),
            unicast_retransmit_window_multiple: 16,
            multicast_retransmit_window_multiple: 4,
        }
    }
}

/// Whom a sender follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControlStrategy {
    /// The one receiver.
    Unicast,
    /// The fastest receiver of a group.
    Max,
    /// The slowest receiver of a group.
    Min,
    /// The slowest receiver among those with a tag.
    Tagged,
}

/// How receivers size their window. Source: driver spec 7.3, 9.2.
#[derive(Clone, Debug, PartialEq)]
pub struct CongestionControl {
    /// Strategy of images. Default: a static window, or what the channel asks for.
    pub strategy: CongestionControlStrategy,
    /// CUBIC measures the round trip. Default false.
    pub cubic_measure_rtt: bool,
    /// Round trip that CUBIC starts from. Default 100 us.
    pub cubic_initial_rtt: Duration,
    /// CUBIC grows at least as TCP would. Default false.
    pub cubic_tcp_mode: bool,
}

impl Default for CongestionControl {
    fn default() -> Self {
        Self {
            strategy: CongestionControlStrategy::Default,
            cubic_measure_rtt: false,
            cubic_initial_rtt: Duration::from_micros(100),
            cubic_tcp_mode: false,
        }
    }
}

/// Where the window of an image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionControlStrategy {
    /// As the channel's `cc` says, a static window without one.
    Default,
    /// A static window, whatever the channel says.
    Static,
    /// CUBIC, whatever the channel says.
    Cubic,
}
