//! The guard at work: compares each candidate with the stable agents since its share was set, and rolls back one that
//! is worse beyond chance. What "worse" means is decided in [`guard`](super::choice::guard).

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::choice::guard::{Run, Sentence, Verdict, judge};
use crate::{
    clock::SharedClock,
    settings::{self, Book, Settings},
    store::{Store, StoreError, agents::Agent, alerts::NewAlert},
};

/// Watches roll-outs.
pub struct RolloutGuard {
    /// The database.
    pub store: Store,
    /// The settings: whether to guard, and how sure to be.
    pub book: Book,
    /// The time.
    pub clock: SharedClock,
    /// Tells the queue that there are pushes.
    pub wake: Arc<Notify>,
    /// Time between two looks.
    pub period: Duration,
}

impl RolloutGuard {
    /// Looks until `stop`. A look that fails is made up for by the next one.
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let looked = self.look().await;
            if let (Err(error), false) = (&looked, failing) {
                tracing::error!(%error, "roll-outs could not be judged; it is tried again");
            }
            failing = looked.is_err();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.period) => {}
            }
        }
    }

    /// Judges every candidate once.
    pub async fn look(&self) -> Result<(), StoreError> {
        let settings = self.book.current()?;
        if !settings.rollout.guard {
            return Ok(());
        }
        let agents = self.store.agents()?;
        let is_rolled_out = |agent: &&Agent| agent.enabled && agent.part == "candidate" && agent.rollout_percent > 0;
        for candidate in agents.iter().filter(is_rolled_out) {
            self.judge(candidate, &rivals(&agents, candidate), &settings).await?;
        }
        Ok(())
    }

    async fn judge(&self, candidate: &Agent, stable: &[&Agent], settings: &Settings) -> Result<(), StoreError> {
        let verdict = compare(&self.store, candidate, stable, &settings.rollout).await?;
        let names: Vec<&str> = stable.iter().map(|agent| agent.app_name.as_str()).collect();
        let Some(said) = verdict.alert(&candidate.app_name, &names.join(", ")) else { return Ok(()) };
        let channels = settings.alerts.channels.iter().map(|channel| channel.name().to_owned()).collect();
        let now = self.clock.now_ms();
        let alert = alert(candidate, &said, &verdict);
        if self.store.roll_back(&candidate.id, candidate.rollout_since, (alert, channels), now).await? {
            self.wake.notify_one();
            tracing::error!(
                agent.name = candidate.app_name,
                percent = candidate.rollout_percent,
                "候选智能体已回滚 / a candidate was rolled back: {}",
                said.en
            );
        }
        Ok(())
    }
}

/// Whom a candidate is compared with: the stable agents beside it.
pub fn rivals<'a>(agents: &'a [Agent], candidate: &Agent) -> Vec<&'a Agent> {
    let is_rival = |agent: &&Agent| agent.enabled && agent.part == "stable" && agent.environment == candidate.environment;
    agents.iter().filter(is_rival).collect()
}

/// What is known of a candidate since its share was set.
pub async fn compare(store: &Store, candidate: &Agent, stable: &[&Agent], rules: &settings::Rollout) -> Result<Verdict, StoreError> {
    let since = candidate.rollout_since.unwrap_or(candidate.created_at);
    let ours = runs(store, candidate, since).await?;
    let mut theirs = Vec::new();
    for agent in stable {
        theirs.extend(runs(store, agent, since).await?);
    }
    Ok(judge(&ours, &theirs, rules))
}

async fn runs(store: &Store, agent: &Agent, since: i64) -> Result<Vec<Run>, StoreError> {
    let runs = store.variant_runs(&agent.id, since).await?;
    Ok(runs.into_iter().map(|run| Run { ended_at: run.ended_at, answered_in: run.answered_in }).collect())
}

fn alert(candidate: &Agent, said: &Sentence, verdict: &Verdict) -> NewAlert {
    let mut detail = serde_json::to_value(verdict).unwrap_or_default();
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("agent".into(), candidate.app_name.clone().into());
        detail.insert("rollout_percent".into(), candidate.rollout_percent.into());
    }
    NewAlert {
        condition: "rolled_back",
        subject: candidate.id.clone(),
        severity: "critical",
        title: "告警：灰度发布已回滚 / Alert: a roll-out was rolled back".into(),
        summary: format!("{} / {}", said.zh, said.en),
        detail,
    }
}

#[cfg(test)]
mod tests;
