//! A tool in a group: how it is offered, how it does, who would break without it, and trying it out.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    mistakes, seen, side,
    try_form::{self, AT, Input},
};
use crate::admin::{
    calls::{
        CallError, Calls, Field,
        impact::Impact,
        said,
        tools::{AliasView, Argument, Attempt, StaleCallerView, ToolDocs, ToolEdit, ToolFigures, ToolPolicyView},
    },
    entry::{Administrator, Operator, Reader},
    panel::{
        form::{Fields, FormState, Posted, Queried},
        frame::{Frame, Page, PageError, back},
    },
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/groups/{code}/tools/{name}", get(show).post(change))
        .route("/panel/groups/{code}/tools/{name}/call", post(call))
        .route("/panel/groups/{code}/tools/{name}/impact", get(impact))
        .route("/panel/groups/{code}/tools/{name}/switch", post(switch))
        .route("/panel/groups/{code}/tools/{name}/remove", post(remove))
}

#[derive(Template)]
#[template(path = "group_tool.html")]
pub(super) struct ToolPage {
    frame: Frame,
    tool: ToolPolicyView,
    /// None for a tool that this version does not have.
    docs: Option<ToolDocs>,
    figures: ToolFigures,
    aliases: Vec<AliasView>,
    /// Who still calls it by one of them.
    old_callers: Vec<StaleCallerView>,
    pub(super) alias_form: FormState,
    form: FormState,
    version: i64,
    is_stale: bool,
    /// Who would notice the change, when that was asked for.
    impact: Option<Impact>,
    try_form: FormState,
    attempt: Option<Attempt>,
}

impl ToolPage {
    pub(super) async fn of(frame: Frame, calls: &Calls, (code, name): (&str, &str)) -> Result<Self, CallError> {
        let tool = calls.tool_in_group(code, name)?;
        let docs = if tool.known { Some(calls.tool(name)?) } else { None };
        let aliases: Vec<_> = calls.aliases(code)?.into_iter().filter(|alias| alias.tool_name == name).collect();
        let names: Vec<_> = aliases.iter().map(|alias| alias.alias.as_str()).collect();
        let try_form = docs.as_ref().map(|docs| FormState::new(try_form::filled(&docs.arguments))).unwrap_or_default();
        Ok(Self {
            figures: calls.tool_figures(code, name).await?,
            old_callers: calls.callers_by_name(code, &names)?,
            aliases,
            alias_form: FormState::default(),
            form: FormState::new(fields(&tool)),
            version: tool.version,
            is_stale: false,
            impact: None,
            try_form,
            attempt: None,
            frame,
            tool,
            docs,
        })
    }

    fn title(&self) -> String {
        let title = side(&self.tool.title, self.frame.language());
        if title.is_empty() { self.tool.tool_name.clone() } else { title.to_owned() }
    }

    fn arguments(&self) -> Vec<&Argument> {
        self.docs.as_ref().map(|docs| try_form::typed(&docs.arguments).collect()).unwrap_or_default()
    }

    #[expect(clippy::unused_self, reason = "a template asks its page")]
    fn input(&self, argument: &Argument) -> Input {
        try_form::input(argument)
    }

    #[expect(clippy::unused_self, reason = "a template asks its page")]
    fn field(&self, argument: &Argument) -> String {
        try_form::name(argument)
    }

    #[expect(clippy::unused_self, reason = "a template asks its page")]
    fn choices(&self, argument: &Argument) -> Vec<String> {
        argument.values.iter().map(|value| try_form::shown(argument, value)).collect()
    }

    fn meaning(&self, argument: &Argument) -> String {
        side(&argument.description, self.frame.language()).to_owned()
    }

    fn switch(&self, name: &str, meaning: &str) -> String {
        self.frame.t.find(&format!("label-switch-{}-{name}", self.tool.tool_name)).unwrap_or_else(|| meaning.to_owned())
    }

    /// How often a name of it is still called.
    fn calls_by(&self, alias: &AliasView) -> i64 {
        self.old_callers.iter().filter(|caller| caller.called == alias.alias).map(|caller| caller.calls).sum()
    }

    fn outcome(&self, attempt: &Attempt) -> String {
        self.frame.t.say(&format!("outcome-try-{}", attempt.outcome))
    }

    /// What is wrong with no field that is shown.
    fn other_wrongs(&self) -> Vec<&str> {
        let names: Vec<String> = self.arguments().into_iter().map(try_form::name).collect();
        let shown = |error: &str| names.iter().any(|name| self.try_form.error(name) == Some(error));
        self.try_form.other_errors(&[]).into_iter().filter(|error| !shown(error)).collect()
    }

    fn pretty(value: &Value) -> String {
        serde_json::to_string_pretty(value).unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "tool_impact.html")]
struct ImpactPage {
    frame: Frame,
    tool: ToolPolicyView,
    removes: bool,
    impact: Impact,
}

pub(super) type Place = Path<(String, String)>;

async fn show(reader: Reader, frame: Frame, Path((code, name)): Place) -> Result<Page<ToolPage>, PageError> {
    Ok(Page::ok(ToolPage::of(frame, &reader.calls, (&code, &name)).await?))
}

