//! What a plan must respect, merged from the request, the customer's record and their preferences.
//!
//! Stored with every plan, so that it can be revised under the same rules. Safety facts are a union: nothing a caller
//! says removes an allergy or condition that the clinic has on record.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    person::{adult, note_sources, on_record, safety},
    request::{CustomerProfile, Requirements},
};
use crate::{
    clinic::{catalogue, concerns},
    money,
    port::{Context, Customer, Preferences, Service},
    tool::ToolError,
};

/// The rules of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Constraints {
    /// Concerns as they were said, most important first.
    pub(crate) concerns: Vec<String>,
    /// Safety tags and unknown safety words.
    pub(crate) safety: BTreeSet<String>,
    /// Most the plan may cost, in fen.
    pub(crate) budget_max_fen: Option<i64>,
    /// What the customer meant to spend at least, in fen; binds nothing.
    pub(crate) budget_min_fen: Option<i64>,
    /// Most recovery days after one session.
    pub(crate) max_recovery_days: Option<u32>,
    /// Most sessions in all.
    pub(crate) max_sessions: Option<u32>,
    /// Most days from the first session to the end of the last recovery.
    pub(crate) max_days: Option<u32>,
    /// The day by which all is done and recovered.
    pub(crate) deadline: Option<NaiveDate>,
    /// Codes of services not wanted.
    pub(crate) exclude: BTreeSet<String>,
    /// Codes of services that must be in the plan.
    pub(crate) include: BTreeSet<String>,
    /// Codes of services the customer likes.
    pub(crate) prefer: BTreeSet<String>,
    /// Whether effect counts more than a short plan.
    pub(crate) strong: bool,
}

impl Constraints {
    /// The days a plan may take from today, by length and by deadline.
    pub(crate) fn days(&self, now: DateTime<Utc>) -> Option<u32> {
        let until = self.deadline.map(|day| u32::try_from((day - today(now)).num_days()).unwrap_or(0));
        [self.max_days, until].into_iter().flatten().min()
    }
}

/// The constraints, and what else is known and worth telling.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brief {
    pub(crate) constraints: Constraints,
    pub(crate) customer_id: Option<String>,
    pub(crate) age: Option<u32>,
    pub(crate) gender: Option<String>,
    pub(crate) skin_type: Option<String>,
    /// Where the facts came from.
    pub(crate) sources: Vec<String>,
    /// What the physician and the caller should know.
    pub(crate) warnings: Vec<String>,
}

/// Merges everything known into one brief. Refuses minors and contradictions.
pub(crate) async fn gather(
    profile: CustomerProfile,
    requirements: Requirements,
    services: &[Service],
    ctx: &Context<'_>,
) -> Result<Brief, ToolError> {
    let (customer, preferences) = on_record(profile.user_id.as_deref(), ctx).await?;
    let mut brief =
        Brief { customer_id: profile.user_id.clone(), sources: vec!["本次请求 / this request".to_owned()], ..Brief::default() };
    note_sources(&mut brief, customer.is_some(), preferences.is_some());
    let (customer, preferences) = (customer.unwrap_or_default(), preferences.unwrap_or_default());
    brief.age = adult(profile.age, customer.birth_year, ctx.now, &mut brief.warnings)?;
    brief.gender = profile.gender.clone().or_else(|| customer.gender.clone());
    brief.skin_type = profile.skin_type.clone().or_else(|| customer.skin_type.clone());
    safety(&mut brief, &profile, &requirements, &customer);
    money_limits(&mut brief.constraints, &profile, &requirements, &preferences)?;
    time_limits(&mut brief.constraints, &requirements, ctx.now)?;
    let on_offer = catalogue::on_offer(services);
    wishes(&mut brief, &requirements, &preferences, &on_offer)?;
    brief.constraints.concerns = stated_concerns(profile, requirements, customer);
    name_services(&mut brief.constraints, &on_offer);
    if brief.constraints.concerns.is_empty() {
        return Err(argument(
            "requirements",
            "没有要改善的问题。请在 requirements.concerns 写明，如 [\"色斑\"]；或给出有档案的 customer_profile.user_id。 / no concern to treat: name one in requirements.concerns, such as [\"色斑\"]",
        ));
    }
    Ok(brief)
}

