//! The table, sources and their precedence, clamping, checks, and printing.

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;

use super::{
    ConfigError, CongestionControlStrategy, Context, InferableBool, Notice, ProbedSocketBuffers, Settings,
    Source, ThreadNaming, ThreadingMode,
    print::CDump,
    report::{Reference, Report},
    settings, variable_name,
};
use crate::flow_control::Supplier;

fn given(values: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new();
    for (name, value) in values {
        settings.set(name, value, Source::Define);
    }
    settings
}

/// The context for values that there is nothing to tell about.
fn context(values: &[(&str, &str)]) -> Context {
    let (context, notices) = given(values).configure();
    assert_eq!(notices, [], "{values:?}");
    context
}

fn notices(values: &[(&str, &str)]) -> Vec<String> {
    given(values).configure().1.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_given_is_the_default_which_is_valid() {
    assert_eq!(context(&[]), Context::default());
    assert_eq!(Context::default().validate(), Ok(()));
}

#[test]
fn names_are_unique_and_documented() {
    let mut seen = HashSet::new();
    for setting in settings() {
        for name in [setting.property].iter().chain(setting.aliases) {
            // Java's spellings differ in case only, which variables do not have.
            if variable_name(name) != setting.variable() || *name == setting.property {
                assert!(seen.insert(variable_name(name)), "{name} twice");
            }
            assert!(setting.is_named(name) && setting.is_named(&variable_name(name)));
        }
        assert!(!setting.doc.is_empty() && !setting.takes().is_empty(), "{}", setting.property);
    }
    assert!(seen.len() > 110, "{}", seen.len());
}

#[test]
fn every_default_reads_back_as_itself() {
    let defaults = Context::default();
    for setting in settings() {
        let mut context = Context::default();
        let shown = setting.show(&defaults);
        if !shown.is_empty() {
            setting.apply(&mut context, &shown).unwrap_or_else(|error| panic!("{shown}: {error:?}"));
            assert_eq!(context, defaults, "{}", setting.property);
        }
    }
}

#[test]
fn every_setting_has_a_field_of_its_own() {
    for setting in settings() {
        let others = |context: &Context| -> Vec<String> {
            let others = settings().filter(|other| other.property != setting.property);
            others.map(|other| other.show(context)).collect()
        };
        for text in [
            "0x40",
            "64k",
            "3s",
            "true",
            "false",
            "77",
            "new",
            "SHARED",
            "allow",
            "static",
            "csv_table",
            "5 6",
        ] {
            let mut context = Context::default();
            if setting.apply(&mut context, text).is_ok() {
                assert_eq!(others(&context), others(&Context::default()), "{}={text}", setting.property);
            }
        }
    }
}

#[test]
fn settings_fill_the_fields_of_their_names() {
    let context = context(&[
        ("aeron.dir", "/x/y"),
        ("aeron.term.buffer.length", "64k"),
        ("AERON_IPC_TERM_BUFFER_LENGTH", "1m"),
        ("aeron.mtu.length", "8k"),
        ("aeron.socket.tos", "8"),
        ("aeron.threading.mode", "SHARED_NETWORK"),
        ("aeron.thread.naming", "new"),
        ("aeron.driver.timeout", "5000"),
        ("aeron.untethered.linger.timeout", "7s"),
        ("aeron.sender.wildcard.port.range", "1000 1100"),
        ("aeron.unicast.FlowControl.supplier", "io.aeron.driver.MinMulticastFlowControlSupplier"),
        ("aeron.name.resolver.threshold", "1s"),
        ("aeron.conductor.idle.strategy", "sleep-ns"),
        ("aeron.conductor.idle.strategy.init.args", "3us"),
    ]);
    assert_eq!(context.directory.path.to_str(), Some("/x/y"));
    assert_eq!(context.buffers.term_length.get(), 65_536);
    assert_eq!(context.buffers.ipc_term_length.get(), 1 << 20);
    assert_eq!(context.network.mtu.get(), 8192);
    assert_eq!(context.network.traffic_class, Some(8));
    assert_eq!(context.threads.mode, ThreadingMode::SharedNetwork);
    assert_eq!(context.threads.naming, ThreadNaming::New);
    assert_eq!(context.directory.driver_timeout, Duration::from_secs(5));
    assert_eq!(context.timeouts.untethered_linger, Some(Duration::from_secs(7)));
    assert_eq!((context.network.sender_port_range.low, context.network.sender_port_range.high), (1000, 1100));
    assert_eq!(context.flow_control.unicast, Supplier::MulticastMin);
    assert_eq!(context.timeouts.name_resolver_threshold, Duration::from_secs(1));
    assert_eq!(context.threads.conductor_idle.build().unwrap().name(), "sleeping");
}

#[test]
fn the_environment_configures_sending_again_and_congestion_and_flow_control() {
    let context = context(&[
        ("AERON_RETRANSMIT_UNICAST_DELAY", "3us"),
        ("AERON_RETRANSMIT_UNICAST_LINGER", "70ms"),
        ("AERON_CONGESTIONCONTROL_SUPPLIER", "cubic"),
        ("AERON_CUBICCONGESTIONCONTROL_INITIALRTT", "9us"),
        ("AERON_UNICAST_FLOW_CONTROL_RRWM", "3"),
        ("AERON_MULTICAST_FLOW_CONTROL_RRWM", "9"),
        ("AERON_FLOW_CONTROL_RECEIVER_TIMEOUT", "7s"),
    ]);
    assert_eq!(context.loss.retransmit_unicast_delay, Duration::from_micros(3));
    assert_eq!(context.loss.retransmit_unicast_linger, Duration::from_millis(70));
    assert_eq!(context.congestion_control.strategy, CongestionControlStrategy::Cubic);
    assert_eq!(context.congestion_control.cubic.initial_rtt, Duration::from_micros(9));
    assert_eq!((context.flow_control.unicast_rrwm, context.flow_control.multicast_rrwm), (3, 9));
    assert_eq!(context.flow_control.receiver_timeout, Duration::from_secs(7));
}

#[test]
fn arguments_of_the_native_resource_agents_idling_alone_are_for_aerons_default() {
    const STRATEGY: &str = "aeron.driver.native.resource.agent.idle.strategy";
    const ARGS: &str = "aeron.driver.native.resource.agent.idle.strategy.init.args";
    let idle = |values| {
        let idle = context(values).threads.native_resource_agent_idle;
        (idle.build().unwrap().name(), idle.init_args)
    };
    assert_eq!(idle(&[]), ("adaptive", None));
    assert_eq!(idle(&[(STRATEGY, "backoff")]), ("backoff", None));
    assert_eq!(idle(&[(STRATEGY, "sleeping"), (ARGS, "5ms")]), ("sleeping", Some("5ms".to_owned())));
    assert_eq!(idle(&[(ARGS, "5ms")]), ("sleeping", Some("5ms".to_owned())));
}

#[test]
fn inferable_booleans_are_false_unless_exactly_true_or_infer() {
    let group = |value| given(&[("aeron.receiver.group.consideration", value)]).configure().0.streams.group;
    assert_eq!(group("true"), InferableBool::True);
    assert_eq!(group("infer"), InferableBool::Infer);
    assert_eq!(group("yes"), InferableBool::False);
}

/// CFG-01, CFG-11: out of range becomes the nearest limit. Aeron says nothing about it.
#[test]
fn values_out_of_range_are_clamped_with_a_warning() {
    for (property, low, least, high, most) in [
        ("aeron.receiver.io.vector.capacity", "0", "1", "65", "64"),
        ("aeron.sender.io.vector.capacity", "4", "4", "65", "64"),
        ("aeron.network.publication.max.messages.per.send", "0", "1", "4", "4"),
        ("aeron.nak.unicast.delay", "0", "1us", "1ms", "1ms"),
        ("aeron.nak.multicast.group.size", "10", "10", "10", "10"),
        ("aeron.low.file.store.warning.threshold", "0", "0", "4g", "4g"),
        ("aeron.untethered.linger.timeout", "2s", "2s", "99999999999s", "9223372036854775807ns"),
        ("aeron.max.resend", "0", "1", "300", "256"),
        ("aeron.socket.tos", "-7", "-1", "256", "255"),
        ("aeron.receiver.poll.to.slow.work.ratio", "0", "1", "12", "12"),
        ("aeron.send.to.status.poll.ratio", "0", "1", "999", "999"),
        ("aeron.udp.channel.transport.poller.iteration.threshold", "0", "0", "9", "9"),
        ("aeron.udp.channel.transport.poller.socket.poll.limit", "0", "1", "17", "16"),
        ("aeron.counters.buffer.length", "1k", "1m", "250m", "250m"),
        ("aeron.error.buffer.length", "1", "4m", "5m", "5m"),
        ("aeron.rcv.initial.window.length", "2k", "2k", "64k", "64k"),
        ("aeron.timer.interval", "0", "1us", "2s", "2s"),
        ("aeron.mtu.length", "64", "64", "100k", "65504"),
        ("aeron.driver.resource.free.limit", "0", "1", "8", "8"),
        ("aeron.driver.stream.session.limit", "0", "1", "8", "8"),
    ] {
        let setting = settings().find(|setting| setting.property == property).unwrap();
        for (text, expected) in [(low, least), (high, most)] {
            let (context, notices) = given(&[(property, text)]).configure();
            assert_eq!(setting.show(&context), expected, "{property}={text}: {notices:?}");
            let told = notices.iter().any(|notice| notice.to_string().contains("is out of range"));
            // Longer durations than 292 years are as good as those.
            let is_endless = text == "99999999999s";
            // No time at all is the least that there is.
            let is_none = text == "0" && expected.ends_with('s');
            assert_eq!(told, text != expected && !is_endless && !is_none, "{property}={text}: {notices:?}");
        }
    }
}

#[test]
fn a_clamped_value_is_told_with_what_is_in_force_and_the_limits() {
    assert_eq!(
        notices(&[("aeron.mtu.length", "70000"), ("aeron.timer.interval", "1ns")]),
        [
            "WARNING: aeron.mtu.length=70000 is out of range, using 65504: it takes a size, 32 to 65504",
            "WARNING: aeron.timer.interval=1ns is out of range, using 1us: it takes a duration of at least 1us",
        ]
    );
}

#[test]
fn a_duration_of_zero_is_the_least_there_is_and_nothing_to_warn_of() {
    let settings = ["aeron.publication.linger.timeout", "aeron.nak.unicast.delay", "aeron.timer.interval"];
    assert_eq!(notices(&settings.map(|setting| (setting, "0"))), [""; 0]);
}

#[test]
fn a_refusal_names_the_value_that_was_given_rather_than_the_limit_that_it_was_clamped_to() {
    assert_eq!(
        notices(&[("aeron.term.buffer.length", "1000"), ("aeron.mtu.length", "1")]),
        [
            "ERROR: aeron.term.buffer.length=1000: term length 1000 must be a power of two between 65536 (64k) and \
             1073741824 (1g)",
            "ERROR: aeron.mtu.length=1: MTU 1 must be a multiple of 32, more than 32 and at most 65504",
        ]
    );
}

#[test]
fn invalid_values_are_named_and_the_default_is_used() {
    for (property, value) in [
        ("aeron.timer.interval", "1x"),
        ("aeron.mtu.length", "-1"),
        ("aeron.max.resend", "-3"),
        ("aeron.max.resend", "many"),
        ("aeron.threading.mode", "shared"),
        ("aeron.thread.naming", "old"),
        ("aeron.reliable.stream", "yes"),
        ("aeron.driver.timeout", "5s"),
    ] {
        let (context, notices) = given(&[(property, value)]).configure();
        assert_eq!(context, Context::default());
        let [Notice::Ignored(text)] = &notices[..] else { panic!("{property}={value}: {notices:?}") };
        assert!(text.starts_with(&format!("{property}={value} is invalid, using default ")), "{text}");
    }
}

#[test]
fn values_that_no_driver_may_start_with_are_errors() {
    for (property, value, expected) in [
        ("aeron.term.buffer.length", "100k", "power of two"),
        ("aeron.ipc.term.buffer.length", "1", "power of two"),
        ("aeron.mtu.length", "1000", "multiple of 32"),
        ("aeron.mtu.length", "1", "more than 32"),
        ("aeron.file.page.size", "5000", "power of two"),
        ("aeron.conductor.buffer.length", "2m", "such as 2097920"),
        ("aeron.clients.buffer.length", "2m", "such as 2097280"),
        ("aeron.publication.unblock.timeout", "10s", "must be more than aeron.client.liveness.timeout=10s"),
        ("aeron.client.liveness.timeout", "1s", "must be more than aeron.timer.interval=1s"),
        ("aeron.untethered.window.limit.timeout", "1s", "aeron.timer.interval"),
        ("aeron.untethered.linger.timeout", "1s", "aeron.timer.interval"),
        ("aeron.untethered.resting.timeout", "1s", "aeron.timer.interval"),
        ("aeron.network.publication.max.messages.per.send", "5", "raise both"),
        ("aeron.nak.unicast.retry.delay.ratio", "9223372036854775807", "aeron.nak.unicast.delay=1us"),
        ("aeron.publication.reserved.session.id.low", "2000", ".high=1000"),
        ("aeron.driver.resolver.interface", "localhost:8050", "aeron.driver.resolver.name"),
        ("aeron.sender.idle.strategy", "busy", "aeron.sender.idle.strategy"),
        ("aeron.shared.idle.strategy.init.args", "1-2", "such as 10-20-1us-1ms"),
        ("aeron.unicast.flowcontrol.supplier", "fastest", "one of unicast_max"),
        ("aeron.receiver.wildcard.port.range", "2 1", "low <= high"),
        ("aeron.udp.channel.incoming.interceptors", "gremlins", "gremlins"),
    ] {
        let (context, notices) = given(&[(property, value)]).configure();
        let is_named = |notice: &Notice| matches!(notice, Notice::Error(text) if text.contains(expected));
        assert!(notices.iter().any(is_named), "{property}={value}: {notices:?}");
        let refused_at_once = context == Context::default();
        assert!(refused_at_once || context.validate().is_err(), "{property}={value}");
    }
}

#[test]
fn what_does_not_fit_the_probed_socket_buffers_is_an_error() {
    let context = Context::default();
    let check = |send, receive| context.validate_socket_buffers(ProbedSocketBuffers { send, receive });
    assert_eq!(check(1408, 128 << 10), Ok(()));
    for (error, words) in [
        (check(1407, 1 << 20), ["aeron.mtu.length=1408", "SO_SNDBUF=1407", "net.core.wmem_max"]),
        (
            check(1 << 20, 65_536),
            ["aeron.rcv.initial.window.length=131072", "SO_RCVBUF=65536", "net.core.rmem_max"],
        ),
    ] {
        let error: ConfigError = error.unwrap_err();
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
}

#[test]
fn unknown_settings_are_named_with_the_nearest_one() {
    assert_eq!(
        notices(&[("aeron.mtu.lenght", "8k")]),
        ["WARNING: aeron.mtu.lenght (-D) is not a setting of this driver: did you mean aeron.mtu.length?"]
    );
    assert_eq!(
        notices(&[("aeron.made.up.entirely", "8k")]),
        ["WARNING: aeron.made.up.entirely (-D) is not a setting of this driver"]
    );
    for others in ["aeron.archive.dir", "aeron.client.name", "aeron.sample.messages", "java.home", "agrona.x"]
    {
        assert_eq!(notices(&[(others, "x")]), [""; 0], "{others}");
    }
}

#[test]
fn unknown_variables_are_named_only_when_they_are_close_to_a_setting() {
    let environment =
        [("AERON_HOST_NAME", "x"), ("AERON_MTU_LENGHT", "8k"), ("PATH", "x"), ("AERON_DIR", "/y")];
    let settings = Settings::from_environment(environment.map(|(name, value)| (name.into(), value.into())));
    let (context, notices) = settings.configure();
    assert_eq!(context.directory.path.to_str(), Some("/y"));
    let [Notice::Warning(text)] = &notices[..] else { panic!("{notices:?}") };
    assert!(text.contains("AERON_MTU_LENGHT") && text.contains("AERON_MTU_LENGTH?"), "{text}");
}

#[test]
fn settings_without_effect_say_so_when_set() {
    let told = notices(&[("aeron.event.log", "all"), ("aeron.driver.dynamic.libraries", "libx.so")]);
    assert_eq!(
        told,
        ["WARNING: aeron.driver.dynamic.libraries=libx.so has no effect: this driver loads no native code"]
    );
    for value in ["false", "true"] {
        assert_eq!(notices(&[("aeron.enable.experimental.features", value)]), [""; 0], "{value}");
    }
}

#[test]
fn later_sources_win_and_empty_values_take_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let variables = [("AERON_MTU_LENGTH", "64"), ("AERON_MAX_RESEND", "3"), ("AERON_DIR", "/environment")];
    let mut settings = Settings::from_environment(variables.map(|(name, value)| (name.into(), value.into())));
    settings.define("aeron.mtu.length=128").unwrap();
    settings.define("aeron.max.resend=").unwrap();
    settings.load(&file("first", "aeron.mtu.length=256\naeron.ipc.mtu.length=256\n")).unwrap();
    settings.load(&format!("file://{}", file("second", "aeron.ipc.mtu.length=512\n"))).unwrap();
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    settings.load(&missing).unwrap();
    let (context, notices) = settings.configure();
    let told = format!("properties file {missing} does not exist: nothing is taken from it");
    assert_eq!(notices, [Notice::Ignored(told)]);
    assert_eq!((context.network.mtu.get(), context.network.ipc_mtu.get()), (256, 512));
    assert_eq!(context.loss.max_resend, 16);
    assert_eq!(context.directory.path.to_str(), Some("/environment"));
    let report = Report { context: &context, settings: &settings }.to_string();
    let line =
        |property: &str| report.lines().find(|line| line.starts_with(&format!("{property} "))).unwrap();
    assert!(
        line("aeron.ipc.mtu.length").contains("= 512 ") && line("aeron.ipc.mtu.length").contains("second")
    );
    assert!(line("aeron.dir").ends_with("# environment") && line("aeron.max.resend").ends_with("# default"));
    assert!(line("aeron.event.log").ends_with("# default"));
}

#[test]
fn sources_that_cannot_be_read_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::new();
    for bad in ["", "x", "=y", " = y"] {
        assert!(settings.define(bad).unwrap_err().to_string().contains("malformed define"), "{bad:?}");
    }
    let error = settings.load(directory.path().to_str().unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("could not read properties file"), "{error}");
    let path = directory.path().join("bad");
    std::fs::write(&path, "aeron.dir=/x\nnonsense\n").unwrap();
    let error = settings.load(path.to_str().unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("line 2 is malformed: write name=value"), "{error}");
    let error = settings.load("https://localhost/x").unwrap_err();
    assert!(error.to_string().contains("only http://"), "{error}");
}

