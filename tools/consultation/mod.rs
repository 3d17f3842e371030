//! The consultation set: who takes a customer over, what was said and done, and the summary of one consultation.
//!
//! Everything is read from the records as it stands. Two tools write: one adds a summary, one claims a new customer.

mod claim_customer;
mod content;
mod create_consultation_summary;
mod get_consultation_history;
mod get_conversation_data;
mod given;
mod key_points;
mod kind;
mod signals;

use crate::tool::Tool;

/// The tools of this set, in a fixed order.
pub fn tools() -> Vec<Tool> {
    vec![
        Tool::native::<get_consultation_history::GetConsultationHistory>(),
        Tool::native::<create_consultation_summary::CreateConsultationSummary>(),
        Tool::native::<get_conversation_data::GetConversationData>(),
        Tool::native::<claim_customer::ClaimCustomer>(),
    ]
}
