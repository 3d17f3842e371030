//! What all routes of the API share: how bodies and queries are read, how versions travel, how a refusal looks.
//!
//! A refusal is made without knowing who reads it; [`localised`] puts it into the reader's language on its way out.

use std::sync::Arc;

use axum::{
    extract::{self, FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::{
        calls::{CallError, Field, said},
        entry::{Reader, is_panel},
        language,
        panel::frame::refusal,
    },
    config::{Bilingual, Language},
    problem::Problem,
    store::stale::Seen,
};

/// Entries of a page when nobody says how many.
const PAGE: u32 = 50;
/// Most entries of a page.
const LONGEST_PAGE: u32 = 200;

/// Why a request got nothing, before it is known in which language.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    text: Bilingual,
    fields: Vec<Field>,
    current: Option<(Value, i64)>,
}

impl ApiError {
    /// A refusal of the kind `kind`.
    pub fn new(status: StatusCode, kind: &'static str, text: Bilingual) -> Self {
        Self { status, kind, text, fields: Vec::new(), current: None }
    }

    fn problem(&self, language: Language) -> Problem {
        let start = Problem::new(self.status, self.kind, self.text.of(language));
        let mut problem = self.fields.iter().fold(start, |problem, field| problem.with_field(&*field.pointer, field.text.of(language)));
        problem.current = self.current.as_ref().map(|(current, _)| current.clone());
        problem
    }

    fn response(&self, language: Language) -> Response {
        let mut response = self.problem(language).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language::tag(language)));
        if let Some((_, version)) = &self.current {
            headers.insert(header::ETAG, etag(*version));
        }
        // Which methods there are is said by the router, which knows them.
        headers.remove(header::ALLOW);
        response
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotFound(text) => Self::new(StatusCode::NOT_FOUND, "not-found", text),
            CallError::Invalid(fields) => {
                let text = said("请求中有不正确的字段，见 errors。", "Some fields are not right; see errors.");
                Self { fields, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text) }
            }
            CallError::Conflict(text) => Self::new(StatusCode::CONFLICT, "conflict", text),
            CallError::Stale { current, version } => {
                let text = said(
                    "在您读取之后，别人已经修改了它；current 是现在的内容。请据此重新修改后再提交。",
                    "Somebody else changed it since you read it; `current` is what it is now. Make your change on that, and send it again.",
                );
                Self { current: Some((*current, version)), ..Self::new(StatusCode::PRECONDITION_FAILED, "stale", text) }
            }
            CallError::Forbidden(text) => Self::new(StatusCode::FORBIDDEN, "forbidden", text),
            CallError::Unconfirmed => {
                let text = said(
                    "此操作需要再次确认密码：请先 POST /api/v1/me/confirm。",
                    "This asks for the password again: POST /api/v1/me/confirm first.",
                );
                Self::new(StatusCode::FORBIDDEN, "unconfirmed", text)
            }
            CallError::Unavailable(text) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text),
            CallError::Store(error) => {
                tracing::error!(%error, "a call of the admin side failed");
                let transient = error.is_transient();
                let status = if transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
                let text = said(
                    "数据库暂时无法完成此操作，请稍后再试；详情见日志。",
                    "The database could not do it; try again shortly. The log says why.",
                );
                Self::new(status, if transient { "unavailable" } else { "internal" }, text)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.response(Language::En);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Puts refusals into the reader's language.
pub(in crate::admin) async fn localised(request: Request, next: Next) -> Response {
    let language = language::of(request.headers());
    let response = next.run(request).await;
    match response.extensions().get::<Arc<ApiError>>() {
        Some(error) if language != Language::En => with_headers(error.response(language), response.headers()),
        _ => response,
    }
}

/// What was said beside the text stays: how to be let in, how long to wait.
fn with_headers(mut response: Response, said: &HeaderMap) -> Response {
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = said.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// A JSON body. What does not fit is named by its JSON pointer.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let text = said(
                "请求体必须是 JSON：请设置 Content-Type: application/json。",
                "The body must be JSON: send Content-Type: application/json.",
            );
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", text));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unreadable(&rejection))?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let text = said("请求体过大，最大 1 MiB。", "The body is too large; 1 MiB is the most.");
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text);
    }
    ApiError::new(StatusCode::BAD_REQUEST, "body", said("请求体没有完整到达。", "The body did not arrive whole."))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let why = error.into_inner();
        if why.is_data() { misfit(&pointer, &why) } else { not_json(&why) }
    })?;
    reader.end().map_err(|why| not_json(&why))?;
    // serde takes a list for the fields of an object, one after the other.
    if bytes.trim_ascii_start().starts_with(b"[") {
        let (zh, en) = ("格式不符：请求体必须是 JSON 对象，不能是数组", "does not fit: the body must be a JSON object, not an array");
        return Err(CallError::invalid("", zh, en).into());
    }
    Ok(value)
}

