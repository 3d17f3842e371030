//! Which pages and answers are measured: with and without filters, the rare ones and the deep ones too.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};

use crate::seed::{RARE_APP, RARE_CLIENT, consultant};

/// Ranges of the overview.
pub(crate) const RANGES: [&str; 6] = ["1h", "6h", "24h", "7d", "30d", "90d"];

/// What a page is, and so how soon it has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A list in the panel.
    Panel,
    /// A list of the API.
    Api,
    /// Something else that people or programs look at often.
    Single,
}

/// A page.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) kind: Kind,
    pub(crate) path: String,
}

/// Things the database has, to ask for.
pub(crate) struct Known {
    pub(crate) run: String,
    user: String,
    conversation: String,
    agent: String,
    call: String,
    job: String,
    event: String,
    push: String,
    key: String,
    /// Where lists go on in the middle, by list.
    deep_runs: String,
    deep_conversations: String,
    deep_claims: String,
    deep_calls: String,
    deep_tool_calls: String,
    deep_notices: String,
    deep_events: String,
    deep_jobs: String,
    deep_alerts: String,
    deep_audit: String,
}

/// A tool that is called often.
const TOOL: &str = "search_users";

impl Known {
    pub(crate) fn read(database: &Path) -> Result<Self> {
        let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).with_context(|| sql.to_owned());
        let middle = |column: &str, table: &str, order: &str| {
            one(&format!("SELECT {column} FROM {table} ORDER BY {order} LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {table})"))
        };
        let claimed = "FROM registrations WHERE state = 'done' AND claimed_at IS NOT NULL ORDER BY accepted_at DESC LIMIT 1 OFFSET 100";
        Ok(Self {
            run: one(&format!("SELECT id {claimed}"))?,
            user: one(&format!("SELECT user_id {claimed}"))?,
            conversation: one(&format!("SELECT conversation_id {claimed}"))?,
            agent: one("SELECT app_name FROM dify_configs WHERE part = 'candidate'")?,
            call: one("SELECT call_id FROM mcp_call_logs ORDER BY id DESC LIMIT 1 OFFSET 50")?,
            job: one("SELECT id FROM jobs ORDER BY id DESC LIMIT 1")?,
            event: one("SELECT id FROM outgoing_events ORDER BY created_at DESC LIMIT 1 OFFSET 50")?,
            push: one("SELECT id FROM pushes ORDER BY id DESC LIMIT 1")?,
            key: one("SELECT k.id FROM mcp_keys k JOIN mcp_tool_groups g ON g.id = k.group_id WHERE g.server_code = 'system_tools'")?,
            deep_runs: middle("accepted_at || '.' || rowid", "registrations", "accepted_at")?,
            deep_conversations: middle("updated_at || '.' || rowid", "conversations", "updated_at")?,
            // The list shows those of thirty days.
            deep_claims: one(
                "SELECT claimed_at || '.' || rowid FROM claims ORDER BY claimed_at DESC LIMIT 1 OFFSET (SELECT count(*) / 6 FROM claims)",
            )?,
            deep_calls: one(
                "SELECT created_at || '.' || id FROM mcp_call_logs WHERE id >= (SELECT max(id) / 2 FROM mcp_call_logs) LIMIT 1",
            )?,
            deep_tool_calls: one(&format!(
                "SELECT created_at || '.' || id FROM mcp_call_logs
                  WHERE tool_name = '{TOOL}' AND id >= (SELECT max(id) / 2 FROM mcp_call_logs) ORDER BY id LIMIT 1"
            ))?,
            deep_notices: middle("id", "notifications", "id")?,
            deep_events: middle("created_at || '.' || id", "outgoing_events", "created_at")?,
            deep_jobs: middle("id", "jobs", "id")?,
            deep_alerts: middle("opened_at || '.' || id", "alerts", "opened_at")?,
            deep_audit: middle("CAST(seq AS TEXT)", "audit_log", "seq")?,
        })
    }
}

/// Everything that is measured but the overview.
pub(crate) fn all(known: &Known) -> Vec<Page> {
    let of = |kind, paths: Vec<String>| paths.into_iter().map(move |path| Page { kind, path });
    let lists = [runs(known), calls(known), told(known), others(known)].concat();
    let panel = lists.iter().map(|path| format!("/panel/{path}")).chain(panel_alone());
    let api = lists
        .iter()
        .map(|path| format!("/api/v1/{}", path.replace("notifications/pushes", "pushes").replace("notifications/events", "events")));
    let api = api.map(|path| path.replace("consultants/claims", "claims")).chain(api_alone(known));
    let (panel, api) = (panel.collect(), api.collect());
    of(Kind::Panel, panel).chain(of(Kind::Api, api)).chain(of(Kind::Single, singles(known))).collect()
}

fn runs(known: &Known) -> Vec<String> {
    let Known { user, agent, deep_runs, deep_conversations, .. } = known;
    vec![
        "registrations".into(),
        format!("registrations?cursor={deep_runs}"),
        "registrations?state=done".into(),
        "registrations?state=dead_letter".into(),
        "registrations?state=cancelled&segment=returning".into(),
        "registrations?failed=true".into(),
        "registrations?unclaimed=true".into(),
        "registrations?rung=static".into(),
        "registrations?segment=returning&rung=static&unclaimed=true".into(),
        format!("registrations?agent={agent}"),
        format!("registrations?agent={agent}&state=dead_letter"),
        format!("registrations?user={user}"),
        "registrations?user=%E9%99%88%E6%99%93%E9%9B%AF".into(),
        "conversations".into(),
        format!("conversations?cursor={deep_conversations}"),
        "conversations?user=%E9%99%88%E6%99%93%E9%9B%AF".into(),
    ]
}

