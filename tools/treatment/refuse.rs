//! Why there is no plan, and what would have to change: the binding constraint and its nearest relaxation.
//!
//! A refusal names numbers from the catalogue ("the cheapest suitable option is ¥3,000"), because "nothing found" makes a
//! model guess. It never suggests to relax safety.

use super::screen::{Screen, Why, price};
use crate::{clinic::tags, money, port::Service, tool::ToolError};

/// The error for a request that leaves nothing to choose.
pub(crate) fn explain(screen: &Screen<'_>, services: &[Service]) -> ToolError {
    let concerned: Vec<&Service> = services.iter().filter(|service| screen.concerned(service)).collect();
    if concerned.is_empty() {
        return ToolError::NotFound(unknown_concerns(screen, services));
    }
    let safe: Vec<(&Service, Vec<Why>)> =
        concerned.iter().map(|service| (*service, screen.reasons(service))).filter(|(_, reasons)| !contraindicated(reasons)).collect();
    if safe.is_empty() {
        return ToolError::NotFound(all_contraindicated(screen, &concerned));
    }
    if let Some(text) = together(screen, services) {
        return ToolError::NotFound(text);
    }
    ToolError::NotFound(limits(screen, &safe))
}

/// Refuses a plan that must contain what cannot be in it.
pub(crate) fn check_included(screen: &Screen<'_>, services: &[Service]) -> Result<(), ToolError> {
    for service in services.iter().filter(|service| service.enabled && screen.constraints.include.contains(&service.code)) {
        if let Some(reason) = screen.reasons(service).first() {
            let why = format!("{} ({}) 不能列入方案：{}", service.name, service.code, reason_text(reason, service, screen));
            return Err(ToolError::Argument { field: "requirements.include".to_owned(), why });
        }
    }
    Ok(())
}

/// One reason, with its numbers, for people.
pub(crate) fn reason_text(reason: &Why, service: &Service, screen: &Screen<'_>) -> String {
    let limit = |value: Option<u32>| value.unwrap_or_default();
    match reason {
        Why::Contraindicated(facts) => {
            let facts = facts.iter().map(|fact| tags::label(fact)).collect::<Vec<_>>().join("、");
            format!("禁忌：{facts} / contraindicated: {facts}")
        }
        Why::Unwanted => "客户不要该项目 / the customer does not want it".to_owned(),
        Why::Recovery => format!(
            "恢复期 {0} 天，超过上限 {1} 天 / {0} recovery days, at most {1} allowed",
            service.recovery_days,
            limit(screen.constraints.max_recovery_days)
        ),
        Why::Budget => format!(
            "单次最高 {0}，超过预算 {1} / one session may cost {0}, the budget is {1}",
            money::yuan(price(service)),
            money::yuan(screen.constraints.budget_max_fen.unwrap_or_default())
        ),
        Why::Time => format!(
            "含恢复期需 {0} 天，只有 {1} 天 / takes {0} days with recovery, {1} are left",
            service.recovery_days,
            limit(screen.days)
        ),
    }
}

fn contraindicated(reasons: &[Why]) -> bool {
    reasons.iter().any(|reason| matches!(reason, Why::Contraindicated(_)))
}

fn concern_names(screen: &Screen<'_>) -> String {
    screen.concerns.iter().map(|concern| concern.label.as_str()).collect::<Vec<_>>().join("、")
}

fn unknown_concerns(screen: &Screen<'_>, services: &[Service]) -> String {
    let mut treated: Vec<&str> = Vec::new();
    for text in services.iter().filter(|service| service.enabled).flat_map(|service| &service.treats) {
        if !treated.contains(&text.as_str()) {
            treated.push(text);
        }
    }
    if treated.is_empty() {
        return "错误：目录中没有在售项目，无法制定方案。 / Error: the catalogue holds no service on offer, so no plan can be made."
            .to_owned();
    }
    treated.truncate(40);
    format!(
        "错误：目录中没有项目针对“{0}”。可治疗的问题：{1}。请改用其中的说法重新调用。 / Error: no service treats \"{0}\". Use one of these concerns: {1}.",
        concern_names(screen),
        treated.join("、")
    )
}

