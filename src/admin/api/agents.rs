//! `/api/v1/agents`: agents, their check, weights, versions and roll-out.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Guarded, Unfit, UnfitBody},
    because::Because,
    frame::{ApiError, Asked, Body, Created, IfMatch, PageQuery, Path, Versioned},
};
use crate::{
    admin::{
        calls::{
            CallError, Listed,
            agents::{AgentCheck, AgentFigures, AgentPatch, AgentVersionView, AgentView, RolloutView, Weight, WeightsView},
        },
        entry::{Operator, Reader},
        state::AdminState,
    },
    config::HumanDuration,
    secret::SecretText,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(figures))
        .routes(routes!(weights, set_weights))
        .routes(routes!(preview_weights))
        .routes(routes!(show, update))
        .routes(routes!(set_key))
        .routes(routes!(check))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(restore))
        .routes(routes!(rollout, set_rollout))
        .routes(routes!(roll_back))
}

/// An agent after a change.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedAgent {
    #[serde(flatten)]
    agent: AgentView,
    /// Always true: it is in force for the next registration, in every process.
    effective_immediately: bool,
}

impl ChangedAgent {
    fn of(agent: AgentView) -> Versioned<Self> {
        let revision = agent.revision;
        Versioned(Self { agent, effective_immediately: true }, revision)
    }
}

/// All agents, oldest first. No answer holds a key.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents",
    responses((status = 200, body = Listed<AgentView>, description = "The agents"), Denied))]
async fn list(reader: Reader) -> Result<Json<Listed<AgentView>>, ApiError> {
    Ok(Json(Listed { items: reader.calls.agents()?, next_cursor: None }))
}

/// An agent about to be added; what is not named is as is usual.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAgent {
    /// Name shown to people.
    name: String,
    /// Root of the Dify installation's API, such as `https://dify.example.com`.
    base_url: String,
    /// The app's key. It is sealed, and no answer ever holds it.
    #[schema(write_only)]
    key: String,
    /// Where it is used (`production`).
    environment: Option<String>,
    /// Dify's own id of the app.
    app_id: Option<String>,
    /// `chat`, `agent` or `workflow` (`agent`).
    kind: Option<String>,
    /// Version of its prompt (`1`).
    version: Option<String>,
    /// `stable`, `candidate` or `fallback` (`stable`).
    part: Option<String>,
    /// Share among agents of the same part (100).
    #[schema(minimum = 0, maximum = 10_000)]
    weight: Option<u32>,
    /// Share of all users a candidate gets, in percent (0).
    #[schema(minimum = 0, maximum = 100)]
    rollout_percent: Option<u32>,
    /// The app's input, and which fact it gets, or a constant as `{"value": …}`. Without any, all facts are sent.
    #[schema(value_type = Option<Object>)]
    inputs: Option<Map<String, Value>>,
    /// Limit of one run, in seconds (60).
    #[schema(minimum = 1, maximum = 600)]
    timeout_seconds: Option<u32>,
    /// Limit until the first event, in milliseconds (2000).
    #[schema(minimum = 50, maximum = 600_000)]
    first_byte_ms: Option<u32>,
    /// Longest silence within an answer, in milliseconds (15000).
    #[schema(minimum = 50, maximum = 600_000)]
    stall_ms: Option<u32>,
    /// Runs at once (8).
    #[schema(minimum = 1, maximum = 1_000)]
    max_concurrent: Option<u32>,
    /// Whether it may be chosen (true).
    enabled: Option<bool>,
}

impl NewAgent {
    fn parts(self) -> (AgentPatch, SecretText) {
        let patch = AgentPatch {
            name: Some(self.name),
            base_url: Some(self.base_url),
            environment: self.environment,
            app_id: self.app_id,
            kind: self.kind,
            version: self.version,
            part: self.part,
            weight: self.weight,
            rollout_percent: self.rollout_percent,
            inputs: self.inputs,
            timeout_seconds: self.timeout_seconds,
            first_byte_ms: self.first_byte_ms,
            stall_ms: self.stall_ms,
            max_concurrent: self.max_concurrent,
            enabled: self.enabled,
        };
        (patch, SecretText::new(self.key))
    }
}

/// Adds an agent.
#[utoipa::path(post, path = "/api/v1/agents", tag = "agents", request_body = NewAgent, params(Because),
    responses((status = 201, body = AgentView, description = "It is added"), Denied, Clash, UnfitBody))]
async fn add(operator: Operator, Asked(why): Asked<Because>, Body(new): Body<NewAgent>) -> Result<Created<AgentView>, ApiError> {
    let (patch, key) = new.parts();
    let view = operator.calls.add_agent(patch, &key, &why.by(&operator.calls, &operator.who)?).await?;
    Ok(Created { location: format!("/api/v1/agents/{}", view.id), version: Some(view.revision), view })
}

/// How far back figures go.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Since {
    /// How far back, such as `24h` or `7d`; a minute to 90 days.
    #[param(default = "24h")]
    since: Option<String>,
}

