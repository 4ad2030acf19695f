//! Sends junk to ports: noise, and frames that look right but belong to nobody.

use super::End;
use std::{io, net::UdpSocket, process::ExitCode, thread, time::Duration};

/// Datagrams between two pauses.
const BURST: usize = 64;

/// A pause, so that a machine with few processors has time for its streams as well.
const PAUSE: Duration = Duration::from_millis(2);

/// What a flood is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to send.
    #[arg(long, required = true)]
    to: Vec<String>,
    /// What is sent follows from it.
    #[arg(long)]
    seed: u64,
}

pub(super) fn run(options: &Options, end: &End) -> ExitCode {
    match flood(options, end) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flood: {error}");
            ExitCode::FAILURE
        }
    }
}

fn flood(options: &Options, end: &End) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut random = fastrand::Rng::with_seed(options.seed);
    while !end.is_near() {
        for _ in 0..BURST {
            let datagram = junk(&mut random);
            for to in &options.to {
                // A link that is down and a port that is closed are no concern of a flood.
                let _ = socket.send_to(&datagram, to);
            }
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Streams of the game have small ids; these are not among them.
const FOREIGN_STREAM: i32 = 1 << 30;

/// Frame types by number, and some that there are not. Source: wire spec 1.
const TYPES: u16 = 0x10;

fn junk(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut datagram = vec![0; random.usize(0..1400)];
    random.fill(&mut datagram);
    if random.bool() {
        return datagram;
    }
    // A frame with a header that makes sense, of a session and a stream that nobody has.
    datagram.resize(datagram.len().max(64), 0);
    let length = if random.bool() { datagram.len() as i32 } else { random.i32(..) };
    datagram[0..4].copy_from_slice(&length.to_le_bytes());
    datagram[4] = 0;
    datagram[6..8].copy_from_slice(&random.u16(..TYPES).to_le_bytes());
    datagram[12..16].copy_from_slice(&(FOREIGN_STREAM | random.i32(0..1 << 20)).to_le_bytes());
    datagram[16..20].copy_from_slice(&(FOREIGN_STREAM | random.i32(0..1 << 20)).to_le_bytes());
    datagram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_of_many_kinds_and_follows_from_the_seed() {
        let many = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..1000).map(|_| junk(&mut random)).collect::<Vec<_>>()
        };
        let datagrams = many(1);
        assert_eq!(datagrams, many(1));
        assert_ne!(datagrams, many(2));
        assert!(datagrams.iter().any(|datagram| datagram.len() >= 64 && datagram[4] == 0));
    }
}
