//! `epona metrics`, spoken to as scrapers, browsers and attackers do.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use epona_client::{Aeron, Context};
use epona_media_driver::EmbeddedDriver;
use harness::{Epona, await_that, run, skipped};
use serde_json::Value;

/// More than any limit of the server, far less than for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of its own.
struct Metrics {
    epona: Epona,
    address: SocketAddr,
}

/// Status line, head and body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Metrics {
    fn start(directory: &Path) -> Self {
        let mut epona = Epona::start(directory, &["metrics", "--listen", "127.0.0.1:0"]);
        let told = epona.await_note("Serving http://");
        let address = told.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        Self { epona, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends raw bytes; the answer, or nothing when the server hangs up.
    fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        // The server may have seen enough before the end.
        let _ = stream.write_all(bytes);
        answer_on(&mut stream)
    }

    fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap()
    }
}

fn answer_on(stream: &mut TcpStream) -> Option<Answer> {
    let mut text = Vec::new();
    // What was read before a reset counts.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A series as one line of the text has it.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: HashMap<String, String>,
    value: f64,
}

/// Reads OpenMetrics text, and ends the test where it is not as the standard has it.
fn parse(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").expect("an end");
    let (mut family, mut kind, mut families, mut seen) =
        (String::new(), String::new(), HashSet::new(), HashSet::new());
    let mut samples = Vec::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<_> = comment.splitn(3, ' ').collect();
            let [what, name, rest] = words[..] else { panic!("{line}") };
            assert!(name.starts_with("epona_") && name.bytes().all(is_name), "{line}");
            match what {
                "HELP" => {
                    assert!(families.insert(name.to_owned()), "twice: {line}");
                    name.clone_into(&mut family);
                }
                "TYPE" => {
                    assert_eq!(name, family, "{line}");
                    rest.clone_into(&mut kind);
                }
                "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series.to_owned()), "twice: {line}");
        let (name, labels) = series
            .split_once('{')
            .map_or((series, ""), |(name, rest)| (name, rest.strip_suffix('}').unwrap()));
        let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} in {family}"));
        assert_eq!(
            (kind.as_str(), suffix),
            if kind == "counter" { ("counter", "_total") } else { ("gauge", "") }
        );
        let value: f64 = value.parse().unwrap();
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        samples.push(Sample { name: name.to_owned(), labels: parse_labels(labels), value });
    }
    samples
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn parse_labels(text: &str) -> HashMap<String, String> {
    let (mut labels, mut rest) = (HashMap::new(), text);
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(name.bytes().all(is_name), "{text}");
        let (mut unescaped, mut letters) = (String::new(), value.char_indices());
        let end = loop {
            match letters.next().expect("a closing quote") {
                (_, '\\') => match letters.next().unwrap().1 {
                    'n' => unescaped.push('\n'),
                    letter @ ('\\' | '"') => unescaped.push(letter),
                    other => panic!("\\{other} in {text}"),
                },
                (index, '"') => break index + 1,
                (_, letter) => unescaped.push(letter),
            }
        };
        assert!(labels.insert(name.to_owned(), unescaped).is_none(), "{text}");
        rest = value[end..].strip_prefix(',').unwrap_or_else(|| &value[end..]);
    }
    labels
}

/// What Prometheus' own Python client makes of it, where that is installed.
fn parse_with_python(text: &str) {
    let program = "import sys\n\
        try:\n    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        except ImportError:\n    sys.exit(77)\n\
        print(sum(len(family.samples) for family in parse(sys.stdin.read())))\n";
    let child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return skipped("there is no python3 to parse metrics with");
    };
    // An end without reading is told by the status.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(77) {
        return skipped("metrics are not parsed by prometheus_client: pip install prometheus-client");
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let count: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert_eq!(count, parse(text).len());
}

#[test]
fn metrics_tell_positions_lags_and_totals_with_labels_of_the_counters() {
    let driver = EmbeddedDriver::launch().unwrap();
    let client = |name| Aeron::connect(Context::new().dir(driver.directory()).client_name(name)).unwrap();
    let (source, risk) = (client("source"), client("risk \"\\ engine"));
    // Whatever a client calls its streams comes out as it went in.
    let channel = "aeron:ipc?alias=quo\"te and\\slash";
    let subscription = risk.add_subscription(channel, -7).unwrap();
    let mut publication = source.add_exclusive_publication(channel, -7).unwrap();
    await_that("a connection", || publication.is_connected());
    for _ in 0..3 {
        publication.offer(&[0; 100]).unwrap();
    }
    let metrics = Metrics::start(driver.directory());
    let is_complete = |samples: &[Sample]| {
        let of = |name: &str| samples.iter().find(|sample| sample.name == name);
        // The conductor samples positions once a turn; names come with the first keepalive.
        of("epona_subscriber_lag_bytes")
            .is_some_and(|lag| lag.value == 480.0 && lag.labels["client"].starts_with("risk"))
            && of("epona_publication_window_bytes").is_some_and(|window| window.labels["client"] == "source")
    };
    let mut text = String::new();
    await_that("the lag of three messages", || {
        let answer = metrics.get("/metrics");
        assert!(
            answer.head.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8")
        );
        text = answer.body;
        is_complete(&parse(&text))
    });
    parse_with_python(&text);
    let samples = parse(&text);
    let of = |name: &str| {
        samples.iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("{name} in {text}"))
    };
    assert_eq!(of("epona_driver_up").value, 1.0);
    assert_eq!(of("epona_driver_info").labels["pid"], std::process::id().to_string());
    let lag = of("epona_subscriber_lag_bytes");
    assert_eq!(lag.labels["client"], "risk \"\\ engine");
    assert_eq!(lag.labels["registration_id"], subscription.registration_id().to_string());
    let position = of("epona_publication_position_bytes_total");
    assert_eq!(position.value, 480.0);
    assert_eq!(
        (&position.labels["stream_id"], &position.labels["channel"]),
        (&"-7".to_owned(), &channel.to_owned())
    );
    for name in
        ["epona_sent_bytes_total", "epona_naks_sent_total", "epona_errors_total", "epona_mapped_bytes"]
    {
        assert!(of(name).labels.is_empty());
    }
}

