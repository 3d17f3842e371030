//! The document that describes the API (OpenAPI 3.1), and the page on which people read it.

mod carried;

use std::sync::{Arc, LazyLock};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use utoipa_swagger_ui::Config;

pub(super) use self::carried::complete;
use super::frame::{ApiError, Path};
use crate::{
    admin::{calls::said, entry::Reader},
    problem::{FieldProblem, Problem},
};

/// What every route has in common.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "anmei-mcp admin API",
        description = "Everything the panel does. Times are RFC 3339 in UTC. Lists that grow answer `{items, next_cursor}` and take `limit` and \
                       `cursor`; a cursor stays good when its entry is deleted. Short lists, which are as long as what an installation is set up with, \
                       come whole: a group's keys, their users, its tools and its aliases, `/keys/stragglers`, `/limits` and `/stale-callers` (the \
                       10000 latest) as arrays; `/agents`, `/agents/figures`, `/channels` and a registration's replays as `items` of one page. \
                       A change names the version it is made on (`If-Match` with the `ETag` that was read). Refusals are problem bodies (RFC 9457) in the \
                       language of `Accept-Language`. A POST that comes again under the same `Idempotency-Key` is done once, and answered the same for 24 hours. \
                       A method that a path does not have is answered 405, with those that it has in `Allow`. \
                       The paths of the existing app (`/mcp/admin/…`, `/registration-automation/…`, `/admin/registration-automation/…`) are a layer over \
                       the same calls with that app's envelope; they are described in the README, and not here.",
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

/// The page shows the document that is served beside it, and asks nobody outside whether it is valid.
static PAGE: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::new(["/api/v1/openapi.json"]).use_base_layout().validator_url("none")));

/// The page on which people read the document.
pub(super) async fn index(reader: Reader) -> Response {
    file(reader, Path("index.html".to_owned())).await
}

/// One of the page's files.
pub(super) async fn file(_reader: Reader, Path(name): Path<String>) -> Response {
    match utoipa_swagger_ui::serve(&name, Arc::clone(&PAGE)) {
        Ok(Some(file)) => ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response(),
        Ok(None) => {
            let text = said("API 文档没有这个文件。", "The page of the document has no such file.");
            ApiError::new(StatusCode::NOT_FOUND, "not-found", text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the page of the API's document cannot be made");
            let text = said("无法生成 API 文档页面；详情见日志。", "The page of the document cannot be made; the log says why.");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response()
        }
    }
}
