//! `account`: add, list, show, set, password, enable, disable, delete.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, exit, output, prompt};
use crate::{
    app::Core,
    clock::rfc3339,
    gate::accounts::{PANEL_ROLES, ROLES, TIERS, account_may, plain_login},
    ids::new_id,
    store::accounts::{Account, AccountChange},
};

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Adds an account; its password is asked for, or read from stdin or ANMEI_MCP_ACCOUNT_PASSWORD
    Add(AddArgs),
    /// All accounts
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// One account, and the groups it opens
    Show {
        /// Login
        login: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Changes what an account is; in force for the next request
    Set(SetArgs),
    /// Gives an account another password, asked for, or read from stdin or ANMEI_MCP_ACCOUNT_PASSWORD
    Password {
        /// Login
        login: String,
    },
    /// Lets an account sign in again
    Enable {
        /// Login
        login: String,
    },
    /// Refuses an account and everything that was granted to it, at once
    Disable {
        /// Login
        login: String,
    },
    /// Deletes an account with everything that was granted to it
    Delete {
        /// Login
        login: String,
        /// Without it nothing is deleted
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Login: 2 to 64 of a-z 0-9 . _ @ + -, the first a letter or digit
    #[arg(value_parser = login)]
    login: String,
    /// Name for people [default: the login]
    #[arg(long)]
    name: Option<String>,
    /// Its roles, such as consultant or admin,doctor
    #[arg(long, value_name = "A,B", value_parser = roles)]
    roles: Names,
    /// Its tier: internal, external, public or premium
    #[arg(long, value_parser = TIERS)]
    tier: String,
    /// What it may do in the panel: administrator, operator or auditor
    #[arg(long, value_parser = PANEL_ROLES)]
    panel_role: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct SetArgs {
    /// Login
    login: String,
    /// Another name
    #[arg(long, group = "what")]
    name: Option<String>,
    /// Other roles, such as admin,doctor; "" for none
    #[arg(long, value_name = "A,B", value_parser = roles, group = "what")]
    roles: Option<Names>,
    /// Another tier: internal, external, public or premium
    #[arg(long, value_parser = TIERS, group = "what")]
    tier: Option<String>,
    /// What it may do in the panel: administrator, operator, auditor, or none
    #[arg(long, value_parser = ["administrator", "operator", "auditor", "none"], group = "what")]
    panel_role: Option<String>,
}

/// Names of a list that was written with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(pub(super) Vec<String>);

/// A list of roles.
pub(super) fn roles(text: &str) -> Result<Names, String> {
    names(text, "role", &ROLES)
}

/// A list of tiers.
pub(super) fn tiers(text: &str) -> Result<Names, String> {
    names(text, "tier", &TIERS)
}

fn names(text: &str, what: &str, known: &[&str]) -> Result<Names, String> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !known.contains(&name) {
            return Err(format!("{name} is no {what}; there are: {}", known.join(", ")));
        }
        if !names.iter().any(|had| had == name) {
            names.push(name.to_owned());
        }
    }
    Ok(Names(names))
}

fn login(text: &str) -> Result<String, String> {
    plain_login(text).ok_or_else(|| "a login is 2 to 64 of a-z 0-9 . _ @ + -, the first a letter or digit".into())
}

pub(super) async fn run(command: AccountCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        AccountCommand::Add(args) => add(core, args).await?,
        AccountCommand::List { json } => list(core, json)?,
        AccountCommand::Show { login, json } => show(core, &login, json)?,
        AccountCommand::Set(args) => set(core, args).await?,
        AccountCommand::Password { login } => password(core, &login).await?,
        AccountCommand::Enable { login } => switch(core, &login, true).await?,
        AccountCommand::Disable { login } => switch(core, &login, false).await?,
        AccountCommand::Delete { login, yes } => delete(core, &login, yes).await?,
    }
    Ok(exit::OK)
}

async fn add(core: &Core, args: AddArgs) -> anyhow::Result<()> {
    if core.store.account_by_login(&args.login)?.is_some() {
        return Err(Fault::new(exit::FAILURE, format!("there is an account {} already", args.login)).into());
    }
    let password_hash = hash(core, &args.login).await?;
    let now = core.clock.now_ms();
    let account = Account {
        id: new_id(core.clock.as_ref()),
        display_name: args.name.unwrap_or_else(|| args.login.clone()),
        login: args.login,
        password_hash,
        roles: args.roles.0,
        tier: args.tier,
        panel_role: args.panel_role,
        enabled: true,
        created_by: "cli".into(),
        created_at: now,
        updated_at: now,
        password_changed_at: now,
        last_sign_in_at: None,
        failed_count: 0,
        last_failed_at: None,
    };
    core.store.add_account(account.clone(), super::by(core, None)).await?;
    if args.json {
        return output::json(&facts(core, &account)?);
    }
    output::say(format_args!("added the account {}; it opens: {}", account.login, opened(core, &account)?))
}

/// The hash of a new password; an unfit one is a matter of usage.
async fn hash(core: &Core, login: &str) -> anyhow::Result<String> {
    let password = prompt::new_password()?;
    core.accounts.hash(login, &password).await.map_err(|error| Fault::new(exit::USAGE, error.to_string()).into())
}

