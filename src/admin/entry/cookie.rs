//! The browser's half of a session.
//!
//! `Strict`: no request that another site caused carries it. A link from elsewhere therefore arrives without it, and is
//! answered by a page that asks again from here (see `layer`), so that nobody has to sign in twice and nothing needs `Lax`.

use http::{HeaderMap, HeaderValue};

use crate::http::cookie;

const PLAIN: &str = "anmei_admin";
/// Browsers take it over encryption only, and from this very host.
const ENCRYPTED: &str = "__Host-anmei_admin";

fn name(encrypted: bool) -> &'static str {
    if encrypted { ENCRYPTED } else { PLAIN }
}

/// What the browser shows, if it can be one of ours.
pub(in crate::admin) fn shown(headers: &HeaderMap, encrypted: bool) -> Option<String> {
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    cookie(headers, name(encrypted)).filter(|value| value.len() == 43 && value.bytes().all(base64url)).map(str::to_owned)
}

/// Gives the browser its half. It ends with the browser, or with the session.
pub(in crate::admin) fn given(value: &str, encrypted: bool) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&line(value, "", encrypted)).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Takes it back.
pub(in crate::admin) fn taken(encrypted: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&line("", "; Max-Age=0", encrypted)).ok()
}

fn line(value: &str, more: &str, encrypted: bool) -> String {
    let secure = if encrypted { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{more}{secure}", name(encrypted))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn a_browser_gets_a_cookie_that_only_we_see() {
        assert_eq!(given("x", false).unwrap(), "anmei_admin=x; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(given("x", true).unwrap(), "__Host-anmei_admin=x; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(taken(true).unwrap().to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn what_cannot_be_one_of_ours_is_none() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(text).unwrap());
            (shown(&headers, false), shown(&headers, true))
        };
        let value = "a".repeat(43);
        assert_eq!(with(&format!("x=1; anmei_admin={value}")), (Some(value.clone()), None));
        assert_eq!(with(&format!("__Host-anmei_admin={value}")), (None, Some(value)));
        assert_eq!(with("anmei_admin=short"), (None, None));
    }
}
