//! `PUT /hooks/records/{kind}/{id}` and `POST /hooks/records`: the app keeps the clinic's records current, so that tools
//! answer from today's facts.
//!
//! Records are read and stored as by an import; what a record does not mention, or says is null, keeps its stored value.
//! Fields that a kind does not have are left out, and named in the answer.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    HookState, Shared, answer,
    lines::{Desk, Line, Lines, refused, taken},
    unavailable,
};
use crate::{
    problem::Problem,
    store::import::{Kind, Record, Refused, parse},
};

/// The kinds that the app keeps. Plans are made here, and decided by physicians.
fn kind(name: &str) -> Option<Kind> {
    name.parse().ok().filter(|kind| *kind != Kind::Plans)
}

fn kinds() -> String {
    let names: Vec<_> = Kind::ALL.into_iter().map(Kind::name).filter(|name| kind(name).is_some()).collect();
    names.join(", ")
}

pub(super) async fn put_one(
    State(HookState(hook)): State<HookState>,
    Path((kind, id)): Path<(String, String)>,
    request: Request,
) -> Response {
    answer(put(&hook, &kind, &id, request).await)
}

async fn put(hook: &Shared, kind_name: &str, id: &str, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (_, body) = hook.receive(&parts, body).await?;
    let kind = kind(kind_name).ok_or_else(|| {
        let detail = format!("There are no records of this kind. There are {}.", kinds());
        Problem::new(StatusCode::NOT_FOUND, "unknown-kind", detail)
    })?;
    let mut fields = object(&body)?;
    name(kind, &mut fields, id)?;
    let read = read(kind, fields)?;
    hook.limits.disk(&hook.in_force()?.intake)?;
    let put = hook.parts.store.put_records(vec![read.record], hook.now()).await.map_err(|error| unavailable(&error))?;
    let changed = put.into_iter().next().unwrap_or(Ok(false)).map_err(|refused| complaint(&refused))?;
    Ok(Json(stored(changed, &read.ignored)).into_response())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body", format!("The body is not a JSON object: {error}.")))
}

/// The address names the record; a body that names another one is a mistake.
fn name(kind: Kind, fields: &mut Map<String, Value>, id: &str) -> Result<(), Problem> {
    let Some(key) = kind.fields().first() else { return Ok(()) };
    let says = |column: &str| kind.field(column).is_ok_and(|field| field.name == key.name);
    let other = fields.iter().find(|(column, value)| says(column) && !value.is_null() && value.as_str() != Some(id));
    if let Some((column, _)) = other {
        return Err(unusable().with_field(format!("/{column}"), "it differs from the id in the address; leave it out, or send the same"));
    }
    fields.retain(|column, _| !says(column));
    fields.insert(key.name.to_owned(), id.into());
    Ok(())
}

/// A record, and what of it has no place here.
struct Read {
    record: Record,
    ignored: Vec<String>,
}

fn read(kind: Kind, fields: Map<String, Value>) -> Result<Read, Problem> {
    let mut cells: Vec<(&'static str, Value)> = Vec::with_capacity(fields.len());
    let (mut ignored, mut problem) = (Vec::new(), unusable());
    for (column, value) in fields {
        match kind.field(&column) {
            Ok(field) if cells.iter().any(|(name, _)| *name == field.name) => {
                problem = problem.with_field(format!("/{column}"), format!("it says {} a second time; send one of the two", field.name));
            }
            Ok(field) => cells.push((field.name, value)),
            Err(_) => ignored.push(column),
        }
    }
    let wrong = match parse(kind, cells) {
        Ok(record) if problem.errors.is_empty() => return Ok(Read { record, ignored }),
        Ok(_) => Vec::new(),
        Err(wrong) => wrong,
    };
    Err(wrong.into_iter().fold(problem, |problem, wrong| problem.with_field(format!("/{}", wrong.field), wrong.why)))
}

fn unusable() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "record", "Some fields are not usable; `errors` names them. Nothing was stored.")
}

fn complaint(refused: &Refused) -> Problem {
    match refused.field {
        Some(field) => unusable().with_field(format!("/{field}"), refused.why.as_str()),
        None => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "record", format!("The record was not stored: {}.", refused.why)),
    }
}

fn stored(changed: bool, ignored: &[String]) -> Map<String, Value> {
    let mut fields = Map::from_iter([("changed".to_owned(), json!(changed))]);
    if !ignored.is_empty() {
        fields.insert("ignored".to_owned(), json!(ignored));
    }
    fields
}

pub(super) async fn put_many(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    answer(open(hook, request).await)
}

async fn open(hook: Arc<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (_, body) = hook.receive_stream(&parts, body).await?;
    let lines = Lines::new(body, hook.settings.max_body, hook.settings.body_timeout);
    Ok(lines.answered_by(Records { hook }))
}

struct Records {
    hook: Arc<Shared>,
}

/// One line. The record has a member of its own, because some kinds have a field that is called `kind` too.
#[derive(Deserialize)]
struct Envelope {
    kind: String,
    record: Map<String, Value>,
}

fn read_line(line: &Line, max: usize) -> Result<Read, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "line", detail);
    let envelope: Envelope = serde_json::from_slice(line.text(max)?).map_err(|error| {
        bad(format!("The line is not usable: {error}. Expected {{\"kind\": \"customers\", \"record\": {{\"user_id\": \"usr_0123\", …}}}}."))
    })?;
    let kind = kind(&envelope.kind)
        .ok_or_else(|| bad(format!("There are no records of the kind `{}`. There are {}.", short(&envelope.kind), kinds())))?;
    read(kind, envelope.record)
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Desk for Records {
    async fn answer(&self, lines: Vec<Line>) -> Vec<Value> {
        let max = self.hook.settings.max_body;
        let read: Vec<(u64, Result<Read, Problem>)> = lines.iter().map(|line| (line.number, read_line(line, max))).collect();
        drop(lines);
        let records = read.iter().filter_map(|(_, read)| read.as_ref().ok().map(|read| read.record.clone())).collect();
        match self.put(records).await {
            Ok(put) => {
                let mut put = put.into_iter();
                read.into_iter().map(|(number, read)| told(number, read, &mut put)).collect()
            }
            Err(problem) => read.into_iter().map(|(number, read)| refused(number, read.as_ref().err().unwrap_or(&problem))).collect(),
        }
    }
}

impl Records {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Result<bool, Refused>>, Problem> {
        self.hook.limits.disk(&self.hook.in_force()?.intake)?;
        self.hook.parts.store.put_records(records, self.hook.now()).await.map_err(|error| unavailable(&error))
    }
}

/// The answer to one line; of those that were read, each takes the next of what was put.
fn told(number: u64, read: Result<Read, Problem>, put: &mut impl Iterator<Item = Result<bool, Refused>>) -> Value {
    let outcome = read.and_then(|read| match put.next() {
        Some(Ok(changed)) => Ok(stored(changed, &read.ignored)),
        Some(Err(refused)) => Err(complaint(&refused)),
        None => Ok(stored(false, &read.ignored)),
    });
    match outcome {
        Ok(fields) => taken(number, StatusCode::OK, fields),
        Err(problem) => refused(number, &problem),
    }
}
