//! `/api/v1/conversations`: conversations and what was said in them.

use axum::Json;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, PageQuery, Path, page_length},
};
use crate::admin::{
    calls::{
        Listed, Words,
        conversations::{ConversationView, MessageView},
    },
    entry::{BodyReader, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(conversations))
        .routes(routes!(conversation))
        .routes(routes!(messages))
        .routes(routes!(read_conversation))
}

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConversationQuery {
    /// The customer's id, or a part of the name.
    user: Option<String>,
    /// Entries of a page: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Conversations, the latest change first.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "conversations", params(ConversationQuery),
    responses((status = 200, body = Listed<ConversationView>, description = "The conversations"), Denied, Unfit))]
async fn conversations(reader: Reader, Asked(query): Asked<ConversationQuery>) -> Result<Json<Listed<ConversationView>>, ApiError> {
    let limit = page_length(query.limit)?;
    Ok(Json(reader.calls.conversations(query.user, query.cursor.as_deref(), limit).await?))
}

/// One conversation.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = ConversationView, description = "The conversation"), Denied, Absent))]
async fn conversation(reader: Reader, Path(id): Path<String>) -> Result<Json<ConversationView>, ApiError> {
    Ok(Json(reader.calls.conversation(&id)?))
}

/// What was said in a conversation, the latest first.
///
/// Auditors see by whom, when and how much: `text` is null for them.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", tag = "conversations", params(("id" = String, Path, description = "Its id"), PageQuery),
    responses((status = 200, body = Listed<MessageView>, description = "The messages"), Denied, Absent, Unfit))]
async fn messages(reader: Reader, Path(id): Path<String>, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<MessageView>>, ApiError> {
    let words = Words::of(reader.who.role);
    Ok(Json(reader.calls.messages(&id, words, page.cursor.as_deref(), page.limit()?).await?))
}

/// Why somebody reads a conversation, and which page of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reading {
    /// The reason, in words. It becomes a row of the audit log before anything is shown.
    #[schema(min_length = 2, max_length = 500)]
    reason: String,
    /// Entries of a page: 1 to 200; 50 when it is left out.
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What was said in a conversation, word by word, for auditors.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/words", tag = "conversations", request_body = Reading,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Listed<MessageView>, description = "The messages, the latest first"), Denied, Absent, UnfitBody))]
async fn read_conversation(
    reader: BodyReader,
    Path(id): Path<String>,
    Body(reading): Body<Reading>,
) -> Result<Json<Listed<MessageView>>, ApiError> {
    let why = (reader.who.by(reader.calls.clock.as_ref()), reading.reason.as_str());
    let limit = page_length(reading.limit)?;
    Ok(Json(reader.calls.read_conversation(&id, why, reading.cursor.as_deref(), limit).await?))
}
