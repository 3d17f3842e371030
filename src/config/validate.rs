//! What the configuration as a whole must hold: secrets' forms, hosts and origins, addresses that get in each other's
//! way.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;

use super::{Admin, Config, Live, Mcp, Oauth, Telemetry, external_idp};
use crate::{
    network::Network,
    secret::{MasterKey, SecretText},
};

/// A key and what is wrong with its value.
pub(super) type Finding = (&'static str, String);

/// An address of http or https, with a host.
pub fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("\"{text}\" is not a URL: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() {
        return Ok(url);
    }
    Err(format!("\"{text}\" must start with http:// or https://"))
}

/// What is wrong with the configuration as a whole.
pub(super) fn whole(config: &Config) -> Vec<Finding> {
    let mut findings = texts(config);
    findings.extend(mcp(&config.mcp));
    findings.extend(proxies(&config.http.trusted_proxies));
    findings.extend(host_list("hook.allowed_hosts", &config.hook.allowed_hosts));
    findings.extend(live(&config.live));
    findings.extend(admin(&config.admin));
    findings.extend(external_idp::check(&config.external_idp));
    findings.extend(oauth(&config.oauth));
    findings.extend(secrets(config));
    findings.extend(overlap(config));
    findings.extend(telemetry(&config.telemetry));
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&config.log.filter) {
        findings.push(("log.filter", format!("{error}; expected levels and targets such as \"info,rmcp=warn\"")));
    }
    findings
}

fn texts(config: &Config) -> Vec<Finding> {
    let needed = [("mcp.server_name", &config.mcp.server_name), ("mcp.server_version", &config.mcp.server_version)];
    let blank = needed.into_iter().filter(|(_, text)| text.trim().is_empty());
    blank.map(|(key, _)| (key, "is empty; leave the key out for its default".to_owned())).collect()
}

fn mcp(mcp: &Mcp) -> Vec<Finding> {
    let mut findings = host_list("mcp.allowed_hosts", &mcp.allowed_hosts);
    findings.extend(public_url(&mcp.public_url).map(|why| ("mcp.public_url", why)));
    findings.extend(origin_list("mcp.allowed_origins", &mcp.allowed_origins));
    findings
}

/// A prefix is what a proxy puts in front of our paths; it is also a route, so that its letters are limited.
fn public_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let origin = url.origin().ascii_serialization();
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Some(format!("must be scheme, host, port and perhaps a path only; try \"{origin}\""));
    }
    let path = url.path().trim_end_matches('/');
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if path.is_empty() || path.split('/').skip(1).all(plain) {
        let taken = path.split('/').skip(1).any(|part| matches!(part, "mcp" | "sse" | "server"));
        return taken.then(|| {
            format!("is the address in front of /mcp, and holds a part that is this daemon's own (mcp, sse, server); try \"{origin}\"")
        });
    }
    Some(format!("its path may hold letters, digits and -._~ only; try \"{origin}/anmei\""))
}

fn proxies(list: &[String]) -> Vec<Finding> {
    let wrong = list.iter().filter_map(|text| text.parse::<Network>().err());
    wrong.map(|error| ("http.trusted_proxies", error.to_string())).collect()
}

fn live(live: &Live) -> Vec<Finding> {
    let mut findings = host_list("live.allowed_hosts", &live.allowed_hosts);
    findings.extend(origin_list("live.allowed_origins", &live.allowed_origins));
    if live.jwt_secret.as_ref().is_some_and(|secret| secret_text(secret).len() < 16) {
        findings.push(("live.jwt_secret", "must be at least 16 characters: whoever guesses it can be anybody".to_owned()));
    }
    for (key, text) in [("live.jwt_issuer", &live.jwt_issuer), ("live.jwt_audience", &live.jwt_audience)] {
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            findings.push((key, "is empty; leave the key out to accept any".to_owned()));
        }
    }
    findings
}