fn misfit(pointer: &str, why: &serde_json::Error) -> ApiError {
    // Where it is says the pointer; serde's position in the text would only repeat it.
    let why = why.to_string();
    let why = why.split(" at line ").next().unwrap_or_default();
    CallError::invalid(named(pointer, why), format!("格式不符：{why}"), format!("does not fit: {why}")).into()
}

/// The pointer to a field that is missing or came twice: serde's path ends at the object, and only its text names the field.
fn named(pointer: &str, why: &str) -> String {
    let about_a_field = ["missing field `", "duplicate field `"].iter().find_map(|start| why.strip_prefix(start));
    match about_a_field.and_then(|rest| rest.split_once('`')) {
        Some((field, _)) => format!("{pointer}/{}", escaped(field)),
        None => pointer.to_owned(),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn not_json(why: &serde_json::Error) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "json",
        said(format!("请求体不是有效的 JSON：{why}"), format!("The body is not valid JSON: {why}")),
    )
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&escaped(key)),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

/// A query string. What does not fit is named.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Self).map_err(|error| {
            let pointer = pointer(error.path());
            let why = error.into_inner().to_string();
            let pointer = named(&pointer, &why);
            CallError::invalid(pointer, format!("查询参数不正确：{why}"), format!("a query parameter does not fit: {why}")).into()
        })
    }
}

/// What the path names. A path that is not text is refused as everything else is.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = extract::Path::<T>::from_request_parts(parts, state).await;
        found.map(|extract::Path(value)| Self(value)).map_err(|rejection| {
            let why = rejection.body_text();
            ApiError::new(rejection.status(), "path", said(format!("路径不正确：{why}"), format!("The path does not fit: {why}")))
        })
    }
}

/// The answer to a method that a path does not have; which it has is in `Allow`. Who has not signed in does not hear it.
pub(in crate::admin) async fn no_such_method(_: Reader, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let text = said(
        format!("此路径不支持 {method} 方法；支持的方法见响应头 Allow。"),
        format!("Nothing is done here by {method}; the header Allow says by what."),
    );
    if is_panel(uri.path()) {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, &CallError::Conflict(text), &uri, &headers);
    }
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", text).into_response()
}

/// Which page of a list is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Entries of a page: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// How many entries, once it is known that this many may be asked for.
    pub fn limit(&self) -> Result<u32, CallError> {
        page_length(self.limit)
    }
}

/// How many entries a page has, when so many are asked for.
pub fn page_length(limit: Option<u32>) -> Result<u32, CallError> {
    match limit {
        None => Ok(PAGE),
        Some(limit) if (1..=LONGEST_PAGE).contains(&limit) => Ok(limit),
        Some(limit) => Err(CallError::invalid(
            "/limit",
            format!("{limit} 超出范围：1 到 {LONGEST_PAGE}"),
            format!("{limit} is out of range: 1 to {LONGEST_PAGE}"),
        )),
    }
}

/// Something with a version, which a later change must name.
#[derive(Debug)]
pub struct Versioned<T>(pub T, pub i64);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(self.1))], axum::Json(self.0)).into_response()
    }
}

fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The version a change is made on: the header `If-Match` (RFC 9110, section 13.1.1). `*` means whatever is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Err(version_required()) };
        let value = value.to_str().unwrap_or_default().trim();
        if value == "*" {
            return Ok(Self(None));
        }
        let version = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
        version.map(|version| Self(Some(version))).ok_or_else(|| {
            let text = said("If-Match 必须是一个 ETag，例如 \"1764150000000\"。", "If-Match must be one ETag, such as \"1764150000000\".");
            ApiError::new(StatusCode::BAD_REQUEST, "version", text)
        })
    }
}

