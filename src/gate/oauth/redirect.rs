//! Where an answer may be sent (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §2.1).
//!
//! What a client registers must be https, a loopback address, or a scheme that the operator knows as an app's own.
//! What a request names must be the same text; of a loopback address only the port may differ, because a native
//! client cannot know which one it will get. Nothing is decoded, normalised or guessed.

use url::Url;

/// Longest redirect URI.
const LONGEST: usize = 2048;

/// What may be registered besides https and loopback.
#[derive(Debug, Clone, Default)]
pub struct RedirectRules {
    /// Schemes of apps, such as `cursor`.
    pub app_schemes: Vec<String>,
    /// Hosts that may be sent to over plain http, such as a Dify in the same private network.
    pub http_hosts: Vec<String>,
}

/// Why a redirect URI is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    /// Too long, or with characters that do not belong.
    #[error("must be 1 to 2048 visible ASCII characters, without backslashes")]
    Text,
    /// Not absolute.
    #[error("must be an absolute URI")]
    NotAbsolute,
    /// A fragment.
    #[error("must not have a fragment (RFC 6749, section 3.1.2)")]
    Fragment,
    /// User and password.
    #[error("must not carry a user name or a password")]
    UserInfo,
    /// No host, or one with a wildcard.
    #[error("must name one host, without wildcards")]
    Host,
    /// http to somewhere else.
    #[error(
        "must be https, or http to a loopback address (127.0.0.1, [::1] or localhost); an operator may allow a host by oauth.http_redirect_hosts"
    )]
    PlainHttp,
    /// A scheme nobody allowed.
    #[error("must be https, or http to a loopback address; the schemes of apps are listed in oauth.app_schemes")]
    Scheme,
}

/// Schemes that run or show what they carry, or reach the machine: never, whatever the operator lists.
const NEVER: [&str; 12] =
    ["javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source", "ws", "wss", "ftp", "mailto"];

/// Whether a client may register `uri`.
pub fn acceptable(uri: &str, rules: &RedirectRules) -> Result<(), BadRedirect> {
    if !(1..=LONGEST).contains(&uri.len()) || !uri.bytes().all(|byte| byte.is_ascii_graphic()) || uri.contains('\\') {
        return Err(BadRedirect::Text);
    }
    if uri.contains('#') {
        return Err(BadRedirect::Fragment);
    }
    let url = Url::parse(uri).map_err(|_| BadRedirect::NotAbsolute)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadRedirect::UserInfo);
    }
    let scheme = url.scheme();
    if scheme == "https" || scheme == "http" {
        // The parser forgives `https:host`; two readers that forgive differently would see two hosts.
        let host = url.host_str().filter(|host| !host.contains('*') && uri.as_bytes().get(scheme.len()..scheme.len() + 3) == Some(b"://"));
        let host = host.ok_or(BadRedirect::Host)?;
        let plain = scheme == "https" || is_loopback(uri) || rules.http_hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        return if plain { Ok(()) } else { Err(BadRedirect::PlainHttp) };
    }
    let known = !NEVER.contains(&scheme) && rules.app_schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    if known { Ok(()) } else { Err(BadRedirect::Scheme) }
}

/// Whether a request may name `asked` where `registered` was registered.
pub fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    match (loopback(registered), loopback(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// Whether an answer there stays on the user's machine.
pub fn is_loopback(uri: &str) -> bool {
    loopback(uri).is_some()
}

/// What people are shown of it: scheme, host and port.
pub fn shown(uri: &str) -> String {
    let parsed = Url::parse(uri).ok();
    let host = parsed.as_ref().and_then(|url| {
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    match (host, parsed) {
        (Some(host), Some(url)) if url.scheme() == "https" => host,
        (Some(host), Some(url)) => format!("{}://{host}", url.scheme()),
        (None, Some(url)) => format!("{}:", url.scheme()),
        (_, None) => String::new(),
    }
}

/// A loopback redirect taken apart: its host, and what follows the port.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let after = rest.get(host.len()..)?;
    let path = match after.strip_prefix(':') {
        Some(with_port) => {
            let digits = with_port.bytes().take_while(u8::is_ascii_digit).count();
            let (port, path) = with_port.split_at_checked(digits)?;
            port.parse::<u16>().ok().filter(|port| *port > 0)?;
            path
        }
        None => after,
    };
    (path.is_empty() || path.starts_with(['/', '?'])).then_some((host, path))
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
