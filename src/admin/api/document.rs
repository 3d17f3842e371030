//! The document that describes the API (OpenAPI 3.1), and the page on which people read it.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::{FieldProblem, Problem};

/// What every route has in common.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "anmei-mcp admin API",
        description = "Everything the panel does. Times are RFC 3339 in UTC. Lists answer `{items, next_cursor}` and take `limit` and `cursor`. \
                       A change names the version it is made on (`If-Match` with the `ETag` that was read). Refusals are problem bodies (RFC 9457) in the \
                       language of `Accept-Language`. Creating something again under the same `Idempotency-Key` gives the same answer for 24 hours.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem, FieldProblem)),
    modifiers(&Signed)
)]
pub(super) struct Common;

struct Signed;

impl Modify for Signed {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token, made on the page of one's own account."))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie =
            ApiKeyValue::with_description("anmei_admin", "The session of a browser. Changes need the header X-CSRF-Token as well.");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let either = ["token", "session"].map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(name, []));
        document.security = Some(either.to_vec());
    }
}
