//! Publishes numbered messages, and says why where it has to wait.
//!
//! ```text
//! cargo run --release --bin eponamd                                   in one terminal
//! cargo run -p epona-client --example basic_subscriber                in another
//! cargo run -p epona-client --example basic_publisher                 in a third
//! cargo run -p epona-client --example basic_publisher -- 'aeron:udp?endpoint=HOST:20121' 1001 1000
//! ```
#![allow(clippy::print_stdout, dead_code, reason = "a program, and a module of its test")]

use std::{error::Error, thread};

use epona_client::{Aeron, Context, Position};

const CHANNEL: &str = "aeron:udp?endpoint=localhost:20121";
const STREAM: i32 = 1001;

/// Publishes `count` messages; where the stream is after the last one.
pub(crate) fn run(
    aeron: &Aeron,
    channel: &str,
    stream_id: i32,
    count: usize,
) -> Result<Position, Box<dyn Error>> {
    let publication = aeron.add_publication(channel, stream_id)?;
    let mut position = Position::ZERO;
    for number in 0..count {
        let message = format!("message {number}");
        let mut has_waited = false;
        position = loop {
            match publication.offer(message.as_bytes()) {
                Ok(position) => break position,
                // Nobody is there yet, or the slowest subscriber has to read first: an offer itself never waits.
                Err(refused) if refused.is_temporary() => {
                    if !has_waited {
                        println!("waiting: {}", publication.explain());
                        has_waited = true;
                    }
                    thread::yield_now();
                }
                Err(refused) => return Err(refused.into()),
            }
        };
    }
    println!("published {count} messages, {position} bytes with headers");
    // Closing now takes nothing back: the driver goes on until what was published has been sent.
    Ok(position)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let channel = arguments.next().unwrap_or_else(|| String::from(CHANNEL));
    let stream_id = arguments.next().map_or(Ok(STREAM), |text| text.parse())?;
    let count = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let aeron = Aeron::connect(Context::new().client_name("basic publisher"))?;
    run(&aeron, &channel, stream_id, count)?;
    Ok(())
}
