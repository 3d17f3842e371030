//! Which client this is: by its row or its document, and by its secret where it holds one (RFC 6749 §2.3).

use std::{net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use super::Shared;
use crate::{
    gate::oauth::{OauthError, mint, params::Params, registration::shown_name, request::Unanswerable},
    outbound::client_metadata::{self, ClientDocument, ClientDocuments, DocumentSettings},
    secret::SecretText,
    store::oauth_clients::{Client, ClientKind},
};

/// Longest `client_id` that is looked up.
const LONGEST: usize = 2048;
/// What a client known by its document may use.
const GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];

impl Shared {
    /// The client of an authorization request.
    pub(super) async fn client(&self, params: &Params, address: IpAddr) -> Result<Client, Unanswerable> {
        if params.repeats("client_id") {
            return Err(Unanswerable::Repeated("client_id"));
        }
        let id = params.get("client_id").ok_or(Unanswerable::NoClient)?;
        self.client_by_id(id, address).await
    }

    /// A client by its id. One known by a document is read from there: what it says today counts.
    pub(super) async fn client_by_id(&self, id: &str, address: IpAddr) -> Result<Client, Unanswerable> {
        if id.len() > LONGEST {
            return Err(Unanswerable::UnknownClient);
        }
        let row = self.parts.store.oauth_client(id).map_err(|_| Unanswerable::Unavailable)?;
        let documents = self.parts.documents.as_ref().filter(|_| client_metadata::is_url(id));
        match (row, documents) {
            (Some(row), _) if row.revoked_at.is_some() => Err(Unanswerable::RevokedClient),
            (Some(row), _) if row.kind != ClientKind::Document => Ok(row),
            (_, Some(settings)) => {
                let document = self.document(id, settings, address).await?;
                Ok(known_by(&document, self.parts.clock.now_ms()))
            }
            _ => Err(Unanswerable::UnknownClient),
        }
    }

    /// The document at an address. Only one that has to be fetched counts against whoever asks for it.
    async fn document(&self, id: &str, settings: &DocumentSettings, address: IpAddr) -> Result<Arc<ClientDocument>, Unanswerable> {
        let reader = self.reader(settings).await.map_err(Unanswerable::Document)?;
        if !reader.keeps(id) {
            self.fetches.take(address, self.parts.clock.now_ms()).map_err(Unanswerable::Busy)?;
        }
        reader.read(id).await.map_err(|error| Unanswerable::Document(error.to_string()))
    }

    async fn reader(&self, settings: &DocumentSettings) -> Result<&ClientDocuments, String> {
        let make = async || {
            let (settings, clock) = (settings.clone(), Arc::clone(&self.parts.clock));
            let made = tokio::task::spawn_blocking(move || ClientDocuments::new(settings, clock)).await;
            made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        };
        self.reader.get_or_try_init(make).await
    }

    /// The client of a request for tokens, which proves itself if it holds a secret.
    pub(super) fn authenticated(&self, headers: &HeaderMap, params: &Params) -> Result<Client, OauthError> {
        let unknown = || OauthError::invalid_client("no such client, or not its secret");
        let (id, secret) = credentials(headers, params)?;
        let known = self.parts.store.oauth_client(&id)?.filter(|client| client.revoked_at.is_none());
        let client = known.filter(|client| self.accepts(client)).ok_or_else(unknown)?;
        match (&client.secret_hash, secret) {
            (None, None) => Ok(client),
            (Some(hash), Some(secret)) if bool::from(hash.ct_eq(&mint::hash(secret.expose()))) => Ok(client),
            // A public client has no secret that any text could match.
            _ => Err(unknown()),
        }
    }

    /// Whether a client is one of today's: who is known by a document is so only while documents from there are read.
    fn accepts(&self, client: &Client) -> bool {
        client.kind != ClientKind::Document || self.parts.documents.as_ref().is_some_and(|settings| settings.accepts(&client.id))
    }
}

/// Who a client says it is, by one means only.
fn credentials(headers: &HeaderMap, params: &Params) -> Result<(String, Option<SecretText>), OauthError> {
    let in_body = params.get("client_secret").map(SecretText::new);
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let id = params.get("client_id").ok_or_else(|| OauthError::invalid_client("client_id is missing"))?;
        return Ok((id.to_owned(), in_body));
    };
    let (id, secret) = basic(value.to_str().unwrap_or_default())
        .ok_or_else(|| OauthError::invalid_client("the Authorization header must be Basic, with the client's id and secret"))?;
    if in_body.is_some() {
        return Err(OauthError::invalid_request("send the secret in the header or in the body, not in both"));
    }
    if params.get("client_id").is_some_and(|said| said != id) {
        return Err(OauthError::invalid_request("client_id is not the one of the Authorization header"));
    }
    Ok((id, Some(secret)))
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are put together.
fn basic(header: &str) -> Option<(String, SecretText)> {
    let (scheme, text) = header.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decode = |part: &str| form_urlencoded::parse(format!("x={part}").as_bytes()).next().map(|(_, value)| value.into_owned());
    Some((decode(id)?, SecretText::new(decode(secret)?)))
}

fn known_by(document: &ClientDocument, now: i64) -> Client {
    let name = shown_name(document.client_name.as_deref().unwrap_or_default());
    let grants = GRANTS.iter().filter(|kind| document.grant_types.is_empty() || document.grant_types.iter().any(|said| said == *kind));
    Client {
        id: document.client_id.clone(),
        kind: ClientKind::Document,
        name: if name.is_empty() { document.host.clone() } else { name },
        uri: document.client_uri.clone(),
        redirect_uris: document.redirect_uris.clone(),
        grant_types: grants.map(|kind| (*kind).to_owned()).collect(),
        secret_hash: None,
        groups: Vec::new(),
        may_write: false,
        may_introspect: false,
        created_by: "document".to_owned(),
        created_at: now,
        used_at: None,
        revoked_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_2_3_1_basic_is_decoded_twice() {
        let header = format!("basic {}", STANDARD.encode("a%3Ab:s%2Be+c"));
        let (id, secret) = basic(&header).unwrap();
        assert_eq!((id.as_str(), secret.expose()), ("a:b", "s+e c"));
        for bad in ["", "Basic", "Basic !", "Bearer YTpi", &format!("Basic {}", STANDARD.encode("no colon"))] {
            assert!(basic(bad).is_none(), "{bad}");
        }
    }
}
