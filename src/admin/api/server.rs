//! `/api/v1/server`: the process itself, its configuration, beginning anew, and its end.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Guarded, UnfitBody},
    frame::{ApiError, Body, IfMatch, Path, Versioned},
};
use crate::admin::{
    AdminState,
    calls::{
        server::{Restarting, ServerView, Stopping},
        server_config::{ConfigChanged, ConfigEntry, ConfigView},
    },
    entry::{Administrator, Reader},
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(restart))
        .routes(routes!(stop))
        .routes(routes!(config))
        .routes(routes!(config_key, change_config))
}

/// A new value of the configuration file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConfigValue {
    /// The value; null takes the key out of the file.
    #[serde(deserialize_with = "Value::deserialize")]
    #[schema(required = true, nullable = true)]
    value: Value,
}

/// The server: version, listeners, transports, what is open, limits, policy and health.
#[utoipa::path(get, path = "/api/v1/server", tag = "server",
    responses((status = 200, body = ServerView, description = "The server as it is"), Denied))]
async fn show(reader: Reader) -> Result<Json<ServerView>, ApiError> {
    Ok(Json(reader.calls.server()?))
}

/// Finishes what runs and begins anew in place, with the configuration as it is then.
#[utoipa::path(post, path = "/api/v1/server/restart", tag = "server",
    responses((status = 202, body = Restarting, description = "The daemon begins anew in a moment"), Denied, Clash))]
async fn restart(administrator: Administrator) -> Result<(StatusCode, Json<Restarting>), ApiError> {
    let Administrator { calls, who } = administrator;
    who.confirmed(calls.clock.as_ref())?;
    let by = who.by(calls.clock.as_ref());
    Ok((StatusCode::ACCEPTED, Json(calls.restart_server(&by).await?)))
}

/// Finishes what runs and ends the process. Whether it is started again is up to what watches over it.
#[utoipa::path(post, path = "/api/v1/server/stop", tag = "server",
    responses((status = 202, body = Stopping, description = "The daemon ends in a moment"), Denied))]
async fn stop(administrator: Administrator) -> Result<(StatusCode, Json<Stopping>), ApiError> {
    let Administrator { calls, who } = administrator;
    who.confirmed(calls.clock.as_ref())?;
    let by = who.by(calls.clock.as_ref());
    Ok((StatusCode::ACCEPTED, Json(calls.stop_server(&by).await?)))
}

/// The configuration in force, with the origin of each value and what the next start will read.
#[utoipa::path(get, path = "/api/v1/server/config", tag = "server",
    responses((status = 200, body = ConfigView, description = "The configuration; secrets are `***`. `ETag` is the file's version"), Denied))]
async fn config(reader: Reader) -> Result<Versioned<ConfigView>, ApiError> {
    let view = reader.calls.server_config()?;
    let version = view.version;
    Ok(Versioned(view, version))
}

/// One key of the configuration.
#[utoipa::path(get, path = "/api/v1/server/config/{key}", tag = "server",
    params(("key" = String, Path, description = "Its name, such as `mcp.listen`")),
    responses((status = 200, body = ConfigEntry, description = "The key; `ETag` is the file's version"), Denied, Absent))]
async fn config_key(reader: Reader, Path(key): Path<String>) -> Result<Versioned<ConfigEntry>, ApiError> {
    let (entry, version) = reader.calls.server_config_key(&key)?;
    Ok(Versioned(entry, version))
}

/// Writes one key into the configuration file; it counts from the next start.
#[utoipa::path(put, path = "/api/v1/server/config/{key}", tag = "server", request_body = NewConfigValue,
    params(("key" = String, Path, description = "Its name"),
        ("If-Match" = String, Header, description = "The version of the file that was read, or `*`")),
    responses((status = 200, body = ConfigChanged, description = "It is in the file; a restart brings it into force"),
        Denied, Absent, Clash, Guarded, UnfitBody))]
async fn change_config(
    administrator: Administrator,
    Path(key): Path<String>,
    IfMatch(seen): IfMatch,
    Body(new): Body<NewConfigValue>,
) -> Result<Versioned<ConfigChanged>, ApiError> {
    let Administrator { calls, who } = administrator;
    who.confirmed(calls.clock.as_ref())?;
    let by = who.by(calls.clock.as_ref());
    let value = Some(&new.value).filter(|value| !value.is_null());
    let changed = calls.change_server_config(&key, value, seen, &by).await?;
    let version = changed.version;
    Ok(Versioned(changed, version))
}
