use epona_client::{Batch, BlockError, BlockOfferError, DataFlags, OfferError};
use epona_protocol::{
    frame::frame_type,
    logbuffer::{Fragment, LogBuffers, TermReader},
    types::{Position, TermOffset},
};

use crate::fake_driver::{
    DriverLog, INITIAL_TERM, MAX_PAYLOAD, SESSION, STREAM, TERM_LENGTH, World, position,
};

/// Reads everything a publication has published from a position on, as a driver would: payloads by message.
fn published(log: &LogBuffers, from: Position, to: Position) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut at = from;
    while at < to {
        let offset = log.geometry().term_offset(at);
        let mut reader = TermReader::new(log.term_at(at), offset);
        for fragment in reader.by_ref() {
            if fragment.flags().contains(DataFlags::BEGIN) {
                messages.push(Vec::new());
            }
            messages.last_mut().unwrap().extend_from_slice(fragment.payload());
        }
        let read = reader.offset() - offset;
        assert!(read > 0, "nothing committed at {at:?}");
        at = at + i64::from(read);
    }
    messages
}

fn first_frame(log: &LogBuffers) -> Fragment<'_> {
    Fragment::at(log.term(0), TermOffset::ZERO).expect("a committed frame")
}

#[test]
fn an_offer_writes_one_frame_and_tells_the_position_after_it() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    assert_eq!(publication.offer(b"hello"), Ok(position(64)));
    let frame = first_frame(&driver.log);
    assert_eq!(
        (frame.payload(), frame.flags(), frame.reserved_value()),
        (b"hello".as_slice(), DataFlags::UNFRAGMENTED, 0)
    );
    assert_eq!(
        (frame.session_id(), frame.stream_id().get(), frame.term_id()),
        (SESSION, STREAM, INITIAL_TERM)
    );
    assert_eq!(publication.position(), Ok(position(64)));
    assert_eq!(publication.available_window(), Ok(i64::from(TERM_LENGTH) / 2 - 64));
}

#[test]
fn a_message_in_parts_is_one_message() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    publication.offer_parts(&[b"he", b"", b"llo"]).unwrap();
    let long = vec![7_u8; 2 * MAX_PAYLOAD];
    let end = publication.offer_parts(&[&long[..100], &long[100..]]).unwrap();
    assert_eq!(published(&driver.log, Position::ZERO, end), [b"hello".to_vec(), long]);
}

#[test]
fn the_reserved_value_of_each_fragment_is_made_of_its_payload() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let message: Vec<u8> = (0..MAX_PAYLOAD + 10).map(|i| i as u8).collect();
    publication.offer_with_reserved_value(&message, |payload| payload.len() as i64).unwrap();
    let first = first_frame(&driver.log);
    let second = Fragment::at(driver.log.term(0), first.next_offset()).unwrap();
    assert_eq!((first.reserved_value(), second.reserved_value()), (MAX_PAYLOAD as i64, 10));
}

#[test]
fn offers_cross_many_terms_without_losing_a_message() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let mut expected = Vec::new();
    let mut read = Position::ZERO;
    for number in 0..600_usize {
        let message = vec![number as u8; number * 11 % publication.max_message_length()];
        let end = offer_as_the_driver_keeps_up(&driver, || publication.offer(&message));
        expected.push(message);
        assert_eq!(published(&driver.log, read, end), [expected.pop().unwrap()], "message {number}");
        read = end;
        clean_behind(&driver.log, read);
    }
    assert!(read > position(i64::from(TERM_LENGTH) * 4), "{read:?}");
}

#[test]
fn an_exclusive_publication_crosses_many_terms_without_losing_a_message() {
    let mut world = World::new();
    let (mut publication, driver) = world.add_exclusive_publication();
    let mut read = Position::ZERO;
    for number in 0..600_usize {
        let message = vec![number as u8; number * 11 % publication.max_message_length()];
        let end = offer_as_the_driver_keeps_up(&driver, || publication.offer(&message));
        assert_eq!(published(&driver.log, read, end), [message], "message {number}");
        read = end;
        clean_behind(&driver.log, read);
    }
    assert!(read > position(i64::from(TERM_LENGTH) * 4), "{read:?}");
}

/// Offers until it is taken; rotation and back pressure are overcome as a driver would help.
fn offer_as_the_driver_keeps_up(
    driver: &DriverLog,
    mut offer: impl FnMut() -> Result<Position, OfferError>,
) -> Position {
    for _ in 0..8 {
        match offer() {
            Ok(end) => return end,
            Err(OfferError::AdminAction) => {}
            Err(OfferError::BackPressured) => {
                driver.limit.set_release(driver.log.producer_position().get() + i64::from(TERM_LENGTH) / 2);
            }
            Err(refused) => panic!("{refused}"),
        }
    }
    panic!("not taken after all");
}

