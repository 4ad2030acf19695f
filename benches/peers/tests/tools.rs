//! What the program `epona` prints of a driver of either make, beside what Aeron's C library reads there.

mod common;

use std::process::Command;

use common::{Exchange, SEED, STREAM, client, cnc, driver, lossy, udp_channel};
use epona_peers::{
    aeron::{AeronClient, CounterEntry},
    party::{Client, DriverKind, Publication, Sharing},
    process::{DriverProcess, epona_program},
    transfer,
};

/// Runs the tests of this file for a kind of driver.
macro_rules! on_driver {
    ($name:ident: $kind:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn stat_prints_what_aeron_stat_would() {
                stat_is_aeron_stat(DriverKind::$kind);
            }

            #[test]
            fn streams_and_backlog_tell_the_positions_of_the_counters() {
                streams_and_backlog(DriverKind::$kind);
            }

            #[test]
            fn errors_prints_what_error_stat_would() {
                errors_is_error_stat(DriverKind::$kind);
            }

            #[test]
            fn loss_prints_what_loss_stat_would() {
                loss_is_loss_stat(DriverKind::$kind);
            }

            #[test]
            fn driver_tells_pid_and_version_and_ends_it() {
                driver_is_driver_tool(DriverKind::$kind);
            }
        }
    };
}

on_driver!(their_driver: Aeron);
on_driver!(our_driver: Epona);

/// The lines that a command of `epona` prints of a driver, and its status.
fn run(process: &DriverProcess, args: &[&str]) -> (Vec<String>, Option<i32>) {
    let program = epona_program().unwrap_or_else(|error| panic!("{error}"));
    let output =
        Command::new(program).args(args).arg("--dir").arg(process.dir()).env("TZ", "UTC").output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (lines, output.status.code())
}

fn lines(process: &DriverProcess, args: &[&str]) -> Vec<String> {
    let (lines, code) = run(process, args);
    assert_eq!(code, Some(0), "{args:?}: {lines:#?}");
    lines
}

/// A number with commas, as AeronStat has it. Source: aeron_strutil.c, aeron_format_number_to_locale.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group)).collect();
    format!("{}{}", if number < 0 { "-" } else { "" }, groups.join(","))
}

/// What a command prints while no counter comes or goes, between the counters before and after it: a driver may still be
/// adding some for what its clients were told of already.
fn lines_among_counters(
    process: &DriverProcess,
    args: &[&str],
) -> (Vec<CounterEntry>, Vec<String>, Vec<CounterEntry>) {
    let reader = cnc(process);
    let names = |counters: &[CounterEntry]| {
        counters.iter().map(|counter| (counter.id, counter.label.clone())).collect::<Vec<_>>()
    };
    let (mut before, mut printed, mut after) = Default::default();
    transfer::until("no counter comes or goes", &mut || (), || {
        before = reader.counters();
        printed = lines(process, args);
        after = reader.counters();
        names(&before) == names(&after)
    })
    .unwrap();
    (before, printed, after)
}

/// Whether a counter has the same value in the next moment: nothing of a clock or of turns.
fn stands_still(counter: &CounterEntry, later: &[CounterEntry]) -> bool {
    later.iter().any(|other| (other.id, other.value) == (counter.id, counter.value))
}

fn stat_is_aeron_stat(kind: DriverKind) {
    let process = driver(kind, &[]);
    let (mut one, mut other): (AeronClient, AeronClient) = (client(&process), client(&process));
    let _subscription = other.add_subscription("aeron:ipc", STREAM, &mut || ()).unwrap();
    let _publication = one.add_publication("aeron:ipc", STREAM, Sharing::Exclusive, &mut || ()).unwrap();
    let (before, lines, after) = lines_among_counters(&process, &["stat", "--once"]);
    let heading = format!(" - Aeron Stat (CnC v0.2.0), pid {}, heartbeat age ", process.id());
    assert!(lines[0].contains(&heading) && lines[0].ends_with("ms"), "{}", lines[0]);
    assert_eq!((lines[1].as_str(), lines.last().map(String::as_str)), (&*"=".repeat(70), Some("--")));
    let counters = &lines[2..lines.len() - 1];
    assert_eq!(counters.len(), before.len(), "every counter, once: {lines:#?}");
    let mut compared = 0;
    for (line, counter) in counters.iter().zip(&before) {
        let (id, rest) = line.split_once(": ").unwrap();
        assert_eq!(id.trim_start().parse(), Ok(counter.id), "in the order of ids: {line}");
        assert!(line.ends_with(&format!(" - {}", counter.label)), "{line} of {counter:?}");
        // Values of a living driver move between two looks; those that do not are the same to the letter.
        if stands_still(counter, &after) {
            assert_eq!(rest, format!("{:>26} - {}", grouped(counter.value), counter.label));
            compared += 1;
        }
    }
    assert!(compared > 30, "most counters of a driver at rest stand still: {compared}");
}

