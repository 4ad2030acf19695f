//! Publisher and subscriber through a whole driver, threads and sockets and all.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests poll against a deadline and fail loudly"
)]

use std::{
    cell::Cell,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use epona_client::{
    Aeron, Context as ClientContext, FragmentAssembler, OfferError, Publication, Subscription,
};
use epona_media_driver::{Context, EmbeddedDriver, config::ThreadingMode};
use epona_protocol::{
    cnc::{Cnc, CncState},
    error_log,
    types::TermLength,
};

const DEADLINE: Duration = Duration::from_secs(60);

fn launch(mode: ThreadingMode) -> EmbeddedDriver {
    let context = Context::default().threading_mode(mode).term_lengths(TermLength::MIN);
    EmbeddedDriver::launch_with(context).unwrap()
}

fn connect(driver: &EmbeddedDriver) -> Aeron {
    Aeron::connect(ClientContext::new().dir(driver.directory())).unwrap()
}

fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        thread::yield_now();
    }
}

fn message(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| (number * 31 + i) as u8).collect()
}

/// Sends and receives alternately, so that one thread is enough; checks every byte.
fn exchange(publication: &Publication, subscription: &mut Subscription, messages: usize, lengths: &[usize]) {
    let received = Cell::new(0);
    let mut assembler = FragmentAssembler::new(|payload: &[u8], _: &epona_client::Header<'_>| {
        let number = received.get();
        assert_eq!(payload, message(number, lengths[number % lengths.len()]), "message {number}");
        received.set(number + 1);
    });
    let mut sent = 0;
    until("all messages exchanged", || {
        if sent < messages {
            match publication.offer(&message(sent, lengths[sent % lengths.len()])) {
                Ok(_) => sent += 1,
                Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => {}
                Err(error) => panic!("offer {sent}: {error}"),
            }
        }
        subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 10);
        (received.get() == messages).then_some(())
    });
}

fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn messages_pass_over_ipc_in_order_and_whole_across_terms() {
    let driver = launch(ThreadingMode::Shared);
    let aeron = connect(&driver);
    let mut subscription = aeron.add_subscription("aeron:ipc", 1001).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 1001).unwrap();
    exchange(&publication, &mut subscription, 2000, &[0, 1, 100, 1376, 1377, 5000, 8192]);
}

#[test]
fn messages_pass_over_udp_in_order_and_whole_across_terms() {
    for mode in [ThreadingMode::Shared, ThreadingMode::SharedNetwork, ThreadingMode::Dedicated] {
        let driver = launch(mode);
        let aeron = connect(&driver);
        let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
        let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
        let publication = aeron.add_publication(&channel, 1001).unwrap();
        exchange(&publication, &mut subscription, 500, &[0, 1, 100, 1376, 1377, 5000, 8192]);
    }
}

#[test]
fn spies_come_and_go_while_the_sender_sends() {
    let driver = launch(ThreadingMode::Dedicated);
    let (aeron, watcher) = (connect(&driver), connect(&driver));
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
    let publication = aeron.add_publication(&format!("{channel}|ssc=true"), 1001).unwrap();
    let (is_done, is_spied) = (AtomicBool::new(false), Barrier::new(2));
    let spied = format!("aeron-spy:{channel}");
    let seen = thread::scope(|scope| {
        let spying = scope.spawn(|| {
            let mut seen = 0;
            let mut spy = watcher.add_subscription(&spied, 1001).unwrap();
            until("the first spy is linked", || (spy.image_count() == 1).then_some(()));
            is_spied.wait();
            while !is_done.load(Ordering::Acquire) {
                until("a spy sees something, or the end", || {
                    let fragments = spy.poll(|_, _| (), 10);
                    seen += fragments;
                    (fragments > 0 || is_done.load(Ordering::Acquire)).then_some(())
                });
                drop(spy);
                spy = watcher.add_subscription(&spied, 1001).unwrap();
            }
            seen
        });
        is_spied.wait();
        exchange(&publication, &mut subscription, 3000, &[0, 100, 1376, 5000]);
        is_done.store(true, Ordering::Release);
        spying.join().unwrap()
    });
    assert!(seen > 0 && publication.is_connected());
    let CncState::Ready(cnc) = Cnc::open(driver.directory()).unwrap() else { panic!("the driver has gone") };
    assert_eq!(error_log::entries(cnc.error_log()).count(), 0);
}
