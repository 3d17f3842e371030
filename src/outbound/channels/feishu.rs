//! A robot of a Feishu (飞书) group: a card, signed in the body, 5 messages a second and 100 a minute.
//!
//! A card's plain texts are shown as they are, so that nothing in them has to be disarmed.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::{
    ChannelError, Push, Sent, Severity, Tools,
    config::Fault,
    robot::{self, Manner, Verdict},
    text,
};
use crate::secret::SecretText;

/// A request may have 20 KB with everything around it.
const MAX_TEXT: usize = 14_000;
const MANNER: Manner = Manner { code: "code", message: "msg", judge };

/// A robot.
pub(super) struct Feishu {
    url: Url,
    secret: Option<SecretText>,
}

impl Feishu {
    pub(super) fn parse(url: &SecretText, secret: Option<&SecretText>) -> Result<Self, Fault> {
        let url = robot::parse_address(url)?;
        let token = url.path().rsplit_once("/hook/").map_or("", |(_, token)| token);
        if token.is_empty() {
            let why = "has no token: copy the robot's address, such as https://open.feishu.cn/open-apis/bot/v2/hook/…";
            return Err(Fault::of("url", why));
        }
        Ok(Self { url, secret: robot::parse_secret(secret)? })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        let mut body = json!({"msg_type": "interactive", "card": card(push)});
        let now = tools.clock.now().timestamp();
        if let (Some(secret), Some(fields)) = (&self.secret, body.as_object_mut()) {
            fields.insert("timestamp".into(), now.to_string().into());
            fields.insert("sign".into(), sign(secret, now).into());
        }
        robot::tell(tools, self.url.clone(), &body, &MANNER).await
    }
}

fn card(push: &Push) -> Value {
    let color = match push.severity {
        Severity::Info => "blue",
        Severity::Warning => "orange",
        Severity::Critical => "red",
    };
    let plain = |content: &str| json!({"tag": "plain_text", "content": content});
    let mut elements = vec![json!({"tag": "div", "text": plain(&text::cut(&push.body, MAX_TEXT))})];
    if let Some(link) = text::link(push) {
        let button = json!({"tag": "button", "text": plain(text::OPEN), "url": link, "type": "primary"});
        elements.push(json!({"tag": "action", "actions": [button]}));
    }
    json!({"header": {"title": plain(&text::title(push)), "template": color}, "elements": elements})
}

/// Time and secret are the key; the message is empty.
fn sign(secret: &SecretText, now: i64) -> Option<String> {
    let mac = Hmac::<Sha256>::new_from_slice(format!("{now}\n{}", secret.expose()).as_bytes()).ok()?;
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

fn judge(code: i64, words: &str) -> Verdict {
    match code {
        // Too many in this minute or at this moment; 9499 says so in words only, else it means a bad body.
        11_232 | 99_991_400 => Verdict::Later(None),
        9_499 if words.to_ascii_lowercase().contains("too many") => Verdict::Later(None),
        19_001 => Verdict::Never("the robot is gone or its token is wrong: copy its address again from the group's settings"),
        19_021 => Verdict::Never("the signature does not fit: check the signing secret and the machine's clock"),
        19_022 => Verdict::Never("this machine's IP address is not among those the robot takes: add it"),
        19_024 => Verdict::Never("the push's text holds none of the robot's keywords: add one to the text or drop the rule"),
        _ => Verdict::Never("look the code up in Feishu's guide to custom bots (自定义机器人)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_computes() {
        // printf '' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '1700000000\ntest' | od -An -tx1 | tr -d ' \\n') -binary | base64
        assert_eq!(sign(&SecretText::new("test"), 1_700_000_000).unwrap(), "eSJQnOl8XqPTMPHWz9e5IzeHS/tqoc68g2967ekIPmg=");
    }
}
