//! A log: three terms and their metadata, in a mapped file or on the heap.

use crate::{
    memory::AtomicView,
    types::{Position, SessionId, StreamId, TermGeometry, TermId, TermLengthError, TermOffset},
};
#[cfg(not(loom))]
use crate::{
    memory::{Allocation, MappedFile},
    types::TermLength,
};
#[cfg(not(loom))]
use std::path::Path;

use super::{
    LogMetadata, LogParameters, PageSizeError,
    descriptor::{METADATA_LENGTH, PARTITION_COUNT, partition_index},
    header::HeaderTemplate,
};
#[cfg(not(loom))]
use super::{
    PageSize,
    descriptor::{MIN_FILE_LENGTH, file_length},
};

/// Why a file cannot be used as a log.
#[derive(Debug, thiserror::Error)]
pub enum LogBuffersError {
    /// The file cannot be created, opened or mapped.
    #[error("cannot map the log buffer: {0}")]
    Io(#[from] std::io::Error),
    /// The file is cut short, or is not a log buffer at all.
    #[error("log buffer file of {actual} bytes is shorter than the {minimum} bytes it needs")]
    TooShort {
        /// Length of the file.
        actual: usize,
        /// Least length that the metadata, or any metadata, asks for.
        minimum: usize,
    },
    /// The metadata holds no valid term length.
    #[error("log buffer metadata: {0}")]
    TermLength(#[from] TermLengthError),
    /// The metadata holds no valid page size.
    #[error("log buffer metadata: {0}")]
    PageSize(#[from] PageSizeError),
}

/// The three terms of a log, its metadata, and what never changes of it. Cloning shares the memory and keeps it alive.
///
/// Threading: `Send` and `Sync`; each algorithm on a log names its own rules.
#[derive(Clone, Debug)]
pub struct LogBuffers {
    terms: [AtomicView; PARTITION_COUNT],
    metadata: LogMetadata,
    geometry: TermGeometry,
    template: HeaderTemplate,
    may_have_huge_pages: bool,
}

impl LogBuffers {
    /// A log on the heap, initialised; for tests and for streams that never leave a process.
    #[must_use]
    pub fn on_heap(parameters: &LogParameters) -> Self {
        let terms = core::array::from_fn(|_| AtomicView::allocate(parameters.term_length.bytes()));
        let metadata = LogMetadata::over(AtomicView::allocate(METADATA_LENGTH));
        parameters.initialise(&metadata);
        let geometry = TermGeometry::new(parameters.initial_term_id, parameters.term_length);
        Self::from_parts(terms, metadata, geometry, parameters.session_id, parameters.stream_id)
    }

    /// A log over memory that the caller laid out: each term as long as the geometry says.
    #[must_use]
    pub const fn from_parts(
        terms: [AtomicView; PARTITION_COUNT],
        metadata: LogMetadata,
        geometry: TermGeometry,
        session_id: SessionId,
        stream_id: StreamId,
    ) -> Self {
        let template = HeaderTemplate::new(session_id, stream_id);
        Self { terms, metadata, geometry, template, may_have_huge_pages: true }
    }

    /// The same log, of which nobody makes huge pages.
    #[must_use]
    pub const fn without_huge_pages(mut self) -> Self {
        self.may_have_huge_pages = false;
        self
    }

    /// Whether huge pages may be made of it, by whoever finds storage ahead of its writers.
    #[must_use]
    pub const fn may_have_huge_pages(&self) -> bool {
        self.may_have_huge_pages
    }

    /// Creates, sizes, maps and initialises a log buffer file; for drivers.
    ///
    /// # Errors
    /// When the file exists, cannot be created or mapped, or does not fit its file system; nothing is left behind.
    #[cfg(not(loom))]
    pub fn create(
        path: &Path,
        parameters: &LogParameters,
        allocation: Allocation,
    ) -> Result<Self, LogBuffersError> {
        let length = file_length(parameters.term_length, parameters.page_size);
        Self::in_new_file(&MappedFile::create(path, length, allocation)?, parameters)
    }

    /// Initialises a log buffer in a new file, zeroed and [`file_length`] bytes long; for drivers.
    ///
    /// # Errors
    /// When the file is shorter.
    #[cfg(not(loom))]
    pub fn in_new_file(file: &MappedFile, parameters: &LogParameters) -> Result<Self, LogBuffersError> {
        let (actual, minimum) = (file.length(), file_length(parameters.term_length, parameters.page_size));
        if actual < minimum {
            return Err(LogBuffersError::TooShort { actual, minimum });
        }
        let metadata = LogMetadata::over(metadata_view(file.view()));
        parameters.initialise(&metadata);
        Ok(Self::split(file.view(), metadata, parameters.term_length))
    }

    /// Maps a log buffer file that a driver made; for clients.
    ///
    /// # Errors
    /// When it cannot be mapped, is shorter than 200704 bytes or than its terms and metadata, or its metadata holds an
    /// invalid term length or page size. Source: shared-memory spec 7.1, 16.3.
    #[cfg(not(loom))]
    pub fn open(path: &Path) -> Result<Self, LogBuffersError> {
        Self::over_file(MappedFile::open(path)?.view())
    }

    /// [`LogBuffers::open`] for looking only: stores stay in this process.
    ///
    /// # Errors
    /// As of [`LogBuffers::open`].
    #[cfg(not(loom))]
    pub fn open_to_read(path: &Path) -> Result<Self, LogBuffersError> {
        Self::over_file(MappedFile::open_to_read(path)?.view())
    }

    #[cfg(not(loom))]
    fn over_file(file: &AtomicView) -> Result<Self, LogBuffersError> {
        let actual = file.len();
        if actual < MIN_FILE_LENGTH || !actual.is_multiple_of(8) {
            return Err(LogBuffersError::TooShort { actual, minimum: MIN_FILE_LENGTH });
        }
        let metadata = LogMetadata::over(metadata_view(file));
        let term_length = metadata.term_length()?;
        metadata.page_size()?;
        let minimum = file_length(term_length, PageSize::MIN);
        if actual < minimum {
            return Err(LogBuffersError::TooShort { actual, minimum });
        }
        Ok(Self::split(file, metadata, term_length))
    }

    #[cfg(not(loom))]
    fn split(file: &AtomicView, metadata: LogMetadata, term_length: TermLength) -> Self {
        let bytes = term_length.bytes();
        Self {
            terms: core::array::from_fn(|index| file.sub_view(index * bytes, bytes)),
            geometry: TermGeometry::new(metadata.initial_term_id(), term_length),
            template: HeaderTemplate::from_default_header(&metadata.default_header()),
            metadata,
            may_have_huge_pages: true,
        }
    }

    /// The term buffer of partition `index`, 0..=2.
    #[inline]
    #[must_use]
    pub const fn term(&self, index: usize) -> &AtomicView {
        &self.terms[index]
    }

    /// The term buffer that holds a position.
    #[inline]
    #[must_use]
    pub fn term_at(&self, position: Position) -> &AtomicView {
        &self.terms[self.geometry.partition_index(position)]
    }

    /// The metadata.
    #[inline]
    #[must_use]
    pub const fn metadata(&self) -> &LogMetadata {
        &self.metadata
    }

    /// How positions map onto the terms.
    #[inline]
    #[must_use]
    pub const fn geometry(&self) -> TermGeometry {
        self.geometry
    }

    /// Session of the stream.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.template.session_id()
    }

    /// Stream id.
    #[must_use]
    pub const fn stream_id(&self) -> StreamId {
        self.template.stream_id()
    }

    /// Where the publisher's next frame goes, as far as its tails tell; the end of the term while one is tripped.
    #[inline]
    #[must_use]
    pub fn producer_position(&self) -> Position {
        let tail = self.metadata.active_tail();
        self.geometry.position(tail.term_id(), tail.offset(self.geometry.term_length()))
    }

    pub(super) const fn template(&self) -> HeaderTemplate {
        self.template
    }

    /// Term buffer and offset of a position; `None` when no frame can start there.
    pub(super) fn frame_place(&self, position: Position) -> Option<(usize, TermId, TermOffset)> {
        let offset = self.geometry.term_offset(position);
        let place =
            (partition_index(self.geometry.term_count(position)), self.geometry.term_id(position), offset);
        (position >= Position::ZERO && offset.is_frame_start_in(self.geometry.term_length())).then_some(place)
    }
}

#[cfg(not(loom))]
fn metadata_view(file: &AtomicView) -> AtomicView {
    file.sub_view(file.len() - METADATA_LENGTH, METADATA_LENGTH)
}
