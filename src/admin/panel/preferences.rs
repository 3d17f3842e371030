//! The language and the colours somebody chooses: two cookies, nothing else.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::{
    form::{Fields, Posted},
    frame::{SCHEME_COOKIE, back},
};
use crate::admin::language;

/// A year.
const KEPT_SECONDS: u32 = 365 * 24 * 3600;

/// Keeps what was chosen, and goes back to where it was chosen.
pub(in crate::admin) async fn choose(Posted(form): Posted) -> Response {
    let mut response = back(local(form.text("back")), "preferences").into_response();
    for cookie in cookies(&form) {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn cookies(form: &Fields) -> Vec<String> {
    let language = form.given("language").and_then(language::parse).map(|chosen| (language::COOKIE, language::tag(chosen)));
    let scheme = form.given("scheme").filter(|scheme| ["light", "dark", "auto"].contains(scheme)).map(|scheme| (SCHEME_COOKIE, scheme));
    let cookie = |(name, value)| format!("{name}={value}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax; HttpOnly");
    language.into_iter().chain(scheme).map(cookie).collect()
}

/// A path of the panel; anything else is its first page. Nobody is led away from here.
pub(in crate::admin) fn local(path: &str) -> &str {
    let plain = path.starts_with("/panel/") && !path.contains(['\\', '\r', '\n']) && !path.starts_with("//");
    if plain { path } else { "/panel/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away() {
        for away in ["https://evil.example/panel/", "//evil.example/panel/", "/panel", "/other", "/panel/\r\nSet-Cookie: a=b", "/\\evil"] {
            assert_eq!(local(away), "/panel/", "{away}");
        }
        assert_eq!(local("/panel/groups?x=1"), "/panel/groups?x=1");
    }

    #[test]
    fn only_what_there_is_can_be_chosen() {
        let of = |pairs: &[(&str, &str)]| cookies(&Fields::of(pairs.iter().copied()));
        assert!(of(&[("language", "xx"), ("scheme", "pink")]).is_empty());
        assert_eq!(of(&[("language", "en")]), ["anmei_language=en; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly"]);
        assert_eq!(of(&[("scheme", "dark")]).len(), 1);
    }
}
