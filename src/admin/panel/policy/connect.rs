//! What a host must be told of a group: commands, files, links and forms, with the key or with a word in its place.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};

use super::mistakes;
use crate::{
    admin::{
        calls::{
            CallError, Calls,
            connect::{self, Snippets},
            keys::{KeyView, Wanted},
            with_reason,
        },
        entry::{Administrator, Reader},
        panel::{
            form::{Fields, FormState, Posted, Queried},
            frame::{Frame, Page, PageError},
        },
        state::AdminState,
    },
    connect::{Host, Transport},
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/groups/{code}/connect", get(show).post(with_key))
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage {
    frame: Frame,
    code: String,
    hosts: Vec<&'static str>,
    snippets: Snippets,
    keys: Vec<KeyView>,
    form: FormState,
}

impl ConnectPage {
    /// What bites, in the reader's language.
    fn note(&self) -> Option<String> {
        self.frame.t.find(&format!("label-connect-{}", self.snippets.host))
    }
}

/// The host and the way that fields name; Claude Code when none is named.
fn way(fields: &Fields) -> Result<(Host, Option<Transport>), CallError> {
    let host = fields.given("host").map(connect::host).transpose()?.unwrap_or(Host::ClaudeCode);
    Ok((host, fields.given("transport").map(connect::transport).transpose()?))
}

fn page(frame: Frame, calls: &Calls, code: String, (snippets, form): (Snippets, FormState)) -> Result<ConnectPage, CallError> {
    let keys = calls.keys(&code)?.into_iter().filter(|key| key.in_force() && key.can_be_shown).collect();
    let hosts = Host::ALL.map(Host::name).to_vec();
    Ok(ConnectPage { frame, code, hosts, snippets, keys, form })
}

async fn show(reader: Reader, frame: Frame, Path(code): Path<String>, Queried(asked): Queried) -> Result<Page<ConnectPage>, PageError> {
    let (host, transport) = way(&asked)?;
    // A way that another host had is not kept for this one.
    let transport = transport.filter(|transport| host.supports(*transport).is_ok() && *transport != Transport::Stdio);
    let snippets = reader.calls.snippets(&code, host, transport)?;
    Ok(Page::ok(page(frame, &reader.calls, code, (snippets, FormState::default()))?))
}

async fn with_key(admin: Administrator, frame: Frame, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let (host, transport) = way(&typed)?;
    let wanted = typed.given("key_id").map_or(Wanted::Any, Wanted::Id);
    let done = async {
        let by = with_reason(admin.who.by(admin.calls.clock.as_ref()), typed.given("reason"))?;
        admin.calls.snippets_with_key(&code, (host, transport), wanted, &by).await
    };
    match done.await {
        Ok(snippets) => Ok(Page::ok(page(frame, &admin.calls, code, (snippets, FormState::default()))?).into_response()),
        Err(error) => {
            let form = FormState::refused(typed.clone(), &mistakes(error)?, frame.language());
            let snippets = admin.calls.snippets(&code, host, transport)?;
            Ok(Page::refused(page(frame, &admin.calls, code, (snippets, form))?).into_response())
        }
    }
}