fn all_contraindicated(screen: &Screen<'_>, concerned: &[&Service]) -> String {
    let mut facts: Vec<String> = Vec::new();
    for service in concerned {
        for fact in tags::conflicts(&screen.constraints.safety, &service.contraindications) {
            let fact = tags::label(&fact);
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
    }
    format!(
        "错误：针对“{0}”的 {1} 个项目因“{2}”全部禁忌，不能制定方案，请转医生面诊。 / Error: all {1} services for \"{0}\" are contraindicated by {2}. No plan is made; refer the customer to a physician.",
        concern_names(screen),
        concerned.len(),
        facts.join("、")
    )
}

/// When each included service fits and all of them do not.
fn together(screen: &Screen<'_>, services: &[Service]) -> Option<String> {
    let included: Vec<&Service> = services.iter().filter(|service| screen.constraints.include.contains(&service.code)).collect();
    let cost: i64 = included.iter().map(|service| price(service)).sum();
    let count = included.len() as u32;
    if let Some(budget) = screen.constraints.budget_max_fen.filter(|budget| cost > *budget) {
        let (cost, budget) = (money::yuan(cost), money::yuan(budget));
        return Some(format!(
            "错误：预算不足：必选项目各一次需 {cost}，预算 {budget}。请把预算提高到至少 {cost}，或减少 include。 / Error: the budget binds: one session of each included service costs {cost}, the budget is {budget}. Raise it to at least {cost} or include less."
        ));
    }
    let sessions = screen.constraints.max_sessions.filter(|most| count > *most)?;
    Some(format!(
        "错误：次数不足：必选项目有 {count} 个，最多只允许 {sessions} 次。 / Error: the number of sessions binds: {count} services are included, only {sessions} sessions allowed. Raise max_sessions to at least {count}."
    ))
}

/// Every single limit whose change alone would open a way, with the smallest change that does.
fn limits(screen: &Screen<'_>, safe: &[(&Service, Vec<Why>)]) -> String {
    let mut ways: Vec<String> = Vec::new();
    for reason in [Why::Budget, Why::Recovery, Why::Time, Why::Unwanted] {
        let freed: Vec<&Service> =
            safe.iter().filter(|(_, reasons)| reasons.iter().all(|other| *other == reason)).map(|(service, _)| *service).collect();
        ways.extend(way(&reason, &freed, screen));
    }
    if ways.is_empty() {
        ways.extend(joint(screen, safe));
    }
    format!(
        "错误：没有项目同时满足全部条件（针对“{0}”）。{1}。 / Error: nothing for \"{0}\" meets every constraint; the changes above would open a way.",
        concern_names(screen),
        ways.join("；")
    )
}

fn way(reason: &Why, freed: &[&Service], screen: &Screen<'_>) -> Option<String> {
    let nearest = match reason {
        Why::Budget => freed.iter().min_by_key(|service| price(service))?,
        _ => freed.iter().min_by_key(|service| (service.recovery_days, price(service)))?,
    };
    let (name, days) = (format!("{} ({})", nearest.name, nearest.code), nearest.recovery_days);
    let given = |value: Option<u32>| value.unwrap_or_default();
    Some(match reason {
        Why::Budget => {
            let (cost, budget) = (money::yuan(price(nearest)), money::yuan(screen.constraints.budget_max_fen.unwrap_or_default()));
            format!(
                "预算是限制：最便宜的合适项目 {name} 为 {cost}，预算 {budget}，请提高到至少 {cost} / the budget binds: the cheapest suitable option is {cost}; raise the budget ({budget}) to at least {cost}"
            )
        }
        Why::Recovery => {
            let most = given(screen.constraints.max_recovery_days);
            format!(
                "恢复期是限制：{name} 需 {days} 天，上限 {most} 天，请放宽到至少 {days} 天 / the recovery time binds: the shortest is {days} days; raise max_recovery_days ({most}) to at least {days}"
            )
        }
        Why::Time => {
            let left = given(screen.days);
            format!(
                "时间是限制：{name} 含恢复期需 {days} 天，只有 {left} 天 / the time binds: at least {days} days are needed, {left} are left"
            )
        }
        _ => format!("被排除的项目是限制：可重新考虑 {name} / the exclusions bind: reconsider {name}"),
    })
}

/// When several limits bind at once: what the service nearest to fitting would need.
fn joint(screen: &Screen<'_>, safe: &[(&Service, Vec<Why>)]) -> Option<String> {
    let (service, reasons) = safe.iter().min_by_key(|(service, reasons)| (reasons.len(), price(service)))?;
    let reasons = reasons.iter().map(|reason| reason_text(reason, service, screen)).collect::<Vec<_>>().join("；");
    Some(format!("最接近的 {} ({}) 同时受限于：{reasons} / the nearest option is bound by all of these", service.name, service.code))
}
