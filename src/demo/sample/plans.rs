//! Treatment plans, in the shape that the tools store and revise, made some time ago for some of the customers.
//!
//! Small ones: one service, within the customer's means. A physician has approved or rejected most.

use serde_json::{Value, json};

use super::{
    calendar::Calendar,
    catalogue::Entry,
    customers::{Person, Story},
    random::Random,
};
use crate::store::import::PlanRecord;

/// A plan for one in eight of those who come.
pub(super) fn of(person: &Person, random: &mut Random, calendar: &Calendar) -> Option<PlanRecord> {
    if matches!(person.story, Story::Prospect | Story::New) || !random.chance(13) {
        return None;
    }
    let entry = *person.services.first()?;
    let days = random.within(1, calendar.days_since(person.registered).saturating_sub(1).clamp(1, 120));
    let made = calendar.at(days.into(), random.within(10, 18), random.within(0, 59));
    let status = random.pick(&["approved", "approved", "pending_physician_review", "rejected"]);
    let made = if calendar.is_past(made) && made > person.registered { made } else { person.registered };
    Some(PlanRecord {
        id: random.id("pln"),
        customer_id: Some(person.account.id.clone()),
        parent_id: None,
        status: Some(status.into()),
        body: body(person, entry, &made.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        created_at: Some(made),
    })
}

fn body(person: &Person, entry: &Entry, made: &str) -> Value {
    let (low, high) = (entry.yuan.0 * entry.sessions, entry.yuan.1 * entry.sessions);
    let days = entry.interval * (entry.sessions - 1) + entry.recovery;
    let concerns: Vec<&String> =
        person.profile.concerns.iter().flatten().filter(|concern| entry.treats.contains(&concern.as_str())).collect();
    let safety: Vec<&String> = person.profile.allergies.iter().chain(&person.profile.conditions).flatten().collect();
    let percent = expected_percent(entry);
    json!({
        "treatments": [treatment(entry, &concerns)],
        "duration": format!("约{days}天 / about {days} days"),
        "duration_days": days,
        "estimated_cost": span(low, high),
        "estimated_cost_min_yuan": f64::from(low),
        "estimated_cost_max_yuan": f64::from(high),
        "sessions": entry.sessions,
        "frequency": frequency(entry),
        "expected_results": concerns.iter().map(|concern| format!("{concern}预期改善约{percent}%")).collect::<Vec<_>>().join("；"),
        "coverage": concerns.iter().map(|concern| json!({ "concern": concern, "expected_percent": percent })).collect::<Vec<_>>(),
        "generated_at": made,
        "based_on": {
            "sources": ["客户档案 / customer record"],
            "customer_id": person.account.id,
            "gender": person.profile.gender,
            "concerns": concerns,
            "safety": safety,
            "limits": [format!("总价不超过{high}元 / at most ¥{high}")],
            "services_considered": person.services.len(),
            "method": "样例数据 / sample data",
            "optimal": false,
        },
        "excluded": [],
        "warnings": [],
        "review": {
            "status": "pending_physician_review",
            "required": true,
            "text": "须经执业医生面诊审核。 / A licensed physician must review it in person.",
        },
        "constraints": constraints(&concerns, &safety, high),
    })
}

fn treatment(entry: &Entry, concerns: &[&String]) -> Value {
    let (low, high) = entry.yuan;
    json!({
        "service_code": entry.code,
        "name": entry.name,
        "name_en": entry.name_en,
        "sessions": entry.sessions,
        "interval_days": entry.interval,
        "price_per_session": span(low, high),
        "price_min_yuan": f64::from(low),
        "price_max_yuan": f64::from(high),
        "cost": span(low * entry.sessions, high * entry.sessions),
        "cost_min_yuan": f64::from(low * entry.sessions),
        "cost_max_yuan": f64::from(high * entry.sessions),
        "duration_minutes": entry.minutes,
        "recovery_days": entry.recovery,
        "treats": concerns,
        "reason": "对症且无禁忌 / treats the concern, nothing speaks against it",
    })
}

/// The rules under which the plan may be revised.
fn constraints(concerns: &[&String], safety: &[&String], most: u32) -> Value {
    json!({
        "concerns": concerns,
        "safety": safety,
        "budget_max_fen": i64::from(most) * 100,
        "budget_min_fen": null,
        "max_recovery_days": null,
        "max_sessions": null,
        "max_days": null,
        "deadline": null,
        "exclude": [],
        "include": [],
        "prefer": [],
        "strong": false,
    })
}

/// What is left of a concern shrinks with every session.
fn expected_percent(entry: &Entry) -> u32 {
    let left = (0..entry.sessions).fold(1_000_000, |left, _| left * (100 - entry.efficacy) / 100);
    100 - left / 10_000
}

fn span(low: u32, high: u32) -> String {
    format!("¥{low}–{high}")
}

fn frequency(entry: &Entry) -> String {
    if entry.sessions == 1 {
        return format!("{}：1次", entry.name);
    }
    format!("{}：每{}天1次，共{}次", entry.name, entry.interval, entry.sessions)
}
