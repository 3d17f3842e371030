//! Tools that say something while they work: progress, log messages, changes of a list.

use std::time::Duration;

use rmcp::{
    RoleServer,
    model::{CallToolResult, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam},
    service::RequestContext,
};

use super::{content::said, handler::Fixtures, world::Change};

/// Between two things that are said.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers the tool if it is one of these.
pub(crate) async fn call(fixtures: &Fixtures, name: &str, ctx: &RequestContext<RoleServer>) -> Option<CallToolResult> {
    let changed = |change| {
        fixtures.world.change(change);
        said("Changed; whoever listens was told.")
    };
    Some(match name {
        "test_tool_with_progress" => with_progress(ctx).await,
        "test_tool_with_logging" => with_logging(fixtures, ctx).await,
        "test_logging_tool" => {
            log(fixtures, ctx, "The tool was called").await;
            said("Called.")
        }
        "test_reconnection" => {
            tokio::time::sleep(2 * PAUSE).await;
            said("The answer was kept for you.")
        }
        "test_trigger_tool_change" => changed(Change::Tools),
        "test_trigger_prompt_change" => changed(Change::Prompts),
        "test_trigger_resource_change" => changed(Change::Watched),
        _ => return None,
    })
}

async fn with_progress(ctx: &RequestContext<RoleServer>) -> CallToolResult {
    for done in [0.0, 50.0, 100.0] {
        report(ctx, done).await;
        tokio::time::sleep(PAUSE).await;
    }
    said("Done, step by step.")
}

/// Progress of 100, for a client that gave a token. A client that is gone needs none.
pub(crate) async fn report(ctx: &RequestContext<RoleServer>, done: f64) {
    if let Some(token) = ctx.meta.get_progress_token() {
        ctx.peer.notify_progress(ProgressNotificationParam::new(token, done).with_total(100.0)).await.ok();
    }
}

async fn with_logging(fixtures: &Fixtures, ctx: &RequestContext<RoleServer>) -> CallToolResult {
    log(fixtures, ctx, "Tool execution started").await;
    tokio::time::sleep(PAUSE).await;
    log(fixtures, ctx, "Tool processing data").await;
    tokio::time::sleep(PAUSE).await;
    log(fixtures, ctx, "Tool execution completed").await;
    said("Done, and logged.")
}

/// An informational message, for a client that wants those.
async fn log(fixtures: &Fixtures, ctx: &RequestContext<RoleServer>, text: &str) {
    if fixtures.wants_log(ctx, LoggingLevel::Info) {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, text.into()).with_logger("fixtures");
        ctx.peer.notify_logging_message(message).await.ok();
    }
}
