use std::{cell::RefCell, collections::HashSet};

use epona_client::{
    Action, ControlledFragmentAssembler, FragmentAssembler, ImageControlledFragmentAssembler,
    ImageFragmentAssembler, Position, Subscription,
};
use epona_protocol::{frame::DataFlags, logbuffer::appender::ExclusiveAppender, memory::AtomicView};
use proptest::{collection::vec, prelude::*};

use crate::fake_driver::{DriverImage, INITIAL_TERM, MAX_PAYLOAD, SESSION, World, only_image};

fn message(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| (number * 31 + index) as u8).collect()
}

/// A subscription with one image that holds messages of these lengths, within one term.
fn with_messages(lengths: &[usize]) -> (World, Subscription, DriverImage) {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    let mut appender = ExclusiveAppender::new(image.log.clone()).unwrap();
    for (number, length) in lengths.iter().enumerate() {
        let reserved = |_: &AtomicView, _, _| number as i64;
        appender.append(message(number, *length).as_slice(), Position::MAX, reserved).unwrap();
    }
    (world, subscription, image)
}

/// Where the frames of a term start.
fn frames(image: &DriverImage) -> Vec<usize> {
    let term = image.log.term(0);
    let mut offsets = vec![0];
    loop {
        let last = *offsets.last().unwrap();
        let length = term.get_i32(last);
        if length <= 0 {
            offsets.pop();
            return offsets;
        }
        offsets.push(last + (length as usize).next_multiple_of(32));
    }
}

#[test]
fn an_assembled_message_shows_the_header_of_the_whole() {
    let length = 2 * MAX_PAYLOAD + 100;
    let (_world, mut subscription, _image) = with_messages(&[10, length]);
    let mut seen = Vec::new();
    let mut assembler = FragmentAssembler::new(|payload: &[u8], header: &epona_client::Header<'_>| {
        seen.push((payload.to_vec(), header.term_offset().get(), header.position().get()));
        assert_eq!(header.flags(), DataFlags::UNFRAGMENTED);
        assert_eq!(header.frame_length() as usize, payload.len() + 32);
        assert_eq!(header.reserved_value(), (seen.len() - 1) as i64);
        assert_eq!(
            (header.session_id(), header.term_id(), header.initial_term_id()),
            (SESSION, INITIAL_TERM, INITIAL_TERM)
        );
        let is_long = seen.len() == 2;
        assert_eq!(header.fragmented_frame_length(), is_long.then_some(2 * 1408 + 160));
    });
    assert_eq!(subscription.poll(|payload, header| assembler.on_fragment(payload, header), 10), 4);
    assert_eq!(seen, [(message(0, 10), 0, 64), (message(1, length), 64, 64 + 2 * 1408 + 160)]);
}

#[test]
fn a_message_with_a_fragment_missing_is_dropped_and_the_next_one_is_whole() {
    let (_world, mut subscription, image) = with_messages(&[3 * MAX_PAYLOAD, 2 * MAX_PAYLOAD]);
    // The second fragment of the first message becomes padding.
    image.log.term(0).put_u16(1408 + 6, 0);
    let mut seen = Vec::new();
    let mut assembler = ImageFragmentAssembler::new(|payload: &[u8], _: &epona_client::Header<'_>| {
        seen.push(payload.to_vec());
    });
    only_image(&mut subscription).poll(|payload, header| assembler.on_fragment(payload, header), 10);
    assert_eq!(seen, [message(1, 2 * MAX_PAYLOAD)]);
}

#[test]
fn a_message_whose_beginning_was_missed_is_dropped() {
    let (_world, mut subscription, image) = with_messages(&[2 * MAX_PAYLOAD, 5]);
    image.position.set_release(1408);
    let mut seen = Vec::new();
    let mut assembler = FragmentAssembler::new(|payload: &[u8], _: &epona_client::Header<'_>| {
        seen.push(payload.to_vec());
    });
    assert_eq!(subscription.poll(|payload, header| assembler.on_fragment(payload, header), 10), 2);
    assert_eq!(seen, [message(1, 5)]);
}

#[test]
fn an_aborted_message_comes_again_with_its_last_fragment() {
    let length = 3 * MAX_PAYLOAD;
    let (_world, mut subscription, _image) = with_messages(&[length]);
    let deliveries = RefCell::new(0);
    let mut assembler = ControlledFragmentAssembler::new(|payload: &[u8], _: &epona_client::Header<'_>| {
        assert_eq!(payload, message(0, length));
        *deliveries.borrow_mut() += 1;
        if *deliveries.borrow() < 3 { Action::Abort } else { Action::Commit }
    });
    let polled: Vec<_> = (0..4)
        .map(|_| subscription.controlled_poll(|payload, header| assembler.on_fragment(payload, header), 10))
        .collect();
    assert_eq!((polled, *deliveries.borrow()), (vec![2, 0, 1, 0], 3));
}

#[test]
fn a_session_buffer_is_freed_once_and_its_message_with_it() {
    let (_world, mut subscription, _image) = with_messages(&[2 * MAX_PAYLOAD]);
    let mut assembler = FragmentAssembler::new(|_: &[u8], _: &epona_client::Header<'_>| panic!("freed"));
    subscription.poll(|payload, header| assembler.on_fragment(payload, header), 1);
    assert!(assembler.free_session_buffer(SESSION) && !assembler.free_session_buffer(SESSION));
    assert_eq!(subscription.poll(|payload, header| assembler.on_fragment(payload, header), 10), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever messages there are, whichever frames are lost and however the polls are cut: all messages that are
    /// complete come out, in order, and nothing else does.
    #[test]
    fn complete_messages_come_out_and_only_those(
        lengths in vec(prop_oneof![0..200_usize, 1000..6000_usize, Just(MAX_PAYLOAD), Just(2 * MAX_PAYLOAD)], 1..8),
        lost in vec(0..40_usize, 0..6),
        limit in 1..7_usize,
        aborts in vec(any::<bool>(), 64),
    ) {
        let (_world, mut subscription, image) = with_messages(&lengths);
        let starts = frames(&image);
        let lost: HashSet<usize> = lost.into_iter().filter(|index| *index < starts.len()).collect();
        for index in &lost {
            image.log.term(0).put_u16(starts[*index] + 6, 0);
        }
        let mut frame = 0;
        let mut expected = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let count = length.div_ceil(MAX_PAYLOAD).max(1);
            if (frame..frame + count).all(|index| !lost.contains(&index)) {
                expected.push(message(number, *length));
            }
            frame += count;
        }

        let seen = RefCell::new((Vec::new(), aborts.into_iter()));
        let deliver = |payload: &[u8], _: &epona_client::Header<'_>| {
            let (messages, aborts) = &mut *seen.borrow_mut();
            if aborts.next().unwrap_or(false) {
                return Action::Abort;
            }
            messages.push(payload.to_vec());
            Action::Continue
        };
        let mut assembler = ImageControlledFragmentAssembler::new(deliver);
        let end = *starts.last().unwrap() as i64;
        for _ in 0..1000 {
            let image = only_image(&mut subscription);
            if image.position().get() > end {
                break;
            }
            image.controlled_poll(|payload, header| assembler.on_fragment(payload, header), limit);
        }
        prop_assert_eq!(&seen.borrow().0, &expected);
    }
}
