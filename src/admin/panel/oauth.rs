//! OAuth: clients that may ask for access, what they were granted, and taking it back. A new client's secret is on the
//! page that answers the form, and on no other.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    form::{Fields, FormState, Posted, Queried},
    frame::{Frame, Page, PageError, back},
    looked::Looked,
    preferences::local,
    shown::label,
};
use crate::{
    admin::{
        calls::{
            CallError, Listed,
            groups::GroupView,
            oauth::{GrantsWanted, MadeClient, NewClient, OauthClientView, OauthGrantView},
        },
        entry::{Administrator, Reader},
        state::AdminState,
    },
    store::audit::By,
};

/// Clients, and grants, of a page.
const PAGE: u32 = 50;
/// Grants on a client's page; the list of grants has the others.
const LATEST: u32 = 20;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/oauth", get(clients))
        .route("/panel/oauth/clients/new", get(ask).post(add))
        .route("/panel/oauth/clients/{client_id}", get(show))
        .route("/panel/oauth/clients/{client_id}/revoke", post(revoke))
        .route("/panel/oauth/clients/{client_id}/restore", post(restore))
        .route("/panel/oauth/clients/{client_id}/remove", post(remove))
        .route("/panel/oauth/grants", get(grants))
        .route("/panel/oauth/grants/{grant_id}/revoke", post(end))
}

#[derive(Template)]
#[template(path = "oauth_clients.html")]
struct ClientsPage {
    frame: Frame,
    clients: Listed<OauthClientView>,
    /// Whether the authorization server answers at all.
    enabled: bool,
    /// Whether clients may register themselves.
    registration: bool,
}

#[derive(Template)]
#[template(path = "oauth_client.html")]
struct ClientPage {
    frame: Frame,
    client: OauthClientView,
    grants: Listed<OauthGrantView>,
}

#[derive(Template)]
#[template(path = "oauth_client_new.html")]
struct NewPage {
    frame: Frame,
    form: FormState,
    groups: Vec<GroupView>,
}

/// A client with its secret, once.
#[derive(Template)]
#[template(path = "oauth_client_made.html")]
struct MadePage {
    frame: Frame,
    made: MadeClient,
}

#[derive(Template)]
#[template(path = "oauth_grants.html")]
struct GrantsPage {
    frame: Frame,
    form: FormState,
    groups: Vec<GroupView>,
    grants: Listed<OauthGrantView>,
    query: String,
}

/// Fields of the form that show what is wrong with them.
const FIELDS: &[&str] = &["name", "redirect_uris", "groups", "confidential", "may_write", "may_introspect"];

/// Where a client comes from, in words.
fn kind(frame: &Frame, client: &OauthClientView) -> String {
    label(frame.t, "oauth-kind", &client.kind)
}

/// Why a grant was revoked, in words.
fn why(frame: &Frame, why: &str) -> String {
    label(frame.t, "oauth-why", &why.replace(' ', "-"))
}

/// Who gave a grant, in words.
fn giver(frame: &Frame, grant: &OauthGrantView) -> String {
    let t = frame.t;
    match (&grant.given_by, &grant.key_id) {
        (Some(name), Some(_)) => t.with("oauth-by-key", name.as_str()),
        (Some(name), None) => t.with("oauth-by-account", name.as_str()),
        (None, _) => t.say("oauth-by-itself"),
    }
}

/// The page of a client, whose id may be the URL of its document.
fn path(client_id: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(client_id.as_bytes()).collect();
    format!("/panel/oauth/clients/{id}")
}

fn by(admin: &Administrator) -> By {
    admin.who.by(admin.calls.clock.as_ref())
}

async fn clients(reader: Reader, frame: Frame, Queried(asked): Queried) -> Result<Page<ClientsPage>, PageError> {
    let clients = reader.calls.oauth_client_page(PAGE, asked.given("cursor"))?;
    let config = &reader.calls.config.oauth;
    Ok(Page::ok(ClientsPage { frame, clients, enabled: config.enabled, registration: config.registration }))
}

async fn show(reader: Reader, frame: Frame, Path(id): Path<String>) -> Result<Page<ClientPage>, PageError> {
    let client = reader.calls.oauth_client(&id)?;
    let wanted = GrantsWanted { all: true, client_id: Some(id), server_code: None };
    let grants = reader.calls.oauth_grant_page(&wanted, LATEST, None)?;
    Ok(Page::ok(ClientPage { frame, client, grants }))
}

