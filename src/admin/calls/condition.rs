//! Whether the installation can do its work, part by part.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, agents::TextView, said};
use crate::clock::rfc3339;

/// Whether everything works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthView {
    /// `ok`, `degraded` (something needs looking after) or `failing` (work is not done).
    pub status: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// When the daemon started; unknown to a command beside it.
    pub started_at: Option<String>,
    /// Each part.
    pub checks: Vec<HealthCheckView>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthCheckView {
    /// Its name: `database`, `disk`, `automation`, `queue`, `agents` or `alerts`.
    pub name: &'static str,
    /// `ok`, `degraded` or `failing`.
    pub status: &'static str,
    /// What was found.
    pub text: TextView,
}

const OK: &str = "ok";
const DEGRADED: &str = "degraded";
const FAILING: &str = "failing";

fn check(name: &'static str, status: &'static str, zh: impl Into<String>, en: impl Into<String>) -> HealthCheckView {
    HealthCheckView { name, status, text: said(zh, en).into() }
}

impl Calls {
    /// Whether everything works.
    pub async fn condition(&self) -> Result<HealthView, CallError> {
        let mut checks = vec![self.database_check(), self.disk_check()?];
        checks.extend(self.automation_check());
        checks.push(self.queue_check().await?);
        checks.push(self.agents_check()?);
        checks.push(self.alerts_check()?);
        let worst = |status: &str| checks.iter().any(|check| check.status == status);
        let status = if worst(FAILING) {
            FAILING
        } else if worst(DEGRADED) {
            DEGRADED
        } else {
            OK
        };
        let started_at = self.running.as_ref().map(|running| rfc3339(running.started_at));
        Ok(HealthView { status, version: env!("CARGO_PKG_VERSION"), started_at, checks })
    }

    fn database_check(&self) -> HealthCheckView {
        match self.store.check() {
            Ok(()) => check("database", OK, "数据库可读", "the database answers"),
            Err(error) => check("database", FAILING, format!("数据库无法读取：{error}"), format!("the database does not answer: {error}")),
        }
    }

    fn disk_check(&self) -> Result<HealthCheckView, CallError> {
        const MIB: u64 = 1 << 20;
        let settings = self.settings.current()?;
        let Ok(disk) = self.store.disk() else {
            return Ok(check("disk", DEGRADED, "无法读取磁盘空间", "the disk does not tell its room"));
        };
        let free = disk.free / MIB;
        let status = match free {
            free if free < u64::from(settings.intake.disk_min_mib) => FAILING,
            free if free < u64::from(settings.alerts.disk_low_mib) => DEGRADED,
            _ => OK,
        };
        Ok(check("disk", status, format!("数据目录所在磁盘剩余 {free} MiB"), format!("the disk of the data directory has {free} MiB left")))
    }

    /// Nobody beside the daemon knows whether the automation runs.
    fn automation_check(&self) -> Option<HealthCheckView> {
        let running = self.running.as_ref()?;
        Some(if self.config.registration.workers == 0 {
            check("automation", DEGRADED, "registration.workers 为 0：注册只接收不处理", "registration.workers is 0: registrations wait")
        } else if running.desk.get().is_none() {
            check("automation", FAILING, "自动化尚未启动", "the automation has not started")
        } else {
            check("automation", OK, "自动化正在运行", "the automation runs")
        })
    }

    async fn queue_check(&self) -> Result<HealthCheckView, CallError> {
        let jobs = self.job_counts().await?;
        let bound = self.settings.current()?.alerts.backlog_age.as_ms();
        let late = self.store.next_job()?.is_some_and(|due| self.clock.now_ms() - due > bound);
        let status = if late || jobs.dead > 0 { DEGRADED } else { OK };
        Ok(check(
            "queue",
            status,
            format!("待处理 {}，处理中 {}，已放弃 {}", jobs.due, jobs.running, jobs.dead),
            format!("{} due, {} under way, {} given up", jobs.due, jobs.running, jobs.dead),
        ))
    }

    fn agents_check(&self) -> Result<HealthCheckView, CallError> {
        let agents: Vec<_> = self.agents()?.into_iter().filter(|agent| agent.enabled).collect();
        let open = |agent: &&super::agents::AgentView| agent.standing.as_ref().is_some_and(|standing| standing.breaker != "closed");
        let broken: Vec<_> = agents.iter().filter(open).map(|agent| agent.name.as_str()).collect();
        Ok(if agents.is_empty() {
            check("agents", DEGRADED, "没有启用的智能体：欢迎语使用模板", "no agent is enabled: welcomes come from templates")
        } else if broken.is_empty() {
            check("agents", OK, format!("{} 个智能体可用", agents.len()), format!("{} agents may be asked", agents.len()))
        } else {
            let names = broken.join(", ");
            check("agents", DEGRADED, format!("已熔断：{names}"), format!("not asked until they work again: {names}"))
        })
    }

    fn alerts_check(&self) -> Result<HealthCheckView, CallError> {
        let open = self.store.open_alerts()?;
        let critical = open.iter().filter(|alert| alert.severity == "critical").count();
        let status = if open.is_empty() { OK } else { DEGRADED };
        let (zh, en) = (
            format!("{} 条告警未恢复，其中严重 {critical} 条", open.len()),
            format!("{} alerts are open, {critical} of them critical", open.len()),
        );
        Ok(check("alerts", status, zh, en))
    }
}

#[cfg(test)]
mod tests {
    use crate::admin::calls::bench::Bench;

    #[tokio::test]
    async fn a_fresh_installation_only_lacks_agents() {
        let health = Bench::new().await.calls.condition().await.unwrap();
        let found: Vec<_> = health.checks.iter().map(|check| (check.name, check.status)).collect();
        assert_eq!(found, [("database", "ok"), ("disk", "ok"), ("queue", "ok"), ("agents", "degraded"), ("alerts", "ok")]);
        assert_eq!(health.status, "degraded");
    }
}
