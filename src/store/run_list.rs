//! Runs as lists show them, the latest first: filtered, page by page, in bounded time.
//!
//! A list walks along one index, the one that fits the filter that leaves the fewest rows, and holds what it finds
//! against the other filters. It looks at [`REACH`] rows at most for one page: when fewer fit than were asked for, the
//! page is short and its cursor leads on from where the walk stopped. So a filter that nothing fits costs no more than
//! one that everything does.

use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::{Store, StoreError, rows, search};

/// Most rows that are looked at for one page.
const REACH: i64 = 20_000;
/// Most people a name is looked for among.
const NAMESAKES: u32 = 200;

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only in this state.
    pub state: Option<String>,
    /// Only those whose welcome this rung wrote.
    pub rung: Option<String>,
    /// Only those of this agent.
    pub agent_id: Option<String>,
    /// Only of this kind of customer.
    pub segment: Option<String>,
    /// Only accepted at this time or later.
    pub since: Option<i64>,
    /// Only accepted before this time.
    pub until: Option<i64>,
    /// Only of the user with this id, or of users whose name looks like this.
    pub user: Option<String>,
    /// Only those that were given up, or had to make do without an agent.
    pub failed: bool,
    /// Only those whose customer nobody has claimed.
    pub unclaimed: bool,
}

/// A place in the list: a time and a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time by which the list is sorted.
    pub at: i64,
    /// The row among those of the same time.
    pub row: i64,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRun {
    /// Where it stands.
    pub place: Place,
    /// UUID v7.
    pub id: String,
    /// The app's user.
    pub user_id: String,
    /// The user's name, as the app sent it.
    pub username: String,
    /// How far it came.
    pub state: String,
    /// Why nothing was done.
    pub skip_reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When the last step was done.
    pub finished_at: Option<i64>,
    /// What kind of customer it is.
    pub segment: Option<String>,
    /// The agent chosen first.
    pub agent_id: Option<String>,
    /// That agent's name and version, while it exists.
    pub agent: Option<String>,
    /// Which rung wrote the welcome.
    pub rung: Option<String>,
    /// When the welcome was stored.
    pub welcome_at: Option<i64>,
    /// What became of an answer after the deadline.
    pub late_outcome: Option<String>,
    /// The conversation.
    pub conversation_id: Option<String>,
    /// When the customer was claimed.
    pub claimed_at: Option<i64>,
    /// By whom.
    pub claimed_by: Option<String>,
    /// The last level of the escalation; 0 before the first.
    pub escalation_level: i64,
}

/// One page, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K = Place> {
    /// The rows.
    pub items: Vec<T>,
    /// The last row that was looked at, unless there is nothing behind it.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// The first rows of a list, `limit` at most, from as many pages as it takes. `page` is told where its page begins,
    /// and how many rows are wanted still.
    pub async fn gather<E>(limit: u32, mut page: impl AsyncFnMut(Option<K>, u32) -> Result<Self, E>) -> Result<Vec<T>, E> {
        let (mut gathered, mut after) = (Vec::new(), None);
        loop {
            let left = limit.saturating_sub(u32::try_from(gathered.len()).unwrap_or(u32::MAX));
            let one = page(after, left).await?;
            gathered.extend(one.items);
            after = one.next.filter(|_| gathered.len() < limit as usize);
            if after.is_none() {
                return Ok(gathered);
            }
        }
    }
}

const COLUMNS: &str =
    "r.accepted_at, r.rowid, r.id, r.user_id, coalesce(json_extract(r.profile, '$.username'), ''), r.state, r.skip_reason,
    r.finished_at, r.segment, r.agent_id, (SELECT app_name || ' v' || version FROM dify_configs WHERE id = r.agent_id), r.welcome_rung,
    r.welcome_at, r.late_outcome, r.conversation_id, r.claimed_at, (SELECT consultant_id FROM claims WHERE registration_id = r.id),
    coalesce((SELECT max(level) FROM escalations WHERE registration_id = r.id), 0)";
const FAILED: &str = "r.state IN ('dead_letter', 'done_with_fallback')";
const UNCLAIMED: &str = "r.claimed_at IS NULL AND r.state NOT IN ('skipped', 'cancelled')";

/// Conditions with the values they ask for, numbered from `first` on.
struct Conditions {
    first: usize,
    sql: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn from(first: usize) -> Self {
        Self { first, sql: Vec::new(), values: Vec::new() }
    }

