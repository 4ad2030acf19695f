//! `epona backlog`: who waits for whom, in the numbers of BacklogStat and in words.

mod verdict;

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use serde::Serialize;

use self::verdict::Verdict;
use crate::{
    common::Stop,
    interrupt::Interrupt,
    look::{LookOptions, RefreshOptions, duration, note_absence, now, pause, print_json},
    snapshot::{History, Image, Publication, Snapshot, Subscriber},
    text,
};

/// Say of each stream who waits for whom
#[derive(Args, Debug)]
#[command(
    after_help = "It looks twice before it prints, so that it can tell who is slow from who stands still. The numbers \
are those of BacklogStat, with what drivers of Epona tell of status messages; the lines that begin with => say what they mean. Since when somebody stands still it can tell \
if it was watching then.

Examples:
  epona backlog --once
  epona backlog --watch --delay 5s
  epona backlog --waiting --interval 2s
  epona backlog --format json"
)]
pub(crate) struct Options {
    /// Only streams where somebody waits
    #[arg(long)]
    waiting: bool,

    /// Time between the first two looks
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration)]
    interval: Duration,

    #[command(flatten)]
    refresh: RefreshOptions,

    #[command(flatten)]
    look: LookOptions,
}

/// Prints a section for each publication and each image.
///
/// # Errors
/// When there is no driver's directory; when standard output cannot be written; on Ctrl-C.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let directory = options.look.open()?;
    let first = directory.snapshot(now());
    note_absence(&first);
    let mut history = History::default();
    history.observe(&first);
    pause(options.interval, interrupt)?;
    options.refresh.run_on(&directory, &options.look, interrupt, |snapshot, output| {
        history.observe(snapshot);
        let backlog = Backlog::new(snapshot, &history, options.waiting);
        if options.look.is_json() {
            print_json(output, &backlog)
        } else {
            Ok(backlog.print(snapshot, output)?)
        }
    })
}

/// All streams, with who waits.
#[derive(Serialize)]
struct Backlog {
    publications: Vec<Judged<Publication>>,
    images: Vec<Judged<Image>>,
}

/// One side of a stream, and what its numbers mean.
#[derive(Serialize)]
struct Judged<T> {
    #[serde(flatten)]
    facts: T,
    #[serde(flatten)]
    verdict: Verdict,
}

impl Backlog {
    fn new(snapshot: &Snapshot, history: &History, only_waiting: bool) -> Self {
        let is_wanted = |verdict: &Verdict| verdict.is_waiting || !only_waiting;
        let publications = snapshot.publications().into_iter().map(|facts| {
            let verdict = Verdict::of_publication(snapshot, history, &facts);
            Judged { facts, verdict }
        });
        let images = snapshot.images().into_iter().map(|facts| {
            let verdict = Verdict::of_image(snapshot, history, &facts);
            Judged { facts, verdict }
        });
        Self {
            publications: publications.filter(|judged| is_wanted(&judged.verdict)).collect(),
            images: images.filter(|judged| is_wanted(&judged.verdict)).collect(),
        }
    }

    fn print(&self, snapshot: &Snapshot, output: &mut dyn Write) -> io::Result<()> {
        for publication in &self.publications {
            print_publication(output, snapshot, &publication.facts)?;
            publication.verdict.print(output)?;
        }
        for image in &self.images {
            print_image(output, snapshot, &image.facts)?;
            image.verdict.print(output)?;
        }
        if self.publications.is_empty() && self.images.is_empty() {
            writeln!(output, "Nobody waits: no stream to tell of.")?;
        }
        Ok(())
    }
}

/// Source of the words: BacklogStat.java, print.
fn print_publication(
    output: &mut dyn Write,
    snapshot: &Snapshot,
    publication: &Publication,
) -> io::Result<()> {
    let channel = text::line(&publication.channel);
    writeln!(
        output,
        "sessionId={} streamId={} channel={channel} :",
        publication.session_id, publication.stream_id
    )?;
    writeln!(
        output,
        "  for publisher {} of client {} the last sampled position is {} (~{} bytes before back-pressure)",
        publication.registration_id,
        text::line(&snapshot.client_name(publication.client_id)),
        publication.position,
        publication.window()
    )?;
    match &publication.sender {
        Some(sender) => {
            let backlog = sender.backlog(publication.position);
            write!(output, "  sender {} ", publication.registration_id)?;
            if backlog >= 0 {
                write!(output, "has to send {backlog} bytes")?;
            } else {
                write!(output, "is at position {}", sender.position)?;
            }
            writeln!(output, " ({} bytes remaining in the sender window)", sender.window())?;
            match sender.status_message_age_ms {
                Some(age) => writeln!(output, "  last status message {age} ms ago")?,
                None => writeln!(output, "  no status message known of")?,
            }
        }
        None => writeln!(output, "  no sender")?,
    }
    for subscriber in &publication.subscribers {
        let backlog = publication.position.get().wrapping_sub(subscriber.position.get()).max(0);
        print_subscriber(output, snapshot, subscriber, backlog)?;
    }
    Ok(())
}

fn print_image(output: &mut dyn Write, snapshot: &Snapshot, image: &Image) -> io::Result<()> {
    let channel = text::line(&image.channel);
    writeln!(output, "sessionId={} streamId={} channel={channel} :", image.session_id, image.stream_id)?;
    writeln!(output, "  receiver {} is at position {}", image.correlation_id, image.position)?;
    for subscriber in &image.subscribers {
        let backlog = image.high_water_mark.get().wrapping_sub(subscriber.position.get());
        print_subscriber(output, snapshot, subscriber, backlog)?;
    }
    Ok(())
}

fn print_subscriber(
    output: &mut dyn Write,
    snapshot: &Snapshot,
    subscriber: &Subscriber,
    backlog: i64,
) -> io::Result<()> {
    let client = text::line(&snapshot.client_name(subscriber.client_id));
    writeln!(
        output,
        "  subscriber {} of client {client} has {backlog} backlog bytes",
        subscriber.registration_id
    )
}
