use std::{
    os::unix::fs::FileExt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use epona_client::{Action, Image, Position, Subscription};
use epona_protocol::{
    frame::frame_type,
    logbuffer::{
        RawTail,
        appender::{ConcurrentAppender, ExclusiveAppender},
    },
    types::TermOffset,
};

use crate::fake_driver::{DriverImage, INITIAL_TERM, TERM_LENGTH, World, only_image, position};

/// A subscription with one image that holds messages of one byte: 0, 1, 2, ...
fn with_messages(count: u8) -> (World, Subscription, DriverImage) {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    let mut appender = ExclusiveAppender::new(image.log.clone()).unwrap();
    for number in 0..count {
        appender.offer(&[number], Position::MAX).unwrap();
    }
    (world, subscription, image)
}

fn numbers(image: &mut Image, limit: usize) -> Vec<u8> {
    let mut numbers = Vec::new();
    image.poll(|payload, _| numbers.push(payload[0]), limit);
    numbers
}

#[test]
fn a_poll_stops_at_its_limit_and_goes_on_from_there() {
    let (_world, mut subscription, driver) = with_messages(5);
    let image = only_image(&mut subscription);
    assert_eq!(numbers(image, 0), []);
    assert_eq!(numbers(image, 2), [0, 1]);
    assert_eq!(driver.position.get_acquire(), 128);
    assert_eq!(numbers(image, 10), [2, 3, 4]);
    assert_eq!(numbers(image, 10), []);
    assert_eq!(image.position(), position(320));
}

#[test]
fn a_bounded_poll_reads_frames_that_start_before_the_bound() {
    let (_world, mut subscription, _driver) = with_messages(5);
    let image = only_image(&mut subscription);
    let mut bounded = |limit: i64| image.bounded_poll(|_, _| {}, position(limit), 10);
    assert_eq!((bounded(0), bounded(65), bounded(128), bounded(129)), (0, 2, 0, 1));
    assert_eq!(image.bounded_poll(|_, _| {}, Position::MAX, 10), 2);
}

#[test]
fn a_bounded_controlled_poll_keeps_to_both() {
    let (_world, mut subscription, _driver) = with_messages(5);
    let image = only_image(&mut subscription);
    let mut poll = |action, limit| image.bounded_controlled_poll(|_, _| action, position(limit), 10);
    assert_eq!(poll(Action::Continue, 128), 2);
    assert_eq!(poll(Action::Break, 320), 1);
    assert_eq!(poll(Action::Abort, 320), 0);
    assert_eq!(image.position(), position(192));
}

#[test]
fn a_handlers_action_decides_over_its_fragment_and_the_poll() {
    let (_world, mut subscription, driver) = with_messages(5);
    let image = only_image(&mut subscription);
    let mut seen = Vec::new();
    let polled = image.controlled_poll(
        |payload, header| {
            seen.push((payload[0], driver.position.get_acquire()));
            match payload[0] {
                1 => Action::Commit,
                3 => {
                    assert_eq!(header.position(), position(256));
                    Action::Abort
                }
                _ => Action::Continue,
            }
        },
        10,
    );
    assert_eq!((polled, image.position()), (3, position(192)));
    assert_eq!(seen, [(0, 0), (1, 0), (2, 128), (3, 128)], "committed at once after fragment 1");
    assert_eq!(image.controlled_poll(|_, _| Action::Break, 10), 1);
    assert_eq!(image.position(), position(256));
}

#[test]
fn a_panicking_handler_consumes_its_fragment() {
    let (_world, mut subscription, driver) = with_messages(3);
    let image = only_image(&mut subscription);
    let poll = catch_unwind(AssertUnwindSafe(|| image.poll(|payload, _| assert_ne!(payload[0], 1), 10)));
    assert!(poll.is_err());
    assert_eq!(driver.position.get_acquire(), 128);
    assert_eq!(numbers(image, 10), [2]);
}

#[test]
fn a_block_poll_hands_out_whole_frames_headers_included() {
    let (_world, mut subscription, driver) = with_messages(5);
    assert_eq!(subscription.block_poll(|_| panic!("a frame takes 64 bytes"), 63), 0);
    let bytes = subscription.block_poll(
        |block| {
            assert_eq!(block.bytes().len(), 128);
            assert_eq!((block.bytes()[32], block.bytes()[96]), (0, 1));
            assert_eq!(block.session_id(), crate::fake_driver::SESSION);
        },
        150,
    );
    assert_eq!((bytes, driver.position.get_acquire()), (128, 128));
    assert_eq!(subscription.block_poll(|_| {}, 1 << 20), 192);
    assert_eq!(subscription.block_poll(|_| panic!("nothing left"), 1 << 20), 0);
}

#[test]
fn padding_is_skipped_by_polls_and_a_block_of_its_own() {
    let mut world = World::new();
    let (mut subscription, mut blocks) = (world.add_subscription(), world.add_subscription());
    let (first, second) = (world.add_image(&subscription), world.add_image(&blocks));
    for image in [&first, &second] {
        let mut appender = ExclusiveAppender::new(image.log.clone()).unwrap();
        appender.append_padding(100, Position::MAX).unwrap();
        appender.offer(b"x", Position::MAX).unwrap();
    }
    assert_eq!(subscription.poll(|payload, _| assert_eq!(payload, b"x"), 1), 1);
    let mut kinds = Vec::new();
    while blocks.block_poll(|block| kinds.push((block.first().frame_type(), block.length())), 1 << 20) > 0 {}
    assert_eq!(kinds, [(frame_type::PAD, 160), (frame_type::DATA, 64)]);
}

#[test]
fn a_poll_ends_with_the_term_and_the_next_goes_on_in_the_next() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    let driver = world.add_image(&subscription);
    let mut appender = ExclusiveAppender::new(driver.log.clone()).unwrap();
    let message = vec![1; 1000];
    let mut offered = 0;
    while appender.position() < position(i64::from(TERM_LENGTH) * 2) {
        offered += usize::from(appender.offer(&message, Position::MAX).is_ok());
    }
    let image = only_image(&mut subscription);
    let first = image.poll(|payload, _| assert_eq!(payload.len(), 1000), usize::MAX);
    assert_eq!(image.position(), position(i64::from(TERM_LENGTH)), "padding to the end is consumed too");
    let rest = image.poll(|_, _| {}, usize::MAX) + image.poll(|_, _| {}, usize::MAX);
    assert_eq!(first + rest, offered);
}

