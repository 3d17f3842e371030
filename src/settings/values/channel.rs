//! Ways to reach people who are not connected.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to reach people who are not connected.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Channel {
    /// A signed POST after Standard Webhooks.
    #[schemars(extend("x-zh" = "按 Standard Webhooks 签名的 POST 请求。"))]
    Webhook {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// Where.
        #[schemars(extend("x-zh" = "接收地址。"))]
        url: String,
        /// `whsec_` and base64 of 24 to 64 bytes.
        #[schemars(extend("x-zh" = "签名密钥：whsec_ 加 24 到 64 字节的 base64。"))]
        secret: String,
    },
    /// E-mail over SMTP.
    #[schemars(extend("x-zh" = "通过 SMTP 发送的电子邮件。"))]
    Email {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// `smtps://user:password@host:465` or `smtp://host:587?tls=required`.
        #[schemars(extend("x-zh" = "邮件服务器：smtps://user:password@host:465 或 smtp://host:587?tls=required。"))]
        url: String,
        /// Sender.
        #[schemars(extend("x-zh" = "发件人。"))]
        from: String,
        /// Recipients; empty: the consultants' own addresses.
        #[schemars(extend("x-zh" = "收件人；留空则发给各顾问自己的地址。"))]
        to: Vec<String>,
    },
    /// A robot of a WeCom (企业微信) group.
    #[schemars(extend("x-zh" = "企业微信群机器人。"))]
    Wecom {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// The robot's address.
        #[schemars(extend("x-zh" = "机器人的地址。"))]
        url: String,
    },
    /// A robot of a DingTalk (钉钉) group.
    #[schemars(extend("x-zh" = "钉钉群机器人。"))]
    Dingtalk {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// The robot's address.
        #[schemars(extend("x-zh" = "机器人的地址。"))]
        url: String,
        /// Its signing secret (`SEC…`), when it has one.
        #[schemars(extend("x-zh" = "签名密钥（SEC 开头），启用签名时填写。"))]
        secret: Option<String>,
    },
    /// A robot of a Feishu (飞书) group.
    #[schemars(extend("x-zh" = "飞书群机器人。"))]
    Feishu {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// The robot's address.
        #[schemars(extend("x-zh" = "机器人的地址。"))]
        url: String,
        /// Its signing secret, when it has one.
        #[schemars(extend("x-zh" = "签名密钥，启用签名时填写。"))]
        secret: Option<String>,
    },
    /// A topic of an ntfy server.
    #[schemars(extend("x-zh" = "ntfy 服务器的主题。"))]
    Ntfy {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// Address of the topic.
        #[schemars(extend("x-zh" = "主题的地址。"))]
        url: String,
        /// Access token, when it needs one.
        #[schemars(extend("x-zh" = "访问令牌，需要时填写。"))]
        token: Option<String>,
    },
    /// The existing app's sockets, over its Redis (`ws:broadcast`).
    #[schemars(extend("x-zh" = "经现有应用的 Redis（ws:broadcast）送达其连接。"))]
    Redis {
        /// Name shown to people.
        #[schemars(extend("x-zh" = "显示给人的名称。"))]
        name: String,
        /// `redis://host:6379/0`.
        #[schemars(extend("x-zh" = "地址：redis://host:6379/0。"))]
        url: String,
    },
}

impl Channel {
    /// Name shown to people; unique among the channels.
    pub fn name(&self) -> &str {
        match self {
            Self::Webhook { name, .. }
            | Self::Email { name, .. }
            | Self::Wecom { name, .. }
            | Self::Dingtalk { name, .. }
            | Self::Feishu { name, .. }
            | Self::Ntfy { name, .. }
            | Self::Redis { name, .. } => name,
        }
    }
}

/// Addresses and keys of channels are secrets: only the name is shown.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name()).finish_non_exhaustive()
    }
}
