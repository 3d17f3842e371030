//! What the routes do not say one by one: the header by which a POST names itself, with what the layer that reads it
//! answers, and the headers of answers.
//!
//! The routes' descriptions do not tell that a handler answers with a version or a location, so what follows from no rule
//! is a list here. tests/api asks every operation and compares: a header that came undescribed fails there, and so does one
//! that was described and did not come.

use utoipa::{
    IntoResponses,
    openapi::{
        Object, ObjectBuilder, OpenApi as Document, RefOr, Required, Response, Type,
        header::{Header, HeaderBuilder},
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
    },
};

use crate::admin::api::answers::Named;

/// A header of an answer: its name, and what it says.
type Said = (&'static str, &'static str);

const VERSION: Said = ("ETag", "The version of what was answered; a change of it names it in `If-Match`");
const LOCATION: Said = ("Location", "The path of what was made");
const FILE_NAME: Said = ("Content-Disposition", "The name of the file");
const HOW_TO_ENTER: Said = ("WWW-Authenticate", "How to be let in (RFC 6750)");
const WAIT: Said = ("Retry-After", "Seconds to wait before it is asked again");
const REPLAYED: Said = ("Idempotency-Replayed", "`true` when this is what an earlier request with this `Idempotency-Key` was answered");

/// Operations that answer with a version, although they are not asked for one: who reads something will change it.
const SHOW_VERSION: [&str; 17] = [
    "GET /api/v1/accounts/{login}",
    "GET /api/v1/agents/weights",
    "GET /api/v1/agents/{agent}",
    "GET /api/v1/groups/{server_code}",
    "GET /api/v1/groups/{server_code}/aliases/{alias}",
    "GET /api/v1/groups/{server_code}/keys/{key_id}",
    "GET /api/v1/groups/{server_code}/tools/{name}",
    "GET /api/v1/limits",
    "GET /api/v1/server/config",
    "GET /api/v1/server/config/{key}",
    "GET /api/v1/settings/{name}",
    "POST /api/v1/accounts",
    "POST /api/v1/agents",
    "POST /api/v1/groups",
    "POST /api/v1/groups/{server_code}/keys/{key_id}/retire",
    "POST /api/v1/groups/{server_code}/keys/{key_id}/revoke",
    "POST /api/v1/groups/{server_code}/tools",
];
/// Answers that carry what the others of their status do not.
const MORE: [(&str, &str, Said); 3] = [
    ("GET /api/v1/calls/export", "200", FILE_NAME),
    // Too many passwords are looked at already.
    ("POST /api/v1/me/confirm", "503", WAIT),
    // There is one, and whoever meant to make it is told its version.
    ("PUT /api/v1/groups/{server_code}/aliases/{alias}", "428", VERSION),
];

/// Completes a document that has every route.
pub(in crate::admin::api) fn complete(document: &mut Document) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if method == "POST" {
                name_itself(operation);
            }
            add_headers(&format!("{method} {path}"), operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Every POST may name itself; what a route says itself of a status stays.
fn name_itself(post: &mut Operation) {
    post.parameters.get_or_insert_default().push(RefOr::T(key()));
    for (status, answer) in Named::responses() {
        post.responses.responses.entry(status).or_insert(answer);
    }
}

fn key() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(128)).pattern(Some("^[!-~]+$"));
    let why = "Names this request: what comes again under the same name, with the same body and query, within 24 hours is not done again.";
    let key = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header).required(Required::False);
    key.description(Some(why)).schema(Some(text)).build()
}

