//! `/api/v1/settings`: the runtime settings. What is changed is in force for the next piece of work, in every process.

use std::collections::BTreeMap;

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Guarded, UnfitBody},
    frame::{ApiError, Body, IfMatch, Path, Versioned},
};
use crate::{
    admin::{
        AdminState, Who,
        calls::{
            CallError, Field, because, said,
            settings::{DefinedSetting, DefinitionSection, SettingsChanged, SettingsSection, right_to_change, setting_definitions},
        },
        entry::{Operator, Reader},
    },
    settings::{Edit, Given},
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(list, change)).routes(routes!(list_definitions)).routes(routes!(show, put)).routes(routes!(reset))
}

/// Every setting.
#[derive(Debug, Serialize, ToSchema)]
struct SettingsListed {
    /// The settings, by section.
    sections: Vec<SettingsSection>,
}

/// Every definition.
#[derive(Debug, Serialize, ToSchema)]
struct DefinitionsListed {
    /// The definitions, by section.
    sections: Vec<DefinitionSection>,
}

/// A new value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValue {
    /// The value; null returns the setting to its default. `***` stands for the secret that is stored.
    #[serde(deserialize_with = "Value::deserialize")]
    #[schema(required = true, nullable = true)]
    value: Value,
    /// Why, for the audit log.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Several new values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValues {
    /// The settings by name, each with its new value and the version it is made on.
    settings: BTreeMap<String, VersionedValue>,
    /// Why, for the audit log.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// A new value, and the version it is made on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VersionedValue {
    /// The value; null returns the setting to its default.
    #[serde(deserialize_with = "Value::deserialize")]
    #[schema(required = true, nullable = true)]
    value: Value,
    /// The version that was read; null for whatever is there.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    version: Option<i64>,
}

/// Every setting, by section, with its definition.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings",
    responses((status = 200, body = SettingsListed, description = "The settings; secrets are `***`"), Denied))]
async fn list(reader: Reader) -> Result<Json<SettingsListed>, ApiError> {
    Ok(Json(SettingsListed { sections: reader.calls.list_settings()? }))
}

/// What settings there are: unit, range, default and meaning of each.
#[utoipa::path(get, path = "/api/v1/settings/definitions", tag = "settings",
    responses((status = 200, body = DefinitionsListed, description = "The definitions"), Denied))]
async fn list_definitions(_reader: Reader) -> Json<DefinitionsListed> {
    Json(DefinitionsListed { sections: setting_definitions() })
}

/// One setting.
#[utoipa::path(get, path = "/api/v1/settings/{name}", tag = "settings",
    params(("name" = String, Path, description = "Its name, such as `welcome.deadline`")),
    responses((status = 200, body = DefinedSetting, description = "The setting; `ETag` is its version"), Denied, Absent))]
async fn show(reader: Reader, Path(name): Path<String>) -> Result<Versioned<DefinedSetting>, ApiError> {
    let setting = reader.calls.get_setting(&name)?;
    let version = setting.setting.version;
    Ok(Versioned(setting, version))
}

/// Changes one setting.
#[utoipa::path(put, path = "/api/v1/settings/{name}", tag = "settings", request_body = NewValue,
    params(("name" = String, Path, description = "Its name"), ("If-Match" = String, Header, description = "The version that was read, or `*`")),
    responses((status = 200, body = SettingsChanged, description = "It is in force"), Denied, Absent, Guarded, UnfitBody))]
async fn put(
    operator: Operator,
    Path(name): Path<String>,
    IfMatch(seen): IfMatch,
    Body(new): Body<NewValue>,
) -> Result<Versioned<SettingsChanged>, ApiError> {
    let Operator { calls, who } = operator;
    calls.get_setting(&name)?;
    may_change(&who, &name)?;
    let by = because(who.by(calls.clock.as_ref()), new.reason.as_deref())?;
    let edit = Edit { name, given: Given::Value(new.value), seen };
    let changed = calls.change_settings(&[edit], &by).await.map_err(|error| moved(error, |_| "/value".to_owned()))?;
    Ok(versioned(changed))
}