async fn ask(admin: Administrator, frame: Frame) -> Result<Page<NewPage>, PageError> {
    Ok(Page::ok(NewPage { frame, form: FormState::default(), groups: admin.calls.groups()? }))
}

async fn add(admin: Administrator, frame: Frame, Posted(typed): Posted) -> Result<Response, PageError> {
    match admin.calls.add_oauth_client(&read(&typed), &by(&admin)).await {
        Ok(made) if made.client_secret.is_some() => Ok(Page::ok(MadePage { frame, made }).into_response()),
        Ok(made) => Ok(back(&path(&made.client.client_id), "oauth-added")),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(typed, &wrong, frame.language());
            Ok(Page::refused(NewPage { frame, form, groups: admin.calls.groups()? }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The client that a form says; one redirect address a line.
fn read(typed: &Fields) -> NewClient {
    let redirects = typed.text("redirect_uris").lines().map(str::trim).filter(|line| !line.is_empty());
    NewClient {
        name: typed.text("name").to_owned(),
        confidential: typed.on("confidential"),
        groups: typed.all("groups").into_iter().map(str::to_owned).collect(),
        may_write: typed.on("may_write"),
        may_introspect: typed.on("may_introspect"),
        redirect_uris: redirects.map(str::to_owned).collect(),
    }
}

async fn revoke(admin: Administrator, Path(id): Path<String>) -> Result<Response, PageError> {
    admin.calls.revoke_oauth_client(&id, &by(&admin)).await?;
    Ok(back(&path(&id), "oauth-revoked"))
}

async fn restore(admin: Administrator, Path(id): Path<String>) -> Result<Response, PageError> {
    admin.calls.restore_oauth_client(&id, &by(&admin)).await?;
    Ok(back(&path(&id), "oauth-restored"))
}

async fn remove(admin: Administrator, Path(id): Path<String>) -> Result<Response, PageError> {
    admin.calls.remove_oauth_client(&id, &by(&admin)).await?;
    Ok(back("/panel/oauth", "oauth-removed"))
}

async fn grants(reader: Reader, frame: Frame, Queried(asked): Queried) -> Result<Page<GrantsPage>, PageError> {
    let text = |name: &str| asked.given(name).map(str::to_owned);
    let wanted = GrantsWanted { all: asked.on("all"), client_id: text("client_id"), server_code: text("server_code") };
    let found = reader.calls.oauth_grant_page(&wanted, PAGE, asked.given("cursor"));
    let Looked { status, form, listed, query } = Looked::of(found, asked, frame.language())?;
    Ok(Page(status, GrantsPage { frame, form, groups: reader.calls.groups()?, grants: listed, query }))
}

async fn end(admin: Administrator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let ended = admin.calls.revoke_oauth_grant(&id, &by(&admin)).await?;
    let to = form.given("back").map_or("/panel/oauth/grants", local);
    Ok(back(to, if ended { "oauth-grant-ended" } else { "oauth-grant-had-ended" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::panel::texts::Texts;

    #[test]
    fn a_form_names_one_address_a_line() {
        let typed =
            Fields::of([("name", " Dify "), ("redirect_uris", "https://a.example/\r\n\r\n http://localhost/cb \n"), ("groups", "g")]);
        let new = read(&typed);
        assert_eq!((new.name.as_str(), new.groups, new.confidential), ("Dify", vec!["g".to_owned()], false));
        assert_eq!(new.redirect_uris, ["https://a.example/", "http://localhost/cb"]);
    }

    #[test]
    fn a_client_known_by_its_document_has_a_page() {
        assert_eq!(path("https://c.example/a?b"), "/panel/oauth/clients/https%3A%2F%2Fc.example%2Fa%3Fb");
    }

    #[test]
    fn every_end_of_a_grant_is_said_in_words() {
        let whys = [
            "key revoked",
            "client revoked",
            "revoked by the client",
            "revoked by an operator",
            "code used twice",
            "refresh token used twice",
        ];
        for language in [crate::config::Language::ZhCn, crate::config::Language::En] {
            for one in whys {
                assert!(Texts(language).find(&format!("label-oauth-why-{}", one.replace(' ', "-"))).is_some(), "{one}");
            }
        }
    }
}
