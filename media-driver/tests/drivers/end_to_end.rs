//! Publisher and subscriber through a whole driver, threads and sockets and all.

use std::{
    cell::Cell,
    fs,
    os::unix::fs::MetadataExt,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use epona_client::{FragmentAssembler, OfferError, Publication, Subscription};
use epona_media_driver::{EmbeddedDriver, config::ThreadingMode};
use epona_protocol::{
    cnc::{Cnc, CncState},
    error_log,
};

use crate::harness::{connect, launch, launch_with, unicast, until};

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
        received.get() == messages
    });
}

#[test]
fn messages_pass_over_ipc_in_order_and_whole_across_terms() {
    let driver = launch();
    let aeron = connect(&driver);
    let mut subscription = aeron.add_subscription("aeron:ipc", 1001).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 1001).unwrap();
    exchange(&publication, &mut subscription, 2000, &[0, 1, 100, 1376, 1377, 5000, 8192]);
}

#[test]
fn messages_pass_over_udp_in_order_and_whole_across_terms() {
    for mode in [ThreadingMode::Shared, ThreadingMode::SharedNetwork, ThreadingMode::Dedicated] {
        let driver = launch_with(|context| context.threads.mode = mode);
        let aeron = connect(&driver);
        let channel = unicast();
        let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
        let publication = aeron.add_publication(&channel, 1001).unwrap();
        exchange(&publication, &mut subscription, 500, &[0, 1, 100, 1376, 1377, 5000, 8192]);
    }
}

#[test]
fn spies_come_and_go_while_the_sender_sends() {
    let driver = launch_with(|context| context.threads.mode = ThreadingMode::Dedicated);
    let (aeron, watcher) = (connect(&driver), connect(&driver));
    let channel = unicast();
    let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
    let publication = aeron.add_publication(&format!("{channel}|ssc=true"), 1001).unwrap();
    let (is_done, is_spied) = (AtomicBool::new(false), Barrier::new(2));
    let spied = format!("aeron-spy:{channel}");
    let seen = thread::scope(|scope| {
        let spying = scope.spawn(|| {
            let mut seen = 0;
            let mut spy = watcher.add_subscription(&spied, 1001).unwrap();
            until("the first spy is linked", || spy.image_count() == 1);
            is_spied.wait();
            while !is_done.load(Ordering::Acquire) {
                until("a spy sees something, or the end", || {
                    let fragments = spy.poll(|_, _| (), 10);
                    seen += fragments;
                    fragments > 0 || is_done.load(Ordering::Acquire)
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

/// Pages of storage that each log of a driver has.
fn pages_of_logs(driver: &EmbeddedDriver) -> Vec<u64> {
    let logs = |folder: &str| fs::read_dir(driver.directory().join(folder)).unwrap();
    let files = logs("publications").chain(logs("images"));
    files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512 / 4096).collect()
}

#[test]
fn storage_of_sparse_logs_is_found_ahead_of_messages() {
    let driver = launch();
    let aeron = connect(&driver);
    for channel in ["aeron:ipc", &unicast()] {
        let subscription = aeron.add_subscription(channel, 1001).unwrap();
        let publication = aeron.add_publication(channel, 1001).unwrap();
        until("connected", || publication.is_connected() && subscription.image_count() == 1);
        assert!(pages_of_logs(&driver).contains(&1), "metadata only");
        until("taken", || publication.offer(&[1; 8000]).is_ok());
        // Two pages of message, as many ahead, and one of metadata.
        until("storage", || pages_of_logs(&driver).iter().all(|&pages| pages >= 5));
    }
}
