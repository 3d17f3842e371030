//! Names that old clients call, until a sunset.

use serde::Serialize;
use utoipa::ToSchema;

use super::StaleCallerView;
use crate::{
    admin::calls::{CallError, Calls, keys::End},
    clock::rfc3339,
    store::{audit::By, stale::ToolAlias},
};

/// An old name of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AliasView {
    /// The old name.
    pub alias: String,
    /// The tool that answers.
    pub tool_name: String,
    /// From when on the old name is refused, with the new one in the answer.
    pub until: String,
    /// Who says so: the group or the product.
    pub by: String,
    /// Whether it is understood at this moment.
    #[serde(skip)]
    pub in_force: bool,
}

/// From when on an old name is refused, as it is written: a date, a moment, or a length of time from now on.
pub(in crate::admin) fn until(text: &str, now: i64) -> Result<i64, CallError> {
    match End::read(Some(text), "/until")? {
        Some(End::At(at)) => Ok(at),
        Some(End::In(length)) => Ok(now.saturating_add(length)),
        None => Err(CallError::invalid("/until", "请填写截止时间", "say until when")),
    }
}

impl Calls {
    /// Who still calls a tool of a group by one of these names, the latest first.
    pub fn callers_by_name(&self, code: &str, names: &[&str]) -> Result<Vec<StaleCallerView>, CallError> {
        let by_name =
            |caller: &StaleCallerView| matches!(caller.reason.as_str(), "renamed" | "sunset") && names.contains(&caller.called.as_str());
        Ok(self.stale_callers(Some(code))?.into_iter().filter(by_name).collect())
    }

    /// The old names that a group understands.
    pub fn aliases(&self, code: &str) -> Result<Vec<AliasView>, CallError> {
        let group = self.group_policy(code)?;
        let now = self.clock.now_ms();
        let view = |alias: &str, tool_name: &str, until: i64, by: &str| AliasView {
            alias: alias.to_owned(),
            tool_name: tool_name.to_owned(),
            until: rfc3339(until),
            by: by.to_owned(),
            in_force: now < until,
        };
        let offers = self.dispatch.catalogue().definitions_of(&group);
        let of_product = offers.iter().flat_map(|known| {
            let definition = &known.tool.definition;
            definition.former_names.iter().map(move |former| (former.name, definition.about.name, former.until_ms))
        });
        let of_group = group.aliases.iter().map(|alias| view(&alias.alias, &alias.tool_name, alias.until, "group"));
        Ok(of_group.chain(of_product.map(|(old, new, until)| view(old, new, until, "product"))).collect())
    }

    /// Lets a group answer calls of an old name until a moment.
    pub async fn set_alias(&self, code: &str, (old, new): (&str, &str), until: i64, by: &By) -> Result<(), CallError> {
        let group = self.group_policy(code)?;
        let offered = |name: &str| group.tools.iter().any(|tool| tool.tool_name == name && tool.enabled);
        if !is_tool_name(old) {
            return Err(CallError::invalid(
                "/alias",
                format!("{old} 不是工具名：1 到 64 个 a-z、0-9、_，以字母开头"),
                format!("{old} is no tool's name: 1 to 64 of a-z, 0-9 and _, beginning with a letter"),
            ));
        }
        if offered(old) {
            return Err(CallError::invalid(
                "/alias",
                format!("分组 {code} 自己提供 {old}；请先停用它（`anmei-mcp tool disable {code} {old}`）"),
                format!("{code} offers {old} itself; `anmei-mcp tool disable {code} {old}` first"),
            ));
        }
        if !offered(new) {
            return Err(CallError::not_found(
                format!("分组 {code} 不提供 {new}；`anmei-mcp tool list --group {code}` 列出它有的工具"),
                format!("{code} does not offer {new}; `anmei-mcp tool list --group {code}` shows what it has"),
            ));
        }
        if until <= by.at {
            let at = rfc3339(until);
            return Err(CallError::invalid("/until", format!("{at} 已经过去"), format!("--until {at} has passed")));
        }
        let alias =
            ToolAlias { group_id: group.group.id.clone(), alias: old.to_owned(), tool_name: new.to_owned(), until, created_at: by.at };
        Ok(self.store.set_alias(alias, by.clone()).await?)
    }

    /// Forgets an old name at once.
    pub async fn remove_alias(&self, code: &str, old: &str, by: &By) -> Result<(), CallError> {
        let group = self.group_policy(code)?;
        Ok(self.store.remove_alias(&group.group.id, old, by.clone()).await?)
    }
}

/// Whether a tool could be called so.
pub fn is_tool_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    plain && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_date_a_moment_or_a_length() {
        assert_eq!((until("2027-06-30T00:00:00Z", 7).unwrap(), until("1h", 7).unwrap()), (1_814_313_600_000, 3_600_007));
        for bad in ["", " ", "soon"] {
            assert!(matches!(until(bad, 7), Err(CallError::Invalid(fields)) if fields[0].pointer == "/until"), "{bad}");
        }
    }

    #[test]
    fn a_name_is_one_that_a_tool_could_have() {
        assert!(is_tool_name("find_users") && is_tool_name("a1"));
        for bad in ["", "Find", "a b", "1a", "server__tool!", &"a".repeat(65)] {
            assert!(!is_tool_name(bad), "{bad}");
        }
    }
}
