//! What anybody sees of a driver: its counters, the metadata of its logs and what it told its clients, with names for
//! the numbers that each driver chooses for itself.

use epona_protocol::counters::{CounterDescriptor, CountersReader};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Display, Write},
    fs,
    path::Path,
};

/// Counters of the driver itself.
const SYSTEM: i32 = 0;
/// The heartbeat of a client, whose value is a time.
const CLIENT_HEARTBEAT: i32 = 11;
/// NAKs that an image has sent: as many as there was time for.
const NAKS_SENT: i32 = 20;
/// Status of a channel, and the number of its destinations; the key holds its text.
const OF_CHANNEL: [i32; 3] = [6, 7, 18];
/// The address of a channel.
const LOCAL_ADDRESS: i32 = 14;
/// Counters that stay when their client goes; of these scripts are told apart by type.
const STATIC: i32 = 100_000;

/// Lines, in an order of their own, each as often as it was seen.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Picture {
    lines: BTreeMap<String, usize>,
}

impl Picture {
    pub(crate) fn of(counters: &CountersReader, dir: &Path, names: &mut Names) -> Self {
        let mut picture = Self::default();
        for counter in counters.iter() {
            let type_id = counter.type_id.get();
            if type_id != SYSTEM && type_id < STATIC {
                picture.line(describe_counter(&counter, names));
            }
        }
        for kind in ["publications", "images"] {
            for entry in fs::read_dir(dir.join(kind)).expect("a directory of logs").flatten() {
                // It may go while we look.
                if let Ok(bytes) = fs::read(entry.path()) {
                    let name = names.text(&format!("{kind}/{}", entry.file_name().to_string_lossy()));
                    picture.line(format!("{name}: {}", describe_log(&bytes, names)));
                }
            }
        }
        picture
    }

    /// Whether there is neither a counter nor a log of a client.
    pub(crate) fn is_bare(&self) -> bool {
        !self.lines.keys().any(|line| line.starts_with("counter ") || line.contains(".logbuffer: "))
    }

    fn line(&mut self, line: String) {
        *self.lines.entry(line).or_default() += 1;
    }

    pub(crate) fn add(&mut self, what: &str, value: impl Display) {
        self.line(format!("{what}: {value}"));
    }
}

/// The lines that only one of them has.
pub(crate) fn difference(theirs: &Picture, ours: &Picture) -> String {
    let all: BTreeSet<&String> = theirs.lines.keys().chain(ours.lines.keys()).collect();
    let mut text = String::new();
    for line in all {
        let times = |picture: &Picture| picture.lines.get(line).copied().unwrap_or(0);
        let (of_theirs, of_ours) = (times(theirs), times(ours));
        if of_theirs != of_ours {
            let _ = writeln!(text, "  theirs {of_theirs}, ours {of_ours}: {line}");
        }
    }
    text
}

fn describe_counter(counter: &CounterDescriptor, names: &mut Names) -> String {
    let type_id = counter.type_id.get();
    let value = match type_id {
        CLIENT_HEARTBEAT | NAKS_SENT => String::new(),
        _ => format!(" = {}", counter.value),
    };
    let key = match type_id {
        _ if OF_CHANNEL.contains(&type_id) => key_text(&counter.key, 0, names),
        LOCAL_ADDRESS => key_text(&counter.key, 4, names),
        CLIENT_HEARTBEAT => names.id(i64_at(&counter.key, 0)),
        // Registration, session, stream, and the channel with its length.
        1..=5 | 9..=10 | 12..=13 | 17 | 19 | 20 => {
            format!(
                "{},{},{},{}",
                names.id(i64_at(&counter.key, 0)),
                names.session(i32_at(&counter.key, 8)),
                i32_at(&counter.key, 12),
                key_text(&counter.key, 16, names),
            )
        }
        _ => format!("{:?}", counter.key),
    };
    // The label of a local address begins with the id of another counter.
    let label = match type_id {
        LOCAL_ADDRESS => {
            counter.label.split(' ').filter(|word| word.parse::<i32>().is_err()).collect::<Vec<_>>().join(" ")
        }
        _ => counter.label.clone(),
    };
    format!(
        "counter {type_id} {:?} key [{key}] registration {} owner {} reference {}{value}",
        names.text(&label),
        names.id(counter.registration_id),
        names.id(counter.owner_id),
        names.id(counter.reference_id),
    )
}

