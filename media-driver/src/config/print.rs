//! The configuration as Aeron's C driver prints it at start (`aeron.print.configuration`): same names, same order.
//! Source: driver spec 9.3, 14.5.
//!
//! Where C prints the address or the symbol of a function, the name of what takes its place is printed.

use std::{fmt, time::Duration};

use epona_protocol::cnc::CNC_VERSION;

use super::{
    CongestionControlStrategy, Context, IdleSettings, InferableBool, ResolverKind, TerminationValidator,
};
use crate::{flow_control::Supplier, media::port_manager::PortRange};

/// A configuration that displays as the C driver's dump, ending with a newline.
#[derive(Debug)]
pub struct CDump<'a>(pub &'a Context);

type Lines = Vec<(&'static str, String)>;

impl fmt::Display for CDump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = self.0;
        let mut lines = Lines::new();
        directory_and_streams(context, &mut lines);
        lengths_of_shared_memory(context, &mut lines);
        timeouts(context, &mut lines);
        loss(context, &mut lines);
        thresholds(context, &mut lines);
        terms_and_sockets(context, &mut lines);
        limits(context, &mut lines);
        affinity(context, &mut lines);
        threads(context, &mut lines);
        flow_and_congestion_control(context, &mut lines);
        hooks(context, &mut lines);
        names(context, &mut lines);
        bindings(context, &mut lines);
        f.write_str("aeron_driver_context_t {")?;
        for (name, value) in lines {
            write!(f, "\n    {name}={value}")?;
        }
        f.write_str("\n}\n")
    }
}

fn bit(value: bool) -> String {
    u8::from(value).to_string()
}

fn nanos(duration: Duration) -> String {
    duration.as_nanos().to_string()
}

fn directory_and_streams(context: &Context, lines: &mut Lines) {
    let Context { directory, buffers, streams, logging, .. } = context;
    lines.extend([
        ("cnc_version", CNC_VERSION.to_string()),
        ("aeron_dir", directory.path.display().to_string()),
        ("driver_timeout_ms", directory.driver_timeout.as_millis().to_string()),
        ("print_configuration_on_start", bit(logging.print_configuration)),
        ("dirs_delete_on_start", bit(directory.delete_on_start)),
        ("dirs_delete_on_shutdown", bit(directory.delete_on_shutdown)),
        ("warn_if_dirs_exists", bit(directory.warn_if_exists)),
        ("term_buffer_sparse_file", bit(buffers.sparse_term_files)),
        ("perform_storage_checks", bit(buffers.storage_checks)),
        ("spies_simulate_connection", bit(streams.spies_simulate_connection)),
        ("reliable_stream", bit(streams.reliable)),
        ("tether_subscriptions", bit(streams.tether)),
        ("rejoin_stream", bit(streams.rejoin)),
        ("receiver_group_consideration", group_consideration(streams.group).to_owned()),
    ]);
}

/// C prints the number of the enumerator.
const fn group_consideration(group: InferableBool) -> &'static str {
    match group {
        InferableBool::False => "0",
        InferableBool::True => "1",
        InferableBool::Infer => "2",
    }
}

fn lengths_of_shared_memory(context: &Context, lines: &mut Lines) {
    let buffers = &context.buffers;
    lines.extend([
        ("to_driver_buffer_length", buffers.to_driver_length.to_string()),
        ("to_clients_buffer_length", buffers.to_clients_length.to_string()),
        ("counters_values_buffer_length", buffers.counter_values_length.to_string()),
        ("error_buffer_length", buffers.error_log_length.to_string()),
    ]);
}

fn timeouts(context: &Context, lines: &mut Lines) {
    let timeouts = &context.timeouts;
    lines.extend([
        ("timer_interval_ns", nanos(timeouts.timer_interval)),
        ("client_liveness_timeout_ns", nanos(timeouts.client_liveness)),
        ("image_liveness_timeout_ns", nanos(timeouts.image_liveness)),
        ("publication_unblock_timeout_ns", nanos(timeouts.publication_unblock)),
        ("publication_connection_timeout_ns", nanos(timeouts.publication_connection)),
        ("publication_linger_timeout_ns", nanos(timeouts.publication_linger)),
        ("untethered_window_limit_timeout_ns", nanos(timeouts.untethered_window_limit)),
        ("untethered_resting_timeout_ns", nanos(timeouts.untethered_resting)),
    ]);
}