fn version_required() -> ApiError {
    let text = said(
        "请用 If-Match 头说明您修改的是哪个版本：填入读取时得到的 ETag，例如 If-Match: \"1764150000000\"。",
        "Say which version you change: send If-Match with the ETag you read, such as If-Match: \"1764150000000\".",
    );
    ApiError::new(StatusCode::PRECONDITION_REQUIRED, "version-required", text)
}

/// The same for what is made and changed in one way. Without `If-Match` it is made: one that is there stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatchOrNew {
    /// What whoever asks knows of it.
    pub seen: Seen,
    /// Whether they say that there is none: `If-None-Match: *`.
    says_none: bool,
}

impl IfMatchOrNew {
    /// Why nothing was done: who named no version is asked for one.
    pub fn refused(&self, error: CallError) -> ApiError {
        match error {
            CallError::Stale { current, version } if self.seen == Seen::Nothing && !self.says_none => {
                ApiError { current: Some((*current, version)), ..version_required() }
            }
            other => other.into(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatchOrNew {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let says_none = parts.headers.contains_key(header::IF_NONE_MATCH);
        if !parts.headers.contains_key(header::IF_MATCH) {
            return Ok(Self { seen: Seen::Nothing, says_none });
        }
        let IfMatch(version) = IfMatch::from_request_parts(parts, state).await?;
        Ok(Self { seen: version.map_or(Seen::Whatever, Seen::Version), says_none })
    }
}

/// Something that was made: where it is, and what it is.
#[derive(Debug)]
pub struct Created<T> {
    /// Its path.
    pub location: String,
    /// What it is.
    pub view: T,
    /// Its version, where it has one.
    pub version: Option<i64>,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, axum::Json(self.view)).into_response();
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if let Some(version) = self.version {
            response.headers_mut().insert(header::ETAG, etag(version));
        }
        response
    }
}

/// What a change answers besides what it made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Effective {
    /// Always true: it is in force for the next request, in every process.
    pub effective_immediately: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "a/b")]
        _list: Vec<u8>,
        #[serde(default)]
        _more: Vec<Sample>,
    }

    #[test]
    fn a_misfit_is_named_by_its_pointer_and_broken_json_is_another_error() {
        let of = |text: &str| parse::<Sample>(text.as_bytes()).unwrap_err().problem(Language::ZhCn);
        let wrong = of(r#"{"a/b": [1, "x"]}"#);
        assert_eq!((wrong.status, wrong.errors[0].pointer.as_str()), (422, "/a~1b/1"));
        assert!(wrong.errors[0].detail.starts_with("格式不符"));
        assert_eq!(of(r#"{"a/b": ["#).status, 400);
        assert_eq!(of(r#"{"a/b": []} x"#).status, 400);
        for (body, pointer) in [
            (r#"{"a/b": [], "c": 1}"#, "/c"),
            ("{}", "/a~1b"),
            (r#"{"a/b": [], "a/b": []}"#, "/a~1b"),
            (r#"{"a/b": [], "_more": [{}]}"#, "/_more/0/a~1b"),
            (r#"{"a/b": [], "_more": [{"a/b": [], "c~": 1}]}"#, "/_more/0/c~0"),
            ("3", ""),
            (" [[1]]", ""),
        ] {
            let wrong = of(body);
            assert_eq!((wrong.status, wrong.errors[0].pointer.as_str()), (422, pointer), "{body}");
        }
    }

    #[test]
    fn a_stale_change_is_told_what_there_is() {
        let error = ApiError::from(CallError::Stale { current: Box::new(json!({"n": 2})), version: 7 });
        let response = error.response(Language::En);
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
        assert_eq!(response.headers()[header::ETAG], "\"7\"");
        assert_eq!(error.problem(Language::En).current, Some(json!({"n": 2})));
    }

    #[test]
    fn pages_have_a_longest_length() {
        assert_eq!(page_length(None).unwrap(), 50);
        assert!(page_length(Some(0)).is_err() && page_length(Some(201)).is_err());
    }
}