/// Agents beside each other, over the runs they were chosen for.
#[utoipa::path(get, path = "/api/v1/agents/figures", tag = "agents", params(Since),
    responses((status = 200, body = Listed<AgentFigures>, description = "Each agent that was chosen"), Denied, Unfit))]
async fn figures(reader: Reader, Asked(query): Asked<Since>) -> Result<Json<Listed<AgentFigures>>, ApiError> {
    let since = query.since.as_deref().unwrap_or("24h");
    let since: HumanDuration = since.parse().map_err(|error| {
        CallError::invalid("/since", format!("{since} 不是时长；请写成 24h 或 7d 这样的形式"), format!("{error}; write it as 24h or 7d"))
    })?;
    Ok(Json(Listed { items: reader.calls.agent_figures(since.as_ms()).await?, next_cursor: None }))
}

/// The weights of all agents, and the shares of users they come to.
#[utoipa::path(get, path = "/api/v1/agents/weights", tag = "agents",
    responses((status = 200, body = WeightsView, description = "The weights; `ETag` is the version of all of them"), Denied))]
async fn weights(reader: Reader) -> Result<Versioned<WeightsView>, ApiError> {
    let view = reader.calls.weights()?;
    let revision = view.revision;
    Ok(Versioned(view, revision))
}

/// Weights to be set; agents that are not named keep theirs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Weights {
    /// One entry for each agent.
    #[schema(max_items = 1_000)]
    weights: Vec<Weight>,
}

/// The weights after a change.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedWeights {
    #[serde(flatten)]
    weights: WeightsView,
    /// Always true: they are in force for the next registration, in every process.
    effective_immediately: bool,
}

/// Sets weights, all or none, for the next registration on.
#[utoipa::path(put, path = "/api/v1/agents/weights", tag = "agents", request_body = Weights,
    params(("If-Match" = String, Header, description = "`ETag` of the weights that were read"), Because),
    responses((status = 200, body = ChangedWeights, description = "They are set"), Denied, Guarded, UnfitBody))]
async fn set_weights(
    operator: Operator,
    IfMatch(seen): IfMatch,
    Asked(why): Asked<Because>,
    Body(set): Body<Weights>,
) -> Result<Versioned<ChangedWeights>, ApiError> {
    let weights = operator.calls.set_weights(&set.weights, seen, &why.by(&operator.calls, &operator.who)?).await?;
    let revision = weights.revision;
    Ok(Versioned(ChangedWeights { weights, effective_immediately: true }, revision))
}

/// The shares of users that these weights would come to. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/agents/weights/preview", tag = "agents", request_body = Weights,
    responses((status = 200, body = WeightsView, description = "What they would come to"), Denied, UnfitBody))]
async fn preview_weights(reader: Reader, Body(set): Body<Weights>) -> Result<Json<WeightsView>, ApiError> {
    Ok(Json(reader.calls.preview_weights(&set.weights)?))
}

/// One agent, by its name or its id.
#[utoipa::path(get, path = "/api/v1/agents/{agent}", tag = "agents", params(("agent" = String, Path, description = "Name or id")),
    responses((status = 200, body = AgentView, description = "The agent; `ETag` is its version"), Denied, Absent))]
async fn show(reader: Reader, Path(name): Path<String>) -> Result<Versioned<AgentView>, ApiError> {
    let view = reader.calls.agent(&name)?;
    let revision = view.revision;
    Ok(Versioned(view, revision))
}

/// Changes what is named about an agent, for the next registration on.
#[utoipa::path(patch, path = "/api/v1/agents/{agent}", tag = "agents", request_body = AgentPatch,
    params(("agent" = String, Path, description = "Name or id"), ("If-Match" = String, Header, description = "`ETag` of the agent that was read"), Because),
    responses((status = 200, body = ChangedAgent, description = "It is changed"), Denied, Absent, Clash, Guarded, UnfitBody))]
async fn update(
    operator: Operator,
    Path(name): Path<String>,
    IfMatch(seen): IfMatch,
    Asked(why): Asked<Because>,
    Body(patch): Body<AgentPatch>,
) -> Result<Versioned<ChangedAgent>, ApiError> {
    Ok(ChangedAgent::of(operator.calls.update_agent(&name, patch, seen, &why.by(&operator.calls, &operator.who)?).await?))
}

/// A key on its way in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyGiven {
    /// The app's key. It is sealed, and no answer ever holds it.
    #[schema(write_only)]
    key: String,
}

/// Replaces an agent's key.
#[utoipa::path(put, path = "/api/v1/agents/{agent}/key", tag = "agents", request_body = KeyGiven,
    params(("agent" = String, Path, description = "Name or id"), ("If-Match" = String, Header, description = "`ETag` of the agent that was read"), Because),
    responses((status = 200, body = ChangedAgent, description = "It has the new key"), Denied, Absent, Guarded, UnfitBody))]
async fn set_key(
    operator: Operator,
    Path(name): Path<String>,
    IfMatch(seen): IfMatch,
    Asked(why): Asked<Because>,
    Body(given): Body<KeyGiven>,
) -> Result<Versioned<ChangedAgent>, ApiError> {
    let key = SecretText::new(given.key);
    Ok(ChangedAgent::of(operator.calls.set_agent_key(&name, &key, seen, &why.by(&operator.calls, &operator.who)?).await?))
}