async fn change(operator: Operator, frame: Frame, Path((code, name)): Place, Posted(typed): Posted) -> Result<Response, PageError> {
    let calls = &operator.calls;
    let mut page = ToolPage::of(frame, calls, (&code, &name)).await?;
    let version = seen(typed.text("seen"));
    if typed.on("preview") {
        // A setting hides no tool and ends no grant: it changes what those who call are answered.
        let impact = Impact { tools: Vec::new(), grants: 0, ..calls.tool_impact(&code, &name).await? };
        page = ToolPage { form: FormState::new(typed), version: version.unwrap_or_default(), impact: Some(impact), ..page };
        return Ok(Page::ok(page).into_response());
    }
    let done = async {
        let edit = read(&typed, &page)?;
        calls.change_tool((&code, &name), edit, version, &operator.who.by(calls.clock.as_ref())).await
    };
    match done.await {
        Ok(_) => Ok(back(&format!("/panel/groups/{code}/tools/{name}"), "tool-changed")),
        Err(CallError::Stale { version, .. }) => {
            page = ToolPage { form: FormState::new(typed), version, is_stale: true, ..page };
            Ok(Page(StatusCode::PRECONDITION_FAILED, page).into_response())
        }
        Err(error) => {
            let form = FormState::refused(typed, &mistakes(error)?, page.frame.language());
            page = ToolPage { form, version: version.unwrap_or_default(), ..page };
            Ok(Page::refused(page).into_response())
        }
    }
}

async fn call(operator: Operator, frame: Frame, Path((code, name)): Place, Posted(typed): Posted) -> Result<Response, PageError> {
    let calls = &operator.calls;
    let mut page = ToolPage::of(frame, calls, (&code, &name)).await?;
    let language = page.frame.language();
    let given = match try_form::read(page.docs.as_ref().map(|docs| docs.arguments.as_slice()).unwrap_or_default(), &typed) {
        Ok(given) => given,
        Err(wrong) => {
            page.try_form = FormState::refused(typed, &wrong, language);
            return Ok(Page::refused(page).into_response());
        }
    };
    let attempt = match calls.try_tool((&code, &name), given, &operator.who.login).await {
        Ok(attempt) => attempt,
        Err(error) => {
            page.try_form = FormState::refused(typed, &mistakes(error)?, language);
            return Ok(Page::refused(page).into_response());
        }
    };
    let wrong = attempt.fields(AT);
    page.try_form = if wrong.is_empty() { FormState::new(typed) } else { FormState::refused(typed, &wrong, language) };
    let refused = !wrong.is_empty();
    page.attempt = Some(attempt);
    Ok(if refused { Page::refused(page) } else { Page::ok(page) }.into_response())
}

async fn impact(reader: Reader, frame: Frame, Path((code, name)): Place, Queried(asked): Queried) -> Result<Page<ImpactPage>, PageError> {
    let tool = reader.calls.tool_in_group(&code, &name)?;
    let impact = reader.calls.tool_impact(&code, &name).await?;
    Ok(Page::ok(ImpactPage { frame, tool, removes: asked.text("of") == "remove", impact }))
}

async fn switch(operator: Operator, Path((code, name)): Place, Posted(typed): Posted) -> Result<Response, PageError> {
    let edit = ToolEdit { enabled: Some(typed.on("enabled")), ..ToolEdit::default() };
    let by = operator.who.by(operator.calls.clock.as_ref());
    operator.calls.change_tool((&code, &name), edit, seen(typed.text("seen")), &by).await?;
    Ok(back(&format!("/panel/groups/{code}/tools/{name}"), "tool-changed"))
}

async fn remove(admin: Administrator, Path((code, name)): Place, Posted(typed): Posted) -> Result<Response, PageError> {
    admin.calls.remove_tool((&code, &name), seen(typed.text("seen")), &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(back(&format!("/panel/groups/{code}"), "tool-removed"))
}

/// The form as the tool is set up.
fn fields(tool: &ToolPolicyView) -> Fields {
    let mut fields = vec![
        ("timeout_seconds".to_owned(), tool.timeout_seconds.to_string()),
        ("description".to_owned(), tool.description.clone().unwrap_or_default()),
    ];
    let on = tool.config_data.iter().filter(|(_, value)| **value == Value::Bool(true));
    fields.extend(on.map(|(name, _)| (format!("switch-{name}"), "true".to_owned())));
    Fields::of(fields)
}

/// The change that a form says. Switches are read where they were offered.
fn read(typed: &Fields, page: &ToolPage) -> Result<ToolEdit, CallError> {
    let timeout = typed.text("timeout_seconds").parse().map_err(|_| {
        let text = said("请填写 1 到 300 的整数（秒）", "write a whole number of seconds from 1 to 300");
        CallError::Invalid(vec![Field { pointer: "/timeout_seconds".into(), text }])
    })?;
    let switches = page.docs.as_ref().filter(|docs| page.frame.administers() && !docs.switches.is_empty()).map(|docs| {
        let set = docs.switches.iter().filter(|switch| typed.on(&format!("switch-{}", switch.name)));
        set.map(|switch| (switch.name.clone(), Value::Bool(true))).collect::<Map<_, _>>()
    });
    Ok(ToolEdit {
        enabled: None,
        timeout_seconds: Some(timeout),
        description: Some(typed.text("description").to_owned()),
        config_data: switches.filter(|set| *set != page.tool.config_data),
    })
}
