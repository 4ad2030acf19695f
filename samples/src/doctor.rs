//! `epona doctor`: checks what usually goes wrong, before it does, and says what to change.
//!
//! | checks | file |
//! | --- | --- |
//! | configuration, and what is in the driver's directory | `directory.rs` |
//! | shared memory against what streams need | `storage.rs` |
//! | socket buffers, offload, opening channels, multicast there and back | `channels.rs` |
//! | processors against threads, clock source, limits of the process | `machine.rs` |
//!
//! It looks with the driver's own eyes: the same settings, the same sockets, the same arithmetic.

mod channels;
mod directory;
mod finding;
mod machine;
mod storage;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, builder::RangedU64ValueParser};
use epona_client::ChannelUri;
use epona_media_driver::{
    Context,
    config::{Notice, Settings, Source},
};

use self::finding::{Finding, Verdict};
use crate::{
    common::{Format, Stop},
    look::print_json,
};

/// Check what usually goes wrong with a media driver, and say what to change
#[derive(Args, Debug)]
#[command(
    after_help = "Settings are those that `eponamd` would take here: AERON_* variables, files, -D. Checks that fail name what will
not work; the status is then 1. Name the channels that are to be used, and it opens their sockets and sends a
multicast datagram there and back.

Examples:
  epona doctor
  epona doctor conductor.properties -Daeron.dir=/dev/shm/aeron-prod
  epona doctor --channel 'aeron:udp?endpoint=224.20.30.39:40456|interface=10.1.0.0/16' --streams 4
  epona doctor --interface eth0"
)]
pub(crate) struct Options {
    /// Files of settings that the driver will be started with
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// A setting that the driver will be started with
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    defines: Vec<String>,

    /// The media driver's directory [default: aeron.dir, else /dev/shm/aeron-USER]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// A channel that will be used; may be given several times
    #[arg(long = "channel", value_name = "URI")]
    channels: Vec<ChannelUri>,

    /// Publications and images, counted together, that each channel will have on this host
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    streams: u32,

    /// Test multicast on this interface: a name, an address, or a network such as 10.1.0.0/16
    #[arg(long, value_name = "INTERFACE")]
    interface: Option<String>,

    /// How to print what was found
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Checks everything and prints what was found.
///
/// # Errors
/// When something will fail; when settings cannot be read; when standard output cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), Stop> {
    let (context, notices) = options.settings()?.configure();
    let findings = options.examine(&context, &notices);
    let mut output = io::stdout().lock();
    if options.format == Format::Json {
        print_json(&mut output, &findings)?;
    } else {
        writeln!(output, "{}", context.directory.path.display())?;
        for finding in &findings {
            write!(output, "{finding}")?;
        }
    }
    output.flush()?;
    let failures = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    if failures == 0 {
        return Ok(());
    }
    Err(format!("{failures} of {} checks say that something will not work", findings.len()).into())
}

impl Options {
    /// As `eponamd` gathers them.
    fn settings(&self) -> Result<Settings, Stop> {
        let mut settings = Settings::from_environment(std::env::vars_os());
        for definition in &self.defines {
            settings.define(definition)?;
        }
        for file in &self.files {
            // To `eponamd` a missing file says nothing; whoever names it here means it.
            if !file.contains("://") && !std::path::Path::new(file).exists() {
                return Err(format!("cannot read {file}: it does not exist").into());
            }
            settings.load(file)?;
        }
        if let Some(dir) = &self.dir {
            settings.set("aeron.dir", &dir.to_string_lossy(), Source::CommandLine("--dir"));
        }
        Ok(settings)
    }

    fn examine(&self, context: &Context, notices: &[Notice]) -> Vec<Finding> {
        let mut findings = directory::settings(notices);
        findings.extend(directory::check(context));
        findings.push(storage::check(context, &self.channels, self.streams));
        findings.extend(channels::check(context, &self.channels, self.interface.as_deref()));
        findings.extend(machine::check(context, &self.channels));
        findings
    }
}
