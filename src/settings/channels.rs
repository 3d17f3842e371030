//! Addresses and secrets of channels: which forms are right, and how they are shown without giving anything away.
//!
//! Where a secret is shown it is `***`. A list that was read masked may be given back: `***` in a channel then stands
//! for the secret that is stored under the same kind and name. A message never repeats an address.

use serde_json::Value;
use url::Url;

use super::{check::Wrong, values::Channel};
use crate::{
    config::{Bilingual, web_url, webhook_secret},
    secret::SecretText,
};

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Longest name of a channel, in characters.
const LONGEST_NAME: usize = 100;

/// What is wrong with a channel: in which field, how, and what is allowed; Chinese first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The field.
    pub(super) field: &'static str,
    /// What is wrong with it.
    pub(super) wrong: (&'static str, &'static str),
    /// What is allowed.
    pub(super) allowed: (&'static str, &'static str),
}

type Texts = (&'static str, &'static str);

fn flaw(field: &'static str, wrong: Texts, allowed: Texts) -> Flaw {
    Flaw { field, wrong, allowed }
}

/// Whether a channel can be used at all, as far as its own words tell.
pub(super) fn check(channel: &Channel) -> Result<(), Flaw> {
    let name = channel.name();
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let wrong = ("名称为空、过长或不是一行", "the name is empty, too long or not one line");
        return Err(flaw("name", wrong, ("1 到 100 个字的名称", "a name of 1 to 100 characters")));
    }
    match channel {
        Channel::Webhook { url, secret, .. } => {
            web(url)?;
            let form = webhook_secret(&SecretText::new(secret.as_str()));
            let wrong = ("密钥格式不正确", "the secret is not of the right form");
            let allowed = ("密钥：whsec_ 加 24 到 64 字节的 base64", "a secret: whsec_ and base64 of 24 to 64 bytes");
            form.map_err(|_| flaw("secret", wrong, allowed))
        }
        Channel::Email { url, from, to, .. } => email(url, from, to),
        Channel::Wecom { url, .. } => web(url),
        Channel::Dingtalk { url, secret, .. } | Channel::Feishu { url, secret, .. } => {
            web(url).and_then(|()| token("secret", secret.as_deref()))
        }
        Channel::Ntfy { url, token: access, .. } => {
            let url = Url::parse(url).ok().filter(|parsed| web_url(url).is_ok() && parsed.path().len() > 1);
            let wrong = ("地址中没有主题", "the address has no topic");
            let allowed = ("形如 https://ntfy.example.com/anmei 的地址", "an address such as https://ntfy.example.com/anmei");
            url.ok_or(flaw("url", wrong, allowed))?;
            token("token", access.as_deref())
        }
        Channel::Redis { url, .. } => redis(url),
    }
}

fn web(url: &str) -> Result<(), Flaw> {
    let wrong = ("地址不是 http 或 https 地址", "the address is not one of http or https");
    let allowed = ("以 https:// 或 http:// 开头的地址", "an address that starts with https:// or http://");
    web_url(url).map(drop).map_err(|_| flaw("url", wrong, allowed))
}

fn token(field: &'static str, text: Option<&str>) -> Result<(), Flaw> {
    let good = text.is_none_or(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    let wrong = ("密钥为空或含有空格", "the secret is empty or has spaces in it");
    if good {
        Ok(())
    } else {
        Err(flaw(field, wrong, ("可见的 ASCII 字符；不需要时请留空", "visible ASCII characters, or leave it out")))
    }
}

fn email(url: &str, from: &str, to: &[String]) -> Result<(), Flaw> {
    const SERVER: Texts = (
        "smtps://user:password@host:465 或 smtp://host:587?tls=required",
        "smtps://user:password@host:465 or smtp://host:587?tls=required",
    );
    let not_one = ("邮件服务器地址不是有效的 URL", "the address of the mail server is not a URL");
    let parsed = Url::parse(url).map_err(|_| flaw("url", not_one, SERVER))?;
    if !matches!(parsed.scheme(), "smtp" | "smtps") || parsed.host_str().is_none_or(str::is_empty) {
        let wrong = ("邮件服务器地址不是 smtp 或 smtps 地址", "the address of the mail server is not one of smtp or smtps");
        return Err(flaw("url", wrong, SERVER));
    }
    if parsed.query_pairs().any(|(name, value)| name != "tls" || !matches!(&*value, "required" | "opportunistic")) {
        let wrong = ("邮件服务器地址含有未知的选项", "the address of the mail server has an unknown option");
        return Err(flaw("url", wrong, ("?tls=required 或 ?tls=opportunistic", "?tls=required or ?tls=opportunistic")));
    }
    let field = if !is_mailbox(from) {
        "from"
    } else if !to.iter().all(|to| is_mailbox(to)) {
        "to"
    } else {
        return Ok(());
    };
    let wrong = ("发件人或收件人不是电子邮件地址", "the sender or a recipient is not an e-mail address");
    let allowed = ("name@example.com 或 安美 <name@example.com>", "name@example.com or 安美 <name@example.com>");
    Err(flaw(field, wrong, allowed))
}

/// `name@host`, or that in angle brackets behind a person's name.
fn is_mailbox(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let parts = address.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    parts.is_some() && !address.contains(|c: char| c.is_whitespace() || c == ',') && !text.contains(char::is_control)
}

fn redis(url: &str) -> Result<(), Flaw> {
    if !cfg!(feature = "redis") {
        let wrong = ("此版本没有编入 Redis 渠道", "this build has no Redis channel");
        let allowed = ("其他渠道；或启用特性 `redis` 的版本", "the other kinds; or a build with the feature `redis`");
        return Err(flaw("kind", wrong, allowed));
    }
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.host_str().is_some());
    let wrong = ("地址不是 redis 地址", "the address is not one of redis");
    parsed.map(drop).ok_or(flaw("url", wrong, ("redis://host:6379/0", "redis://host:6379/0")))
}

