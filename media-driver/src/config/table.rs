//! Every setting of the driver: its name, the field it fills, its limits, and what it means.
//!
//! To add one: a field in the area's struct with its default, and a line here. Source: driver spec 9.2, 14.5.

use std::time::Duration;

use epona_protocol::types::{Mtu, TermLength};

use super::{
    CongestionControlStrategy, PageSize, ResolverKind, TerminationValidator, ThreadNaming, ThreadingMode,
    limits::{
        ERROR_LOG_LENGTH_MIN, IO_VECTOR_CAPACITY_MAX, SPARE_LOGS_MAX, TO_CLIENTS_LENGTH_MIN,
        TO_DRIVER_LENGTH_MIN,
    },
    setting::{
        CheckedSize, Choice, Field, Flag, IdleName, Inferable, Integer, Kind, Millis, Nothing,
        OptionalInteger, OptionalTag, OptionalTime, Path, Ports, Setting, Size, Status, Tag, Text, Time,
    },
};
use crate::flow_control::Supplier;

const MAX_I32: i64 = i32::MAX as i64;
const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const NO_NATIVE_CODE: &str = "this driver loads no native code";
const JAVA_ONLY: &str = "only Aeron's Java driver has it";

/// Every setting, by area.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    let areas = [
        DIRECTORY,
        BUFFERS,
        NETWORK,
        STREAMS,
        TIMEOUTS,
        FLOW_CONTROL,
        LOSS,
        THREADS,
        RESOLVER,
        INTERCEPTORS,
        LOGGING,
        JAVA,
    ];
    areas.into_iter().flatten()
}

macro_rules! field {
    ($($path:ident).+) => {
        Field { get: |context| &context.$($path).+, get_mut: |context| &mut context.$($path).+ }
    };
}

const fn effective(property: &'static str, kind: &'static dyn Kind, doc: &'static str) -> Setting {
    Setting { property, aliases: &[], status: Status::Effective, doc, kind }
}

const fn ignored(
    property: &'static str,
    kind: &'static dyn Kind,
    doc: &'static str,
    why: &'static str,
) -> Setting {
    Setting { property, aliases: &[], status: Status::Ignored(why), doc, kind }
}

