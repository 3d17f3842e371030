//! The address of a mail server: where, encrypted how, and as whom.
//!
//! In the clear only to this machine, or when the address says `tls=none`: a password would be readable on the way.

use lettre::transport::smtp::authentication::Credentials;
use url::{Url, form_urlencoded};

use crate::{
    outbound::channels::{config::Fault, robot::is_loopback},
    secret::SecretText,
};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// From the first byte (`smtps`).
    Implicit,
    /// After `STARTTLS`, without which nothing is sent.
    StartTls,
    /// Not at all.
    None,
}

/// A mail server that passes on what we send.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Credentials>,
}

impl Relay {
    pub(super) fn parse(url: &SecretText) -> Result<Self, Fault> {
        let url = Url::parse(url.expose()).map_err(|error| Fault::of("url", format!("is not an address: {error}")))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(Fault::of("url", "names no host: write smtps://user:password@host:465"));
        }
        let (encryption, usual_port) = encryption(&url)?;
        Ok(Self { host, port: url.port().unwrap_or(usual_port), encryption, login: login(&url) })
    }

    /// What an error may show.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// With the port that is usual for it.
fn encryption(url: &Url) -> Result<(Encryption, u16), Fault> {
    let tls = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
    match (url.scheme(), tls.as_deref()) {
        ("smtps", None | Some("required")) => Ok((Encryption::Implicit, 465)),
        ("smtp", Some("required")) => Ok((Encryption::StartTls, 587)),
        ("smtp", Some("none")) => Ok((Encryption::None, 25)),
        ("smtp", None) if is_loopback(url) => Ok((Encryption::None, 25)),
        ("smtp", None) => Err(Fault::of(
            "url",
            "does not say how it is encrypted: use smtps://, or add ?tls=required (or ?tls=none on a network you trust)",
        )),
        ("smtp" | "smtps", Some(_)) => Err(Fault::of("url", "has a tls that is neither required nor none")),
        _ => Err(Fault::of("url", "must begin with smtps:// or smtp://")),
    }
}

fn login(url: &Url) -> Option<Credentials> {
    let password = url.password()?;
    Some(Credentials::new(percent_decoded(url.username()), percent_decoded(password)))
}

/// Decoded as a form's value, of which only `+` and `&` are read otherwise than in an address.
fn percent_decoded(text: &str) -> String {
    let form = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Relay, Fault> {
        Relay::parse(&SecretText::new(url))
    }

    #[test]
    fn the_scheme_and_tls_say_how() {
        let of = |url: &str| parse(url).map(|relay| (relay.shown(), relay.encryption)).unwrap();
        assert_eq!(of("smtps://a:b@mail.cn"), ("mail.cn:465".into(), Encryption::Implicit));
        assert_eq!(of("smtp://mail.cn?tls=required"), ("mail.cn:587".into(), Encryption::StartTls));
        assert_eq!(of("smtp://mail.cn:2525?tls=none"), ("mail.cn:2525".into(), Encryption::None));
        assert_eq!(of("smtp://localhost"), ("localhost:25".into(), Encryption::None));
        assert_eq!(of("smtp://127.0.0.1:25"), ("127.0.0.1:25".into(), Encryption::None));
        assert_eq!(of("smtp://[::1]:25"), ("::1:25".into(), Encryption::None));
        for bad in ["smtp://mail.cn:25", "smtp://mail.cn?tls=maybe", "smtps://mail.cn?tls=none", "https://mail.cn", "mail.cn", "smtps://"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_keep_their_odd_characters() {
        let relay = parse("smtps://%E7%94%A8%E6%88%B7%40a.cn:p%2Fw%3A+&=%25@mail.cn").ok().unwrap();
        assert_eq!(relay.login.unwrap(), Credentials::new("用户@a.cn".into(), "p/w:+&=%".into()));
        assert!(parse("smtps://mail.cn").ok().unwrap().login.is_none());
    }
}