fn streams_and_backlog(kind: DriverKind) {
    let process = driver(kind, &[]);
    let (mut one, mut other): (AeronClient, AeronClient) = (client(&process), client(&process));
    let channel = udp_channel();
    let mut subscription = other.add_subscription(&channel, STREAM, &mut || ()).unwrap();
    let mut publication = one.add_publication(&channel, STREAM, Sharing::Exclusive, &mut || ()).unwrap();
    let plan = transfer::Plan { seed: SEED, terms: 1, claim: false };
    let position = {
        let mut turn = transfer::turns(&mut one, &mut other);
        transfer::run(&plan, &mut publication, &mut subscription, &mut turn).unwrap().position
    };
    let session = publication.session_id();
    let mut printed = Vec::new();
    transfer::until("all positions at the end", &mut transfer::turns(&mut one, &mut other), || {
        printed = lines(&process, &["streams", "--once"]);
        let at_end = [" pub-pos (exclusive):", " snd-pos:", " rcv-hwm:", " rcv-pos:", " sub-pos:"];
        printed.len() == 1
            && at_end.iter().all(|name| {
                let value = printed[0].split(name).nth(1).and_then(|rest| rest.split([' ', ':']).nth(1));
                value == Some(position.to_string().as_str())
            })
    })
    .unwrap();
    let begin = format!("sessionId={session} streamId={STREAM} channel={channel} : ");
    assert!(printed[0].starts_with(&begin), "{printed:?}");
    let backlog = lines(&process, &["backlog"]);
    for part in [
        format!("sessionId={session} streamId={STREAM} channel={channel} :"),
        format!("the last sampled position is {position} "),
        format!("is at position {position}"),
        "has 0 backlog bytes".to_owned(),
        "=> nobody waits".to_owned(),
    ] {
        assert!(backlog.iter().any(|line| line.contains(&part)), "{part} in {backlog:#?}");
    }
}

fn errors_is_error_stat(kind: DriverKind) {
    let process = driver(kind, &[]);
    assert_eq!(lines(&process, &["errors"]), ["", "0 distinct errors observed."]);
    let mut refused: AeronClient = client(&process);
    for port in ["99999", "99998", "99999"] {
        let outcome =
            refused.add_subscription(&format!("aeron:udp?endpoint=127.0.0.1:{port}"), STREAM, &mut || ());
        assert!(outcome.is_err(), "port {port} is none");
    }
    let reader = cnc(&process);
    transfer::until("two distinct errors", &mut || (), || reader.errors().len() == 2).unwrap();
    let printed = lines(&process, &["errors"]).join("\n");
    let mut rest = printed.as_str();
    for error in reader.errors() {
        let count = format!("***\n{} observations from ", error.observations);
        rest = rest.strip_prefix(&count).unwrap_or_else(|| panic!("{count:?} in {printed}"));
        let (times, after) = rest.split_once(" for:\n ").unwrap();
        assert!(times.contains("+0000 to ") && times.ends_with("+0000"), "{times}");
        rest = after.strip_prefix(&error.text).unwrap_or_else(|| panic!("{:?} in {printed}", error.text));
        rest = rest.strip_prefix('\n').unwrap();
    }
    assert_eq!(rest, "\n2 distinct errors observed.");
}

fn loss_is_loss_stat(kind: DriverKind) {
    let (from, to) = (driver(kind, &[]), driver(kind, &lossy(SEED)));
    Exchange::new(Sharing::Exclusive, 4).run::<AeronClient, AeronClient>(&from, &to, &udp_channel());
    let printed = lines(&to, &["loss"]);
    let losses = cnc(&to).losses();
    assert_eq!(
        printed[0],
        "OBSERVATION_COUNT, TOTAL_BYTES_LOST, FIRST_OBSERVATION,LAST_OBSERVATION, SESSION_ID, STREAM_ID, CHANNEL, SOURCE"
    );
    assert_eq!(printed.last(), Some(&format!("{} entries read", losses.len())));
    assert_eq!(printed.len(), losses.len() + 2, "{printed:#?}");
    for (line, loss) in printed[1..].iter().zip(&losses) {
        assert!(line.starts_with(&format!("{},{},", loss.observations, loss.bytes)), "{line} of {loss:?}");
        let end = format!(",{},{},{},{}", loss.session_id, loss.stream_id, loss.channel, loss.source);
        assert!(line.ends_with(&end), "{line} of {loss:?}");
    }
    assert_eq!(lines(&from, &["loss"]).last().map(String::as_str), Some("0 entries read"));
}

fn driver_is_driver_tool(kind: DriverKind) {
    let mut process = driver(kind, &[("aeron.driver.termination.validator", "allow".to_owned())]);
    let pid = process.id().to_string();
    assert_eq!(lines(&process, &["driver", "--pid"]), std::slice::from_ref(&pid));
    let printed = lines(&process, &["driver"]);
    assert_eq!(printed[0], format!("Command 'n Control cnc_file: {}/cnc.dat", process.dir().display()));
    assert_eq!(printed[1], format!("Version: 512, PID: {pid}"));
    assert!(printed[2].contains(" (start: ") && printed[2].contains(", activity: "), "{}", printed[2]);
    assert_eq!(lines(&process, &["driver", "--terminate"]), Vec::<String>::new());
    assert_eq!(process.wait().unwrap().0, Some(0), "ended on request");
}
