//! What differs between two plans, and why.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    constraints::Constraints,
    plan::{Body, Treatment},
    refuse,
    screen::Screen,
};
use crate::{clinic::concerns::Concern, money, port::Service};

/// One difference between the plans.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Edit {
    /// added, removed or changed.
    pub(crate) kind: &'static str,
    /// The service's code.
    pub(crate) service_code: String,
    /// Chinese name.
    pub(crate) name: String,
    /// Sessions before; 0 when it was not in the plan.
    pub(crate) sessions_before: u32,
    /// Sessions after; 0 when it is not in the plan any more.
    pub(crate) sessions_after: u32,
    /// What it does to the highest cost, such as -¥2,000.
    pub(crate) cost_change: String,
    /// The same in yuan.
    pub(crate) cost_change_yuan: f64,
    /// Why.
    pub(crate) reason: String,
}

/// Every difference: removed, changed, added.
pub(crate) fn between(old: &[Treatment], new: &[Treatment], services: &[Service], screen: &Screen<'_>) -> Vec<Edit> {
    let find = |list: &[Treatment], code: &str| list.iter().find(|treatment| treatment.service_code == code).cloned();
    let mut changes = Vec::new();
    for before in old {
        match find(new, &before.service_code) {
            None => changes.push(change("removed", Some(before), None, why_removed(before, services, screen))),
            Some(after) if differs(before, &after) => {
                changes.push(change("changed", Some(before), Some(&after), why_changed(before, &after)));
            }
            Some(_) => {}
        }
    }
    for after in new.iter().filter(|after| find(old, &after.service_code).is_none()) {
        changes.push(change("added", None, Some(after), why_added(after, screen.constraints)));
    }
    changes
}

/// Whether two plans propose the same.
pub(crate) fn same(old: &Body, new: &Body) -> bool {
    let all_in = |one: &Body, other: &Body| {
        one.treatments.iter().all(|a| other.treatments.iter().any(|b| a.service_code == b.service_code && !differs(a, b)))
    };
    all_in(old, new) && all_in(new, old)
}

/// The concerns that a plan does less for than the one before, which an honest answer names.
fn losses(old: &Body, new: &Body, concerns: &[Concern]) -> Vec<String> {
    let percent = |body: &Body, label: &str| {
        body.coverage.iter().find(|covered| covered.concern == label).map_or(0, |covered| covered.expected_percent)
    };
    let loss = |concern: &Concern| {
        let (before, after) = (percent(old, &concern.label), percent(new, &concern.label));
        (after < before).then(|| format!("{} {before}% → {after}%", concern.label))
    };
    concerns.iter().filter_map(loss).collect()
}

fn differs(a: &Treatment, b: &Treatment) -> bool {
    a.sessions != b.sessions || a.recovery_days != b.recovery_days || fen(a) != fen(b)
}

fn fen(treatment: &Treatment) -> i64 {
    money::to_fen(treatment.cost_max_yuan).unwrap_or_default()
}

fn change(kind: &'static str, before: Option<&Treatment>, after: Option<&Treatment>, reason: String) -> Edit {
    let difference = after.map_or(0, fen) - before.map_or(0, fen);
    let shown = before.or(after);
    Edit {
        kind,
        service_code: shown.map(|treatment| treatment.service_code.clone()).unwrap_or_default(),
        name: shown.map(|treatment| treatment.name.clone()).unwrap_or_default(),
        sessions_before: before.map_or(0, |treatment| treatment.sessions),
        sessions_after: after.map_or(0, |treatment| treatment.sessions),
        cost_change: signed(difference),
        cost_change_yuan: money::to_yuan(difference),
        reason,
    }
}

/// `+¥2,000`, `-¥500`, `¥0`.
pub(crate) fn signed(fen: i64) -> String {
    let sign = if fen > 0 { "+" } else { "" };
    format!("{sign}{}", money::yuan(fen))
}

fn why_removed(before: &Treatment, services: &[Service], screen: &Screen<'_>) -> String {
    let Some(service) = services.iter().find(|service| service.code == before.service_code && service.enabled) else {
        return "该项目已不在售 / no longer on offer".to_owned();
    };
    match screen.reasons(service).first() {
        Some(reason) => refuse::reason_text(reason, service, screen),
        None if screen.treats(service).is_empty() => "不再针对其诉求 / what it treats no longer matters".to_owned(),
        None => "在新条件下其他组合总体更好 / other choices do better under the new constraints".to_owned(),
    }
}

fn why_changed(before: &Treatment, after: &Treatment) -> String {
    if after.sessions == before.sessions {
        return "目录中的价格或恢复期已更新 / its price or recovery time changed in the catalogue".to_owned();
    }
    let (before, after) = (before.sessions, after.sessions);
    let direction = if after > before {
        "增加次数以提高改善 / more sessions for more effect"
    } else {
        "减少次数以满足新条件 / fewer sessions to meet the new constraints"
    };
    format!("{before} → {after} 次：{direction}")
}

fn why_added(after: &Treatment, constraints: &Constraints) -> String {
    if constraints.include.contains(&after.service_code) {
        return "客户指定 / asked for".to_owned();
    }
    let treats = after.treats.join("、");
    format!("在新条件下对{treats}更合适 / the better choice for {treats} under the new constraints")
}

/// Why the new plan is as it is, and what it costs in effect.
pub(crate) fn reason(old: &Body, new: &Body, changes: &[Edit], concerns: &[Concern]) -> String {
    if changes.is_empty() {
        return "项目不变；新的安全信息已记入方案，供医生审核和后续优化。 / The services stay; the new safety facts are recorded with the plan for the physician and later revisions.".to_owned();
    }
    let longest = |body: &Body| body.treatments.iter().map(|treatment| treatment.recovery_days).max().unwrap_or_default();
    let losses = losses(old, new, concerns);
    let loss =
        if losses.is_empty() { String::new() } else { format!("；代价：预期改善 {0} / at a price: {0}", losses.join("，")) };
    format!(
        "在原条件加反馈的新条件下重新求最优：费用 {} → {}，次数 {} → {}，最长恢复期 {} → {} 天{loss}。 / Solved again for the optimum under the old and new constraints.",
        old.estimated_cost,
        new.estimated_cost,
        old.sessions,
        new.sessions,
        longest(old),
        longest(new)
    )
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn differences_carry_their_sign() {
        assert_eq!(signed(200_000), "+¥2,000");
        assert_eq!(signed(-50_000), "-¥500");
        assert_eq!(signed(0), "¥0");
    }
}
