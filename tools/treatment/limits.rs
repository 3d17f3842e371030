//! Feedback about limits: money, recovery time, number of sessions, length of the plan.
//!
//! A number sets the limit. "Less" without a number is taken as: a fifth cheaper, half the recovery, a quarter fewer
//! sessions, a quarter shorter; the result says so.

use super::{
    clause::Clause,
    feedback::{Budget, Current, Heard, budget_text},
    lexicon::{ABSOLUTE, EXPENSIVE, FEWER, HIGH, LENGTH, LIMIT, LONG, MONEY, NO_LIMIT, NO_RECOVERY, RECOVERY, RELATIVE, TOO},
    quantities::Unit,
};
use crate::{money, words};

/// Reads every limit of one clause.
pub(super) fn read(clause: &Clause<'_>, current: Current, heard: &mut Heard) {
    let recovery = words::any(&clause.text, RECOVERY);
    spending(clause, current, heard);
    if recovery || words::any(&clause.text, NO_RECOVERY) {
        recover(clause, current, heard);
    }
    sessions(clause, current, heard);
    if !recovery {
        length(clause, current, heard);
    }
}

/// `太长`, `a bit expensive`: a number beside it is what is, not what should be.
fn complains(text: &str) -> bool {
    words::any(text, TOO) && !words::any(text, LIMIT)
}

/// `太贵`, `价格有点高`, `cheaper`.
pub(super) fn expensive(text: &str) -> bool {
    words::any(text, EXPENSIVE) || (words::any(text, MONEY) && words::any(text, HIGH))
}

fn set(slot: usize, exact: bool, heard: &mut Heard) -> bool {
    let Some(known) = heard.exact.get_mut(slot) else { return false };
    if *known && !exact {
        return false;
    }
    *known = exact;
    true
}

fn spending(clause: &Clause<'_>, current: Current, heard: &mut Heard) {
    let text = &clause.text;
    let about_money = words::any(text, MONEY) || expensive(text);
    if about_money && words::any(text, NO_LIMIT) {
        heard.budget = Some(Budget::Lifted);
        return heard.note("费用：不设上限 / cost: no limit".to_owned());
    }
    let bare = clause.most(Unit::None).filter(|value| about_money && *value >= 100.0);
    let fen = clause.most(Unit::Money).or(bare).and_then(money::to_fen).filter(|fen| *fen > 0);
    let complaint = complains(text) || (expensive(text) && !words::any(text, LIMIT));
    let relative = words::any(text, RELATIVE) && !words::any(text, ABSOLUTE);
    let (budget, exact) = match (fen, clause.most(Unit::Percent)) {
        (Some(fen), _) if relative => (current.cost.saturating_sub(fen).max(0), true),
        (Some(fen), _) if !complaint => (fen, true),
        (_, Some(percent)) if relative => ((current.cost as f64 * (1.0 - percent.clamp(0.0, 100.0) / 100.0)) as i64, true),
        _ if expensive(text) => (current.cost * 8 / 10 / 100 * 100, false),
        _ => return,
    };
    if set(0, exact, heard) {
        heard.areas.retain(|area| !area.starts_with("费用"));
        heard.budget = Some(Budget::AtMost(budget));
        let how = if exact { "" } else { "（按现方案的八成计 / a fifth less than the plan）" };
        heard.note(format!("{}{how}", budget_text(budget)));
    }
}

fn recover(clause: &Clause<'_>, current: Current, heard: &mut Heard) {
    let text = &clause.text;
    let (days, exact) = if words::any(text, NO_RECOVERY) && clause.most(Unit::Days).is_none() {
        (0, true)
    } else {
        match clause.most(Unit::Days) {
            Some(days) if !complains(text) => (days as u32, true),
            _ if words::any(text, LONG) => (current.recovery / 2, false),
            _ => return,
        }
    };
    if set(1, exact, heard) {
        heard.areas.retain(|area| !area.starts_with("恢复期"));
        heard.recovery = Some(days);
        let how = if exact { "" } else { "（按现方案的一半计 / half of the plan's）" };
        heard.note(format!("恢复期：每次最多 {days} 天 / recovery: at most {days} days{how}"));
    }
}

fn sessions(clause: &Clause<'_>, current: Current, heard: &mut Heard) {
    let text = &clause.text;
    let limit = words::any(text, LIMIT) || words::any(text, &["够", "次数", "just", "enough", "fewer", "只做", "只要"]);
    let (count, exact) = match clause.most(Unit::Sessions) {
        Some(count) if count >= 1.0 && limit && !complains(text) => (count as u32, true),
        Some(_) if complains(text) => (fewer(current.sessions), false),
        _ if words::any(text, FEWER) => (fewer(current.sessions), false),
        _ => return,
    };
    if set(2, exact, heard) {
        heard.areas.retain(|area| !area.starts_with("次数"));
        heard.sessions = Some(count);
        let how = if exact { "" } else { "（约少四分之一 / about a quarter fewer）" };
        heard.note(format!("次数：最多 {count} 次 / sessions: at most {count}{how}"));
    }
}

fn fewer(sessions: u32) -> u32 {
    (sessions * 3 / 4).min(sessions.saturating_sub(1)).max(1)
}

fn length(clause: &Clause<'_>, current: Current, heard: &mut Heard) {
    let text = &clause.text;
    let about_length = words::any(text, LENGTH);
    let (days, exact) = match clause.most(Unit::Days) {
        Some(days) if about_length && !complains(text) => (days as u32, true),
        _ if words::any(text, &["疗程", "周期", "全程", "时间", "duration", "course", "plan"]) && words::any(text, LONG) => {
            (current.days * 3 / 4, false)
        }
        _ => return,
    };
    if set(3, exact, heard) {
        heard.areas.retain(|area| !area.starts_with("时长"));
        heard.days = Some(days);
        let how = if exact { "" } else { "（约短四分之一 / about a quarter shorter）" };
        heard.note(format!("时长：全程最多 {days} 天 / length: at most {days} days{how}"));
    }
}