fn money_limits(
    constraints: &mut Constraints,
    profile: &CustomerProfile,
    requirements: &Requirements,
    preferences: &Preferences,
) -> Result<(), ToolError> {
    let fen = |field: &str, yuan: Option<f64>| match yuan.map(money::to_fen) {
        Some(None) => Err(argument(field, "不是有效金额（0 至 10 亿元）。 / not an amount between 0 and 1e9 yuan")),
        known => Ok(known.flatten()),
    };
    let stated = fen("requirements.budget_max", requirements.budget_max)?.or(fen("requirements.budget", requirements.budget)?);
    let stated = stated.or(fen("customer_profile.budget", profile.budget)?);
    let least = fen("requirements.budget_min", requirements.budget_min)?;
    if let (Some(least), Some(most)) = (least, stated)
        && least > most
    {
        let why = format!(
            "预算下限 {} 高于上限 {}。 / the lower end of the budget is above the upper end",
            money::yuan(least),
            money::yuan(most)
        );
        return Err(argument("requirements.budget_min", &why));
    }
    constraints.budget_max_fen = stated.or(preferences.budget_max_fen);
    constraints.budget_min_fen = least.or(preferences.budget_min_fen.filter(|_| stated.is_none()));
    Ok(())
}

fn time_limits(constraints: &mut Constraints, requirements: &Requirements, now: DateTime<Utc>) -> Result<(), ToolError> {
    if requirements.deadline.is_some_and(|day| day < today(now)) {
        return Err(argument("requirements.deadline", &format!("日期已过，今天是 {}。 / the date has passed", today(now))));
    }
    constraints.deadline = requirements.deadline;
    constraints.max_days = requirements.max_weeks.map(|weeks| weeks.saturating_mul(7));
    constraints.max_recovery_days = requirements.max_recovery_days;
    constraints.max_sessions = requirements.max_sessions;
    Ok(())
}

fn wishes(brief: &mut Brief, requirements: &Requirements, preferences: &Preferences, services: &[&Service]) -> Result<(), ToolError> {
    let codes = |found: Vec<&Service>| found.into_iter().map(|service| service.code.clone()).collect::<Vec<_>>();
    for text in &requirements.exclude {
        let found = codes(catalogue::named(services, text));
        if found.is_empty() {
            brief.warnings.push(format!("exclude 中的“{text}”不在目录中。 / \"{text}\" in exclude is not in the catalogue."));
        }
        brief.constraints.exclude.extend(found);
    }
    for text in &requirements.include {
        match codes(catalogue::named(services, text)).as_slice() {
            [] => return Err(not_offered(text, services)),
            [only] => brief.constraints.include.extend([only.clone()]),
            several => brief.constraints.prefer.extend(several.iter().cloned()),
        }
    }
    brief.constraints.prefer.extend(preferences.treatments.iter().flat_map(|text| codes(catalogue::named(services, text))));
    match brief.constraints.include.intersection(&brief.constraints.exclude).next() {
        Some(both) => {
            Err(argument("requirements.include", &format!("“{both}”同时出现在 include 和 exclude 中。 / it is both included and excluded")))
        }
        None => Ok(()),
    }
}

fn not_offered(text: &str, services: &[&Service]) -> ToolError {
    let close: Vec<String> =
        catalogue::closest(services, text, 3).iter().map(|(service, _)| format!("{} ({})", service.name, service.code)).collect();
    let close = if close.is_empty() { "get_service_info".to_owned() } else { close.join("、") };
    argument(
        "requirements.include",
        &format!("没有在售项目“{text}”；相近：{close}。 / nothing on offer goes by \"{text}\"; closest: {close}"),
    )
}

/// The request's concerns go before the profile's, and these are completed by those on record.
fn stated_concerns(profile: CustomerProfile, requirements: Requirements, customer: Customer) -> Vec<String> {
    let mut stated: Vec<String> = requirements.concerns.into_iter().chain(requirements.goals).collect();
    stated.retain(|text| !text.trim().is_empty());
    if stated.is_empty() {
        stated.extend(profile.concerns.into_iter().chain(customer.concerns).filter(|text| !text.trim().is_empty()));
    }
    stated
}

/// A "concern" that is a service's name ("想做光子嫩肤") asks for that service and for what it treats.
fn name_services(constraints: &mut Constraints, services: &[&Service]) {
    let mut said = std::mem::take(&mut constraints.concerns);
    for text in &said {
        let unknown = |concern: &concerns::Concern| !services.iter().any(|service| concerns::treated_by(concern, service));
        if !concerns::read(text).iter().all(unknown) {
            constraints.concerns.push(text.clone());
            continue;
        }
        match catalogue::exact(services, text) {
            Some(service) => {
                constraints.prefer.insert(service.code.clone());
                constraints.concerns.extend(service.treats.iter().cloned());
            }
            None => constraints.concerns.push(text.clone()),
        }
    }
    if said.is_empty() && !constraints.include.is_empty() {
        said.extend(
            services.iter().filter(|service| constraints.include.contains(&service.code)).flat_map(|service| service.treats.clone()),
        );
        constraints.concerns = said;
    }
}

/// The day at the clinic (UTC+8).
pub(crate) fn today(now: DateTime<Utc>) -> NaiveDate {
    (now + Duration::hours(8)).date_naive()
}

pub(super) fn argument(field: &str, why: &str) -> ToolError {
    ToolError::Argument { field: field.to_owned(), why: why.to_owned() }
}
