//! Follows one run event by event, and says when it is over and how.

use super::{
    answer::{Answer, Transcript, usage},
    ask::{AgentKind, Progress},
    client::{DifyClient, shown},
    error::DifyError,
    events::{Event, Failure, Finished, Incoming, Outcome},
};

/// What Dify calls a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    /// Its conversation; workflows have none.
    pub(super) conversation: Option<String>,
    /// Its message; of a workflow, its run.
    pub(super) message: Option<String>,
    /// Its task.
    pub(super) task: Option<String>,
}

/// A run as it is followed.
pub(super) struct Run<'a> {
    client: &'a DifyClient,
    transcript: Transcript,
    ids: Option<Ids>,
}

impl<'a> Run<'a> {
    /// A run of which nothing is known yet.
    pub(super) fn of(client: &'a DifyClient) -> Self {
        Self { client, transcript: Transcript::default(), ids: None }
    }
}

impl Run<'_> {
    /// Takes one event in; gives the answer out when it was the last one.
    pub(super) fn follow(&mut self, incoming: Incoming, on_event: &mut (dyn FnMut(Progress) + Send)) -> Result<Option<Answer>, DifyError> {
        self.note_ids(&incoming, on_event);
        match incoming.event {
            Event::Message(delta) | Event::AgentMessage(delta) => self.transcript.say(&delta.answer),
            Event::MessageReplace(delta) => self.transcript.replace(delta.answer),
            Event::AgentThought(thought) => {
                on_event(Progress::Thought(thought.told()));
                self.transcript.think(thought);
            }
            Event::Error(failure) => return Err(self.failure(&failure)),
            Event::MessageEnd(end) => {
                let (tokens, price) = usage(end.metadata.as_ref());
                return self.finish().map(|answer| Some(Answer { tokens, price, ..answer }));
            }
            // A chatflow sends this too, and then its message_end.
            Event::WorkflowFinished(finished) if self.client.kind() == AgentKind::Workflow => {
                return self.finish_workflow(&finished).map(Some);
            }
            Event::WorkflowFinished(_) | Event::Other => {}
        }
        Ok(None)
    }

    fn note_ids(&mut self, incoming: &Incoming, on_event: &mut (dyn FnMut(Progress) + Send)) {
        if self.ids.is_some() {
            return;
        }
        let Some(task_id) = incoming.task_id.clone() else { return };
        let filled = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
        let conversation_id = filled(&incoming.conversation_id);
        let message_id = filled(&incoming.message_id).or_else(|| filled(&incoming.workflow_run_id));
        self.ids = Some(Ids { conversation: conversation_id.clone(), message: message_id.clone(), task: Some(task_id.clone()) });
        on_event(Progress::Started { task_id, conversation_id, message_id });
    }

    fn finish(&mut self) -> Result<Answer, DifyError> {
        let text = self.transcript.answer().ok_or_else(|| DifyError::Empty { host: self.client.host().to_owned() })?;
        let ids = self.ids.take().unwrap_or_default();
        Ok(answer_of(text, &self.transcript, ids))
    }

    fn finish_workflow(&mut self, finished: &Finished) -> Result<Answer, DifyError> {
        let Outcome { status, outputs, error, total_tokens } = &finished.data;
        if !matches!(status.as_str(), "succeeded" | "partial-succeeded") {
            let (host, key) = (self.client.host().to_owned(), self.client.key());
            return Err(DifyError::RunFailed { host, status: shown(status, key), message: shown(error, key) });
        }
        self.transcript.give_out(outputs);
        self.finish().map(|answer| Answer { tokens: *total_tokens, ..answer })
    }

    fn failure(&self, failure: &Failure) -> DifyError {
        let (host, key) = (self.client.host().to_owned(), self.client.key());
        let (code, message) = (shown(&failure.code, key), shown(&failure.message, key));
        // Without a status nothing is known: as bad as a fault of the server's, which may pass.
        DifyError::Api { host, status: failure.status.unwrap_or(500), code, message, retry_after: None }
    }
}

/// An answer without its figures.
pub(super) fn answer_of(text: String, transcript: &Transcript, ids: Ids) -> Answer {
    Answer {
        text,
        dify_conversation_id: ids.conversation,
        dify_message_id: ids.message,
        task_id: ids.task,
        tools: transcript.tools(),
        thoughts: transcript.thoughts(),
        tokens: None,
        price: None,
        latency_ms: 0,
        first_byte_ms: 0,
    }
}
