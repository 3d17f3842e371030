//! `tools/list` of one group: built and serialised once, and the same bytes until the group changes (invariant I6).

use std::sync::Arc;

use anmei_mcp_tools::Definition;
use rmcp::model::{Tool, ToolAnnotations};

pub(super) use super::backend::Listing;
use crate::dispatch::{Hints, Offer, Offers};

/// The listing of `offers`. Kept with the offers, so that it lives exactly as long as they are in force.
pub(super) fn of(offers: &Offers) -> Arc<Listing> {
    let kept = offers.derived.get_or_init(|| Arc::new(build(offers)));
    // Nobody else derives anything; a second protocol would bring its own slot.
    Arc::clone(kept).downcast().unwrap_or_else(|_| Arc::new(build(offers)))
}

fn build(offers: &Offers) -> Listing {
    Listing::new(offers.iter().map(|offer| tool(offer)).collect())
}

fn tool(offer: &Offer) -> Tool {
    let mut tool = of_definition(&offer.known.tool.definition);
    tool.description = Some(offer.description.clone().into());
    tool
}

/// A tool as its definition says it is, whatever group offers it.
pub(super) fn of_definition(definition: &Definition) -> Tool {
    let Definition { about, input_schema, output_schema, .. } = definition;
    let hints = Hints::of(definition);
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    Tool::new(about.name, about.description, Arc::new(input_schema.clone()))
        .with_title(about.title)
        .with_raw_output_schema(Arc::new(output_schema.clone()))
        .with_annotations(annotations)
}
