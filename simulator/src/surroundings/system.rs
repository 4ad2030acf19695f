//! What a driver asks of its system: names and room for files.

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use epona_media_driver::{
    directory::storage::FileSystem,
    name_resolution::{NameQuery, NameResolver, ResolutionError},
};

/// Names and their addresses, the same on every host. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    table: Arc<Mutex<BTreeMap<String, IpAddr>>>,
}

impl Names {
    pub(crate) fn set(&self, name: &str, address: IpAddr) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), address);
    }
}

impl NameResolver for Names {
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(address) = query.name.parse() {
            return Ok(address);
        }
        table.get(query.name).copied().ok_or_else(|| ResolutionError::UnknownHost {
            parameter: query.parameter.into(),
            name: query.name.into(),
            reason: "nobody has this name".into(),
        })
    }
}

/// Room for the files of one host. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    is_full: Arc<AtomicBool>,
}

impl Room {
    pub(crate) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

impl FileSystem for Room {
    fn usable_space(&mut self, _: &Path) -> io::Result<u64> {
        Ok(if self.is_full.load(Ordering::Relaxed) { 0 } else { 1 << 40 })
    }
}
