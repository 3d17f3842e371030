//! The app's body as one shape: snake or camel case, nulls, unknown fields, opaque ids.

use chrono::DateTime;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{ids::AppId, problem::Problem, store::registrations::Profile};

/// Most characters of a text field that is kept.
const LONGEST: usize = 200;

/// Reads a body. The problem names every field that is wrong.
pub(super) fn read(body: &[u8], now: i64) -> Result<Profile, Problem> {
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body", format!("The body is not a JSON object: {error}.")))?;
    let mut wrong = Vec::new();
    let user_id = user_id(&fields, &mut wrong);
    let mut text = |name, camel| text(&fields, name, camel, &mut wrong);
    let profile = Profile {
        username: text("username", "userName").unwrap_or_default(),
        email: text("email", "email"),
        phone: text("phone", "phone"),
        avatar: text("avatar", "avatar"),
        roles: roles(&fields, &mut wrong),
        registered_at: registered_at(&fields, &mut wrong).unwrap_or(now),
        user_id: user_id.unwrap_or_default(),
    };
    if wrong.is_empty() {
        return Ok(profile);
    }
    let detail =
        "Some fields are not usable; `errors` names them. Needed: user_id. Optional: username, email, phone, avatar, roles, created_at.";
    Err(wrong.into_iter().fold(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", detail), |problem, (name, why)| {
        problem.with_field(format!("/{name}"), why)
    }))
}

type Wrong = Vec<(&'static str, String)>;

fn field<'a>(fields: &'a Map<String, Value>, name: &str, camel: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| fields.get(camel)).filter(|value| !value.is_null())
}

fn user_id(fields: &Map<String, Value>, wrong: &mut Wrong) -> Option<String> {
    let id = match field(fields, "user_id", "userId") {
        Some(Value::String(id)) => AppId::try_from(id.clone()).map_err(|error| error.to_string()),
        Some(_) => Err("a text is expected, such as \"usr_0123456789abcdef\"".into()),
        None => Err("it is missing; the app's user id is needed, such as \"usr_0123456789abcdef\"".into()),
    };
    id.map(|id| id.as_str().to_owned()).map_err(|why| wrong.push(("user_id", why))).ok()
}

/// A text, with control characters removed and its length capped: what people type reaches prompts and panels.
fn text(fields: &Map<String, Value>, name: &'static str, camel: &str, wrong: &mut Wrong) -> Option<String> {
    match field(fields, name, camel)? {
        Value::String(text) => Some(text.chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>().trim().to_owned())
            .filter(|text| !text.is_empty()),
        other => {
            wrong.push((name, format!("a text or null is expected, not {}", kind(other))));
            None
        }
    }
}

fn roles(fields: &Map<String, Value>, wrong: &mut Wrong) -> Vec<String> {
    let names = match field(fields, "roles", "roles") {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(Value::String(one)) => Some(vec![one.clone()]),
        Some(_) => None,
    };
    match names {
        // The app gives everybody who registers at least this role.
        Some(names) if names.is_empty() => vec!["customer".into()],
        Some(names) => names.into_iter().take(10).collect(),
        None => {
            wrong.push(("roles", "a list of role names is expected, such as [\"customer\"]".into()));
            Vec::new()
        }
    }
}

fn registered_at(fields: &Map<String, Value>, wrong: &mut Wrong) -> Option<i64> {
    let value = field(fields, "created_at", "createdAt").or_else(|| field(fields, "registered_at", "registeredAt"))?;
    let ms = match value {
        // FastAPI writes naive UTC times without a zone.
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .map(|at| at.timestamp_millis())
            .ok()
            .or_else(|| text.parse::<chrono::NaiveDateTime>().ok().map(|at| at.and_utc().timestamp_millis())),
        Value::Number(number) => number.as_i64(),
        _ => None,
    };
    if ms.is_none() {
        wrong.push(("created_at", "a time as RFC 3339 is expected, such as \"2026-01-31T08:00:00Z\"".into()));
    }
    ms
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_body_is_read_in_both_spellings() {
        let snake =
            br#"{"user_id":"usr_1","username":"\u5f20\u4f1f","email":null,"roles":["customer"],"phone":"138","avatar":null,"extra":1}"#;
        let camel = br#"{"userId":"usr_1","username":"\u5f20\u4f1f","roles":[],"phone":"138","createdAt":"1970-01-01T00:00:07"}"#;
        let first = read(snake, 7000).unwrap();
        assert_eq!(first, read(camel, 0).unwrap());
        assert_eq!((first.username.as_str(), first.roles.as_slice(), first.email), ("张伟", &["customer".to_owned()][..], None));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let problem = read(br#"{"user_id":"a b","username":7,"roles":3,"created_at":"yesterday"}"#, 0).unwrap_err();
        let named: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!((problem.status, named), (422, vec!["/user_id", "/username", "/roles", "/created_at"]));
        assert_eq!(read(b"[1]", 0).unwrap_err().status, 400);
        assert_eq!(read(b"{}", 0).unwrap_err().errors[0].pointer, "/user_id");
    }
}
