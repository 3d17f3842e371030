//! Whether the daemon can do its work: what costs little to look at, for the server's page and `doctor`.

use std::{fs, io, path::Path};

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, said};
use crate::{config::Bilingual, settings::Settings, store::StoreError};

/// Length of the write-ahead log beyond which something keeps it from being emptied.
const LONG_WAL: u64 = 256 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, and deserves a thought.
    Warning,
    /// It does not work.
    Failed,
}

impl Health {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthCheck {
    /// Its name: database, wal, disk or queue.
    pub name: &'static str,
    /// How it stands.
    pub state: Health,
    /// What was found.
    pub text: Bilingual,
    /// What puts it right.
    pub fix: Option<Bilingual>,
}

impl HealthCheck {
    fn ok(name: &'static str, text: Bilingual) -> Self {
        Self { name, state: Health::Ok, text, fix: None }
    }

    fn bad(name: &'static str, state: Health, text: Bilingual, fix: Bilingual) -> Self {
        Self { name, state, text, fix: Some(fix) }
    }
}

/// Whether the write-ahead log is emptied from time to time.
pub fn wal(bytes: u64) -> HealthCheck {
    let mib = bytes / MIB;
    if bytes <= LONG_WAL {
        let text = said(format!("预写日志 {mib} MiB"), format!("the write-ahead log has {mib} MiB"));
        return HealthCheck::ok("wal", text);
    }
    HealthCheck::bad(
        "wal",
        Health::Warning,
        said(format!("预写日志有 {mib} MiB，未被清空"), format!("the write-ahead log has {mib} MiB and is not emptied")),
        said(
            "有程序一直打开数据库读取（备份、命令行工具），使它无法清空；请结束该程序",
            "a program that keeps the database open for reading (a backup, a shell) holds it; end that program",
        ),
    )
}

/// Whether there is room for what comes.
pub fn disk(free: io::Result<u64>, settings: &Settings) -> HealthCheck {
    let (low, least) = (u64::from(settings.alerts.disk_low_mib), u64::from(settings.intake.disk_min_mib));
    let bad = |state, text| {
        let fix = said(
            "请腾出空间或移动数据目录；各类数据保留多久见设置 retention",
            "free some room, or move the data directory; `anmei-mcp settings explain retention` says what is kept for how long",
        );
        HealthCheck::bad("disk", state, text, fix)
    };
    let mib = match free {
        Ok(bytes) => bytes / MIB,
        Err(error) => {
            let text = said(format!("无法得知剩余空间：{error}"), format!("the free room cannot be asked for: {error}"));
            return bad(Health::Failed, text);
        }
    };
    if mib < least {
        let zh = format!("剩余 {mib} MiB；低于 {least} MiB 时不再受理注册");
        bad(Health::Failed, said(zh, format!("{mib} MiB are free; below {least} MiB no registration is accepted")))
    } else if mib < low {
        let zh = format!("剩余 {mib} MiB，低于 alerts.disk_low_mib（{low}）");
        bad(Health::Warning, said(zh, format!("{mib} MiB are free, less than alerts.disk_low_mib ({low})")))
    } else {
        HealthCheck::ok("disk", said(format!("剩余 {mib} MiB"), format!("{mib} MiB are free")))
    }
}

fn database(answers: Result<(), StoreError>, bytes: u64) -> HealthCheck {
    let mib = bytes / MIB;
    match answers {
        Ok(()) => HealthCheck::ok("database", said(format!("数据库可用，{mib} MiB"), format!("the database answers, {mib} MiB"))),
        Err(error) => HealthCheck::bad(
            "database",
            Health::Failed,
            said(format!("数据库没有应答：{error}"), format!("the database does not answer: {error}")),
            said("请查看日志，并运行 `anmei-mcp doctor`", "look at the log, and run `anmei-mcp doctor`"),
        ),
    }
}

/// Whether jobs are done in time. `due` is when the next one is to begin, `dead` how many were given up.
fn queue(due: Option<i64>, dead: i64, settings: &Settings, now: i64) -> HealthCheck {
    let age = due.map_or(0, |due| (now - due).max(0));
    let bound = settings.alerts.backlog_age;
    if age > bound.as_ms() {
        let seconds = age / 1_000;
        let text = said(
            format!("最早到期的任务已等待 {seconds} 秒，超过 {bound}"),
            format!("the oldest due job has waited for {seconds} s, more than {bound}"),
        );
        let fix = said(
            "请查看日志与智能体状态；`anmei-mcp job list` 列出任务",
            "look at the log and the agents; `anmei-mcp job list` shows the jobs",
        );
        return HealthCheck::bad("queue", Health::Warning, text, fix);
    }
    if dead > 0 {
        let text = said(format!("{dead} 个任务已放弃"), format!("{dead} jobs were given up"));
        let fix = said(
            "已放弃的任务可以重试；`anmei-mcp job list --state dead` 列出它们",
            "what was given up can be tried again; `anmei-mcp job list --state dead` shows it",
        );
        return HealthCheck::bad("queue", Health::Warning, text, fix);
    }
    HealthCheck::ok("queue", said("没有任务积压", "no job waits for long"))
}

/// Sizes of the database and of its write-ahead log. Without a write since the start there is no log.
fn sizes(database: &Path) -> (u64, u64) {
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    (size(database), size(Path::new(&log)))
}

impl Calls {
    /// Looks at what can be looked at in a moment.
    pub fn health(&self) -> Result<Vec<HealthCheck>, CallError> {
        let settings = self.settings.current().unwrap_or_default();
        let (bytes, wal_bytes) = sizes(self.store.path());
        let (_, dead) = self.store.dead_jobs(0)?;
        Ok(vec![
            database(self.store.check(), bytes),
            wal(wal_bytes),
            disk(self.store.free_bytes(), &settings),
            queue(self.store.next_job()?, dead, &settings, self.clock.now_ms()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_says_what_puts_it_right() {
        let settings = Settings::default();
        let checks = [
            (wal(MIB), Health::Ok),
            (wal(LONG_WAL + 1), Health::Warning),
            (disk(Ok(4096 * MIB), &settings), Health::Ok),
            (disk(Ok(100 * MIB), &settings), Health::Warning),
            (disk(Ok(MIB), &settings), Health::Failed),
            (disk(Err(io::Error::other("no")), &settings), Health::Failed),
            (queue(None, 0, &settings, 0), Health::Ok),
            (queue(None, 1, &settings, 0), Health::Warning),
            (queue(Some(0), 0, &settings, 61_000), Health::Warning),
            (database(Ok(()), 5 * MIB), Health::Ok),
            (database(Err(StoreError::Busy), 0), Health::Failed),
        ];
        for (check, state) in checks {
            assert_eq!(check.state, state, "{check:?}");
            assert_eq!(check.fix.is_some(), state != Health::Ok, "{check:?}");
            assert!(!check.text.zh.is_empty() && !check.text.en.is_empty());
        }
    }
}
