//! `[external_idp]`: an identity provider of your own whose tokens open groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{HumanDuration, validate::Finding};

/// Signatures that are checked.
const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// An identity provider whose JWTs are taken as bearer tokens on the MCP URLs, beside keys and our own tokens. A token
/// opens the groups that one of its claims is mapped to, and no other.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalIdp {
    /// What a token must name as its issuer (`iss`), exactly. Without it there is no such provider.
    #[schemars(extend("examples" = ["https://id.example.com/realms/clinic"]))]
    pub issuer: Option<String>,
    /// Address of the issuer's public keys (a JSON Web Key Set).
    #[schemars(extend("format" = "http-url", "examples" = ["https://id.example.com/realms/clinic/protocol/openid-connect/certs"]))]
    pub jwks_url: Option<String>,
    /// What a token must name as, or among, its audience (`aud`): a name that the issuer gives to this server alone.
    #[schemars(extend("examples" = ["anmei-mcp"]))]
    pub audience: Option<String>,
    /// Signatures that are accepted, of RS256, ES256 and EdDSA. Each key of the issuer verifies the one of its kind.
    pub algorithms: Vec<String>,
    /// The claim that says which groups a token opens: a text or a list of texts. Dots lead into objects, such as
    /// `realm_access.roles`.
    pub group_claim: String,
    /// Which value of that claim opens which group, as `value=server_code`. A value may stand in several entries; one
    /// without an entry opens nothing.
    #[schemars(extend("examples" = [["mcp-doctors=medical_tools", "mcp-consultants=consultation_tools"]]))]
    pub groups: Vec<String>,
    /// How far the issuer's clock may differ from ours.
    #[schemars(extend("maximum" = "5m"))]
    pub leeway: HumanDuration,
}

impl Default for ExternalIdp {
    fn default() -> Self {
        Self {
            issuer: None,
            jwks_url: None,
            audience: None,
            algorithms: ALGORITHMS.map(str::to_owned).to_vec(),
            group_claim: "groups".to_owned(),
            groups: Vec::new(),
            leeway: HumanDuration::from_secs(30),
        }
    }
}

impl ExternalIdp {
    /// The entries of `groups`, as value and server code.
    pub fn mapping(&self) -> Vec<(String, String)> {
        self.groups.iter().filter_map(|entry| split(entry)).map(|(value, code)| (value.to_owned(), code.to_owned())).collect()
    }
}

/// The code follows the last equals sign: values may hold some, codes cannot.
fn split(entry: &str) -> Option<(&str, &str)> {
    let (value, code) = entry.rsplit_once('=')?;
    let (value, code) = (value.trim(), code.trim());
    let plain = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    (!value.is_empty() && (1..=24).contains(&code.len()) && plain).then_some((value, code))
}

/// What is wrong with the section.
pub(super) fn check(idp: &ExternalIdp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    let set = !blank(&idp.jwks_url) || !blank(&idp.audience) || !idp.groups.is_empty();
    match &idp.issuer {
        None if set => findings.push(("external_idp.issuer", "is needed when anything else of [external_idp] is set".to_owned())),
        None => return findings,
        Some(text) if text.trim().is_empty() => {
            findings.push(("external_idp.issuer", "is empty; leave the key out for no provider".to_owned()))
        }
        Some(_) => {}
    }
    if blank(&idp.jwks_url) {
        findings.push((
            "external_idp.jwks_url",
            "is needed with external_idp.issuer: signatures are checked with the keys found there".to_owned(),
        ));
    } else if let Some(Ok(url)) = idp.jwks_url.as_deref().map(Url::parse)
        && url.scheme() == "http"
        && !is_this_machine(&url)
    {
        findings.push(("external_idp.jwks_url", "must be https: whoever can change the keys on their way can be anybody".to_owned()));
    }
    if blank(&idp.audience) {
        findings.push((
            "external_idp.audience",
            "is needed with external_idp.issuer: a token for another service must not open this one".to_owned(),
        ));
    }
    if idp.algorithms.is_empty() || idp.algorithms.iter().any(|name| !ALGORITHMS.contains(&name.as_str())) {
        findings.push(("external_idp.algorithms", format!("must be one or more of {}", ALGORITHMS.join(", "))));
    }
    if idp.group_claim.trim().is_empty() {
        findings.push(("external_idp.group_claim", "is empty; leave the key out for \"groups\"".to_owned()));
    }
    if idp.groups.is_empty() {
        findings.push(("external_idp.groups", "is needed with external_idp.issuer: without an entry no token opens anything".to_owned()));
    }
    let wrong = idp.groups.iter().filter(|entry| split(entry).is_none());
    findings.extend(
        wrong.map(|entry| ("external_idp.groups", format!("\"{entry}\" is not value=server_code, such as \"mcp-doctors=medical_tools\""))),
    );
    findings
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> ExternalIdp {
        ExternalIdp {
            issuer: Some("https://id.example.com".into()),
            jwks_url: Some("https://id.example.com/jwks".into()),
            audience: Some("anmei-mcp".into()),
            groups: vec!["mcp-doctors=medical_tools".into(), "cn=a,dc=b = system_tools".into()],
            ..ExternalIdp::default()
        }
    }

    #[test]
    fn a_section_is_whole_or_absent() {
        assert!(check(&ExternalIdp::default()).is_empty());
        assert!(check(&good()).is_empty());
        assert_eq!(good().mapping()[1], ("cn=a,dc=b".to_owned(), "system_tools".to_owned()));
        let spoilt: [(&str, fn(&mut ExternalIdp)); 8] = [
            ("external_idp.issuer", |idp| idp.issuer = None),
            ("external_idp.issuer", |idp| idp.issuer = Some(" ".into())),
            ("external_idp.jwks_url", |idp| idp.jwks_url = None),
            ("external_idp.jwks_url", |idp| idp.jwks_url = Some("http://id.example.com/jwks".into())),
            ("external_idp.audience", |idp| idp.audience = None),
            ("external_idp.algorithms", |idp| idp.algorithms = vec!["HS256".into()]),
            ("external_idp.groups", |idp| idp.groups = Vec::new()),
            ("external_idp.groups", |idp| idp.groups = vec!["medical_tools".into()]),
        ];
        for (key, spoil) in spoilt {
            let mut idp = good();
            spoil(&mut idp);
            let found: Vec<_> = check(&idp).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, [key]);
        }
    }
}
