//! The document that describes the API (OpenAPI 3.1), and the page on which people read it.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use utoipa_swagger_ui::Config;

use crate::{
    admin::entry::Reader,
    problem::{FieldProblem, Problem},
};

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

/// The page shows the document that is served beside it.
static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::new(["/api/v1/openapi.json"]).use_base_layout()));

/// The page on which people read the document.
pub(super) async fn index(reader: Reader) -> Response {
    file(reader, Path("index.html".to_owned())).await
}

/// One of the page's files.
pub(super) async fn file(_reader: Reader, Path(name): Path<String>) -> Response {
    match utoipa_swagger_ui::serve(&name, Arc::clone(&PAGE)) {
        Ok(Some(file)) => ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of the API's document cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
