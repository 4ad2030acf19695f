//! Processors, clock source, and limits of the process.

use std::{fs, thread};

use epona_client::ChannelUri;
use epona_media_driver::{
    Context,
    config::{IdleSettings, ThreadingMode},
};
use epona_protocol::uri::Media;
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::{cores::Cores, text::grouped};

const PROCESSORS: &str = "processors";
const CLOCK: &str = "clock source";
const FILES: &str = "open files";
const FILE_LENGTH: &str = "file length";

/// Descriptors of a driver without channels: standard streams, pollers, and files while they are mapped.
const BASE_FILES: u64 = 6;

/// Sockets of a channel that both sends and receives.
const FILES_PER_CHANNEL: u64 = 2;

/// Descriptors that nobody regrets having.
const GOOD_FILES: u64 = 1024;

/// All that concerns the machine and the limits it sets.
pub(super) fn check(context: &Context, channels: &[ChannelUri]) -> Vec<Finding> {
    [Some(check_processors(context)), check_clock(), Some(check_files(channels)), check_file_length(context)]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether threads that never rest have a processor each.
fn check_processors(context: &Context) -> Finding {
    let threads = &context.threads;
    let idles: Vec<&IdleSettings> = match threads.mode {
        ThreadingMode::Dedicated => {
            vec![&threads.conductor_idle, &threads.sender_idle, &threads.receiver_idle]
        }
        ThreadingMode::SharedNetwork => vec![&threads.conductor_idle, &threads.shared_network_idle],
        ThreadingMode::Shared => vec![&threads.shared_idle],
        ThreadingMode::Invoker => Vec::new(),
    };
    let restless = idles.iter().filter(|idle| is_restless(idle)).count();
    let cores =
        Cores::of_process().count().unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let quota = quota();
    let usable = quota.map_or(cores as f64, |quota| quota.min(cores as f64));
    let mode = threads.mode.name();
    let limit =
        quota.map_or_else(String::new, |quota| format!(", of which the control group leaves {quota:.1}"));
    let found = format!(
        "{cores} for this process{limit}; {mode} has {} busy threads, {restless} of which never rest",
        idles.len()
    );
    if restless as f64 >= usable && restless > 0 {
        return Finding::warn(
            PROCESSORS,
            found,
            "clients and kernel will wait for them: use adaptive or backoff idle strategies (adaptive is the default), \
             aeron.threading.mode=SHARED or SHARED_NETWORK, or more processors",
        );
    }
    if usable < 2.0 {
        return Finding::warn(
            PROCESSORS,
            found,
            "set aeron.threading.mode=SHARED: threads would wait for each other",
        );
    }
    Finding::ok(PROCESSORS, found)
}

/// Whether a strategy keeps its processor.
fn is_restless(idle: &IdleSettings) -> bool {
    idle.build()
        .is_ok_and(|strategy| matches!(strategy.name(), "noop" | "spin" | "yield" | "spinning" | "yielding"))
}

/// Processors that the control group's quota amounts to, if it has one. Source: Linux, cgroup v2 `cpu.max`.
fn quota() -> Option<f64> {
    let text = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

/// Whether reading the clock is a matter of nanoseconds; none where the kernel does not say.
fn check_clock() -> Option<Finding> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(path).ok()?;
    let source = source.trim();
    if matches!(
        source,
        "tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page" | "riscv_clocksource"
    ) {
        return Some(Finding::ok(CLOCK, source));
    }
    let found = format!("{source}: each look at the clock is a system call");
    Some(Finding::warn(
        CLOCK,
        found,
        "boot with clocksource=tsc where the machine's is stable: every duty cycle looks",
    ))
}

fn limit(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

fn check_files(channels: &[ChannelUri]) -> Finding {
    let channels = channels.iter().filter(|channel| channel.media() == Media::Udp).count() as u64;
    let needed = BASE_FILES + FILES_PER_CHANNEL * channels.max(1);
    match limit(Resource::Nofile) {
        Some(limit) if limit < needed => Finding::fail(
            FILES,
            format!("at most {limit} in a process; the driver needs at least {needed}"),
            "sockets and logs will be refused: ulimit -n 1024, or LimitNOFILE in the service",
        ),
        Some(limit) if limit < GOOD_FILES => Finding::warn(
            FILES,
            format!("at most {limit} in a process"),
            "each channel takes two or three: ulimit -n 1024, or LimitNOFILE in the service",
        ),
        Some(limit) => Finding::ok(FILES, format!("at most {limit} in a process")),
        None => Finding::ok(FILES, "no limit"),
    }
}

/// Longer files end a process by a signal, whoever it is; nothing to tell without such a limit.
fn check_file_length(context: &Context) -> Option<Finding> {
    let limit = limit(Resource::Fsize)?;
    let buffers = &context.buffers;
    let cnc = buffers.cnc_lengths().file_length(buffers.file_page_size.get()).unwrap_or(usize::MAX) as u64;
    let log = epona_protocol::logbuffer::descriptor::file_length(buffers.term_length, buffers.file_page_size)
        as u64;
    let longest = cnc.max(log);
    let told = |bytes: u64| grouped(i64::try_from(bytes).unwrap_or(i64::MAX));
    let found = format!("at most {} bytes; cnc.dat has {}, a log {}", told(limit), told(cnc), told(log));
    Some(if limit < longest {
        Finding::fail(FILE_LENGTH, found, "creating them ends the process: ulimit -f unlimited")
    } else {
        Finding::ok(FILE_LENGTH, found)
    })
}
