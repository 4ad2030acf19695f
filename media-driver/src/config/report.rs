//! The configuration for people: every setting with its value, where the value comes from, and whether it does
//! anything (`--print-config`); and what every setting is (`--help`).

use std::fmt;

use super::{Context, Settings, Status, table::settings};

/// A configuration that displays as one line per setting: value, source, status.
#[derive(Debug)]
pub struct Report<'a> {
    /// What is in force.
    pub context: &'a Context,
    /// What was given.
    pub settings: &'a Settings,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in settings() {
            let given = self.settings.given(setting);
            let ignored = matches!(setting.status, Status::Ignored(_));
            if ignored && given.is_none() {
                continue;
            }
            let line = format!("{} = {}", setting.property, setting.show(self.context));
            let source = given.map_or_else(|| "default".to_owned(), |given| given.source.to_string());
            write!(f, "{line:<72}  # {source}")?;
            match setting.status {
                Status::Effective => {}
                Status::Ignored(why) => write!(f, "; no effect: {why}")?,
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Displays as a list of every setting: its default, what it takes, what it means, and its other names.
#[derive(Debug)]
pub struct Reference;

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let defaults = Context::default();
        for setting in settings() {
            writeln!(f, "  {}={}", setting.property, setting.show(&defaults))?;
            write!(f, "      {}; {}", setting.doc, setting.takes())?;
            for alias in setting.aliases {
                write!(f, "; also {alias}")?;
            }
            match setting.status {
                Status::Effective => writeln!(f)?,
                Status::Ignored(why) => writeln!(f, " (no effect: {why})")?,
            }
        }
        Ok(())
    }
}
