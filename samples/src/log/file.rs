//! A log buffer file, read piece by piece.
//!
//! It is read and not mapped: whoever may be writing to it can cut it short, and looking at what was never written must not
//! take shared memory.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use epona_protocol::{
    frame::DataHeader,
    logbuffer::{
        LogMetadata, PageSize,
        descriptor::{METADATA_LENGTH, MIN_FILE_LENGTH, PARTITION_COUNT, file_length},
        header::HEADER_LENGTH,
    },
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, Position, TermGeometry, TermId, TermOffset},
};

use super::frame::Frame;
use crate::common::Stop;

/// Read at once where nothing is written.
const GAP_CHUNK: usize = 64 << 10;

/// What lies at a place of a term.
#[derive(Clone, Debug)]
pub(super) enum TermItem {
    Frame(Frame),
    /// Nothing was written here, but behind it.
    Gap {
        position: Position,
        offset: TermOffset,
        length: i64,
    },
    /// A length that no frame here can have; a negative one is a writer at work, or one that died.
    Broken {
        position: Position,
        offset: TermOffset,
        frame_length: i32,
    },
}

impl TermItem {
    pub(super) const fn position(&self) -> Position {
        match self {
            Self::Frame(frame) => frame.position,
            Self::Gap { position, .. } | Self::Broken { position, .. } => *position,
        }
    }

    /// Where the next one may begin.
    pub(super) fn end(&self) -> Position {
        match self {
            Self::Frame(frame) => frame.position + i64::from(frame.aligned_length()),
            Self::Gap { position, length, .. } => *position + *length,
            Self::Broken { position, .. } => *position + 1,
        }
    }
}

/// A log buffer file whose metadata make sense.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    length: u64,
    metadata: LogMetadata,
    geometry: TermGeometry,
}

impl LogFile {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read, is too short for its terms, or its metadata hold no valid term length.
    pub(super) fn open(path: &Path) -> Result<Self, Stop> {
        let place = path.display();
        let unreadable = |error: io::Error| format!("cannot read {place}: {error}");
        let file = File::open(path).map_err(unreadable)?;
        let facts = file.metadata().map_err(unreadable)?;
        if !facts.is_file() {
            return Err(format!("{place} is not a log buffer: not a file").into());
        }
        let length = facts.len();
        let too_short = |least: usize| {
            format!("{place} is not a log buffer: it has {length} bytes and needs at least {least}")
        };
        if length < MIN_FILE_LENGTH as u64 {
            return Err(too_short(MIN_FILE_LENGTH).into());
        }
        let mut bytes = [0; METADATA_LENGTH];
        file.read_exact_at(&mut bytes, length - METADATA_LENGTH as u64).map_err(unreadable)?;
        let view = AtomicView::allocate(METADATA_LENGTH);
        view.write(0, &bytes);
        let metadata = LogMetadata::over(view);
        let term_length =
            metadata.term_length().map_err(|error| format!("{place} is not a log buffer: {error}"))?;
        let least = file_length(term_length, PageSize::MIN);
        if length < least as u64 {
            return Err(too_short(least).into());
        }
        let geometry = TermGeometry::new(metadata.initial_term_id(), term_length);
        Ok(Self { file, length, metadata, geometry })
    }

    /// Of the file, in bytes.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) const fn metadata(&self) -> &LogMetadata {
        &self.metadata
    }

    /// The terms, in the order of their positions, as far as they have begun; of a payload at most so many bytes are read.
    pub(super) fn terms(&self, max_payload: usize) -> impl Iterator<Item = Term<'_>> {
        let mut terms: Vec<_> =
            (0..PARTITION_COUNT).filter_map(|index| self.term(index, max_payload)).collect();
        terms.sort_by_key(|term| term.begin);
        terms.into_iter()
    }

    /// The term in a partition, as its first frame tells: the tails of images stand still.
    fn term(&self, index: usize, max_payload: usize) -> Option<Term<'_>> {
        let begin_of = |id: TermId| {
            let count = id.terms_since(self.geometry.initial_term_id());
            let fits = count >= 0 && count as usize % PARTITION_COUNT == index;
            fits.then(|| self.geometry.position(id, TermOffset::ZERO))
        };
        let first = self.first_frame(index).map(|header| header.term_id);
        let tail = self.metadata.tail(index).term_id();
        let id = [first, Some(tail)].into_iter().flatten().find(|id| begin_of(*id).is_some())?;
        Some(Term { log: self, index, id, begin: begin_of(id)?, max_payload, offset: 0, buffer: Vec::new() })
    }

    /// The first header that was written into a partition, if it has a valid place.
    fn first_frame(&self, index: usize) -> Option<DataHeader> {
        let mut term = Term {
            log: self,
            index,
            id: TermId::new(0),
            begin: Position::ZERO,
            max_payload: 0,
            offset: 0,
            buffer: Vec::new(),
        };
        let offset = term.written_from(0, |_| true).ok()??;
        term.header(offset).ok()?
    }

    fn read(&self, index: usize, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let start = index * self.geometry.term_length().bytes() + offset;
        self.file.read_exact_at(bytes, start as u64)
    }
}