/// Changes several settings, all or none.
#[utoipa::path(patch, path = "/api/v1/settings", tag = "settings", request_body = NewValues,
    responses((status = 200, body = SettingsChanged, description = "They are in force"), Denied, UnfitBody,
        (status = 412, body = crate::problem::Problem, content_type = "application/problem+json",
            description = "Somebody else changed one of them since; `current` is what they are, nothing was changed")))]
async fn change(operator: Operator, Body(new): Body<NewValues>) -> Result<Json<SettingsChanged>, ApiError> {
    let Operator { calls, who } = operator;
    for name in new.settings.keys() {
        may_change(&who, name)?;
    }
    let by = because(who.by(calls.clock.as_ref()), new.reason.as_deref())?;
    let edit = |(name, new): (String, VersionedValue)| Edit { name, given: Given::Value(new.value), seen: new.version };
    let edits: Vec<Edit> = new.settings.into_iter().map(edit).collect();
    let changed = calls.change_settings(&edits, &by).await;
    Ok(Json(changed.map_err(|error| moved(error, |name| format!("/settings{name}{}", if name.is_empty() { "" } else { "/value" })))?))
}

/// Returns one setting to its default.
#[utoipa::path(post, path = "/api/v1/settings/{name}/reset", tag = "settings",
    params(("name" = String, Path, description = "Its name"), ("If-Match" = String, Header, description = "The version that was read, or `*`")),
    responses((status = 200, body = SettingsChanged, description = "The default is in force"), Denied, Absent, Guarded,
        (status = 422, body = crate::problem::Problem, content_type = "application/problem+json",
            description = "The default does not go with the other settings")))]
async fn reset(operator: Operator, Path(name): Path<String>, IfMatch(seen): IfMatch) -> Result<Versioned<SettingsChanged>, ApiError> {
    let Operator { calls, who } = operator;
    calls.get_setting(&name)?;
    may_change(&who, &name)?;
    let by = who.by(calls.clock.as_ref());
    Ok(versioned(calls.reset_settings(&[(name, seen)], &by).await.map_err(|error| moved(error, |_| String::new()))?))
}

/// Some settings are for administrators.
fn may_change(who: &Who, name: &str) -> Result<(), CallError> {
    if who.role.may(right_to_change(name)) {
        return Ok(());
    }
    Err(CallError::Forbidden(said(format!("{name} 只能由管理员修改。"), format!("Only an administrator may change {name}."))))
}

fn versioned(changed: SettingsChanged) -> Versioned<SettingsChanged> {
    let version = changed.settings.first().map_or(0, |setting| setting.version);
    Versioned(changed, version)
}

/// The refusal with its pointers into this request's body: `to` says where a setting's value stands there.
fn moved(error: CallError, to: impl Fn(&str) -> String) -> CallError {
    let CallError::Invalid(fields) = error else { return error };
    let moved = |field: Field| {
        let rest = field.pointer.get(1..).unwrap_or_default();
        let name_ends = rest.find('/').map_or(field.pointer.len(), |at| at + 1);
        let (name, place) = field.pointer.split_at(name_ends.min(field.pointer.len()));
        Field { pointer: format!("{}{place}", to(name)), text: field.text }
    };
    CallError::Invalid(fields.into_iter().map(moved).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_into_the_body() {
        let error = || {
            let field = |pointer: &str| Field { pointer: pointer.into(), text: said("x", "x") };
            CallError::Invalid(vec![field("/notice.channels/1/url"), field("/welcome.deadline"), field("")])
        };
        let pointers = |error| match error {
            CallError::Invalid(fields) => fields.into_iter().map(|field| field.pointer).collect::<Vec<_>>(),
            other => panic!("{other}"),
        };
        assert_eq!(pointers(moved(error(), |_| "/value".to_owned())), ["/value/1/url", "/value", "/value"]);
        let several = |name: &str| format!("/settings{name}{}", if name.is_empty() { "" } else { "/value" });
        assert_eq!(
            pointers(moved(error(), several)),
            ["/settings/notice.channels/value/1/url", "/settings/welcome.deadline/value", "/settings"]
        );
    }
}
