//! The plan, as it is shown and as it is stored.
//!
//! Every plan says what it rests on, what was left out and why, and that a physician must review it. It promises
//! nothing.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constraints::Constraints;

/// One service of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Treatment {
    /// The service's code.
    pub(crate) service_code: String,
    /// Chinese name.
    pub(crate) name: String,
    /// English name.
    pub(crate) name_en: String,
    /// Number of sessions.
    pub(crate) sessions: u32,
    /// Days between two sessions; 0 for a single one.
    pub(crate) interval_days: u32,
    /// Price of one session, such as ¥800–1,000.
    pub(crate) price_per_session: String,
    /// Lowest price of one session, in yuan.
    pub(crate) price_min_yuan: f64,
    /// Highest price of one session, in yuan.
    pub(crate) price_max_yuan: f64,
    /// Cost of all its sessions.
    pub(crate) cost: String,
    /// Lowest cost of all its sessions, in yuan.
    pub(crate) cost_min_yuan: f64,
    /// Highest cost of all its sessions, in yuan.
    pub(crate) cost_max_yuan: f64,
    /// Length of one session in minutes.
    pub(crate) duration_minutes: u32,
    /// Recovery days after one session.
    pub(crate) recovery_days: u32,
    /// The customer's concerns it treats.
    pub(crate) treats: Vec<String>,
    /// Why it was chosen.
    pub(crate) reason: String,
}

/// How far a concern is expected to improve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Coverage {
    /// The concern, in the customer's words.
    pub(crate) concern: String,
    /// Expected improvement in percent, by the clinic's own efficacy ratings.
    pub(crate) expected_percent: u32,
}

/// A service that was considered and left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Excluded {
    /// The service's code.
    pub(crate) service_code: String,
    /// Chinese name.
    pub(crate) name: String,
    /// contraindicated, excluded_by_request, recovery_too_long, over_budget or takes_too_long.
    pub(crate) reason_type: String,
    /// The reason, with its numbers.
    pub(crate) reason: String,
}

/// The facts and rules a plan rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct BasedOn {
    /// Where the facts came from.
    pub(crate) sources: Vec<String>,
    /// The customer's user id, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_id: Option<String>,
    /// Age in years, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age: Option<u32>,
    /// Gender, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<String>,
    /// Skin type, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skin_type: Option<String>,
    /// Concerns, most important first.
    pub(crate) concerns: Vec<String>,
    /// Allergies and conditions that were respected.
    pub(crate) safety: Vec<String>,
    /// Limits that were respected.
    pub(crate) limits: Vec<String>,
    /// Services of the catalogue that treat the concerns.
    pub(crate) services_considered: u32,
    /// How the selection was found.
    pub(crate) method: String,
    /// Whether it is proven that no better selection meets the constraints.
    pub(crate) optimal: bool,
}

/// What must happen before the plan is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Review {
    /// pending_physician_review; approved or rejected only for an unchanged plan that a physician has already reviewed.
    pub(crate) status: String,
    /// True, unless a physician has approved exactly this plan.
    pub(crate) required: bool,
    /// What to tell the customer.
    pub(crate) text: String,
}

impl Review {
    /// The flag every plan carries.
    pub(crate) fn pending() -> Self {
        Self {
            status: "pending_physician_review".to_owned(),
            required: true,
            text: "本方案由系统从项目目录中计算得出，须经执业医生面诊审核后方可告知客户执行，不构成医疗建议或疗效承诺。 / Computed from the catalogue. A licensed physician must review it in person before it is carried out; it is no medical advice and promises no result.".to_owned(),
        }
    }
}

/// A plan without its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Body {
    /// The services, those for the most important concern first.
    pub(crate) treatments: Vec<Treatment>,
    /// How long it takes from the first session to the end of the last recovery, all courses side by side.
    pub(crate) duration: String,
    /// The same in days.
    pub(crate) duration_days: u32,
    /// What it costs, such as ¥5,600–7,000.
    pub(crate) estimated_cost: String,
    /// Lowest cost, in yuan.
    pub(crate) estimated_cost_min_yuan: f64,
    /// Highest cost, in yuan; never above the budget.
    pub(crate) estimated_cost_max_yuan: f64,
    /// Sessions in all.
    pub(crate) sessions: u32,
    /// How often each service is done.
    pub(crate) frequency: String,
    /// What to expect, in words.
    pub(crate) expected_results: String,
    /// What to expect, by concern.
    pub(crate) coverage: Vec<Coverage>,
    /// When it was made, RFC 3339 in UTC.
    #[schemars(with = "String")]
    pub(crate) generated_at: DateTime<Utc>,
    /// The facts and rules it rests on.
    pub(crate) based_on: BasedOn,
    /// Services that treat a concern and were left out, with the reason.
    pub(crate) excluded: Vec<Excluded>,
    /// What the physician and the caller should know.
    pub(crate) warnings: Vec<String>,
    /// The physician's review, which every plan needs.
    pub(crate) review: Review,
}

/// A plan as it is stored: with the rules under which it may be revised.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) body: Body,
    pub(crate) constraints: Constraints,
}