    /// A condition; each `?` takes the next of `values`.
    fn add(&mut self, sql: &str, values: Vec<Box<dyn ToSql>>) {
        let mut text = String::with_capacity(sql.len() + 8);
        for (n, part) in sql.split('?').enumerate() {
            if n > 0 {
                text.push('?');
                text.push_str(&(self.first + self.values.len() + n - 1).to_string());
            }
            text.push_str(part);
        }
        self.sql.push(text);
        self.values.extend(values);
    }

    fn says(&mut self, sql: &str) {
        self.sql.push(sql.to_owned());
    }

    fn next(&self) -> usize {
        self.first + self.values.len()
    }

    fn text(&self) -> String {
        if self.sql.is_empty() { "1".into() } else { self.sql.join(" AND ") }
    }
}

/// Conditions on a column that has an index of its own: the index, the condition, and what most runs are.
const BY_COLUMN: [(&str, &str, &str); 4] = [
    ("registrations_by_state", "r.state = ?", "done"),
    ("registrations_by_rung", "r.welcome_rung = ?", "agent"),
    ("registrations_by_segment", "r.segment = ?", ""),
    ("registrations_by_agent", "r.agent_id = ?", ""),
];

/// How a list is walked.
struct Walk {
    index: &'static str,
    /// What the index answers.
    along: Conditions,
    /// What is asked of each row.
    rest: Conditions,
}

impl Walk {
    fn plan(filter: &RunFilter, after: Option<Place>) -> Self {
        let values = [&filter.state, &filter.rung, &filter.segment, &filter.agent_id];
        let asked: Vec<_> = BY_COLUMN.iter().zip(values).filter_map(|(by, value)| Some((by, value.clone()?))).collect();
        let rare = asked.iter().position(|((_, _, common), value)| common != value);
        // What most runs are is no way to the few.
        let chosen = rare.or(if filter.unclaimed || asked.is_empty() { None } else { Some(0) });
        let mut along = Conditions::from(1);
        let index = match chosen.and_then(|at| asked.get(at)) {
            Some(((index, sql, _), value)) => {
                along.add(sql, vec![Box::new(value.clone())]);
                *index
            }
            None if filter.unclaimed => {
                along.says(UNCLAIMED);
                "registrations_unclaimed"
            }
            None => "registrations_by_time",
        };
        between(&mut along, filter, after);
        let mut rest = Conditions::from(along.next());
        for (at, ((_, sql, _), value)) in asked.into_iter().enumerate() {
            if Some(at) != chosen {
                rest.add(sql, vec![Box::new(value)]);
            }
        }
        if filter.unclaimed && chosen.is_some() {
            rest.says(UNCLAIMED);
        }
        if filter.failed {
            rest.says(FAILED);
        }
        Self { index, along, rest }
    }

    /// Where the walk has to stop, if its reach ends before its rows do.
    fn end_of_reach(&self, db: &Connection) -> rusqlite::Result<Option<Place>> {
        let sql = format!(
            "SELECT r.accepted_at, r.rowid FROM registrations r INDEXED BY {} WHERE {} ORDER BY r.accepted_at DESC, r.rowid DESC
             LIMIT 1 OFFSET {}",
            self.index,
            self.along.text(),
            REACH - 1
        );
        let values: Vec<&dyn ToSql> = self.along.values.iter().map(AsRef::as_ref).collect();
        rows::one(db, &sql, params_from_iter(values), |row| Ok(Place { at: row.get(0)?, row: row.get(1)? }))
    }
}

impl Store {
    /// A page of runs, the latest first, behind `after`.
    pub async fn run_list(&self, filter: RunFilter, after: Option<Place>, limit: u32) -> Result<Page<ListedRun>, StoreError> {
        self.scan(move |db| match &filter.user {
            Some(user) => of_users(db, &filter, &namesakes(db, user)?, (after, limit.into())),
            None => walked(db, Walk::plan(&filter, after), limit.into()),
        })
        .await
    }
}

impl Store {
    /// One run as the list shows it.
    pub fn listed_run(&self, id: &str) -> Result<Option<ListedRun>, StoreError> {
        self.point(|db| rows::one(db, &format!("SELECT {COLUMNS} FROM registrations r WHERE r.id = ?1"), [id], listed))
    }
}

