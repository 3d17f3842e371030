//! The work of the reference servers for one request: what ours must do too, and nothing else.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use axum::Router;
use chrono::{DateTime, SecondsFormat};
use hyper::{Request, StatusCode, body::Incoming};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ServerCapabilities, ServerConfig},
    service::RequestContext,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    common::request::MCP_PATH,
    reference::{Reply, authorization, json, read, sha256},
    reference_store::{Call, Registration, User, user},
};

/// Milliseconds of a day: how long a user counts as new.
const DAY: i64 = 86_400_000;

/// hyper with the same key check, read and call-log row as ours.
pub(crate) struct Limit {
    /// Groups by the SHA-256 of their key.
    pub(crate) keys: HashMap<[u8; 32], &'static str>,
    pub(crate) db: PathBuf,
    pub(crate) log: mpsc::Sender<Call>,
}

/// A `tools/call` request.
#[derive(Deserialize)]
struct Rpc<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Arguments<'a>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
}

/// Its answer.
#[derive(Serialize)]
struct RpcAnswer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: RpcResult<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RpcResult<'a> {
    content: [Text<'a>; 1],
    structured_content: &'a Profile,
    is_error: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// The fields of `get_user_profile` without details.
#[derive(Serialize)]
struct Profile {
    user_id: String,
    username: String,
    roles: Vec<String>,
    primary_role: String,
    is_active: bool,
    is_new_user: bool,
    registration_time: String,
    details_included: bool,
}

impl Profile {
    fn of(user: User, now: i64) -> Result<Self> {
        let roles: Vec<String> = serde_json::from_str(&user.roles)?;
        let registered = DateTime::from_timestamp_millis(user.registered_at).context("a date")?;
        // Read, as ours does, and kept back, as ours does without `include_details`.
        drop((user.email, user.phone, user.avatar));
        Ok(Self {
            user_id: user.id,
            username: user.username,
            primary_role: roles.first().cloned().unwrap_or_default(),
            roles,
            is_active: user.is_active,
            is_new_user: now - user.registered_at < DAY,
            registration_time: registered.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            details_included: false,
        })
    }

    fn read(db: &Path, id: &str, now: i64) -> Result<Self> {
        Self::of(user(db, id)?.with_context(|| format!("no user {id}"))?, now)
    }
}

impl Limit {
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Reply> {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let key = authorization(&head.headers).and_then(|value| value.strip_prefix("Bearer "));
        let Some(group) = key.and_then(|key| self.keys.get(&sha256(key.as_bytes()))) else {
            return Ok(json(StatusCode::UNAUTHORIZED, "{}"));
        };
        let body = read(body).await?;
        let rpc: Rpc<'_> = serde_json::from_slice(&body)?;
        ensure!(rpc.method == "tools/call" && rpc.params.name == "get_user_profile", "an unknown method or tool");
        let (id, now) = new_id();
        let profile = Profile::read(&self.db, &rpc.params.arguments.user_id, now)?;
        let text = serde_json::to_string(&profile)?;
        let result = RpcResult { content: [Text { r#type: "text", text: &text }], structured_content: &profile, is_error: false };
        let answer = serde_json::to_vec(&RpcAnswer { jsonrpc: "2.0", id: rpc.id, result })?;
        let call = Call {
            id,
            group,
            key: "0198a3c4-0000-7000-8000-000000000000",
            client: "anmei-bench 1.0.0".into(),
            protocol: "2026-07-28".into(),
            request: format!(r#"{{"user_id":"{}"}}"#, profile.user_id),
            response: format!(r#"{{"bytes":{}}}"#, answer.len()),
            duration_ms: i64::try_from(began.elapsed().as_millis())? + 1,
            created_at: now,
        };
        self.log.send(call).await.context("the writer has ended")?;
        Ok(json(StatusCode::OK, answer))
    }
}

/// A new UUID v7, and the time in it.
fn new_id() -> (String, i64) {
    let now = Timestamp::now(NoContext);
    (Uuid::new_v7(now).hyphenated().to_string(), milliseconds(now))
}

fn milliseconds(time: Timestamp) -> i64 {
    let (seconds, nanos) = time.to_unix();
    (seconds as i64) * 1_000 + i64::from(nanos / 1_000_000)
}

/// rmcp with the same read, and no key, validation or log.
struct Bare {
    db: Arc<Path>,
}

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(&self, request: CallToolRequestParams, _: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let id = request.arguments.as_ref().and_then(|arguments| arguments.get("user_id")?.as_str());
        let profile = Profile::read(&self.db, id.unwrap_or_default(), milliseconds(Timestamp::now(NoContext)))
            .and_then(|profile| Ok(serde_json::to_value(profile)?))
            .map_err(|error| ErrorData::internal_error(format!("{error:#}"), None))?;
        Ok(CallToolResult::structured(profile).into())
    }
}

/// rmcp's own HTTP service, stateless and answering in JSON.
pub(crate) fn bare_rmcp(db: PathBuf) -> Router {
    let db: Arc<Path> = db.into();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service = StreamableHttpService::new(move || Ok(Bare { db: Arc::clone(&db) }), Arc::new(NeverSessionManager::default()), config);
    Router::new().nest_service(MCP_PATH, service)
}

/// hyper storing the same two rows per registration as ours.
pub(crate) struct Intake {
    pub(crate) authorization: String,
    pub(crate) queue: mpsc::Sender<Registration>,
}

/// What the app sends.
#[derive(Deserialize, Serialize)]
struct Person<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    username: Cow<'a, str>,
    email: Option<String>,
    phone: Option<String>,
    roles: Vec<String>,
    avatar: Option<String>,
}

#[derive(Serialize)]
struct Accepted {
    status_url: String,
    registration_id: String,
}

impl Intake {
    /// Answers 202 after the commit.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Reply> {
        let (head, body) = request.into_parts();
        if authorization(&head.headers) != Some(&self.authorization) {
            return Ok(json(StatusCode::UNAUTHORIZED, "{}"));
        }
        let body = read(body).await?;
        let person: Person<'_> = serde_json::from_slice(&body)?;
        let (registration_id, accepted_at) = new_id();
        let (reply, committed) = oneshot::channel();
        let row = Registration {
            id: registration_id.clone(),
            job: new_id().0,
            user: person.user_id.to_string(),
            body_hash: sha256(&body),
            profile: serde_json::to_string(&person)?,
            accepted_at,
            reply,
        };
        self.queue.send(row).await.context("the writer has ended")?;
        committed.await.context("the writer has ended")?;
        let accepted = Accepted { status_url: format!("/hooks/registration/{registration_id}"), registration_id };
        Ok(json(StatusCode::ACCEPTED, serde_json::to_vec(&accepted)?))
    }
}