fn loss(context: &Context, lines: &mut Lines) {
    let Context { loss, flow_control, .. } = context;
    lines.extend([
        ("max_resend", loss.max_resend.to_string()),
        ("retransmit_unicast_delay_ns", nanos(loss.retransmit_unicast_delay)),
        ("retransmit_unicast_linger_ns", nanos(loss.retransmit_unicast_linger)),
        ("nak_unicast_delay_ns", nanos(loss.nak_unicast_delay)),
        ("nak_unicast_retry_delay_ratio", loss.nak_unicast_retry_delay_ratio.to_string()),
        ("nak_multicast_max_backoff_ns", nanos(loss.nak_multicast_max_backoff)),
        ("unicast_flow_control_rrwm", flow_control.unicast_rrwm.to_string()),
        ("multicast_flow_control_rrwm", flow_control.multicast_rrwm.to_string()),
        ("nak_multicast_group_size", loss.nak_multicast_group_size.to_string()),
    ]);
}

fn thresholds(context: &Context, lines: &mut Lines) {
    let timeouts = &context.timeouts;
    lines.extend([
        ("status_message_timeout_ns", nanos(timeouts.status_message)),
        ("counter_free_to_reuse_ns", nanos(timeouts.counter_free_to_reuse)),
        ("conductor_cycle_threshold_ns", nanos(timeouts.conductor_cycle_threshold)),
        ("sender_cycle_threshold_ns", nanos(timeouts.sender_cycle_threshold)),
        ("receiver_cycle_threshold_ns", nanos(timeouts.receiver_cycle_threshold)),
        ("name_resolver_threshold_ns", nanos(timeouts.name_resolver_threshold)),
    ]);
}

fn terms_and_sockets(context: &Context, lines: &mut Lines) {
    let Context { buffers, network, streams, .. } = context;
    lines.extend([
        ("term_buffer_length", buffers.term_length.to_string()),
        ("ipc_term_buffer_length", buffers.ipc_term_length.to_string()),
        ("publication_window_length", buffers.publication_window.to_string()),
        ("ipc_publication_window_length", buffers.ipc_publication_window.to_string()),
        ("initial_window_length", network.initial_window.to_string()),
        ("socket_sndbuf_length", network.socket_send_buffer.to_string()),
        ("socket_rcvbuf_length", network.socket_receive_buffer.to_string()),
        ("multicast_ttl", network.multicast_ttl.to_string()),
        ("socket_tos", or_minus_one(network.traffic_class)),
        ("mtu_length", network.mtu.to_string()),
        ("ipc_mtu_length", network.ipc_mtu.to_string()),
        ("file_page_size", buffers.file_page_size.get().to_string()),
        ("low_file_store_warning_threshold", buffers.low_storage_threshold.to_string()),
        ("publication_reserved_session_id_low", streams.reserved_session_id_low.to_string()),
        ("publication_reserved_session_id_high", streams.reserved_session_id_high.to_string()),
        ("loss_report_length", buffers.loss_report_length.to_string()),
    ]);
}

fn limits(context: &Context, lines: &mut Lines) {
    let network = &context.network;
    lines.extend([
        ("send_to_sm_poll_ratio", network.send_to_status_poll_ratio.to_string()),
        ("receiver_poll_to_slow_work_ratio", network.receiver_poll_to_slow_work_ratio.to_string()),
        ("receiver_io_vector_capacity", network.receiver_vector_capacity.to_string()),
        ("sender_io_vector_capacity", network.sender_vector_capacity.to_string()),
        ("network_publication_max_messages_per_send", network.messages_per_send.to_string()),
        ("resource_free_limit", context.threads.resource_free_limit.to_string()),
    ]);
}

