//! What callers say of a customer and of the plan they want, as it arrives.
//!
//! Both objects accept further properties, because models invent names. An invented name must not hide a safety fact:
//! `{"is_pregnant": true}` or `{"medical_history": "高血压"}` is read as what it says, and whatever is left unread is
//! named in the plan's warnings.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use crate::{
    clinic::tags::{self, Reading},
    words,
};

/// The person the plan is for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct CustomerProfile {
    /// 客户的用户ID；给出后自动合并档案中的过敏、病史、诉求和预算。 / The customer's user id; stored allergies, conditions, concerns and budget are then merged in.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    pub(crate) user_id: Option<String>,
    /// 年龄（岁，0–130）；未满18岁不出方案。 / Age in years, 0 to 130; no plan is made under 18.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 130))]
    pub(crate) age: Option<u32>,
    /// 性别：female、male、other。 / Gender: female, male or other.
    pub(crate) gender: Option<String>,
    /// 肤质，如 dry、oily、sensitive 或 敏感肌。 / Skin type, such as dry, oily or sensitive.
    pub(crate) skin_type: Option<String>,
    /// 过敏，如 利多卡因、penicillin；没有则留空。 / Allergies, such as lidocaine; empty when there are none.
    #[serde(default)]
    pub(crate) allergies: Vec<String>,
    /// 身体状况与病史，如 怀孕、瘢痕体质、高血压。 / Conditions, such as pregnancy, keloid or hypertension.
    #[serde(default)]
    pub(crate) conditions: Vec<String>,
    /// 正在用的药，如 异维A酸、抗凝药。 / Medicines in use, such as isotretinoin.
    #[serde(default)]
    pub(crate) medications: Vec<String>,
    /// 想改善的问题，如 色斑、皱纹。 / Concerns, such as 色斑 (spots) or 皱纹 (wrinkles).
    #[serde(default)]
    #[schemars(length(max = 12))]
    pub(crate) concerns: Vec<String>,
    /// 预算上限，单位元。 / Budget limit in yuan.
    #[schemars(range(min = 0))]
    pub(crate) budget: Option<f64>,
    /// Whatever else the caller says.
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

/// What the plan must respect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Requirements {
    /// 要改善的问题，最重要的在前；不填则用客户资料中的。 / Concerns to treat, most important first; default: those of the profile.
    #[serde(default)]
    #[schemars(length(max = 12))]
    pub(crate) concerns: Vec<String>,
    /// 目标，与 concerns 相同用法。 / Goals, used like concerns.
    #[serde(default)]
    #[schemars(length(max = 12))]
    pub(crate) goals: Vec<String>,
    /// 总预算上限，单位元。 / Limit of the whole plan in yuan.
    #[schemars(range(min = 0))]
    pub(crate) budget: Option<f64>,
    /// 预算下限，单位元（仅作参考）。 / Lower end of the budget in yuan (for information).
    #[schemars(range(min = 0))]
    pub(crate) budget_min: Option<f64>,
    /// 预算上限，单位元；优先于 budget。 / Upper end of the budget in yuan; goes before budget.
    #[schemars(range(min = 0))]
    pub(crate) budget_max: Option<f64>,
    /// 每次治疗后最多恢复天数，0 表示不能有恢复期。 / Most recovery days after a session; 0 for no downtime.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 3650))]
    pub(crate) max_recovery_days: Option<u32>,
    /// 全部治疗总次数上限，至少 1。 / Most sessions in all, at least 1.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) max_sessions: Option<u32>,
    /// 全程最多周数，至少 1。 / Most weeks from start to end, at least 1.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 520))]
    pub(crate) max_weeks: Option<u32>,
    /// 最晚完成日期（含恢复期），YYYY-MM-DD。 / Date by which all is done and recovered, YYYY-MM-DD.
    #[schemars(with = "Option<String>", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub(crate) deadline: Option<NaiveDate>,
    /// 不要的项目（代码、名称或类别）。 / Services not wanted (code, name or category).
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// 必须包含的项目（代码或名称）；写类别则为优先考虑。 / Services that must be in the plan (code or name); a category is a preference.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Whatever else the caller says.
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

/// A whole number, also when it is written `3.0`, as some clients do.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        None => Ok(None),
        Some(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) => Ok(Some(number as u32)),
        Some(number) => Err(D::Error::custom(format!("{number} is not a whole number of 0 or more"))),
    }
}