fn list(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let accounts = core.store.accounts()?;
    if as_json {
        return output::json(&accounts.iter().map(|account| facts(core, account)).collect::<anyhow::Result<Vec<_>>>()?);
    }
    let rows = accounts.iter().map(|account| {
        vec![
            account.login.clone(),
            account.display_name.clone(),
            account.roles.join(", "),
            account.tier.clone(),
            account.panel_role.clone().unwrap_or_else(|| "-".into()),
            output::yes(account.enabled),
            output::moment(account.last_sign_in_at),
        ]
    });
    output::table(&["LOGIN", "NAME", "ROLES", "TIER", "PANEL", "ENABLED", "LAST SIGN-IN"], rows)
}

fn show(core: &Core, login: &str, as_json: bool) -> anyhow::Result<()> {
    let account = find(core, login)?;
    if as_json {
        return output::json(&facts(core, &account)?);
    }
    let state = if account.enabled { "enabled" } else { "disabled" };
    output::say(format_args!("{} ({}) {state}", account.login, account.display_name))?;
    output::say(format_args!(
        "roles: {}; tier: {}; panel: {}",
        account.roles.join(", "),
        account.tier,
        account.panel_role.as_deref().unwrap_or("-")
    ))?;
    output::say(format_args!(
        "last sign-in: {}; failed since: {} (last {}); password of {}\n",
        output::moment(account.last_sign_in_at),
        account.failed_count,
        output::moment(account.last_failed_at),
        rfc3339(account.password_changed_at)
    ))?;
    let policy = core.gate.policy().current()?;
    let rows = policy.groups().iter().map(|group| {
        let (may, why) = match account_may(&account, &group.group) {
            Ok(()) => (true, String::new()),
            Err(why) => (false, why.to_string()),
        };
        vec![group.group.server_code.clone(), output::yes(may), why]
    });
    output::table(&["GROUP", "OPENS", "WHY NOT"], rows)
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let account = find(core, &args.login)?;
    let change = AccountChange {
        display_name: args.name,
        roles: args.roles.map(|names| names.0),
        tier: args.tier,
        panel_role: args.panel_role.map(|role| (role != "none").then_some(role)),
        enabled: None,
    };
    core.store.change_account(&account.login, change, super::by(core, None)).await?;
    let account = find(core, &account.login)?;
    output::say(format_args!("{} opens: {}; in force for the next request", account.login, opened(core, &account)?))
}

async fn password(core: &Core, login: &str) -> anyhow::Result<()> {
    let account = find(core, login)?;
    let hash = hash(core, &account.login).await?;
    core.store.set_account_password(&account.login, hash, super::by(core, None)).await?;
    output::say(format_args!("{} has another password", account.login))
}

async fn switch(core: &Core, login: &str, enabled: bool) -> anyhow::Result<()> {
    let account = find(core, login)?;
    let change = AccountChange { enabled: Some(enabled), ..AccountChange::default() };
    core.store.change_account(&account.login, change, super::by(core, None)).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    output::say(format_args!("{} is {state}; in force for the next request", account.login))
}

async fn delete(core: &Core, login: &str, yes: bool) -> anyhow::Result<()> {
    let account = find(core, login)?;
    if !yes {
        let text = format!("this deletes the account {} with everything that was granted to it; say --yes if that is meant", account.login);
        return Err(Fault::new(exit::USAGE, text).into());
    }
    core.store.delete_account(&account.login, super::by(core, None)).await?;
    output::say(format_args!("deleted the account {}", account.login))
}

fn find(core: &Core, login: &str) -> anyhow::Result<Account> {
    let found = plain_login(login).map(|login| core.store.account_by_login(&login)).transpose()?.flatten();
    found.ok_or_else(|| Fault::new(exit::NOT_FOUND, format!("there is no account {login}; `anmei-mcp account list` shows them")).into())
}

fn opens(core: &Core, account: &Account) -> anyhow::Result<Vec<String>> {
    let policy = core.gate.policy().current()?;
    let groups = policy.groups().iter().filter(|group| account_may(account, &group.group).is_ok());
    Ok(groups.map(|group| group.group.server_code.clone()).collect())
}

fn opened(core: &Core, account: &Account) -> anyhow::Result<String> {
    let codes = opens(core, account)?;
    Ok(if codes.is_empty() { "no group".into() } else { codes.join(", ") })
}

/// What may be said of an account: everything but the hash.
fn facts(core: &Core, account: &Account) -> anyhow::Result<Value> {
    Ok(json!({
        "id": account.id, "login": account.login, "display_name": account.display_name, "roles": account.roles, "tier": account.tier,
        "panel_role": account.panel_role, "enabled": account.enabled, "created_by": account.created_by,
        "created_at": rfc3339(account.created_at), "updated_at": rfc3339(account.updated_at),
        "password_changed_at": rfc3339(account.password_changed_at), "last_sign_in_at": account.last_sign_in_at.map(rfc3339),
        "failed_count": account.failed_count, "last_failed_at": account.last_failed_at.map(rfc3339), "opens": opens(core, account)?,
    }))
}
