//! What strangers send: frames of a sender to a subscription and of a receiver to a publication, right and wrong ones, all
//! from a seed. Source: wire spec 1.

use std::fmt;

/// Session of the publication, whose position is known.
pub(crate) const OWN_SESSION: i32 = 5;
/// Stream of everything.
pub(crate) const STREAM: i32 = 1001;
/// First term of all streams.
pub(crate) const INITIAL_TERM: i32 = 3;

/// Sessions of the stranger's streams.
const SESSIONS: [i32; 2] = [9, 10];
const TERM_LENGTH: i32 = 64 << 10;

/// Something that happens.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A datagram to the subscription's port.
    ToReceiver(Vec<u8>),
    /// A datagram to where the publication sends from.
    ToSender(Vec<u8>),
    /// The same, and a setup is to follow.
    Elicit(Vec<u8>),
    /// A message of that many bytes on the publication.
    Offer(usize),
    /// Every subscriber reads what there is.
    Read,
}

impl fmt::Debug for Happening {
    /// Frames in hexadecimal, without most of their payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, frame) = match self {
            Self::ToReceiver(frame) => ("to receiver", frame),
            Self::ToSender(frame) => ("to sender", frame),
            Self::Elicit(frame) => ("elicit", frame),
            Self::Offer(length) => return write!(f, "offer {length} B"),
            Self::Read => return f.write_str("read"),
        };
        write!(f, "{what} {} B ", frame.len())?;
        frame.iter().take(48).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A frame under construction.
struct Frame(Vec<u8>);

impl Frame {
    fn new(length: i32, flags: u8, kind: u16) -> Self {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([0, flags]);
        bytes.extend(kind.to_le_bytes());
        Self(bytes)
    }

    fn i32s(mut self, fields: &[i32]) -> Self {
        fields.iter().for_each(|field| self.0.extend(field.to_le_bytes()));
        self
    }

    fn i64s(mut self, fields: &[i64]) -> Self {
        fields.iter().for_each(|field| self.0.extend(field.to_le_bytes()));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.extend(bytes);
        self.0
    }
}

/// A frame that asks the publication for an echo with this stamp.
pub(crate) fn echo_request(stamp: i64) -> Vec<u8> {
    Frame::new(40, 0x80, 6).i32s(&[OWN_SESSION, STREAM]).i64s(&[stamp, 0, 77]).bytes(&[])
}

/// Writes what happens.
pub(crate) struct Writer {
    random: fastrand::Rng,
    /// Where the next data of each session goes.
    next: [i32; SESSIONS.len()],
    offered: i32,
}

