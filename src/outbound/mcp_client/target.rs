//! Where a server is, and what is shown at its door.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use super::McpError;
use crate::{outbound::http_client::host_of, secret::SecretText};

/// An address of MCP over HTTP, with the headers that go with every request.
#[derive(Clone)]
pub struct HttpTarget {
    pub(in crate::outbound) url: Url,
    pub(in crate::outbound) headers: HeaderMap,
}

impl HttpTarget {
    /// The server at `url`, asked with `key`, or without one.
    pub fn new(url: &str, key: Option<&SecretText>) -> Result<Self, McpError> {
        let parsed = Url::parse(url).map_err(|error| McpError::Target(format!("\"{url}\" is not a URL: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(McpError::Target(format!("\"{url}\" must start with http:// or https://")));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
                .map_err(|_| McpError::Target("the key holds characters that no HTTP header can carry".into()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Self { url: parsed, headers })
    }

    /// Adds a header to every request.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, McpError> {
        let wrong = || McpError::Target(format!("\"{name}\" with this value is no HTTP header"));
        let name_read = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        self.headers.insert(name_read, value);
        Ok(self)
    }

    /// Host and port: what an error may show.
    pub fn host(&self) -> String {
        host_of(&self.url)
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTarget").field("host", &self.host()).finish_non_exhaustive()
    }
}
