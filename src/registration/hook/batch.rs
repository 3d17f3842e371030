//! `POST /hooks/registrations`: many registrations, one a line, such as all users of an app that is connected late.
//!
//! Its lines are single registrations in every way, and may carry their event's id as `event_id`. A batch waits where a
//! single registration would hear 429; a line that finds no place hears 503 and is to be sent again.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{
    HookState, Shared,
    accept::{Delivery, Terms, counted, outcome, parent},
    answer,
    auth::{self, Sender},
    limits::backlog_full,
    lines::{Desk, Line, Lines, refused, taken},
    unavailable,
};
use crate::{
    problem::Problem,
    store::intake::{Accepted, NewRegistration},
    telemetry::trace::Place,
};

pub(super) async fn accept(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    answer(open(hook, request).await)
}

async fn open(hook: Arc<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (admitted, body) = hook.receive_stream(&parts, body).await?;
    let place = parent(&parts.headers);
    let lines = Lines::new(body, hook.settings.max_body, hook.settings.body_timeout);
    Ok(lines.answered_by(Registrations { hook, sender: admitted.sender, place }))
}

struct Registrations {
    hook: Arc<Shared>,
    sender: Sender,
    /// The trace that all of them are part of.
    place: Option<Place>,
}

/// What a line may say besides the profile.
#[derive(Deserialize)]
struct Envelope {
    #[serde(alias = "eventId")]
    event_id: Option<String>,
}

impl Desk for Registrations {
    async fn answer(&self, lines: Vec<Line>) -> Vec<Value> {
        let terms = match Terms::now(&self.hook) {
            Ok(terms) => terms,
            Err(problem) => return lines.iter().map(|line| refused(line.number, &problem)).collect(),
        };
        let mut answers = Vec::with_capacity(lines.len());
        let mut good = Vec::with_capacity(lines.len());
        for line in lines {
            match self.read(&terms, &line) {
                Ok(new) => good.push((line.number, new)),
                Err(problem) => answers.push((line.number, refused(line.number, &problem))),
            }
        }
        answers.extend(self.accept(&terms, good).await);
        answers.sort_unstable_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

impl Registrations {
    fn read(&self, terms: &Terms, line: &Line) -> Result<NewRegistration, Problem> {
        let text = line.text(self.hook.settings.max_body)?;
        let mut new = terms.registration(&self.hook, text, Delivery { event_id: None, place: self.place })?;
        let envelope: Envelope = serde_json::from_slice(text).map_err(|_| {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", "Some fields are not usable; `errors` names them.");
            problem.with_field("/event_id", "a text or null is expected, the webhook-id of the event")
        })?;
        new.event_id = envelope.event_id.as_deref().and_then(auth::usable_id);
        Ok(new)
    }

    /// Accepts what there is room for, in one commit.
    async fn accept(&self, terms: &Terms, mut good: Vec<(u64, NewRegistration)>) -> Vec<(u64, Value)> {
        let numbers: Vec<u64> = good.iter().map(|(number, _)| *number).collect();
        let mut answers = Vec::with_capacity(good.len());
        let stored = self.store(terms, &mut good).await;
        let (became, problem) = match stored {
            Ok(stored) => stored,
            Err(problem) => (Vec::new(), Some(problem)),
        };
        for (at, number) in numbers.into_iter().enumerate() {
            let answer = match (became.get(at), &problem) {
                (Some(became), _) => told(number, became),
                (None, Some(problem)) => refused(number, problem),
                (None, None) => continue,
            };
            answers.push((number, answer));
        }
        answers
    }

    /// What became of the first of them; and why the others were not taken.
    async fn store(&self, terms: &Terms, good: &mut Vec<(u64, NewRegistration)>) -> Result<(Vec<Accepted>, Option<Problem>), Problem> {
        let (hook, intake) = (&self.hook, &terms.settings.intake);
        hook.limits.pace(self.sender, intake, good.len()).await;
        hook.limits.disk(intake)?;
        let wanted = if terms.skip.is_none() { good.len() } else { 0 };
        let places = hook.limits.places(intake, wanted).await?;
        let room = if terms.skip.is_none() { places.count() } else { good.len() };
        let taken: Vec<_> = good.drain(..room.min(good.len())).map(|(_, new)| new).collect();
        let left_over = (!good.is_empty()).then(|| backlog_full(intake));
        let became = hook.parts.store.accept_registrations(taken).await.map_err(|error| unavailable(&error))?;
        became.iter().for_each(counted);
        let new = became.iter().filter(|became| matches!(became, Accepted::New(_))).count();
        places.keep(new);
        if new > 0 {
            hook.parts.wake.notify_one();
        }
        Ok((became, left_over))
    }
}

fn told(number: u64, became: &Accepted) -> Value {
    match outcome(became) {
        Ok((status, fields)) => taken(number, status, fields),
        Err(problem) => refused(number, &problem),
    }
}
