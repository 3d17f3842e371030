//! The audit log: who changed what, before and after, and the proof that nobody changed the log.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::{FormState, Queried},
    frame::{Frame, Page, PageError},
    looked::Looked,
};
use crate::admin::{
    calls::{AuditEntry, AuditProof, AuditQuery, Listed},
    entry::Reader,
    state::AdminState,
};

/// Rows of a page.
const PAGE: u32 = 50;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/audit", get(list)).route("/panel/audit/verify", get(verify))
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    form: FormState,
    query: String,
    list: Listed<AuditEntry>,
}

#[derive(Template)]
#[template(path = "audit_verify.html")]
struct VerifyPage {
    frame: Frame,
    form: FormState,
    proof: AuditProof,
}

impl AuditPage {
    /// A value as it is shown.
    fn shown(value: &serde_json::Value) -> String {
        serde_json::to_string_pretty(value).unwrap_or_default()
    }
}

impl VerifyPage {
    /// Where the chain is broken, and why.
    fn broken(&self) -> Option<String> {
        let why = self.proof.why.clone().unwrap_or_default();
        self.proof.broken_at.map(|seq| self.frame.t.with2("audit-broken", seq, why))
    }
}

async fn list(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let query = AuditQuery {
        actor: fields.text("actor"),
        action: fields.text("action"),
        object: fields.text("object"),
        since: fields.given("since"),
        until: fields.given("until"),
    };
    let found = reader.calls.audit_log(query, PAGE, fields.given("cursor")).await;
    let Looked { status, form, listed, query } = Looked::of(found, fields, frame.language())?;
    Ok(Page(status, AuditPage { frame, form, query, list: listed }).into_response())
}

async fn verify(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let proof = reader.calls.verify_audit(fields.given("expect").map(str::to_owned)).await?;
    Ok(Page::ok(VerifyPage { frame, form: FormState::new(fields), proof }).into_response())
}
