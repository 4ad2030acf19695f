//! Which requests the driver has not answered yet.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use epona_protocol::types::RegistrationId;

/// Ids of the requests under way. Threading: shared by handles and conductor.
#[derive(Debug, Default)]
pub(crate) struct ActiveCommands {
    ids: Mutex<BTreeSet<RegistrationId>>,
}

/// A request under way, until dropped.
#[derive(Debug)]
pub(crate) struct ActiveCommand {
    commands: Arc<ActiveCommands>,
    id: RegistrationId,
}

impl ActiveCommands {
    pub(crate) fn begin(self: &Arc<Self>, id: RegistrationId) -> ActiveCommand {
        self.lock().insert(id);
        ActiveCommand { commands: Arc::clone(self), id }
    }

    pub(crate) fn contains(&self, id: RegistrationId) -> bool {
        self.lock().contains(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<RegistrationId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ActiveCommand {
    fn drop(&mut self) {
        self.commands.lock().remove(&self.id);
    }
}
