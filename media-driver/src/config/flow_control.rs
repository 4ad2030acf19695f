//! How senders follow receivers; the values are those of [`FlowControlConfig`](crate::flow_control::FlowControlConfig).

use std::time::Duration;

use super::{
    kinds::{Choice, Integer, Tag, Time},
    setting::{MAX_I32, Setting, effective, field},
};
use crate::flow_control::Supplier;

const FLOW_CONTROL_SUPPLIER: &[(&str, Supplier)] = &[
    ("unicast_max", Supplier::UnicastMax),
    ("multicast_max", Supplier::MulticastMax),
    ("multicast_min", Supplier::MulticastMin),
    ("multicast_tagged", Supplier::MulticastTagged),
    ("aeron_unicast_flow_control_strategy_supplier", Supplier::UnicastMax),
    ("aeron_max_multicast_flow_control_strategy_supplier", Supplier::MulticastMax),
    ("aeron_min_flow_control_strategy_supplier", Supplier::MulticastMin),
    ("aeron_tagged_flow_control_strategy_supplier", Supplier::MulticastTagged),
    ("io.aeron.driver.DefaultUnicastFlowControlSupplier", Supplier::UnicastMax),
    ("io.aeron.driver.DefaultMulticastFlowControlSupplier", Supplier::MulticastMax),
    ("io.aeron.driver.MaxMulticastFlowControlSupplier", Supplier::MulticastMax),
    ("io.aeron.driver.MinMulticastFlowControlSupplier", Supplier::MulticastMin),
    ("io.aeron.driver.TaggedMulticastFlowControlSupplier", Supplier::MulticastTagged),
];

/// Settings of [`super::Context::flow_control`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.unicast.flowcontrol.supplier",
        &Choice { field: field!(flow_control.unicast), names: FLOW_CONTROL_SUPPLIER, is_strict: true },
        "flow control of unicast publications",
    )
    .with_aliases(&["aeron.unicast.FlowControl.supplier"]),
    effective(
        "aeron.multicast.flowcontrol.supplier",
        &Choice { field: field!(flow_control.multicast), names: FLOW_CONTROL_SUPPLIER, is_strict: true },
        "flow control of multicast and multi-destination publications",
    )
    .with_aliases(&["aeron.multicast.FlowControl.supplier"]),
    effective(
        "aeron.flow.control.group.tag",
        &Tag(field!(flow_control.group_tag)),
        "receivers that tagged flow control follows",
    ),
    effective(
        "aeron.flow.control.group.min.size",
        &Integer { field: field!(flow_control.group_min_size), min: 0, max: MAX_I32 },
        "receivers that connect a publication",
    ),
    effective(
        "aeron.flow.control.receiver.timeout",
        &Time { field: field!(flow_control.receiver_timeout), min: Duration::ZERO },
        "silence after which flow control forgets a receiver",
    ),
    effective(
        "aeron.unicast.flow.control.rrwm",
        &Integer { field: field!(flow_control.unicast_rrwm), min: 1, max: MAX_I32 },
        "receiver windows that one retransmission may span, unicast",
    ),
    effective(
        "aeron.multicast.flow.control.rrwm",
        &Integer { field: field!(flow_control.multicast_rrwm), min: 1, max: MAX_I32 },
        "receiver windows that one retransmission may span, multicast",
    ),
];
