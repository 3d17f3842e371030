//! What a configuration may hold but deserves a thought.

use url::Url;

use super::{Bodies, Config, Live, validate::Finding};

/// What is allowed but deserves a thought.
pub(super) fn warnings(config: &Config) -> Vec<Finding> {
    let mut findings = open_listeners(config);
    findings.extend(any_host("mcp.allowed_hosts", &config.mcp.allowed_hosts));
    findings.extend(any_host("hook.allowed_hosts", &config.hook.allowed_hosts));
    findings.extend(any_host("live.allowed_hosts", &config.live.allowed_hosts));
    findings.extend(any_host("admin.allowed_hosts", &config.admin.allowed_hosts));
    findings.extend(live_tokens(&config.live));
    if config.call_log.bodies == Bodies::Full {
        let message = "patients' data are stored in the call log as they are";
        findings.push(("call_log.bodies", message.to_owned()));
    }
    findings.extend(plain_webhook(config));
    findings
}

fn open_listeners(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(open_panel(config));
    if config.mcp.public_url.starts_with("https://") {
        return findings;
    }
    let listeners = [
        ("mcp.listen", config.mcp.listen, "group keys travel"),
        ("hook.listen", config.hook.listen, "the hook key travels"),
        ("live.listen", config.live.listen, "tokens and notices travel"),
    ];
    for (key, address, what) in listeners {
        if !address.ip().is_loopback() {
            let message = format!(
                "{address} is open to the network and {what} unencrypted: put TLS in front and set mcp.public_url to its https:// address"
            );
            findings.push((key, message));
        }
    }
    findings
}

fn open_panel(config: &Config) -> Option<Finding> {
    let admin = &config.admin;
    let encrypted = admin.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if !admin.enabled || encrypted || admin.listen.ip().is_loopback() {
        return None;
    }
    let address = admin.listen;
    let message = format!(
        "{address} is open to the network and passwords travel unencrypted: put TLS in front and set admin.public_url to its https:// address"
    );
    Some(("admin.listen", message))
}

fn live_tokens(live: &Live) -> Vec<Finding> {
    let mut findings = Vec::new();
    if live.jwt_secret.as_ref().is_some_and(|secret| secret.expose().len() < 32) {
        let message = "is shorter than the 32 bytes that HS256 calls for (RFC 7518, section 3.2): use a longer one when the app can";
        findings.push(("live.jwt_secret", message.to_owned()));
    }
    if let Some(url) = live.jwks_url.as_deref().and_then(|text| Url::parse(text).ok())
        && url.scheme() == "http"
        && !is_local(&url)
    {
        let host = url.host_str().unwrap_or_default();
        findings.push(("live.jwks_url", format!("keys come from {host} unencrypted: whoever can alter them can be anybody; use https://")));
    }
    findings
}

fn any_host(key: &'static str, hosts: &[String]) -> Option<Finding> {
    let message = "any Host header is answered: web pages can rebind their name to this machine";
    hosts.iter().any(|host| host == "*").then(|| (key, message.to_owned()))
}

fn plain_webhook(config: &Config) -> Option<Finding> {
    let url = Url::parse(config.outbound.webhook_url.as_deref()?).ok()?;
    if url.scheme() != "http" || is_local(&url) {
        return None;
    }
    let host = url.host_str().unwrap_or_default();
    Some(("outbound.webhook_url", format!("events go to {host} unencrypted; use https://")))
}

fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|(key, _)| *key).collect()
    }

    #[test]
    fn the_defaults_need_no_warning() {
        assert!(warnings(&Config::default()).is_empty());
    }

    #[test]
    fn what_is_open_to_the_network_is_warned_of() {
        let mut config = Config::default();
        config.mcp.listen = "0.0.0.0:8000".parse().unwrap();
        config.admin.listen = "0.0.0.0:8002".parse().unwrap();
        config.outbound.webhook_url = Some("http://10.0.0.7/hook".to_owned());
        assert_eq!(keys(&warnings(&config)), ["admin.listen", "mcp.listen", "outbound.webhook_url"]);
        config.admin.public_url = Some("https://admin.clinic.cn".to_owned());
        config.mcp.public_url = "https://mcp.clinic.cn".to_owned();
        assert_eq!(keys(&warnings(&config)), ["outbound.webhook_url"]);
        config.live.jwt_secret = Some(crate::secret::SecretText::new("x".repeat(31)));
        config.live.jwks_url = Some("http://10.0.0.7/keys".to_owned());
        assert_eq!(keys(&warnings(&config)), ["live.jwt_secret", "live.jwks_url", "outbound.webhook_url"]);
    }
}
