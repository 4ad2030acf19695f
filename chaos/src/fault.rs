//! What can happen, and what of it happens next.

use std::time::Duration;

/// A process of the game.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Member {
    /// The driver of a host.
    Driver(usize),
    /// The publisher of a flow.
    Publisher(usize),
    /// The subscriber of a flow.
    Subscriber(usize),
}

impl Member {
    /// Its name in reports.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Driver(_) => "driver",
            Self::Publisher(_) => "publisher",
            Self::Subscriber(_) => "subscriber",
        }
    }

    fn any(random: &mut fastrand::Rng, setting: &Setting) -> Self {
        match random.u8(..3) {
            0 => Self::Driver(random.usize(..setting.hosts)),
            1 => Self::Publisher(random.usize(..setting.flows)),
            _ => Self::Subscriber(random.usize(..setting.flows)),
        }
    }
}

/// Something that goes wrong for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// SIGKILL, and a new process in its place, at once or when the time is over.
    Kill(Member),
    /// SIGSTOP, and SIGCONT.
    Pause(Member),
    /// The link of a host is down.
    LinkDown(usize),
    /// The disk of a host is full.
    FullDisk(usize),
    /// Junk comes to all ports of a host.
    Flood(usize),
}

impl Fault {
    /// Its name in reports.
    pub(crate) fn kind(self) -> String {
        match self {
            Self::Kill(member) => format!("kill_{}", member.kind()),
            Self::Pause(member) => format!("pause_{}", member.kind()),
            Self::LinkDown(_) => "link_down".to_owned(),
            Self::FullDisk(_) => "full_disk".to_owned(),
            Self::Flood(_) => "flood".to_owned(),
        }
    }
}

/// What faults choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) hosts: usize,
    pub(crate) flows: usize,
    /// Whether links can be cut.
    pub(crate) has_links: bool,
    /// Whether disks can be filled.
    pub(crate) has_disks: bool,
}

/// Faults that happen together, and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) faults: Vec<Fault>,
    pub(crate) duration: Duration,
}

impl Step {
    /// One to three different faults, for a moment or for longer than each timeout.
    pub(crate) fn next(random: &mut fastrand::Rng, setting: &Setting) -> Self {
        let mut faults = Vec::new();
        while faults.is_empty() || random.u8(..3) == 0 && faults.len() < 3 {
            let fault = Self::fault(random, setting);
            // A process that is dead cannot be stopped, nor killed again.
            let touches = |one: &Fault, other: &Fault| match (one, other) {
                (Fault::Kill(one) | Fault::Pause(one), Fault::Kill(other) | Fault::Pause(other)) => {
                    one == other
                }
                (one, other) => one == other,
            };
            if !faults.iter().any(|known| touches(known, &fault)) {
                faults.push(fault);
            }
        }
        // Deaths last: who comes back at once finds everything else wrong.
        faults.sort_by_key(|fault| matches!(fault, Fault::Kill(_)));
        let [least, most] = [[5, 50], [50, 500], [500, 2000], [2000, 6000]][random.usize(..4)];
        Self { faults, duration: Duration::from_millis(random.u64(least..most)) }
    }

    fn fault(random: &mut fastrand::Rng, setting: &Setting) -> Fault {
        loop {
            return match random.u8(..8) {
                0..=2 => Fault::Kill(Member::any(random, setting)),
                3 | 4 => Fault::Pause(Member::any(random, setting)),
                5 if setting.has_links => Fault::LinkDown(random.usize(..setting.hosts)),
                6 if setting.has_disks => Fault::FullDisk(random.usize(..setting.hosts)),
                7 => Fault::Flood(random.usize(..setting.hosts)),
                _ => continue,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn kinds(has_links: bool, has_disks: bool) -> BTreeSet<String> {
        let setting = Setting { hosts: 2, flows: 4, has_links, has_disks };
        let mut random = fastrand::Rng::with_seed(1);
        let steps = (0..1000).map(|_| Step::next(&mut random, &setting));
        steps.flat_map(|step| step.faults).map(Fault::kind).collect()
    }

    #[test]
    fn everything_that_is_possible_happens_and_nothing_else() {
        assert_eq!(kinds(true, true).len(), 9);
        assert_eq!(kinds(false, false).len(), 7);
        assert!(!kinds(false, true).contains("link_down"));
    }

    #[test]
    fn steps_follow_from_the_seed() {
        let setting = Setting { hosts: 2, flows: 4, has_links: true, has_disks: true };
        let steps = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..20).map(|_| Step::next(&mut random, &setting)).collect::<Vec<_>>()
        };
        assert_eq!(steps(5), steps(5));
        assert_ne!(steps(5), steps(6));
    }
}
