//! What must hold between settings before a driver starts. Source: driver spec 8.1, 14.5.
//!
//! What holds for a single setting is in its type or in its range; here is what types cannot say.

use std::time::Duration;

use epona_protocol::{
    cnc::CncError,
    uri::units::{format_duration, format_size},
};

use super::{
    Context,
    limits::{
        ERROR_LOG_LENGTH_MIN, IO_VECTOR_CAPACITY_MAX, SPARE_LOGS_MAX, TO_CLIENTS_LENGTH_MIN,
        TO_CLIENTS_TRAILER, TO_DRIVER_LENGTH_MIN, TO_DRIVER_TRAILER,
    },
    values::MAX_DURATION,
};
use crate::{
    idle::IdleStrategyError,
    media::interceptor::InterceptorConfigError,
    name_resolution::{Plan, PlanError},
};

/// Why a driver does not start with a configuration: the value, its limit, and the setting to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A length outside of its range.
    #[error("{setting}={} must be at least {} and at most {}", format_size(*.value), format_size(*.min), format_size(*.max))]
    Length {
        /// The setting.
        setting: &'static str,
        /// Its value, in bytes.
        value: u64,
        /// The least allowed, in bytes.
        min: u64,
        /// The most allowed, in bytes.
        max: u64,
    },
    /// A ring or broadcast buffer whose length is not a power of two plus its trailer.
    #[error("{setting}={value} must be a power of two plus {trailer}, such as {}", suggest_ring(*.value, *.trailer))]
    RingLength {
        /// The setting.
        setting: &'static str,
        /// Its value, in bytes.
        value: usize,
        /// Bytes on top of the power of two.
        trailer: usize,
    },
    /// The command and control file cannot be laid out.
    #[error(transparent)]
    Cnc(#[from] CncError),
    /// A count outside of its range.
    #[error("{setting}={value} must be at least {min} and at most {max}")]
    Count {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A timeout that is not longer than the one it waits for.
    #[error("{setting}={} must be more than {other}={}", format_duration(*.value), format_duration(*.limit))]
    TimeoutOrder {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
        /// What it must exceed.
        other: &'static str,
        /// The value of that.
        limit: Duration,
    },
    /// More messages per send than fit the vector.
    #[error(
        "aeron.network.publication.max.messages.per.send={messages} must be at most aeron.sender.io.vector.capacity={capacity}: raise both"
    )]
    MessagesPerSend {
        /// Messages per send.
        messages: usize,
        /// What the vector holds.
        capacity: usize,
    },
    /// The wait between NAKs does not fit its integer.
    #[error("aeron.nak.unicast.delay={} times aeron.nak.unicast.retry.delay.ratio={ratio} is more than {}", format_duration(*.delay), format_duration(MAX_DURATION))]
    NakRetryDelay {
        /// The delay.
        delay: Duration,
        /// The ratio.
        ratio: u64,
    },
    /// The reserved session ids are the wrong way round, or nearly all.
    #[error(
        "aeron.publication.reserved.session.id.low={low} and .high={high}: low must not be more than high, nor their distance more than 2147483647"
    )]
    ReservedSessionIds {
        /// The first.
        low: i32,
        /// The last.
        high: i32,
    },
    /// The first window is smaller than one frame: a full frame could never be sent.
    #[error(
        "aeron.rcv.initial.window.length={window} should be at least aeron.mtu.length={mtu}: full frames could not be sent"
    )]
    WindowBelowMtu {
        /// The window, in bytes.
        window: usize,
        /// The MTU, in bytes.
        mtu: i32,
    },
    /// A resolver of names that cannot be made.
    #[error(transparent)]
    NameResolver(#[from] PlanError),
    /// An idle strategy that cannot be made.
    #[error("{setting}: {source}")]
    IdleStrategy {
        /// The setting.
        setting: &'static str,
        /// What is wrong.
        source: IdleStrategyError,
    },
    /// Interceptors that cannot be made.
    #[error(transparent)]
    Interceptors(#[from] InterceptorConfigError),
    /// A socket buffer that the kernel made smaller than what must fit.
    #[error(
        "{setting}={value} does not fit the kernel's {option}={buffer}: lower it, raise {buffer_setting}, or raise the system's limit {sysctl}"
    )]
    SocketBuffer {
        /// The setting that does not fit.
        setting: &'static str,
        /// Its value, in bytes.
        value: usize,
        /// The socket option.
        option: &'static str,
        /// What the kernel granted, in bytes.
        buffer: usize,
        /// The setting of the socket buffer.
        buffer_setting: &'static str,
        /// The kernel's own limit.
        sysctl: &'static str,
    },
}

/// Socket buffers as the kernel granted them to a probe socket, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbedSocketBuffers {
    /// `SO_SNDBUF`.
    pub send: usize,
    /// `SO_RCVBUF`.
    pub receive: usize,
}

