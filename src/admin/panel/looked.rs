//! A list that a form in the address asks for: what was found, or nothing and what is wrong with the question.

use http::StatusCode;

use super::{
    form::{Fields, FormState},
    frame::PageError,
};
use crate::{
    admin::calls::{CallError, Listed},
    config::Language,
};

/// What a list's page shows.
#[derive(Debug)]
pub(in crate::admin) struct Looked<T> {
    /// The page's status.
    pub(in crate::admin) status: StatusCode,
    /// The form, as it was filled in.
    pub(in crate::admin) form: FormState,
    /// What was found.
    pub(in crate::admin) listed: Listed<T>,
    /// The question without its place in the list, for the link to the next page.
    pub(in crate::admin) query: String,
}

impl<T> Looked<T> {
    /// What came of a question.
    pub(in crate::admin) fn of(found: Result<Listed<T>, CallError>, asked: Fields, language: Language) -> Result<Self, PageError> {
        let query = asked.query_but(&["cursor", "said"]);
        match found {
            Ok(listed) => Ok(Self { status: StatusCode::OK, form: FormState::new(asked), listed, query }),
            Err(CallError::Invalid(wrong)) => {
                let (form, listed) = (FormState::refused(asked, &wrong, language), Listed { items: Vec::new(), next_cursor: None });
                Ok(Self { status: StatusCode::UNPROCESSABLE_ENTITY, form, listed, query })
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_question_stays_on_its_page() {
        let asked = || Fields::of([("state", "x"), ("cursor", "7"), ("said", "done")]);
        let found = Looked::of(Ok(Listed { items: vec![1], next_cursor: None }), asked(), Language::En).unwrap();
        assert_eq!((found.status, found.query.as_str(), found.listed.items.len()), (StatusCode::OK, "state=x", 1));
        let wrong = Looked::<i32>::of(Err(CallError::invalid("/state", "无", "no such state")), asked(), Language::En).unwrap();
        assert_eq!(
            (wrong.status, wrong.form.error("state"), wrong.form.value("state")),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("no such state"), "x")
        );
        assert!(Looked::<i32>::of(Err(CallError::conflict("不", "no")), asked(), Language::En).is_err());
    }
}