fn affinity(context: &Context, lines: &mut Lines) {
    let threads = &context.threads;
    let processor = or_minus_one;
    lines.extend([
        ("conductor_cpu_affinity_no", processor(threads.conductor_cpu)),
        ("conductor_cpu_affinity_resolved", processor(threads.conductor_cpu)),
        ("receiver_cpu_affinity_no", processor(threads.receiver_cpu)),
        ("receiver_cpu_affinity_resolved", processor(threads.receiver_cpu)),
        ("sender_cpu_affinity_no", processor(threads.sender_cpu)),
        ("sender_cpu_affinity_resolved", processor(threads.sender_cpu)),
        ("native_resource_agent_cpu_affinity_no", processor(threads.native_resource_agent_cpu)),
        ("native_resource_agent_cpu_affinity_resolved", processor(threads.native_resource_agent_cpu)),
        ("thread_affinity_use_cpuset_offsets", threads.affinity_by_cpuset_offset.to_string()),
        ("thread_affinity_fail_on_validation_errors", threads.affinity_warnings_fail_start.to_string()),
    ]);
}

fn or_minus_one(value: Option<u8>) -> String {
    value.map_or_else(|| "-1".to_owned(), |value| value.to_string())
}

fn threads(context: &Context, lines: &mut Lines) {
    let threads = &context.threads;
    lines.extend([
        ("epoch_clock", "aeron_epoch_clock".to_owned()),
        ("nano_clock", "aeron_nano_clock".to_owned()),
        ("threading_mode", threads.mode.name().to_owned()),
        ("agent_on_start_func", threads.on_start_function.clone().unwrap_or_default()),
        ("agent_on_start_state", "(nil)".to_owned()),
        ("conductor_idle_strategy_func", idle_function(&threads.conductor_idle)),
        ("conductor_idle_strategy_init_args", idle_arguments(&threads.conductor_idle)),
        ("sender_idle_strategy_func", idle_function(&threads.sender_idle)),
        ("sender_idle_strategy_init_args", idle_arguments(&threads.sender_idle)),
        ("receiver_idle_strategy_func", idle_function(&threads.receiver_idle)),
        ("receiver_idle_strategy_init_args", idle_arguments(&threads.receiver_idle)),
        ("shared_network_idle_strategy_func", idle_function(&threads.shared_network_idle)),
        ("shared_network_idle_strategy_init_args", idle_arguments(&threads.shared_network_idle)),
        ("shared_idle_strategy_func", idle_function(&threads.shared_idle)),
        ("shared_idle_strategy_init_args", idle_arguments(&threads.shared_idle)),
        ("native_resource_agent_idle_strategy_func", idle_function(&threads.native_resource_agent_idle)),
        (
            "native_resource_agent_idle_strategy_init_args",
            idle_arguments(&threads.native_resource_agent_idle),
        ),
    ]);
}

fn idle_function(idle: &IdleSettings) -> String {
    let name = match idle.build().as_ref().map(crate::idle::IdleStrategy::name) {
        Ok("spin") => "busy_spinning",
        Ok("yield") => "yielding",
        Ok(name) => name,
        Err(_) => return idle.strategy.clone(),
    };
    format!("aeron_idle_strategy_{name}_idle")
}

fn idle_arguments(idle: &IdleSettings) -> String {
    idle.init_args.clone().unwrap_or_else(|| "(nil)".to_owned())
}

fn flow_and_congestion_control(context: &Context, lines: &mut Lines) {
    let flow = &context.flow_control;
    let tag = context.network.receiver_group_tag;
    lines.extend([
        ("unicast_flow_control_supplier_func", supplier(flow.unicast)),
        ("multicast_flow_control_supplier_func", supplier(flow.multicast)),
        ("receiver_group_tag.is_present", bit(tag.is_some())),
        ("receiver_group_tag.value", tag.map_or_else(|| "-1".to_owned(), |tag| tag.to_string())),
        ("flow_control.group_tag", flow.group_tag.to_string()),
        ("flow_control.group_min_size", flow.group_min_size.to_string()),
        ("flow_control_receiver_timeout_ns", nanos(flow.receiver_timeout)),
        ("congestion_control_supplier_func", congestion_control(context.congestion_control.strategy)),
    ]);
}

