//! One call, from a name and arguments to a result, with everything around it that may go wrong.

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anmei_mcp_tools::{
    Context, Effect, Records, ToolError,
    port::{Progress, RecordsError},
};
use futures_util::FutureExt;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{
    Recorder, admit, arguments,
    catalogue::{Catalogue, Offer},
    confined::Confined,
    record::{Entry, made_up},
    spans::Traced,
    stale::{Note, Old},
    subject::{self, Unresolved},
    tasks::{TaskSettings, Tasks},
};
use crate::{
    clock::SharedClock,
    gate::{
        Caller, Refusal,
        limits::{Exceeded, Running},
        oauth::{challenge::Challenges, scope},
    },
    store::Store,
};

/// How a call reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Streamable HTTP.
    Http,
    /// The stdio transport.
    Stdio,
    /// `anmei-mcp tool call`.
    Cli,
    /// The panel or the REST API: somebody tries a tool out.
    Admin,
}

impl Channel {
    /// Its name in the call log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stdio => "stdio",
            Self::Cli => "cli",
            Self::Admin => "admin",
        }
    }
}

/// What the client says of itself. Believed by nobody, logged for people.
#[derive(Debug, Clone)]
pub struct Client {
    /// How it reached us.
    pub channel: Channel,
    /// Protocol revision spoken, or empty.
    pub protocol: Cow<'static, str>,
    /// Name and version.
    pub name: Option<String>,
    /// Id it gives itself, such as a Dify app.
    pub app_id: Option<String>,
    /// What a span is made of, where spans are sent.
    pub traced: Option<Box<Traced>>,
}

/// One call.
pub struct Call<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// Which tool.
    pub tool: &'a str,
    /// With what.
    pub arguments: Option<Map<String, Value>>,
    /// From where.
    pub client: Client,
    /// Who wants to know how far it is.
    pub progress: &'a dyn Progress,
}

/// How a call ended, for the protocol to put into its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result, as JSON text of an object.
    Answer(String),
    /// No result; the text is for the model that called.
    Failed(String),
    /// The group offers no such tool; the text names what it offers.
    UnknownTool(String),
    /// A limit is reached; nothing was done.
    Limited(Box<Exceeded>),
    /// One of the others, with what the caller should know about its list.
    Noted(Box<Outcome>, Box<Note>),
}

impl Outcome {
    /// The outcome itself, and what is to be said beside it.
    pub fn and_note(self) -> (Self, Option<Note>) {
        match self {
            Self::Noted(outcome, note) => (*outcome, Some(*note)),
            plain => (plain, None),
        }
    }

    pub(super) fn noted(self, note: Option<Note>) -> Self {
        match note {
            // Of a limit there is nothing more to say.
            Some(note) if !matches!(self, Self::Limited(_)) => Self::Noted(Box::new(self), Box::new(note)),
            _ => self,
        }
    }
}

/// What is to be done, once it is known with which tool.
struct Work<'a> {
    caller: &'a Caller,
    called: &'a str,
    arguments: Option<Map<String, Value>>,
    progress: &'a dyn Progress,
    counted: Option<&'a Running<'a>>,
}

/// The outcome's name in the call log, and the result or what the model is told instead.
type Ended = (&'static str, Result<String, String>);

/// How much may run at once, and be kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls in progress, over all groups.
    pub concurrent_calls: usize,
    /// Tasks.
    pub tasks: TaskSettings,
}

/// The core. One per process.
pub struct Dispatch {
    pub(super) catalogue: Catalogue,
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) tasks: Tasks,
    pub(super) recorder: Recorder,
    running: Semaphore,
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").field("tools", &self.catalogue.known().len()).finish_non_exhaustive()
    }
}

impl Dispatch {
    /// Puts the core together.
    pub fn new(catalogue: Catalogue, store: Store, clock: SharedClock, recorder: Recorder, limits: Limits) -> Self {
        let tasks = Tasks::new(limits.tasks);
        Self { catalogue, store, clock, tasks, recorder, running: Semaphore::new(limits.concurrent_calls) }
    }

    /// The tools and what groups offer of them.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Where calls are recorded.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Records that a request was not let in.
    pub async fn refused(&self, refusal: &Refusal, tool: &str, client: Client) {
        let mut entry = Entry::begin(&self.recorder, self.clock.as_ref(), made_up(tool), client);
        entry.group(refusal.group_id().map(Arc::from), None);
        entry.finish("refused", None, Some(&refusal.for_log())).await;
    }

