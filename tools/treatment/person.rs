//! The person a plan is for: what is on record, whether they are of age, and every safety fact about them.
//!
//! Safety facts are a union over all sources, and the record decides about age: nothing a caller says makes a customer
//! healthier or older than the clinic knows them to be.

use chrono::{DateTime, Datelike, Utc};

use super::{
    constraints::{Brief, argument, today},
    request::{self, CustomerProfile, Requirements},
};
use crate::{
    clinic::tags::{self, Reading},
    missing,
    port::{Context, Customer, Preferences},
    tool::ToolError,
};

/// No plan is made for anybody younger.
const ADULT: i32 = 18;
/// From this age on the physician is told.
const ELDERLY: u32 = 65;

/// What the clinic knows of the person.
pub(super) async fn on_record(user_id: Option<&str>, ctx: &Context<'_>) -> Result<(Option<Customer>, Option<Preferences>), ToolError> {
    let Some(user_id) = user_id else { return Ok((None, None)) };
    let customer = ctx.records.customer(user_id).await?;
    if customer.is_none() && ctx.records.user(user_id).await?.is_none() {
        return Err(missing::user(user_id));
    }
    Ok((customer, ctx.records.preferences(user_id).await?))
}

/// Notes where facts came from, or that they are missing.
pub(super) fn note_sources(brief: &mut Brief, customer: bool, preferences: bool) {
    if customer {
        brief.sources.push("客户档案 / customer record".to_owned());
    } else {
        brief.warnings.push(
            "没有客户健康档案：治疗前须问清过敏史和病史。 / No health record: take allergies and medical history before treatment."
                .to_owned(),
        );
    }
    if preferences {
        brief.sources.push("客户偏好 / customer preferences".to_owned());
    }
}

/// The age to show. The year of birth on record decides against the caller: a minor stays a minor.
pub(super) fn adult(
    stated: Option<u32>,
    birth_year: Option<i32>,
    now: DateTime<Utc>,
    warnings: &mut Vec<String>,
) -> Result<Option<u32>, ToolError> {
    let on_record = birth_year.map(|year| today(now).year() - year);
    let confirmed = stated.is_some_and(|age| age >= ADULT as u32);
    let minor = stated.is_some_and(|age| age < ADULT as u32) || on_record.is_some_and(|age| age < ADULT || (age == ADULT && !confirmed));
    if minor {
        return Err(minor_refused());
    }
    let age = stated.or(on_record.and_then(|age| u32::try_from(age).ok()));
    if age.is_some_and(|age| age >= ELDERLY) {
        warnings.push(format!(
            "客户 {ELDERLY} 岁以上：请医生评估耐受性。 / The customer is {ELDERLY} or older: the physician assesses tolerance."
        ));
    }
    if age.is_none() {
        warnings.push("年龄未知：治疗前须核对客户已满18岁。 / Age unknown: check that the customer is 18 or older.".to_owned());
    }
    Ok(age)
}

/// The refusal of a plan for a minor.
pub(crate) fn minor_refused() -> ToolError {
    argument(
        "customer_profile.age",
        "客户未满18岁，不能自动生成医美方案；须由监护人陪同医生面诊决定。 / the customer is under 18: no plan is made; a guardian and a physician must decide in person",
    )
}

/// Every safety fact from every source, as one set.
pub(super) fn safety(brief: &mut Brief, profile: &CustomerProfile, requirements: &Requirements, customer: &Customer) {
    let mut reading = Reading::default();
    let lists = [&profile.allergies, &profile.conditions, &profile.medications, &customer.allergies, &customer.conditions];
    lists.into_iter().flatten().for_each(|text| reading.extend(tags::read(text)));
    [&profile.skin_type, &customer.skin_type].into_iter().flatten().for_each(|text| reading.extend(tags::overheard(text)));
    let said = [&requirements.concerns, &requirements.goals, &profile.concerns];
    said.into_iter().flatten().for_each(|text| reading.extend(tags::overheard(text)));
    for (name, extra) in [("customer_profile", &profile.extra), ("requirements", &requirements.extra)] {
        let (heard, unread) = request::overheard(extra);
        reading.extend(heard);
        if !unread.is_empty() {
            brief.warnings.push(format!("{name} 中未使用的内容：{0} / not used: {0}", unread.join(", ")));
        }
    }
    brief.warnings.extend(safety_warnings(&reading));
    brief.constraints.safety = reading.all();
}

/// Brings a stored plan's brief up to what is on record now: facts are added, none is taken away.
pub(crate) async fn refresh(brief: &mut Brief, ctx: &Context<'_>) -> Result<(), ToolError> {
    let customer = match brief.customer_id.as_deref() {
        Some(user_id) => ctx.records.customer(user_id).await?,
        None => None,
    };
    if customer.is_none() {
        note_sources(brief, false, false);
    }
    let customer = customer.unwrap_or_default();
    brief.age = adult(brief.age, customer.birth_year, ctx.now, &mut brief.warnings)?;
    let mut reading = Reading::default();
    brief
        .constraints
        .safety
        .iter()
        .chain(&customer.allergies)
        .chain(&customer.conditions)
        .for_each(|text| reading.extend(tags::read(text)));
    brief.warnings.extend(safety_warnings(&reading));
    brief.constraints.safety.extend(reading.all());
    Ok(())
}

/// What the physician must know about the words themselves.
pub(crate) fn safety_warnings(reading: &Reading) -> Vec<String> {
    let unknown = reading.unknown.iter().map(|word| {
        format!("无法识别的过敏/病史“{word}”：仅按原文比对禁忌，请医生确认。 / Unknown allergy or condition \"{word}\": compared word for word only, the physician must confirm.")
    });
    let denied = reading
        .denied
        .difference(&reading.tags)
        .map(|tag| format!("客户否认“{0}”，请医生核实。 / The customer denies {0}: to be verified.", tags::label(tag)));
    unknown.chain(denied).collect()
}
