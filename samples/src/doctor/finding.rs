//! What a check found.

use std::fmt;

use serde::Serialize;

use crate::text;

/// What to make of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It will work, but not well, or not for long.
    Warn,
    /// It will not work.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    found: String,
    /// What to change; none where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    pub(super) fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    pub(super) fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

impl Finding {
    /// What nobody has asked for yet need not work.
    pub(super) fn unasked(self) -> Self {
        let verdict = if self.verdict == Verdict::Fail { Verdict::Warn } else { self.verdict };
        Self { verdict, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        writeln!(f, "  {verdict:<5} {:<15} {}", self.check, text::line(&self.found))?;
        match &self.advice {
            Some(advice) => writeln!(f, "  {:<5} {:<15} => {}", "", "", text::line(advice)),
            None => Ok(()),
        }
    }
}
