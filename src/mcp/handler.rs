//! The rmcp side: handshake, discovery, subscriptions, and both tool methods for whoever the fast lane does not serve.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CustomRequest, CustomResult, DiscoverResult, ErrorCode,
        GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, InitializeRequestParams, InitializeResult,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    envelope::client_text, fast, lanes::Limited, listing, observed, progress::Notifier, result::call_result, tasks, watch::ListWatch,
};
use crate::{
    dispatch::{Call, Channel, Client, Dispatch, NobodyAsked, Outcome, Progress},
    gate::{Caller, Gate},
};

/// What the server says of itself (PRD 8.1.2).
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How long a client may keep a `tools/list`, in milliseconds.
    pub list_ttl_ms: u64,
}

impl ServerSettings {
    pub(super) fn implementation(&self) -> Implementation {
        Implementation::new(self.name.clone(), self.version.clone())
    }

    fn capabilities(&self) -> ServerCapabilities {
        let experimental = [("anmei_smart".to_owned(), json!({"version": self.version}).as_object().cloned().unwrap_or_default())];
        ServerCapabilities::builder()
            .enable_prompts()
            .enable_resources()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .enable_experimental_with(experimental.into_iter().collect())
            .build()
    }

    /// How long a list may be kept, and by whom: by whoever holds this key. Older revisions know no such hints.
    fn cache_hints(&self, ctx: &RequestContext<RoleServer>) -> (Option<u64>, Option<CacheScope>) {
        if protocol(ctx) == fast::MODERN { (Some(self.list_ttl_ms), Some(CacheScope::Private)) } else { (None, None) }
    }

    pub(super) fn meta_for(&self, protocol: &str) -> Option<MetaObject> {
        (protocol == fast::MODERN).then(|| self.meta())
    }

    /// `_meta` of every result: 2026-07-28 asks for the server's name on each.
    pub(super) fn meta(&self) -> MetaObject {
        let mut meta = MetaObject::default();
        meta.0.insert("io.modelcontextprotocol/serverInfo".into(), json!({"name": self.name, "version": self.version}));
        meta
    }
}

/// How this handler knows who is asking.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    /// The endpoint put the caller into the request.
    Request,
    /// Whoever started this process asks.
    Local {
        /// Server code of its group.
        code: String,
        /// Whether it has made the handshake of an older revision.
        greeted: Arc<AtomicBool>,
    },
}

/// Answers requests. Cheap to clone: rmcp takes one per request.
#[derive(Debug, Clone)]
pub struct Handler {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) gate: Arc<Gate>,
    pub(super) settings: Arc<ServerSettings>,
    pub(super) scope: Scope,
    pub(super) watch: ListWatch,
    pub(super) stop: CancellationToken,
}

impl Handler {
    fn caller(&self, ctx: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        match &self.scope {
            Scope::Request => ctx
                .extensions
                .get::<http::request::Parts>()
                .and_then(|parts| parts.extensions.get::<Caller>())
                .cloned()
                .ok_or_else(|| ErrorData::internal_error("the request lost its caller", None)),
            Scope::Local { code, .. } => {
                self.gate.admit_local(code).map_err(|refusal| ErrorData::invalid_request(refusal.problem().detail, None))
            }
        }
    }

    fn client(&self, ctx: &RequestContext<RoleServer>) -> Client {
        let protocol = protocol(ctx);
        let said = ctx.client_info().map(|info| client_text(&info.name, &info.version));
        let traced = observed::traced_by_rmcp(ctx);
        match (&self.scope, ctx.extensions.get::<http::request::Parts>()) {
            (Scope::Request, Some(parts)) => Client { traced, ..fast::http_client(&parts.headers, protocol, said) },
            _ => Client { channel: Channel::Stdio, protocol: protocol.into(), name: said, app_id: None, traced },
        }
    }

    /// The group's description tells an agent what its tools are for.
    fn instructions(&self, ctx: &RequestContext<RoleServer>) -> Option<String> {
        let caller = self.caller(ctx).ok()?;
        Some(caller.group.group.description.clone()).filter(|text| !text.is_empty())
    }

    fn list(&self, caller: &Caller) -> Arc<listing::Listing> {
        listing::of(&self.dispatch.catalogue().offers(caller))
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(self.settings.capabilities()).with_server_info(self.settings.implementation())
    }