impl Setting {
    const fn with_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

const THREADING_MODE: &[(&str, ThreadingMode)] = &[
    ("DEDICATED", ThreadingMode::Dedicated),
    ("SHARED_NETWORK", ThreadingMode::SharedNetwork),
    ("SHARED", ThreadingMode::Shared),
    ("INVOKER", ThreadingMode::Invoker),
];

const THREAD_NAMING: &[(&str, ThreadNaming)] =
    &[("classic", ThreadNaming::Classic), ("new", ThreadNaming::New)];

const TERMINATION_VALIDATOR: &[(&str, TerminationValidator)] = &[
    ("deny", TerminationValidator::Deny),
    ("allow", TerminationValidator::Allow),
    ("aeron_driver_termination_validator_default_deny", TerminationValidator::Deny),
    ("aeron_driver_termination_validator_default_allow", TerminationValidator::Allow),
    ("io.aeron.driver.DefaultDenyTerminationValidator", TerminationValidator::Deny),
    ("io.aeron.driver.DefaultAllowTerminationValidator", TerminationValidator::Allow),
];

const RESOLVER_KIND: &[(&str, ResolverKind)] = &[
    ("default", ResolverKind::Default),
    ("driver", ResolverKind::Driver),
    ("csv_table", ResolverKind::CsvTable),
    ("aeron_default_name_resolver_supplier", ResolverKind::Default),
    ("aeron_driver_name_resolver_supplier", ResolverKind::Driver),
    ("aeron_csv_table_name_resolver_supplier", ResolverKind::CsvTable),
];

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

/// Settings of [`super::Context::directory`].
static DIRECTORY: &[Setting] = &[
    effective("aeron.dir", &Path(field!(directory.path)), "where the driver and its clients meet"),
    effective(
        "aeron.dir.warn.if.exists",
        &Flag(field!(directory.warn_if_exists)),
        "warn when the directory exists at start",
    ),
    effective(
        "aeron.dir.delete.on.start",
        &Flag(field!(directory.delete_on_start)),
        "delete an existing directory at start, even that of a running driver",
    ),
    effective(
        "aeron.dir.delete.on.shutdown",
        &Flag(field!(directory.delete_on_shutdown)),
        "delete the directory when the driver has ended",
    ),
    effective(
        "aeron.driver.timeout",
        &Millis(field!(directory.driver_timeout)),
        "age of the heartbeat at which a driver is dead",
    ),
];

/// Settings of [`super::Context::buffers`].
static BUFFERS: &[Setting] = &[
    effective(
        "aeron.conductor.buffer.length",
        &Size { field: field!(buffers.to_driver_length), min: TO_DRIVER_LENGTH_MIN as i64, max: MAX_I32 },
        "commands from clients, a power of two plus 768",
    ),
    effective(
        "aeron.clients.buffer.length",
        &Size { field: field!(buffers.to_clients_length), min: TO_CLIENTS_LENGTH_MIN as i64, max: MAX_I32 },
        "broadcasts to clients, a power of two plus 128",
    ),
    effective(
        "aeron.counters.buffer.length",
        &Size { field: field!(buffers.counter_values_length), min: 1 << 20, max: 500 << 20 },
        "counter values; their metadata takes four times as much",
    ),
    effective(
        "aeron.error.buffer.length",
        &Size { field: field!(buffers.error_log_length), min: ERROR_LOG_LENGTH_MIN as i64, max: MAX_I32 },
        "distinct error log",
    ),
    effective(
        "aeron.loss.report.buffer.length",
        &Size { field: field!(buffers.loss_report_length), min: 1024, max: MAX_I32 },
        "loss report",
    ),
    effective(
        "aeron.file.page.size",
        &CheckedSize {
            field: field!(buffers.file_page_size),
            min: 4096,
            max: MAX_I32,
            new: PageSize::new,
            bytes: PageSize::get,
        },
        "files are multiples of this, a power of two",
    ),
    effective(
        "aeron.term.buffer.length",
        &CheckedSize {
            field: field!(buffers.term_length),
            min: 1024,
            max: MAX_I32,
            new: TermLength::new,
            bytes: TermLength::get,
        },
        "term of network publications, a power of two, 64k to 1g",
    ),
    effective(
        "aeron.ipc.term.buffer.length",
        &CheckedSize {
            field: field!(buffers.ipc_term_length),
            min: 1024,
            max: MAX_I32,
            new: TermLength::new,
            bytes: TermLength::get,
        },
        "term of IPC publications, a power of two, 64k to 1g",
    ),
    effective(
        "aeron.publication.term.window.length",
        &Size { field: field!(buffers.publication_window), min: 0, max: 1 << 30 },
        "how far a network publisher may run ahead; 0: half a term",
    ),
    effective(
        "aeron.ipc.publication.term.window.length",
        &Size { field: field!(buffers.ipc_publication_window), min: 0, max: 1 << 30 },
        "how far an IPC publisher may run ahead; 0: half a term",
    ),
    effective(
        "aeron.term.buffer.sparse.file",
        &Flag(field!(buffers.sparse_term_files)),
        "allocate log files as they are written, not when created",
    ),
    effective(
        "epona.log.buffer.spares",
        &Integer { field: field!(buffers.spare_logs), min: 0, max: SPARE_LOGS_MAX as i64 },
        "log files kept ready, in memory, of each length that was asked for; for drivers whose native resource agent has a thread",
    ),
    effective(
        "aeron.perform.storage.checks",
        &Flag(field!(buffers.storage_checks)),
        "refuse what does not fit the file system",
    ),
    effective(
        "aeron.low.file.store.warning.threshold",
        &Size { field: field!(buffers.low_storage_threshold), min: 0, max: i64::MAX },
        "usable bytes at which the error log warns",
    ),
];

/// Settings of [`super::Context::network`].
static NETWORK: &[Setting] = &[
    effective(
        "aeron.mtu.length",
        &CheckedSize { field: field!(network.mtu), min: 32, max: 65_504, new: Mtu::new, bytes: Mtu::get },
        "longest frame of network publications, a multiple of 32",
    ),
    effective(
        "aeron.ipc.mtu.length",
        &CheckedSize { field: field!(network.ipc_mtu), min: 32, max: 65_504, new: Mtu::new, bytes: Mtu::get },
        "longest frame of IPC publications, a multiple of 32",
    ),
    effective(
        "aeron.rcv.initial.window.length",
        &Size { field: field!(network.initial_window), min: 256, max: MAX_I32 },
        "window that receivers offer at first",
    ),
    effective(
        "aeron.socket.so_rcvbuf",
        &Size { field: field!(network.socket_receive_buffer), min: 0, max: MAX_I32 },
        "SO_RCVBUF of sockets; 0: the system's",
    ),
    effective(
        "aeron.socket.so_sndbuf",
        &Size { field: field!(network.socket_send_buffer), min: 0, max: MAX_I32 },
        "SO_SNDBUF of sockets; 0: the system's",
    ),
    effective(
        "aeron.socket.multicast.ttl",
        &Integer { field: field!(network.multicast_ttl), min: 0, max: 255 },
        "hops of multicast datagrams; 0: the system's",
    ),
    effective(
        "aeron.socket.tos",
        &OptionalInteger { field: field!(network.traffic_class), max: 255 },
        "traffic class of sent datagrams; -1: the system's",
    ),
    effective(
        "epona.udp.offload",
        &Flag(field!(network.offload)),
        "segmentation offload and receive coalescing, where the kernel has them; epona-offload=false in a channel switches it off there",
    ),
    effective(
        "epona.socket.busy.poll",
        &Time { field: field!(network.socket_busy_poll), min: Duration::ZERO },
        "SO_BUSY_POLL of sockets that receive data, for receivers that spin: a read that finds nothing asks the network card; 0: the system's",
    ),
    effective(
        "aeron.driver.connect",
        &Flag(field!(network.connect_sockets)),
        "connect the sockets of publications to one destination",
    ),
    effective(
        "aeron.sender.wildcard.port.range",
        &Ports(field!(network.sender_port_range)),
        "ports for control endpoints with port 0",
    ),
    effective(
        "aeron.receiver.wildcard.port.range",
        &Ports(field!(network.receiver_port_range)),
        "ports for endpoints with port 0",
    ),
    effective(
        "aeron.receiver.group.tag",
        &OptionalTag(field!(network.receiver_group_tag)),
        "tag that receivers put into status messages",
    ),
    effective(
        "aeron.receiver.io.vector.capacity",
        &Integer {
            field: field!(network.receiver_vector_capacity),
            min: 1,
            max: IO_VECTOR_CAPACITY_MAX as i64,
        },
        "datagrams received by one system call",
    ),
    effective(
        "aeron.sender.io.vector.capacity",
        &Integer {
            field: field!(network.sender_vector_capacity),
            min: 1,
            max: IO_VECTOR_CAPACITY_MAX as i64,
        },
        "datagrams sent by one system call",
    ),
    effective(
        "aeron.network.publication.max.messages.per.send",
        &Integer { field: field!(network.messages_per_send), min: 1, max: IO_VECTOR_CAPACITY_MAX as i64 },
        "datagrams of one publication per turn of the sender",
    ),
    effective(
        "aeron.send.to.status.poll.ratio",
        &Integer { field: field!(network.send_to_status_poll_ratio), min: 1, max: MAX_I32 },
        "send turns between two looks at the control sockets",
    ),
    effective(
        "aeron.receiver.poll.to.slow.work.ratio",
        &Integer { field: field!(network.receiver_poll_to_slow_work_ratio), min: 1, max: MAX_I32 },
        "receive turns between two rounds of slow work",
    ),
    effective(
        "aeron.udp.channel.transport.poller.iteration.threshold",
        &Integer { field: field!(network.poller_iteration_threshold), min: 0, max: MAX_I32 },
        "sockets up to which each is read without asking which are ready",
    ),
    effective(
        "aeron.udp.channel.transport.poller.socket.poll.limit",
        &Integer { field: field!(network.socket_poll_limit), min: 1, max: 16 },
        "full vectors read from one socket in a row",
    ),
    effective(
        "aeron.driver.reresolution.check.interval",
        &Time { field: field!(network.re_resolution_check_interval), min: Duration::ZERO },
        "how often names may be resolved again; 0: never",
    ),
    effective(
        "aeron.driver.stream.session.limit",
        &Integer { field: field!(network.stream_session_limit), min: 1, max: MAX_I32 },
        "images of one stream on one endpoint",
    ),
    ignored(
        "aeron.udp.channel.transport.bindings.media",
        &Text(field!(network.media_bindings)),
        "transport of data; only `default` exists",
        "this driver has one transport",
    ),
    ignored(
        "aeron.conductor.udp.channel.transport.bindings.media",
        &Text(field!(network.conductor_media_bindings)),
        "transport that the conductor makes; only `default` exists",
        "this driver has one transport",
    ),
];

/// Settings of [`super::Context::streams`].
static STREAMS: &[Setting] = &[
    effective(
        "aeron.reliable.stream",
        &Flag(field!(streams.reliable)),
        "ask for what was lost rather than skip it",
    ),
    effective(
        "aeron.tether.subscriptions",
        &Flag(field!(streams.tether)),
        "subscriptions hold their publication back",
    ),
    effective(
        "aeron.rejoin.stream",
        &Flag(field!(streams.rejoin)),
        "a subscription that fell off may join again",
    ),
    effective(
        "aeron.receiver.group.consideration",
        &Inferable(field!(streams.group)),
        "whether receivers act as one of many",
    ),
    effective(
        "aeron.spies.simulate.connection",
        &Flag(field!(streams.spies_simulate_connection)),
        "spies alone make a publication connected",
    ),
    effective(
        "aeron.publication.reserved.session.id.low",
        &Integer { field: field!(streams.reserved_session_id_low), min: i32::MIN as i64, max: MAX_I32 },
        "first session id not given out",
    ),
    effective(
        "aeron.publication.reserved.session.id.high",
        &Integer { field: field!(streams.reserved_session_id_high), min: i32::MIN as i64, max: MAX_I32 },
        "last session id not given out",
    ),
];

/// Settings of [`super::Context::timeouts`].
static TIMEOUTS: &[Setting] = &[
    effective(
        "aeron.client.liveness.timeout",
        &Time { field: field!(timeouts.client_liveness), min: MICROSECOND },
        "silence after which a client is dead",
    ),
    effective(
        "aeron.publication.linger.timeout",
        &Time { field: field!(timeouts.publication_linger), min: MICROSECOND },
        "how long a publication stays after its last client left",
    ),
    effective(
        "aeron.publication.unblock.timeout",
        &Time { field: field!(timeouts.publication_unblock), min: MICROSECOND },
        "how long a claim may block a publication",
    ),
    effective(
        "aeron.publication.connection.timeout",
        &Time { field: field!(timeouts.publication_connection), min: MICROSECOND },
        "silence of receivers after which a publication is not connected",
    ),
    effective(
        "aeron.image.liveness.timeout",
        &Time { field: field!(timeouts.image_liveness), min: MICROSECOND },
        "silence of the sender after which an image ends",
    ),
    effective(
        "aeron.timer.interval",
        &Time { field: field!(timeouts.timer_interval), min: MICROSECOND },
        "how often the conductor checks timeouts",
    ),
    effective(
        "aeron.counters.free.to.reuse.timeout",
        &Time { field: field!(timeouts.counter_free_to_reuse), min: Duration::ZERO },
        "how long a freed counter id rests",
    ),
    effective(
        "aeron.untethered.window.limit.timeout",
        &Time { field: field!(timeouts.untethered_window_limit), min: Duration::ZERO },
        "how long an untethered subscription may be out of the window",
    ),
    effective(
        "aeron.untethered.linger.timeout",
        &OptionalTime(field!(timeouts.untethered_linger)),
        "how long an untethered subscription lingers; unset: the window limit",
    ),
    effective(
        "aeron.untethered.resting.timeout",
        &Time { field: field!(timeouts.untethered_resting), min: Duration::ZERO },
        "how long an untethered subscription rests before it may rejoin",
    ),
    effective(
        "aeron.rcv.status.message.timeout",
        &Time { field: field!(timeouts.status_message), min: MICROSECOND },
        "how often receivers send a status message at least",
    ),
    effective(
        "aeron.driver.conductor.cycle.threshold",
        &Time { field: field!(timeouts.conductor_cycle_threshold), min: Duration::ZERO },
        "time between two turns of the conductor that is a stall",
    ),
    effective(
        "aeron.driver.sender.cycle.threshold",
        &Time { field: field!(timeouts.sender_cycle_threshold), min: Duration::ZERO },
        "time between two turns of the sender that is a stall",
    ),
    effective(
        "aeron.driver.receiver.cycle.threshold",
        &Time { field: field!(timeouts.receiver_cycle_threshold), min: Duration::ZERO },
        "time between two turns of the receiver that is a stall",
    ),
    effective(
        "aeron.driver.name.resolver.threshold",
        &Time { field: field!(timeouts.name_resolver_threshold), min: Duration::ZERO },
        "time of a name look-up that is a stall",
    )
    .with_aliases(&["aeron.name.resolver.threshold"]),
];

/// Settings of [`super::Context::flow_control`].
static FLOW_CONTROL: &[Setting] = &[
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

/// Settings of [`super::Context::loss`].
static LOSS: &[Setting] = &[
    effective(
        "aeron.nak.unicast.delay",
        &Time { field: field!(loss.nak_unicast_delay), min: MICROSECOND },
        "wait before the first NAK for a gap, unicast",
    ),
    effective(
        "aeron.nak.unicast.retry.delay.ratio",
        &Integer { field: field!(loss.nak_unicast_retry_delay_ratio), min: 1, max: i64::MAX },
        "waits between NAKs for one gap, in first waits, unicast",
    ),
    effective(
        "aeron.nak.multicast.group.size",
        &Integer { field: field!(loss.nak_multicast_group_size), min: 1, max: MAX_I32 },
        "receivers that the delay of a multicast NAK reckons with",
    ),
    effective(
        "aeron.nak.multicast.max.backoff",
        &Time { field: field!(loss.nak_multicast_max_backoff), min: MICROSECOND },
        "longest delay of a multicast NAK",
    ),
    effective(
        "aeron.retransmit.unicast.delay",
        &Time { field: field!(loss.retransmit_unicast_delay), min: Duration::ZERO },
        "wait before sending again",
    ),
    effective(
        "aeron.retransmit.unicast.linger",
        &Time { field: field!(loss.retransmit_unicast_linger), min: MICROSECOND },
        "how long further NAKs for what was sent again are ignored",
    ),
    effective(
        "aeron.max.resend",
        &Integer { field: field!(loss.max_resend), min: 1, max: 256 },
        "retransmissions in progress per publication",
    ),
    effective(
        "epona.unicast.max.gaps",
        &Integer { field: field!(loss.unicast_max_gaps), min: 1, max: 256 },
        "gaps of a unicast stream that are repaired at a time; 1: one after the other, as Aeron does",
    ),
];

/// Settings of [`super::Context::threads`].
static THREADS: &[Setting] = &[
    effective(
        "aeron.threading.mode",
        &Choice { field: field!(threads.mode), names: THREADING_MODE, is_strict: false },
        "which agents share a thread",
    ),
    effective(
        "aeron.thread.naming",
        &Choice { field: field!(threads.naming), names: THREAD_NAMING, is_strict: false },
        "what threads are called",
    ),
    effective(
        "aeron.conductor.idle.strategy",
        &IdleName(field!(threads.conductor_idle.strategy)),
        "idling of the conductor",
    ),
    effective(
        "aeron.conductor.idle.strategy.init.args",
        &Text(field!(threads.conductor_idle.init_args)),
        "arguments of the idling of the conductor",
    ),
    effective(
        "aeron.sender.idle.strategy",
        &IdleName(field!(threads.sender_idle.strategy)),
        "idling of the sender",
    ),
    effective(
        "aeron.sender.idle.strategy.init.args",
        &Text(field!(threads.sender_idle.init_args)),
        "arguments of the idling of the sender",
    ),
    effective(
        "aeron.receiver.idle.strategy",
        &IdleName(field!(threads.receiver_idle.strategy)),
        "idling of the receiver",
    ),
    effective(
        "aeron.receiver.idle.strategy.init.args",
        &Text(field!(threads.receiver_idle.init_args)),
        "arguments of the idling of the receiver",
    ),
    effective(
        "aeron.sharednetwork.idle.strategy",
        &IdleName(field!(threads.shared_network_idle.strategy)),
        "idling of the thread that sender and receiver share",
    ),
    effective(
        "aeron.sharednetwork.idle.strategy.init.args",
        &Text(field!(threads.shared_network_idle.init_args)),
        "arguments of the idling of the thread that sender and receiver share",
    ),
    effective(
        "aeron.shared.idle.strategy",
        &IdleName(field!(threads.shared_idle.strategy)),
        "idling of the thread that all agents share",
    ),
    effective(
        "aeron.shared.idle.strategy.init.args",
        &Text(field!(threads.shared_idle.init_args)),
        "arguments of the idling of the thread that all agents share",
    ),
    effective(
        "aeron.driver.native.resource.agent.idle.strategy",
        &IdleName(field!(threads.native_resource_agent_idle.strategy)),
        "idling of the native resource agent",
    ),
    effective(
        "aeron.driver.native.resource.agent.idle.strategy.init.args",
        &Text(field!(threads.native_resource_agent_idle.init_args)),
        "arguments of the idling of the native resource agent",
    ),
    effective(
        "aeron.conductor.cpu.affinity",
        &OptionalInteger { field: field!(threads.conductor_cpu), max: 255 },
        "processor of the conductor; -1: any",
    ),
    effective(
        "aeron.sender.cpu.affinity",
        &OptionalInteger { field: field!(threads.sender_cpu), max: 255 },
        "processor of the sender; -1: any",
    ),
    effective(
        "aeron.receiver.cpu.affinity",
        &OptionalInteger { field: field!(threads.receiver_cpu), max: 255 },
        "processor of the receiver; -1: any",
    ),
    effective(
        "aeron.driver.native.resource.agent.cpu.affinity",
        &OptionalInteger { field: field!(threads.native_resource_agent_cpu), max: 255 },
        "processor of the native resource agent; -1: any",
    ),
    effective(
        "aeron.thread.affinity.use.cpuset.offsets",
        &Flag(field!(threads.affinity_by_cpuset_offset)),
        "count processors within the process's own set",
    )
    .with_aliases(&["aeron.driver.cpuset.affinity"]),
    effective(
        "aeron.thread.affinity.fail.on.validation.errors",
        &Flag(field!(threads.affinity_warnings_fail_start)),
        "a doubtful choice of processors ends the start",
    )
    .with_aliases(&["aeron.driver.cpuset.warnings.as.errors"]),
    effective(
        "aeron.driver.resource.free.limit",
        &Integer { field: field!(threads.resource_free_limit), min: 1, max: u32::MAX as i64 },
        "retries of freeing log buffers per turn",
    ),
    effective(
        "aeron.driver.termination.validator",
        &Choice {
            field: field!(threads.termination_validator),
            names: TERMINATION_VALIDATOR,
            is_strict: true,
        },
        "what a request to terminate is answered with",
    ),
    ignored(
        "aeron.agent.on.start.function",
        &Text(field!(threads.on_start_function)),
        "C function to call when a thread starts",
        NO_NATIVE_CODE,
    ),
];

/// Settings of [`super::Context::resolver`].
static RESOLVER: &[Setting] = &[
    effective(
        "aeron.name.resolver.supplier",
        &Choice { field: field!(resolver.kind), names: RESOLVER_KIND, is_strict: true },
        "which resolver answers",
    ),
    effective("aeron.name.resolver.init.args", &Text(field!(resolver.init_args)), "argument of the resolver"),
    effective(
        "aeron.name.resolver.csv.lookup.table.args",
        &Text(field!(resolver.csv_table)),
        "names and addresses of the table resolver",
    ),
    effective(
        "aeron.driver.resolver.name",
        &Text(field!(resolver.name)),
        "name of this driver among its neighbours",
    ),
    effective(
        "aeron.driver.resolver.interface",
        &Text(field!(resolver.interface)),
        "where this driver gossips, host:port",
    ),
    effective(
        "aeron.driver.resolver.bootstrap.neighbor",
        &Text(field!(resolver.bootstrap_neighbors)),
        "neighbours to start from, host:port, comma separated",
    ),
    effective(
        "aeron.driver.resolver.neighbor.timeout",
        &Time { field: field!(resolver.neighbor_timeout), min: MILLISECOND },
        "silence after which a neighbour is forgotten",
    ),
    effective(
        "aeron.driver.resolver.self.resolution.interval",
        &Time { field: field!(resolver.self_resolution_interval), min: MILLISECOND },
        "how often this driver tells its name",
    ),
    effective(
        "aeron.driver.resolver.neighbor.resolution.interval",
        &Time { field: field!(resolver.neighbor_resolution_interval), min: MILLISECOND },
        "how often this driver tells what it knows of others",
    ),
    effective(
        "aeron.driver.resolver.bootstrap.neighbor.resolution.interval",
        &Time { field: field!(resolver.bootstrap_neighbor_resolution_interval), min: MILLISECOND },
        "how often first neighbours are resolved again",
    ),
];

/// Settings of [`super::Context::interceptors`].
static INTERCEPTORS: &[Setting] = &[
    effective(
        "aeron.udp.channel.outgoing.interceptors",
        &Text(field!(interceptors.outgoing)),
        "what stands before sockets that send, comma separated",
    ),
    effective(
        "aeron.udp.channel.incoming.interceptors",
        &Text(field!(interceptors.incoming)),
        "what stands behind sockets that receive, comma separated",
    ),
    effective(
        "aeron.udp.channel.transport.bindings.loss.args",
        &Text(field!(interceptors.loss_args)),
        "arguments of the interceptor `loss`",
    ),
    effective(
        "aeron.udp.channel.transport.bindings.fixed.loss.args",
        &Text(field!(interceptors.fixed_loss_args)),
        "arguments of the interceptor `fixed-loss`",
    ),
    effective(
        "aeron.udp.channel.transport.bindings.multi.gap.loss.args",
        &Text(field!(interceptors.multi_gap_loss_args)),
        "arguments of the interceptor `multi-gap-loss`",
    ),
    effective(
        "epona.interceptor.delay",
        &Text(field!(interceptors.delay_args)),
        "arguments of the interceptor `delay`",
    ),
    effective(
        "epona.interceptor.reorder",
        &Text(field!(interceptors.reorder_args)),
        "arguments of the interceptor `reorder`",
    ),
    effective(
        "epona.interceptor.duplicate",
        &Text(field!(interceptors.duplicate_args)),
        "arguments of the interceptor `duplicate`",
    ),
];

/// Settings of [`super::Context::logging`].
static LOGGING: &[Setting] = &[
    effective(
        "aeron.print.configuration",
        &Flag(field!(logging.print_configuration)),
        "print the configuration at start",
    ),
    effective(
        "aeron.event.log",
        &Text(field!(logging.events)),
        "events to log: names, ids, all, admin or a mask",
    ),
    effective("aeron.event.log.disable", &Text(field!(logging.disabled_events)), "events to leave out"),
    effective(
        "aeron.event.log.filename",
        &Text(field!(logging.file)),
        "file for events; unset: standard output",
    ),
    effective(
        "aeron.event.log.file.max.length",
        &Size { field: field!(logging.file_max_length), min: 0, max: i64::MAX },
        "length at which that file is put aside; 0: never",
    ),
    effective(
        "aeron.enable.experimental.features",
        &Flag(field!(logging.experimental_features)),
        "accepted; as in Aeron, no feature waits for it",
    ),
    ignored(
        "aeron.driver.dynamic.libraries",
        &Text(field!(logging.dynamic_libraries)),
        "shared libraries to load",
        NO_NATIVE_CODE,
    ),
];

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
