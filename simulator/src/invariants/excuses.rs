//! For how long streams may end and requests be refused, and where.

use std::time::Duration;

use epona_protocol::types::Nanos;

/// How long a severe fault is felt after it is over: longer than the liveness timeout of images, their time of cooling
/// down, and the timeout of claims that nobody commits, one after the other.
const GRACE: Duration = Duration::from_secs(45);

/// By host, until when severe faults are felt.
#[derive(Clone, Debug)]
pub(crate) struct Excuses {
    until: Vec<Nanos>,
}

impl Excuses {
    pub(crate) fn new(hosts: usize) -> Self {
        Self { until: vec![Nanos::new(i64::MIN); hosts] }
    }

    /// A severe fault touches a host, to its end.
    pub(crate) fn add(&mut self, host: usize, end: Nanos) {
        self.until[host] = self.until[host].max(end + GRACE);
    }

    /// Whether something severe is felt on any of the hosts.
    pub(crate) fn cover(&self, hosts: &[usize], now: Nanos) -> bool {
        hosts.iter().any(|host| now < self.until[*host])
    }
}
