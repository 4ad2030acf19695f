//! Clients and drivers that are killed, at moments that hurt.

use std::{
    cell::Cell,
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    thread,
    time::Duration,
};

use epona_client::{Aeron, ClientError, FragmentAssembler, Header, OfferError, Publication, Subscription};
use epona_protocol::counters::SystemCounter;

use crate::{
    process::{Driver, client_context, refused, until, workspace},
    traffic::{exchange, free_port, offer},
};

/// Messages that a victim sends before it gets to its point, and a survivor after that.
const BATCH: u32 = 10;
const AT_THE_POINT: &str = "at the point";

/// Where a victim is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// Between claim and commit.
    Claim,
    /// As [`Point::Claim`], on an exclusive publication.
    ExclusiveClaim,
    /// Some fragments of a message are out, others are not.
    Fragments,
    /// Wherever it happens to be while it sends as fast as it can.
    Anywhere,
}

impl Point {
    const ALL: [Self; 4] = [Self::Claim, Self::ExclusiveClaim, Self::Fragments, Self::Anywhere];
}

fn numbered(sender: u8, number: u32) -> Vec<u8> {
    let mut message = vec![sender; 5 + number as usize % 200];
    message[1..5].copy_from_slice(&number.to_le_bytes());
    message
}

/// The process that is killed: this test again, told by its environment what to do.
#[test]
#[ignore = "other tests start it in a process of its own"]
fn victim() {
    let Ok(point) = env::var("VICTIM_POINT") else { return };
    let variable = |name| env::var(name).unwrap();
    let aeron = Aeron::connect(client_context(Path::new(&variable("VICTIM_DIR")))).unwrap();
    let (channel, stream) = (variable("VICTIM_CHANNEL"), variable("VICTIM_STREAM").parse().unwrap());
    let point = *Point::ALL.iter().find(|known| format!("{known:?}") == point).unwrap();
    if point == Point::ExclusiveClaim {
        let mut publication = aeron.add_exclusive_publication(&channel, stream).unwrap();
        for number in 0..BATCH {
            until("the offer is taken", || publication.offer(&numbered(b'v', number)).ok());
        }
        let mut claim = publication.try_claim(100).unwrap();
        claim[..10].fill(1);
        rest_at_the_point();
    }
    let publication = aeron.add_publication(&channel, stream).unwrap();
    for number in 0..BATCH {
        offer(&publication, &numbered(b'v', number));
    }
    match point {
        Point::Claim | Point::ExclusiveClaim => {
            let mut claim = publication.try_claim(100).unwrap();
            claim[..10].fill(1);
            rest_at_the_point();
        }
        Point::Fragments => {
            let mut fragments = 0;
            publication
                .offer_with_reserved_value(&[1; 8192], |_| {
                    fragments += 1;
                    if fragments == 3 {
                        rest_at_the_point();
                    }
                    0
                })
                .unwrap();
        }
        Point::Anywhere => {
            announce();
            for number in BATCH.. {
                offer(&publication, &numbered(b'v', number));
            }
        }
    }
}

fn announce() {
    println!("{AT_THE_POINT}");
}

fn rest_at_the_point() -> ! {
    announce();
    loop {
        thread::park();
    }
}

type OnMessage = dyn FnMut(&[u8], &Header<'_>);

/// A victim and its survivors.
struct Scene {
    point: Point,
    name: String,
    victim: Child,
    publication: Publication,
    subscription: Subscription,
    assembler: FragmentAssembler<Box<OnMessage>>,
    received: Rc<Cell<Received>>,
}

/// Number of the message that is due next.
#[derive(Clone, Copy, Default)]
struct Received {
    from_victim: u32,
    from_survivor: u32,
}

impl Scene {
    fn open(aeron: &Aeron, directory: &Path, channel: &str, stream: i32, point: Point) -> Self {
        let subscription = aeron.add_subscription(channel, stream).unwrap();
        let publication = aeron.add_publication(channel, stream).unwrap();
        let name = format!("{point:?} on {channel}");
        let received = Rc::new(Cell::new(Received::default()));
        let (counts, title) = (received.clone(), name.clone());
        let on_message: Box<OnMessage> = Box::new(move |payload: &[u8], _: &Header<'_>| {
            let mut due = counts.get();
            let next = if payload[0] == b'v' { &mut due.from_victim } else { &mut due.from_survivor };
            assert_eq!(payload, numbered(payload[0], *next), "{title}: in order, whole, none lost");
            *next += 1;
            counts.set(due);
        });
        let assembler = FragmentAssembler::new(on_message);
        let victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crashes::victim", "--ignored", "--nocapture"])
            .env("VICTIM_POINT", format!("{point:?}"))
            .env("VICTIM_DIR", directory)
            .env("VICTIM_CHANNEL", channel)
            .env("VICTIM_STREAM", stream.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { point, name, victim, publication, subscription, assembler, received }
    }

    fn poll(&mut self) -> Received {
        let assembler = &mut self.assembler;
        self.subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 100);
        self.received.get()
    }

    /// Waits until the victim is where it is to die, and speaks after it.
    fn await_point(&mut self) {
        let stdout = BufReader::new(self.victim.stdout.take().unwrap());
        assert!(stdout.lines().any(|line| line.unwrap().contains(AT_THE_POINT)), "{}: no victim", self.name);
        if self.point == Point::Anywhere {
            until("the victim sends", || (self.poll().from_victim > 500).then_some(()));
        }
    }

    fn survivor_speaks(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            until("the offer is taken", || {
                self.poll();
                self.publication.offer(&numbered(b's', number)).ok()
            });
        }
    }
}

