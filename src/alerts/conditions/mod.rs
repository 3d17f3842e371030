//! The conditions: each says when it holds, about what, and in one line what is the matter.

mod backlog_old;
mod breaker_open;
mod channel_failing;
mod dead_letter;
mod disk_low;
mod events_disabled;
mod no_success;
mod old_key_in_use;
mod rolled_back;
mod success;

use async_trait::async_trait;
use serde_json::Value;

use super::Breakers;
use crate::{
    settings::Settings,
    store::{Store, StoreError, alerts::Alert},
};

/// What is always the same of a condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// Its name for people, in Chinese.
    pub(super) zh: &'static str,
    /// The same in English.
    pub(super) en: &'static str,
    /// `warning` or `critical`.
    pub(super) severity: &'static str,
    /// Whether it may come and go by itself.
    pub(super) flaps: bool,
    /// Least time between two questions; 0 for every look.
    pub(super) every_ms: i64,
}

/// What conditions are decided by.
pub(super) struct Scene<'a> {
    pub(super) store: &'a Store,
    pub(super) settings: &'a Settings,
    pub(super) breakers: &'a dyn Breakers,
    /// All open alerts.
    pub(super) open: &'a [Alert],
    pub(super) now: i64,
}

impl<'a> Scene<'a> {
    /// The open alerts of a condition.
    fn open(&self, name: &'static str) -> impl Iterator<Item = &'a Alert> {
        self.open.iter().filter(move |alert| alert.condition == name)
    }
}

/// Something that holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// What it is about; empty when there is only one.
    pub(super) subject: String,
    /// One line, in both languages.
    pub(super) summary: String,
    /// The figures behind it.
    pub(super) detail: Value,
}

impl Finding {
    fn new(subject: impl Into<String>, zh: &str, en: &str, detail: Value) -> Self {
        Self { subject: subject.into(), summary: format!("{zh} / {en}"), detail }
    }

    /// What an open alert says still holds.
    fn again(alert: &Alert) -> Self {
        Self { subject: alert.subject.clone(), summary: alert.summary.clone(), detail: alert.detail.clone() }
    }
}

/// Something administrators must know of.
#[async_trait]
pub(super) trait Condition: Send + Sync {
    /// What is always the same.
    fn kind(&self) -> Kind;
    /// About what it holds now.
    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError>;
}

/// Every condition.
pub(super) fn all() -> Vec<Box<dyn Condition>> {
    vec![
        Box::new(dead_letter::DeadLetter),
        Box::new(breaker_open::BreakerOpen),
        Box::new(success::Automation),
        Box::new(success::Agents),
        Box::new(no_success::NoSuccess),
        Box::new(disk_low::DiskLow),
        Box::new(backlog_old::BacklogOld),
        Box::new(events_disabled::EventsDisabled),
        Box::new(channel_failing::ChannelFailing),
        Box::new(rolled_back::RolledBack),
        Box::new(old_key_in_use::OldKeyInUse),
    ]
}

/// A share in percent, for people.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
