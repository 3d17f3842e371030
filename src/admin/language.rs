//! In which language somebody is answered: the one they chose, else what their browser or program asks for, else Chinese.

use http::{HeaderMap, header};

use crate::{config::Language, http::cookie};

/// Cookie that holds the language somebody chose on a page.
pub const COOKIE: &str = "anmei_language";

/// The language for a request with these headers.
pub fn of(headers: &HeaderMap) -> Language {
    if let Some(chosen) = cookie(headers, COOKIE).and_then(parse) {
        return chosen;
    }
    let accepted = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut wishes = accepted.flat_map(|line| line.split(','));
    wishes.find_map(|wish| parse(wish.split(';').next().unwrap_or_default())).unwrap_or_default()
}

/// The language of a tag such as `zh-CN` or `en-US`, if it is one of ours.
pub fn parse(tag: &str) -> Option<Language> {
    let tag = tag.trim();
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    if primary.eq_ignore_ascii_case("zh") {
        Some(Language::ZhCn)
    } else if primary.eq_ignore_ascii_case("en") {
        Some(Language::En)
    } else {
        None
    }
}

/// The tag of a language, for `lang` attributes and `Content-Language`.
pub fn tag(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "zh-CN",
        Language::En => "en",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_was_chosen_counts_before_what_the_browser_asks_for() {
        let with = |cookie: &'static str, accepted: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            of(&headers)
        };
        assert_eq!(with("", ""), Language::ZhCn);
        assert_eq!(with("", "fr, de;q=0.5"), Language::ZhCn);
        assert_eq!(with("", "en-US,en;q=0.9,zh;q=0.1"), Language::En);
        assert_eq!(with("x=1; anmei_language=zh-CN", "en"), Language::ZhCn);
        assert_eq!(with("anmei_language=en", "zh"), Language::En);
        assert_eq!(with("anmei_language=xx", "en"), Language::En);
    }
}