fn supplier(supplier: Supplier) -> String {
    match supplier {
        Supplier::UnicastMax => "aeron_unicast_flow_control_strategy_supplier",
        Supplier::MulticastMax => "aeron_max_multicast_flow_control_strategy_supplier",
        Supplier::MulticastMin => "aeron_min_flow_control_strategy_supplier",
        Supplier::MulticastTagged => "aeron_tagged_flow_control_strategy_supplier",
    }
    .to_owned()
}

fn congestion_control(strategy: CongestionControlStrategy) -> String {
    match strategy {
        CongestionControlStrategy::Default => "aeron_congestion_control_default_strategy_supplier",
        CongestionControlStrategy::Static => "aeron_static_window_congestion_control_strategy_supplier",
        CongestionControlStrategy::Cubic => "aeron_cubic_congestion_control_strategy_supplier",
    }
    .to_owned()
}

fn hooks(context: &Context, lines: &mut Lines) {
    let validator = match context.threads.termination_validator {
        TerminationValidator::Allow => "aeron_driver_termination_validator_default_allow",
        TerminationValidator::Deny => "aeron_driver_termination_validator_default_deny",
    };
    let usable_space = if context.buffers.storage_checks {
        "aeron_usable_fs_space"
    } else {
        "aeron_usable_fs_space_disabled"
    };
    lines.extend([
        ("usable_fs_space_func", usable_space.to_owned()),
        ("termination_validator_func", validator.to_owned()),
        ("termination_validator_state", "(nil)".to_owned()),
        ("termination_hook_func", String::new()),
        ("termination_hook_state", "(nil)".to_owned()),
    ]);
}

fn names(context: &Context, lines: &mut Lines) {
    let Context { resolver, network, logging, .. } = context;
    let kind = match resolver.kind {
        ResolverKind::Default => "aeron_default_name_resolver_supplier",
        ResolverKind::Driver => "aeron_driver_name_resolver_supplier",
        ResolverKind::CsvTable => "aeron_csv_table_name_resolver_supplier",
    };
    let ports = |range: PortRange| format!("\"{} {}\"", range.low, range.high);
    lines.extend([
        ("name_resolver_supplier_func", kind.to_owned()),
        ("name_resolver_init_args", resolver.init_args.clone().unwrap_or_default()),
        ("resolver_name", resolver.name.clone().unwrap_or_default()),
        ("resolver_interface", resolver.interface.clone().unwrap_or_default()),
        ("resolver_bootstrap_neighbor", resolver.bootstrap_neighbors.clone().unwrap_or_default()),
        ("re_resolution_check_interval_ns", nanos(network.re_resolution_check_interval)),
        ("sender_wildcard_port_range", ports(network.sender_port_range)),
        ("receiver_wildcard_port_range", ports(network.receiver_port_range)),
        ("enable_experimental_features", logging.experimental_features.to_string()),
        ("stream_session_limit", network.stream_session_limit.to_string()),
    ]);
}

fn bindings(context: &Context, lines: &mut Lines) {
    let Context { network, interceptors, .. } = context;
    lines.extend([
        ("udp_channel_transport_bindings.media", "default".to_owned()),
        ("conductor_udp_channel_transport_bindings.media", "default".to_owned()),
    ]);
    for (name, listed) in [
        ("udp_channel_outgoing_interceptor_bindings.interceptor", &interceptors.outgoing),
        ("udp_channel_incoming_interceptor_bindings.interceptor", &interceptors.incoming),
    ] {
        let listed = listed.as_deref().unwrap_or_default();
        lines.extend(
            listed.split(',').filter(|listed| !listed.is_empty()).map(|listed| (name, listed.to_owned())),
        );
    }
    lines.extend([
        ("udp_channel_transport_poller_iteration_threshold", network.poller_iteration_threshold.to_string()),
        ("udp_channel_transport_poller_socket_poll_limit", network.socket_poll_limit.to_string()),
    ]);
}
