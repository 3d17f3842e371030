//! `tools/list` of one group: built and serialised once, and the same bytes until the group changes (invariant I6).

use std::sync::Arc;

use anmei_mcp_tools::{Definition, Effect};
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::value::{RawValue, to_raw_value};

use crate::dispatch::{Offer, Offers};

/// A group's tools in rmcp's model and as JSON text.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) tools: Vec<Tool>,
    /// The array of tools, serialised.
    pub(super) json: Box<RawValue>,
}

/// The listing of `offers`. Kept with the offers, so that it lives exactly as long as they are in force.
pub(super) fn of(offers: &Offers) -> Arc<Listing> {
    let kept = offers.derived.get_or_init(|| Arc::new(build(offers)));
    // Nobody else derives anything; a second protocol would bring its own slot.
    Arc::clone(kept).downcast().unwrap_or_else(|_| Arc::new(build(offers)))
}

fn build(offers: &Offers) -> Listing {
    let tools: Vec<Tool> = offers.iter().map(|offer| tool(offer)).collect();
    let json = to_raw_value(&tools).unwrap_or_else(|_| RawValue::NULL.to_owned());
    Listing { tools, json }
}

fn tool(offer: &Offer) -> Tool {
    let Definition { about, input_schema, output_schema, .. } = &offer.known.tool.definition;
    let (reads, adds) = (about.effect == Effect::Reads, about.effect == Effect::Adds);
    let annotations = ToolAnnotations::new()
        .read_only(reads)
        // Nothing a tool does removes or overwrites what somebody wrote, and all of it stays in the clinic's own records.
        .destructive(false)
        .idempotent(!adds)
        .open_world(false);
    Tool::new(about.name, offer.description.clone(), Arc::new(input_schema.clone()))
        .with_title(about.title)
        .with_raw_output_schema(Arc::new(output_schema.clone()))
        .with_annotations(annotations)
}
