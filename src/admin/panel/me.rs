//! My security: sessions, API tokens, one-time codes and the password of whoever is signed in.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    form::{Fields, FormState, Posted},
    frame::{Frame, Page, PageError, back, role_key},
    once::OncePage,
};
use crate::{
    admin::{
        Role, Who,
        calls::{CallError, Calls, Enrolment, NewToken, SecondFactorView, SessionView, TokenView},
        entry::Reader,
        state::AdminState,
    },
    secret::SecretText,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/me", get(show))
        .route("/panel/me/password", post(password))
        .route("/panel/me/sessions/end", post(end_session))
        .route("/panel/me/sessions/end-others", post(end_others))
        .route("/panel/me/tokens", post(add_token))
        .route("/panel/me/tokens/revoke", post(revoke_token))
        .route("/panel/me/second-factor", get(begin).post(finish))
        .route("/panel/me/second-factor/off", post(off))
}

#[derive(Template)]
#[template(path = "me.html")]
struct MePage {
    frame: Frame,
    who: Who,
    sessions: Vec<SessionView>,
    tokens: Vec<TokenView>,
    factor: SecondFactorView,
    password: FormState,
    token: FormState,
}

impl MePage {
    fn of(frame: Frame, calls: &Calls, who: Who) -> Result<Self, CallError> {
        let own = |login: &str| login == who.login;
        let sessions = calls.sessions(&who)?.into_iter().filter(|session| own(&session.login)).collect();
        let tokens = calls.api_tokens(&who)?.into_iter().filter(|token| own(&token.login)).collect();
        let factor = calls.second_factor(&who.account_id)?;
        let token = FormState::new(Fields::of([("days", "90"), ("role", who.role.as_str())]));
        Ok(Self { frame, sessions, tokens, factor, password: FormState::default(), token, who })
    }

    /// What a token of theirs may do at most.
    fn roles(&self) -> Vec<(&'static str, String)> {
        let roles = Role::ALL.into_iter().filter(|role| role.within(self.who.role));
        roles.map(|role| (role.as_str(), self.role_name(&role))).collect()
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template hands a reference")]
    fn role_name(&self, role: &Role) -> String {
        self.frame.t.say(role_key(*role))
    }
}

async fn show(frame: Frame, Reader { calls, who }: Reader) -> Result<Response, PageError> {
    Ok(Page::ok(MePage::of(frame, &calls, who)?).into_response())
}

async fn password(frame: Frame, Reader { calls, who }: Reader, Posted(fields): Posted) -> Result<Response, PageError> {
    who.confirmed(calls.clock.as_ref())?;
    let done = if fields.raw("password") == fields.raw("again") {
        let password = SecretText::new(fields.raw("password").unwrap_or_default());
        calls.set_password(&who.login, &password, who.session_id.as_deref(), who.by(calls.clock.as_ref())).await
    } else {
        Err(CallError::invalid("/again", "两次输入的密码不一致", "the two are not the same"))
    };
    match done {
        Ok(()) => Ok(back("/panel/me", "password")),
        Err(CallError::Invalid(wrong)) => {
            // A password is not shown again.
            let form = FormState::refused(Fields::default(), &wrong, frame.language());
            Ok(Page::refused(MePage { password: form, ..MePage::of(frame, &calls, who)? }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn end_session(Reader { calls, who }: Reader, Posted(fields): Posted) -> Result<Response, PageError> {
    calls.end_session(fields.text("id"), &who).await?;
    Ok(back("/panel/me", "session-ended"))
}

async fn end_others(Reader { calls, who }: Reader) -> Result<Response, PageError> {
    let account = calls.own_account(&who)?;
    calls.end_sessions(&account, who.session_id.as_deref(), who.by(calls.clock.as_ref())).await?;
    Ok(back("/panel/me", "session-ended"))
}

async fn add_token(frame: Frame, Reader { calls, who }: Reader, Posted(fields): Posted) -> Result<Response, PageError> {
    who.confirmed(calls.clock.as_ref())?;
    let days = fields.text("days").parse().map_err(|_| CallError::invalid("/days", "请填写天数，例如 90", "say how many days, such as 90"));
    let role = Role::parse(fields.text("role")).ok_or_else(|| CallError::invalid("/role", "请选择权限", "choose what it may do"));
    let made = match (days, role) {
        (Ok(days), Ok(role)) => calls.add_api_token(NewToken { name: fields.text("name").to_owned(), role, days: Some(days) }, &who).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match made {
        Ok(made) => Ok(Page::ok(OncePage::token(frame, &made.view.name, made.token)).into_response()),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(fields, &wrong, frame.language());
            Ok(Page::refused(MePage { token: form, ..MePage::of(frame, &calls, who)? }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn revoke_token(Reader { calls, who }: Reader, Posted(fields): Posted) -> Result<Response, PageError> {
    calls.revoke_api_token(fields.text("id"), &who).await?;
    Ok(back("/panel/me", "token-revoked"))
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct FactorPage {
    frame: Frame,
    form: FormState,
    factor: Enrolment,
}

async fn begin(frame: Frame, Reader { calls, who }: Reader) -> Result<Response, PageError> {
    who.confirmed(calls.clock.as_ref())?;
    let factor = calls.begin_second_factor(&who.account_id, &who.login)?;
    Ok(Page::ok(FactorPage { frame, form: FormState::default(), factor }).into_response())
}

async fn finish(frame: Frame, Reader { calls, who }: Reader, Posted(fields): Posted) -> Result<Response, PageError> {
    match calls.finish_second_factor(&who, fields.text("pending"), fields.text("code")).await {
        Ok(codes) => Ok(Page::ok(OncePage::codes(frame, codes.recovery_codes, "/panel/me?said=second-factor-on")).into_response()),
        Err(CallError::Invalid(wrong)) => {
            let again = calls.continue_second_factor(&who.account_id, &who.login, fields.text("pending"));
            let factor = again.or_else(|_| calls.begin_second_factor(&who.account_id, &who.login))?;
            let form = FormState::refused(fields, &wrong, frame.language());
            Ok(Page::refused(FactorPage { frame, form, factor }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn off(Reader { calls, who }: Reader) -> Result<Response, PageError> {
    who.confirmed(calls.clock.as_ref())?;
    let account = calls.own_account(&who)?;
    calls.remove_second_factor(&account, who.by(calls.clock.as_ref())).await?;
    Ok(back("/panel/me", "second-factor-off"))
}
