//! What people see: the consent page and the page that says why there is none, in Chinese and in English.
//!
//! Rendered here, without a script and without inline style; whatever comes from a client is text. The policy sent with
//! each page lets nothing in from outside, and nobody frame it. `form-action` names the scheme of the client's redirect
//! URI, because browsers apply it to the redirects that follow a form as well.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{consent, texts::Texts};
use crate::{
    gate::oauth::{
        redirect,
        request::Unanswerable,
        transaction::{LIFETIME, Transaction},
    },
    store::oauth_clients::{Client, ClientKind},
};

/// Language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Simplified Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// What the request asks for: `ui_locales`, then the browser's list; Chinese when neither says one of the two.
    pub(super) fn of(locales: Option<&str>, headers: &HeaderMap) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let asked = locales.unwrap_or_default().split(' ').find_map(Self::tag);
        asked.or_else(|| accepted.split(',').find_map(|range| Self::tag(range.split(';').next().unwrap_or_default()))).unwrap_or(Self::Zh)
    }

    /// By the value of the page's own switch.
    pub(super) fn named(text: &str) -> Self {
        Self::tag(text).unwrap_or(Self::Zh)
    }

    fn tag(tag: &str) -> Option<Self> {
        match tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The form came from somewhere else.
    OtherPage,
    /// The form is not one of ours.
    BadForm,
    /// It took too long.
    Expired,
    /// Another browser was shown the page.
    OtherBrowser,
    /// It was answered before.
    Answered,
    /// The key does not prove anything.
    WrongKey,
    /// Login and password do not prove anything.
    WrongLogin,
    /// The account has no right to the group.
    NoRight,
    /// The account has several groups.
    WhichGroup(Vec<String>),
    /// The group is switched off.
    Disabled,
    /// Too many failures: seconds to wait.
    Wait(u64),
    /// The database does not answer.
    Unavailable,
}

/// Beside which field it is said what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// None of them: above the form.
    Form,
    Key,
    Login,
    Group,
}

impl Trouble {
    fn place(&self) -> Place {
        match self {
            Self::WrongKey | Self::Disabled => Place::Key,
            Self::WrongLogin | Self::NoRight => Place::Login,
            Self::WhichGroup(_) => Place::Group,
            Self::OtherPage | Self::BadForm | Self::Expired | Self::OtherBrowser | Self::Answered | Self::Wait(_) | Self::Unavailable => {
                Place::Form
            }
        }
    }
}

/// What the consent page shows.
pub(super) struct Shown<'a> {
    pub(super) transaction: &'a Transaction,
    pub(super) client: &'a Client,
    pub(super) sealed: &'a str,
    pub(super) language: Language,
    pub(super) trouble: Option<Trouble>,
    pub(super) write: bool,
    /// What was typed and is no secret: the login, and the code of a group.
    pub(super) typed: (&'a str, &'a str),
}

#[derive(Template)]
#[template(path = "consent.html")]
#[expect(clippy::struct_excessive_bools, reason = "each decides about one line of the page")]
struct ConsentPage<'a> {
    t: &'static Texts,
    root: &'a str,
    client: &'a str,
    document: Option<&'a str>,
    unverified: bool,
    target: &'a str,
    local: bool,
    plain_http: bool,
    group: Option<&'a str>,
    write: bool,
    sealed: &'a str,
    trouble: Option<(Place, String)>,
    login: &'a str,
    code: &'a str,
    minutes: i64,
    other: &'static str,
}

impl ConsentPage<'_> {
    fn wrong(&self, place: Place) -> Option<&str> {
        self.trouble.as_ref().filter(|(at, _)| *at == place).map(|(_, text)| text.as_str())
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    t: &'static Texts,
    root: &'a str,
    text: &'a str,
}

const STYLE: &str = include_str!("templates/style.css");
const ICON: &str = include_str!("../admin/panel/assets/icon.svg");

/// The style of the pages.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// Their icon: without one, browsers ask for `/favicon.ico`, and their consoles say that the policy forbids it.
pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text).into_response()
}