#[test]
fn over_udp_back_pressure_naks_and_images_have_series_too() {
    let driver = EmbeddedDriver::launch().unwrap();
    let aeron = Aeron::connect(Context::new().dir(driver.directory())).unwrap();
    let channel = harness::free_channel();
    let subscription = aeron.add_subscription(&channel, 7).unwrap();
    let publication = aeron.add_publication(&channel, 7).unwrap();
    await_that("a connection", || publication.is_connected() && subscription.is_connected());
    let samples = parse(&Metrics::start(driver.directory()).get("/metrics").body);
    for (name, label) in [
        ("epona_publication_back_pressure_total", "registration_id"),
        ("epona_publication_naks_received_total", "session_id"),
        ("epona_publication_sent_position_bytes_total", "client"),
        ("epona_image_naks_sent_total", "correlation_id"),
        ("epona_image_missing_bytes", "stream_id"),
        ("epona_endpoint_active", "local_address"),
    ] {
        let sample = samples.iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("{name}"));
        assert!(!sample.labels[label].is_empty() || label == "client", "{sample:?}");
    }
}

#[test]
fn health_follows_the_driver_and_the_page_is_self_contained() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("driver");
    let launch = || {
        let context = epona_media_driver::Context::default().dir(&path).delete_dir_on_start(true);
        epona_media_driver::MediaDriver::launch(context).unwrap()
    };
    let driver = launch();
    let metrics = Metrics::start(&path);
    let health = metrics.get("/healthz");
    assert_eq!((health.status, &health.body[..3]), (200, "ok:"));
    let live: Value = serde_json::from_str(&metrics.get("/streams.json").body).unwrap();
    assert_eq!((&live["is_active"], &live["pid"]), (&true.into(), &std::process::id().into()));
    let page = metrics.get("/");
    assert!(page.head.contains("Content-Type: text/html") && page.body.contains("streams.json"));
    let elsewhere = page.body.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !elsewhere.contains("http://") && !elsewhere.contains("https://"),
        "nothing is fetched from elsewhere"
    );

    driver.close().unwrap();
    assert_eq!(metrics.get("/healthz").status, 503);
    assert_eq!(parse(&metrics.get("/metrics").body)[0].value, 0.0);
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!((metrics.get("/healthz").status, metrics.get("/streams.json").status), (503, 503));
    assert_eq!(parse(&metrics.get("/metrics").body).len(), 1, "all there is to tell is that no driver is up");
    let driver = launch();
    assert_eq!(metrics.get("/healthz").status, 200, "the next driver is found");
    driver.close().unwrap();

    metrics.epona.interrupt();
    metrics.epona.end().expect_code(0);
}

#[test]
fn what_is_no_good_request_is_refused() {
    let driver = EmbeddedDriver::launch().unwrap();
    let metrics = Metrics::start(driver.directory());
    let many = "x: y\r\n".repeat(100);
    let long = format!("x: {}", "y".repeat(100_000));
    for (request, status) in [
        ("GET /nowhere HTTP/1.1\r\n\r\n", 404),
        ("GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400),
        (&format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        (&format!("GET / HTTP/1.1\r\n{long}\r\n\r\n"), 431),
    ] {
        let answer = metrics.raw(request.as_bytes()).unwrap_or_else(|| panic!("no answer to {request:.40}"));
        assert_eq!(answer.status, status, "{request:.40}");
    }
    let head = metrics.raw(b"HEAD /metrics HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // Hanging up in the middle is nobody's problem.
    drop(metrics.connect());
    metrics.connect().write_all(b"GET /").unwrap();
    assert_eq!(metrics.get("/healthz").status, 200);
}

#[test]
fn slow_clients_are_timed_out_and_do_not_keep_others_away() {
    let driver = EmbeddedDriver::launch().unwrap();
    let metrics = Metrics::start(driver.directory());
    let mut slow: Vec<_> = (0..8).map(|_| metrics.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HT").unwrap();
    }
    assert_eq!(metrics.get("/healthz").status, 200);
    for stream in &mut slow {
        assert_eq!(answer_on(stream).unwrap().status, 408);
    }
}

#[test]
fn more_connections_than_are_served_at_once_are_sent_away() {
    let driver = EmbeddedDriver::launch().unwrap();
    let metrics = Metrics::start(driver.directory());
    let mut refused = String::new();
    await_that("a refusal", || {
        // The connections before the last may have to be accepted still, and are, in order. They end when idle for long.
        let idle: Vec<_> = (0..32).map(|_| metrics.connect()).collect();
        let answer = metrics.get("/healthz");
        refused = answer.body;
        drop(idle);
        answer.status == 503
    });
    assert!(refused.contains("32 connections are served already"), "{refused}");
    await_that("a place", || metrics.get("/healthz").status == 200);
}

#[test]
fn a_port_in_use_and_a_missing_driver_are_told_in_one_line() {
    let driver = EmbeddedDriver::launch().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(driver.directory(), &["metrics", "--listen", &address]).expect_code(1);
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    assert!(ended.stderr[0].contains(&address) && ended.stderr[0].contains("--listen"), "{ended:?}");
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), &["metrics"]).expect_code(1);
    assert!(ended.stderr.len() == 1 && ended.stderr[0].contains("no media driver at"), "{ended:?}");
}