#[test]
fn the_end_of_a_stream_is_reached_by_reading_all_of_it() {
    let (_world, mut subscription, driver) = with_messages(2);
    let image = only_image(&mut subscription);
    assert_eq!((image.end_of_stream_position(), image.is_end_of_stream()), (Position::MAX, false));
    driver.log.metadata().set_end_of_stream_position(position(128));
    driver.log.metadata().set_active_transport_count(1);
    assert_eq!((image.is_end_of_stream(), image.active_transport_count()), (false, 1));
    image.poll(|_, _| {}, 10);
    assert!(image.is_end_of_stream());
}

#[test]
fn a_closed_image_answers_what_held_when_it_closed() {
    let (mut world, mut subscription, driver) = with_messages(2);
    let image = world.driver.log_path(driver.id.get());
    subscription.poll(|_, _| {}, 1);
    driver.log.metadata().set_end_of_stream_position(position(128));
    driver.log.metadata().set_active_transport_count(1);
    driver.log.metadata().set_revoked();
    world.driver.withdraw_image(subscription.registration_id(), driver.id);
    // The list is as it was when it was last looked at; the image in it is already closed.
    let held = only_image(&mut subscription);
    world.step().unwrap();
    driver.position.set_release(4096);
    driver.log.metadata().set_end_of_stream_position(position(0));
    std::fs::remove_file(image).unwrap();
    assert!(held.is_closed() && held.is_publication_revoked() && !held.is_end_of_stream());
    assert_eq!((held.position(), held.end_of_stream_position()), (position(64), position(128)));
    assert_eq!(held.active_transport_count(), 0);
    assert_eq!(held.poll(|_, _| panic!("closed"), 10) + held.block_poll(|_| panic!("closed"), 4096), 0);
    assert!(held.reject("late").is_err());
}

#[test]
fn closing_during_a_poll_ends_it_and_leaves_the_position_alone() {
    let (mut world, mut subscription, driver) = with_messages(5);
    let subscription_id = subscription.registration_id();
    let mut polled = 0;
    let fragments = subscription.poll(
        |_, _| {
            polled += 1;
            if polled == 2 {
                world.driver.withdraw_image(subscription_id, driver.id);
                world.step().unwrap();
            }
        },
        10,
    );
    assert_eq!((fragments, driver.position.get_acquire()), (2, 0));
}

#[test]
fn a_raw_poll_tells_where_in_its_file_the_block_lies() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    let term = i64::from(TERM_LENGTH);
    image.position.set_release(term);
    image.log.metadata().set_tail(1, RawTail::new(INITIAL_TERM.next(), TermOffset::ZERO));
    image.log.metadata().set_active_term_count(1);
    let publisher = ConcurrentAppender::new(image.log.clone()).unwrap();
    publisher.offer(b"hello", Position::MAX).unwrap();
    publisher.offer(b"world", Position::MAX).unwrap();
    let mut seen = Vec::new();
    let bytes = subscription
        .raw_poll(
            |file, offset, block| {
                let mut read = vec![0; block.length() as usize];
                file.read_exact_at(&mut read, offset).unwrap();
                assert_eq!(read, block.bytes());
                seen.push((offset, block.length()));
            },
            4096,
        )
        .unwrap();
    assert_eq!((bytes, seen), (128, vec![(TERM_LENGTH as u64, 128)]));
    assert_eq!(image.position.get_acquire(), term + 128);
    assert_eq!(subscription.raw_poll(|_, _, _| panic!("nothing is left"), 4096).unwrap(), 0);
}

#[test]
fn a_raw_poll_without_its_file_says_so_and_consumes_nothing() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    ConcurrentAppender::new(image.log.clone()).unwrap().offer(b"hello", Position::MAX).unwrap();
    std::fs::remove_file(world.driver.log_path(image.id.get())).unwrap();
    assert!(subscription.raw_poll(|_, _, _| panic!("no file"), 4096).is_err());
    assert_eq!(image.position.get_acquire(), 0);
    assert_eq!(subscription.poll(|_, _| {}, 10), 1);
}
