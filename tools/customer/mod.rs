//! The customer set: what a customer is like, and what they want, drawn from what they did and said.
//!
//! Facts come first (`facts`), numbers from them (`engagement`, `churn`, `value`), words from the numbers (`segment`,
//! `risk`, `advice`). No file here guesses: what the records do not hold is reported as not known.

mod advice;
mod analyze_customer;
mod churn;
mod contact_time;
mod engagement;
mod facts;
mod findings;
mod get_customer_preferences;
mod risk;
mod segment;
mod value;

use crate::tool::Tool;

/// The tools of this set, in a fixed order.
pub fn tools() -> Vec<Tool> {
    vec![Tool::native::<analyze_customer::AnalyzeCustomer>(), Tool::native::<get_customer_preferences::GetCustomerPreferences>()]
}
