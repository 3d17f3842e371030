//! `account`: add, list, show, set, password, totp-off, sign-out, enable, disable, delete.

use clap::{Args, Subcommand};

use super::{Fault, exit, output, prompt};
use crate::{
    admin::{
        Role,
        calls::{AccountEdit, AccountView, NewAccount},
    },
    app::Core,
    gate::accounts::{PANEL_ROLES, ROLES, TIERS, plain_login},
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
    /// Takes the second factor of an account away, for somebody whose telephone and recovery codes are lost
    TotpOff {
        /// Login
        login: String,
    },
    /// Ends every session of an account in the panel
    SignOut {
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
        AccountCommand::TotpOff { login } => totp_off(core, &login).await?,
        AccountCommand::SignOut { login } => sign_out(core, &login).await?,
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
    let new = NewAccount {
        login: args.login,
        display_name: args.name,
        password: prompt::new_password()?,
        roles: args.roles.0,
        tier: args.tier,
        panel_role: args.panel_role.as_deref().and_then(Role::parse),
    };
    let account = core.calls(None).add_account(new, super::by(core, None)).await?;
    if args.json {
        return output::json(&account);
    }
    output::say(format_args!("added the account {}; it opens: {}", account.login, opened(&account)))
}

fn list(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let accounts = core.calls(None).accounts(u32::MAX, None)?.items;
    if as_json {
        return output::json(&accounts);
    }
    let rows = accounts.iter().map(|account| {
        vec![
            account.login.clone(),
            account.display_name.clone(),
            account.roles.join(", "),
            account.tier.clone(),
            account.panel_role.map_or("-", Role::as_str).into(),
            output::yes(account.enabled),
            account.last_sign_in_at.clone().unwrap_or_else(|| "-".into()),
        ]
    });
    output::table(&["LOGIN", "NAME", "ROLES", "TIER", "PANEL", "ENABLED", "LAST SIGN-IN"], rows)
}

fn show(core: &Core, login: &str, as_json: bool) -> anyhow::Result<()> {
    let account = core.calls(None).account(login)?;
    if as_json {
        return output::json(&account);
    }
    let state = if account.enabled { "enabled" } else { "disabled" };
    let moment = |at: &Option<String>| at.clone().unwrap_or_else(|| "-".into());
    output::say(format_args!("{} ({}) {state}", account.login, account.display_name))?;
    output::say(format_args!(
        "roles: {}; tier: {}; panel: {}; one-time codes: {}",
        account.roles.join(", "),
        account.tier,
        account.panel_role.map_or("-", Role::as_str),
        output::yes(account.second_factor)
    ))?;
    output::say(format_args!(
        "last sign-in: {}; failed since: {} (last {}); password of {}\n",
        moment(&account.last_sign_in_at),
        account.failed_count,
        moment(&account.last_failed_at),
        account.password_changed_at
    ))?;
    let openings = core.calls(None).account_opens(login)?;
    let rows = openings
        .into_iter()
        .map(|opening| vec![opening.server_code, output::yes(opening.why_not.is_none()), opening.why_not.unwrap_or_default()]);
    output::table(&["GROUP", "OPENS", "WHY NOT"], rows)
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let edit = AccountEdit {
        display_name: args.name,
        roles: args.roles.map(|names| names.0),
        tier: args.tier,
        panel_role: args.panel_role.map(|role| Role::parse(&role)),
        enabled: None,
    };
    let account = core.calls(None).change_account(&args.login, edit, None, super::by(core, None)).await?;
    output::say(format_args!("{} opens: {}; in force for the next request", account.login, opened(&account)))
}

async fn password(core: &Core, login: &str) -> anyhow::Result<()> {
    let calls = core.calls(None);
    let login = calls.account(login)?.login;
    calls.set_password(&login, &prompt::new_password()?, None, super::by(core, None)).await?;
    output::say(format_args!(
        "{login} has another password; whoever is signed in with the old one is signed out, and what was granted with it ends"
    ))
}

async fn switch(core: &Core, login: &str, enabled: bool) -> anyhow::Result<()> {
    let edit = AccountEdit { enabled: Some(enabled), ..AccountEdit::default() };
    let account = core.calls(None).change_account(login, edit, None, super::by(core, None)).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    output::say(format_args!("{} is {state}; in force for the next request", account.login))
}

async fn delete(core: &Core, login: &str, yes: bool) -> anyhow::Result<()> {
    let calls = core.calls(None);
    let login = calls.account(login)?.login;
    if !yes {
        let text = format!("this deletes the account {login} with everything that was granted to it; say --yes if that is meant");
        return Err(Fault::new(exit::USAGE, text).into());
    }
    calls.delete_account(&login, None, super::by(core, None)).await?;
    output::say(format_args!("deleted the account {login}"))
}

async fn totp_off(core: &Core, login: &str) -> anyhow::Result<()> {
    let calls = core.calls(None);
    let account = calls.find_account(login)?;
    calls.remove_second_factor(&account, super::by(core, None)).await?;
    output::say(format_args!("{} signs in with the password alone; in force for the next sign-in", account.login))
}

async fn sign_out(core: &Core, login: &str) -> anyhow::Result<()> {
    let calls = core.calls(None);
    let account = calls.find_account(login)?;
    let ended = calls.end_sessions(&account, None, super::by(core, None)).await?;
    output::say(format_args!("{ended} session(s) of {} ended; in force for the next request", account.login))
}

fn opened(account: &AccountView) -> String {
    if account.opens.is_empty() { "no group".into() } else { account.opens.join(", ") }
}
