//! rmcp's side: every method, for every revision.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use anmei_mcp::gate::Caller;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult, DiscoverResult,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel, PaginatedRequestParams, ReadResourceRequestParams,
        ReadResourceResponse, ServerCapabilities, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

use super::{
    about::{TTL_MS, capabilities, implementation, modern, named, server_meta},
    asking, changes, content, inputs, prompts, resources,
    rounds::{Reply, Step, field, script},
    tasks, telling,
    world::World,
};

/// Every list fits one page, so no cursor was ever given out.
fn one_page(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor.as_ref()) {
        Some(_) => Err(ErrorData::invalid_params("unknown cursor: the list has one page", None)),
        None => Ok(()),
    }
}

/// One per request, or per session of a handshake client.
#[derive(Clone)]
pub(crate) struct Fixtures {
    pub(crate) world: Arc<World>,
    session: Arc<Session>,
}

/// What a session remembers of its client.
struct Session {
    /// The least severe log message it wants.
    level: AtomicU8,
    /// The resources it watches.
    watched: Mutex<BTreeSet<String>>,
}

impl Fixtures {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, session: Arc::new(Session { level: AtomicU8::new(LoggingLevel::Info as u8), watched: Mutex::default() }) }
    }

    /// Whether this client wants log messages of a level: it says so in each request, or once for its session.
    pub(crate) fn wants_log(&self, ctx: &RequestContext<RoleServer>, level: LoggingLevel) -> bool {
        if modern(ctx) {
            return ctx.meta.log_level().is_some_and(|least| level as u8 >= least as u8);
        }
        level as u8 >= self.session.level.load(Ordering::Relaxed)
    }

    /// What a request state is sealed for: this caller, this method, this name.
    pub(crate) fn purpose(method: &str, name: &str, ctx: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let parts = ctx.extensions.get::<http::request::Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Caller>());
        let caller = caller.ok_or_else(|| ErrorData::internal_error("the request lost its caller", None))?;
        Ok(format!("request-state/{}/{method}/{name}", caller.principal()))
    }

    /// The resources that this session watches.
    pub(crate) fn watched(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.session.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: CallToolRequestParams, ctx: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.as_ref();
        let arguments = request.arguments.clone().unwrap_or_default();
        if self.world.tool(name).is_none() {
            return Err(ErrorData::invalid_params(format!("there is no tool {name}"), None));
        }
        if let Some(result) = content::call(name, &arguments) {
            return Ok(result.into());
        }
        if let Some(result) = telling::call(self, name, ctx).await {
            return Ok(result.into());
        }
        if let Some(result) = asking::call(name, &arguments, ctx).await {
            return Ok(result.into());
        }
        if let Some(response) = inputs::call(self, &request, ctx).await? {
            return Ok(response);
        }
        if let Some(response) = tasks::call(self, name, &arguments, ctx).await? {
            return Ok(response);
        }
        Ok(content::said("This tool was added.").into())
    }

    fn prompt(&self, request: &GetPromptRequestParams, ctx: &RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        let Some(script) = prompts::needs_input(&request.name).then(|| script(&request.name)).flatten() else {
            let mut result = prompts::get(&request.name, request.arguments.as_ref())?;
            result.meta = server_meta(ctx);
            return Ok(result.into());
        };
        let declared = capabilities(ctx);
        let reply = Reply {
            purpose: Self::purpose("prompts/get", &request.name, ctx)?,
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities: declared.as_ref(),
        };
        match script.step(&reply, &self.world)? {
            Step::Ask(result) => Ok(named(result, ctx).into()),
            Step::Done(answers) => {
                let mut result = GetPromptResult::new(vec![prompts::user(format!("In this context: {}", field(&answers, "user_context")))]);
                result.meta = server_meta(ctx);
                Ok(result.into())
            }
        }
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities).with_server_info(implementation())
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let mut result = DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), self.get_info());
        result.cache_scope = CacheScope::Private;
        Ok(result)
    }

    async fn on_initialized(&self, ctx: NotificationContext<RoleServer>) {
        self.world.tracker.spawn(changes::forward(self.clone(), ctx.peer));
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.world.tool(name)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        one_page(request.as_ref())?;
        let mut result = ListToolsResult::with_all_items(self.world.tools());
        (result.ttl_ms, result.cache_scope, result.meta) = (Some(TTL_MS), Some(CacheScope::Private), server_meta(&ctx));
        Ok(result)
    }

    async fn call_tool(&self, request: CallToolRequestParams, ctx: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let response = self.answer(request, &ctx).await?;
        Ok(match response {
            CallToolResponse::Complete(mut result) => {
                result.meta = server_meta(&ctx);
                CallToolResponse::Complete(result)
            }
            other => other,
        })
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        one_page(request.as_ref())?;
        let mut result = ListPromptsResult::with_all_items(self.world.prompts());
        (result.ttl_ms, result.cache_scope, result.meta) = (Some(TTL_MS), Some(CacheScope::Private), server_meta(&ctx));
        Ok(result)
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, ctx: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        self.prompt(&request, &ctx)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        one_page(request.as_ref())?;
        let mut result = ListResourcesResult::with_all_items(resources::list());
        (result.ttl_ms, result.cache_scope, result.meta) = (Some(TTL_MS), Some(CacheScope::Private), server_meta(&ctx));
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        one_page(request.as_ref())?;
        let mut result = ListResourceTemplatesResult::with_all_items(resources::templates());
        (result.ttl_ms, result.cache_scope, result.meta) = (Some(TTL_MS), Some(CacheScope::Private), server_meta(&ctx));
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let mut result = resources::read(&request.uri, &self.world)?;
        // What changes may not be kept at all: nobody but subscribers is told.
        (result.ttl_ms, result.cache_scope, result.meta) = (Some(0), Some(CacheScope::Private), server_meta(&ctx));
        Ok(result.into())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        resources::read(&request.uri, &self.world)?;
        self.watched().insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.watched().remove(&request.uri);
        Ok(())
    }

    async fn complete(&self, request: CompleteRequestParams, ctx: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        let mut result = CompleteResult::new(prompts::complete(&request)?);
        result.meta = server_meta(&ctx);
        Ok(result)
    }

    async fn set_level(&self, request: SetLevelRequestParams, ctx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        if modern(&ctx) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        self.session.level.store(request.level as u8, Ordering::Relaxed);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(changes::accepted(requested))
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        changes::listen(&self.world, &subscription).await;
        Ok(())
    }

    async fn get_task(&self, request: GetTaskParams, ctx: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
        let mut result = GetTaskResult::new(self.world.tasks.get_task(&request.task_id)?);
        result.meta = server_meta(&ctx);
        Ok(result)
    }

    async fn update_task(&self, request: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.world.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.world.tasks.cancel_task(&request.task_id)
    }
}