fn walked(db: &Connection, mut walk: Walk, limit: i64) -> rusqlite::Result<Page<ListedRun>> {
    // Without anything to ask of a row, each row fits: the walk ends with the page.
    let end = if walk.rest.sql.is_empty() { None } else { walk.end_of_reach(db)? };
    if let Some(Place { at, row }) = end {
        walk.rest.add("(r.accepted_at, r.rowid) >= (?, ?)", vec![Box::new(at), Box::new(row)]);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM registrations r INDEXED BY {} WHERE {} AND {} ORDER BY r.accepted_at DESC, r.rowid DESC LIMIT {}",
        walk.index,
        walk.along.text(),
        walk.rest.text(),
        limit + 1
    );
    let values: Vec<&dyn ToSql> = walk.along.values.iter().chain(&walk.rest.values).map(AsRef::as_ref).collect();
    let mut items = rows::all(db, &sql, params_from_iter(values), listed)?;
    let next = if cut(&mut items, limit) { items.last().map(|last| last.place) } else { end };
    Ok(Page { items, next })
}

/// The times a list is limited to, and the place behind which its page begins.
fn between(to: &mut Conditions, filter: &RunFilter, after: Option<Place>) {
    if let Some(since) = filter.since {
        to.add("r.accepted_at >= ?", vec![Box::new(since)]);
    }
    if let Some(until) = filter.until {
        to.add("r.accepted_at < ?", vec![Box::new(until)]);
    }
    if let Some(Place { at, row }) = after {
        to.add("(r.accepted_at, r.rowid) < (?, ?)", vec![Box::new(at), Box::new(row)]);
    }
}

/// The ids a search may mean: the id itself, and those of people whose name looks like it.
pub(super) fn namesakes(db: &Connection, user: &str) -> rusqlite::Result<Vec<String>> {
    let mut ids = vec![user.to_owned()];
    ids.extend(search::search(db, user, NAMESAKES)?.into_iter().map(|hit| hit.user.id));
    Ok(ids)
}

/// Runs of a few users: each has one, so that they are fetched by key.
fn of_users(
    db: &Connection,
    filter: &RunFilter,
    users: &[String],
    (after, limit): (Option<Place>, i64),
) -> rusqlite::Result<Page<ListedRun>> {
    let mut all = Conditions::from(1);
    all.add("r.user_id IN (SELECT value FROM json_each(?))", vec![Box::new(serde_json::json!(users).to_string())]);
    for ((_, sql, _), value) in BY_COLUMN.iter().zip([&filter.state, &filter.rung, &filter.segment, &filter.agent_id]) {
        if let Some(value) = value.clone() {
            all.add(sql, vec![Box::new(value)]);
        }
    }
    all.sql.extend(filter.failed.then(|| FAILED.to_owned()));
    all.sql.extend(filter.unclaimed.then(|| UNCLAIMED.to_owned()));
    between(&mut all, filter, after);
    let sql =
        format!("SELECT {COLUMNS} FROM registrations r WHERE {} ORDER BY r.accepted_at DESC, r.rowid DESC LIMIT {}", all.text(), limit + 1);
    let values: Vec<&dyn ToSql> = all.values.iter().map(AsRef::as_ref).collect();
    let mut items = rows::all(db, &sql, params_from_iter(values), listed)?;
    let next = if cut(&mut items, limit) { items.last().map(|last| last.place) } else { None };
    Ok(Page { items, next })
}

/// Takes the row off that only showed that there are more.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

fn listed(row: &Row<'_>) -> rusqlite::Result<ListedRun> {
    let accepted_at = row.get(0)?;
    Ok(ListedRun {
        place: Place { at: accepted_at, row: row.get(1)? },
        id: row.get(2)?,
        user_id: row.get(3)?,
        username: row.get(4)?,
        state: row.get(5)?,
        skip_reason: row.get(6)?,
        accepted_at,
        finished_at: row.get(7)?,
        segment: row.get(8)?,
        agent_id: row.get(9)?,
        agent: row.get(10)?,
        rung: row.get(11)?,
        welcome_at: row.get(12)?,
        late_outcome: row.get(13)?,
        conversation_id: row.get(14)?,
        claimed_at: row.get(15)?,
        claimed_by: row.get(16)?,
        escalation_level: row.get(17)?,
    })
}

#[cfg(test)]
mod tests;
