//! Receives a stream from whoever publishes it and checks every byte.

use super::{End, Report, Reporter, Stream, tell, with_drivers};
use crate::content::Checker;
use epona_client::{Aeron, ClientError, Header, ImageFragmentAssembler};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    thread,
    time::Duration,
};

/// Fragments of an image that are taken at once.
const FRAGMENT_LIMIT: usize = 64;

/// Pause when nothing is there.
const PAUSE: Duration = Duration::from_micros(500);

/// Errors that are kept in words.
const MAX_ERRORS: usize = 20;

pub(super) fn run(stream: &Stream, end: &End) {
    let mut connections = 0;
    let checker = Rc::new(RefCell::new(Checker::new(stream.flow)));
    let mut reporter = Reporter(None);
    with_drivers(stream, end, |aeron| {
        connections += 1;
        receive(aeron, stream, end, &checker, |checker| {
            reporter.tell_now_and_then(|| report(checker, connections));
        })
    });
    tell(&report(&checker.borrow(), connections));
}

fn report(checker: &Checker, connections: u64) -> Report {
    let mut errors = checker.errors.clone();
    errors.truncate(MAX_ERRORS);
    Report {
        messages: checker.messages,
        bytes: checker.bytes,
        missed_between_images: checker.missed_between_images,
        connections,
        errors,
    }
}

fn receive(
    aeron: &Aeron,
    stream: &Stream,
    end: &End,
    checker: &Rc<RefCell<Checker>>,
    mut on_turn: impl FnMut(&Checker),
) -> Result<(), ClientError> {
    let mut subscription = aeron.add_subscription(&stream.channel, stream.stream)?;
    checker.borrow_mut().begin();
    // By image, not by session: a session that comes again begins anew.
    let mut assemblers = HashMap::new();
    while !end.is_near() && !aeron.is_closed() && !subscription.is_closed() {
        let mut fragments = 0;
        let mut present = HashSet::new();
        for image in subscription.images() {
            let id = image.correlation_id().get();
            present.insert(id);
            let assembler = assemblers.entry(id).or_insert_with(|| {
                let checker = Rc::clone(checker);
                ImageFragmentAssembler::new(move |message: &[u8], _: &Header<'_>| {
                    checker.borrow_mut().take(id, message);
                })
            });
            fragments +=
                image.poll(|fragment, header| assembler.on_fragment(fragment, header), FRAGMENT_LIMIT);
        }
        assemblers.retain(|id, _| present.contains(id));
        checker.borrow_mut().forget(|image| present.contains(&image));
        on_turn(&checker.borrow());
        if fragments == 0 {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
