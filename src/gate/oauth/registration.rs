//! What a client may say of itself when it registers (RFC 7591 §2), and what is made of it.
//!
//! Whoever registers is a public client: it gets no secret, whatever it asks for, because nobody knows who it is. What
//! is not known is ignored (§2), what is known and not fit is refused by name, and so is what comes twice.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};

use super::{
    OauthError,
    redirect::{self, RedirectRules},
};
use crate::store::oauth_clients::Client;

const MOST_REDIRECTS: usize = 10;
const LONGEST_NAME: usize = 100;
/// Grant types of a client that says nothing, and the only ones there are for it.
const GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];

/// What a client said of itself, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Name shown to people.
    pub name: String,
    /// Its home page.
    pub uri: Option<String>,
    /// Where answers may be sent.
    pub redirect_uris: Vec<String>,
    /// The grant types it may use.
    pub grant_types: Vec<String>,
}

/// Reads the body of a registration.
pub fn read(body: &[u8], rules: &RedirectRules) -> Result<Metadata, OauthError> {
    let Members(fields) = serde_json::from_slice(body).map_err(|error| wrong(format!("the body must be a JSON object: {error}")))?;
    uris(&fields)?;
    method(&fields)?;
    responses(&fields)?;
    Ok(Metadata {
        name: name(&fields),
        uri: text(&fields, "client_uri")?.map(str::to_owned),
        redirect_uris: redirects(&fields, rules)?,
        grant_types: grants(&fields)?,
    })
}

/// The members of an object, each of which comes once: of two with one name, two readers could each take another.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnce)
    }
}

struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = object.next_entry::<String, Value>()? {
            if members.contains_key(&name) {
                let name: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format!("its member {name} comes more than once")));
            }
            members.insert(name, value);
        }
        Ok(Members(members))
    }
}

/// What a client is told of itself (§3.2.1).
pub fn answer(client: &Client) -> Value {
    let mut answer = json!({
        "client_id": client.id, "client_id_issued_at": client.created_at / 1000, "client_name": client.name,
        "redirect_uris": client.redirect_uris, "grant_types": client.grant_types, "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    if let (Some(object), Some(uri)) = (answer.as_object_mut(), &client.uri) {
        object.insert("client_uri".into(), uri.as_str().into());
    }
    answer
}

fn wrong(description: impl Into<String>) -> OauthError {
    OauthError::new("invalid_client_metadata", description)
}

/// A name as people may see it: one line, without control or direction characters.
pub fn shown_name(text: &str) -> String {
    let plain = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let name: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| plain(*c)).collect();
    name.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").chars().take(LONGEST_NAME).collect()
}

fn name(fields: &Map<String, Value>) -> String {
    let name = shown_name(fields.get("client_name").and_then(Value::as_str).unwrap_or_default());
    if name.is_empty() { "MCP client".to_owned() } else { name }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, OauthError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(wrong(format!("{name} must be text"))),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<Vec<&'a str>>, OauthError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => list
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(|| wrong(format!("{name} must be a list of texts"))),
        Some(_) => Err(wrong(format!("{name} must be a list of texts"))),
    }
}

/// Every address in it is a web page: nothing that runs, and nothing on the server.
fn uris(fields: &Map<String, Value>) -> Result<(), OauthError> {
    for name in
        ["client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri", "software_uri", "initiate_login_uri", "sector_identifier_uri"]
    {
        let Some(text) = text(fields, name)? else { continue };
        let good = text.len() <= 2048
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.username().is_empty());
        if !good {
            return Err(wrong(format!("{name} must be an http or https URL of visible ASCII characters")));
        }
    }
    Ok(())
}

fn redirects(fields: &Map<String, Value>, rules: &RedirectRules) -> Result<Vec<String>, OauthError> {
    let bad = |why: String| OauthError::new("invalid_redirect_uri", why);
    let list = match fields.get("redirect_uris") {
        Some(Value::Array(list)) if (1..=MOST_REDIRECTS).contains(&list.len()) => list,
        _ => return Err(bad(format!("redirect_uris must be a list of 1 to {MOST_REDIRECTS} URIs"))),
    };
    let mut uris: Vec<String> = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let uri = value.as_str().ok_or_else(|| bad(format!("redirect_uris[{at}] must be text")))?;
        redirect::acceptable(uri, rules).map_err(|why| bad(format!("redirect_uris[{at}] {why}")))?;
        if !uris.iter().any(|known| known == uri) {
            uris.push(uri.to_owned());
        }
    }
    Ok(uris)
}

