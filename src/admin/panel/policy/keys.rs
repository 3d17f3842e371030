//! The keys of a group: making, replacing, ending and showing them. A key is shown on the page that answers the form, and
//! on no other: it is in no address, and asking for the page again shows nothing.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::mistakes;
use crate::admin::{
    calls::{
        CallError, Calls, Field, because,
        keys::{KeyUsers, KeyView, NewKey, Rotation, ShownKey, Wanted},
        with_reason,
    },
    entry::{Administrator, Reader},
    panel::{
        form::{Fields, FormState, Posted},
        frame::{Frame, Page, PageError, back},
    },
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/groups/{code}/keys/new", get(form).post(create))
        .route("/panel/groups/{code}/keys/{id}", get(show))
        .route("/panel/groups/{code}/keys/{id}/rename", post(rename))
        .route("/panel/groups/{code}/keys/{id}/rotate", post(rotate))
        .route("/panel/groups/{code}/keys/{id}/reveal", post(reveal))
        .route("/panel/groups/{code}/keys/{id}/retire", post(retire))
        .route("/panel/groups/{code}/keys/{id}/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "key_new.html")]
struct NewPage {
    frame: Frame,
    code: String,
    form: FormState,
}

/// Which of the forms on a key's page came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    Rename,
    Rotate,
    Reveal,
}

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    frame: Frame,
    code: String,
    users: KeyUsers,
    grace: String,
    form: FormState,
    sent: Sent,
}

impl KeyPage {
    async fn of(frame: Frame, calls: &Calls, (code, id): (&str, &str), (sent, form): (Sent, FormState)) -> Result<Self, CallError> {
        let mut users = calls.key_users(code, Some(Wanted::Id(id))).await?;
        let users = users.pop().ok_or_else(|| CallError::not_found("没有这个密钥", "there is no such key"))?;
        let grace = calls.config.keys.default_grace.to_string();
        Ok(Self { frame, code: code.to_owned(), users, grace, form, sent })
    }

    fn key(&self) -> &KeyView {
        &self.users.key
    }

    fn wrong(&self, sent: Sent, field: &str) -> Option<&str> {
        self.form.error(field).filter(|_| self.sent == sent)
    }

    fn typed(&self, sent: Sent, field: &str) -> &str {
        if self.sent == sent { self.form.value(field) } else { "" }
    }
}

/// A key, once.
#[derive(Template)]
#[template(path = "key_shown.html")]
pub(super) struct ShownPage {
    frame: Frame,
    key: ShownKey,
    /// Until when the one it took the place of is accepted.
    old_until: Option<String>,
    back: String,
}

impl ShownPage {
    /// The page that shows `key`, and leads to `back`.
    pub(super) fn of(frame: Frame, key: ShownKey, back: String) -> Page<Self> {
        Page::ok(Self { frame, key, old_until: None, back })
    }
}

async fn form(_admin: Administrator, frame: Frame, Path(code): Path<String>) -> Page<NewPage> {
    Page::ok(NewPage { frame, code, form: FormState::default() })
}

async fn create(admin: Administrator, frame: Frame, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    let text = |name: &str| typed.given(name).map(str::to_owned);
    let new = NewKey { name: typed.text("name").to_owned(), expires: text("expires"), reason: text("reason") };
    match admin.calls.add_named_key(&code, &new, admin.who.by(admin.calls.clock.as_ref())).await {
        Ok(key) => Ok(ShownPage::of(frame, key, format!("/panel/groups/{code}")).into_response()),
        Err(error) => {
            let form = FormState::refused(typed, &mistakes(error)?, frame.language());
            Ok(Page::refused(NewPage { frame, code, form }).into_response())
        }
    }
}

async fn show(reader: Reader, frame: Frame, Path((code, id)): Path<(String, String)>) -> Result<Page<KeyPage>, PageError> {
    Ok(Page::ok(KeyPage::of(frame, &reader.calls, (&code, &id), (Sent::Nothing, FormState::default())).await?))
}

async fn rename(
    admin: Administrator,
    frame: Frame,
    Path((code, id)): Path<(String, String)>,
    Posted(typed): Posted,
) -> Result<Response, PageError> {
    let by = admin.who.by(admin.calls.clock.as_ref());
    match admin.calls.rename_key(&code, (Wanted::Id(&id), typed.text("name")), None, &by).await {
        Ok(_) => Ok(back(&format!("/panel/groups/{code}/keys/{id}"), "key-renamed")),
        Err(error) => again(&admin, frame, (&code, &id), (Sent::Rename, typed, error)).await,
    }
}

async fn rotate(
    admin: Administrator,
    frame: Frame,
    Path((code, id)): Path<(String, String)>,
    Posted(typed): Posted,
) -> Result<Response, PageError> {
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let by = admin.who.by(admin.calls.clock.as_ref());
    let done = async {
        let by = because(by, typed.given("reason"))?;
        let rotation = Rotation::read(typed.given("grace"), typed.given("expires"))?;
        admin.calls.rotate_key(&code, Wanted::Id(&id), rotation, &by).await
    };
    match done.await {
        Ok(rotated) => {
            let page = ShownPage { frame, key: rotated.key, old_until: rotated.old_key_valid_until, back: format!("/panel/groups/{code}") };
            Ok(Page::ok(page).into_response())
        }
        Err(error) => again(&admin, frame, (&code, &id), (Sent::Rotate, typed, error)).await,
    }
}

async fn reveal(
    admin: Administrator,
    frame: Frame,
    Path((code, id)): Path<(String, String)>,
    Posted(typed): Posted,
) -> Result<Response, PageError> {
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let done = async {
        let by = with_reason(admin.who.by(admin.calls.clock.as_ref()), typed.given("reason"))?;
        admin.calls.reveal_key(&code, Wanted::Id(&id), &by).await
    };
    match done.await {
        Ok(key) => Ok(ShownPage::of(frame, key, format!("/panel/groups/{code}/keys/{id}")).into_response()),
        Err(error) => again(&admin, frame, (&code, &id), (Sent::Reveal, typed, error)).await,
    }
}

async fn retire(admin: Administrator, Path((code, id)): Path<(String, String)>) -> Result<Response, PageError> {
    admin.calls.retire_key(&code, &id, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(back(&format!("/panel/groups/{code}/keys/{id}"), "key-retired"))
}

async fn revoke(admin: Administrator, Path((code, id)): Path<(String, String)>) -> Result<Response, PageError> {
    admin.calls.revoke_keys(&code, Wanted::Id(&id), &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(back(&format!("/panel/groups/{code}/keys/{id}"), "key-revoked"))
}

/// The page again, with what was typed and what is wrong with it.
async fn again(
    admin: &Administrator,
    frame: Frame,
    place: (&str, &str),
    (sent, typed, error): (Sent, Fields, CallError),
) -> Result<Response, PageError> {
    let wrong: Vec<Field> = mistakes(error)?;
    let form = FormState::refused(typed, &wrong, frame.language());
    Ok(Page::refused(KeyPage::of(frame, &admin.calls, place, (sent, form)).await?).into_response())
}