    /// Why the caller's token does not cover a call of `tool`: it stores something, and the token may only read.
    pub fn lacks(&self, caller: &Caller, tool: &str) -> Option<Refusal> {
        self.catalogue.offers(caller).meant(tool, self.clock.now_ms()).and_then(|offer| beyond(caller, offer))
    }

    /// Does one call. Dropping the future ends the tool's work; the log then says `cancelled`.
    pub async fn call(&self, call: Call<'_>) -> Outcome {
        let Call { caller, tool: called, arguments, client, progress } = call;
        let offers = self.catalogue.offers(caller);
        let found = offers.find(called);
        let name = found.map_or_else(|| made_up(called), |offer| Cow::Borrowed(offer.known.tool.name()));
        let mut entry = Entry::begin(&self.recorder, self.clock.as_ref(), name, client).of_a_call();
        if let Some(offer) = found {
            entry.tool(&offer.known);
        }
        entry.group(Some(Arc::clone(&caller.group.id)), caller.shared_key_id());
        let counted = match admit::counted(caller, entry.began()) {
            Ok(counted) => counted,
            Err(exceeded) => return admit::limited(entry, exceeded).await,
        };
        entry.request(arguments.as_ref());
        let work = Work { caller, called, arguments, progress, counted: counted.as_ref() };
        if let Some(offer) = found {
            return self.call_offered(offer, work, entry).await;
        }
        let note = match self.look_back(caller, &offers, called) {
            Old::Works(offer, note) => {
                entry.stale(note.counted(caller));
                entry.tool(&offer.known);
                return self.call_offered(&offer, work, entry).await.noted(Some(note));
            }
            Old::Gone(note) => Some(note),
            Old::Never => None,
        };
        let text = match &note {
            Some(note) => {
                entry.stale(note.counted(caller));
                note.text.clone()
            }
            None => unknown(called, &caller.group.group.server_code, &offers.names()),
        };
        entry.finish("unknown_tool", None, Some(&text)).await;
        Outcome::UnknownTool(text).noted(note)
    }

    async fn call_offered(&self, offer: &Offer, work: Work<'_>, mut entry: Entry) -> Outcome {
        if let Some(refusal) = beyond(work.caller, offer) {
            let text = too_little(offer.known.tool.name(), &refusal);
            entry.finish("refused", None, Some(&text)).await;
            return Outcome::Failed(text);
        }
        let _place = match offer.place(entry.began()) {
            Ok(place) => place,
            Err(exceeded) => {
                work.counted.into_iter().for_each(Running::uncount);
                return admit::limited(entry, exceeded).await;
            }
        };
        let mut note = None;
        let (outcome, result) = match arguments::prepare(&offer.known, work.arguments) {
            Ok(arguments) => self.run_about(offer, arguments, (work.caller, work.progress), &mut entry).await,
            Err(unfit) => {
                note = self.were_good(&offer.known, work.called, &unfit.given);
                if let Some(note) = &note {
                    entry.stale(note.counted(work.caller));
                }
                ("invalid_arguments", Err(unfit.text))
            }
        };
        match result {
            Ok(json) => {
                entry.finish(outcome, Some(&json), None).await;
                Outcome::Answer(json)
            }
            Err(text) => {
                entry.finish(outcome, None, Some(&text)).await;
                Outcome::Failed(text).noted(note)
            }
        }
    }

    /// Puts the person behind a subject into the arguments, does the work, and takes the person out of what came of it.
    async fn run_about(
        &self,
        offer: &Offer,
        mut arguments: Map<String, Value>,
        (caller, progress): (&Caller, &dyn Progress),
        entry: &mut Entry,
    ) -> Ended {
        let scoped = caller.group.group.subject_scoped;
        let (name, reach) = (offer.known.tool.name(), offer.known.tool.definition.subject);
        let subject = match subject::resolve(&self.store, reach, scoped, &mut arguments, self.clock.now_ms()) {
            Ok(subject) => subject,
            Err(Unresolved::OutOfScope) => return ("out_of_scope", Err(subject::out_of_scope(name, reach))),
            Err(Unresolved::Store(error)) => return ("tool_error", Err(failure(name, &RecordsError::from(error).into()))),
        };
        if let Some(subject) = &subject {
            entry.run(subject.registration_id.clone());
            if let Some(traced) = entry.traced() {
                traced.belongs_to_run(&self.store, &subject.registration_id);
            }
            if subject.rehearsal && offer.known.tool.definition.about.effect != Effect::Reads {
                return ("out_of_scope", Err(subject::rehearsal(name)));
            }
        }
        let user_id = subject.as_ref().map(|subject| subject.user_id.as_str());
        let confined = Confined { records: &self.store, user_id };
        let records: &dyn Records = if scoped { &confined } else { &self.store };
        let (outcome, result) = self.run(offer, arguments, (records, progress)).await;
        let Some(subject) = subject else { return (outcome, result) };
        if result.is_ok() {
            tracing::info!(
                registration.id = subject.registration_id,
                user.id = subject.user_id,
                tool.name = name,
                "MCP服务调用成功 / a tool answered the run's agent"
            );
        } else {
            tracing::error!(
                registration.id = subject.registration_id,
                user.id = subject.user_id,
                tool.name = name,
                outcome,
                "MCP服务调用失败 / a tool failed the run's agent"
            );
        }
        let result = result.map(|json| subject.hide_in_json(json)).map_err(|text| subject.hide_in_text(&text));
        (outcome, result)
    }

