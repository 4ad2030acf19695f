//! What does not fit is refused with the limit, and harms nothing else.

use epona_client::{ClientError, Counter, CounterTypeId, ErrorCode, OfferError};

use crate::{
    process::{Driver, refused, until, workspace},
    traffic::{exchange, free_port},
};

#[test]
fn messages_over_the_maximum_length_are_refused_with_the_limit() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let aeron = driver.connect();
    for channel in [format!("aeron:udp?endpoint=127.0.0.1:{}", free_port()), "aeron:ipc".to_owned()] {
        let mut subscription = aeron.add_subscription(&channel, 1).unwrap();
        let publication = aeron.add_publication(&channel, 1).unwrap();
        let mut exclusive = aeron.add_exclusive_publication(&channel, 2).unwrap();
        let _listener = aeron.add_subscription(&channel, 2).unwrap();
        until("connected", || (publication.is_connected() && exclusive.is_connected()).then_some(()));
        let longest = publication.max_message_length();
        assert_eq!(longest, 8192, "an eighth of a term of 64 KiB");
        for length in [longest + 1, 1 << 20] {
            let refusal = OfferError::MessageTooLong { length, max: longest, term_length: 65_536 };
            let message = vec![1; length];
            assert_eq!(publication.offer(&message), Err(refusal));
            assert_eq!(publication.offer_parts(&[&message[..10], &message[10..]]), Err(refusal));
            assert_eq!(exclusive.offer(&message), Err(refusal));
        }
        let max = publication.max_payload_length();
        let refusal = OfferError::ClaimTooLong { length: max + 1, max };
        assert_eq!(publication.try_claim(max + 1).unwrap_err(), refusal);
        assert_eq!(exclusive.try_claim(max + 1).unwrap_err(), refusal);
        assert_eq!(publication.position().unwrap().get(), 0, "nothing was published");
        exchange(&publication, &mut subscription, 20);
    }
    aeron.close();
    driver.end_healthy();
}

#[test]
fn a_driver_out_of_counters_refuses_what_needs_one_and_recovers_when_some_are_freed() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &["-Daeron.counters.free.to.reuse.timeout=1ms"]);
    let hoarder = driver.connect();
    let mut hoard: Vec<Counter> = Vec::new();
    let (code, text) = loop {
        assert!(hoard.len() < 20_000, "more counters than there is room for");
        let asked: Vec<_> = (0..200)
            .map(|_| hoarder.add_counter_async(CounterTypeId::new(1000), b"key", "hoard").unwrap())
            .collect();
        let answers: Vec<_> = asked.into_iter().map(epona_client::Pending::wait).collect();
        let (had, refusals): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        hoard.extend(had.into_iter().map(Result::unwrap));
        if let Some(refusal) = refusals.into_iter().next() {
            break refused(refusal);
        }
    };
    assert_eq!(code, ErrorCode::GenericError);
    assert!(text.contains("aeron.counters.buffer.length"), "{text}");
    assert!(hoard.len() > 8000, "{}", hoard.len());
    let udp = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    for channel in [udp.as_str(), "aeron:ipc"] {
        let refusal: Result<_, ClientError> = hoarder.add_publication(channel, 1);
        assert_eq!(refused(refusal).0, ErrorCode::GenericError);
    }
    assert_eq!(refused(hoarder.add_subscription(&udp, 1)).0, ErrorCode::GenericError);
    drop(hoard);
    let mut subscription = until("counters are free again", || hoarder.add_subscription(&udp, 1).ok());
    let publication = until("counters are free again", || hoarder.add_publication(&udp, 1).ok());
    exchange(&publication, &mut subscription, 20);
}
