//! Every setting of the driver, by area: the file of an area says of each its name, the field it fills, its limits, and
//! what it means.
//!
//! To add one: a field in the area's struct with its default, and a line among its settings. Source: driver spec 9.2,
//! 14.5.

use super::{
    buffers, congestion_control, directory, flow_control, interceptors,
    kinds::Nothing,
    logging, loss, network, resolver,
    setting::{Setting, ignored},
    streams, threads, timeouts,
};

const JAVA_ONLY: &str = "only Aeron's Java driver has it";

/// Every setting, by area.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    let areas = [
        directory::SETTINGS,
        buffers::SETTINGS,
        network::SETTINGS,
        streams::SETTINGS,
        timeouts::SETTINGS,
        flow_control::SETTINGS,
        congestion_control::SETTINGS,
        loss::SETTINGS,
        threads::SETTINGS,
        resolver::SETTINGS,
        interceptors::SETTINGS,
        logging::SETTINGS,
        JAVA,
    ];
    areas.into_iter().flatten()
}

/// What only Aeron's Java driver has.
static JAVA: &[Setting] = &[
    ignored("aeron.use.windows.high.res.timer", &Nothing, "timer resolution on Windows", JAVA_ONLY),
    ignored("aeron.SendChannelEndpoint.supplier", &Nothing, "class of send endpoints", JAVA_ONLY),
    ignored("aeron.ReceiveChannelEndpoint.supplier", &Nothing, "class of receive endpoints", JAVA_ONLY),
    ignored(
        "aeron.flow.control.sm.applicationSpecificFeedback",
        &Nothing,
        "bytes that receivers add to status messages",
        JAVA_ONLY,
    ),
    ignored("aeron.unicast.flow.control.strategy", &Nothing, "class of unicast flow control", JAVA_ONLY),
    ignored("aeron.multicast.flow.control.strategy", &Nothing, "class of multicast flow control", JAVA_ONLY),
    ignored("aeron.secure.random.algorithm", &Nothing, "random numbers", JAVA_ONLY),
    ignored("aeron.fallback.logger", &Nothing, "logger of last resort", JAVA_ONLY),
    ignored("aeron.driver.async.executor.threads", &Nothing, "threads for slow work", JAVA_ONLY),
];
