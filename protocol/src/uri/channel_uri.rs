//! A channel URI: medium and parameters, as written.

use core::{fmt, str::FromStr};

use super::{
    error::{SyntaxError, UriError},
    keys,
};

/// Longest channel URI without the spy prefix, in bytes. Source: wire spec 11.1.
pub const MAX_LENGTH: usize = 4095;

/// Makes a subscription a spy on a publication of the same driver. Source: wire spec 11.1.
pub const SPY_PREFIX: &str = "aeron-spy:";

const UDP: &str = "aeron:udp?";
const IPC: &str = "aeron:ipc";

/// What carries the messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Media {
    /// UDP datagrams between drivers.
    Udp,
    /// Shared memory between clients of one driver.
    Ipc,
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Ipc => "ipc",
        })
    }
}

/// A parsed channel URI. Displays as it was written: order, unknown keys and duplicates included.
///
/// Parsing accepts what the C driver accepts: keys are case sensitive and match exactly; of a key given twice the
/// first counts, but the last of `endpoint`, `interface`, `control`, `control-mode`, `ttl` and `tags`; a last name
/// without `=` is dropped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ChannelUri {
    is_spy: bool,
    media: Media,
    params: Vec<(String, String)>,
}

impl ChannelUri {
    /// A URI without parameters.
    #[must_use]
    pub const fn new(media: Media) -> Self {
        Self { is_spy: false, media, params: Vec::new() }
    }

    /// Parses a channel.
    ///
    /// # Errors
    /// [`UriError::Syntax`] when it is too long, has another scheme or medium (`aeron:udp` needs its `?`), or has an
    /// empty key or value. Values are judged only when they are read.
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        Self::parse_parts(uri).map_err(|reason| UriError::syntax(uri, reason))
    }

    /// Parses a channel as it stands in a command.
    ///
    /// # Errors
    /// As [`ChannelUri::parse`], or when the bytes are not UTF-8.
    pub fn parse_bytes(uri: &[u8]) -> Result<Self, UriError> {
        match str::from_utf8(uri) {
            Ok(uri) => Self::parse(uri),
            Err(_) => Err(UriError::syntax(&String::from_utf8_lossy(uri), SyntaxError::NotText)),
        }
    }

    fn parse_parts(uri: &str) -> Result<Self, SyntaxError> {
        let (is_spy, rest) = match uri.strip_prefix(SPY_PREFIX) {
            Some(rest) => (true, rest),
            None => (false, uri),
        };
        if rest.len() > MAX_LENGTH {
            return Err(SyntaxError::TooLong { length: rest.len(), max: MAX_LENGTH });
        }
        let (media, params) = if let Some(params) = rest.strip_prefix(UDP) {
            (Media::Udp, params)
        } else {
            match rest.strip_prefix(IPC) {
                Some("") => (Media::Ipc, ""),
                Some(rest) => (Media::Ipc, rest.strip_prefix('?').ok_or(SyntaxError::SchemeOrMedia)?),
                None => return Err(SyntaxError::SchemeOrMedia),
            }
        };
        Ok(Self { is_spy, media, params: parse_params(params)? })
    }

    /// What carries the messages.
    #[must_use]
    pub const fn media(&self) -> Media {
        self.media
    }

    /// Whether it has the prefix `aeron-spy:`.
    #[must_use]
    pub const fn is_spy(&self) -> bool {
        self.is_spy
    }

    /// Adds or takes away the prefix `aeron-spy:`.
    pub const fn set_spy(&mut self, is_spy: bool) {
        self.is_spy = is_spy;
    }

    /// Value of a parameter, as written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.params.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
        if keys::LAST_WINS.contains(&key) { values.next_back() } else { values.next() }
    }

    /// Whether a parameter is given.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All parameters in order, as written.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets a parameter: in the place of its first occurrence, else at the end.
    ///
    /// # Errors
    /// When key or value is empty or contains characters that would end it early.
    pub fn put(&mut self, key: &str, value: &str) -> Result<(), UriError> {
        if key.is_empty() || key.contains(['=', '|', '?']) {
            return Err(UriError::syntax(
                &self.to_string(),
                SyntaxError::UnusableKey { key: key.to_owned() },
            ));
        }
        if value.is_empty() || value.contains('|') {
            let reason = SyntaxError::UnusableValue { key: key.to_owned(), value: value.to_owned() };
            return Err(UriError::syntax(&self.to_string(), reason));
        }
        match self.params.iter().position(|(name, _)| name == key) {
            Some(first) => self.replace(first, value.to_owned()),
            None => self.params.push((key.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// Gives the parameter at `first` another value and drops later occurrences of its key.
    fn replace(&mut self, first: usize, value: String) {
        let mut later = self.params.split_off(first + 1);
        self.params[first].1 = value;
        later.retain(|(name, _)| *name != self.params[first].0);
        self.params.append(&mut later);
    }

    /// Puts the port that the driver chose in place of port 0 of the endpoint; leaves any other endpoint alone.
    pub fn resolve_wildcard_port(&mut self, port: u16) {
        let Some(host) = self.endpoint().and_then(|endpoint| endpoint.strip_suffix(":0")) else { return };
        let endpoint = format!("{host}:{port}");
        if let Some(first) = self.params.iter().position(|(name, _)| name == keys::ENDPOINT) {
            self.replace(first, endpoint);
        }
    }

    /// Removes a parameter, every occurrence of it, and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let value = self.get(key).map(str::to_owned);
        self.params.retain(|(name, _)| name != key);
        value
    }
}

fn parse_params(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
    let mut params = Vec::new();
    let mut rest = text;
    while let Some(end_of_key) = rest.find(['=', '|']) {
        let (key, after_key) = rest.split_at(end_of_key);
        let Some(after_equals) = after_key.strip_prefix('=') else { return Err(SyntaxError::EndOfKey) };
        if key.is_empty() {
            return Err(SyntaxError::EmptyKey);
        }
        let (value, after_value) = after_equals.split_once('|').unwrap_or((after_equals, ""));
        if value.is_empty() {
            return Err(SyntaxError::EmptyValue { key: key.to_owned() });
        }
        params.push((key.to_owned(), value.to_owned()));
        rest = after_value;
    }
    Ok(params)
}

impl FromStr for ChannelUri {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        Self::parse(uri)
    }
}

impl fmt::Display for ChannelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.is_spy { SPY_PREFIX } else { "" };
        // The C driver takes no aeron:udp without its question mark.
        let needs_question_mark = self.media == Media::Udp || !self.params.is_empty();
        write!(f, "{prefix}aeron:{}{}", self.media, if needs_question_mark { "?" } else { "" })?;
        for (index, (key, value)) in self.params.iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            write!(f, "{separator}{key}={value}")?;
        }
        Ok(())
    }
}
