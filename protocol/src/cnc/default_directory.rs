//! Where a driver and its clients meet when nobody says where.

use std::{env, fs, path::PathBuf};

/// `/dev/shm/aeron-<user>` on Linux, `<temporary directory>/aeron-<user>` elsewhere.
///
/// The user is what `lookup` has under `USER` (on Windows also `USERNAME`), then the account's name, then `default`:
/// containers and services often run without `USER`, and a driver and its clients must not part over that.
/// Source: shared-memory spec 1.1.
#[must_use]
pub fn default_directory(lookup: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let base = if cfg!(target_os = "linux") { PathBuf::from("/dev/shm") } else { env::temp_dir() };
    let names: &[&str] = if cfg!(windows) { &["USER", "USERNAME"] } else { &["USER"] };
    let user = names.iter().filter_map(|name| lookup(name)).find(|user| !user.is_empty());
    let user = user.or_else(account_name).unwrap_or_else(|| "default".to_owned());
    base.join(format!("aeron-{user}"))
}

/// The name of this process's account, from the kernel's view of the process and the accounts file.
fn account_name() -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    let uid = fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_named_for_the_user_of_the_environment() {
        let ada = |name: &str| (name == "USER").then(|| "ada".to_owned());
        assert!(default_directory(&ada).ends_with("aeron-ada"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn is_named_for_the_account_when_the_environment_has_no_user() {
        let account = std::process::Command::new("id").args(["-r", "-u", "-n"]).output().unwrap();
        let account = String::from_utf8(account.stdout).unwrap();
        let account = if account.trim().is_empty() { "default" } else { account.trim() };
        let expected = PathBuf::from(format!("/dev/shm/aeron-{account}"));
        assert_eq!(default_directory(&|_| None), expected);
        assert_eq!(default_directory(&|_| Some(String::new())), expected, "an empty name is none");
    }
}
