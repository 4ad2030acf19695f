//! Where a comparison was made.

use std::{collections::BTreeMap, fs, process::Command};

/// What the figures depend on beside the code, name and value; what cannot be found out is absent.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Of this machine, now.
    #[must_use]
    pub fn here() -> Self {
        let facts = [
            ("date", output("date", &["-u", "+%F %R UTC"])),
            ("commit", output("git", &["describe", "--always", "--dirty"])),
            ("rustc", output("rustc", &["--version"])),
            ("kernel", first_line("/proc/sys/kernel/osrelease")),
            ("processor", line_of("/proc/cpuinfo", "model name")),
            ("processors", std::thread::available_parallelism().ok().map(|count| count.to_string())),
            ("virtual_machine", line_of("/proc/cpuinfo", "flags").map(|flags| is_virtual(&flags))),
            ("governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
            ("memory", line_of("/proc/meminfo", "MemTotal")),
            ("load_before", first_line("/proc/loadavg")),
            ("net.core.rmem_max", first_line("/proc/sys/net/core/rmem_max")),
            ("net.core.wmem_max", first_line("/proc/sys/net/core/wmem_max")),
        ];
        Self(facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }

    /// Name and value of each fact.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn is_virtual(flags: &str) -> String {
    let is_virtual = flags.split_whitespace().any(|flag| flag == "hypervisor");
    if is_virtual { "yes" } else { "no" }.to_owned()
}

fn first_line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(str::to_owned)
}

/// The value of the first `name: value` of a file.
fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let environment = Environment::here();
        for name in ["kernel", "processors", "memory"] {
            assert!(environment.facts().any(|(fact, value)| fact == name && !value.is_empty()), "{name}");
        }
    }
}
