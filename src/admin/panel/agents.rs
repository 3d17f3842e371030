//! Agents: how each is set and doing, their figures beside each other, and the weights between them.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;

use super::{
    amounts,
    form::{Fields, FormState, Posted, Queried, by, mistakes},
    frame::{Frame, Page, PageError, back},
    live::live,
    texts::Texts,
};
use crate::admin::{
    calls::{
        CallError, Calls, Field,
        agents::{AgentFigures, AgentView, Weight, WeightRow, WeightsView},
        said,
    },
    entry::{Operator, Reader},
    state::AdminState,
};

/// How far back figures may go.
const RANGES: [&str; 4] = ["24h", "1h", "7d", "30d"];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/agents", get(list))
        .route("/panel/agents/live", get(renewed))
        .route("/panel/agents/weights", post(set_weights))
}

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    frame: Frame,
    rows: String,
    figures: Vec<AgentFigures>,
    range: &'static str,
    weights: WeightsView,
    form: FormState,
    previewed: bool,
    stale: bool,
}

impl AgentsPage {
    async fn of(frame: Frame, calls: &Calls, range: &str) -> Result<Self, CallError> {
        let (range, back_ms) = amounts::range(range, &RANGES);
        let weights = calls.weights()?;
        Ok(Self {
            rows: rows(calls, frame.t)?,
            figures: calls.agent_figures(back_ms).await?,
            range,
            form: FormState::new(typed(&weights)),
            weights,
            previewed: false,
            stale: false,
            frame,
        })
    }

    fn part(&self, part: &str) -> String {
        self.frame.t.say(part_key(part))
    }

    /// What is wrong with none of the fields.
    fn other_errors(&self) -> Vec<&str> {
        let names: Vec<String> = self.weights.agents.iter().map(|row| field(&row.id)).collect();
        let shown: Vec<&str> = names.iter().map(String::as_str).chain(["reason"]).collect();
        self.form.other_errors(&shown)
    }

    /// The weight that somebody else gave an agent while this form was filled in.
    fn weight_now(&self, row: &WeightRow) -> Option<String> {
        let now = row.weight.to_string();
        Some(now).filter(|now| self.stale && now != self.form.value(&field(&row.id)).trim())
    }

    /// Who wrote the welcomes that the agent itself did not.
    fn others(figures: &AgentFigures) -> i64 {
        figures.by_fallback_agent + figures.by_segment + figures.by_static
    }

    fn costs(figures: &AgentFigures) -> String {
        let costs: Vec<_> = figures.costs.iter().map(|cost| format!("{} {}", cost.sum, cost.currency).trim().to_owned()).collect();
        if costs.is_empty() { amounts::NOTHING.to_owned() } else { costs.join(", ") }
    }
}

/// The table of agents alone: what is sent when it changes.
#[derive(Template)]
#[template(path = "agents_rows.html")]
struct AgentRows {
    t: Texts,
    agents: Vec<AgentView>,
}

fn rows(calls: &Calls, t: Texts) -> Result<String, CallError> {
    let rows = AgentRows { t, agents: calls.agents()? };
    Ok(rows.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the table of agents could not be made");
        String::new()
    }))
}

/// The key of the name of a part.
pub(super) fn part_key(part: &str) -> &'static str {
    match part {
        "candidate" => "agents-part-candidate",
        "fallback" => "agents-part-fallback",
        _ => "agents-part-stable",
    }
}

/// The key of the name of a breaker's state.
pub(super) fn breaker_key(state: &str) -> &'static str {
    match state {
        "open" => "agents-breaker-open",
        "half_open" => "agents-breaker-half-open",
        _ => "agents-breaker-closed",
    }
}

async fn list(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    Ok(Page::ok(AgentsPage::of(frame, &reader.calls, fields.text("range")).await?).into_response())
}

async fn renewed(frame: Frame, reader: Reader) -> Response {
    let (calls, t) = (reader.calls, frame.t);
    let stop = calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default();
    live(stop, move || std::future::ready(rows(&calls, t).ok()))
}

/// Saves the weights, or shows what they would come to.
async fn set_weights(frame: Frame, operator: Operator, Posted(form): Posted) -> Result<Response, PageError> {
    let calls = &operator.calls;
    let current = calls.weights()?;
    let weights = match read(&form, &current) {
        Ok(weights) => weights,
        Err(wrong) => return refused(frame, calls, form, &wrong).await,
    };
    if form.on("preview") {
        return match calls.preview_weights(&weights) {
            Ok(preview) => {
                let page = AgentsPage::of(frame, calls, "").await?;
                Ok(Page::ok(AgentsPage { weights: preview, form: FormState::new(form), previewed: true, ..page }).into_response())
            }
            Err(CallError::Invalid(wrong)) => refused(frame, calls, form, &named(wrong, &current)).await,
            Err(other) => Err(other.into()),
        };
    }
    let done = async { calls.set_weights(&weights, form.text("revision").parse().ok(), &by(&operator, &form)?).await };
    match done.await {
        Ok(_) => Ok(back("/panel/agents", "agents-weights")),
        Err(CallError::Stale { .. }) => {
            let page = AgentsPage::of(frame, calls, "").await?;
            // What was typed stays, on the version that is there now: beside it stands what others made of it.
            let revision = page.weights.revision.to_string();
            let typed = Fields::of(form.iter().filter(|(name, _)| *name != "revision").chain([("revision", revision.as_str())]));
            Ok(Page(StatusCode::PRECONDITION_FAILED, AgentsPage { form: FormState::new(typed), stale: true, ..page }).into_response())
        }
        Err(error) => {
            let wrong = named(mistakes(error)?, &current);
            refused(frame, calls, form, &wrong).await
        }
    }
}

async fn refused(frame: Frame, calls: &Calls, form: Fields, wrong: &[Field]) -> Result<Response, PageError> {
    let language = frame.language();
    let page = AgentsPage::of(frame, calls, "").await?;
    Ok(Page::refused(AgentsPage { form: FormState::refused(form, wrong, language), ..page }).into_response())
}

/// The field of an agent's weight.
fn field(id: &str) -> String {
    format!("weight.{id}")
}

fn typed(weights: &WeightsView) -> Fields {
    let fields = weights.agents.iter().map(|row| (field(&row.id), row.weight.to_string()));
    Fields::of(fields.chain([("revision".to_owned(), weights.revision.to_string())]))
}

fn read(form: &Fields, current: &WeightsView) -> Result<Vec<Weight>, Vec<Field>> {
    let (mut weights, mut wrong) = (Vec::new(), Vec::new());
    for row in &current.agents {
        match form.given(&field(&row.id)).map_or(Ok(row.weight), str::parse) {
            Ok(weight) => weights.push(Weight { agent: row.id.clone(), weight }),
            Err(_) => wrong.push(Field { pointer: format!("/{}", field(&row.id)), text: said("请填写整数", "write a whole number") }),
        }
    }
    if wrong.is_empty() { Ok(weights) } else { Err(wrong) }
}

/// What is wrong with the weights of a list, by the fields of the form.
fn named(wrong: Vec<Field>, current: &WeightsView) -> Vec<Field> {
    let name = |pointer: &str| {
        let at: usize = pointer.strip_prefix("/weights/")?.split('/').next()?.parse().ok()?;
        current.agents.get(at).map(|row| format!("/{}", field(&row.id)))
    };
    wrong.into_iter().map(|field| Field { pointer: name(&field.pointer).unwrap_or(field.pointer), ..field }).collect()
}