/// Asks an agent's app for its name and inputs: proves address, key, kind and the mapping of inputs.
#[utoipa::path(post, path = "/api/v1/agents/{agent}/check", tag = "agents", params(("agent" = String, Path, description = "Name or id")),
    responses((status = 200, body = AgentCheck, description = "What it showed; `ok` says whether all is well"), Denied, Absent))]
async fn check(operator: Operator, Path(name): Path<String>) -> Result<Json<AgentCheck>, ApiError> {
    Ok(Json(operator.calls.check_agent(&name).await?))
}

/// What an agent was after each change, the latest first.
#[utoipa::path(get, path = "/api/v1/agents/{agent}/versions", tag = "agents",
    params(("agent" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, body = Listed<AgentVersionView>, description = "Its versions"), Denied, Absent, Unfit))]
async fn versions(
    reader: Reader,
    Path(name): Path<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<AgentVersionView>>, ApiError> {
    Ok(Json(reader.calls.agent_versions(&name, page.cursor.as_deref(), page.limit()?).await?))
}

/// The number of a version; a text that is none names no version.
fn numbered(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

/// One version of an agent.
#[utoipa::path(get, path = "/api/v1/agents/{agent}/versions/{number}", tag = "agents",
    params(("agent" = String, Path, description = "Name or id"), ("number" = i64, Path, description = "1 for the agent as it was added")),
    responses((status = 200, body = AgentVersionView, description = "The version"), Denied, Absent))]
async fn version(reader: Reader, Path((name, number)): Path<(String, String)>) -> Result<Json<AgentVersionView>, ApiError> {
    Ok(Json(reader.calls.agent_version(&name, numbered(&number)).await?))
}

/// Sets an agent as it was in a version, for the next registration on. Its key stays: versions hold none.
#[utoipa::path(post, path = "/api/v1/agents/{agent}/versions/{number}/restore", tag = "agents",
    params(("agent" = String, Path, description = "Name or id"), ("number" = i64, Path, description = "The version"),
        ("If-Match" = String, Header, description = "`ETag` of the agent that was read"), Because),
    responses((status = 200, body = ChangedAgent, description = "It is restored"), Denied, Absent, Clash, Guarded, Unfit))]
async fn restore(
    operator: Operator,
    Path((name, number)): Path<(String, String)>,
    IfMatch(seen): IfMatch,
    Asked(why): Asked<Because>,
) -> Result<Versioned<ChangedAgent>, ApiError> {
    Ok(ChangedAgent::of(
        operator.calls.restore_agent_version(&name, numbered(&number), seen, &why.by(&operator.calls, &operator.who)?).await?,
    ))
}

/// A candidate's roll-out, and what the guard knows of it.
#[utoipa::path(get, path = "/api/v1/agents/{agent}/rollout", tag = "agents", params(("agent" = String, Path, description = "Name or id")),
    responses((status = 200, body = RolloutView, description = "The roll-out"), Denied, Absent, Clash))]
async fn rollout(reader: Reader, Path(name): Path<String>) -> Result<Json<RolloutView>, ApiError> {
    Ok(Json(reader.calls.rollout(&name).await?))
}

/// A share of users.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Percent {
    /// Share of all users, in percent; another share begins another comparison.
    #[schema(minimum = 0, maximum = 100)]
    percent: u32,
}

/// Gives a candidate a share of users, for the next registration on.
#[utoipa::path(put, path = "/api/v1/agents/{agent}/rollout", tag = "agents", request_body = Percent,
    params(("agent" = String, Path, description = "Name or id"), ("If-Match" = String, Header, description = "`ETag` of the agent that was read"), Because),
    responses((status = 200, body = ChangedAgent, description = "It has the share"), Denied, Absent, Clash, Guarded, UnfitBody))]
async fn set_rollout(
    operator: Operator,
    Path(name): Path<String>,
    IfMatch(seen): IfMatch,
    Asked(why): Asked<Because>,
    Body(share): Body<Percent>,
) -> Result<Versioned<ChangedAgent>, ApiError> {
    Ok(ChangedAgent::of(operator.calls.set_rollout(&name, share.percent, seen, &why.by(&operator.calls, &operator.who)?).await?))
}

/// Takes a candidate's share away.
#[utoipa::path(post, path = "/api/v1/agents/{agent}/rollout/roll-back", tag = "agents",
    params(("agent" = String, Path, description = "Name or id"), ("If-Match" = String, Header, description = "`ETag` of the agent that was read"), Because),
    responses((status = 200, body = ChangedAgent, description = "Nobody gets it any more"), Denied, Absent, Clash, Guarded, Unfit))]
async fn roll_back(
    operator: Operator,
    Path(name): Path<String>,
    IfMatch(seen): IfMatch,
    Asked(why): Asked<Because>,
) -> Result<Versioned<ChangedAgent>, ApiError> {
    Ok(ChangedAgent::of(operator.calls.roll_back(&name, seen, &why.by(&operator.calls, &operator.who)?).await?))
}
