//! What all connections share: the lists that can grow, who is told, the tasks, and the seal of request states.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use anmei_mcp::{
    clock::SharedClock,
    secret::{MasterKey, NoRandomness},
};
use rmcp::{
    model::{Prompt, Tool},
    task_manager::TaskManager,
};
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{prompts, tools};

/// Something that listeners are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Prompts,
    /// The watched resource has other contents.
    Watched,
}

/// One per process.
pub(crate) struct World {
    pub(crate) clock: SharedClock,
    pub(crate) tasks: TaskManager,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) seal: MasterKey,
    pub(crate) changes: broadcast::Sender<Change>,
    tools: Vec<Tool>,
    prompts: Vec<Prompt>,
    more_tools: AtomicBool,
    more_prompts: AtomicBool,
    watched: AtomicU64,
}

impl World {
    /// A fresh one, with a seal of its own: request states of another process are not accepted.
    pub(crate) fn new(clock: SharedClock, stop: CancellationToken, tracker: TaskTracker) -> Result<Arc<Self>, NoRandomness> {
        Ok(Arc::new(Self {
            clock,
            tasks: TaskManager::new(),
            tracker,
            stop,
            seal: MasterKey::generate()?,
            changes: broadcast::channel(64).0,
            tools: tools::definitions(),
            prompts: prompts::definitions(),
            more_tools: AtomicBool::new(false),
            more_prompts: AtomicBool::new(false),
            watched: AtomicU64::new(0),
        }))
    }

    /// The tools as they are now, in their fixed order.
    pub(crate) fn tools(&self) -> Vec<Tool> {
        let added = self.more_tools.load(Ordering::Relaxed).then(tools::added);
        self.tools.iter().cloned().chain(added).collect()
    }

    /// A tool by its name.
    pub(crate) fn tool(&self, name: &str) -> Option<Tool> {
        self.tools().into_iter().find(|tool| tool.name == name)
    }

    /// The prompts as they are now.
    pub(crate) fn prompts(&self) -> Vec<Prompt> {
        let added = self.more_prompts.load(Ordering::Relaxed).then(prompts::added);
        self.prompts.iter().cloned().chain(added).collect()
    }

    /// How often the watched resource was changed.
    pub(crate) fn watched(&self) -> u64 {
        self.watched.load(Ordering::Relaxed)
    }

    /// Makes a change, and tells whoever listens. A list grows and shrinks by one.
    pub(crate) fn change(&self, change: Change) {
        match change {
            Change::Tools => drop(self.more_tools.fetch_not(Ordering::Relaxed)),
            Change::Prompts => drop(self.more_prompts.fetch_not(Ordering::Relaxed)),
            Change::Watched => drop(self.watched.fetch_add(1, Ordering::Relaxed)),
        }
        // Nobody listening is no error.
        self.changes.send(change).ok();
    }
}
