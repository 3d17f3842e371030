//! The answer of `analyze_customer`, field by field: what clients read.
//!
//! Words for people stand beside codes for programs. What is not known is absent, never a placeholder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    contact_time::ContactTimeSource,
    facts::Driver,
    risk::Risk,
    segment::{Behaviour, Engaged, Segment},
};

/// How much is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnalysisType {
    /// Segment, behaviour, engagement, recommendations.
    #[default]
    Basic,
    /// Also risk, value and churn.
    Detailed,
    /// Also the next step, the time and the manner.
    Predictive,
}

/// The analysis.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Findings {
    /// The customer's user id.
    pub(super) user_id: String,
    /// How much was asked for: basic, detailed or predictive.
    pub(super) analysis_type: AnalysisType,
    /// Kind of customer, in Chinese, such as 新用户.
    pub(super) customer_segment: &'static str,
    /// The same for programs: new, prospect, developing, regular, vip, `at_risk` or lapsed.
    pub(super) segment_code: Segment,
    /// How the customer behaves, in Chinese.
    pub(super) behavior_pattern: String,
    /// The same for programs.
    pub(super) behavior_code: Behaviour,
    /// Engagement in a word: 高, 中等, 低 or 待观察 (nothing on record yet).
    pub(super) engagement_level: &'static str,
    /// The same for programs.
    pub(super) engagement_code: Engaged,
    /// Engagement from 0 to 100.
    pub(super) engagement_score: f64,
    /// What to do, the most pressing first, in Chinese.
    pub(super) recommendations: Vec<String>,
    #[serde(flatten)]
    pub(super) detail: Option<Detail>,
    #[serde(flatten)]
    pub(super) outlook: Option<Outlook>,
    /// The facts every part of the answer rests on.
    pub(super) drivers: Vec<Driver>,
}

/// What a detailed analysis adds.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Detail {
    /// Risk in words, with its factors, in Chinese.
    pub(super) risk_profile: String,
    /// low, medium or high.
    pub(super) risk_code: Risk,
    /// Chance of losing the customer, 0.01 to 0.99; `churn_basis` says which.
    pub(super) churn_probability: f64,
    /// `no_return`: does not come back. `no_first_visit`: never visited, and will not come at all.
    pub(super) churn_basis: ChurnBasis,
    /// What the probability means, Chinese then English.
    pub(super) churn_note: &'static str,
    /// Expected value in words, in Chinese; says so when nothing is known to predict from.
    pub(super) lifetime_value_prediction: String,
    /// high, medium, low or unknown.
    pub(super) lifetime_value_code: ValueCode,
    /// Paid so far plus what is expected in three years, in yuan; absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lifetime_value_yuan: Option<f64>,
}

/// What a predictive analysis adds.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outlook {
    /// The one thing to do next, in Chinese.
    pub(super) next_best_action: String,
    /// The same for programs, such as `confirm_appointment`.
    pub(super) next_action_code: &'static str,
    /// When to contact the customer, in Chinese; says so when there is no data.
    pub(super) optimal_contact_time: String,
    /// stated (the customer said so), messages (when the customer writes) or none.
    pub(super) contact_time_source: ContactTimeSource,
    /// The manner in which to talk, in Chinese.
    pub(super) personalization_strategy: String,
    /// The same for programs, such as `gentle`.
    pub(super) strategy_code: &'static str,
}

/// What the churn probability is a probability of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChurnBasis {
    /// Does not come back.
    NoReturn,
    /// Never comes.
    NoFirstVisit,
}

/// Tier of the lifetime value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueCode {
    High,
    Medium,
    Low,
    Unknown,
}