impl Writer {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), next: [0; 2], offered: 0 }
    }

    /// Setups of both sessions, a first status message, then anything.
    pub(crate) fn write(mut self) -> Vec<Happening> {
        let mut all = Vec::new();
        if self.random.u8(..) < 230 {
            all.push(Happening::ToReceiver(self.setup(SESSIONS[0])));
        }
        all.push(Happening::ToSender(self.status(0, 0, 32_768)));
        for _ in 0..self.random.usize(4..24) {
            all.push(self.happening());
        }
        all
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.usize(..of.len())]
    }

    /// Mostly the first, sometimes one of the others.
    fn mostly<T: Copy>(&mut self, of: &[T]) -> T {
        if self.random.u8(..) < 200 { of[0] } else { self.pick(of) }
    }

    fn happening(&mut self) -> Happening {
        match self.random.u8(0..40) {
            0..16 => Happening::ToReceiver(self.data()),
            16 | 17 => {
                let session = self.pick(&SESSIONS);
                Happening::ToReceiver(self.setup(session))
            }
            18 => {
                let (flags, receiver) = (self.pick(&[0, 0x80]), self.pick(&[0, 7]));
                let session = self.pick(&[9, 10, 11]);
                let frame = Frame::new(40, flags, 6).i32s(&[session, STREAM]).i64s(&[1, 0, receiver]);
                Happening::ToReceiver(frame.bytes(&[]))
            }
            19 => Happening::ToReceiver(self.garbage()),
            20..22 => Happening::Read,
            22..27 => {
                let length = self.pick(&[0, 1, 32, 100, 1000, 1344]);
                self.offered += (length as i32 + 32 + 31) / 32 * 32;
                if self.offered >= TERM_LENGTH / 2 { Happening::Read } else { Happening::Offer(length) }
            }
            27..32 => {
                let offset = self.mostly(&[self.offered, 0, self.offered / 64 * 32, 33, -32, 65_536, 65_568]);
                let term = self.mostly(&[0, 1, 2, -1, 100]);
                let window = self.mostly(&[32_768, 0, 4096, 32_769, -1, i32::MAX]);
                Happening::ToSender(self.status(term, offset, window))
            }
            32 => Happening::Elicit(
                Frame::new(36, 0x80, 3).i32s(&[OWN_SESSION, STREAM, 0, 0, 0]).i64s(&[77]).bytes(&[]),
            ),
            33..36 => {
                let offset = self.mostly(&[self.offered / 64 * 32, 0, 32, 33, -32, 65_536]);
                let length = self.mostly(&[64, 1408, 0, -1, 65_536, i32::MAX]);
                let term = INITIAL_TERM + self.mostly(&[0, 1, -1]);
                let session = self.mostly(&[OWN_SESSION, 6]);
                let frame = Frame::new(28, 0, 2).i32s(&[session, STREAM, term, offset, length]);
                Happening::ToSender(frame.bytes(&[]))
            }
            36 => {
                let length = self.mostly(&[4, 0, -1, 1024, 5]);
                let session = self.mostly(&[OWN_SESSION, 6]);
                let frame = Frame::new(44, 0, 4).i32s(&[session, STREAM]).i64s(&[77, -1]).i32s(&[13, length]);
                Happening::ToSender(frame.bytes(b"text"))
            }
            37 => {
                let frame = Frame::new(20, 0, 0x0B).i32s(&[OWN_SESSION, STREAM, 12]);
                Happening::ToSender(frame.bytes(&[]))
            }
            38 => Happening::ToSender(self.garbage()),
            _ => {
                let frame = Frame::new(40, 0, 6).i32s(&[OWN_SESSION, STREAM]).i64s(&[1, 0, 77]);
                Happening::ToSender(frame.bytes(&[]))
            }
        }
    }

    fn setup(&mut self, session: i32) -> Vec<u8> {
        let offset = self.mostly(&[0, 64, 33, -32, 65_536]);
        let active = INITIAL_TERM + self.mostly(&[0, 1]);
        let length = self.mostly(&[TERM_LENGTH, 128 << 10, 100, 0, -1, 65_537]);
        let mtu = self.mostly(&[1408, 1376, 0, 33, 65_536]);
        let flags = self.mostly(&[0, 0x80, 0x40]);
        let stream = self.mostly(&[STREAM, STREAM + 1]);
        let ttl = self.mostly(&[0, 5]);
        let fields = [offset, session, stream, INITIAL_TERM, active, length, mtu, ttl];
        Frame::new(40, flags, 5).i32s(&fields).bytes(&[])
    }

    fn status(&mut self, term: i32, offset: i32, window: i32) -> Vec<u8> {
        let session = self.mostly(&[OWN_SESSION, 6]);
        let tagged = self.random.u8(..) < 40;
        let receiver = self.mostly(&[77, 78]);
        let fields = [session, STREAM, INITIAL_TERM + term, offset, window];
        let frame = Frame::new(if tagged { 44 } else { 36 }, 0, 3).i32s(&fields).i64s(&[receiver]);
        if tagged { frame.i64s(&[4]).bytes(&[]) } else { frame.bytes(&[]) }
    }

    /// Data, padding or a heartbeat, where the stream goes on, before or after that. Payloads are zero: where frames
    /// overlap, Aeron C takes what else stands there for the length of a frame.
    fn data(&mut self) -> Vec<u8> {
        let of = usize::from(self.random.u8(..) < 40);
        let session = self.mostly(&[SESSIONS[of], 11]);
        let stream = self.mostly(&[STREAM, STREAM + 1]);
        let next = self.next[of];
        let payload = self.pick(&[0, 1, 32, 200, 1000]);
        let aligned = (payload + 32 + 31) / 32 * 32;
        let offset = match self.random.u8(0..12) {
            0 => next + 64,
            1 => (next - 64).max(0),
            2 => self.pick(&[33, -32, 65_536, 65_504, 40_000, 32_768, 0]),
            _ => next,
        };
        if offset >= next && offset % 32 == 0 && offset < 60_000 {
            self.next[of] = offset + aligned;
        }
        let term = INITIAL_TERM + self.mostly(&[0, 0, 0, 1, -1]);
        let header = |length: i32, flags: u8, kind: u16, at: i32| {
            Frame::new(length, flags, kind).i32s(&[at, session, stream, term]).i64s(&[0])
        };
        match self.random.u8(0..14) {
            0 => header(0, 0xC0, 1, offset).bytes(&[]),
            1 => header(payload + 32, 0xC0, 0, offset).bytes(&vec![0; (aligned - 32) as usize]),
            // Its padding need not come along.
            2 => header(aligned + 320, 0xC0, 0, offset).bytes(&[]),
            3 => {
                let claimed = self.pick(&[-1, 1, 31, aligned + 32, i32::MAX]);
                header(claimed, 0xC0, 1, offset).bytes(&vec![0; (aligned - 32) as usize])
            }
            4 => header(payload + 32, 0xC0, 1, offset).bytes(&vec![0; (aligned - 32) as usize + 1]),
            5 => {
                let mut two = header(64, 0x80, 1, offset).bytes(&[0; 32]);
                two.extend(header(64, 0x40, 1, offset + self.mostly(&[64, 32])).bytes(&[0; 32]));
                two
            }
            _ => header(payload + 32, 0xC0, 1, offset).bytes(&vec![0; (aligned - 32) as usize]),
        }
    }

    fn garbage(&mut self) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..self.pick(&[1, 7, 8, 24, 32, 36, 40, 64])).map(|_| self.random.u8(..)).collect();
        if self.random.bool() && bytes.len() >= 8 {
            // Closer to a frame.
            bytes[..4].copy_from_slice(&self.pick(&[32_i32, 40, 64]).to_le_bytes());
            bytes[4] = self.pick(&[0, 0, 1]);
            bytes[6..8].copy_from_slice(&u16::from(self.random.u8(0..14)).to_le_bytes());
        }
        bytes
    }
}
