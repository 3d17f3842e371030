//! Whether the installation can do its work: what [`crate::admin::calls::health`] looks at, and the automation.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::{
        CallError, Calls,
        health::{Health, HealthCheck},
        said,
    },
    clock::rfc3339,
    config::Bilingual,
};

/// Whether everything works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthView {
    /// The worst of the checks.
    pub state: Health,
    /// Version of the program.
    pub version: &'static str,
    /// When the daemon started; unknown to a command beside it.
    pub started_at: Option<String>,
    /// What was looked at: database, wal, disk, queue, agents, alerts, and, in the daemon, automation.
    pub checks: Vec<HealthCheck>,
}

fn check(name: &'static str, state: Health, text: Bilingual, fix: Option<Bilingual>) -> HealthCheck {
    HealthCheck { name, state, text, fix }
}

impl Calls {
    /// Whether everything works.
    pub fn whole_health(&self) -> Result<HealthView, CallError> {
        let mut checks = self.health()?;
        checks.push(self.agents_check()?);
        checks.push(self.alerts_check()?);
        checks.extend(self.automation_check());
        let state = checks.iter().map(|check| check.state).max().unwrap_or(Health::Ok);
        let started_at = self.running.as_ref().map(|running| rfc3339(running.started_at));
        Ok(HealthView { state, version: env!("CARGO_PKG_VERSION"), started_at, checks })
    }

    /// Nobody beside the daemon knows whether the automation runs.
    fn automation_check(&self) -> Option<HealthCheck> {
        let running = self.running.as_ref()?;
        Some(if self.config.registration.workers == 0 {
            let text = said("registration.workers 为 0：注册只接收，不处理", "registration.workers is 0: registrations wait");
            let fix = said("请设置 registration.workers 并重启", "set registration.workers, and restart");
            check("automation", Health::Warning, text, Some(fix))
        } else if running.desk.get().is_none() {
            let text = said("自动化尚未启动", "the automation has not started");
            let fix = said("若持续几秒以上，请查看日志", "if that lasts for more than a few seconds, look at the log");
            check("automation", Health::Failed, text, Some(fix))
        } else {
            check("automation", Health::Ok, said("自动化正在运行", "the automation runs"), None)
        })
    }

    fn agents_check(&self) -> Result<HealthCheck, CallError> {
        let agents: Vec<_> = self.agents()?.into_iter().filter(|agent| agent.enabled).collect();
        let broken = agents.iter().filter(|agent| agent.standing.as_ref().is_some_and(|standing| standing.breaker != "closed"));
        let broken: Vec<_> = broken.map(|agent| agent.name.as_str()).collect();
        Ok(if agents.is_empty() {
            let text = said("没有启用的智能体：欢迎语使用模板", "no agent is enabled: welcomes come from templates");
            let fix = said("请添加或启用一个智能体", "add an agent, or enable one");
            check("agents", Health::Warning, text, Some(fix))
        } else if broken.is_empty() {
            let text = said(format!("可用智能体 {} 个", agents.len()), format!("agents that may be asked: {}", agents.len()));
            check("agents", Health::Ok, text, None)
        } else {
            let names = broken.join(", ");
            let text = said(format!("已熔断：{names}"), format!("not asked until they work again: {names}"));
            check("agents", Health::Warning, text, Some(said("原因见智能体页面", "the page of agents says why")))
        })
    }

    fn alerts_check(&self) -> Result<HealthCheck, CallError> {
        let open = self.store.open_alerts()?.len();
        let text = said(format!("未恢复的告警 {open} 条"), format!("open alerts: {open}"));
        let fix = (open > 0).then(|| said("详情见告警页面", "the page of alerts says what they are"));
        Ok(check("alerts", if open > 0 { Health::Warning } else { Health::Ok }, text, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::calls::bench::Bench;

    #[tokio::test]
    async fn a_fresh_installation_only_lacks_agents() {
        let health = Bench::new().await.calls.whole_health().unwrap();
        let bad: Vec<_> = health.checks.iter().filter(|check| check.state != Health::Ok).map(|check| check.name).collect();
        assert_eq!((bad, health.state), (vec!["agents"], Health::Warning));
    }
}
