//! A channel gave pushes up and has taken none since. The subject is `notice/NAME` or `alerts/NAME`, after the setting
//! the channel stands in. Resolved when it takes a push again, or is no longer configured.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::store::{StoreError, health::FailingChannel};

pub(super) struct ChannelFailing;

#[async_trait]
impl Condition for ChannelFailing {
    fn kind(&self) -> Kind {
        Kind { name: "channel_failing", zh: "推送渠道失败", en: "a channel fails", severity: "warning", flaps: false, every_ms: 0 }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let settings = scene.settings;
        let is_used = |failing: &FailingChannel| {
            let channels = if failing.for_administrators { &settings.alerts.channels } else { &settings.notice.channels };
            channels.iter().any(|channel| channel.name() == failing.channel)
        };
        Ok(scene.store.failing_channels()?.iter().filter(|failing| is_used(failing)).map(said).collect())
    }
}

fn said(failing: &FailingChannel) -> Finding {
    let FailingChannel { channel, pushes, .. } = failing;
    let setting = if failing.for_administrators { "alerts" } else { "notice" };
    let error = failing.error.as_deref().unwrap_or("-");
    Finding::new(
        format!("{setting}/{channel}"),
        &format!("推送渠道「{channel}」连续 {pushes} 条推送重试后仍失败"),
        &format!("the channel {channel} ({setting}.channels) took none of {pushes} pushes: {error}"),
        json!({"channel": channel, "setting": setting, "pushes": pushes, "error": failing.error, "given_up_at": failing.at}),
    )
}
