//! Kinds of values: small structs that read, limit and show one type of field each.

use std::{path::PathBuf, time::Duration};

use epona_protocol::{
    types::GroupTag,
    uri::units::{format_duration, format_size},
};

use super::{
    Context, InferableBool,
    setting::{Applied, Field, Kind, Rejected},
    values::{MAX_DURATION, parse_bool, parse_duration, parse_integer, parse_size},
};
use crate::media::port_manager::PortRange;

/// A whole number of any width, through `i64`.
pub(super) trait Whole: Copy {
    fn from_clamped(value: i64) -> Self;
    fn to_i64(self) -> i64;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Whole for $type {
            fn from_clamped(value: i64) -> Self {
                Self::try_from(value).unwrap_or(if value < 0 { Self::MIN } else { Self::MAX })
            }
            fn to_i64(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }
    )*};
}

whole!(u8, u32, i32, u64, i64, usize);

pub(super) struct Flag(pub(super) Field<bool>);

impl Kind for Flag {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        self.0.set(context, parse_bool(text).ok_or_else(|| self.invalid())?)
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).to_string()
    }
    fn takes(&self) -> String {
        "true or false".to_owned()
    }
}

pub(super) struct Inferable(pub(super) Field<InferableBool>);

impl Kind for Inferable {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = match text {
            "true" => InferableBool::True,
            "infer" => InferableBool::Infer,
            _ => InferableBool::False,
        };
        self.0.set(context, value)
    }
    fn show(&self, context: &Context) -> String {
        match (self.0.get)(context) {
            InferableBool::True => "true",
            InferableBool::Infer => "infer",
            InferableBool::False => "false",
        }
        .to_owned()
    }
    fn takes(&self) -> String {
        "true, false or infer".to_owned()
    }
}

pub(super) struct Integer<T: 'static> {
    pub(super) field: Field<T>,
    pub(super) min: i64,
    pub(super) max: i64,
}

impl<T: Whole> Kind for Integer<T> {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = parse_integer(text).ok_or_else(|| self.invalid())?;
        if value < 0 && self.min >= 0 {
            return Err(self.invalid());
        }
        self.field.set_clamped(context, value, (self.min, self.max), T::from_clamped)
    }
    fn show(&self, context: &Context) -> String {
        (self.field.get)(context).to_i64().to_string()
    }
    fn takes(&self) -> String {
        integer_range(self.min, self.max)
    }
}

/// A number that -1 stands for the absence of.
pub(super) struct OptionalInteger<T: 'static> {
    pub(super) field: Field<Option<T>>,
    pub(super) max: i64,
}

impl<T: Whole> Kind for OptionalInteger<T> {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = parse_integer(text).ok_or_else(|| self.invalid())?;
        let convert = |value| (value >= 0).then(|| T::from_clamped(value));
        self.field.set_clamped(context, value, (-1, self.max), convert)
    }
    fn show(&self, context: &Context) -> String {
        (self.field.get)(context).map_or(-1, T::to_i64).to_string()
    }
    fn takes(&self) -> String {
        integer_range(-1, self.max)
    }
}

fn integer_range(min: i64, max: i64) -> String {
    match max {
        i64::MAX => format!("a whole number of at least {min}"),
        _ => format!("a whole number, {min} to {max}"),
    }
}

pub(super) struct Tag(pub(super) Field<GroupTag>);

impl Kind for Tag {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        self.0.set(context, GroupTag::new(parse_integer(text).ok_or_else(|| self.invalid())?))
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).to_string()
    }
    fn takes(&self) -> String {
        "a whole number".to_owned()
    }
}

pub(super) struct OptionalTag(pub(super) Field<Option<GroupTag>>);

impl Kind for OptionalTag {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let tag = GroupTag::new(parse_integer(text).ok_or_else(|| self.invalid())?);
        self.0.set(context, Some(tag))
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).map(|tag| tag.to_string()).unwrap_or_default()
    }
    fn takes(&self) -> String {
        "a whole number".to_owned()
    }
}

pub(super) struct Size<T: 'static> {
    pub(super) field: Field<T>,
    pub(super) min: i64,
    pub(super) max: i64,
}

impl<T: Whole> Kind for Size<T> {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = parse_size(text).ok_or_else(|| self.invalid())?;
        self.field.set_clamped(context, value.to_i64(), (self.min, self.max), T::from_clamped)
    }
    fn show(&self, context: &Context) -> String {
        format_size((self.field.get)(context).to_i64().unsigned_abs())
    }
    fn takes(&self) -> String {
        size_range(self.min, self.max)
    }
}

/// A size whose type accepts only some: clamped first, refused then, as Aeron does. What is refused is what was given.
pub(super) struct CheckedSize<T: 'static, E: 'static> {
    pub(super) field: Field<T>,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) new: fn(i64) -> Result<T, E>,
    pub(super) bytes: fn(T) -> i32,
}

