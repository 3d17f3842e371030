//! The projects set: what the clinic offers, as a customer may see it.

mod get_service_info;

use crate::tool::Tool;

/// The tools of this set, in a fixed order.
pub fn tools() -> Vec<Tool> {
    vec![Tool::native::<get_service_info::GetServiceInfo>()]
}
