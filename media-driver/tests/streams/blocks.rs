//! Streams that are taken down in blocks of frames, and published again by them, as who records and replays them does.

use std::{cell::Cell, collections::VecDeque};

use epona_client::{BlockOfferError, ExclusivePublication, FragmentAssembler, Header, Subscription};
use epona_protocol::frame::frame_type;

use crate::world::{World, message, to};

/// A run of whole frames, or padding, of which only the length means anything.
enum Taken {
    Frames(Vec<u8>),
    Padding(usize),
}

/// Takes the next block down.
fn take_down(subscription: &mut Subscription, taken: &mut VecDeque<Taken>) {
    subscription.block_poll(
        |block| {
            taken.push_back(match block.first().frame_type() {
                frame_type::PAD => Taken::Padding(block.bytes().len() - 32),
                _ => Taken::Frames(block.bytes().to_vec()),
            });
        },
        4096,
    );
}

/// Publishes again what was taken down, as far as there is room.
fn publish_again(publication: &mut ExclusivePublication, taken: &mut VecDeque<Taken>) {
    while let Some(next) = taken.front() {
        let outcome = match next {
            Taken::Frames(block) => publication.offer_block(block),
            Taken::Padding(length) => publication.append_padding(*length).map_err(BlockOfferError::from),
        };
        match outcome {
            Ok(_) => drop(taken.pop_front()),
            Err(BlockOfferError::Offer(error)) if error.is_temporary() => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_stream_that_was_taken_down_in_blocks_is_published_again_and_delivered_whole() {
    const MESSAGES: usize = 400;
    let same = "|session-id=9|init-term-id=5|term-id=6|term-offset=64";
    for channel in [to(0, 20121), "aeron:ipc?alias=again".into()] {
        let mut world = World::new(2);
        let (source, player) = (world.connect(0), world.connect(1));
        let listener = if channel.starts_with("aeron:ipc") { player.clone() } else { source.clone() };
        let mut recorder = world.subscribe(&source, "aeron:ipc?alias=first", 7);
        let mut first = world.publish_exclusively(&source, &format!("aeron:ipc?alias=first{same}"), 7);
        let mut subscription = world.subscribe(&listener, &channel, 7);
        let mut again = world.publish_exclusively(&player, &(channel + same), 7);
        world.until("both are connected", || (first.is_connected() && again.is_connected()).then_some(()));

        let (received, mut sent, mut taken) = (Cell::new(0), 0, VecDeque::new());
        let mut assembler = FragmentAssembler::new(|payload: &[u8], _: &Header<'_>| {
            assert_eq!(payload, message(received.get()));
            received.set(received.get() + 1);
        });
        world.until("everything again", || {
            sent += usize::from(sent < MESSAGES && first.offer(&message(sent)).is_ok());
            take_down(&mut recorder, &mut taken);
            publish_again(&mut again, &mut taken);
            subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 10);
            (received.get() == MESSAGES).then_some(())
        });
        let (end, terms) = (first.position().unwrap(), first.term_id().terms_since(first.initial_term_id()));
        assert_eq!((again.position().unwrap(), subscription.images()[0].position()), (end, end));
        assert!(terms > 5, "padding was among it: {terms} terms");
    }
}
