//! Wrong command lines, and help.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use harness::run;

/// Commands that send or receive.
const COMMANDS: [&str; 5] = ["ping", "pong", "pub", "sub", "throughput"];

/// Commands that look at a driver's directory.
const LOOKING: [&str; 8] = ["stat", "top", "streams", "backlog", "errors", "loss", "metrics", "driver"];

/// All of them.
const ALL: [&str; 15] = [
    "ping",
    "pong",
    "pub",
    "sub",
    "throughput",
    "stat",
    "top",
    "streams",
    "backlog",
    "errors",
    "loss",
    "log",
    "metrics",
    "doctor",
    "driver",
];

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
    for command in ALL {
        let told = refused(&[command, "--colour"], 2);
        assert_eq!(
            told,
            format!("Error: unexpected argument '--colour' found; see `epona {command} --help`")
        );
    }
    for command in COMMANDS {
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
        let told = format!(
            "Error: no media driver at {place}: cnc.dat does not exist; start one with `eponamd`, or point elsewhere \
             with --dir or AERON_DIR"
        );
        assert_eq!(ended.stderr, [told]);
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
    for command in ALL {
        let ended = run(directory.path(), &[command, "--help"]).expect_code(0);
        let text = ended.stdout.join("\n");
        for part in ["Example", &format!("epona {command}"), "--dir"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        if COMMANDS.contains(&command) {
            assert!(["--embedded", "--channel", "--stream"].iter().all(|part| text.contains(part)), "{text}");
        }
    }
    let options = "--format --histogram --messages --warmup --length --pong-channel --pong-stream --rate";
    let text = run(directory.path(), &["ping", "--help"]).stdout.join("\n");
    assert!(options.split(' ').all(|option| text.contains(option)), "{text}");
    let text = run(directory.path(), &["--help"]).stdout.join("\n");
    assert!(ALL.iter().all(|command| text.contains(&format!("  {command} "))), "{text}");
}

#[test]
fn wrong_usage_gets_one_clear_line_and_a_status() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (none, file, other, full) = (place("none"), place("file"), place("other"), place("full"));
    std::fs::write(&file, "text").unwrap();
    std::fs::create_dir(&other).unwrap();
    let mut version = vec![0; 8192];
    version[2] = 9;
    std::fs::write(format!("{other}/cnc.dat"), version).unwrap();
    // A directory where there should be a file cannot be read by anybody, root or not.
    std::fs::create_dir_all(format!("{full}/cnc.dat")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let driver = epona_media_driver::EmbeddedDriver::launch().unwrap();
    let running = driver.directory().to_str().unwrap();

    let mut cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["log", "77", "--dir", &none], 1, "77"),
        (vec!["log", &none], 1, "cannot read"),
        (vec!["log", &file], 1, "not a log buffer"),
        (vec!["log"], 2, "LOG"),
        (vec!["errors", "--file", &none], 1, "cannot read"),
        (vec!["doctor", &none], 1, "does not exist"),
        (vec!["doctor", "--channel", "aeron:tcp?endpoint=x:1"], 2, "aeron:tcp"),
        (vec!["doctor", "-Dnonsense"], 1, "nonsense"),
        (vec!["metrics", "--listen", "nowhere"], 2, "--listen"),
        (vec!["metrics", "--listen", &address, "--dir", running], 1, "--listen"),
        (vec!["top", "--dir", running], 1, "needs a terminal"),
        (vec!["stat", "--type", "(", "--dir", running], 2, "--type"),
        (vec!["backlog", "--interval", "soon", "--dir", running], 2, "soon"),
        (vec!["streams", "--watch", "--once", "--dir", running], 2, "--once"),
        (vec!["driver", "--token", "x", "--dir", running], 2, "--terminate"),
        (vec!["ping", "--histogram", "/nowhere/at/all.hgrm"], 1, "/nowhere/at/all.hgrm"),
        (vec!["throughput", "--streams", "0"], 2, "1..=1000"),
        (vec!["throughput", "--length", "7"], 2, "8..=16777216"),
        (vec!["sub", "--embedded", "never", "--dir", &other], 1, "version"),
    ];
    for command in COMMANDS {
        cases.push((vec![command, "--dir", &other], 1, "version 9.0.0"));
    }
    for command in LOOKING {
        cases.push((vec![command, "--dir", &none], 1, "no media driver at"));
        cases.push((vec![command, "--dir", &file], 1, "cannot read"));
        cases.push((vec![command, "--dir", &other], 1, "version 9.0.0"));
        cases.push((vec![command, "--dir", &full], 1, "cannot"));
    }
    for (args, code, part) in cases {
        let ended = run(directory.path(), &args).expect_code(code);
        assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 1), "{args:?}: {ended:?}");
        let told = &ended.stderr[0];
        assert!(told.starts_with("Error: ") && told.contains(part), "{part} in {told}, for {args:?}");
    }
}
