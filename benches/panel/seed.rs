//! What an installation has after ninety busy days, written into its database: always the same rows, up to this moment.

mod calls;
mod runs;
mod told;

use std::path::Path;

pub(crate) use self::calls::{RARE_APP, RARE_CLIENT};
use anmei_mcp::{
    clock::{Clock, SystemClock},
    store::{
        Store,
        audit::{By, Change},
        figures::upkeep::recount,
    },
};
use anyhow::{Context, Result};
use rusqlite::{Connection, params};
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::{
    common::{people::people, request::USERS, site::Site},
    random::{Days, Random},
};

/// Users that are imported with one command.
const CHUNK: u64 = 10_000;
/// Changes in the audit log.
const CHANGES: i64 = 20_000;
/// Alerts that were raised.
const ALERTS: i64 = 2_000;
/// Consultants of the clinic.
const CONSULTANTS: i64 = 8;
/// Agents: name, part.
const AGENTS: [(&str, &str); 4] =
    [("welcome", "stable"), ("welcome-short", "stable"), ("welcome-next", "candidate"), ("welcome-spare", "fallback")];
/// Before all rows of a table are written: nothing of it has to survive a crash.
const FAST: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA locking_mode = EXCLUSIVE;";
const SLOW: &str = "PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL;";

/// How much is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    /// Entries of the call log.
    pub(crate) calls: u64,
    pub(crate) registrations: u64,
}

/// A tool that is offered, and to whom.
struct Offer {
    group_id: String,
    tool: String,
    key_id: String,
}

/// Who and what the rows are about.
struct Cast {
    days: Days,
    amounts: Amounts,
    offers: Vec<Offer>,
    /// Those of the group that the welcome agents use.
    welcome_offers: Vec<Offer>,
    /// The agents but the spare one.
    agents: Vec<String>,
    spare: String,
    consultants: Vec<String>,
}

/// A run, as far as others refer to it.
struct Ran {
    id: String,
    at: i64,
}

/// The consultants as JSON lines.
pub(crate) fn consultants() -> String {
    let one = |n| json!({"id": consultant(n), "username": format!("顾问{n}"), "roles": ["consultant"]}).to_string() + "\n";
    (1..=CONSULTANTS).map(one).collect()
}

pub(crate) fn consultant(n: i64) -> String {
    format!("usr_consultant_{n}")
}

/// The customer of a registration.
fn customer(run: u64) -> String {
    format!("usr_{:08}", USERS + run)
}

/// Fills the installation; the daemon must not run.
pub(crate) fn fill(site: &Site, amounts: Amounts) -> Result<()> {
    for (name, part) in AGENTS {
        // Nobody listens there, and nobody registers while the pages are measured.
        site.command(&["agent", "add", name, "--base-url", "http://127.0.0.1:9", "--part", part], "app-nobody")?;
    }
    for begin in (0..amounts.registrations).step_by(CHUNK as usize) {
        let end = amounts.registrations.min(begin + CHUNK);
        site.import(&people(USERS + begin..USERS + end)?)?;
    }
    let path = site.database()?;
    let now = SystemClock.now_ms();
    rows(&path, amounts, now).context("writing rows")?;
    changes(&path, now).context("writing the audit log")?;
    recount(&path).map_err(|error| anyhow::anyhow!("counting what was written: {error}"))?;
    Ok(())
}

fn rows(path: &Path, amounts: Amounts, now: i64) -> Result<()> {
    let mut db = Connection::open(path)?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(FAST)?;
    let cast = Cast::read(&db, amounts, now)?;
    let all = db.transaction()?;
    let runs = runs::write(&all, &cast)?;
    calls::write(&all, &cast, &runs)?;
    alerts(&all, &cast)?;
    all.commit()?;
    Ok(db.execute_batch(SLOW)?)
}

impl Cast {
    fn read(db: &Connection, amounts: Amounts, now: i64) -> Result<Self> {
        let sql = "SELECT t.group_id, t.tool_name, k.id, g.server_code = 'welcome_tools' FROM mcp_tools t
             JOIN mcp_tool_groups g ON g.id = t.group_id JOIN mcp_keys k ON k.group_id = g.id ORDER BY g.server_code, t.tool_name";
        let mut statement = db.prepare(sql)?;
        let offers = statement
            .query_map([], |row| Ok((Offer { group_id: row.get(0)?, tool: row.get(1)?, key_id: row.get(2)? }, row.get::<_, bool>(3)?)))?;
        let (welcome, others): (Vec<_>, Vec<_>) = offers.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().partition(|(_, of)| *of);
        let only = |offers: Vec<(Offer, bool)>| offers.into_iter().map(|(offer, _)| offer).collect();
        let mut agents = db.prepare("SELECT id FROM dify_configs ORDER BY part = 'fallback' DESC, app_name")?;
        let mut agents = agents.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok(Self {
            days: Days::before(now),
            amounts,
            offers: only(others),
            welcome_offers: only(welcome),
            spare: agents.remove(0),
            agents,
            consultants: (1..=CONSULTANTS).map(consultant).collect(),
        })
    }
}

fn alerts(db: &Connection, cast: &Cast) -> Result<()> {
    let random = &mut Random::new(3);
    let sql = "INSERT INTO alerts (id, condition, subject, severity, summary, detail, opened_at, seen_at, resolved_at)
        VALUES (?1, ?2, '', ?3, ?4, '{}', ?5, ?6, ?6)";
    let mut insert = db.prepare(sql)?;
    for n in 0..ALERTS {
        let at = cast.days.at(n as f64 / ALERTS as f64);
        let (condition, severity) =
            random.mostly(("agent_success", "warning"), &[(2_000, ("backlog_old", "warning")), (500, ("disk_low", "critical"))]);
        let summary = format!("{condition}: {} %", random.between(60, 94));
        insert.execute(params![random.id(at), condition, severity, summary, at, at + random.time(600_000)])?;
    }
    Ok(())
}

/// The audit log is a chain: its rows are made by those who make them in the daemon.
fn changes(path: &Path, now: i64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = Store::open(path).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (days, random, tasks) = (Days::before(now), &mut Random::new(4), TaskTracker::new());
    runtime.block_on(async {
        let share = 400;
        for begin in (0..CHANGES).step_by(share) {
            let many = (begin..(begin + share as i64).min(CHANGES)).map(|n| {
                let (by, change) = one_change(random, days.at(n as f64 / CHANGES as f64));
                let store = store.clone();
                tasks.spawn(async move { store.audit(by, change).await })
            });
            for one in many.collect::<Vec<_>>() {
                one.await??;
            }
        }
        anyhow::Ok(())
    })?;
    runtime.block_on(store.close());
    Ok(())
}

fn one_change(random: &mut Random, at: i64) -> (By, Change) {
    let actor = random.mostly("account:mei", &[(2_000, "account:lin"), (1_000, "daemon"), (50, "cli:root")]);
    let (action, object) =
        random.mostly(("settings.set", "setting"), &[(3_000, ("claim.take", "registration")), (500, ("key.rotate", "key/system_tools"))]);
    let by = By { address: Some("10.0.0.7".to_owned()), ..By::new(actor, at) };
    let change = Change::new(action, format!("{object}/{}", random.below(5_000)));
    (by, change.before(json!({"value": random.below(100)})).after(json!({"value": random.below(100)})))
}
