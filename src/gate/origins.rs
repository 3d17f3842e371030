//! Host and Origin: what a browser or a rebinding name may not do (MCP transports, "Security Warning").
//!
//! Exactly one `Host` is required and must be allowed. `Origin` is sent by browsers only; when present it must be
//! allowed. An empty list of origins allows those of the allowed hosts themselves and nothing else.

use http::{HeaderMap, StatusCode, Uri, header};

use crate::problem::Problem;

/// What may reach us.
#[derive(Debug, Clone)]
pub struct Origins {
    hosts: Vec<String>,
    pages: Vec<String>,
    setting: &'static str,
}

impl Origins {
    /// Allows `hosts` (name, or `name:port`) and `origins` (`scheme://host[:port]`). `setting` names the section in refusals.
    pub fn new(hosts: &[String], origins: &[String], setting: &'static str) -> Self {
        let lower = |list: &[String]| list.iter().map(|entry| entry.trim().to_ascii_lowercase()).collect();
        Self { hosts: lower(hosts), pages: lower(origins), setting }
    }

    /// Checks one request.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        self.check_host(uri, headers)?;
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let origin = origin.to_str().unwrap_or("");
        if origins.next().is_some() || !self.origin_allowed(origin) {
            return Err(self.refuse("origin", &format!("The origin `{}` is not allowed. ", printable(origin)), "allowed_origins"));
        }
        Ok(())
    }

    /// Checks the host alone: for what pages of our own send, whose origin is compared with the host by whoever reads it.
    pub fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = Self::host(uri, headers)?;
        if self.host_allowed(host) {
            return Ok(());
        }
        Err(self.refuse("host", &format!("The host `{}` is not allowed. ", printable(host)), "allowed_hosts"))
    }

    fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "host", "Exactly one Host header is needed (RFC 9112, section 3.2)."));
        };
        let host = host.to_str().unwrap_or("");
        match uri.authority() {
            Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "host", "The Host header and the request's address disagree."))
            }
            _ => Ok(host),
        }
    }

    fn host_allowed(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = without_port(&host);
        self.hosts.iter().any(|allowed| allowed == "*" || *allowed == host || *allowed == name || *allowed == name.trim_matches(['[', ']']))
    }

    fn origin_allowed(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.pages.contains(&origin) {
            return true;
        }
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        self.pages.is_empty() && matches!(scheme, "http" | "https") && self.host_allowed(host)
    }

    fn refuse(&self, name: &str, what: &str, list: &str) -> Problem {
        let setting = self.setting;
        Problem::new(
            StatusCode::FORBIDDEN,
            &format!("{name}-not-allowed"),
            format!("{what}Add it to `{setting}.{list}` in anmei-mcp.toml if it should be."),
        )
    }
}

/// The host without its port; brackets of an IPv6 address stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

/// What was sent, cut and cleaned for an error text.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && *c != '`').take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Result<(), Problem> {
        let origins = Origins::new(&["localhost".into(), "127.0.0.1".into(), "::1".into(), "mcp.example:8443".into()], &[], "mcp");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        origins.check(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn hosts_are_allowed_by_name_with_any_port_or_by_name_and_port() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "mcp.example:8443"] {
            assert!(check(host, None).is_ok(), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "mcp.example", "mcp.example:1", "127.0.0.1.evil", "::1:8000", ""] {
            assert!(check(host, None).is_err(), "{host}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_the_setting() {
        let problem = check("host.docker.internal:8000", None).unwrap_err();
        assert!(problem.detail.contains("host.docker.internal:8000") && problem.detail.contains("mcp.allowed_hosts"), "{}", problem.detail);
    }

    #[test]
    fn a_foreign_origin_is_refused_and_one_of_ours_is_not() {
        assert!(check("localhost:8000", Some("http://localhost:3000")).is_ok());
        for origin in ["http://evil.example", "null", "file://", "javascript://localhost", ""] {
            assert_eq!(check("localhost:8000", Some(origin)).unwrap_err().status, 403, "{origin}");
        }
    }
}
