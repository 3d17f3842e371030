//! A robot of a WeCom (企业微信) group: markdown of at most 4096 bytes, 20 messages a minute.

use std::time::Duration;

use serde_json::json;
use url::Url;

use super::{
    ChannelError, Push, Sent, Tools,
    config::Fault,
    robot::{self, Manner, Verdict},
    text,
};
use crate::secret::SecretText;

const MAX_CONTENT: usize = 4_096;
/// What `45009` counts by.
const MINUTE: Duration = Duration::from_mins(1);
const EXAMPLE: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…";
const MANNER: Manner = Manner { code: "errcode", message: "errmsg", judge };

/// A robot.
pub(super) struct Wecom {
    url: Url,
}

impl Wecom {
    pub(super) fn parse(url: &SecretText) -> Result<Self, Fault> {
        let url = robot::parse_address(url)?;
        robot::require_parameter(&url, "key", EXAMPLE)?;
        Ok(Self { url })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        let content = self::text(push);
        let body = json!({"msgtype": "markdown", "markdown": {"content": content}});
        robot::tell(tools, self.url.clone(), &body, &MANNER).await
    }
}

/// What the group is shown.
pub(super) fn text(push: &Push) -> String {
    text::markdown(push, "\n", MAX_CONTENT)
}

fn judge(code: i64, _: &str) -> Verdict {
    match code {
        // Busy; too many calls in a minute; too many at once.
        -1 => Verdict::Later(None),
        45_009 | 45_033 => Verdict::Later(Some(MINUTE)),
        93_000 => Verdict::Never("the robot is gone or its key is wrong: copy its address again from the group's settings"),
        _ => Verdict::Never("look the code up in WeCom's list of global codes (全局错误码)"),
    }
}
