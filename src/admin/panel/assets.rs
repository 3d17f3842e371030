//! The files that browsers get: our own, and a few of others with their versions and hashes in `vendor.toml`.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "src/admin/panel/assets/"]
#[exclude = "vendor*"]
struct Assets;

/// One file. Its name in a page carries the version of the program, so a browser may keep it.
pub(in crate::admin) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = Assets::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let etag = file.metadata.sha256_hash().iter().take(16).fold(String::from("\""), |text, byte| format!("{text}{byte:02x}")) + "\"";
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600"), (header::ETAG, etag.as_str())];
    (headers, file.data).into_response()
}
