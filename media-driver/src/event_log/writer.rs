//! Writes events down, a line each, and starts a new file when one is long enough.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use epona_protocol::types::{Nanos, Now};

use super::{
    DriverEvent, EventSource,
    record::{Record, RecordView, Timestamp, Value},
};
use crate::{directory::timestamp, duty_cycle::DutyCycle};

/// Most events of one turn.
const EVENTS_PER_TURN: usize = 64;

/// Where lines go.
pub struct Output(Target);

enum Target {
    Stream(Box<dyn Write + Send>),
    File(RollingFile),
}

/// A file that is put aside under another name when it is long enough.
struct RollingFile {
    path: PathBuf,
    file: File,
    length: u64,
    max_length: u64,
    next_number: u64,
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn standard() -> Self {
        Self::stream(io::stdout())
    }

    /// A stream that never ends.
    #[must_use]
    pub fn stream(stream: impl Write + Send + 'static) -> Self {
        Self(Target::Stream(Box::new(stream)))
    }

    /// The end of a file, which is put aside as `<path>.<number>` when it has `max_length` bytes; 0: never.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(path: impl Into<PathBuf>, max_length: u64) -> io::Result<Self> {
        let path = path.into();
        let file = open(&path)?;
        let length = file.metadata()?.len();
        let max_length = if max_length == 0 { u64::MAX } else { max_length };
        Ok(Self(Target::File(RollingFile { path, file, length, max_length, next_number: 1 })))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        match &mut self.0 {
            Target::Stream(stream) => {
                stream.write_all(text.as_bytes())?;
                stream.flush()
            }
            Target::File(file) => {
                file.length += text.len() as u64;
                file.file.write_all(text.as_bytes())
            }
        }
    }

    /// Bytes until a new file starts.
    fn room(&self) -> u64 {
        match &self.0 {
            Target::Stream(_) => u64::MAX,
            Target::File(file) => file.max_length.saturating_sub(file.length),
        }
    }
}

impl RollingFile {
    /// Puts the file aside under the first name that is free, and starts anew.
    fn roll(&mut self) -> io::Result<()> {
        loop {
            let aside = numbered(&self.path, self.next_number);
            self.next_number += 1;
            if !aside.try_exists()? {
                match fs::rename(&self.path, aside) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => break,
                }
            }
        }
        self.file = open(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The role that formats and writes; it runs on a thread of its own, so that it disturbs nobody.
pub struct EventLogger {
    source: EventSource,
    output: Output,
    text: String,
    /// Lines that could not be written; the next that can be tells.
    unwritten: u64,
}

impl std::fmt::Debug for EventLogger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventLogger({:?})", self.source)
    }
}

impl EventLogger {
    /// Writes what comes from `source` to `output`.
    #[must_use]
    pub fn new(source: EventSource, output: Output) -> Self {
        Self { source, output, text: String::new(), unwritten: 0 }
    }

    fn start_log(&mut self, now: Now) {
        let _ = writeln!(
            self.text,
            "{} log started {}, enabled loggers: {{DRIVER: version={} commit={}}}",
            Timestamp(now.nanos),
            timestamp(now.epoch),
            env!("CARGO_PKG_VERSION"),
            option_env!("EPONA_GIT_SHA").unwrap_or("unknown"),
        );
    }

    /// Writes up to a number of events; how many.
    fn write_events(&mut self, limit: usize, now: Now) -> usize {
        let Self { source, text, output, .. } = self;
        let room = output.room();
        let mut count = 0;
        while count < limit && (text.len() as u64) < room {
            let read = source.read(1, |type_id, bytes| {
                if let Some(record) = RecordView::new(type_id, bytes) {
                    push_line(text, record);
                }
            });
            if read == 0 {
                break;
            }
            count += read;
        }
        let lost = self.source.take_lost();
        if lost > 0 {
            self.say(
                now.nanos,
                &format!("{lost} events were lost: they came faster than they could be written"),
            );
        }
        self.flush(now);
        count
    }

    /// The log's own word.
    fn say(&mut self, now: Nanos, message: &str) {
        let record = Record::new(now, None, &[Value::Text(message)]);
        let type_id = DriverEvent::GenericMessage.number().into();
        if let Some(view) = RecordView::new(type_id, record.bytes()) {
            push_line(&mut self.text, view);
        }
    }

    /// Writes what is formatted. What cannot be written is lost; a full disk is no reason to end a driver.
    fn flush(&mut self, now: Now) {
        if self.text.is_empty() {
            return;
        }
        match self.output.write(&self.text) {
            Ok(()) if self.unwritten > 0 => {
                let message = format!("{} lines could not be written", std::mem::take(&mut self.unwritten));
                self.text.clear();
                return self.say(now.nanos, &message);
            }
            Ok(()) => {}
            Err(_) => self.unwritten += self.text.lines().count() as u64,
        }
        self.text.clear();
        if let Target::File(file) = &mut self.output.0
            && file.length >= file.max_length
        {
            match file.roll() {
                Ok(()) => self.start_log(now),
                // Goes on in the same file, and tries again when that has grown by as much once more.
                Err(_) => file.length = 0,
            }
        }
    }
}

/// A line for an event; what peers and clients wrote must not make two of it.
fn push_line(text: &mut String, record: RecordView<'_>) {
    let start = text.len();
    let _ = write!(text, "{record}");
    if text[start..].contains(|letter: char| letter.is_control()) {
        let line: String =
            text[start..].chars().map(|letter| if letter.is_control() { '.' } else { letter }).collect();
        text.truncate(start);
        text.push_str(&line);
    }
    text.push('\n');
}

impl DutyCycle for EventLogger {
    fn role_name(&self) -> &str {
        "event-log"
    }

    fn on_start(&mut self, now: Now) {
        self.start_log(now);
        self.flush(now);
    }

    fn do_work(&mut self, now: Now) -> usize {
        self.write_events(EVENTS_PER_TURN, now)
    }

    /// Writes all that is left.
    fn on_close(&mut self, now: Now) {
        while self.write_events(EVENTS_PER_TURN, now) > 0 {}
    }
}
