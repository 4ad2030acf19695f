//! Where settings come from: the environment, definitions and files, later ones over earlier ones.
//! Source: driver spec 9.1, 14.6.

use std::{collections::BTreeMap, ffi::OsString, fmt, io, path::Path};

use super::{
    Context, IdleSettings, http,
    http::HttpError,
    nearest::nearest,
    properties::{self, PropertiesError},
    setting::{Applied, Rejected, Setting, Status, variable_name},
    table::settings,
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An environment variable.
    Environment,
    /// A definition on the command line, `-Dname=value`.
    Define,
    /// A properties file or URL.
    File(String),
    /// An option of its own on the command line, such as `--dir`.
    CommandLine(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::Define => f.write_str("-D"),
            Self::File(name) => write!(f, "file {name}"),
            Self::CommandLine(option) => f.write_str(option),
        }
    }
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The name, as it was written.
    pub name: String,
    /// The value, never empty.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A definition that is none.
    #[error("malformed define {0:?}: write -Dname=value")]
    Define(String),
    /// A file that cannot be opened or read; one that does not exist is no error.
    #[error("could not read properties file {name}: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file with a line that cannot be understood.
    #[error("properties file {name}: {source}")]
    Malformed {
        /// The file.
        name: String,
        /// What is wrong.
        source: PropertiesError,
    },
    /// A URL that cannot be fetched.
    #[error("could not fetch properties {name}: {source}")]
    Fetch {
        /// The URL.
        name: String,
        /// What is wrong.
        source: HttpError,
    },
}

/// Something to tell about the settings given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The driver starts all the same, and what was asked for is in force, or the nearest to it.
    Warning(String),
    /// The driver starts all the same, but without what was asked for: a check of the settings fails.
    Ignored(String),
    /// The driver must not start.
    Error(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning(text) | Self::Ignored(text) => write!(f, "WARNING: {text}"),
            Self::Error(text) => write!(f, "ERROR: {text}"),
        }
    }
}

/// What was given, by the names of environment variables. The environment of the process is never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    given: BTreeMap<String, Given>,
    /// Files to load that do not exist.
    missing: Vec<String>,
}