/// What lies in one term, from its beginning.
#[derive(Debug)]
pub(super) struct Term<'a> {
    log: &'a LogFile,
    index: usize,
    id: TermId,
    begin: Position,
    max_payload: usize,
    offset: usize,
    buffer: Vec<u8>,
}

impl Term<'_> {
    fn length(&self) -> usize {
        self.log.geometry.term_length().bytes()
    }

    /// The header at an offset, whatever it says; `None` for heartbeats and what is no data.
    fn header(&self, offset: usize) -> io::Result<Option<DataHeader>> {
        let mut bytes = [0; HEADER_LENGTH];
        self.log.read(self.index, offset, &mut bytes)?;
        Ok(DataHeader::parse(&bytes).ok())
    }

    fn frame_length(&self, offset: usize) -> io::Result<i32> {
        let mut bytes = [0; 4];
        self.log.read(self.index, offset, &mut bytes)?;
        Ok(i32::from_le_bytes(bytes))
    }

    /// Where, from an offset on, a frame begins that says so itself and that `is_wanted`.
    fn written_from(
        &mut self,
        offset: usize,
        is_wanted: impl Fn(&DataHeader) -> bool,
    ) -> io::Result<Option<usize>> {
        let mut offset = offset;
        while offset < self.length() {
            let chunk = GAP_CHUNK.min(self.length() - offset);
            self.buffer.resize(chunk, 0);
            self.log.read(self.index, offset, &mut self.buffer)?;
            let found =
                self.buffer.chunks_exact(FRAME_ALIGNMENT as usize).enumerate().find(|(number, bytes)| {
                    let place = offset + number * FRAME_ALIGNMENT as usize;
                    let header = DataHeader::parse(bytes).ok();
                    header.is_some_and(|header| {
                        header.frame_length > 0 && header.term_offset.index() == place && is_wanted(&header)
                    })
                });
            if let Some((number, _)) = found {
                return Ok(Some(offset + number * FRAME_ALIGNMENT as usize));
            }
            offset += chunk;
        }
        Ok(None)
    }

    fn read_next(&mut self) -> io::Result<Option<TermItem>> {
        let (length, offset) = (self.length(), self.offset);
        if offset >= length {
            return Ok(None);
        }
        // Offsets are below the term length, which fits.
        let (place, position) = (TermOffset::new(offset as i32), self.begin + offset as i64);
        let frame_length = self.frame_length(offset)?;
        if frame_length == 0 {
            let id = self.id;
            let Some(next) = self.written_from(offset, |header| header.term_id == id)? else {
                self.offset = length;
                return Ok(None);
            };
            self.offset = next;
            return Ok(Some(TermItem::Gap { position, offset: place, length: (next - offset) as i64 }));
        }
        let fits = usize::try_from(frame_length)
            .is_ok_and(|bytes| bytes >= HEADER_LENGTH && bytes <= length - offset);
        let Some(header) = self.header(offset)?.filter(|_| fits) else {
            self.offset = length;
            return Ok(Some(TermItem::Broken { position, offset: place, frame_length }));
        };
        let mut frame = Frame::new(position, &header);
        self.offset = offset + frame.aligned_length() as usize;
        frame.payload.resize(frame.payload_length().min(self.max_payload), 0);
        self.log.read(self.index, offset + HEADER_LENGTH, &mut frame.payload)?;
        Ok(Some(TermItem::Frame(frame)))
    }
}

impl Iterator for Term<'_> {
    type Item = io::Result<TermItem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next().transpose()
    }
}