/// Words in a property's name that make its whole value a matter of safety.
const SAFETY_NAMES: &[&str] = &[
    "allerg",
    "过敏",
    "medical",
    "condition",
    "history",
    "disease",
    "illness",
    "contraindic",
    "medic",
    "drug",
    "health",
    "病",
    "药",
    "禁忌",
    "健康",
    "pregnan",
    "怀孕",
    "孕",
];

/// What the further properties say about safety, and the names of those nobody could read.
pub(crate) fn overheard(extra: &Map<String, Value>) -> (Reading, Vec<String>) {
    let mut reading = Reading::default();
    let mut unread = Vec::new();
    for (name, value) in extra {
        let heard = property(name, value);
        if heard == Reading::default() && !is_empty(value) {
            unread.push(name.clone());
        }
        reading.extend(heard);
    }
    (reading, unread)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn property(name: &str, value: &Value) -> Reading {
    let name = &spaced(name);
    let about_safety = SAFETY_NAMES.iter().any(|word| name.contains(word));
    match value {
        Value::Bool(true) => tags::overheard(name),
        Value::Number(number) if number.as_f64() != Some(0.0) => tags::overheard(name),
        Value::String(text) if about_safety => {
            let mut reading = tags::read(text);
            if affirms(text) {
                reading = tags::read(name);
            }
            reading
        }
        Value::String(text) => tags::overheard(text),
        Value::Array(items) => items.iter().map(|item| property(name, item)).fold(Reading::default(), joined),
        Value::Object(fields) => fields.iter().map(|(key, item)| property(&format!("{name} {key}"), item)).fold(Reading::default(), joined),
        Value::Null | Value::Bool(false) | Value::Number(_) => Reading::default(),
    }
}

/// `isPregnant` as `is pregnant`.
fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_uppercase() && text.ends_with(char::is_lowercase) {
            text.push(' ');
        }
        text.push(c);
    }
    words::normalise(&text)
}

/// `"pregnant": "yes"` says what the property's name says.
fn affirms(text: &str) -> bool {
    ["yes", "true", "y", "是", "有", "对"].contains(&words::normalise(text).as_str())
}

fn joined(mut one: Reading, other: Reading) -> Reading {
    one.extend(other);
    one
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{CustomerProfile, Requirements, overheard};

    fn heard(value: Value) -> (Vec<String>, Vec<String>) {
        let Value::Object(extra) = value else { panic!("an object") };
        let (reading, unread) = overheard(&extra);
        (reading.all().into_iter().collect(), unread)
    }

    #[test]
    fn invented_names_do_not_hide_safety_facts() {
        assert_eq!(heard(json!({"is_pregnant": true})).0, ["pregnancy"]);
        assert_eq!(heard(json!({"isPregnant": true})).0, ["pregnancy"]);
        assert_eq!(heard(json!({"weeksPregnant": 12})).0, ["pregnancy"]);
        assert_eq!(heard(json!({"likes_botox": true})).0, Vec::<String>::new());
        assert_eq!(heard(json!({"is_pregnant": false})), (vec![], vec![]));
        assert_eq!(heard(json!({"pregnant": "yes"})).0, ["pregnancy"]);
        assert_eq!(heard(json!({"medical_history": {"past": ["高血压", "花生"]}})).0, ["hypertension", "花生"]);
        assert_eq!(heard(json!({"drug_allergy": "青霉素"})).0, ["penicillin"]);
        assert_eq!(heard(json!({"lidocaine_allergy": true})).0, ["lidocaine"]);
        assert_eq!(heard(json!({"note": "她在哺乳"})).0, ["breastfeeding"]);
        assert_eq!(heard(json!({"note": "想打肉毒"})), (vec![], vec!["note".to_owned()]));
        assert_eq!(heard(json!({"occupation": "teacher", "empty": ""})), (vec![], vec!["occupation".to_owned()]));
    }

    #[test]
    fn numbers_may_be_written_as_floats_but_not_in_halves() {
        let profile: CustomerProfile = serde_json::from_value(json!({"age": 30.0, "mood": "good"})).unwrap();
        assert_eq!(profile.age, Some(30));
        assert!(profile.extra.contains_key("mood"));
        assert!(serde_json::from_value::<CustomerProfile>(json!({"age": 30.5})).is_err());
        let requirements: Requirements = serde_json::from_value(json!({"max_weeks": null, "deadline": "2026-08-01"})).unwrap();
        assert_eq!(requirements.max_weeks, None);
        assert!(requirements.deadline.is_some());
    }
}
