//! Which calls are asked for, and along what they are found.

use rusqlite::{Row, types::ValueRef};

use super::{COLUMNS, column};

/// Which calls are asked for; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Of this group, by its id.
    pub group_id: Option<String>,
    /// Of this tool.
    pub tool_name: Option<String>,
    /// That got a result, or did not.
    pub success: Option<bool>,
    /// That ended so.
    pub outcome: Option<String>,
    /// By this key, by its id.
    pub key_id: Option<String>,
    /// By a client whose name and version contain this, in whatever case.
    pub client: Option<String>,
    /// By a caller that gives itself this id.
    pub app_id: Option<String>,
    /// About the subject of this run.
    pub registration_id: Option<String>,
    /// By this door.
    pub channel: Option<String>,
    /// In this revision of the protocol.
    pub protocol: Option<String>,
    /// That took at least so long.
    pub at_least_ms: Option<i64>,
    /// That arrived at this time or later, in milliseconds.
    pub since: Option<i64>,
    /// That arrived before this time, in milliseconds.
    pub until: Option<i64>,
    /// Whose error contains this, in whatever case.
    pub error: Option<String>,
}

impl CallFilter {
    /// An outcome says whether there was a result.
    pub(super) fn wanted_success(&self) -> Option<bool> {
        self.success.or_else(|| self.outcome.as_ref().map(|outcome| outcome == "ok"))
    }

    pub(super) fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let at: i64 = row.get(column::AT)?;
        let in_time = self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until);
        let long_enough = match self.at_least_ms {
            None => true,
            Some(least) => row.get::<_, i64>(column::DURATION)? >= least,
        };
        let ended_so = match self.success {
            None => true,
            Some(wanted) => row.get::<_, bool>(column::SUCCESS)? == wanted,
        };
        Ok(in_time
            && long_enough
            && ended_so
            && is(row, column::TOOL, self.tool_name.as_ref())?
            && is(row, column::GROUP, self.group_id.as_ref())?
            && is(row, column::KEY, self.key_id.as_ref())?
            && is(row, column::APP, self.app_id.as_ref())?
            && is(row, column::RUN, self.registration_id.as_ref())?
            && is(row, column::CHANNEL, self.channel.as_ref())?
            && is(row, column::PROTOCOL, self.protocol.as_ref())?
            && is(row, column::OUTCOME, self.outcome.as_ref())?
            && holds(row, column::CLIENT, self.client.as_ref())?
            && holds(row, column::ERROR, self.error.as_ref())?)
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(_) => row.get_ref(column)?.as_str()?,
        _ => "",
    })
}

fn is(row: &Row<'_>, column: usize, wanted: Option<&String>) -> rusqlite::Result<bool> {
    Ok(match wanted {
        None => true,
        Some(wanted) => text(row, column)? == wanted,
    })
}

fn holds(row: &Row<'_>, column: usize, wanted: Option<&String>) -> rusqlite::Result<bool> {
    Ok(match wanted {
        None => true,
        Some(wanted) => text(row, column)?.to_lowercase().contains(&wanted.to_lowercase()),
    })
}

/// Along what rows are found, the most selective first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Run,
    App,
    Tool,
    Failed,
    Group,
    Log,
}

impl Way {
    pub(super) fn of(filter: &CallFilter) -> Self {
        match filter {
            CallFilter { registration_id: Some(_), .. } => Self::Run,
            CallFilter { app_id: Some(_), .. } => Self::App,
            CallFilter { tool_name: Some(_), .. } => Self::Tool,
            _ if filter.wanted_success() == Some(false) => Self::Failed,
            CallFilter { group_id: Some(_), .. } => Self::Group,
            _ => Self::Log,
        }
    }

    /// The index, and its condition; `:value` is what is looked for.
    fn index(self, success: Option<bool>) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Run => vec![("mcp_call_logs_by_run", "registration_id = :value")],
            Self::App => vec![("mcp_call_logs_by_caller", "caller_app_id = :value")],
            Self::Group => vec![("mcp_call_logs_by_group", "group_id = :value")],
            Self::Failed => vec![("mcp_call_logs_failed", "success = 0 AND :value IS NULL")],
            // The index has the results of a tool apart from its failures: both are read in step.
            Self::Tool => [(true, "tool_name = :value AND success = 1"), (false, "tool_name = :value AND success = 0")]
                .into_iter()
                .filter(|(kind, _)| success.is_none_or(|wanted| wanted == *kind))
                .map(|(_, condition)| ("mcp_call_logs_by_tool", condition))
                .collect(),
            Self::Log => Vec::new(),
        }
    }

    pub(super) fn sql(self, success: Option<bool>, bodies: &str) -> String {
        let parts = self.index(success).into_iter().map(|(index, condition)| {
            format!(
                "SELECT {COLUMNS}, {bodies} FROM mcp_call_logs INDEXED BY {index}
                  WHERE {condition} AND created_at >= :since AND created_at <= :at AND (created_at < :at OR id < :id)"
            )
        });
        format!("{} ORDER BY created_at DESC, id DESC LIMIT :read", parts.collect::<Vec<_>>().join(" UNION ALL "))
    }

    pub(super) fn value(self, filter: &CallFilter) -> Option<&String> {
        match self {
            Self::Run => filter.registration_id.as_ref(),
            Self::App => filter.app_id.as_ref(),
            Self::Tool => filter.tool_name.as_ref(),
            Self::Group => filter.group_id.as_ref(),
            Self::Failed | Self::Log => None,
        }
    }
}
