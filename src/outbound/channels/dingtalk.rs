//! A robot of a DingTalk (钉钉) group: markdown, signed in the query, 20 messages a minute or ten minutes of silence.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use url::Url;

use super::{
    ChannelError, Push, Sent, Tools,
    config::Fault,
    robot::{self, Manner, Verdict},
    text,
};
use crate::secret::SecretText;

/// A message may have 20,000 bytes with everything around it.
const MAX_TEXT: usize = 16_000;
/// How long a robot that sent more than 20 messages in a minute is silenced.
const SILENCED: Duration = Duration::from_mins(10);
const EXAMPLE: &str = "https://oapi.dingtalk.com/robot/send?access_token=…";
const MANNER: Manner = Manner { code: "errcode", message: "errmsg", judge };

/// A robot.
pub(super) struct Dingtalk {
    url: Url,
    secret: Option<SecretText>,
}

impl Dingtalk {
    pub(super) fn parse(url: &SecretText, secret: Option<&SecretText>) -> Result<Self, Fault> {
        let url = robot::parse_address(url)?;
        robot::require_parameter(&url, "access_token", EXAMPLE)?;
        Ok(Self { url, secret: robot::parse_secret(secret)? })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        let content = self::text(push);
        let body = json!({"msgtype": "markdown", "markdown": {"title": text::title(push), "text": content}});
        robot::tell(tools, self.signed_url(tools.clock.now_ms()), &body, &MANNER).await
    }

    /// The address with `timestamp` (milliseconds) and `sign`.
    fn signed_url(&self, now_ms: i64) -> Url {
        let mut url = self.url.clone();
        if let Some(sign) = self.secret.as_ref().and_then(|secret| sign(secret, now_ms)) {
            url.query_pairs_mut().append_pair("timestamp", &now_ms.to_string()).append_pair("sign", &sign);
        }
        url
    }
}

/// What the group is shown. A single line break is none in DingTalk's markdown.
pub(super) fn text(push: &Push) -> String {
    text::markdown(push, "\n\n", MAX_TEXT)
}

/// The secret is the key, and part of the message.
fn sign(secret: &SecretText, now_ms: i64) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(format!("{now_ms}\n{}", secret.expose()).as_bytes());
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

fn judge(code: i64, _: &str) -> Verdict {
    match code {
        -1 => Verdict::Later(None),
        130_101 | 410_100 | 430_101 | 90_018 => Verdict::Later(Some(SILENCED)),
        300_001 | 300_005 | 400_101 | 400_102 | 400_106 => {
            Verdict::Never("the robot is gone, stopped or its token is wrong: copy its address again from the group's settings")
        }
        310_000 => Verdict::Never(
            "one of the robot's safety rules (keyword, signature, IP address) does not let it pass: check the signing secret, the machine's clock, and that the push's text holds a keyword",
        ),
        460_101 => Verdict::Never("the push is too large: shorten its text"),
        _ => Verdict::Never("look the code up in DingTalk's list of global codes (全局错误码)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_computes() {
        // printf '1700000000123\nSECtest' | openssl dgst -sha256 -hmac SECtest -binary | base64
        let robot =
            Dingtalk::parse(&SecretText::new("https://oapi.dingtalk.com/robot/send?access_token=abc"), Some(&SecretText::new("SECtest")));
        let url = robot.unwrap().signed_url(1_700_000_000_123);
        assert_eq!(url.query().unwrap(), "access_token=abc&timestamp=1700000000123&sign=lrMq5E54T40t3FfGVjxdvoqIbXlWY6mzkZYiVoI6emk%3D");
    }
}
