//! The steps, one file each. Every one may be cut off anywhere and run again.

mod compose_welcome;
mod deliver_welcome;
mod late_answer;
mod notify_consultants;
mod open_conversation;

pub(super) use compose_welcome::compose_welcome;
pub(super) use deliver_welcome::deliver_welcome;
pub(super) use late_answer::{late_answer, look_for_late_answer};
pub(super) use notify_consultants::notify_consultants;
pub(super) use open_conversation::open_conversation;