/// The consent page.
pub(super) fn consent(shown: &Shown<'_>) -> Response {
    let (transaction, client) = (shown.transaction, shown.client);
    let t = Texts::of(shown.language);
    let uri = transaction.redirect_uri.as_str();
    let document = (client.kind == ClientKind::Document).then_some(client.id.as_str());
    let target = redirect::shown(uri);
    let page = ConsentPage {
        t,
        root: path_of(&transaction.issuer),
        client: &client.name,
        document,
        unverified: client.kind != ClientKind::Operator,
        target: &target,
        local: redirect::is_loopback(uri),
        plain_http: uri.starts_with("http://") && !redirect::is_loopback(uri),
        group: transaction.group.as_deref(),
        write: shown.write,
        sealed: shown.sealed,
        trouble: shown.trouble.as_ref().map(|trouble| (trouble.place(), t.trouble(trouble))),
        login: shown.typed.0,
        code: shown.typed.1,
        minutes: LIFETIME / 60_000,
        other: if shown.language == Language::Zh { "en" } else { "zh-CN" },
    };
    let status = shown.trouble.as_ref().map_or(StatusCode::OK, consent::status);
    let scheme = uri.split(':').next().unwrap_or("https");
    let mut response = html(status, &page, scheme);
    if let Some(Trouble::Wait(seconds)) = shown.trouble {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Why there is no consent page.
pub(super) fn refusal(base: &str, language: Language, why: &Unanswerable) -> Response {
    let t = Texts::of(language);
    let mut response = html(consent::refusal_status(why), &RefusalPage { t, root: path_of(base), text: &t.refusal(why) }, "https");
    if let Unanswerable::Busy(seconds) = why {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

/// Why an answer does not count.
pub(super) fn trouble(base: &str, language: Language, trouble: &Trouble) -> Response {
    let t = Texts::of(language);
    html(consent::status(trouble), &RefusalPage { t, root: path_of(base), text: &t.trouble(trouble) }, "https")
}

fn html(status: StatusCode, page: &impl Template, scheme: &str) -> Response {
    let Ok(text) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {scheme}:; frame-ancestors 'none'; base-uri 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With no-referrer, browsers would hide the origin of the form from us as well.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept-Language"),
    ];
    (status, headers, text).into_response()
}

/// The path in front of our routes at this address.
fn path_of(base: &str) -> &str {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// Name of the cookie that binds a request to a browser. The prefix makes browsers refuse one that another host or plain
/// http set; over http itself there is no such protection to be had.
fn cookie_name(base: &str) -> &'static str {
    if base.starts_with("https://") { "__Host-anmei_oauth" } else { "anmei_oauth" }
}

/// The browser's cookie, if it has one of ours.
pub(super) fn cookie(base: &str, headers: &HeaderMap) -> Option<String> {
    let value = crate::http::cookie(headers, cookie_name(base))?;
    (value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| value.to_owned())
}

/// Gives the browser its cookie. Lax: the request itself comes from the client's site, and must find it.
pub(super) fn set_cookie(base: &str, value: &str) -> String {
    let secure = if base.starts_with("https://") { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600{secure}", cookie_name(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_comes_first_and_the_browser_may_ask_for_english() {
        let of = |locales: Option<&str>, accepted: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            Language::of(locales, &headers)
        };
        assert_eq!(of(None, ""), Language::Zh);
        assert_eq!(of(None, "fr, de;q=0.5"), Language::Zh);
        assert_eq!(of(None, "en-US,en;q=0.9,zh;q=0.1"), Language::En);
        assert_eq!(of(None, "zh-TW,en;q=0.9"), Language::Zh);
        assert_eq!(of(Some("fr en"), "zh"), Language::En);
    }

    #[test]
    fn a_cookie_is_ours_or_none() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(text).unwrap());
            (cookie("https://h", &headers), cookie("http://h", &headers))
        };
        let value = "a".repeat(43);
        assert_eq!(with(&format!("x=1; __Host-anmei_oauth={value}")), (Some(value.clone()), None));
        assert_eq!(with(&format!("anmei_oauth={value}")), (None, Some(value)));
        assert_eq!(with("anmei_oauth=short"), (None, None));
    }

    #[test]
    fn the_path_in_front_is_kept() {
        assert_eq!((path_of("http://h:1"), path_of("https://h/anmei")), ("", "/anmei"));
    }
}
