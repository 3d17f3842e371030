//! Reader, BodyReader, Operator, Administrator: what a route asks for, and the only ways to the data.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};

use super::layer::challenge;
use crate::admin::{
    Right, Who,
    api::frame::ApiError,
    calls::{CallError, Calls, said},
    panel::{frame::PageError, preferences::local},
    state::AdminState,
};

macro_rules! extractor {
    ($(#[$doc:meta])* $name:ident, $right:expr) => {
        $(#[$doc])*
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
                let who = entitled(parts, $right)?;
                Ok(Self { calls: state.calls().clone(), who })
            }
        }
    };
}

extractor!(
    /// Somebody who signed in.
    Reader,
    Right::Read
);
extractor!(
    /// Somebody who may see what callers sent, unredacted.
    BodyReader,
    Right::ReadBodies
);
extractor!(
    /// Somebody who may do the daily work.
    Operator,
    Right::Operate
);
extractor!(
    /// Somebody who may change everything.
    Administrator,
    Right::Administer
);

/// Whether a path is one of the panel's pages.
pub(in crate::admin) fn is_panel(path: &str) -> bool {
    path == "/" || path == "/panel" || path.starts_with("/panel/")
}

/// Whoever the layer found, if they have the right.
fn entitled(parts: &Parts, right: Right) -> Result<Who, Response> {
    let panel = is_panel(parts.uri.path());
    let Some(who) = parts.extensions.get::<Who>() else {
        return Err(if panel { to_sign_in(&parts.method, &parts.uri, &parts.headers) } else { unauthorized(&parts.headers) });
    };
    if who.role.may(right) {
        return Ok(who.clone());
    }
    let error = CallError::Forbidden(needs(right));
    Err(if panel { PageError::from(error).into_response() } else { ApiError::from(error).into_response() })
}

fn needs(right: Right) -> crate::config::Bilingual {
    match right {
        Right::Read => said("请先登录。", "Sign in first."),
        Right::ReadBodies => said("只有审计员可以查看未脱敏的调用内容。", "Only an auditor sees what was sent in calls, unredacted."),
        Right::Operate => said("您的角色只能查看，不能修改。", "Your role may look and not change anything."),
        Right::Administer => said("只有管理员可以执行此操作。", "Only an administrator may do this."),
    }
}

fn unauthorized(headers: &HeaderMap) -> Response {
    let text = said("请先登录，或发送 Authorization: Bearer <API 令牌>。", "Sign in first, or send Authorization: Bearer <API token>.");
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", text).into_response();
    challenge(&mut response, headers);
    response
}

/// To the sign-in page, and from there back. A form that was sent after its session ended leads back to the form's page.
fn to_sign_in(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<Uri>().ok());
    let here = if method.is_safe() { Some(uri) } else { referer.as_ref() };
    let path = here.and_then(Uri::path_and_query).map_or("/panel/", |path| local(path.as_str()));
    let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    Redirect::to(&format!("/panel/sign-in?next={next}")).into_response()
}
