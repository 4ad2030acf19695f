//! Wrong command lines, and help.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use harness::run;

const COMMANDS: [&str; 4] = ["ping", "pong", "pub", "sub"];

/// Runs it in an empty directory; the one line that it must answer with.
fn refused(args: &[&str], code: i32) -> String {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), args).expect_code(code);
    assert!(ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    ended.stderr[0].clone()
}

#[test]
fn what_is_not_understood_is_named_in_one_line_with_the_way_to_help() {
    for command in COMMANDS {
        let told = refused(&[command, "--colour"], 2);
        assert_eq!(
            told,
            format!("Error: unexpected argument '--colour' found; see `epona {command} --help`")
        );
        let told = refused(&[command, "--embedded", "sometimes"], 2);
        for part in ["'sometimes'", "--embedded", "auto, always, never"] {
            assert!(told.contains(part), "{part} in {told}");
        }
        let told = refused(&[command, "--stream", "many"], 2);
        assert!(told.contains("'many'") && told.contains("--stream"), "{told}");
    }
    assert!(refused(&["pingpong"], 2).contains("unrecognized subcommand 'pingpong'"));
    assert!(refused(&[], 2).ends_with("see `epona --help`"));
}

#[test]
fn a_channel_that_is_none_is_refused_before_anything_starts() {
    for command in COMMANDS {
        let told = refused(&[command, "--channel", "aeron:tcp?endpoint=localhost:1"], 2);
        for part in ["--channel", "aeron:tcp", "must start with 'aeron:udp?' or 'aeron:ipc'"] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}

#[test]
fn numbers_out_of_range_are_told_their_range() {
    assert!(refused(&["ping", "--length", "15"], 2).contains("16..=16777216"));
    assert!(refused(&["ping", "--messages", "0"], 2).contains("--messages"));
    assert!(refused(&["ping", "--rate", "0"], 2).contains("--rate"));
    assert!(refused(&["pub", "--length", "10"], 2).contains("--messages"));
}

#[test]
fn a_missing_driver_is_explained_with_what_to_do() {
    for command in COMMANDS {
        let directory = tempfile::tempdir().unwrap();
        let ended = run(directory.path(), &[command, "--embedded", "never"]).expect_code(1);
        let place = directory.path().display();
        assert_eq!(
            ended.stderr,
            [
                format!("Error: no media driver at {place}: cnc.dat does not exist."),
                String::from(
                    "  Start one with `eponamd`, point elsewhere with AERON_DIR or Context::dir, or embed one with \
                     epona_media_driver::EmbeddedDriver."
                ),
            ]
        );
    }
}

#[test]
fn the_directory_is_taken_from_the_option_before_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other");
    let ended = run(directory.path(), &["sub", "--embedded", "never", "--dir", other.to_str().unwrap()])
        .expect_code(1);
    assert!(ended.stderr[0].contains(&format!("at {}:", other.display())), "{ended:?}");
}

#[test]
fn what_the_driver_refuses_is_told_in_its_words() {
    let directory = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let ended = run(directory.path(), &[command, "--channel", "aeron:udp?ttl=3"]).expect_code(1);
        let errors: Vec<_> = ended.stderr.iter().filter(|line| line.starts_with("Error: ")).collect();
        assert_eq!(errors.len(), 1, "{ended:?}");
        assert!(errors[0].contains("aeron:udp?ttl=3") && errors[0].contains("refused"), "{ended:?}");
    }
}

#[test]
fn one_embedded_driver_each_is_no_use_for_ipc() {
    for command in ["pong", "pub", "sub"] {
        let told = refused(&[command, "--embedded", "always", "--channel", "aeron:ipc"], 1);
        assert!(told.contains("start `eponamd`"), "{told}");
    }
}

#[test]
fn a_histogram_that_cannot_be_written_is_told_before_the_measurement() {
    let told = refused(&["ping", "--histogram", "/nowhere/at/all.hgrm"], 1);
    assert!(told.contains("/nowhere/at/all.hgrm"), "{told}");
}

#[test]
fn help_of_every_command_has_an_example_and_all_options() {
    let directory = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let ended = run(directory.path(), &[command, "--help"]).expect_code(0);
        let text = ended.stdout.join("\n");
        for part in ["Example", "epona ", "--dir", "--embedded", "--channel", "--stream"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let options = "--format --histogram --messages --warmup --length --pong-channel --pong-stream --rate";
    let text = run(directory.path(), &["ping", "--help"]).stdout.join("\n");
    assert!(options.split(' ').all(|option| text.contains(option)), "{text}");
    let text = run(directory.path(), &["--help"]).stdout.join("\n");
    assert!(COMMANDS.iter().all(|command| text.contains(command)), "{text}");
}