/// Zeroes the terms that the stream has left, as a driver does.
fn clean_behind(log: &LogBuffers, read: Position) {
    let ahead = log.geometry().partition_index(read + i64::from(TERM_LENGTH));
    log.term(ahead).zero(0, TERM_LENGTH as usize);
}

#[test]
fn at_the_limit_an_offer_tells_back_pressure_from_nobody_there() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let (mut exclusive, exclusive_driver) = world.add_exclusive_publication();
    for driver in [&driver, &exclusive_driver] {
        driver.limit.set_release(0);
    }
    assert_eq!(publication.offer(b"x"), Err(OfferError::BackPressured));
    assert_eq!(exclusive.offer(b"x"), Err(OfferError::BackPressured));
    assert_eq!(publication.try_claim(1).unwrap_err(), OfferError::BackPressured);
    for driver in [&driver, &exclusive_driver] {
        driver.log.metadata().set_connected(false);
    }
    assert_eq!(publication.offer(b"x"), Err(OfferError::NotConnected));
    assert_eq!(exclusive.offer(b"x"), Err(OfferError::NotConnected));
    assert!(!publication.is_connected() && !exclusive.is_connected());
}

#[test]
fn a_publication_notices_at_once_that_its_subscribers_left() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let (mut exclusive, exclusive_driver) = world.add_exclusive_publication();
    publication.offer(b"x").unwrap();
    exclusive.offer(b"x").unwrap();
    for driver in [&driver, &exclusive_driver] {
        driver.log.metadata().set_connected(false);
        driver.limit.set_release(64);
    }
    assert_eq!(publication.offer(b"x"), Err(OfferError::NotConnected));
    assert_eq!(exclusive.offer(b"x"), Err(OfferError::NotConnected));
}

#[test]
fn nothing_is_accepted_once_the_driver_has_ended_the_publication() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let (mut exclusive, exclusive_driver) = world.add_exclusive_publication();
    publication.offer(b"x").unwrap();
    exclusive.offer(b"x").unwrap();
    for driver in [&driver, &exclusive_driver] {
        // As a driver does that takes the client for dead, before the client hears of it.
        driver.limit.set_release(64);
        driver.log.metadata().set_end_of_stream_position(position(64));
    }
    assert_eq!(publication.offer(b"x"), Err(OfferError::BackPressured));
    assert_eq!(exclusive.offer(b"x"), Err(OfferError::BackPressured));
}

#[test]
fn a_raised_limit_is_seen_by_the_next_offer() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    driver.limit.set_release(64);
    publication.offer(b"x").unwrap();
    assert_eq!(publication.offer(b"x"), Err(OfferError::BackPressured));
    driver.limit.set_release(65);
    assert_eq!(publication.offer(b"x"), Ok(position(128)));
}

#[test]
fn what_is_too_long_is_refused_with_the_limits() {
    let mut world = World::new();
    let (publication, _driver) = world.add_publication();
    let (mut exclusive, _exclusive_driver) = world.add_exclusive_publication();
    let long = vec![0; 8193];
    let too_long = OfferError::MessageTooLong { length: 8193, max: 8192, term_length: 65536 };
    assert_eq!((publication.offer(&long), exclusive.offer(&long)), (Err(too_long), Err(too_long)));
    assert_eq!(
        publication.try_claim(1377).unwrap_err(),
        OfferError::ClaimTooLong { length: 1377, max: 1376 }
    );
    assert_eq!(exclusive.try_claim(1377).unwrap_err(), OfferError::ClaimTooLong { length: 1377, max: 1376 });
    assert_eq!(publication.position(), Ok(Position::ZERO));
}

#[test]
fn a_claim_is_written_in_place_and_visible_when_committed() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let mut claim = publication.try_claim(5).unwrap();
    claim.copy_from_slice(b"hello");
    claim.set_reserved_value(42);
    assert!(Fragment::at(driver.log.term(0), TermOffset::ZERO).is_none(), "not before it is committed");
    assert_eq!(claim.commit(), position(64));
    let frame = first_frame(&driver.log);
    assert_eq!((frame.payload(), frame.reserved_value()), (b"hello".as_slice(), 42));
}

#[test]
fn an_aborted_or_dropped_claim_becomes_padding() {
    let mut world = World::new();
    let (mut publication, driver) = world.add_exclusive_publication();
    publication.try_claim(5).unwrap().abort();
    drop(publication.try_claim(5).unwrap());
    let first = first_frame(&driver.log);
    let second = Fragment::at(driver.log.term(0), first.next_offset()).unwrap();
    assert_eq!((first.frame_type(), second.frame_type()), (frame_type::PAD, frame_type::PAD));
}

