//! What the machine has and uses: processors, memory, network, and what this process takes of them.
//!
//! A share of time and a rate need two looks. Looks are at least a second apart, and shared by all who ask; the first one
//! has no rates to tell.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use sysinfo::{Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use utoipa::ToSchema;

/// Shortest time between two looks.
const APART: Duration = Duration::from_secs(1);

/// What the machine has and uses.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct MachineView {
    /// Processors.
    pub cpus: usize,
    /// Share of their time that is used by everybody, from 0 to 1.
    pub cpu: Option<f64>,
    /// Share of one processor's time that this process uses: 2 for two processors.
    pub own_cpu: Option<f64>,
    /// Bytes of memory.
    pub memory_total: u64,
    /// Bytes of memory that are in use.
    pub memory_used: u64,
    /// Bytes of memory that this process holds.
    pub own_memory: u64,
    /// Bytes that came over all interfaces but the machine's own, in a second.
    pub network_in: Option<f64>,
    /// Bytes that went, in a second.
    pub network_out: Option<f64>,
    /// Bytes that this process read from disks, in a second.
    pub disk_read: Option<f64>,
    /// Bytes that this process wrote to disks, in a second.
    pub disk_written: Option<f64>,
}

/// Looks at the machine.
#[derive(Debug, Default)]
pub(super) struct Machine(Mutex<Option<Looked>>);

struct Looked {
    system: System,
    networks: Networks,
    pid: Pid,
    at: Instant,
    view: MachineView,
}

impl std::fmt::Debug for Looked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Looked").field("view", &self.view).finish_non_exhaustive()
    }
}

impl Machine {
    /// What there is, not older than a second; nothing on a system that does not tell. Blocks for a millisecond.
    pub(super) fn look(&self) -> Option<MachineView> {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *looked {
            Some(known) if known.at.elapsed() < APART => {}
            Some(known) => known.again(),
            None => *looked = Looked::first(),
        }
        looked.as_ref().map(|known| known.view)
    }
}

impl Looked {
    fn first() -> Option<Self> {
        let (system, networks) = (System::new().ok()?, Networks::new_with_refreshed_list().ok()?);
        let pid = sysinfo::get_current_pid().ok()?;
        let mut first = Self { system, networks, pid, at: Instant::now(), view: MachineView::default() };
        first.refresh();
        first.view = first.seen(None);
        Some(first)
    }

    fn again(&mut self) {
        let passed = self.at.elapsed().as_secs_f64();
        self.at = Instant::now();
        self.networks.refresh(true);
        self.refresh();
        self.view = self.seen(Some(passed));
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().with_disk_usage().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, kind);
    }

    /// What was seen; rates only over a time.
    fn seen(&self, passed: Option<f64>) -> MachineView {
        let own = self.system.process(self.pid);
        let rate = |bytes: u64| passed.map(|seconds| bytes as f64 / seconds);
        let others = || self.networks.iter().filter(|(name, _)| *name != "lo");
        MachineView {
            cpus: self.system.cpus().len(),
            cpu: passed.map(|_| f64::from(self.system.global_cpu_usage()) / 100.0),
            own_cpu: passed.and(own).map(|own| f64::from(own.cpu_usage()) / 100.0),
            memory_total: self.system.total_memory(),
            memory_used: self.system.used_memory(),
            own_memory: own.map_or(0, sysinfo::Process::memory),
            network_in: rate(others().map(|(_, network)| network.received()).sum()),
            network_out: rate(others().map(|(_, network)| network.transmitted()).sum()),
            disk_read: own.and_then(|own| rate(own.disk_usage().read_bytes)),
            disk_written: own.and_then(|own| rate(own.disk_usage().written_bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_look_has_no_rates_and_a_later_one_has() {
        let machine = Machine::default();
        let first = machine.look().unwrap();
        assert!(first.cpus > 0 && first.memory_total > first.own_memory && first.own_memory > 0, "{first:?}");
        assert_eq!((first.cpu, first.network_in), (None, None));
        assert_eq!(machine.look(), Some(first), "looks are shared");
        std::thread::sleep(APART);
        let later = machine.look().unwrap();
        assert!(later.cpu.is_some_and(|cpu| (0.0..=1.0).contains(&cpu)) && later.own_cpu.is_some(), "{later:?}");
        assert!(later.network_in.is_some() && later.disk_written.is_some(), "{later:?}");
    }
}
