//! The command line of `eponamd`: what `aeronmd` takes, and more.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Command, Output};

/// Runs the program in an environment of its own, without Aeron's variables.
fn eponamd(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eponamd"));
    command.env_clear().args(arguments).envs(variables.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_version_is_printed_in_the_form_of_aeronmd() {
    let output = eponamd(&["-v"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let rest = text.split_once("eponamd <").unwrap().1;
    assert!(rest.contains("> major ") && rest.contains(" minor ") && rest.contains(" git "), "{text}");
}

#[test]
fn help_lists_options_and_settings() {
    let output = eponamd(&["--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for word in ["-D <NAME=VALUE>", "--print-config", "aeron.term.buffer.length=16m"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn bad_command_lines_end_with_usage_and_1() {
    for arguments in [&["-x"][..], &["--dir"], &["-D"], &["--threading-mode", "CHAOS"]] {
        let output = eponamd(arguments, &[]);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("--help"), "{}", stderr(&output));
    }
    let output = eponamd(&["-Dnonsense"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("malformed define"), "{}", stderr(&output));
}

#[test]
fn environment_defines_files_and_options_win_in_that_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("driver.properties");
    std::fs::write(&file, "aeron.max.resend=3\naeron.dir=/file\n").unwrap();
    let arguments = [
        file.to_str().unwrap(),
        "-Daeron.max.resend=2",
        "-Daeron.mtu.length=2k",
        "/no/such/file",
        "--dir=/option",
        "--threading-mode=shared",
        "--print-config",
    ];
    let variables = [("AERON_MTU_LENGTH", "4k"), ("AERON_TIMER_INTERVAL", "2s")];
    let output = eponamd(&arguments, &variables);
    let warning = "WARNING: properties file /no/such/file does not exist: nothing is taken from it\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), warning));
    let text = stdout(&output);
    for (setting, source) in [
        ("aeron.timer.interval = 2s", "environment"),
        ("aeron.mtu.length = 2k", "-D"),
        ("aeron.max.resend = 3", file.to_str().unwrap()),
        ("aeron.dir = /option", "--dir"),
        ("aeron.threading.mode = SHARED", "--threading-mode"),
    ] {
        let line = text.lines().find(|line| line.starts_with(&format!("{setting} "))).unwrap();
        assert!(line.ends_with(source), "{line}");
    }
}

#[test]
fn checking_tells_what_is_wrong_and_fails_only_then() {
    let output = eponamd(&["--check-config"], &[]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let output = eponamd(&["--check-config", "-Daeron.mtu.lenght=2k"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("did you mean aeron.mtu.length?"), "{}", stderr(&output));
    let output = eponamd(&["--check-config"], &[("AERON_TERM_BUFFER_LENGTH", "100k")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("AERON_TERM_BUFFER_LENGTH=100k"), "{}", stderr(&output));
}

#[test]
fn a_check_passes_values_that_are_clamped_and_fails_what_is_not_in_force_at_all() {
    for (argument, code, told) in [
        ("-Daeron.mtu.length=70000", 0, "using 65504: it takes a size, 32 to 65504"),
        (
            "-Daeron.threading.mode=FOO",
            1,
            "aeron.threading.mode=FOO is invalid, using default DEDICATED: it takes one of",
        ),
        ("-Depona.socket.busy.poll=soon", 1, "epona.socket.busy.poll=soon is invalid, using default 0ns"),
        ("-Daeron.timer.interval=soon", 1, "aeron.timer.interval=soon is invalid, using default 1s"),
        ("/no/such/file", 1, "properties file /no/such/file does not exist"),
        ("-Daeron.term.buffer.length=1000", 1, "term length 1000 must be"),
    ] {
        let output = eponamd(&["--check-config", argument], &[]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(told) && text.lines().count() == 1, "{argument}: {text}");
        let verdict = if code == 0 { "configuration is valid, with warnings\n" } else { "" };
        assert_eq!(stdout(&output), verdict);
    }
}
