//! Prints what arrives, however long the messages are, and who comes and goes.
//!
//! ```text
//! cargo run -p epona-client --example basic_subscriber
//! cargo run -p epona-client --example basic_subscriber -- 'aeron:udp?endpoint=0.0.0.0:20121' 1001 1000
//! ```
#![allow(clippy::print_stdout, dead_code, reason = "a program, and a module of its test")]

use std::{cell::Cell, error::Error, thread};

use epona_client::{Aeron, Context, FragmentAssembler, Header, ImageHandlers};

const CHANNEL: &str = "aeron:udp?endpoint=localhost:20121";
const STREAM: i32 = 1001;
/// Fragments for each poll: enough to make the poll worth it, few enough to look at other things in between.
const FRAGMENT_LIMIT: usize = 10;

/// Hands at least `count` messages to `on_message`; 0: until the client or its driver ends.
pub(crate) fn run(
    aeron: &Aeron,
    channel: &str,
    stream_id: i32,
    count: usize,
    mut on_message: impl FnMut(&[u8], &Header<'_>),
) -> Result<(), Box<dyn Error>> {
    let handlers = ImageHandlers::new()
        .on_available(|image| println!("session {} from {}", image.session_id(), image.source_identity()))
        .on_unavailable(|image| println!("session {} ended at {}", image.session_id(), image.position()));
    let mut subscription = aeron.add_subscription_with(channel, stream_id, handlers)?;

    let received = Cell::new(0);
    // Passes on at once what came in one frame, and puts together what came in several.
    let mut assembler = FragmentAssembler::new(|message: &[u8], header: &Header<'_>| {
        on_message(message, header);
        received.set(received.get() + 1);
    });
    while (count == 0 || received.get() < count) && !subscription.is_closed() {
        if subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), FRAGMENT_LIMIT) == 0
        {
            thread::yield_now();
        }
    }
    println!("received {} messages", received.get());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let channel = arguments.next().unwrap_or_else(|| String::from(CHANNEL));
    let stream_id = arguments.next().map_or(Ok(STREAM), |text| text.parse())?;
    let count = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let aeron = Aeron::connect(Context::new().client_name("basic subscriber"))?;
    run(&aeron, &channel, stream_id, count, |message, header| {
        println!("{:>10} {}", header.position(), String::from_utf8_lossy(message));
    })
}