#[test]
fn the_reference_names_every_setting() {
    let reference = Reference.to_string();
    for setting in settings() {
        assert!(reference.contains(setting.property) && reference.contains(setting.doc));
    }
}

/// The names in the order of the C driver's dump. Source: driver spec 9.3, 14.5.
const C_ORDER: &[&str] = &[
    "cnc_version",
    "aeron_dir",
    "driver_timeout_ms",
    "print_configuration_on_start",
    "dirs_delete_on_start",
    "dirs_delete_on_shutdown",
    "warn_if_dirs_exists",
    "term_buffer_sparse_file",
    "perform_storage_checks",
    "spies_simulate_connection",
    "reliable_stream",
    "tether_subscriptions",
    "rejoin_stream",
    "receiver_group_consideration",
    "to_driver_buffer_length",
    "to_clients_buffer_length",
    "counters_values_buffer_length",
    "error_buffer_length",
    "timer_interval_ns",
    "client_liveness_timeout_ns",
    "image_liveness_timeout_ns",
    "publication_unblock_timeout_ns",
    "publication_connection_timeout_ns",
    "publication_linger_timeout_ns",
    "untethered_window_limit_timeout_ns",
    "untethered_resting_timeout_ns",
    "max_resend",
    "retransmit_unicast_delay_ns",
    "retransmit_unicast_linger_ns",
    "nak_unicast_delay_ns",
    "nak_unicast_retry_delay_ratio",
    "nak_multicast_max_backoff_ns",
    "unicast_flow_control_rrwm",
    "multicast_flow_control_rrwm",
    "nak_multicast_group_size",
    "status_message_timeout_ns",
    "counter_free_to_reuse_ns",
    "conductor_cycle_threshold_ns",
    "sender_cycle_threshold_ns",
    "receiver_cycle_threshold_ns",
    "name_resolver_threshold_ns",
    "term_buffer_length",
    "ipc_term_buffer_length",
    "publication_window_length",
    "ipc_publication_window_length",
    "initial_window_length",
    "socket_sndbuf_length",
    "socket_rcvbuf_length",
    "multicast_ttl",
    "socket_tos",
    "mtu_length",
    "ipc_mtu_length",
    "file_page_size",
    "low_file_store_warning_threshold",
    "publication_reserved_session_id_low",
    "publication_reserved_session_id_high",
    "loss_report_length",
    "send_to_sm_poll_ratio",
    "receiver_poll_to_slow_work_ratio",
    "receiver_io_vector_capacity",
    "sender_io_vector_capacity",
    "network_publication_max_messages_per_send",
    "resource_free_limit",
    "conductor_cpu_affinity_no",
    "conductor_cpu_affinity_resolved",
    "receiver_cpu_affinity_no",
    "receiver_cpu_affinity_resolved",
    "sender_cpu_affinity_no",
    "sender_cpu_affinity_resolved",
    "native_resource_agent_cpu_affinity_no",
    "native_resource_agent_cpu_affinity_resolved",
    "thread_affinity_use_cpuset_offsets",
    "thread_affinity_fail_on_validation_errors",
    "epoch_clock",
    "nano_clock",
    "threading_mode",
    "agent_on_start_func",
    "agent_on_start_state",
    "conductor_idle_strategy_func",
    "conductor_idle_strategy_init_args",
    "sender_idle_strategy_func",
    "sender_idle_strategy_init_args",
    "receiver_idle_strategy_func",
    "receiver_idle_strategy_init_args",
    "shared_network_idle_strategy_func",
    "shared_network_idle_strategy_init_args",
    "shared_idle_strategy_func",
    "shared_idle_strategy_init_args",
    "native_resource_agent_idle_strategy_func",
    "native_resource_agent_idle_strategy_init_args",
    "unicast_flow_control_supplier_func",
    "multicast_flow_control_supplier_func",
    "receiver_group_tag.is_present",
    "receiver_group_tag.value",
    "flow_control.group_tag",
    "flow_control.group_min_size",
    "flow_control_receiver_timeout_ns",
    "congestion_control_supplier_func",
    "usable_fs_space_func",
    "termination_validator_func",
    "termination_validator_state",
    "termination_hook_func",
    "termination_hook_state",
    "name_resolver_supplier_func",
    "name_resolver_init_args",
    "resolver_name",
    "resolver_interface",
    "resolver_bootstrap_neighbor",
    "re_resolution_check_interval_ns",
    "sender_wildcard_port_range",
    "receiver_wildcard_port_range",
    "enable_experimental_features",
    "stream_session_limit",
    "udp_channel_transport_bindings.media",
    "conductor_udp_channel_transport_bindings.media",
    "udp_channel_transport_poller_iteration_threshold",
    "udp_channel_transport_poller_socket_poll_limit",
];