fn admin(admin: &Admin) -> Vec<Finding> {
    let mut findings = host_list("admin.allowed_hosts", &admin.allowed_hosts);
    findings.extend(origin_list("admin.allowed_origins", &admin.allowed_origins));
    if let Some(url) = admin.public_url.as_deref().and_then(|text| Url::parse(text).ok()) {
        let origin = url.origin().ascii_serialization();
        // The prefix of `__Host-` cookies and the paths in pages leave no room for a path in front.
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !bare {
            findings.push(("admin.public_url", format!("must be scheme, host and port only; try \"{origin}\"")));
        }
    }
    if admin.session_idle > admin.session_lifetime {
        findings.push(("admin.session_idle", "must not be longer than admin.session_lifetime".to_owned()));
    }
    findings
}

fn oauth(oauth: &Oauth) -> Vec<Finding> {
    let mut findings = host_list("oauth.http_redirect_hosts", &oauth.http_redirect_hosts);
    let wildcards = oauth.http_redirect_hosts.iter().chain(&oauth.client_document_domains).any(|host| host.contains('*'));
    if wildcards {
        findings.push(("oauth.http_redirect_hosts", "name each host and domain; \"*\" is not for these lists".to_owned()));
    }
    findings.extend(host_list("oauth.client_document_domains", &oauth.client_document_domains));
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let of_an_app = |scheme: &str| {
        let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(part);
        named && !["http", "https", "javascript", "data", "file"].contains(&scheme.to_ascii_lowercase().as_str())
    };
    for scheme in oauth.app_schemes.iter().filter(|scheme| !of_an_app(scheme)) {
        findings
            .push(("oauth.app_schemes", format!("\"{scheme}\" is not the scheme of an app; write it without \"://\", such as \"cursor\"")));
    }
    findings
}

fn origin_list(key: &'static str, origins: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in origins {
        let origin = Url::parse(text).map(|url| url.origin().ascii_serialization());
        if origin.as_deref() != Ok(text) {
            let hint = origin.ok().filter(|origin| origin != "null").unwrap_or_else(|| "https://app.example.com".into());
            findings.push((key, format!("\"{text}\" is not a web origin; try \"{hint}\"")));
        }
    }
    findings
}

fn host_list(key: &'static str, hosts: &[String]) -> Vec<Finding> {
    let wrong = hosts.iter().filter(|host| !is_host(host));
    wrong
        .map(|host| {
            let message = format!("\"{host}\" is not a host; write a name or an address, with or without its port, such as \"localhost\"");
            (key, message)
        })
        .collect()
}

/// A name or an address, with or without a port; `*` for any.
fn is_host(host: &str) -> bool {
    let shape = !host.is_empty() && !host.contains(['/', '*', '@', '?', '#', ' ']);
    let parsed = || Url::parse(&format!("http://{host}/")).is_ok();
    host == "*" || host.parse::<std::net::Ipv6Addr>().is_ok() || (shape && parsed())
}

fn secrets(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(key) = &config.hook.key {
        let text = secret_text(key);
        if text.len() < 16 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            findings.push(("hook.key", "must be at least 16 visible ASCII characters, without spaces".to_owned()));
        }
    }
    if let Some(token) = &config.metrics.token {
        let text = secret_text(token);
        if text.len() < 16 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            findings.push(("metrics.token", "must be at least 16 visible ASCII characters, without spaces".to_owned()));
        }
    }
    if let Some(Err(error)) = config.keys.master_key.as_ref().map(|key| MasterKey::parse(key.expose())) {
        findings.push(("keys.master_key", error.to_string()));
    }
    for (at, secret) in config.hook.signing_secrets.iter().enumerate() {
        if let Err(why) = webhook_secret(secret) {
            findings.push(("hook.signing_secrets", format!("entry {}: {why}", at + 1)));
        }
    }
    if let Some(Err(why)) = config.outbound.webhook_secret.as_ref().map(webhook_secret) {
        findings.push(("outbound.webhook_secret", why.to_owned()));
    }
    if config.outbound.webhook_url.is_some() && config.outbound.webhook_secret.is_none() {
        let message = "what is sent is signed: set outbound.webhook_secret or outbound.webhook_secret_file too";
        findings.push(("outbound.webhook_url", message.to_owned()));
    }
    findings
}

fn secret_text(secret: &SecretText) -> &str {
    secret.expose()
}

