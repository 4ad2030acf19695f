//! The live page of `epona metrics` in a browser, while messages flow.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use epona_client::{Aeron, Context, ExclusivePublication, Subscription};
use epona_media_driver::EmbeddedDriver;
use harness::{Epona, await_that, free_channel, skipped};
use serde_json::{Value, json};

/// Far more than an answer of the browser takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A headless Chromium with one page, spoken to through its debugging pipe: JSON, each message ended by a zero byte.
struct Browser {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    next_id: u64,
    session: Value,
}

impl Browser {
    /// Opens a page; `None` where there is no Chromium.
    fn open(profile: &Path, url: &str) -> Option<Self> {
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|program| {
            let mut version = Command::new(program);
            version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            version.status().is_ok_and(|status| status.success())
        })?;
        // The browser reads descriptor 3 and writes descriptor 4.
        let script = format!(
            "exec {program} --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
             --disable-sync --disable-component-update --disable-dev-shm-usage --remote-debugging-pipe \
             --user-data-dir=\"$1\" 3<&0 4>&1 >/dev/null 2>&1"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = messages_of(child.stdout.take().unwrap());
        let mut browser = Self { child, requests, answers, next_id: 0, session: Value::Null };
        let target = browser.call("Target.createTarget", &json!({ "url": url }))["targetId"].clone();
        let attach = json!({ "targetId": target, "flatten": true });
        browser.session = browser.call("Target.attachToTarget", &attach)["sessionId"].clone();
        assert!(browser.session.is_string(), "the browser opens no page: {target}");
        Some(browser)
    }

    /// The result of a command; nothing when it failed.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next_id += 1;
        let mut request = json!({ "id": self.next_id, "method": method, "params": parameters });
        if self.session.is_string() {
            request["sessionId"] = self.session.clone();
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).unwrap();
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).expect("an answer of the browser");
            if answer["id"] == self.next_id {
                return answer["result"].clone();
            }
        }
    }

    /// What an expression is on the page a moment from now; nothing while that throws, as it does before the page is there.
    fn evaluate(&mut self, expression: &str) -> Value {
        let paced = format!("new Promise((told) => setTimeout(told, 100)).then(() => ({expression}))");
        let parameters = json!({ "expression": paced, "returnByValue": true, "awaitPromise": true });
        self.call("Runtime.evaluate", &parameters)["result"]["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn messages_of(stream: impl std::io::Read + Send + 'static) -> Receiver<Value> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for message in BufReader::new(stream).split(0).map_while(Result::ok) {
            if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                return;
            }
        }
    });
    messages
}

/// Publishes and takes messages until told to stop; two more are published than taken, so that there is a lag.
fn flow(publication: &mut ExclusivePublication, subscription: &mut Subscription, stop: &AtomicBool) {
    let (mut published, mut taken) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        published += u64::from(publication.offer(&[7; 100]).is_ok());
        if published > taken + 2 {
            taken += subscription.poll(|_, _| (), 1) as u64;
        }
        thread::yield_now();
    }
}

/// What the page shows.
const SHOWN: &str = "{
    state: document.getElementById('state').textContent,
    lines: Object.fromEntries(['rate', 'lag', 'loss'].map((plot) => [plot,
        [...document.querySelectorAll(`#${plot} polyline`)].map((line) => line.points.numberOfItems)])),
    inside: ['rate', 'lag', 'loss'].every((plot) => {
        const canvas = document.getElementById(plot).getBoundingClientRect();
        return canvas.height > 100 && [...document.querySelectorAll(`#${plot} polyline, #${plot} text`)].every((part) => {
            const box = part.getBoundingClientRect();
            return box.left > canvas.left && box.right < canvas.right
                && box.top > canvas.top && box.bottom < canvas.bottom;
        });
    }),
    texts: ['rate', 'lag', 'loss'].map((plot) =>
        [...document.querySelectorAll(`#${plot} text`)].map((text) => text.textContent)),
    rows: [...document.querySelectorAll('#streams tr')].map((row) => [...row.cells].map((cell) => cell.textContent)),
    legends: ['rate', 'lag', 'loss'].map((plot) => document.getElementById(`${plot}-legend`).textContent),
}";

#[test]
fn the_page_plots_rates_lags_and_losses_while_messages_flow() {
    let driver = EmbeddedDriver::launch().unwrap();
    let aeron = Aeron::connect(Context::new().dir(driver.directory()).client_name("flow")).unwrap();
    let channel = free_channel();
    let mut subscription = aeron.add_subscription(&channel, 7).unwrap();
    let mut publication = aeron.add_exclusive_publication(&channel, 7).unwrap();
    await_that("a connection", || publication.is_connected() && subscription.is_connected());
    let mut epona = Epona::start(driver.directory(), &["metrics", "--listen", "127.0.0.1:0"]);
    let told = epona.await_note("Serving http://");
    let url = format!("http://{}", told.split("http://").nth(1).unwrap().split(' ').next().unwrap());

    let profile = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::open(profile.path(), &url) else {
        return skipped("the live page is not looked at: there is no chromium");
    };
    let stop = AtomicBool::new(false);
    let mut shown = Value::Null;
    thread::scope(|scope| {
        scope.spawn(|| flow(&mut publication, &mut subscription, &stop));
        // Ends the traffic when the test fails, too.
        let _ending = StopOnDrop(&stop);
        await_that("rates of both streams on the page", || {
            shown = browser.evaluate(SHOWN);
            let (Some(lines), Some(rows)) = (shown["lines"]["rate"].as_array(), shown["rows"].as_array())
            else {
                return false;
            };
            let flows =
                |row: &Value| row[3].as_str().is_some_and(|rate| !rate.is_empty() && !rate.starts_with("0 "));
            lines.len() == 2
                && lines.iter().all(|points| points.as_u64() >= Some(2))
                && rows.iter().all(flows)
        });
    });
    let state = shown["state"].as_str().unwrap();
    assert!(state.contains(&format!("driver pid {}", std::process::id())), "{shown}");
    assert!(state.ends_with("clients: flow"), "{shown}");
    // The sender's and the subscriber's lag; what was lost and what was sent again.
    for (plot, lines) in [("lag", 2), ("loss", 2)] {
        assert_eq!(shown["lines"][plot].as_array().unwrap().len(), lines, "{plot} of {shown}");
    }
    assert_eq!(shown["inside"], true, "lines or texts leave their plots: {shown}");
    for texts in shown["texts"].as_array().unwrap() {
        let texts = texts.as_array().unwrap();
        let different: HashSet<_> = texts.iter().map(|text| text.as_str().unwrap()).collect();
        assert_eq!(different.len(), texts.len(), "an axis says the same twice: {texts:?}");
    }
    let rows = shown["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "a publication and its image: {shown}");
    assert!(rows.iter().all(|row| row[0].as_str().unwrap().contains(&channel)), "{shown}");
    assert!(rows[0][4].as_str().unwrap().ends_with('B'), "the window of the publication: {shown}");

    // A page that has lost its driver says so.
    drop((publication, subscription, aeron));
    drop(driver);
    await_that("the end of the driver on the page", || {
        browser.evaluate("document.getElementById('state').className") == "down"
    });
}

/// Ends the traffic however the test ends.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
