//! The resources: a text, an image, one that changes, and a template.

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::json;

use super::{content::PNG, world::World};

/// The resource that `test_trigger_resource_change` changes.
pub(crate) const WATCHED: &str = "test://watched-resource";
/// The template.
pub(crate) const TEMPLATE: &str = "test://template/{id}/data";

/// The resources that have a URI of their own.
pub(crate) fn list() -> Vec<Resource> {
    let resource =
        |uri: &str, name: &str, description: &str, mime: &str| Resource::new(uri, name).with_description(description).with_mime_type(mime);
    vec![
        resource("test://static-text", "static-text", "A text that stays as it is", "text/plain"),
        resource("test://static-binary", "static-binary", "An image that stays as it is", "image/png"),
        resource(WATCHED, "watched-resource", "A text that changes", "text/plain"),
    ]
}

/// The templates.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![ResourceTemplate::new(TEMPLATE, "template").with_description("Data for an id").with_mime_type("application/json")]
}

/// What is there now.
pub(crate) fn read(uri: &str, world: &World) -> Result<ReadResourceResult, ErrorData> {
    let contents = match uri {
        "test://static-text" => {
            ResourceContents::text("This is the content of the static text resource.", uri).with_mime_type("text/plain")
        }
        "test://static-binary" => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
        WATCHED => ResourceContents::text(format!("Changed {} times.", world.watched()), uri).with_mime_type("text/plain"),
        _ => match id(uri) {
            Some(id) => {
                let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                ResourceContents::text(data.to_string(), uri).with_mime_type("application/json")
            }
            // rmcp makes -32602 of it for 2026-07-28.
            None => return Err(ErrorData::resource_not_found("Resource not found", Some(json!({"uri": uri})))),
        },
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

/// What stands in the place of `{id}`.
fn id(uri: &str) -> Option<&str> {
    let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
    Some(id).filter(|id| !id.is_empty() && !id.contains('/'))
}