/// A list of channels with every secret as `***`.
pub(super) fn masked(list: &Value) -> Value {
    Value::Array(list.as_array().into_iter().flatten().map(masked_channel).collect())
}

fn masked_channel(channel: &Value) -> Value {
    let mut channel = channel.clone();
    let kind = channel.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (field, value) in channel.as_object_mut().into_iter().flatten() {
        let Some(text) = value.as_str() else { continue };
        match field.as_str() {
            "secret" | "token" => *value = MASK.into(),
            "url" => *value = masked_url(&kind, text).into(),
            _ => {}
        }
    }
    channel
}

/// An address without its password and without what proves to a robot who is calling.
fn masked_url(kind: &str, text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return MASK.to_owned() };
    let account = matches!(kind, "email" | "redis");
    // Neither call fails on an address that has a host; one without has no account to hide.
    if url.password().is_some() {
        let _no_host = url.set_password(Some(MASK));
    }
    if !account && !url.username().is_empty() {
        let _no_host = url.set_username(MASK);
    }
    if !account && url.query().is_some_and(|query| !query.is_empty()) {
        let names: Vec<String> =
            url.query_pairs().map(|(name, value)| if value.is_empty() { MASK.into() } else { name.into_owned() }).collect();
        url.query_pairs_mut().clear().extend_pairs(names.iter().map(|name| (name, MASK)));
    }
    if kind == "feishu"
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.pop_if_empty().pop().push(MASK);
    }
    if url.as_str().contains(MASK) { url.into() } else { text.to_owned() }
}

