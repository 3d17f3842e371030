//! The refusals that many routes have in common, for the document: each is a problem body (RFC 9457).

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, ResponsesBuilder, schema::Schema},
};

use crate::problem::Problem;

type Answers = BTreeMap<String, RefOr<Response>>;

fn answers(of: &[(&str, &str)]) -> Answers {
    let schema: RefOr<Schema> = Ref::from_schema_name(Problem::name()).into();
    let content = || ContentBuilder::new().schema(Some(schema.clone())).build();
    let build = |text: &str| ResponseBuilder::new().description(text).content("application/problem+json", content()).build();
    of.iter().fold(ResponsesBuilder::new(), |all, (status, text)| all.response(*status, build(text))).build().responses
}

/// What every route may answer.
#[derive(Debug)]
pub(super) struct Denied;

impl IntoResponses for Denied {
    fn responses() -> Answers {
        answers(&[
            ("400", "The request is not well formed, or its host header is not"),
            ("401", "Nobody is signed in, or the token is not valid"),
            ("403", "The role does not allow it, the form token is missing, or host or origin are not allowed"),
            ("503", "The database or the automation cannot answer at the moment"),
        ])
    }
}

/// What is named is not there.
#[derive(Debug)]
pub(super) struct Absent;

impl IntoResponses for Absent {
    fn responses() -> Answers {
        answers(&[("404", "What is named does not exist")])
    }
}

/// A query or a path does not fit.
#[derive(Debug)]
pub(super) struct Unfit;

impl IntoResponses for Unfit {
    fn responses() -> Answers {
        answers(&[("422", "Something does not fit; `errors` says what, by JSON pointer")])
    }
}

/// A body does not fit.
#[derive(Debug)]
pub(super) struct UnfitBody;

impl IntoResponses for UnfitBody {
    fn responses() -> Answers {
        answers(&[
            ("413", "The body is larger than 1 MiB"),
            ("415", "The body is not JSON"),
            ("422", "Something does not fit; `errors` says what, by JSON pointer"),
        ])
    }
}

/// It cannot be done as things are.
#[derive(Debug)]
pub(super) struct Clash;

impl IntoResponses for Clash {
    fn responses() -> Answers {
        answers(&[("409", "It cannot be done as things are")])
    }
}

/// A change names the version it is made on.
#[derive(Debug)]
pub(super) struct Guarded;

impl IntoResponses for Guarded {
    fn responses() -> Answers {
        answers(&[("412", "Somebody else changed it since; `current` is what it is, `ETag` its version"), ("428", "`If-Match` is missing")])
    }
}

/// A request names itself by an `Idempotency-Key`: what [`crate::admin::entry::once`] answers.
#[derive(Debug)]
pub(super) struct Named;

impl IntoResponses for Named {
    fn responses() -> Answers {
        answers(&[
            ("409", "A request with this `Idempotency-Key` is under way, or nobody knows what became of it"),
            ("413", "The body is larger than 1 MiB"),
            ("422", "This `Idempotency-Key` came with another body before"),
        ])
    }
}
