//! What somebody typed into a form, and what is wrong with it: shown again beside each field, with what was typed.

use std::collections::BTreeSet;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::{StatusCode, request::Parts};

use super::frame::PageError;
use crate::{
    admin::{
        calls::{CallError, Field, because},
        entry::Operator,
    },
    config::Language,
    store::audit::By,
};

/// The fields of a form or a query, in their order; a name may come several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::admin) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Fields with these values.
    pub(in crate::admin) fn of<N: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn parse(text: &[u8]) -> Self {
        Self::of(form_urlencoded::parse(text))
    }

    /// The value of a field, without blanks around it; empty when it is not there.
    pub(in crate::admin) fn text(&self, name: &str) -> &str {
        self.raw(name).unwrap_or_default().trim()
    }

    /// The value of a field as it came: for passwords and texts whose blanks count.
    pub(in crate::admin) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field, when there is one that is not blank.
    pub(in crate::admin) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Every value of a field that may come several times, such as checkboxes of one name.
    pub(in crate::admin) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, value)| found == name && !value.is_empty()).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a checkbox is ticked, or a button of this name was pressed.
    pub(in crate::admin) fn on(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| !value.is_empty() && value != "false")
    }

    /// Every field.
    pub(in crate::admin) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As a query string, without the fields that are empty, and without those named in `but`.
    pub(in crate::admin) fn query_but(&self, but: &[&str]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(name, value)| !value.is_empty() && !but.contains(&name.as_str())));
        query.finish()
    }
}

/// As whom a form changes something, for the reason in its field `reason`, if there is one.
pub(in crate::admin) fn by(operator: &Operator, form: &Fields) -> Result<By, CallError> {
    because(operator.who.by(operator.calls.clock.as_ref()), form.given("reason"))
}

/// What is wrong with a form, if that is what an error says; else the page is another one. What cannot be done as things
/// are is said above the form.
pub(in crate::admin) fn mistakes(error: CallError) -> Result<Vec<Field>, PageError> {
    mistakes_at("/", error)
}

/// The same, where what cannot be done as things are is said beside a field.
pub(in crate::admin) fn mistakes_at(pointer: &str, error: CallError) -> Result<Vec<Field>, PageError> {
    match error {
        CallError::Invalid(fields) => Ok(fields),
        CallError::Conflict(text) => Ok(vec![Field { pointer: pointer.to_owned(), text }]),
        other => Err(other.into()),
    }
}

/// The body of a form that was sent.
#[derive(Debug)]
pub(in crate::admin) struct Posted(pub(in crate::admin) Fields);

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = StatusCode;

    async fn from_request(request: Request, state: &S) -> Result<Self, StatusCode> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| rejection.status())?;
        Ok(Self(Fields::parse(&bytes)))
    }
}

/// The query of an address.
#[derive(Debug)]
pub(in crate::admin) struct Queried(pub(in crate::admin) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Queried {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// A form as it is shown: what is in its fields, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub(in crate::admin) struct FormState {
    fields: Fields,
    errors: Vec<(String, String)>,
}

impl FormState {
    /// A form with these values and nothing wrong.
    pub(in crate::admin) fn new(fields: Fields) -> Self {
        Self { fields, errors: Vec::new() }
    }

    /// A form that comes back with what was typed, and why.
    pub(in crate::admin) fn refused(fields: Fields, wrong: &[Field], language: Language) -> Self {
        let errors = wrong.iter().map(|field| (field.pointer.trim_start_matches('/').to_owned(), field.text.of(language).to_owned()));
        Self { fields, errors: errors.collect() }
    }

    /// What is in a field.
    pub(in crate::admin) fn value(&self, name: &str) -> &str {
        self.fields.raw(name).unwrap_or_default()
    }

    /// Whether a checkbox is ticked.
    pub(in crate::admin) fn on(&self, name: &str) -> bool {
        self.fields.on(name)
    }

    /// Whether one of the checkboxes or options of a name is chosen.
    pub(in crate::admin) fn chosen(&self, name: &str, value: &str) -> bool {
        self.fields.all(name).contains(&value)
    }

    /// What is wrong with a field, or with a part of what it holds.
    pub(in crate::admin) fn error(&self, name: &str) -> Option<&str> {
        let of = |at: &str| at == name || at.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        self.errors.iter().find(|(at, _)| of(at)).map(|(_, text)| text.as_str())
    }

    /// What is wrong with none of these fields: shown above the form.
    pub(in crate::admin) fn other_errors(&self, shown: &[&str]) -> Vec<&str> {
        let shown: BTreeSet<&str> = shown.iter().copied().collect();
        let first = |at: &str| at.split('/').next().unwrap_or_default().to_owned();
        self.errors.iter().filter(|(at, _)| !shown.contains(first(at).as_str())).map(|(_, text)| text.as_str()).collect()
    }

    /// Whether anything is wrong.
    pub(in crate::admin) fn is_refused(&self) -> bool {
        !self.errors.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::calls::said;

    #[test]
    fn a_form_comes_back_with_what_was_typed_and_what_is_wrong_beside_it() {
        let typed = Fields::parse("name=%E5%BC%A0&roles=admin&roles=doctor&on=1&off=".as_bytes());
        assert_eq!((typed.text("name"), typed.all("roles"), typed.on("on"), typed.on("off")), ("张", vec!["admin", "doctor"], true, false));
        let wrong = [
            Field { pointer: "/name".into(), text: said("太短", "too short") },
            Field { pointer: "/roles/1".into(), text: said("没有", "unknown") },
            Field { pointer: "/elsewhere".into(), text: said("别处", "elsewhere") },
        ];
        let form = FormState::refused(typed, &wrong, Language::En);
        assert_eq!((form.error("name"), form.error("roles"), form.error("on")), (Some("too short"), Some("unknown"), None));
        assert_eq!(form.other_errors(&["name", "roles"]), ["elsewhere"]);
        assert!(form.chosen("roles", "doctor") && !form.chosen("roles", "operator"));
    }

    #[test]
    fn what_cannot_be_done_stays_on_the_form() {
        let conflict = || CallError::Conflict(said("已存在", "exists"));
        let fields = mistakes(conflict()).unwrap();
        assert_eq!((fields[0].pointer.as_str(), fields[0].text.en.as_str()), ("/", "exists"));
        assert_eq!(mistakes_at("/name", conflict()).unwrap()[0].pointer, "/name");
        let form = FormState::refused(Fields::default(), &fields, Language::En);
        assert_eq!((form.error("name"), form.other_errors(&["name"])), (None, vec!["exists"]));
        assert!(mistakes(CallError::NotFound(said("无", "none"))).is_err());
    }

    #[test]
    fn a_query_is_passed_on_without_its_place() {
        let asked = Fields::parse(b"state=done&cursor=9&user=&q=a%26b");
        assert_eq!(asked.query_but(&["cursor"]), "state=done&q=a%26b");
    }
}