#[test]
fn the_dump_has_the_names_of_the_c_driver_in_its_order() {
    let dump = CDump(&Context::default()).to_string();
    let names: Vec<&str> = dump
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once('='))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, C_ORDER);
    assert!(dump.starts_with("aeron_driver_context_t {\n    cnc_version=0.2.0\n    aeron_dir="));
    assert!(dump.ends_with("\n}\n"));
}

#[test]
fn the_dump_has_the_values_of_the_c_driver() {
    let dump = CDump(&Context::default().dir("/d")).to_string();
    for line in [
        "aeron_dir=/d",
        "driver_timeout_ms=10000",
        "term_buffer_sparse_file=1",
        "receiver_group_consideration=2",
        "to_driver_buffer_length=1049344",
        "to_clients_buffer_length=1048704",
        "timer_interval_ns=1000000000",
        "publication_reserved_session_id_low=-1",
        "socket_tos=-1",
        "thread_affinity_use_cpuset_offsets=false",
        "threading_mode=DEDICATED",
        "conductor_idle_strategy_func=aeron_idle_strategy_adaptive_idle",
        "conductor_idle_strategy_init_args=(nil)",
        "native_resource_agent_idle_strategy_init_args=(nil)",
        "sender_wildcard_port_range=\"0 0\"",
        "enable_experimental_features=false",
        "stream_session_limit=2147483647",
        "udp_channel_transport_poller_socket_poll_limit=4",
    ] {
        assert!(dump.lines().any(|printed| printed.trim_start() == line), "{line} in\n{dump}");
    }
}