impl Context {
    /// Checks that a driver can start with this configuration, as far as that is known without touching the system.
    ///
    /// # Errors
    /// The first of the rules of driver spec 8.1 that does not hold.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.errors().into_iter().next().map_or(Ok(()), Err)
    }

    /// All rules that do not hold.
    #[must_use]
    pub fn errors(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        self.check_lengths(&mut errors);
        self.check_counts(&mut errors);
        self.check_timeouts(&mut errors);
        self.check_relations(&mut errors);
        self.check_idle_strategies(&mut errors);
        errors.extend(self.interceptors.parse().err().map(ConfigError::from));
        errors
    }

    /// What a driver starts with all the same, but hardly as meant.
    #[must_use]
    pub fn doubts(&self) -> Vec<ConfigError> {
        let (window, mtu) = (self.network.initial_window, self.network.mtu.get());
        let too_small = usize::try_from(mtu).is_ok_and(|mtu| window < mtu);
        too_small.then_some(ConfigError::WindowBelowMtu { window, mtu }).into_iter().collect()
    }

    /// Checks what must fit into socket buffers, once the kernel has said how large they are.
    ///
    /// # Errors
    /// When one frame does not fit the send buffer, or the first window does not fit the receive buffer.
    pub fn validate_socket_buffers(&self, probed: ProbedSocketBuffers) -> Result<(), ConfigError> {
        let mtu = usize::try_from(self.network.mtu.get()).unwrap_or(usize::MAX);
        if mtu > probed.send {
            return Err(ConfigError::SocketBuffer {
                setting: "aeron.mtu.length",
                value: mtu,
                option: "SO_SNDBUF",
                buffer: probed.send,
                buffer_setting: "aeron.socket.so_sndbuf",
                sysctl: "net.core.wmem_max",
            });
        }
        if self.network.initial_window > probed.receive {
            return Err(ConfigError::SocketBuffer {
                setting: "aeron.rcv.initial.window.length",
                value: self.network.initial_window,
                option: "SO_RCVBUF",
                buffer: probed.receive,
                buffer_setting: "aeron.socket.so_rcvbuf",
                sysctl: "net.core.rmem_max",
            });
        }
        Ok(())
    }

    fn check_lengths(&self, errors: &mut Vec<ConfigError>) {
        const TWO_GIB: u64 = i32::MAX as u64;
        let (buffers, network) = (&self.buffers, &self.network);
        for (setting, value, min, max) in [
            ("aeron.conductor.buffer.length", buffers.to_driver_length, TO_DRIVER_LENGTH_MIN as u64, TWO_GIB),
            ("aeron.clients.buffer.length", buffers.to_clients_length, TO_CLIENTS_LENGTH_MIN as u64, TWO_GIB),
            ("aeron.counters.buffer.length", buffers.counter_values_length, 1 << 20, 500 << 20),
            ("aeron.error.buffer.length", buffers.error_log_length, ERROR_LOG_LENGTH_MIN as u64, TWO_GIB),
            ("aeron.loss.report.buffer.length", buffers.loss_report_length, 1024, TWO_GIB),
            ("aeron.publication.term.window.length", buffers.publication_window, 0, 1 << 30),
            ("aeron.ipc.publication.term.window.length", buffers.ipc_publication_window, 0, 1 << 30),
            ("aeron.rcv.initial.window.length", network.initial_window, 256, TWO_GIB),
            ("aeron.socket.so_rcvbuf", network.socket_receive_buffer, 0, TWO_GIB),
            ("aeron.socket.so_sndbuf", network.socket_send_buffer, 0, TWO_GIB),
        ] {
            let value = value as u64;
            if value < min || value > max {
                errors.push(ConfigError::Length { setting, value, min, max });
            }
        }
        for (setting, value, trailer) in [
            ("aeron.conductor.buffer.length", buffers.to_driver_length, TO_DRIVER_TRAILER),
            ("aeron.clients.buffer.length", buffers.to_clients_length, TO_CLIENTS_TRAILER),
        ] {
            if !value.saturating_sub(trailer).is_power_of_two() {
                errors.push(ConfigError::RingLength { setting, value, trailer });
            }
        }
        if let Err(error) = buffers.cnc_lengths().file_length(buffers.file_page_size.get()) {
            errors.push(error.into());
        }
    }

    fn check_counts(&self, errors: &mut Vec<ConfigError>) {
        const VECTOR_MAX: u64 = IO_VECTOR_CAPACITY_MAX as u64;
        let (network, loss) = (&self.network, &self.loss);
        for (setting, value, min, max) in [
            ("aeron.receiver.io.vector.capacity", network.receiver_vector_capacity as u64, 1, VECTOR_MAX),
            ("aeron.sender.io.vector.capacity", network.sender_vector_capacity as u64, 1, VECTOR_MAX),
            (
                "aeron.network.publication.max.messages.per.send",
                network.messages_per_send as u64,
                1,
                VECTOR_MAX,
            ),
            ("aeron.send.to.status.poll.ratio", network.send_to_status_poll_ratio.into(), 1, i32::MAX as u64),
            (
                "aeron.receiver.poll.to.slow.work.ratio",
                network.receiver_poll_to_slow_work_ratio.into(),
                1,
                i32::MAX as u64,
            ),
            ("aeron.udp.channel.transport.poller.socket.poll.limit", network.socket_poll_limit.into(), 1, 16),
            (
                "aeron.driver.stream.session.limit",
                u64::try_from(network.stream_session_limit).unwrap_or(0),
                1,
                i32::MAX as u64,
            ),
            ("epona.log.buffer.spares", self.buffers.spare_logs as u64, 0, SPARE_LOGS_MAX as u64),
            ("aeron.max.resend", loss.max_resend.into(), 1, 256),
            ("epona.unicast.max.gaps", loss.unicast_max_gaps as u64, 1, 256),
            ("aeron.nak.unicast.retry.delay.ratio", loss.nak_unicast_retry_delay_ratio, 1, i64::MAX as u64),
            ("aeron.nak.multicast.group.size", loss.nak_multicast_group_size.into(), 1, i32::MAX as u64),
            ("aeron.driver.resource.free.limit", self.threads.resource_free_limit.into(), 1, u32::MAX.into()),
        ] {
            if value < min || value > max {
                errors.push(ConfigError::Count { setting, value, min, max });
            }
        }
    }

    fn check_timeouts(&self, errors: &mut Vec<ConfigError>) {
        const TIMER: &str = "aeron.timer.interval";
        const LIVENESS: &str = "aeron.client.liveness.timeout";
        let timeouts = &self.timeouts;
        let linger = timeouts.untethered_linger.unwrap_or(Duration::MAX);
        for (setting, value, other, limit) in [
            (
                "aeron.publication.unblock.timeout",
                timeouts.publication_unblock,
                LIVENESS,
                timeouts.client_liveness,
            ),
            (LIVENESS, timeouts.client_liveness, TIMER, timeouts.timer_interval),
            (
                "aeron.untethered.window.limit.timeout",
                timeouts.untethered_window_limit,
                TIMER,
                timeouts.timer_interval,
            ),
            ("aeron.untethered.linger.timeout", linger, TIMER, timeouts.timer_interval),
            ("aeron.untethered.resting.timeout", timeouts.untethered_resting, TIMER, timeouts.timer_interval),
        ] {
            if value <= limit {
                errors.push(ConfigError::TimeoutOrder { setting, value, other, limit });
            }
        }
    }

    fn check_relations(&self, errors: &mut Vec<ConfigError>) {
        let (network, loss, streams) = (&self.network, &self.loss, &self.streams);
        let (messages, capacity) = (network.messages_per_send, network.sender_vector_capacity);
        if messages > capacity {
            errors.push(ConfigError::MessagesPerSend { messages, capacity });
        }
        let (delay, ratio) = (loss.nak_unicast_delay, loss.nak_unicast_retry_delay_ratio);
        if delay.as_nanos().saturating_mul(ratio.into()) > MAX_DURATION.as_nanos() {
            errors.push(ConfigError::NakRetryDelay { delay, ratio });
        }
        let (low, high) = (streams.reserved_session_id_low, streams.reserved_session_id_high);
        if low > high || high.checked_sub(low).is_none() {
            errors.push(ConfigError::ReservedSessionIds { low, high });
        }
        if let Err(error) = Plan::of(self) {
            errors.push(error.into());
        }
    }

    fn check_idle_strategies(&self, errors: &mut Vec<ConfigError>) {
        let threads = &self.threads;
        for (setting, idle) in [
            ("aeron.conductor.idle.strategy", &threads.conductor_idle),
            ("aeron.sender.idle.strategy", &threads.sender_idle),
            ("aeron.receiver.idle.strategy", &threads.receiver_idle),
            ("aeron.sharednetwork.idle.strategy", &threads.shared_network_idle),
            ("aeron.shared.idle.strategy", &threads.shared_idle),
            ("aeron.driver.native.resource.agent.idle.strategy", &threads.native_resource_agent_idle),
        ] {
            if let Err(source) = idle.build() {
                errors.push(ConfigError::IdleStrategy { setting, source });
            }
        }
    }
}

/// The shortest length that holds `value` and is right for a ring.
fn suggest_ring(value: usize, trailer: usize) -> usize {
    value.saturating_sub(trailer).checked_next_power_of_two().unwrap_or(1 << 30).clamp(1 << 20, 1 << 30)
        + trailer
}
