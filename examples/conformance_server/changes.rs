//! Who is told of changes: subscriptions of 2026-07-28, and sessions of handshake clients.

use std::time::Duration;

use rmcp::{
    Peer, RoleServer,
    model::{ResourceUpdatedNotificationParam, SubscriptionFilter},
    service::SubscriptionContext,
};
use tokio::sync::broadcast::error::RecvError;

use super::{
    handler::Fixtures,
    resources::WATCHED,
    world::{Change, World},
};

/// How often a forwarder looks whether its session is still there.
const LOOK: Duration = Duration::from_secs(1);

/// What of a filter is honoured: there is no change of the list of resources, and one resource that changes.
pub(crate) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = requested.clone();
    accepted.resources_list_changed = None;
    if let Some(uris) = &mut accepted.resource_subscriptions {
        uris.retain(|uri| uri == WATCHED);
    }
    accepted
}

/// Tells a subscription what it asked for, until it ends.
pub(crate) async fn listen(world: &World, subscription: &SubscriptionContext) {
    let mut changes = world.changes.subscribe();
    let (accepted, sink) = (subscription.accepted(), subscription.sink());
    let watches = accepted.resource_subscriptions.as_ref().is_some_and(|uris| !uris.is_empty());
    loop {
        let change = tokio::select! {
            () = subscription.cancelled() => return,
            () = world.stop.cancelled() => return,
            change = changes.recv() => change,
        };
        let told = match change {
            Ok(Change::Tools) if accepted.tools_list_changed == Some(true) => sink.notify_tool_list_changed().await,
            Ok(Change::Prompts) if accepted.prompts_list_changed == Some(true) => sink.notify_prompt_list_changed().await,
            Ok(Change::Watched) if watches => sink.notify_resource_updated(WATCHED).await,
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if told.is_err() {
            return;
        }
    }
}

/// Tells the client of a session what changes, until it is gone.
pub(crate) async fn forward(fixtures: Fixtures, peer: Peer<RoleServer>) {
    let mut changes = fixtures.world.changes.subscribe();
    loop {
        let change = tokio::select! {
            () = fixtures.world.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {
                if peer.is_transport_closed() {
                    return;
                }
                continue;
            }
            change = changes.recv() => change,
        };
        let told = match change {
            Ok(Change::Tools) => peer.notify_tool_list_changed().await,
            Ok(Change::Prompts) => peer.notify_prompt_list_changed().await,
            Ok(Change::Watched) if fixtures.watched().contains(WATCHED) => {
                peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(WATCHED)).await
            }
            Ok(Change::Watched) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if told.is_err() {
            return;
        }
    }
}