fn calls(known: &Known) -> Vec<String> {
    let Known { run, key, deep_calls, deep_tool_calls, .. } = known;
    vec![
        "calls".into(),
        format!("calls?cursor={deep_calls}"),
        format!("calls?tool={TOOL}"),
        format!("calls?tool={TOOL}&cursor={deep_tool_calls}"),
        format!("calls?tool={TOOL}&outcome=panic"),
        "calls?success=false".into(),
        format!("calls?success=false&cursor={deep_calls}"),
        "calls?outcome=panic".into(),
        "calls?group=system_tools".into(),
        format!("calls?key={key}"),
        format!("calls?app={RARE_APP}"),
        "calls?app=nobody".into(),
        format!("calls?client={RARE_CLIENT}"),
        "calls?channel=admin".into(),
        "calls?min_ms=20000".into(),
        "calls?error=panicked".into(),
        "calls?protocol=2024-11-05".into(),
        format!("calls?registration={run}"),
        "calls?until=2020-01-01T00%3A00%3A00Z".into(),
    ]
}

fn told(known: &Known) -> Vec<String> {
    let Known { run, deep_notices, deep_events, .. } = known;
    vec![
        "notifications".into(),
        format!("notifications?cursor={deep_notices}"),
        "notifications?state=waiting".into(),
        "notifications?state=acknowledged".into(),
        "notifications?kind=escalation".into(),
        format!("notifications?recipient_id={}", consultant(1)),
        "notifications?recipient_id=usr_nobody".into(),
        format!("notifications?registration_id={run}"),
        "notifications/pushes".into(),
        "notifications/pushes?state=given_up".into(),
        "notifications/pushes?channel=nowhere".into(),
        "notifications/events".into(),
        format!("notifications/events?cursor={deep_events}"),
        "notifications/events?state=given_up".into(),
        "notifications/events?state=waiting".into(),
        "notifications/events?kind=registration.failed".into(),
        format!("notifications/events?registration_id={run}"),
    ]
}

fn others(known: &Known) -> Vec<String> {
    let Known { run, deep_jobs, deep_alerts, deep_audit, deep_claims, .. } = known;
    vec![
        "jobs".into(),
        format!("jobs?cursor={deep_jobs}"),
        "jobs?state=dead".into(),
        "jobs?state=done".into(),
        "jobs?kind=feedback".into(),
        "jobs?kind=registration&state=cancelled".into(),
        format!("jobs?subject_id={run}"),
        "alerts".into(),
        format!("alerts?cursor={deep_alerts}"),
        "audit".into(),
        format!("audit?cursor={deep_audit}"),
        "audit?actor=cli".into(),
        "audit?action=nothing.like.it".into(),
        "audit?object=key%2F".into(),
        "consultants".into(),
        "consultants/claims".into(),
        format!("consultants/claims?cursor={deep_claims}"),
        format!("consultants/claims?consultant={}", consultant(2)),
        "agents".into(),
        "groups".into(),
        "tools".into(),
        "accounts".into(),
    ]
}

/// What only the panel has in this shape.
fn panel_alone() -> Vec<String> {
    let mut paths: Vec<String> = ["24h", "7d", "30d"].map(|range| format!("/panel/errors?range={range}")).into();
    paths.extend(["1d", "7d", "30d", "90d"].map(|range| format!("/panel/agents?range={range}")));
    paths
}

/// What only the API has in this shape.
fn api_alone(known: &Known) -> Vec<String> {
    let mut paths = vec![
        "/api/v1/consultants/queue".into(),
        "/api/v1/consultants?days=90".into(),
        "/api/v1/errors".into(),
        "/api/v1/errors?since=2026-01-01T00%3A00%3A00Z&kind=call".into(),
        "/api/v1/jobs/counts".into(),
        "/api/v1/channels".into(),
        "/api/v1/groups/system_tools/keys".into(),
        "/api/v1/groups/system_tools/tools".into(),
        "/api/v1/groups/system_tools/key-users".into(),
        "/api/v1/limits".into(),
        "/api/v1/oauth/clients".into(),
        "/api/v1/oauth/grants".into(),
        "/api/v1/settings".into(),
        "/api/v1/sessions".into(),
        "/api/v1/tokens".into(),
        "/api/v1/stale-callers".into(),
        "/api/v1/keys/stragglers".into(),
    ];
    paths.push(format!("/api/v1/conversations/{}/messages", known.conversation));
    paths.push(format!("/api/v1/agents/{}/versions", known.agent));
    paths.push(format!("/api/v1/registrations/{}/replays", known.run));
    paths
}

/// Pages of one thing, and what programs ask for again and again.
fn singles(known: &Known) -> Vec<String> {
    let Known { run, conversation, agent, call, job, event, push, key, .. } = known;
    vec![
        format!("/panel/registrations/{run}"),
        format!("/api/v1/registrations/{run}/timeline"),
        format!("/panel/conversations/{conversation}"),
        format!("/panel/calls/{call}"),
        format!("/panel/jobs/{job}"),
        format!("/panel/notifications/events/{event}"),
        format!("/api/v1/pushes/{push}"),
        format!("/panel/agents/{agent}"),
        "/panel/groups/system_tools".into(),
        format!("/panel/groups/system_tools/keys/{key}"),
        format!("/panel/groups/system_tools/tools/{TOOL}"),
        format!("/panel/groups/system_tools/tools/{TOOL}/impact"),
        format!("/panel/tools/{TOOL}"),
        "/panel/server".into(),
        "/panel/settings/switches".into(),
        "/panel/me".into(),
        "/api/v1/health".into(),
        "/api/v1/metrics/series".into(),
        "/metrics".into(),
    ]
}
