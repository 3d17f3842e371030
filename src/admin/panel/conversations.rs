//! Conversations: the list, and one with what was said in it.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    form::{Fields, FormState, Posted, Queried},
    frame::{Frame, Page, PageError},
    registrations::path,
    shown::label,
};
use crate::admin::{
    Right,
    calls::{
        CallError, Listed, Words,
        conversations::{ConversationView, MessageView},
    },
    entry::{BodyReader, Reader},
    state::AdminState,
};

/// Conversations, and messages, of a page.
const PAGE: u32 = 50;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/conversations", get(list))
        .route("/panel/conversations/{id}", get(show))
        .route("/panel/conversations/{id}/words", post(words))
}

#[derive(Template)]
#[template(path = "conversations.html")]
struct ConversationsPage {
    frame: Frame,
    form: FormState,
    found: Listed<ConversationView>,
    query: String,
}

#[derive(Template)]
#[template(path = "conversation.html")]
struct ConversationPage {
    frame: Frame,
    conversation: ConversationView,
    /// The latest first; shown the other way round.
    messages: Vec<MessageView>,
    older: Option<String>,
    /// Asks for the reason of whoever sees words only with one.
    form: FormState,
}

impl ConversationPage {
    fn label(&self, kind: &str, value: &str) -> String {
        label(self.frame.t, kind, value)
    }

    fn gives_reasons(&self) -> bool {
        self.frame.may(Right::ReadBodies) && !self.frame.operates()
    }

    fn sender(&self, message: &MessageView) -> String {
        let role = self.label("sender", &message.sender_type);
        match &message.sender_name {
            Some(name) => format!("{name} · {role}"),
            None => role,
        }
    }
}

async fn list(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let user = fields.given("user").map(str::to_owned);
    let found = reader.calls.conversations(user, fields.given("cursor"), PAGE).await?;
    let query = fields.query_but(&["cursor", "said"]);
    Ok(Page::ok(ConversationsPage { frame, form: FormState::new(fields), found, query }).into_response())
}

async fn show(frame: Frame, reader: Reader, Path(id): Path<String>, Queried(fields): Queried) -> Result<Response, PageError> {
    let words = Words::of(reader.who.role);
    let conversation = reader.calls.conversation(&id)?;
    let found = reader.calls.messages(&id, words, fields.given("cursor"), PAGE).await?;
    let form = FormState::new(Fields::of([("cursor", fields.text("cursor"))]));
    Ok(Page::ok(page(frame, conversation, found, form)).into_response())
}

fn page(frame: Frame, conversation: ConversationView, found: Listed<MessageView>, form: FormState) -> ConversationPage {
    let Listed { mut items, next_cursor } = found;
    items.reverse();
    ConversationPage { frame, conversation, messages: items, older: next_cursor, form }
}

/// The words, to an auditor who says why.
async fn words(frame: Frame, reader: BodyReader, Path(id): Path<String>, Posted(fields): Posted) -> Result<Response, PageError> {
    let conversation = reader.calls.conversation(&id)?;
    let why = (reader.who.by(reader.calls.clock.as_ref()), fields.text("reason"));
    let cursor = fields.given("cursor").map(str::to_owned);
    match reader.calls.read_conversation(&id, why, cursor.as_deref(), PAGE).await {
        Ok(found) => Ok(Page::ok(page(frame, conversation, found, FormState::new(fields))).into_response()),
        Err(CallError::Invalid(wrong)) => {
            let found = reader.calls.messages(&id, Words::Withheld, cursor.as_deref(), PAGE).await?;
            let form = FormState::refused(fields, &wrong, frame.language());
            Ok(Page::refused(page(frame, conversation, found, form)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
