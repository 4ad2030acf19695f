//! How receivers size their window.

use crate::congestion_control::CubicConfig;

/// Congestion control of images. Source: driver spec 7.3, 9.2.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CongestionControl {
    /// Strategy of images. Default: what the channel asks for, a static window when it does not.
    pub strategy: CongestionControlStrategy,
    /// Settings of CUBIC.
    pub cubic: CubicConfig,
}

/// Where the window of an image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CongestionControlStrategy {
    /// As the channel's `cc` says, a static window without one.
    #[default]
    Default,
    /// A static window, whatever the channel says.
    Static,
    /// CUBIC, whatever the channel says.
    Cubic,
}
