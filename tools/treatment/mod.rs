//! The treatment set: plans chosen from the clinic's catalogue, and their revision after feedback.
//!
//! Safety first, in this order: [`crate::clinic::tags`] reads what was said, [`screen`] keeps out what must not be done, only then
//! [`choose`] optimises, and the finished selection is screened again before it is stored.

mod bound;
mod changes;
mod choose;
mod clause;
mod constraints;
mod feedback;
mod generate_treatment_plan;
mod knapsack;
#[rustfmt::skip]
mod lexicon;
mod limits;
mod make;
mod optimize_plan;
mod person;
mod plan;
mod quantities;
mod refuse;
mod request;
mod screen;
mod text;

#[cfg(test)]
mod fixture;

use crate::tool::Tool;

/// The tools of this set, in a fixed order.
pub fn tools() -> Vec<Tool> {
    vec![Tool::native::<generate_treatment_plan::GenerateTreatmentPlan>(), Tool::native::<optimize_plan::OptimizePlan>()]
}
