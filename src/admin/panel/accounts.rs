//! Accounts: who may sign in, and what each may do.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;

use super::{
    form::{Fields, FormState, Posted, Queried, mistakes_at},
    frame::{Frame, Page, PageError, back, role_key},
    shown::{label, labels},
    texts::Texts,
};
use crate::{
    admin::{
        Role,
        calls::{AccountEdit, AccountView, CallError, Calls, Listed, NewAccount},
        entry::Administrator,
        state::AdminState,
    },
    gate::accounts::{ROLES, TIERS},
    secret::SecretText,
    store::audit::By,
};

/// Accounts of a page.
const PAGE: u32 = 100;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/accounts", get(list))
        .route("/panel/accounts/new", get(ask).post(add))
        .route("/panel/accounts/of/{login}", get(show).post(change))
        .route("/panel/accounts/of/{login}/password", post(password))
        .route("/panel/accounts/of/{login}/second-factor-off", post(factor_off))
        .route("/panel/accounts/of/{login}/sign-out", post(sign_out))
        .route("/panel/accounts/of/{login}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    list: Listed<AccountView>,
}

#[derive(Template)]
#[template(path = "account_new.html")]
struct NewPage {
    choices: Choices,
    frame: Frame,
    form: FormState,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    choices: Choices,
    frame: Frame,
    account: AccountView,
    form: FormState,
    /// What somebody else made of it while the form was filled in.
    theirs: Option<Vec<(String, String)>>,
    password: FormState,
}

impl AccountsPage {
    fn role_name(&self, account: &AccountView) -> String {
        let none = || self.frame.t.say("accounts-no-panel");
        account.panel_role.map_or_else(none, |role| self.frame.t.say(role_key(role)))
    }
}