#[test]
fn a_client_killed_at_any_point_of_a_claim_blocks_nobody_for_long_and_loses_nothing_else() {
    let workspace = workspace();
    let mut driver = Driver::start(
        &workspace,
        &[
            "-Daeron.client.liveness.timeout=5s",
            "-Daeron.publication.unblock.timeout=6s",
            "-Daeron.timer.interval=200ms",
            "-Daeron.publication.linger.timeout=1s",
        ],
    );
    let aeron = driver.connect();
    let udp = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    let mut scenes = Vec::new();
    for channel in [udp.as_str(), "aeron:ipc"] {
        for point in Point::ALL {
            let stream = scenes.len() as i32 + 1;
            scenes.push(Scene::open(&aeron, driver.directory(), channel, stream, point));
        }
    }
    for scene in &mut scenes {
        scene.await_point();
        scene.survivor_speaks(0..BATCH);
    }
    for scene in &mut scenes {
        scene.victim.kill().unwrap();
        scene.victim.wait().unwrap();
    }
    for scene in &mut scenes {
        until(&scene.name.clone(), || {
            let received = scene.poll();
            (received.from_victim >= BATCH && received.from_survivor == BATCH).then_some(())
        });
        scene.survivor_speaks(BATCH..2 * BATCH);
        until(&scene.name.clone(), || (scene.poll().from_survivor == 2 * BATCH).then_some(()));
        if scene.point == Point::ExclusiveClaim {
            until("the victim's own stream ends", || {
                scene.poll();
                (scene.subscription.image_count() == 1).then_some(())
            });
        }
    }
    assert!(driver.counter(SystemCounter::UnblockedPublications) >= 6, "all that certainly were blocked");
    drop(scenes);
    for logs in ["publications", "images"] {
        let directory = driver.directory().join(logs);
        until("no log is left", || (fs::read_dir(&directory).unwrap().count() == 0).then_some(()));
    }
    assert!(driver.is_running());
    assert_eq!((driver.stderr().as_str(), driver.errors()), ("", Vec::new()));
}

#[test]
fn clients_notice_a_killed_driver_and_a_new_one_takes_its_place() {
    let workspace = workspace();
    let mut first = Driver::start(&workspace, &[]);
    first.cnc();
    let timeout = Duration::from_secs(5);
    let aeron = Aeron::connect(client_context(first.directory()).driver_timeout(timeout)).unwrap();
    refused(aeron.add_subscription("aeron:udp?endpoint=no-such-host.invalid:1", 1));
    let mut subscription = aeron.add_subscription("aeron:ipc", 1).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 1).unwrap();
    exchange(&publication, &mut subscription, 20);
    first.kill();
    until("the client notices", || aeron.is_closed().then_some(()));
    assert!(matches!(aeron.failure().as_deref(), Some(ClientError::DriverTimeout { .. })));
    until("the publication is closed", || (publication.offer(b"?") == Err(OfferError::Closed)).then_some(()));
    assert_eq!(subscription.poll(|_, _| {}, 10), 0);

    let second = start_when_allowed(&workspace);
    assert_eq!(fs::read_dir(second.directory().join("publications")).unwrap().count(), 0);
    let aeron = second.connect();
    let mut subscription = aeron.add_subscription("aeron:ipc", 1).unwrap();
    exchange(&aeron.add_publication("aeron:ipc", 1).unwrap(), &mut subscription, 20);
    let saved = fs::read_dir(workspace.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with("-error.log"))
        .unwrap();
    let text = fs::read_to_string(&saved).unwrap();
    assert!(text.contains("no-such-host.invalid") && text.contains("1 distinct errors observed"), "{text}");
    assert_eq!(
        second.stderr(),
        format!("WARNING: existing errors saved to: {}\n", saved.display()),
        "the new driver says where they are"
    );
}

/// Starts drivers until the heartbeat of the one before is old enough.
fn start_when_allowed(workspace: &tempfile::TempDir) -> Driver {
    until("a new driver starts", || {
        let mut driver = Driver::start(workspace, &["-Daeron.driver.timeout=2000"]);
        let pid = i64::from(driver.pid());
        until("it starts or is refused", || {
            let is_there =
                crate::process::cnc_of(driver.directory()).is_some_and(|cnc| cnc.metadata().pid == pid);
            (is_there || !driver.is_running()).then_some(())
        });
        if driver.is_running() {
            return Some(driver);
        }
        assert!(driver.refusal().contains("Active media driver detected"));
        None
    })
}
