//! Whether a page of ours sent a request: by where it says it comes from, and by what its form carries.

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::admin::state::EntrySettings;

/// Name of the field that every form carries.
const FIELD: &str = "_csrf";
/// Name of the header that scripts send instead.
const HEADER: &str = "x-csrf-token";

/// Whether a request says that it comes from a page under our own address. Browsers always say so.
pub(super) fn from_our_page(headers: &HeaderMap, settings: &EntrySettings) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site");
    match text("origin") {
        Some(origin) => {
            let origin = origin.to_ascii_lowercase();
            let host = text("host").unwrap_or_default().to_ascii_lowercase();
            let ours = origin.split_once("://").is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && rest == host)
                || settings.public_origin.as_ref().is_some_and(|public| *public == origin);
            ours && site.is_none_or(|site| site == "same-origin")
        }
        None => site == Some("same-origin"),
    }
}

/// What a request carries against forgery, beside its body.
pub(super) fn header_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER)?.to_str().ok()
}

/// How a body has to be read to find what it carries; none when it cannot carry anything.
pub(super) fn kind(headers: &HeaderMap) -> Option<FormKind> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (essence, rest) = kind.split_once(';').unwrap_or((kind, ""));
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Some(FormKind::Urlencoded),
        "multipart/form-data" => {
            let boundary = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
            (!boundary.is_empty()).then(|| FormKind::Multipart(boundary.to_owned()))
        }
        _ => None,
    }
}

/// How a form was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FormKind {
    Urlencoded,
    Multipart(String),
}

/// What a form carries.
pub(super) fn field_token(kind: &FormKind, body: &[u8]) -> Option<String> {
    match kind {
        FormKind::Urlencoded => form_urlencoded::parse(body).find(|(name, _)| name == FIELD).map(|(_, value)| value.into_owned()),
        FormKind::Multipart(boundary) => {
            let delimiter = format!("--{boundary}");
            let named = format!("name=\"{FIELD}\"");
            parts(body, delimiter.as_bytes()).find_map(|part| {
                let at = find(part, b"\r\n\r\n")?;
                let (head, rest) = part.split_at_checked(at)?;
                let names_it = String::from_utf8_lossy(head).split(';').any(|piece| piece.split("\r\n").any(|piece| piece.trim() == named));
                let value = rest.strip_prefix(b"\r\n\r\n")?;
                let value = value.strip_suffix(b"\r\n").unwrap_or(value);
                names_it.then(|| String::from_utf8_lossy(value).into_owned())
            })
        }
    }
}

/// What stands between the delimiters.
fn parts<'a>(body: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = find(body, delimiter).and_then(|at| body.get(at + delimiter.len()..));
    std::iter::from_fn(move || {
        let here = rest?;
        let end = find(here, delimiter)?;
        rest = here.get(end + delimiter.len()..);
        here.get(..end)
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Whether what was carried is what the session's forms carry.
pub(super) fn fits(carried: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(carried.as_bytes().ct_eq(expected.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config::Admin;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_page_of_ours_is_one_under_the_address_that_was_asked() {
        let admin = Admin { public_url: Some("https://admin.clinic.cn".into()), ..Admin::default() };
        let settings = EntrySettings::of(&admin);
        let ours = |pairs: &[(&'static str, &str)]| from_our_page(&headers(&[&[("host", "localhost:8002")], pairs].concat()), &settings);
        assert!(ours(&[("origin", "http://localhost:8002")]));
        assert!(ours(&[("origin", "http://localhost:8002"), ("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("origin", "https://admin.clinic.cn")]), "a proxy may ask under another host");
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
        for foreign in ["http://localhost:3000", "https://evil.example", "null", "http://localhost:8002.evil.example", ""] {
            assert!(!ours(&[("origin", foreign)]), "{foreign}");
            assert!(!ours(&[("origin", foreign), ("sec-fetch-site", "same-origin")]), "{foreign}");
        }
        assert!(!ours(&[("origin", "http://localhost:8002"), ("sec-fetch-site", "same-site")]));
        assert!(!ours(&[("sec-fetch-site", "none")]) && !ours(&[]));
    }

    #[test]
    fn every_kind_of_form_is_read() {
        let of = |kind: &str, body: &str| {
            let kind = kind_of(kind)?;
            field_token(&kind, body.as_bytes())
        };
        assert_eq!(of("application/x-www-form-urlencoded; charset=utf-8", "a=1&_csrf=t%2Bo&b=2").as_deref(), Some("t+o"));
        let body = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nname=\"_csrf\"\r\n--B\r\n\
                    Content-Disposition: form-data; name=\"_csrf\"\r\n\r\ntoken\r\n--B--\r\n";
        assert_eq!(of("multipart/form-data; boundary=B", body).as_deref(), Some("token"));
        assert_eq!(of("multipart/form-data; boundary=B", "--B\r\nbroken"), None);
        assert_eq!(of("multipart/form-data", body), None);
        assert_eq!(of("text/plain", "_csrf=x"), None);
    }

    fn kind_of(text: &str) -> Option<FormKind> {
        kind(&headers(&[("content-type", text)]))
    }

    #[test]
    fn nothing_fits_a_session_without_a_token() {
        assert!(fits("abc", "abc") && !fits("abc", "abd") && !fits("", "") && !fits("", "abc"));
    }
}
