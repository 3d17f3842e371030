//! Asking an agent's app who it is and what it wants to be given: proves address, key, kind and the mapping of inputs.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::TextView;
use crate::{
    admin::calls::{CallError, Calls, outside, said},
    config::Bilingual,
    outbound::dify::{AgentKind, DifyClient, DifyError, InputField},
    registration::{AgentKeyError, Agents, FACTS},
    store::agents::Agent,
};

/// What asking an agent's app has shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentCheck {
    /// Whether it can be asked for welcomes as it is set.
    pub ok: bool,
    /// What is wrong, and what to do; nothing when it is in order.
    pub problem: Option<TextView>,
    /// What the app calls itself.
    pub app_name: Option<String>,
    /// Its kind in Dify's words, such as `agent-chat`.
    pub app_mode: Option<String>,
    /// What it wants to be given.
    pub inputs: Vec<CheckedInput>,
    /// Required inputs that nothing is mapped to.
    pub missing: Vec<String>,
    /// How long it took.
    pub took_ms: u64,
}

/// An input that an app declares, and what it gets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckedInput {
    /// Its name.
    pub variable: String,
    /// Whether a question without it is refused.
    pub required: bool,
    /// Its kind in Dify's words, such as `text-input`.
    pub kind: String,
    /// The fact it gets.
    pub fact: Option<String>,
    /// The constant it gets.
    pub constant: Option<Value>,
}

impl Calls {
    /// Asks an agent's app for its name and inputs.
    pub async fn check_agent(&self, name: &str) -> Result<AgentCheck, CallError> {
        let agent = self.stored_agent(name)?;
        let began = Instant::now();
        let http = outside::http_client().await?;
        let agents = Agents::new(self.store.clone(), http, self.master.clone(), &agent.environment);
        let mut check = match agents.client(&agent) {
            Ok(client) => ask(&agent, &client).await,
            Err(error) => AgentCheck::failed(key_problem(&error)),
        };
        check.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(check)
    }
}

impl AgentCheck {
    fn failed(problem: Bilingual) -> Self {
        let (inputs, missing) = (Vec::new(), Vec::new());
        Self { ok: false, problem: Some(problem.into()), app_name: None, app_mode: None, inputs, missing, took_ms: 0 }
    }
}

async fn ask(agent: &Agent, client: &DifyClient) -> AgentCheck {
    let info = match client.info().await {
        Ok(info) => info,
        Err(error) => return AgentCheck::failed(dify_problem(&error)),
    };
    let known = |problem: Bilingual| AgentCheck {
        app_name: Some(info.name.clone()),
        app_mode: Some(info.mode.clone()),
        ..AgentCheck::failed(problem)
    };
    if !agent.kind.parse::<AgentKind>().is_ok_and(|kind| kind.fits(&info.mode)) {
        return known(wrong_kind(agent, &info.mode));
    }
    let inputs = match client.parameters().await {
        Ok(parameters) => parameters.inputs,
        Err(error) => return known(dify_problem(&error)),
    };
    let missing: Vec<String> = missing_inputs(agent, &inputs).into_iter().map(str::to_owned).collect();
    let ok = missing.is_empty();
    let problem = (!ok).then(|| missing_problem(agent, &missing).into());
    AgentCheck { ok, problem, inputs: inputs.iter().map(|field| checked(agent, field)).collect(), missing, ..known(Bilingual::default()) }
}

fn wrong_kind(agent: &Agent, mode: &str) -> Bilingual {
    let (name, kind) = (&agent.app_name, &agent.kind);
    said(
        format!("该应用的类型是 {mode}，而 {name} 设置为 {kind}；请修改类型"),
        format!("the app is of the kind {mode}, and {name} is set up as {kind}; `anmei-mcp agent set {name} --kind …`"),
    )
}

fn missing_problem(agent: &Agent, missing: &[String]) -> Bilingual {
    let (missing, facts) = (missing.join(", "), FACTS.join(", "));
    said(
        format!("必填的输入项没有值：{missing}。缺少它们时 Dify 会拒绝提问；请为每一项指定一个事实（{facts}）或常量"),
        format!(
            "required inputs without a value: {missing}. Dify refuses the question without them; map each with `anmei-mcp agent set {} --input INPUT=FACT` (facts: {facts})",
            agent.app_name
        ),
    )
}

fn key_problem(error: &AgentKeyError) -> Bilingual {
    match error {
        AgentKeyError::OtherMasterKey(_) => said("该密钥是用另一把主密钥加密的，请重新设置", error.to_string()),
        AgentKeyError::Client(error) => dify_problem(error),
        AgentKeyError::Store(error) => said(format!("数据库无法读取：{error}"), error.to_string()),
    }
}

/// Dify's words and ours, which name no key and no whole address.
fn dify_problem(error: &DifyError) -> Bilingual {
    let zh = match error {
        DifyError::Settings(_) => "设置无法使用",
        DifyError::Http(_) => "没有应答",
        DifyError::Api { status: 401, .. } => "密钥未被接受",
        DifyError::Api { .. } => "Dify 返回了错误",
        _ => "应答不是 Dify 的应答",
    };
    said(format!("{zh}：{error}"), error.to_string())
}

/// Required inputs of the app that nothing is mapped to.
fn missing_inputs<'a>(agent: &Agent, inputs: &'a [InputField]) -> Vec<&'a str> {
    inputs.iter().filter(|field| field.required && !is_given(agent, field)).map(|field| field.variable.as_str()).collect()
}

fn is_given(agent: &Agent, field: &InputField) -> bool {
    // A workflow that declares an input of this name gets the question in it.
    let question = agent.kind == "workflow" && field.variable == "query";
    question || if agent.inputs.is_empty() { FACTS.contains(&field.variable.as_str()) } else { agent.inputs.contains_key(&field.variable) }
}

fn checked(agent: &Agent, field: &InputField) -> CheckedInput {
    let (fact, constant) = match agent.inputs.get(&field.variable) {
        Some(Value::String(fact)) => (Some(fact.clone()), None),
        Some(constant) => (None, Some(constant.get("value").cloned().unwrap_or_default())),
        None if is_given(agent, field) => (Some(field.variable.clone()), None),
        None => (None, None),
    };
    CheckedInput { variable: field.variable.clone(), required: field.required, kind: field.kind.clone(), fact, constant }
}
