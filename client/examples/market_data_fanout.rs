//! One publisher of prices on a multicast group, and three subscribers: one there from the start, one that joins late
//! and gets the stream from where it then is, and a slow one. The slow one is untethered: it holds nobody up, and loses
//! its image instead.
//!
//! ```text
//! cargo run -p epona-client --example market_data_fanout -- ['224.20.30.39:40456|interface=10.1.0.0/16']
//! ```
#![allow(clippy::print_stdout, dead_code, reason = "a program, and a module of its test")]

use std::{error::Error, thread};

use epona_client::{Aeron, Context, Subscription};

/// Short times and a small window, so that the slow one is soon let go of.
const HASTE: &str =
    "rejoin=false|rcv-wnd=32k|untethered-window-limit-timeout=200ms|untethered-linger-timeout=200ms";
const GROUP: &str = "224.20.30.39:40456|interface=localhost";
const STREAM: i32 = 1001;

/// A subscriber, and the prices that it saw.
pub(crate) struct Subscriber {
    pub(crate) subscription: Subscription,
    pub(crate) prices: Vec<u64>,
}

impl Subscriber {
    fn new(aeron: &Aeron, channel: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self { subscription: aeron.add_subscription(channel, STREAM)?, prices: Vec::new() })
    }

    fn poll(&mut self, limit: usize) -> usize {
        let prices = &mut self.prices;
        let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        self.subscription.poll(|bytes, _| prices.extend(number(bytes)), limit)
    }
}

/// Publishes the prices 1 to `count`, each of 256 bytes; the early, the late and the slow subscriber afterwards.
pub(crate) fn run(aeron: &Aeron, group: &str, count: u64) -> Result<[Subscriber; 3], Box<dyn Error>> {
    let channel = format!("aeron:udp?endpoint={group}|{HASTE}");
    let mut early = Subscriber::new(aeron, &channel)?;
    let mut slow = Subscriber::new(aeron, &format!("{channel}|tether=false"))?;
    let mut late: Option<Subscriber> = None;
    // `fc=min` waits for the slowest receiver; of a receiver's subscriptions the slowest tethered one counts.
    let group = format!("aeron:udp?endpoint={group}|term-length=64k|fc=min");
    let mut publication = aeron.add_exclusive_publication(&group, STREAM)?;
    while !(early.subscription.is_connected() && slow.subscription.is_connected()) {
        thread::yield_now();
    }
    let mut next = 1_u64;
    while ![Some(&early), late.as_ref()].iter().flatten().all(|each| each.prices.last() == Some(&count)) {
        let mut price = [0; 256];
        price[..8].copy_from_slice(&next.to_le_bytes());
        if next <= count && publication.offer(&price).is_ok() {
            next += 1;
        }
        if late.is_none() && next > count / 2 {
            late = Some(Subscriber::new(aeron, &channel)?);
        }
        early.poll(10);
        late.as_mut().map(|late| late.poll(10));
        if slow.prices.is_empty() {
            slow.poll(1);
        }
        thread::yield_now();
    }
    let all = [early, late.ok_or("nothing was published")?, slow];
    for (name, Subscriber { prices, .. }) in ["early", "late", "slow"].into_iter().zip(&all) {
        let [first, last] = [prices.first(), prices.last()].map(|price| price.copied().unwrap_or_default());
        println!("{name}: {} prices, {first} to {last}", prices.len());
    }
    Ok(all)
}

fn main() -> Result<(), Box<dyn Error>> {
    let group = std::env::args().nth(1).unwrap_or_else(|| String::from(GROUP));
    let aeron = Aeron::connect(Context::new().client_name("market data"))?;
    run(&aeron, &group, 2000).map(|_| ())
}
