//! Under which address we are asked: the issuer, and the resources below it (RFC 8414, RFC 9728, RFC 8707).
//!
//! There is one public address, and there may be others by which the machine is reached (`http://127.0.0.1:8000`). An
//! answer names the address that the request itself used, so that a client which compares what it asked with what it
//! is told finds the same text everywhere. The Host header was checked against the allowed hosts before it gets here.

use url::Url;

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// As a URL, in the one form in which we name it.
    pub uri: String,
    /// Server code in it; none for the root resource, which stands for whatever group the grant opens.
    pub code: Option<String>,
}

/// The public address, and how others are named.
#[derive(Debug, Clone)]
pub struct Bases {
    public: String,
    authority: String,
    default_port: &'static str,
    path: String,
}

impl Bases {
    /// `public` is scheme, host, perhaps a port and perhaps a path, without a slash at the end.
    pub fn new(public: &str) -> Self {
        let public = public.trim_end_matches('/').to_owned();
        let (scheme, rest) = public.split_once("://").unwrap_or(("http", &public));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority).to_owned();
        Self { authority, path: path.to_owned(), default_port, public }
    }

    /// The address by which a request with this Host header reached us.
    pub fn of(&self, host: Option<&str>) -> String {
        let host = host.unwrap_or_default().to_ascii_lowercase();
        let bare = host.strip_suffix(self.default_port).unwrap_or(&host);
        if host.is_empty() || bare == self.authority {
            return self.public.clone();
        }
        format!("http://{host}")
    }

    /// The path in front of our routes when the public address is used; empty when there is none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The resource a client means by `text`, at the address `base`. None when it is not one of ours.
    pub fn resource(&self, base: &str, text: &str) -> Option<Resource> {
        let url = Url::parse(text).ok()?;
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['\\', '%', '*']);
        if !plain || url.fragment().is_some() || url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        [base, &self.public].into_iter().find_map(|base| {
            let ours = Url::parse(base).ok()?;
            let tail = url.path().strip_prefix(ours.path().trim_end_matches('/'))?;
            (url.origin() == ours.origin()).then_some(())?;
            below(base, tail)
        })
    }
}

/// The resource whose path is `tail`, below `base`. `/sse` is another spelling of `/mcp`.
pub fn below(base: &str, tail: &str) -> Option<Resource> {
    let tail = tail.strip_suffix('/').unwrap_or(tail);
    if matches!(tail, "" | "/mcp" | "/sse") {
        return Some(root(base));
    }
    let inner = tail.strip_prefix("/server/")?;
    let code = inner.strip_suffix("/mcp").or_else(|| inner.strip_suffix("/sse"))?;
    is_code(code).then(|| of_group(base, code))
}

/// The root resource.
pub fn root(base: &str) -> Resource {
    Resource { uri: format!("{base}/mcp"), code: None }
}

/// The resource of one group.
pub fn of_group(base: &str, code: &str) -> Resource {
    Resource { uri: format!("{base}/server/{code}/mcp"), code: Some(code.to_owned()) }
}

/// Whether a text could be a server code. Says nothing of whether there is such a group.
pub fn is_code(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    (1..=24).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['_', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_the_address_that_was_asked() {
        let bases = Bases::new("https://MCP.clinic.cn/anmei/");
        assert_eq!(bases.of(Some("mcp.clinic.cn")), "https://MCP.clinic.cn/anmei");
        assert_eq!(bases.of(Some("mcp.clinic.cn:443")), "https://MCP.clinic.cn/anmei");
        assert_eq!(bases.of(None), "https://MCP.clinic.cn/anmei");
        assert_eq!(bases.of(Some("127.0.0.1:8000")), "http://127.0.0.1:8000");
        assert_eq!(bases.of(Some("mcp.clinic.cn:8443")), "http://mcp.clinic.cn:8443");
        assert_eq!(Bases::new("http://localhost:8000").of(Some("LOCALHOST:8000")), "http://localhost:8000");
    }

    #[test]
    fn rfc8707_2_a_resource_is_one_of_ours_or_nothing() {
        let bases = Bases::new("https://mcp.clinic.cn/anmei");
        let local = "http://127.0.0.1:8000";
        let code = |text: &str| bases.resource(local, text).map(|resource| (resource.uri, resource.code));
        for text in ["http://127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/sse/"] {
            assert_eq!(code(text), Some(("http://127.0.0.1:8000/mcp".into(), None)), "{text}");
        }
        for text in ["https://mcp.clinic.cn/anmei/server/a_1/mcp", "https://MCP.clinic.cn:443/anmei/server/a_1/sse"] {
            assert_eq!(code(text), Some(("https://mcp.clinic.cn/anmei/server/a_1/mcp".into(), Some("a_1".into()))), "{text}");
        }
        for text in [
            "",
            "mcp",
            "https://evil.example/mcp",
            "https://mcp.clinic.cn/mcp",
            "https://mcp.clinic.cn/anmeix/mcp",
            "http://mcp.clinic.cn/anmei/mcp",
            "http://127.0.0.1:8001/mcp",
            "http://127.0.0.1:8000/mcp#x",
            "http://127.0.0.1:8000/mcp?x=1",
            "http://u@127.0.0.1:8000/mcp",
            "http://127.0.0.1:8000/server/A/mcp",
            "http://127.0.0.1:8000/server/a/b/mcp",
            "http://127.0.0.1:8000/server/../mcp/x",
            "http://127.0.0.1:8000/server/%61/mcp",
            "http:\\\\127.0.0.1:8000\\mcp",
        ] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn codes_have_their_form() {
        for good in ["a", "system_tools", "0-a", &"x".repeat(24)] {
            assert!(is_code(good), "{good}");
        }
        for bad in ["", "_a", "-a", "A", "a.b", "a/b", "é", &"x".repeat(25)] {
            assert!(!is_code(bad), "{bad}");
        }
    }
}