impl Settings {
    /// Nothing given: everything is at its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what concerns a driver from an environment, such as [`std::env::vars_os`].
    #[must_use]
    pub fn from_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut settings = Self::new();
        for (name, value) in variables {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
            if ["AERON_", "EPONA_"].iter().any(|prefix| name.starts_with(prefix)) {
                settings.set(name, value, Source::Environment);
            }
        }
        settings
    }

    /// Gives a value, over one given before; an empty one takes back what was given.
    pub fn set(&mut self, name: &str, value: &str, source: Source) {
        let variable = variable_name(name);
        if value.is_empty() {
            self.given.remove(&variable);
        } else {
            let given = Given { name: name.to_owned(), value: value.to_owned(), source };
            self.given.insert(variable, given);
        }
    }

    /// Gives what a `-D` defines, without the `-D`.
    ///
    /// # Errors
    /// When it is not a name, `=` and a value.
    pub fn define(&mut self, definition: &str) -> Result<(), SourceError> {
        let malformed = || SourceError::Define(definition.to_owned());
        let line = format!("{definition}\n");
        let properties = properties::parse(line.as_bytes()).map_err(|_| malformed())?;
        let [(name, value)] = &properties[..] else { return Err(malformed()) };
        self.set(name, value, Source::Define);
        Ok(())
    }

    /// Gives what a file says: a path, `file://path`, or `http://...`. A file that does not exist says nothing, and
    /// [`Settings::configure`] tells so. Source: driver spec 14.6.
    ///
    /// # Errors
    /// When it cannot be read, fetched or understood. Lines before one that is malformed count.
    pub fn load(&mut self, name: &str) -> Result<(), SourceError> {
        let text = if name.starts_with("http://") || name.starts_with("https://") {
            http::get(name).map_err(|source| SourceError::Fetch { name: name.to_owned(), source })?
        } else {
            let path = Path::new(name.strip_prefix("file://").unwrap_or(name));
            match std::fs::read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.missing.push(name.to_owned());
                    return Ok(());
                }
                read => read.map_err(|source| SourceError::Unreadable { name: name.to_owned(), source })?,
            }
        };
        let properties = properties::parse(&text)
            .map_err(|source| SourceError::Malformed { name: name.to_owned(), source })?;
        for (property, value) in properties {
            self.set(&property, &value, Source::File(name.to_owned()));
        }
        Ok(())
    }

    /// The value given for a setting, by its own name before others.
    #[must_use]
    pub fn given(&self, setting: &Setting) -> Option<&Given> {
        let names = std::iter::once(&setting.property).chain(setting.aliases);
        names.into_iter().find_map(|name| self.given.get(&variable_name(name)))
    }

    /// The configuration that all this amounts to, and what there is to tell about it, errors of
    /// [`Context::errors`] included.
    #[must_use]
    pub fn configure(&self) -> (Context, Vec<Notice>) {
        let defaults = Context::default();
        let mut context = Context::default();
        let mut notices: Vec<Notice> = self.missing.iter().map(|name| missing(name)).collect();
        for setting in settings() {
            if let Some(given) = self.given(setting) {
                apply(setting, given, &defaults, &mut context, &mut notices);
            }
        }
        self.name_the_strategy_of_arguments(&mut context);
        notices.extend(self.unknown());
        notices.extend(context.doubts().iter().map(|doubt| Notice::Warning(doubt.to_string())));
        notices.extend(context.errors().iter().map(|error| Notice::Error(error.to_string())));
        (context, notices)
    }

    /// Arguments alone are meant for Aeron's default of the native resource agent, to sleep. Source: driver spec 1.3.
    fn name_the_strategy_of_arguments(&self, context: &mut Context) {
        const STRATEGY: &str = "AERON_DRIVER_NATIVE_RESOURCE_AGENT_IDLE_STRATEGY";
        const ARGUMENTS: &str = "AERON_DRIVER_NATIVE_RESOURCE_AGENT_IDLE_STRATEGY_INIT_ARGS";
        let idle: &mut IdleSettings = &mut context.threads.native_resource_agent_idle;
        if self.given.contains_key(ARGUMENTS) && !self.given.contains_key(STRATEGY) {
            idle.strategy = "sleep-ns".to_owned();
        }
    }

    /// Names that no setting has. Variables of the environment count only when they are close to one: other programs
    /// have theirs there too.
    fn unknown(&self) -> impl Iterator<Item = Notice> {
        let is_known = |variable: &str| settings().any(|setting| setting.is_named(variable));
        self.given.iter().filter(move |(variable, _)| !is_known(variable)).filter_map(|(variable, given)| {
            let is_environment = given.source == Source::Environment;
            let concerns_others = FOREIGN.iter().any(|prefix| variable.starts_with(prefix));
            let is_ours = ["AERON_", "EPONA_"].iter().any(|prefix| variable.starts_with(prefix));
            if concerns_others || !is_ours {
                return None;
            }
            let hint = match nearest(variable, settings().map(|setting| setting.property)) {
                Some(property) if is_environment => format!(": did you mean {}?", variable_name(property)),
                Some(property) => format!(": did you mean {property}?"),
                None if is_environment => return None,
                None => String::new(),
            };
            Some(Notice::Warning(format!(
                "{} ({}) is not a setting of this driver{hint}",
                given.name, given.source
            )))
        })
    }
}

/// What clients, samples and other parts of Aeron have in the same files and environments.
const FOREIGN: [&str; 10] = [
    "AERON_CLIENT_",
    "AERON_SAMPLE_",
    "AERON_ARCHIVE_",
    "AERON_CLUSTER_",
    "AERON_SPY_",
    "AERON_TUTORIAL_",
    "AERON_DEBUG_",
    "AERON_HOME",
    "AERON_JAR",
    "AERON_VERSION",
];

fn missing(name: &str) -> Notice {
    Notice::Ignored(format!("properties file {name} does not exist: nothing is taken from it"))
}

fn apply(
    setting: &Setting,
    given: &Given,
    defaults: &Context,
    context: &mut Context,
    notices: &mut Vec<Notice>,
) {
    let Given { name, value, .. } = given;
    match setting.apply(context, value) {
        Ok(applied) => {
            if applied == Applied::Clamped {
                notices.push(Notice::Warning(format!(
                    "{name}={value} is out of range, using {}: it takes {}",
                    setting.show(context),
                    setting.takes()
                )));
            }
            if let Status::Ignored(why) = setting.status
                && value != "default"
            {
                notices.push(Notice::Warning(format!("{name}={value} has no effect: {why}")));
            }
        }
        Err(Rejected::Invalid(takes)) => notices.push(Notice::Ignored(format!(
            "{name}={value} is invalid, using default {}: it takes {takes}",
            setting.show(defaults)
        ))),
        Err(Rejected::Refused(why)) => notices.push(Notice::Error(format!("{name}={value}: {why}"))),
    }
}