#[test]
fn padding_moves_the_stream_on() {
    let mut world = World::new();
    let (mut publication, driver) = world.add_exclusive_publication();
    assert_eq!(publication.append_padding(100), Ok(position(160)));
    assert_eq!(first_frame(&driver.log).frame_type(), frame_type::PAD);
    assert!(matches!(
        publication.append_padding(60_000),
        Err(OfferError::PaddingTooLong { length: 60_000, .. })
    ));
}

#[test]
fn a_block_of_frames_made_elsewhere_is_published_as_it_is() {
    let mut world = World::new();
    let (mut maker, made) = world.add_exclusive_publication();
    let end = maker.offer(b"one").and_then(|_| maker.offer(b"two")).unwrap();
    let block = made.log.term(0).to_vec(0, end.get() as usize);

    let (mut publication, driver) = world.add_exclusive_publication();
    assert_eq!(publication.offer_block(&block), Ok(end));
    assert_eq!(published(&driver.log, Position::ZERO, end), [b"one".to_vec(), b"two".to_vec()]);
    let misplaced = publication.offer_block(&block);
    assert!(matches!(misplaced, Err(BlockOfferError::Block(BlockError::Mismatch { .. }))), "{misplaced:?}");
    publication.append_padding(8000).unwrap();
    assert_eq!(publication.term_offset().get() as i64, publication.position().unwrap().get());
}

#[test]
fn a_stream_at_its_last_position_says_so() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    let last_term = i32::MAX;
    let term_id = INITIAL_TERM.wrapping_add(last_term);
    let index = last_term as usize % 3;
    let metadata = driver.log.metadata();
    metadata
        .set_tail(index, epona_protocol::logbuffer::RawTail::new(term_id, TermOffset::new(TERM_LENGTH - 64)));
    metadata.set_active_term_count(last_term);
    driver.limit.set_release(i64::MAX);
    assert!(publication.offer(b"fits").is_ok());
    assert_eq!(publication.offer(b"x"), Err(OfferError::MaxPositionExceeded));
    driver.limit.set_release(0);
    assert_eq!(publication.offer(b"x"), Err(OfferError::MaxPositionExceeded));
}

#[test]
fn a_message_in_parts_has_the_reserved_value_of_the_whole() {
    let mut world = World::new();
    let (publication, driver) = world.add_publication();
    publication
        .offer_parts_with_reserved_value(&[b"he", b"llo"], |payload| {
            payload.iter().map(|byte| i64::from(*byte)).sum()
        })
        .unwrap();
    let sum = b"hello".iter().map(|byte| i64::from(*byte)).sum::<i64>();
    assert_eq!(first_frame(&driver.log).reserved_value(), sum);
    let (mut exclusive, driver) = world.add_exclusive_publication();
    exclusive.offer_parts_with_reserved_value(&[b"a", b"b"], |payload| payload.len() as i64).unwrap();
    assert_eq!(first_frame(&driver.log).reserved_value(), 2);
}

type OfferBatch<'a> = &'a mut dyn FnMut(&[&[u8]]) -> Result<Batch, OfferError>;

#[test]
fn batches_go_on_over_terms_and_limits_without_losing_a_message() {
    let mut world = World::new();
    let (publication, shared) = world.add_publication();
    let (mut exclusive, own) = world.add_exclusive_publication();
    let expected: Vec<Vec<u8>> = (0..2000_usize).map(|i| vec![i as u8; i * 31 % 200]).collect();
    let mut offer: [OfferBatch<'_>; 2] =
        [&mut |messages| publication.offer_batch(messages), &mut |messages| exclusive.offer_batch(messages)];
    for (offer, driver) in offer.iter_mut().zip([&shared, &own]) {
        let messages: Vec<&[u8]> = expected.iter().map(Vec::as_slice).collect();
        let mut left = &messages[..];
        let (mut end, mut read, mut back_pressured) = (Position::ZERO, Vec::new(), 0);
        let mut consumed = Position::ZERO;
        while !left.is_empty() {
            match offer(&left[..left.len().min(64)]) {
                Ok(batch) => {
                    assert!(batch.messages > 0 && batch.position > end);
                    (left, end) = (&left[batch.messages..], batch.position);
                }
                Err(OfferError::BackPressured) => {
                    back_pressured += 1;
                    read.extend(published(&driver.log, consumed, end));
                    consumed = end;
                    clean_behind(&driver.log, end);
                    driver.limit.set_release(end.get() + i64::from(TERM_LENGTH) / 2);
                }
                Err(refused) => assert_eq!(refused, OfferError::AdminAction),
            }
        }
        read.extend(published(&driver.log, consumed, end));
        assert!(read == expected, "{} messages of {}", read.len(), expected.len());
        assert!(back_pressured > 3);
    }
    publication.close();
    assert_eq!(publication.offer_batch(&[b"x"]).unwrap_err(), OfferError::Closed);
    assert_eq!(exclusive.offer_batch(&[]).unwrap().messages, 0);
}