fn add_headers(named: &str, operation: &mut Operation) {
    let takes_version = operation.parameters.iter().flatten().any(|one| matches!(one, RefOr::T(one) if one.name == "If-Match"));
    let shows_version = takes_version || SHOW_VERSION.contains(&named);
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        match status.as_str() {
            "200" | "201" => add_if(answer, shows_version, VERSION),
            "401" => add(answer, HOW_TO_ENTER),
            "412" => add(answer, VERSION),
            "429" => add(answer, WAIT),
            _ => {}
        }
        add_if(answer, status == "201", LOCATION);
        add_if(answer, status.starts_with('2') && named.starts_with("POST "), REPLAYED);
        for (_, _, said) in MORE.iter().filter(|(operation, of, _)| *operation == named && of == status) {
            add(answer, *said);
        }
    }
}

fn add_if(answer: &mut Response, carried: bool, said: Said) {
    if carried {
        add(answer, said);
    }
}

fn add(answer: &mut Response, (name, says): Said) {
    let kind = if name == WAIT.0 { Type::Integer } else { Type::String };
    let header: Header = HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(says)).build();
    answer.headers.insert(name.to_owned(), RefOr::T(header));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        serde_json::to_value(crate::admin::api::document()).unwrap()
    }

    fn operation<'a>(document: &'a Value, named: &str) -> &'a Value {
        let (method, path) = named.split_once(' ').unwrap();
        &document["paths"][path][method.to_lowercase()]
    }

    fn carried(operation: &Value, status: &str) -> BTreeSet<String> {
        operation["responses"][status]["headers"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn every_post_says_how_it_names_itself_and_what_comes_of_it() {
        let document = document();
        let mut posts = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let keys = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["name"] == "Idempotency-Key").count();
                assert_eq!(keys, usize::from(method == "post"), "{method} {path}");
                if method != "post" {
                    continue;
                }
                posts += 1;
                for status in ["400", "409", "413", "422"] {
                    assert!(operation["responses"][status]["content"]["application/problem+json"].is_object(), "{path}: {status}");
                }
            }
        }
        assert!(posts > 40, "{posts}");
        // What a route says itself of a status stays.
        let taken = &operation(&document, "POST /api/v1/groups/{server_code}/keys")["responses"]["409"]["description"];
        assert_eq!(taken, "It cannot be done as things are");
    }

    #[test]
    fn answers_say_which_headers_they_carry() {
        let document = document();
        for (named, status, wanted) in [
            ("GET /api/v1/groups/{server_code}", "200", vec!["ETag"]),
            ("GET /api/v1/groups", "200", vec![]),
            ("PATCH /api/v1/groups/{server_code}", "200", vec!["ETag"]),
            ("PATCH /api/v1/groups/{server_code}", "412", vec!["ETag"]),
            ("DELETE /api/v1/groups/{server_code}", "204", vec![]),
            ("POST /api/v1/groups", "201", vec!["ETag", "Idempotency-Replayed", "Location"]),
            ("POST /api/v1/tokens", "201", vec!["Idempotency-Replayed", "Location"]),
            ("POST /api/v1/me/confirm", "429", vec!["Retry-After"]),
            ("POST /api/v1/me/confirm", "503", vec!["Retry-After"]),
            ("GET /api/v1/me", "503", vec![]),
            ("GET /api/v1/me", "401", vec!["WWW-Authenticate"]),
            ("GET /api/v1/calls/export", "200", vec!["Content-Disposition"]),
        ] {
            let wanted: BTreeSet<String> = wanted.into_iter().map(str::to_owned).collect();
            assert_eq!(carried(operation(&document, named), status), wanted, "{named} {status}");
        }
    }

    #[test]
    fn every_operation_of_the_lists_is_there_with_its_answer() {
        let document = document();
        for named in SHOW_VERSION {
            let operation = operation(&document, named);
            assert!(["200", "201"].iter().any(|status| carried(operation, status).contains("ETag")), "{named}: {operation}");
            let asked = operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == json!("If-Match"));
            assert!(!asked, "{named}: it is asked for a version, so the rule covers it");
        }
        for (named, status, (header, _)) in MORE {
            assert!(carried(operation(&document, named), status).contains(header), "{named} {status}");
        }
    }
}