    async fn run(&self, offer: &Offer, arguments: Map<String, Value>, (records, progress): (&dyn Records, &dyn Progress)) -> Ended {
        let name = offer.known.tool.name();
        let work = async {
            let _slot = self.running.acquire().await;
            let ctx = Context { records, now: self.clock.now(), config: &offer.config, progress };
            AssertUnwindSafe(offer.known.tool.call(arguments, &ctx)).catch_unwind().await
        };
        match tokio::time::timeout(offer.timeout, work).await {
            Ok(Ok(Ok(json))) => ("ok", Ok(json)),
            Ok(Ok(Err(error))) => ("tool_error", Err(failure(name, &error))),
            Ok(Err(_panic)) => {
                tracing::error!(tool.name = name, "the tool panicked; only this call is affected");
                ("panic", Err(broken(name)))
            }
            Err(_elapsed) => ("timeout", Err(late(name, offer.timeout))),
        }
    }

    /// Waits until every recorded call is in the database.
    pub async fn flush(&self) {
        self.recorder.flush().await;
    }
}

/// A tool that stores something needs the scope for it. Keys cover everything.
fn beyond(caller: &Caller, offer: &Offer) -> Option<Refusal> {
    let reads = offer.known.tool.definition.about.effect == Effect::Reads;
    (!reads && !caller.has_scope(scope::WRITE)).then(|| Challenges::needed(&caller.group.group.server_code))
}

fn too_little(name: &str, refusal: &Refusal) -> String {
    format!("错误 / Error ({name}): 该令牌只能读取，请重新授权。 / {}", refusal.problem().detail)
}

/// Dify ignores `isError`, so that the text itself must say that it is an error.
fn failure(name: &str, error: &ToolError) -> String {
    match error {
        // The tool's own words begin so.
        ToolError::NotFound(text) if text.starts_with("错误") => text.clone(),
        ToolError::Internal(why) => format!(
            "错误 / Error ({name}): {why}。请勿重复调用，并告知系统管理员。 / Do not call it again with the same arguments; tell whoever runs this server."
        ),
        error => format!("错误 / Error ({name}): {error}"),
    }
}

fn broken(name: &str) -> String {
    format!(
        "错误 / Error ({name}): 工具内部故障，未得到结果；请勿重复调用，改用其他方式。 / The tool failed inside and has no result. Do not call it again with the same arguments."
    )
}

fn late(name: &str, limit: Duration) -> String {
    let seconds = limit.as_secs();
    format!(
        "错误 / Error ({name}): 超过 {seconds} 秒未完成，已停止；请缩小范围后重试。 / It did not finish within {seconds} s and was stopped. Try again with less to do."
    )
}

pub(super) fn unknown(tool: &str, code: &str, names: &str) -> String {
    let tool: String = tool.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("unknown tool `{tool}`: the group {code} has {names}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_says_that_it_is_one_and_what_to_do() {
        let unavailable = ToolError::Unavailable { reason: "the database does not answer".into(), retry_after: Duration::from_secs(3) };
        for (text, what_to_do) in [
            (broken("tool"), "Do not call it again"),
            (late("tool", Duration::from_secs(15)), "Try again with less to do"),
            (failure("tool", &unavailable), "try again in 3 s"),
            (failure("tool", &ToolError::Internal("a row cannot be read".into())), "tell whoever runs this server"),
        ] {
            assert!(text.starts_with("错误 / Error (tool): ") && text.contains(what_to_do), "{text}");
        }
    }
}
