//! Messages that are too long are refused with the limit, and nothing of them is published.

use epona_client::OfferError;

use crate::{
    process::{Driver, until, workspace},
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
