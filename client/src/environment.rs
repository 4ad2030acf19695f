//! Settings that the environment gives a client: Aeron's variables, with Aeron's units.
//!
//! Source: shared-memory spec 1.1 and 11.1.

use std::{path::PathBuf, time::Duration};

use epona_protocol::{
    cnc::default_directory,
    uri::units::{parse_duration, parse_integer},
};

use crate::error::ClientError;

/// How a variable is looked up, so that tests need not change their process.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads a variable of this process; unset and empty are the same.
pub(crate) fn of_process(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `AERON_DIR`, else where a driver is by default.
/// Source: shared-memory spec 1.1.
pub(crate) fn directory(lookup: Lookup<'_>) -> PathBuf {
    if let Some(directory) = lookup("AERON_DIR") {
        return PathBuf::from(directory);
    }
    default_directory(lookup)
}

/// A whole number of milliseconds.
pub(crate) fn millis(name: &str, lookup: Lookup<'_>) -> Result<Option<Duration>, ClientError> {
    let Some(text) = lookup(name) else { return Ok(None) };
    let millis = parse_integer(&text).ok().and_then(|millis| u64::try_from(millis).ok());
    let millis = millis.ok_or_else(|| invalid(name, &text, "must be a number of milliseconds"))?;
    Ok(Some(Duration::from_millis(millis)))
}

/// Nanoseconds, or a number with one of the suffixes `ns`, `us`, `ms`, `s`.
pub(crate) fn duration(name: &str, lookup: Lookup<'_>) -> Result<Option<Duration>, ClientError> {
    let Some(text) = lookup(name) else { return Ok(None) };
    parse_duration(&text).map(Some).map_err(|error| invalid(name, &text, &error.to_string()))
}

/// `true`, `on`, `yes` or `1`, in any case; anything else is false.
pub(crate) fn flag(name: &str, lookup: Lookup<'_>) -> bool {
    lookup(name)
        .is_some_and(|text| matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "on" | "yes" | "1"))
}

fn invalid(name: &str, value: &str, wanted: &str) -> ClientError {
    ClientError::Configuration(format!("{name}={value} {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &'static str) -> impl Fn(&str) -> Option<String> {
        move |_| Some(String::from(value))
    }

    #[test]
    fn durations_take_a_unit_and_default_to_nanoseconds() {
        for (text, expected) in [
            ("5", Duration::from_nanos(5)),
            ("16ms", Duration::from_millis(16)),
            ("3S", Duration::from_secs(3)),
        ] {
            assert_eq!(duration("X", &with(text)).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(duration("X", &|_| None).unwrap(), None);
    }

    #[test]
    fn a_bad_duration_is_named_with_its_variable() {
        for text in ["s", "-1s", "3minutes"] {
            let error = duration("AERON_CLIENT_RESOURCE_LINGER_DURATION", &with(text)).unwrap_err();
            let shown = error.to_string();
            assert!(
                shown.contains("AERON_CLIENT_RESOURCE_LINGER_DURATION") && shown.contains(text),
                "{shown}"
            );
        }
        for text in ["10s", "-1", "soon"] {
            assert!(millis("AERON_DRIVER_TIMEOUT", &with(text)).is_err(), "{text}");
        }
        assert_eq!(millis("X", &with("250")).unwrap(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn the_directory_is_that_of_the_variable_or_of_the_user() {
        assert_eq!(directory(&with("/some/where")), PathBuf::from("/some/where"));
        let only_user = |name: &str| (name == "USER").then(|| String::from("ada"));
        assert!(directory(&only_user).ends_with("aeron-ada"));
        assert_eq!(directory(&|_| None), default_directory(&|_| None));
    }

    #[test]
    fn flags_are_true_only_when_said_so() {
        for (text, expected) in
            [("true", true), ("ON", true), ("yes", true), ("1", true), ("0", false), ("x", false)]
        {
            assert_eq!(flag("X", &with(text)), expected, "{text}");
        }
    }
}
