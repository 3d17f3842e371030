//! Parameters of a request, read strictly: none may come twice, and an empty one counts as left out (RFC 6749 §3.1).

use std::collections::BTreeMap;

/// Most parameters that are read; a request of ours has a dozen.
const MOST: usize = 64;

/// Parameters by name.
#[derive(Clone, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    repeated: Vec<String>,
}

impl std::fmt::Debug for Params {
    /// The names alone: values are codes, tokens and secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Params").field("names", &self.values.keys()).field("repeated", &self.repeated).finish()
    }
}

impl Params {
    /// Reads `application/x-www-form-urlencoded`, as in a query or a body.
    pub fn read(text: &str) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).take(MOST) {
            if params.values.contains_key(name.as_ref()) {
                params.repeated.push(name.into_owned());
            } else {
                params.values.insert(name.into_owned(), value.into_owned());
            }
        }
        params
    }

    /// A value; none when it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a parameter came more than once.
    pub fn repeats(&self, name: &str) -> bool {
        self.repeated.iter().any(|repeated| repeated == name)
    }

    /// The first parameter that came more than once.
    pub fn repeated(&self) -> Option<&str> {
        self.repeated.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_a_parameter_comes_once_and_an_empty_one_is_none() {
        let params = Params::read("a=1&b=&c=x%20y&a=2&d");
        assert_eq!((params.get("a"), params.get("b"), params.get("c"), params.get("d")), (Some("1"), None, Some("x y"), None));
        assert_eq!((params.repeated(), params.repeats("a"), params.repeats("c")), (Some("a"), true, false));
        assert!(!format!("{params:?}").contains("x y"));
    }
}
