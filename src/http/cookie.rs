//! What a browser keeps for us.

use http::{HeaderMap, header};

/// The value of the first cookie of a name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("xa=1; a=2=3;a=4"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=5"));
        assert_eq!((cookie(&headers, "a"), cookie(&headers, "b"), cookie(&headers, "x")), (Some("2=3"), Some("5"), None));
    }
}
