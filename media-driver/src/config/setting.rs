//! What a setting is: a name, a kind of value with its limits, and the field of [`Context`] that holds it.
//!
//! A kind (`kinds`) reads, limits and shows one type of field; the file of each area names a kind and a field per
//! setting. Everything else (parsing, printing, help) goes through [`Setting`].

use std::time::Duration;

use super::Context;

/// One setting of a driver.
pub struct Setting {
    /// Its name as a property, such as `aeron.mtu.length`.
    pub property: &'static str,
    /// Other names that it goes by, in the spelling of Aeron Java or of earlier versions.
    pub aliases: &'static [&'static str],
    /// Whether it does anything.
    pub status: Status,
    /// What it means, in one line.
    pub doc: &'static str,
    pub(super) kind: &'static dyn Kind,
}

/// Whether a setting does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Effective,
    /// It is accepted so that shared files work, and never will: here is why.
    Ignored(&'static str),
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in force as given.
    AsGiven,
    /// It was out of range; the nearest limit is in force.
    Clamped,
}

/// Why a value is not in force; the default is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Not a value of this kind: worth a warning. Holds what would be one.
    Invalid(String),
    /// A value that no driver may start with.
    Refused(String),
}

impl Setting {
    /// Its name as an environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        variable_name(self.property)
    }

    /// Whether this is one of its names, as a property or as an environment variable.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let name = variable_name(name);
        self.variable() == name || self.aliases.iter().any(|alias| variable_name(alias) == name)
    }

    /// Reads a value into its field.
    ///
    /// # Errors
    /// When the text is not such a value, or one that no driver may start with. The field is as before then.
    pub fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        self.kind.apply(context, text)
    }

    /// The value in force, in a form that reads back as itself; empty for none.
    #[must_use]
    pub fn show(&self, context: &Context) -> String {
        self.kind.show(context)
    }

    /// What values it takes.
    #[must_use]
    pub fn takes(&self) -> String {
        self.kind.takes()
    }
}

/// The environment variable for a property: upper case, `.` as `_`. Source: driver spec 9.1.
#[must_use]
pub fn variable_name(property: &str) -> String {
    property.to_ascii_uppercase().replace('.', "_")
}

pub(super) trait Kind: Sync {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected>;
    fn show(&self, context: &Context) -> String;
    fn takes(&self) -> String;

    fn invalid(&self) -> Rejected {
        Rejected::Invalid(self.takes())
    }
}

pub(super) struct Field<T> {
    pub(super) get: fn(&Context) -> &T,
    pub(super) get_mut: fn(&mut Context) -> &mut T,
}

impl<T> Field<T> {
    pub(super) fn set(&self, context: &mut Context, value: T) -> Result<Applied, Rejected> {
        *(self.get_mut)(context) = value;
        Ok(Applied::AsGiven)
    }

    pub(super) fn set_clamped<V: Ord + Copy>(
        &self,
        context: &mut Context,
        value: V,
        (min, max): (V, V),
        convert: impl Fn(V) -> T,
    ) -> Result<Applied, Rejected> {
        let clamped = value.clamp(min, max);
        *(self.get_mut)(context) = convert(clamped);
        Ok(if clamped == value { Applied::AsGiven } else { Applied::Clamped })
    }
}

/// The field of a [`Context`] by its path.
macro_rules! field {
    ($($path:ident).+) => {
        $crate::config::setting::Field {
            get: |context| &context.$($path).+,
            get_mut: |context| &mut context.$($path).+,
        }
    };
}
pub(super) use field;

/// Largest number of many settings, which Aeron keeps in 32 bits.
pub(super) const MAX_I32: i64 = i32::MAX as i64;
/// Least time of many settings.
pub(super) const MICROSECOND: Duration = Duration::from_micros(1);
/// Least time of many settings.
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
/// Why settings of Aeron's C driver that name code do nothing.
pub(super) const NO_NATIVE_CODE: &str = "this driver loads no native code";

/// A setting that does something.
pub(super) const fn effective(property: &'static str, kind: &'static dyn Kind, doc: &'static str) -> Setting {
    Setting { property, aliases: &[], status: Status::Effective, doc, kind }
}

/// A setting that is read past, and why.
pub(super) const fn ignored(
    property: &'static str,
    kind: &'static dyn Kind,
    doc: &'static str,
    why: &'static str,
) -> Setting {
    Setting { property, aliases: &[], status: Status::Ignored(why), doc, kind }
}

impl Setting {
    /// The same, with other names beside its own.
    pub(super) const fn with_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}