/// A text behind its length; what follows is whatever the memory held before.
fn key_text(key: &[u8], offset: usize, names: &Names) -> String {
    let text = &key[offset + 4..];
    let length = i32_at(key, offset).clamp(0, text.len() as i32) as usize;
    names.text(&String::from_utf8_lossy(&text[..length]))
}

/// The metadata of a log, all of it, with terms counted from the first one.
fn describe_log(bytes: &[u8], names: &mut Names) -> String {
    const METADATA: usize = 4096;
    let Some(start) = bytes.len().checked_sub(METADATA) else { return format!("{} bytes", bytes.len()) };
    let mut metadata = bytes[start..].to_vec();
    let initial = i32_at(&metadata, 264);
    let mut text = format!("{} bytes", bytes.len());
    for tail in 0..3 {
        let raw = i64_at(&metadata, tail * 8);
        // Images have no tails.
        let term = if raw == 0 { 0 } else { ((raw >> 32) as i32).wrapping_sub(initial) };
        let _ = write!(text, " tail {term}:{}", raw as i32);
    }
    let _ = write!(
        text,
        " registration {} response {} session {} term {}",
        names.id(i64_at(&metadata, 256)),
        names.id(i64_at(&metadata, 456)),
        names.session(i32_at(&metadata, 320 + 12)),
        i32_at(&metadata, 320 + 20).wrapping_sub(initial),
    );
    for range in [0..24, 256..268, 332..336, 340..344, 456..464] {
        metadata[range].fill(0);
    }
    for (offset, word) in metadata.chunks_exact(4).enumerate() {
        let word = i32_at(word, 0);
        if word != 0 {
            let _ = write!(text, " {}={word:#x}", offset * 4);
        }
    }
    text
}

fn i32_at(bytes: &[u8], offset: usize) -> i32 {
    i32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn i64_at(bytes: &[u8], offset: usize) -> i64 {
    i64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

/// Names for what each driver numbers in its own way.
#[derive(Debug)]
pub(crate) struct Names {
    dir: String,
    /// Addresses of the driver, of its groups and of the stranger.
    hosts: [&'static str; 3],
    ports: Vec<u16>,
    ids: BTreeMap<i64, String>,
    sessions: BTreeMap<i32, String>,
}

impl Names {
    pub(crate) fn new(dir: &Path, hosts: [&'static str; 3]) -> Self {
        let dir = dir.to_string_lossy().into_owned();
        Self { dir, hosts, ports: Vec::new(), ids: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    pub(crate) fn add_ports(&mut self, ports: &[u16]) {
        self.ports.extend(ports);
    }

    pub(crate) fn add(&mut self, id: i64, name: String) {
        self.ids.insert(id, name);
    }

    pub(crate) fn add_unknown(&mut self, id: i64, name: impl FnOnce() -> String) {
        self.ids.entry(id).or_insert_with(name);
    }

    /// Sessions that a channel names are small or at a limit, and are their own names.
    pub(crate) fn add_session(&mut self, session: i32, name: String) {
        let named = session.unsigned_abs() < 100 || session == i32::MAX || session == i32::MIN;
        if !named {
            self.sessions.entry(session).or_insert(name);
        }
    }

    pub(crate) fn id(&self, id: i64) -> String {
        self.ids.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    pub(crate) fn session(&self, session: i32) -> String {
        self.sessions.get(&session).cloned().unwrap_or_else(|| session.to_string())
    }

    /// A text with names for the numbers in it.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.replace(&self.dir, "DIR");
        for (host, name) in self.hosts.iter().zip(["HOST", "GROUP", "PEER"]) {
            text = text.replace(host, name);
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let negative = rest[..at].ends_with('-');
            let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| at + length);
            let before = &rest[..at - usize::from(negative)];
            out.push_str(before);
            let number = &rest[at - usize::from(negative)..end];
            let after_host = ["HOST:", "0.0.0.0:", "127.0.0.1:"].iter().any(|host| out.ends_with(host));
            out.push_str(&self.number(number, after_host));
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    fn number(&self, number: &str, port: bool) -> String {
        let Ok(value) = number.parse::<i64>() else { return number.to_owned() };
        if port {
            let chosen = u16::try_from(value).is_ok_and(|port| port == 0 || self.ports.contains(&port));
            return if chosen { number.to_owned() } else { "PORT".to_owned() };
        }
        let session = i32::try_from(value).ok().and_then(|session| self.sessions.get(&session));
        self.ids.get(&value).or(session).cloned().unwrap_or_else(|| number.to_owned())
    }
}