    async fn initialize(&self, request: InitializeRequestParams, ctx: RequestContext<RoleServer>) -> Result<InitializeResult, ErrorData> {
        let instructions = self.instructions(&ctx);
        let mut result = self.negotiate_initialize(&request)?;
        ctx.peer.set_peer_info(request);
        result.instructions = instructions;
        // Extensions came with 2026-07-28.
        result.capabilities.extensions = None;
        Ok(result)
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {
        if let Scope::Local { greeted, .. } = &self.scope {
            greeted.store(true, Ordering::Relaxed);
        }
    }

    async fn discover(&self, ctx: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut result = DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), self.get_info());
        result.instructions = self.instructions(&ctx);
        result.ttl_ms = self.settings.list_ttl_ms;
        result.cache_scope = CacheScope::Private;
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        one_page(request.as_ref())?;
        let listing = self.list(&self.caller(&ctx)?);
        let mut result = ListToolsResult::with_all_items(listing.tools.clone());
        (result.ttl_ms, result.cache_scope) = self.settings.cache_hints(&ctx);
        result.meta = self.settings.meta_for(&protocol(&ctx));
        Ok(result)
    }

    async fn call_tool(&self, request: CallToolRequestParams, ctx: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&ctx)?;
        let (mut client, mut request) = (self.client(&ctx), request);
        let meta = self.settings.meta_for(&client.protocol);
        if tasks::declared(&ctx) && self.dispatch.is_long(&caller, &request.name) {
            match tasks::start(&self.dispatch, (caller.clone(), client), request, meta.clone()).await {
                Ok(task) => return Ok(task.into()),
                Err(plain) => (client, request) = *plain,
            }
        }
        let notifier = Notifier::of(&ctx);
        let progress: &dyn Progress = notifier.as_ref().map_or(&NobodyAsked, |notifier| notifier);
        let call = Call { caller: &caller, tool: &request.name, arguments: request.arguments, client, progress };
        // rmcp does not drop the handler of a cancelled request: without this the tool would run to its end.
        let outcome = tokio::select! {
            outcome = self.dispatch.call(call) => outcome,
            () = ctx.ct.cancelled() => return Err(ErrorData::internal_error("the request was cancelled", None)),
        };
        if let Outcome::Limited(exceeded) = &outcome {
            // An error of rmcp has no status: the endpoint sets it.
            let limited = ctx.extensions.get::<http::request::Parts>().and_then(|parts| parts.extensions.get::<Limited>());
            if let Some(limited) = limited {
                limited.until(exceeded.retry_after());
            }
        }
        Ok(call_result(outcome, meta)?.into())
    }

    async fn get_task(&self, request: GetTaskParams, ctx: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
        tasks::get(&self.dispatch, &self.caller(&ctx)?, &request.task_id, self.settings.meta_for(&protocol(&ctx)))
    }

    async fn update_task(&self, request: UpdateTaskParams, ctx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        tasks::update(&self.dispatch, &self.caller(&ctx)?, &request.task_id)
    }

    async fn cancel_task(&self, request: CancelTaskParams, ctx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        tasks::cancel(&self.dispatch, &self.caller(&ctx)?, &request.task_id).await
    }

    /// For `Mcp-Param-*`: what a tool is does not depend on the group, and who may call it is checked later.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        let known = self.dispatch.catalogue().definition_called(name).filter(|known| known.param_headers)?;
        Some(listing::of_definition(&known.tool.definition))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        one_page(request.as_ref())?;
        let (meta, (ttl_ms, cache_scope)) = (self.settings.meta_for(&protocol(&ctx)), self.settings.cache_hints(&ctx));
        Ok(ListResourcesResult { meta, ttl_ms, cache_scope, ..ListResourcesResult::default() })
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        one_page(request.as_ref())?;
        let (meta, (ttl_ms, cache_scope)) = (self.settings.meta_for(&protocol(&ctx)), self.settings.cache_hints(&ctx));
        Ok(ListResourceTemplatesResult { meta, ttl_ms, cache_scope, ..ListResourceTemplatesResult::default() })
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        one_page(request.as_ref())?;
        let (meta, (ttl_ms, cache_scope)) = (self.settings.meta_for(&protocol(&ctx)), self.settings.cache_hints(&ctx));
        Ok(ListPromptsResult { meta, ttl_ms, cache_scope, ..ListPromptsResult::default() })
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let message = "there is no such resource: this server offers tools only";
        let data = Some(json!({"uri": request.uri}));
        // The code of its own that handshake revisions had ended with 2026-07-28.
        Err(if protocol(&ctx) == fast::MODERN {
            ErrorData::invalid_params(message, data)
        } else {
            ErrorData::resource_not_found(message, data)
        })
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        let message = format!("there is no prompt {}: this server offers tools only", request.name);
        Err(ErrorData::invalid_params(message, None))
    }

    async fn on_custom_request(&self, request: CustomRequest, _: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        let method: String = request.method.chars().take(100).collect();
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("Method not found: {method}"), None))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = requested.tools_list_changed.filter(|wanted| *wanted);
        Some(accepted)
    }

    /// Tells the client when its group's list is no longer the bytes it was; ends with the group or the process.
    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = self.caller(subscription.request_context())?;
        let wanted = subscription.accepted().tools_list_changed == Some(true);
        let mut changes = self.watch.changes(caller);
        loop {
            let changed = tokio::select! {
                () = subscription.cancelled() => None,
                () = self.stop.cancelled() => None,
                changed = changes.next() => changed,
            };
            let Some(()) = changed else { return Ok(()) };
            if wanted && subscription.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The revision a request is in; empty before the handshake.
fn protocol(ctx: &RequestContext<RoleServer>) -> String {
    ctx.protocol_version().map(|version| version.to_string()).unwrap_or_default()
}

/// Every list fits one page, so no cursor was ever given out.
fn one_page(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor.as_ref()) {
        Some(_) => Err(ErrorData::invalid_params("unknown cursor: the list has one page", None)),
        None => Ok(()),
    }
}
