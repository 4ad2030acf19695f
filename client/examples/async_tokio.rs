//! A publisher and a subscriber as tasks of one Tokio thread; needs the feature `async`. Any other runtime would do.
//!
//! ```text
//! cargo run -p epona-client --features async --example async_tokio -- ['aeron:udp?endpoint=localhost:20121']
//! ```
#![allow(clippy::print_stdout, dead_code, reason = "a program, and a module of its test")]

use std::{error::Error, time::Duration};

use epona_client::{Aeron, Context, Message};
use tokio::{runtime::Builder, time::timeout};

const STREAM: i32 = 1001;

/// Sends `count` messages from one task to another; what arrived.
pub(crate) async fn run(aeron: Aeron, channel: String, count: usize) -> Result<Vec<Message>, Box<dyn Error>> {
    let mut messages = aeron.add_subscription_async(&channel, STREAM)?.await?.into_messages();
    let publisher = tokio::spawn(async move {
        let publication = aeron.add_publication_async(&channel, STREAM).map_err(|error| error.to_string())?;
        let publication = publication.await.map_err(|error| error.to_string())?;
        for number in 0..count {
            let message = format!("message {number}");
            // Waits for room, and for a subscriber; timeouts and `select` work as with any future.
            publication.offer_async(message.as_bytes()).await.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(publication)
    });
    let mut received = Vec::new();
    while received.len() < count
        && let Some(message) = timeout(Duration::from_secs(60), messages.next()).await?
    {
        received.push(message);
    }
    // Kept until here: closing a publication right after the last offer is fine too.
    drop(publisher.await??);
    Ok(received)
}

fn main() -> Result<(), Box<dyn Error>> {
    let channel =
        std::env::args().nth(1).unwrap_or_else(|| String::from("aeron:udp?endpoint=localhost:20121"));
    let aeron = Aeron::connect(Context::new().client_name("async"))?;
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let received = runtime.block_on(run(aeron, channel, 10))?;
    received.iter().for_each(|message| {
        println!("{:>8} {}", message.position, String::from_utf8_lossy(&message.payload))
    });
    Ok(())
}
