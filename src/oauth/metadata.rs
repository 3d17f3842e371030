//! Where everything is: protected resources (RFC 9728) and the authorization server (RFC 8414), in every spelling that
//! clients probe.
//!
//! A document says nothing that depends on which groups exist: any well-formed server code has one. Whatever else is
//! looked for under `/.well-known/` is a short 404 at once, never a challenge and never a page: clients try one address
//! after another, and each must cost them nothing.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::{OauthState, Shared, reply};
use crate::{
    gate::oauth::{
        base::{self, Resource},
        scope,
    },
    problem::Problem,
};

const RESOURCE: &str = "oauth-protected-resource";
const SERVER: &str = "oauth-authorization-server";
const OPENID: &str = "openid-configuration";

/// `/.well-known/NAME` and `/.well-known/NAME/PATH`.
pub(super) async fn at_root(
    State(state): State<OauthState>,
    Path(tail): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (name, path) = tail.find('/').map_or((tail.as_str(), ""), |at| tail.split_at(at));
    answer(&state, (name, path), &method, &uri, &headers)
}

/// `/mcp/.well-known/NAME`.
pub(super) async fn below_endpoint(
    State(state): State<OauthState>,
    Path(tail): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(&state, (&tail, "/mcp"), &method, &uri, &headers)
}

/// `/server/CODE/mcp/.well-known/NAME`.
pub(super) async fn below_group(
    State(state): State<OauthState>,
    Path((code, tail)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(&state, (&tail, &format!("/server/{code}/mcp")), &method, &uri, &headers)
}

/// The keys of identity tokens: there are none.
pub(super) async fn jwks(State(state): State<OauthState>, uri: Uri, headers: HeaderMap) -> Response {
    match state.base(&uri, &headers) {
        Ok(_) => reply::shared(document(&json!({"keys": []})), &headers),
        Err(problem) => problem.into_response(),
    }
}

fn answer(state: &Shared, (name, path): (&str, &str), method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let base = match state.base(uri, headers) {
        Ok(base) => base,
        Err(problem) => return problem.into_response(),
    };
    // A well-known path stands at the root of the host: what follows the name begins with the public path.
    let own = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")).and_then(|rest| rest.split_once('/'));
    let prefix = own.map(|(_, path)| format!("/{path}")).unwrap_or_default();
    let inner = path.strip_prefix(prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let Some(resource) = base::below(&base, inner) else { return nothing() };
    let value = match name {
        RESOURCE => protected(state, &base, &resource, inner),
        SERVER => server(state, &base),
        OPENID => openid(state, &base),
        _ => return nothing(),
    };
    match *method {
        Method::GET | Method::HEAD => reply::shared(document(&value), headers),
        Method::OPTIONS => {
            let allowed = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, mcp-protocol-version"),
            ];
            reply::shared((StatusCode::NO_CONTENT, allowed).into_response(), headers)
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response(),
    }
}

fn nothing() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing at this address.").into_response()
}

fn document(value: &Value) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "max-age=300"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, value.to_string()).into_response()
}

/// RFC 9728 §2. `resource` is what the client inserted the well-known path into (§3.3).
fn protected(state: &Shared, base: &str, resource: &Resource, path: &str) -> Value {
    let asked = match (path.trim_end_matches('/'), &resource.code) {
        ("", _) => base.to_owned(),
        (path, _) => format!("{base}{path}"),
    };
    json!({
        "resource": asked, "authorization_servers": [base], "scopes_supported": [scope::READ, scope::WRITE],
        "bearer_methods_supported": ["header"], "resource_name": state.settings.server_name,
    })
}

/// RFC 8414 §2.
fn server(state: &Shared, base: &str) -> Value {
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    let mut value = json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/oauth/authorize"),
        "token_endpoint": format!("{base}/oauth/token"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "introspection_endpoint": format!("{base}/oauth/introspect"),
        "scopes_supported": [scope::READ, scope::WRITE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": state.parts.documents.is_some(),
        "ui_locales_supported": ["zh-CN", "en"],
    });
    if let Some(object) = value.as_object_mut().filter(|_| state.settings.registration) {
        object.insert("registration_endpoint".into(), format!("{base}/oauth/register").into());
    }
    value
}

/// The same under OpenID's name, with what its readers insist on. No identity tokens are made.
fn openid(state: &Shared, base: &str) -> Value {
    let mut value = server(state, base);
    if let Some(object) = value.as_object_mut() {
        object.insert("jwks_uri".into(), format!("{base}/oauth/jwks").into());
        object.insert("subject_types_supported".into(), json!(["public"]));
        object.insert("id_token_signing_alg_values_supported".into(), json!(["RS256"]));
    }
    value
}
