//! Which processors the two sides run on.

/// The processors that this process may use.
#[derive(Debug)]
pub(crate) struct Cores {
    cores: Vec<usize>,
}

impl Cores {
    /// As the operating system has it; none where it does not say.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_process() -> Self {
        use rustix::thread::{CpuSet, sched_getaffinity};

        let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        Self { cores: (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect() }
    }

    /// As the operating system has it; none where it does not say.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of_process() -> Self {
        Self { cores: Vec::new() }
    }

    /// How many there are; `None` where the operating system does not say.
    pub(crate) fn count(&self) -> Option<usize> {
        (!self.cores.is_empty()).then_some(self.cores.len())
    }

    /// Whether both sides can spin without standing in each other's way.
    pub(crate) fn are_enough(&self) -> bool {
        self.cores.len() >= 2
    }

    /// Keeps the calling thread on the core of a side, if there are enough; only a matter of speed.
    #[cfg(target_os = "linux")]
    pub(crate) fn pin(&self, side: usize) {
        use rustix::thread::{CpuSet, sched_setaffinity};

        if let (true, Some(&core)) = (self.are_enough(), self.cores.get(side)) {
            let mut one = CpuSet::new();
            one.set(core);
            let _ = sched_setaffinity(None, &one);
        }
    }

    /// Threads cannot be pinned here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn pin(&self, _side: usize) {}
}
