//! Creates `cnc.dat`, with storage for what is in use: counters fill most of the file, and few drivers have that many.

use std::{fs::File, io, ops::Range, path::Path};

use epona_protocol::{
    cnc::{CNC_FILE, Cnc, CncLengths, CncMetadata},
    counters::CounterStorage,
    memory::Allocation,
    types::Now,
};
use rustix::fs::{FallocateFlags, fallocate};

use super::LaunchError;
use crate::config::{COUNTERS_PER_STEP, Context};

/// The file, and what sets storage aside for counters before they are used: a full file system shows then, or now, and
/// not as a signal later.
pub(super) fn create(context: &Context, now: Now) -> Result<(Cnc, CounterStorage), LaunchError> {
    let directory = &context.directory.path;
    let failed = || LaunchError::system(format!("create cnc.dat in {}", directory.display()));
    let cnc = Cnc::create(directory, &metadata(context, now), Allocation::Sparse).map_err(failed())?;
    let path = directory.join(CNC_FILE);
    let file = reserved(&cnc, &path)
        .inspect_err(|_| drop(std::fs::remove_file(&path)))
        .map_err(LaunchError::system(lack_of_storage(&cnc, directory)))?;
    let records = cnc.clone();
    let reserve =
        move |ids| records.counter_records(ids).into_iter().all(|range| reserve(&file, range).is_ok());
    Ok((cnc, CounterStorage::new(COUNTERS_PER_STEP, Box::new(reserve))))
}

fn reserved(cnc: &Cnc, path: &Path) -> io::Result<File> {
    let file = File::options().read(true).write(true).open(path)?;
    for range in cnc.all_but_counter_records() {
        reserve(&file, range)?;
    }
    Ok(file)
}

/// What could not be done, how much it takes, and what to change.
fn lack_of_storage(cnc: &Cnc, directory: &Path) -> String {
    let needed: usize = cnc.all_but_counter_records().into_iter().map(|range| range.len()).sum();
    format!(
        "set aside {needed} bytes for cnc.dat in {}, as much as aeron.conductor.buffer.length, \
         aeron.clients.buffer.length and aeron.error.buffer.length say",
        directory.display()
    )
}

fn reserve(file: &File, range: Range<usize>) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    Ok(fallocate(file, FallocateFlags::empty(), range.start as u64, range.len() as u64)?)
}

fn metadata(context: &Context, now: Now) -> CncMetadata {
    let buffers = &context.buffers;
    let length = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    CncMetadata {
        lengths: CncLengths {
            to_driver: length(buffers.to_driver_length),
            to_clients: length(buffers.to_clients_length),
            counters_metadata: length(buffers.counter_values_length.saturating_mul(4)),
            counters_values: length(buffers.counter_values_length),
            error_log: length(buffers.error_log_length),
        },
        client_liveness_timeout: context.timeouts.client_liveness,
        start_timestamp: now.epoch,
        pid: i64::from(std::process::id()),
        file_page_size: buffers.file_page_size.get(),
    }
}