/// A client that asks for a secret is told that it has none; one that would prove itself by other means is refused.
fn method(fields: &Map<String, Value>) -> Result<(), OauthError> {
    match text(fields, "token_endpoint_auth_method")? {
        None | Some("none" | "client_secret_basic" | "client_secret_post") => Ok(()),
        Some(_) => Err(wrong("token_endpoint_auth_method must be none: whoever registers here is a public client")),
    }
}

fn responses(fields: &Map<String, Value>) -> Result<(), OauthError> {
    let types = list(fields, "response_types")?.unwrap_or_default();
    if types.iter().all(|kind| *kind == "code") { Ok(()) } else { Err(wrong("response_types must be [\"code\"]")) }
}

fn grants(fields: &Map<String, Value>) -> Result<Vec<String>, OauthError> {
    let Some(types) = list(fields, "grant_types")?.filter(|types| !types.is_empty()) else {
        return Ok(GRANTS.map(str::to_owned).to_vec());
    };
    if !types.iter().all(|kind| GRANTS.contains(kind)) {
        return Err(wrong(
            "grant_types must be authorization_code and refresh_token; an operator adds clients with others (`anmei-mcp oauth client add`)",
        ));
    }
    if !types.contains(&"authorization_code") {
        return Err(wrong("grant_types must contain authorization_code"));
    }
    Ok(GRANTS.iter().filter(|kind| types.contains(kind)).map(|kind| (*kind).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: &Value) -> Result<Metadata, &'static str> {
        read(value.to_string().as_bytes(), &RedirectRules::default()).map_err(|error| error.error)
    }

    #[test]
    fn rfc7591_2_defaults_and_what_dify_sends() {
        let dify = metadata(&json!({
            "client_name": "Dify", "redirect_uris": ["https://dify.cn/console/api/mcp/oauth/callback"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "client_uri": "https://github.com/langgenius/dify",
        }))
        .unwrap();
        assert_eq!((dify.name.as_str(), dify.redirect_uris.len(), dify.grant_types.len()), ("Dify", 1, 2));
        let bare = metadata(&json!({"redirect_uris": ["http://localhost/cb"]})).unwrap();
        assert_eq!((bare.name.as_str(), bare.grant_types), ("MCP client", vec!["authorization_code".into(), "refresh_token".into()]));
        let short =
            metadata(&json!({"redirect_uris": ["http://localhost/cb"], "grant_types": ["authorization_code"], "unknown": 1})).unwrap();
        assert_eq!(short.grant_types, ["authorization_code"]);
    }

    #[test]
    fn rfc7591_3_2_2_what_does_not_fit_is_refused_by_name() {
        let good = "https://a.b/cb";
        for (bad, error) in [
            (json!({}), "invalid_redirect_uri"),
            (json!({"redirect_uris": []}), "invalid_redirect_uri"),
            (json!({"redirect_uris": good}), "invalid_redirect_uri"),
            (json!({"redirect_uris": [1]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": [good, "data:text/html,x"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": vec![good; 11]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": [good], "client_uri": "javascript:alert(1)"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "logo_uri": "data:image/svg+xml,x"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "tos_uri": 7}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "policy_uri": "file:///x"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "grant_types": ["implicit", "authorization_code"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "grant_types": ["refresh_token"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "grant_types": "authorization_code"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "response_types": ["token"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [good], "token_endpoint_auth_method": "private_key_jwt"}), "invalid_client_metadata"),
            (json!([]), "invalid_client_metadata"),
        ] {
            assert_eq!(metadata(&bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn what_comes_twice_is_refused_known_or_not() {
        for twice in [
            r#"{"redirect_uris":["https://a.b/cb"],"redirect_uris":["https://evil.example/cb"]}"#,
            r#"{"redirect_uris":["https://a.b/cb"],"client_name":"a","client_name":"a"}"#,
            r#"{"redirect_uris":["https://a.b/cb"],"client_name":"a","client\u005fname":"b"}"#,
            r#"{"redirect_uris":["https://a.b/cb"],"unknown":1,"unknown":1}"#,
        ] {
            let error = read(twice.as_bytes(), &RedirectRules::default()).unwrap_err();
            assert!(error.error == "invalid_client_metadata" && error.description.contains("more than once"), "{twice}: {error:?}");
        }
    }

    #[test]
    fn a_name_is_one_plain_line() {
        assert_eq!(shown_name("  Claude\n\u{202e} Code\u{0}\u{e0041} "), "Claude Code");
        assert_eq!(shown_name(&"长".repeat(200)).chars().count(), 100);
    }
}
