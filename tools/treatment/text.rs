//! The sentences of a plan, Chinese first.

use super::{constraints::Constraints, plan::Coverage};
use crate::{money, port::Service};

/// A length of time for people.
pub(crate) fn days(days: u32) -> String {
    match days {
        0 => "当天完成 / done within a day".to_owned(),
        1..14 => format!("约 {days} 天 / about {days} days"),
        _ => format!("约 {0} 周（{days} 天） / about {0} weeks ({days} days)", days.div_ceil(7)),
    }
}

/// How often each service is done.
pub(crate) fn frequency(chosen: &[(&Service, u32)]) -> String {
    let one = |(service, count): &(&Service, u32)| match count {
        1 => format!("{}：单次 / {}: once", service.name, service.name_en),
        _ => format!(
            "{0}：每 {2} 天一次，共 {3} 次 / {1}: every {2} days, {3} times",
            service.name, service.name_en, service.interval_days, count
        ),
    };
    chosen.iter().map(one).collect::<Vec<_>>().join("；")
}

/// What to expect, and how sure that is.
pub(crate) fn expected(coverage: &[Coverage]) -> String {
    let covered: Vec<&Coverage> = coverage.iter().filter(|covered| covered.expected_percent > 0).collect();
    let chinese =
        covered.iter().map(|covered| format!("{}预计改善约 {}%", covered.concern, covered.expected_percent)).collect::<Vec<_>>().join("，");
    let english =
        covered.iter().map(|covered| format!("{} about {}%", covered.concern, covered.expected_percent)).collect::<Vec<_>>().join(", ");
    format!(
        "{chinese}（按诊所疗效评分估算，因人而异，不构成承诺）。 / Expected improvement: {english} (estimated from the clinic's efficacy ratings, no promise)."
    )
}

/// Why a service is in the plan.
pub(crate) fn chosen(service: &Service, count: u32, treats: &[String], constraints: &Constraints) -> String {
    let wish = if constraints.include.contains(&service.code) {
        "客户指定；/ asked for; "
    } else if constraints.prefer.contains(&service.code) {
        "客户偏好；/ preferred; "
    } else {
        ""
    };
    let treats = if treats.is_empty() { service.treats.join("、") } else { treats.join("、") };
    let usual = service.sessions.max(1);
    format!(
        "{wish}针对{treats}，单次疗效评分 {0}/100，安排 {count} 次（常规 {usual} 次），恢复期 {1} 天。 / Treats {treats}; efficacy {0}/100 a session, {count} of usually {usual} sessions, {1} recovery days.",
        service.efficacy.clamp(1, 100),
        service.recovery_days
    )
}

/// The limits a plan respects.
pub(crate) fn limits(constraints: &Constraints) -> Vec<String> {
    let mut limits = Vec::new();
    if let Some(fen) = constraints.budget_max_fen {
        limits.push(format!("预算 ≤ {0}（按最高价计） / budget ≤ {0}, at the highest prices", money::yuan(fen)));
    }
    if let Some(fen) = constraints.budget_min_fen {
        limits.push(format!("预算下限 {0}（仅供参考） / lower end of the budget {0}, for information", money::yuan(fen)));
    }
    if let Some(days) = constraints.max_recovery_days {
        limits.push(format!("每次恢复期 ≤ {days} 天 / recovery ≤ {days} days"));
    }
    if let Some(sessions) = constraints.max_sessions {
        limits.push(format!("总次数 ≤ {sessions} / sessions ≤ {sessions}"));
    }
    if let Some(days) = constraints.max_days {
        limits.push(format!("全程 ≤ {days} 天 / whole plan ≤ {days} days"));
    }
    if let Some(day) = constraints.deadline {
        limits.push(format!("{day} 前完成并恢复 / done and recovered by {day}"));
    }
    let list = |codes: &std::collections::BTreeSet<String>| codes.iter().cloned().collect::<Vec<_>>().join(", ");
    if !constraints.exclude.is_empty() {
        limits.push(format!("不含：{0} / without: {0}", list(&constraints.exclude)));
    }
    if !constraints.include.is_empty() {
        limits.push(format!("必含：{0} / with: {0}", list(&constraints.include)));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::{days, limits};
    use crate::treatment::constraints::Constraints;

    #[test]
    fn lengths_are_told_in_days_then_weeks() {
        assert_eq!(days(0), "当天完成 / done within a day");
        assert_eq!(days(5), "约 5 天 / about 5 days");
        assert_eq!(days(63), "约 9 周（63 天） / about 9 weeks (63 days)");
    }

    #[test]
    fn only_limits_that_exist_are_told() {
        assert!(limits(&Constraints::default()).is_empty());
        let some = Constraints { budget_max_fen: Some(500_000), max_recovery_days: Some(0), ..Constraints::default() };
        assert_eq!(limits(&some).len(), 2);
        assert!(limits(&some)[0].contains("¥5,000"));
    }
}