impl<T: Copy, E: ToString> Kind for CheckedSize<T, E> {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = parse_size(text).ok_or_else(|| self.invalid())?.to_i64();
        let clamped = value.clamp(self.min, self.max);
        let checked = (self.new)(clamped)
            .map_err(|error| Rejected::Refused((self.new)(value).err().unwrap_or(error).to_string()))?;
        self.field.set(context, checked)?;
        Ok(if clamped == value { Applied::AsGiven } else { Applied::Clamped })
    }
    fn show(&self, context: &Context) -> String {
        format_size((self.bytes)(*(self.field.get)(context)).unsigned_abs().into())
    }
    fn takes(&self) -> String {
        size_range(self.min, self.max)
    }
}

fn size_range(min: i64, max: i64) -> String {
    let least = format_size(min.unsigned_abs());
    match max {
        i64::MAX => format!("a size of at least {least}"),
        _ => format!("a size, {least} to {}", format_size(max.unsigned_abs())),
    }
}

pub(super) struct Time {
    pub(super) field: Field<Duration>,
    pub(super) min: Duration,
}

impl Kind for Time {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = parse_duration(text).ok_or_else(|| self.invalid())?;
        // Zero asks for as little as there is, and gets it.
        let value = if value.is_zero() { self.min } else { value };
        self.field.set_clamped(context, value, (self.min, MAX_DURATION), |value| value)
    }
    fn show(&self, context: &Context) -> String {
        format_duration(*(self.field.get)(context))
    }
    fn takes(&self) -> String {
        format!("a duration of at least {}", format_duration(self.min))
    }
}

pub(super) struct OptionalTime(pub(super) Field<Option<Duration>>);

impl Kind for OptionalTime {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let value = parse_duration(text).ok_or_else(|| self.invalid())?;
        self.0.set(context, Some(value))
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).map(format_duration).unwrap_or_default()
    }
    fn takes(&self) -> String {
        "a duration".to_owned()
    }
}

/// A duration that is written as a plain number of milliseconds.
pub(super) struct Millis(pub(super) Field<Duration>);

impl Kind for Millis {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let millis = parse_integer(text).and_then(|millis| u64::try_from(millis).ok());
        self.0.set(context, Duration::from_millis(millis.ok_or_else(|| self.invalid())?))
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).as_millis().to_string()
    }
    fn takes(&self) -> String {
        "a whole number of milliseconds, without a unit".to_owned()
    }
}

/// One of a few names; the first name of a value is how it is shown.
pub(super) struct Choice<T: 'static> {
    pub(super) field: Field<T>,
    pub(super) names: &'static [(&'static str, T)],
    /// Whether an unknown name is reason not to start.
    pub(super) is_strict: bool,
}

impl<T: Copy + PartialEq + Sync> Kind for Choice<T> {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        match self.names.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => self.field.set(context, *value),
            None if self.is_strict => Err(Rejected::Refused(format!("must be {}", self.takes()))),
            None => Err(self.invalid()),
        }
    }
    fn show(&self, context: &Context) -> String {
        let value = (self.field.get)(context);
        let name = self.names.iter().find(|(_, named)| named == value);
        name.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    }
    fn takes(&self) -> String {
        let is_short = |name: &&str| !name.starts_with("aeron_") && !name.contains("io.aeron");
        let names: Vec<&str> = self.names.iter().map(|(name, _)| *name).filter(is_short).collect();
        format!("one of {}", names.join(", "))
    }
}

pub(super) struct Text(pub(super) Field<Option<String>>);

impl Kind for Text {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        self.0.set(context, Some(text.to_owned()))
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).clone().unwrap_or_default()
    }
    fn takes(&self) -> String {
        "text".to_owned()
    }
}

/// The name of an idle strategy; checked together with its arguments when all is read.
pub(super) struct IdleName(pub(super) Field<String>);

impl Kind for IdleName {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        self.0.set(context, text.to_owned())
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).clone()
    }
    fn takes(&self) -> String {
        "one of adaptive, backoff, sleeping, sleep-ns, yield, spin, noop".to_owned()
    }
}

pub(super) struct Path(pub(super) Field<PathBuf>);

impl Kind for Path {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        self.0.set(context, PathBuf::from(text))
    }
    fn show(&self, context: &Context) -> String {
        (self.0.get)(context).display().to_string()
    }
    fn takes(&self) -> String {
        "a path".to_owned()
    }
}

pub(super) struct Ports(pub(super) Field<PortRange>);

impl Kind for Ports {
    fn apply(&self, context: &mut Context, text: &str) -> Result<Applied, Rejected> {
        let range = text.parse::<PortRange>().map_err(|error| Rejected::Refused(error.to_string()))?;
        self.0.set(context, range)
    }
    fn show(&self, context: &Context) -> String {
        let range = (self.0.get)(context);
        format!("{} {}", range.low, range.high)
    }
    fn takes(&self) -> String {
        "two ports, \"low high\"".to_owned()
    }
}

/// A setting without a field: read past, for the sake of files that other drivers share.
pub(super) struct Nothing;

impl Kind for Nothing {
    fn apply(&self, _context: &mut Context, _text: &str) -> Result<Applied, Rejected> {
        Ok(Applied::AsGiven)
    }
    fn show(&self, _context: &Context) -> String {
        String::new()
    }
    fn takes(&self) -> String {
        "text".to_owned()
    }
}
