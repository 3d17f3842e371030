//! The consultation set: what was said and done with a customer, and the summary of one consultation.
//!
//! Everything is read from the records as it stands; the one tool that writes adds a summary and changes nothing else.

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
    ]
}