/// Whether a text has the form of a Standard Webhooks secret: `whsec_` and base64 of 24 to 64 bytes.
pub fn webhook_secret(secret: &SecretText) -> Result<(), &'static str> {
    let text = secret_text(secret).strip_prefix("whsec_").ok_or("must start with whsec_")?;
    let bytes = STANDARD.decode(text).map_err(|_| "must be whsec_ followed by base64")?;
    if (24..=64).contains(&bytes.len()) { Ok(()) } else { Err("must be whsec_ and base64 of 24 to 64 bytes") }
}

/// A trace that silently goes nowhere helps nobody.
fn telemetry(telemetry: &Telemetry) -> Option<Finding> {
    let asked = telemetry.otlp_endpoint.is_some() && !cfg!(feature = "otlp");
    let why = "this build sends no traces: build it with `--features otlp`, or leave the key out";
    asked.then(|| ("telemetry.otlp_endpoint", why.to_owned()))
}

/// The same port on "every address" and on one of them cannot both be had.
fn overlap(config: &Config) -> Vec<Finding> {
    let (mcp, hook, live, admin) = (config.mcp.listen, config.hook.listen, config.live.listen, config.admin.listen);
    let pairs = [
        ("hook.listen", hook, "mcp.listen", mcp),
        ("live.listen", live, "mcp.listen", mcp),
        ("live.listen", live, "hook.listen", hook),
        ("admin.listen", admin, "mcp.listen", mcp),
        ("admin.listen", admin, "hook.listen", hook),
        ("admin.listen", admin, "live.listen", live),
    ];
    let pairs = pairs.into_iter().filter(|(key, ..)| config.admin.enabled || *key != "admin.listen");
    let clash = |one: SocketAddr, other: SocketAddr| {
        let either = one.ip().is_unspecified() || other.ip().is_unspecified();
        one.port() == other.port() && one.port() != 0 && one.ip() != other.ip() && either
    };
    let clashing = pairs.filter(|(_, one, _, other)| clash(*one, *other));
    clashing
        .map(|(key, one, name, other)| (key, format!("{one} overlaps with {name} {other}; use another port, or the very same address")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|(key, _)| *key).collect()
    }

    #[test]
    fn the_defaults_are_right() {
        assert!(whole(&Config::default()).is_empty());
    }

    #[test]
    fn addresses_may_be_equal_but_not_overlap() {
        let mut config = Config::default();
        config.hook.listen = config.mcp.listen;
        assert!(whole(&config).is_empty());
        config.hook.listen = "0.0.0.0:8000".parse().unwrap();
        assert_eq!(keys(&whole(&config)), ["hook.listen"]);
        config.live.listen = config.mcp.listen;
        assert_eq!(keys(&whole(&config)), ["hook.listen", "live.listen"]);
    }

    #[test]
    fn the_panel_has_an_address_of_its_own_and_an_end_of_each_session() {
        let mut config = Config::default();
        config.admin.public_url = Some("https://admin.clinic.cn".to_owned());
        assert!(whole(&config).is_empty());
        assert_eq!(config.admin.hosts().last().map(String::as_str), Some("admin.clinic.cn"));
        assert_eq!(config.admin.public_origin().as_deref(), Some("https://admin.clinic.cn"));
        config.admin.public_url = Some("https://clinic.cn/panel".to_owned());
        config.admin.session_lifetime = crate::config::HumanDuration::from_secs(600);
        config.admin.allowed_hosts = vec!["*.clinic.cn".to_owned()];
        config.admin.listen = "0.0.0.0:8000".parse().unwrap();
        assert_eq!(keys(&whole(&config)), ["admin.allowed_hosts", "admin.public_url", "admin.session_idle", "admin.listen"]);
        config.admin.enabled = false;
        assert_eq!(keys(&whole(&config)).last(), Some(&"admin.session_idle"));
    }

    #[test]
    fn figures_are_shown_for_a_token_worth_the_name_and_traces_need_the_feature() {
        let mut config = Config::default();
        config.metrics.token = Some(SecretText::new("fifteen-letters"));
        config.telemetry.otlp_endpoint = Some("http://127.0.0.1:4318".to_owned());
        let mut expected = vec!["metrics.token"];
        expected.extend((!cfg!(feature = "otlp")).then_some("telemetry.otlp_endpoint"));
        assert_eq!(keys(&whole(&config)), expected);
    }

    #[test]
    fn live_tokens_need_a_secret_worth_the_name() {
        let mut config = Config::default();
        config.live.jwt_secret = Some(SecretText::new("fifteen-letters"));
        config.live.jwt_issuer = Some(" ".to_owned());
        config.live.allowed_origins = vec!["app.clinic.cn".to_owned()];
        assert_eq!(keys(&whole(&config)), ["live.allowed_origins", "live.jwt_secret", "live.jwt_issuer"]);
    }

    #[test]
    fn webhook_secrets_have_their_form() {
        let check = |text: &str| webhook_secret(&SecretText::new(text));
        assert!(check(&format!("whsec_{}", STANDARD.encode([7; 24]))).is_ok());
        for bad in ["secret", "whsec_", "whsec_!!", &format!("whsec_{}", STANDARD.encode([7; 23]))] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_and_origins_have_their_form() {
        let mut config = Config::default();
        let hosts = |list: &[&str]| list.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        config.mcp.allowed_hosts = hosts(&["mcp.clinic.cn", "::1", "[::1]", "*", "127.0.0.1", "a.b:80", "[::1]:8000"]);
        config.mcp.allowed_origins = hosts(&["https://app.clinic.cn", "http://localhost:3000"]);
        assert!(whole(&config).is_empty());
        config.mcp.allowed_hosts = hosts(&["localhost:port", "https://a.b", "*.b", ""]);
        config.mcp.allowed_origins = hosts(&["https://app.clinic.cn/", "app.clinic.cn"]);
        config.mcp.public_url = "https://mcp.clinic.cn/mcp".to_owned();
        let mut found = keys(&whole(&config));
        found.dedup();
        assert_eq!(found, ["mcp.allowed_hosts", "mcp.public_url", "mcp.allowed_origins"]);
    }

    #[test]
    fn the_public_url_may_hold_a_prefix_and_nothing_else() {
        let base = |url: &str| {
            let mut config = Config::default();
            config.mcp.public_url = url.to_owned();
            whole(&config).is_empty().then(|| (config.mcp.public_base(), config.mcp.public_path()))
        };
        let pair = |base: &str, path: &str| Some((base.to_owned(), path.to_owned()));
        assert_eq!(base("https://Mcp.clinic.cn"), pair("https://mcp.clinic.cn", ""));
        assert_eq!(base("https://clinic.cn:8443/apps/anmei/"), pair("https://clinic.cn:8443/apps/anmei", "/apps/anmei"));
        for bad in
            ["https://clinic.cn/mcp", "https://clinic.cn/a//b", "https://clinic.cn/{x}", "https://clinic.cn/a?b", "https://u@clinic.cn/"]
        {
            assert_eq!(base(bad), None, "{bad}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_ranges() {
        let mut config = Config::default();
        config.http.trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "::1"].map(str::to_owned).to_vec();
        assert!(whole(&config).is_empty());
        config.http.trusted_proxies = vec!["nginx".to_owned()];
        assert_eq!(keys(&whole(&config)), ["http.trusted_proxies"]);
    }

    #[test]
    fn what_oauth_may_send_answers_to_is_named_exactly() {
        let mut config = Config::default();
        let list = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        config.oauth.http_redirect_hosts = list(&["dify.lan", "10.0.0.7"]);
        config.oauth.client_document_domains = list(&["claude.ai"]);
        config.oauth.app_schemes = list(&["cursor", "com.example.app"]);
        assert!(whole(&config).is_empty());
        config.oauth.http_redirect_hosts = list(&["*", "http://dify.lan"]);
        config.oauth.app_schemes = list(&["cursor://", "javascript", "https", ""]);
        let mut found = keys(&whole(&config));
        found.dedup();
        assert_eq!(found, ["oauth.http_redirect_hosts", "oauth.app_schemes"]);
    }

    #[test]
    fn the_public_host_is_always_answered() {
        let mut config = Config::default();
        config.mcp.public_url = "https://MCP.clinic.cn".to_owned();
        assert_eq!(config.mcp.hosts(), ["localhost", "127.0.0.1", "::1", "mcp.clinic.cn"]);
    }
}
