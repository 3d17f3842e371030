//! What a handler is given: the calls, once it is known who asks and that they may. There is no other way to the calls.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Redirect, Response},
};
use http::{StatusCode, request::Parts};

use crate::admin::{
    Right, Who,
    api::frame::ApiError,
    calls::{CallError, Calls, said},
    panel::frame::PageError,
    state::AdminState,
};

/// Whoever may do one kind of thing, and the calls to do it with.
macro_rules! admitted {
    ($(#[doc = $doc:literal] $name:ident => $right:expr;)*) => { $(
        #[doc = $doc]
        #[derive(Debug)]
        pub(in crate::admin) struct $name {
            /// Everything that can be seen and done.
            pub(in crate::admin) calls: Calls,
            /// Who asks.
            pub(in crate::admin) who: Who,
        }

        impl FromRequestParts<AdminState> for $name {
            type Rejection = Response;

            async fn from_request_parts(parts: &mut Parts, state: &AdminState) -> Result<Self, Response> {
                let who = admitted(parts, $right)?;
                Ok(Self { calls: state.calls().clone(), who })
            }
        }
    )* };
}

admitted! {
    /// Whoever is signed in.
    Reader => Right::Read;
    /// Whoever may see the bodies of calls.
    BodyReader => Right::ReadBodies;
    /// Whoever does the daily work.
    Operator => Right::Operate;
    /// Whoever decides who may do what.
    Administrator => Right::Administer;
}

fn admitted(parts: &Parts, right: Right) -> Result<Who, Response> {
    let Some(who) = parts.extensions.get::<Who>() else { return Err(unknown(parts)) };
    if who.role.may(right) { Ok(who.clone()) } else { Err(not_allowed(parts)) }
}

fn is_page(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/panel")
}

/// People are asked to sign in, and brought back to where they were; programs are told.
fn unknown(parts: &Parts) -> Response {
    if !is_page(parts) {
        let text = said("请先登录，或用 Authorization: Bearer 给出 API 令牌。", "Sign in, or give an API token: Authorization: Bearer.");
        return ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", text).into_response();
    }
    let here = if parts.method.is_safe() { parts.uri.path_and_query().map_or("/panel/", |path| path.as_str()) } else { "/panel/" };
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    Redirect::to(&format!("/panel/sign-in?next={next}")).into_response()
}

fn not_allowed(parts: &Parts) -> Response {
    let text = said("您的角色不允许此操作。", "Your role does not allow this.");
    if is_page(parts) {
        PageError::from(CallError::Forbidden(text)).into_response()
    } else {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", text).into_response()
    }
}