#[test]
fn interceptors_are_dumped_where_the_c_driver_has_them() {
    let context = context(&[
        ("aeron.udp.channel.outgoing.interceptors", "loss"),
        ("aeron.udp.channel.incoming.interceptors", "loss,multi-gap-loss"),
        ("aeron.udp.channel.transport.bindings.loss.args", "rate=0.1|seed=7"),
        (
            "aeron.udp.channel.transport.bindings.multi.gap.loss.args",
            "term-id=0|gap-radix=8|gap-length=4|total-gaps=2",
        ),
    ]);
    let dump = CDump(&context).to_string();
    let outgoing = dump.find("udp_channel_outgoing_interceptor_bindings.interceptor=loss\n").unwrap();
    let incoming =
        dump.find("udp_channel_incoming_interceptor_bindings.interceptor=multi-gap-loss\n").unwrap();
    assert!(outgoing < incoming && incoming < dump.find("poller_iteration_threshold").unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_panics_any_setting(text in "\\PC{0,12}|-?[0-9]{1,25}[a-zA-Z]{0,2}|[0-9]{1,6} [0-9]{1,6}") {
        for setting in settings() {
            let mut settings = Settings::new();
            settings.set(setting.property, &text, Source::Define);
            let (context, _) = settings.configure();
            let _ = (setting.show(&context), CDump(&context).to_string());
        }
    }
}
