//! In front of the door: signing in and out, showing the password again, and making the first administrator.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header};

use super::{
    form::{Fields, FormState, Posted, Queried},
    frame::{Frame, Page, PageError},
    once::OncePage,
    preferences::local,
};
use crate::{
    admin::{
        calls::{CallError, Calls, Credentials, Enrolment, FirstChoice},
        entry::{Door, Reader, cookie},
        state::AdminState,
    },
    gate::accounts::SignInError,
    secret::SecretText,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/sign-in", get(ask).post(sign_in))
        .route("/panel/sign-out", post(sign_out))
        .route("/panel/confirm", get(ask_again).post(confirm))
        .route("/panel/setup/{secret}", get(ask_first).post(set_up))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    form: FormState,
    trouble: Option<String>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    form: FormState,
    trouble: Option<String>,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    form: FormState,
    secret: String,
    factor: Enrolment,
}

/// Where to go on: a page of the panel, and nowhere else.
fn next(fields: &Fields) -> &str {
    let path = local(fields.text("next"));
    // Whoever signs in or shows their password goes on to a page, not to the same form.
    let forms = ["/panel/sign-in", "/panel/sign-out", "/panel/confirm", "/panel/setup/"];
    if forms.iter().any(|form| path.starts_with(form)) { "/panel/" } else { path }
}

async fn ask(frame: Frame, Queried(fields): Queried) -> Response {
    if frame.who.is_some() {
        return Redirect::to(next(&fields)).into_response();
    }
    Page::ok(SignInPage { form: FormState::new(Fields::of([("next", next(&fields))])), frame, trouble: None }).into_response()
}

async fn sign_in(frame: Frame, door: Door, Posted(fields): Posted) -> Response {
    let password = SecretText::new(fields.raw("password").unwrap_or_default());
    let shown = Credentials { login: fields.text("login"), password: &password, code: fields.text("code") };
    match door.calls.sign_in(shown, door.place).await {
        Ok(signed_in) => with_cookie(Redirect::to(next(&fields)).into_response(), cookie::given(signed_in.cookie.expose(), door.encrypted)),
        Err(error) => {
            let (status, trouble) = refusal(&frame, &error, "sign-in-wrong");
            let kept = Fields::of([("login", fields.text("login")), ("next", next(&fields))]);
            refused(status, &error, SignInPage { form: FormState::new(kept), frame, trouble: Some(trouble) })
        }
    }
}

/// What is said of a sign-in that failed. `wrong` is the key of what is said when anything of it was wrong.
fn refusal(frame: &Frame, error: &SignInError, wrong: &'static str) -> (StatusCode, String) {
    match error {
        SignInError::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, frame.t.say(wrong)),
        SignInError::Throttled { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, frame.t.with("sign-in-throttled", retry_after.as_secs() + 1))
        }
        SignInError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, frame.t.say("sign-in-busy")),
        SignInError::Unavailable(why) => {
            tracing::error!(why, "a sign-in could not be checked");
            (StatusCode::SERVICE_UNAVAILABLE, frame.t.say("error-store"))
        }
    }
}

fn refused(status: StatusCode, error: &SignInError, page: impl Template) -> Response {
    let mut response = Page(status, page).into_response();
    if let Some(wait) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn sign_out(Reader { calls, who }: Reader, door: Door) -> Result<Response, PageError> {
    calls.sign_out(&who).await?;
    Ok(with_cookie(Redirect::to("/panel/sign-in?said=signed-out").into_response(), cookie::taken(door.encrypted)))
}

async fn ask_again(_reader: Reader, frame: Frame, Queried(fields): Queried) -> Response {
    Page::ok(ConfirmPage { form: FormState::new(Fields::of([("next", next(&fields))])), frame, trouble: None }).into_response()
}

async fn confirm(Reader { calls, who }: Reader, frame: Frame, Posted(fields): Posted) -> Response {
    match calls.confirm(&who, &SecretText::new(fields.raw("password").unwrap_or_default())).await {
        Ok(()) => Redirect::to(next(&fields)).into_response(),
        Err(error) => {
            let (status, trouble) = refusal(&frame, &error, "confirm-wrong");
            let form = FormState::new(Fields::of([("next", next(&fields))]));
            refused(status, &error, ConfirmPage { form, frame, trouble: Some(trouble) })
        }
    }
}

/// How telephones name the account before it has a login.
const FIRST: &str = "administrator";

async fn ask_first(frame: Frame, door: Door, Path(secret): Path<String>) -> Result<Response, PageError> {
    door.calls.setup_link(&secret)?;
    let factor = door.calls.begin_second_factor(&Calls::setup_owner(&secret), FIRST)?;
    Ok(Page::ok(SetupPage { frame, form: FormState::default(), secret, factor }).into_response())
}

async fn set_up(frame: Frame, door: Door, Path(secret): Path<String>, Posted(fields): Posted) -> Result<Response, PageError> {
    let password = SecretText::new(fields.raw("password").unwrap_or_default());
    let chosen = FirstChoice {
        login: fields.text("login"),
        display_name: fields.text("display_name"),
        password: &password,
        pending: fields.text("pending"),
        code: fields.text("code"),
    };
    if fields.raw("password") != fields.raw("again") {
        door.calls.setup_link(&secret)?;
        let wrong = CallError::invalid("/again", "两次输入的密码不一致", "the two are not the same");
        return set_up_again(frame, &door.calls, secret, (fields, wrong));
    }
    match door.calls.set_up_with(&secret, chosen, door.place).await {
        Ok((signed_in, codes)) => {
            let response = match codes {
                None => Redirect::to("/panel/?said=set-up").into_response(),
                Some(codes) => Page::ok(OncePage::codes(frame, codes.recovery_codes, "/panel/?said=set-up")).into_response(),
            };
            Ok(with_cookie(response, cookie::given(signed_in.cookie.expose(), door.encrypted)))
        }
        Err(error @ CallError::Invalid(_)) => set_up_again(frame, &door.calls, secret, (fields, error)),
        Err(error) => Err(error.into()),
    }
}

/// The page once more, with what was typed and with the same secret for the telephone.
fn set_up_again(frame: Frame, calls: &Calls, secret: String, (fields, error): (Fields, CallError)) -> Result<Response, PageError> {
    let CallError::Invalid(wrong) = &error else { return Err(error.into()) };
    let owner = Calls::setup_owner(&secret);
    let again = calls.continue_second_factor(&owner, FIRST, fields.text("pending"));
    let factor = again.or_else(|_| calls.begin_second_factor(&owner, FIRST))?;
    let form = FormState::refused(fields, wrong, frame.language());
    Ok(Page::refused(SetupPage { frame, form, secret, factor }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signs_in_goes_on_to_a_page_of_ours() {
        let to = |path: &str| next(&Fields::of([("next", path)])).to_owned();
        for away in
            ["https://evil.example/", "//evil.example", "/\\evil.example", "", "/panel/sign-in?next=/panel/x", "/panel/setup/x", "/panelx"]
        {
            assert_eq!(to(away), "/panel/", "{away}");
        }
        assert_eq!(to("/panel/calls?tool=x&page=2"), "/panel/calls?tool=x&page=2");
    }
}