/// What may be chosen: values, and their names.
struct Choices {
    panel_roles: Vec<(&'static str, String)>,
    app_roles: Vec<(&'static str, String)>,
    tiers: Vec<(&'static str, String)>,
}

impl Choices {
    fn of(t: Texts) -> Self {
        let named = |start: &str, name: &'static str| (name, t.find(&format!("{start}{name}")).unwrap_or_else(|| name.to_owned()));
        let none = [("none", t.say("accounts-no-panel"))];
        Self {
            panel_roles: none.into_iter().chain(Role::ALL.map(|role| (role.as_str(), t.say(role_key(role))))).collect(),
            app_roles: ROLES.map(|role| named("label-role-", role)).to_vec(),
            tiers: TIERS.map(|tier| named("label-tier-", tier)).to_vec(),
        }
    }
}

fn confirmed(admin: &Administrator) -> Result<By, CallError> {
    let clock = admin.calls.clock.as_ref();
    admin.who.confirmed(clock)?;
    Ok(admin.who.by(clock))
}

fn chosen(fields: &Fields) -> Vec<String> {
    fields.all("roles").into_iter().map(str::to_owned).collect()
}

async fn list(frame: Frame, admin: Administrator, Queried(fields): Queried) -> Result<Response, PageError> {
    let list = admin.calls.accounts(PAGE, fields.given("cursor"))?;
    Ok(Page::ok(AccountsPage { frame, list }).into_response())
}

async fn ask(frame: Frame, _admin: Administrator) -> Response {
    let form = FormState::new(Fields::of([("tier", "internal"), ("panel_role", "none")]));
    Page::ok(NewPage { choices: Choices::of(frame.t), frame, form }).into_response()
}

async fn add(frame: Frame, admin: Administrator, Posted(fields): Posted) -> Result<Response, PageError> {
    let by = confirmed(&admin)?;
    let new = NewAccount {
        login: fields.text("login").to_owned(),
        display_name: fields.given("display_name").map(str::to_owned),
        password: SecretText::new(fields.raw("password").unwrap_or_default()),
        roles: chosen(&fields),
        tier: fields.text("tier").to_owned(),
        panel_role: Role::parse(fields.text("panel_role")),
    };
    match admin.calls.add_account(new, by).await {
        Ok(account) => Ok(back(&path(&account.login), "account-added")),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(without_password(&fields), &wrong, frame.language());
            Ok(Page::refused(NewPage { choices: Choices::of(frame.t), frame, form }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// What was typed, but for the password: that is typed again.
fn without_password(fields: &Fields) -> Fields {
    Fields::of(fields.iter().filter(|(name, _)| *name != "password"))
}

fn path(login: &str) -> String {
    // A login holds nothing that a path does not.
    format!("/panel/accounts/of/{login}")
}

fn page(frame: Frame, calls: &Calls, login: &str) -> Result<AccountPage, CallError> {
    let account = calls.account(login)?;
    let mut fields = vec![
        ("display_name", account.display_name.clone()),
        ("tier", account.tier.clone()),
        ("panel_role", account.panel_role.map_or("none", Role::as_str).to_owned()),
        ("version", account.version.to_string()),
    ];
    fields.extend(account.roles.iter().map(|role| ("roles", role.clone())));
    if account.enabled {
        fields.push(("enabled", "true".to_owned()));
    }
    Ok(AccountPage {
        choices: Choices::of(frame.t),
        frame,
        account,
        form: FormState::new(Fields::of(fields)),
        theirs: None,
        password: FormState::default(),
    })
}

async fn show(frame: Frame, admin: Administrator, Path(login): Path<String>) -> Result<Response, PageError> {
    Ok(Page::ok(page(frame, &admin.calls, &login)?).into_response())
}

async fn change(frame: Frame, admin: Administrator, Path(login): Path<String>, Posted(fields): Posted) -> Result<Response, PageError> {
    let by = confirmed(&admin)?;
    let edit = AccountEdit {
        display_name: Some(fields.text("display_name").to_owned()).filter(|name| !name.is_empty()),
        roles: Some(chosen(&fields)),
        tier: Some(fields.text("tier").to_owned()),
        panel_role: Some(Role::parse(fields.text("panel_role"))),
        enabled: Some(fields.on("enabled")),
    };
    match admin.calls.change_account(&login, edit, fields.text("version").parse().ok(), by).await {
        Ok(account) => Ok(back(&path(&account.login), "account-changed")),
        Err(CallError::Stale { version, .. }) => Ok(stale(page(frame, &admin.calls, &login)?, &fields, version)),
        Err(error) => {
            // What the last administrator may not lose is in one of these two fields.
            let beside = if fields.on("enabled") { "/panel_role" } else { "/enabled" };
            let form = FormState::refused(fields, &mistakes_at(beside, error)?, frame.language());
            Ok(Page::refused(AccountPage { form, ..page(frame, &admin.calls, &login)? }).into_response())
        }
    }
}

/// Both versions: what was typed stays in the form, and beside it stands what the account is now. Sending it once more is
/// a change of that version.
fn stale(page: AccountPage, typed: &Fields, version: i64) -> Response {
    let version = version.to_string();
    let typed = Fields::of(typed.iter().filter(|(name, _)| *name != "version").chain([("version", version.as_str())]));
    let theirs = Some(differences(&page, &typed));
    Page(StatusCode::PRECONDITION_FAILED, AccountPage { form: FormState::new(typed), theirs, ..page }).into_response()
}

/// What differs between a form and the account as it is: the field, and what it is.
fn differences(page: &AccountPage, typed: &Fields) -> Vec<(String, String)> {
    let (t, account) = (page.frame.t, &page.account);
    let role = account.panel_role.map_or_else(|| t.say("accounts-no-panel"), |role| t.say(role_key(role)));
    let enabled = t.say(if account.enabled { "accounts-enabled" } else { "accounts-disabled" });
    let mut roles = (typed.all("roles"), account.roles.iter().map(String::as_str).collect::<Vec<_>>());
    roles.0.sort_unstable();
    roles.1.sort_unstable();
    let fields = [
        (typed.text("display_name") != account.display_name, "accounts-name", account.display_name.clone()),
        (Role::parse(typed.text("panel_role")) != account.panel_role, "accounts-panel-role", role),
        (roles.0 != roles.1, "accounts-roles", labels(t, "role", &account.roles)),
        (typed.text("tier") != account.tier, "accounts-tier", label(t, "tier", &account.tier)),
        (typed.on("enabled") != account.enabled, "accounts-state", enabled),
    ];
    fields.into_iter().filter(|(differs, ..)| *differs).map(|(_, key, value)| (t.say(key), value)).collect()
}

async fn password(frame: Frame, admin: Administrator, Path(login): Path<String>, Posted(fields): Posted) -> Result<Response, PageError> {
    let by = confirmed(&admin)?;
    let new = SecretText::new(fields.raw("password").unwrap_or_default());
    match admin.calls.set_password(&login, &new, admin.who.session_id.as_deref(), by).await {
        Ok(()) => Ok(back(&path(&login), "password")),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(Fields::default(), &wrong, frame.language());
            Ok(Page::refused(AccountPage { password: form, ..page(frame, &admin.calls, &login)? }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn factor_off(admin: Administrator, Path(login): Path<String>) -> Result<Response, PageError> {
    let by = confirmed(&admin)?;
    let account = admin.calls.find_account(&login)?;
    admin.calls.remove_second_factor(&account, by).await?;
    Ok(back(&path(&account.login), "second-factor-off"))
}

async fn sign_out(admin: Administrator, Path(login): Path<String>) -> Result<Response, PageError> {
    let account = admin.calls.find_account(&login)?;
    admin.calls.end_sessions(&account, admin.who.session_id.as_deref(), admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(back(&path(&account.login), "session-ended"))
}

async fn delete(admin: Administrator, Path(login): Path<String>, Posted(fields): Posted) -> Result<Response, PageError> {
    let by = confirmed(&admin)?;
    admin.calls.delete_account(&login, fields.text("version").parse().ok(), by).await?;
    Ok(back("/panel/accounts", "account-deleted"))
}