/// Puts stored secrets where a given list has `***`.
pub(super) fn restore(given: &mut Value, stored: &Value) -> Result<(), Wrong> {
    for (at, channel) in given.as_array_mut().into_iter().flatten().enumerate() {
        let same = |other: &&Value| ["kind", "name"].iter().all(|field| other.get(field) == channel.get(field));
        let known = stored.as_array().into_iter().flatten().find(same).cloned().unwrap_or_default();
        let mask = masked_channel(&known);
        for (field, value) in channel.as_object_mut().into_iter().flatten() {
            if !value.as_str().is_some_and(|text| text.contains(MASK)) {
                continue;
            }
            let secret = known.get(field).filter(|_| mask.get(field) == Some(value));
            *value = secret.cloned().ok_or_else(|| {
                let n = at + 1;
                let text = Bilingual::new(
                    format!("第 {n} 项：{field} 中的 `{MASK}` 代表已保存的密钥，而这一类型与名称没有保存过密钥，请填写完整"),
                    format!("entry {n}: `{MASK}` in {field} stands for a stored secret, and none is stored for this kind and name"),
                );
                Wrong { place: format!("/{at}/{field}"), text }
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_proves_who_is_calling_is_masked() {
        for (kind, url, shown) in [
            (
                "wecom",
                "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc",
                "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***",
            ),
            ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=abc", "https://oapi.dingtalk.com/robot/send?access_token=***"),
            ("feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/abc", "https://open.feishu.cn/open-apis/bot/v2/hook/***"),
            ("email", "smtps://ops:abc@mail.example.com:465?tls=required", "smtps://ops:***@mail.example.com:465?tls=required"),
            ("redis", "redis://:abc@cache:6379/0", "redis://:***@cache:6379/0"),
            ("webhook", "https://abc@example.com/in?abc", "https://***@example.com/in?***=***"),
            ("ntfy", "https://ntfy.example.com/anmei", "https://ntfy.example.com/anmei"),
            ("wecom", "abc", "***"),
        ] {
            assert_eq!(masked_url(kind, url), shown);
        }
        let list = json!([{"kind": "ntfy", "name": "a", "url": "https://ntfy.example.com/t", "token": "abc"}, {"kind": "feishu", "name": "b", "url": "https://f.cn/abc", "secret": null}]);
        let shown = masked(&list);
        assert_eq!((&shown[0]["token"], &shown[1]["secret"]), (&json!("***"), &Value::Null));
        assert!(!shown.to_string().contains("abc"));
    }

    #[test]
    fn a_masked_list_can_be_given_back() {
        let stored = json!([
            {"kind": "dingtalk", "name": "群", "url": "https://oapi.dingtalk.com/robot/send?access_token=abc", "secret": "SECx"},
            {"kind": "email", "name": "mail", "url": "smtps://ops:abc@mail.example.com:465", "from": "a@b.cn", "to": []},
        ]);
        let mut given = masked(&stored);
        given[1]["from"] = json!("c@b.cn");
        restore(&mut given, &stored).unwrap();
        assert_eq!(given[0], stored[0]);
        assert_eq!((&given[1]["url"], &given[1]["from"]), (&stored[1]["url"], &json!("c@b.cn")));
        for (field, value) in [("name", json!("另一个群")), ("url", json!("https://evil.example/robot/send?access_token=***"))] {
            let mut given = masked(&stored);
            given[0][field] = value;
            let wrong = restore(&mut given, &stored).unwrap_err();
            assert!(wrong.text.en.starts_with("entry 1: `***` in ") && wrong.place.starts_with("/0/"), "{wrong:?}");
        }
    }

    #[test]
    fn forms_of_channels() {
        let good = [
            json!({"kind": "webhook", "name": "a", "url": "https://a.cn/in", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
            json!({"kind": "email", "name": "a", "url": "smtp://127.0.0.1:2525", "from": "安美 <ops@a.cn>", "to": ["b@a.cn"]}),
            json!({"kind": "wecom", "name": "a", "url": "http://127.0.0.1:9/send?key=k"}),
            json!({"kind": "dingtalk", "name": "a", "url": "https://o.cn/send?access_token=k", "secret": "SEC1"}),
            json!({"kind": "feishu", "name": "a", "url": "https://o.cn/hook/k"}),
            json!({"kind": "ntfy", "name": "a", "url": "https://ntfy.sh/anmei", "token": "tk_1"}),
        ];
        for channel in good {
            assert_eq!(check(&serde_json::from_value(channel.clone()).unwrap()), Ok(()), "{channel}");
        }
        let bad = [
            (json!({"kind": "webhook", "name": "a", "url": "https://a.cn/in", "secret": "short"}), "the secret"),
            (json!({"kind": "webhook", "name": "a", "url": "ftp://a.cn", "secret": "x"}), "the address"),
            (json!({"kind": "wecom", "name": " ", "url": "https://a.cn"}), "the name"),
            (json!({"kind": "wecom", "name": "a", "url": "qyapi.weixin.qq.com"}), "the address"),
            (json!({"kind": "email", "name": "a", "url": "https://a.cn", "from": "a@b", "to": []}), "the address of the mail server"),
            (json!({"kind": "email", "name": "a", "url": "smtp://a.cn?tls=no", "from": "a@b", "to": []}), "the address of the mail server"),
            (json!({"kind": "email", "name": "a", "url": "smtp://a.cn", "from": "a b", "to": []}), "the sender"),
            (json!({"kind": "email", "name": "a", "url": "smtp://a.cn", "from": "a@b", "to": ["b@c\r\nBcc: d@e"]}), "the sender"),
            (json!({"kind": "dingtalk", "name": "a", "url": "https://a.cn", "secret": "a b"}), "the secret"),
            (json!({"kind": "ntfy", "name": "a", "url": "https://ntfy.sh/"}), "the address"),
            (
                json!({"kind": "redis", "name": "a", "url": "http://cache"}),
                if cfg!(feature = "redis") { "the address" } else { "this build" },
            ),
        ];
        for (channel, start) in bad {
            let flaw = check(&serde_json::from_value(channel.clone()).unwrap()).unwrap_err();
            assert!(flaw.wrong.1.starts_with(start), "{channel}: {flaw:?}");
        }
    }
}
