//! How receivers size their window.

use std::time::Duration;

use super::{
    kinds::{Choice, Flag, Time},
    setting::{Setting, effective, field},
};
use crate::congestion_control::{CongestionControlKind, CubicConfig, UnknownCongestionControl};

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

impl CongestionControlStrategy {
    /// The strategy of an image whose subscription channel says `cc`.
    ///
    /// # Errors
    /// When the choice is the channel's and it names no strategy that exists.
    pub fn for_channel(self, cc: Option<&str>) -> Result<CongestionControlKind, UnknownCongestionControl> {
        match (self, cc) {
            (Self::Default, Some(name)) => name.parse(),
            (Self::Default | Self::Static, _) => Ok(CongestionControlKind::Static),
            (Self::Cubic, _) => Ok(CongestionControlKind::Cubic),
        }
    }
}

const CONGESTION_CONTROL_SUPPLIER: &[(&str, CongestionControlStrategy)] = &[
    ("default", CongestionControlStrategy::Default),
    ("static", CongestionControlStrategy::Static),
    ("cubic", CongestionControlStrategy::Cubic),
    ("aeron_congestion_control_default_strategy_supplier", CongestionControlStrategy::Default),
    ("aeron_static_window_congestion_control_strategy_supplier", CongestionControlStrategy::Static),
    ("aeron_cubic_congestion_control_strategy_supplier", CongestionControlStrategy::Cubic),
    ("io.aeron.driver.DefaultCongestionControlSupplier", CongestionControlStrategy::Default),
    ("io.aeron.driver.ext.CubicCongestionControlSupplier", CongestionControlStrategy::Cubic),
];

/// Settings of [`super::Context::congestion_control`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.congestioncontrol.supplier",
        &Choice {
            field: field!(congestion_control.strategy),
            names: CONGESTION_CONTROL_SUPPLIER,
            is_strict: true,
        },
        "where the window of an image comes from",
    )
    .with_aliases(&["aeron.CongestionControl.supplier"]),
    effective(
        "aeron.cubiccongestioncontrol.measurertt",
        &Flag(field!(congestion_control.cubic.measure_rtt)),
        "CUBIC measures the round trip",
    )
    .with_aliases(&["aeron.CubicCongestionControl.measureRtt"]),
    effective(
        "aeron.cubiccongestioncontrol.initialrtt",
        &Time { field: field!(congestion_control.cubic.initial_rtt), min: Duration::ZERO },
        "round trip that CUBIC starts from",
    )
    .with_aliases(&["aeron.CubicCongestionControl.initialRtt"]),
    effective(
        "aeron.cubiccongestioncontrol.tcpmode",
        &Flag(field!(congestion_control.cubic.tcp_mode)),
        "CUBIC grows at least as TCP would",
    )
    .with_aliases(&["aeron.CubicCongestionControl.tcpMode"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_chooses_unless_the_driver_insists() {
        use CongestionControlKind::{Cubic, Static};
        for (strategy, cc, expected) in [
            (CongestionControlStrategy::Default, None, Ok(Static)),
            (CongestionControlStrategy::Default, Some("cubic"), Ok(Cubic)),
            (
                CongestionControlStrategy::Default,
                Some("bbr"),
                Err(UnknownCongestionControl("bbr".to_owned())),
            ),
            (CongestionControlStrategy::Static, Some("cubic"), Ok(Static)),
            (CongestionControlStrategy::Cubic, Some("bbr"), Ok(Cubic)),
        ] {
            assert_eq!(strategy.for_channel(cc), expected, "{strategy:?} {cc:?}");
        }
    }
}
