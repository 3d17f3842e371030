//! Old names of a tool in a group: giving it one, moving its end, and giving one up.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::post,
};

use super::{
    mistakes,
    tool::{Place, ToolPage},
};
use crate::admin::{
    calls::tools::{Seen, until},
    entry::Operator,
    panel::{
        form::{FormState, Posted},
        frame::{Frame, Page, PageError, back},
    },
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/groups/{code}/tools/{name}/aliases", post(set))
        .route("/panel/groups/{code}/tools/{name}/aliases/remove", post(remove))
}

/// Gives a tool an old name, or one that it has another end.
async fn set(operator: Operator, frame: Frame, place: Place, Posted(typed): Posted) -> Result<Response, PageError> {
    let (calls, (code, name)) = (&operator.calls, (&place.0.0, &place.0.1));
    let by = operator.who.by(calls.clock.as_ref());
    let done = async {
        let until = until(typed.text("until"), by.at)?;
        calls.set_alias(code, (typed.text("alias"), name, until), Seen::Whatever, &by).await
    };
    let Err(error) = done.await else { return Ok(back(&path(code, name), "alias-set")) };
    let wrong = mistakes(error)?;
    let language = frame.language();
    let mut page = ToolPage::of(frame, calls, (code, name)).await?;
    page.alias_form = FormState::refused(typed, &wrong, language);
    Ok(Page::refused(page).into_response())
}

async fn remove(operator: Operator, place: Place, Posted(typed): Posted) -> Result<Response, PageError> {
    let (code, name) = (&place.0.0, &place.0.1);
    operator.calls.remove_alias(code, typed.text("alias"), None, &operator.who.by(operator.calls.clock.as_ref())).await?;
    Ok(back(&path(code, name), "alias-removed"))
}

fn path(code: &str, name: &str) -> String {
    format!("/panel/groups/{code}/tools/{name}")
}
