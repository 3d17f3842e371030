//! `oauth`: who may ask for tokens, who has some, and taking them back.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, exit, group, output};
use crate::{
    app::Core,
    clock::rfc3339,
    gate::oauth::{
        mint,
        redirect::{self, RedirectRules},
        registration,
    },
    ids::new_id,
    store::{
        oauth_clients::{Client, ClientKind},
        oauth_grants::Grant,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum OauthCommand {
    /// Clients: those that registered themselves, those added here, those known by a document
    #[command(subcommand, alias = "client")]
    Clients(ClientsCommand),
    /// Grants: what people allowed clients to do
    #[command(subcommand, alias = "grant")]
    Grants(GrantsCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// All clients
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Adds a client; a confidential one gets a secret, which is shown once
    Add(AddArgs),
    /// Shuts a client out and ends everything it was granted, from the next request on
    Revoke {
        /// Its client_id
        client_id: String,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct AddArgs {
    /// Name shown to people
    name: String,
    /// It can keep a secret: it gets one, and may enter its groups by itself (client credentials)
    #[arg(long)]
    confidential: bool,
    /// A group it may enter by itself, or about whose tokens it may ask (server code, repeatable)
    #[arg(long = "group", value_name = "CODE")]
    groups: Vec<String>,
    /// It may call tools that store something when it enters by itself
    #[arg(long, requires = "confidential")]
    write: bool,
    /// It asks whether tokens for its groups are in force (RFC 7662), and does not enter them: for resource servers of
    /// your own
    #[arg(long, requires = "confidential", conflicts_with = "write")]
    introspect: bool,
    /// Where answers to people's consent may be sent (repeatable)
    #[arg(long = "redirect", value_name = "URI")]
    redirects: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum GrantsCommand {
    /// Grants in force
    List {
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Ends a grant with all of its tokens, from the next request on
    Revoke {
        /// Its id, as `grants list` shows it
        id: String,
    },
}

pub(super) async fn run(command: OauthCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        OauthCommand::Clients(ClientsCommand::List { json }) => clients(core, json)?,
        OauthCommand::Clients(ClientsCommand::Add(args)) => add(core, &args).await?,
        OauthCommand::Clients(ClientsCommand::Revoke { client_id }) => {
            let ended = core.store.revoke_client(&client_id, super::by(core, None)).await?;
            output::say(format_args!("{client_id} is shut out; {ended} grant(s) ended with it, in force for the next request"))?;
        }
        OauthCommand::Grants(GrantsCommand::List { all, json }) => grants(core, all, json)?,
        OauthCommand::Grants(GrantsCommand::Revoke { id }) => {
            let ended = core.store.revoke_grant(&id, "revoked by an operator", super::by(core, None)).await?;
            output::say(if ended { "the grant has ended; in force for the next request" } else { "the grant had ended already" })?;
        }
    }
    Ok(exit::OK)
}

fn clients(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let clients = core.store.oauth_clients()?;
    if as_json {
        return output::json(&clients.iter().map(|client| with_groups(core, client)).collect::<anyhow::Result<Vec<_>>>()?);
    }
    let rows = clients.iter().map(|client| {
        let state = if client.revoked_at.is_some() { "revoked" } else { "in force" };
        let last = output::moment(client.used_at);
        vec![client.id.clone(), client.name.clone(), client.kind.as_str().into(), state.into(), last, client.redirect_uris.join(" ")]
    });
    output::table(&["CLIENT", "NAME", "KIND", "STATE", "LAST GRANT", "REDIRECTS"], rows)
}

/// What may be said of a client, its groups by their codes.
fn with_groups(core: &Core, client: &Client) -> anyhow::Result<Value> {
    let policy = core.gate.policy().current()?;
    let codes: Vec<_> =
        policy.groups().iter().filter(|group| client.groups.contains(&group.group.id)).map(|group| &group.group.server_code).collect();
    let mut facts = registration::facts(client);
    if let Some(object) = facts.as_object_mut() {
        object.insert("groups".into(), json!(codes));
    }
    Ok(facts)
}

async fn add(core: &Core, args: &AddArgs) -> anyhow::Result<()> {
    let usage = |text: String| Fault::new(exit::USAGE, text);
    let name = registration::shown_name(&args.name);
    if name.is_empty() {
        return Err(usage("the name is empty".into()).into());
    }
    if !args.confidential && args.redirects.is_empty() {
        return Err(
            usage("a client that keeps no secret needs --redirect: a person must grant it access; or add --confidential".into()).into()
        );
    }
    if args.confidential && args.groups.is_empty() && args.redirects.is_empty() {
        return Err(usage("say which --group it may enter by itself, or where to --redirect after a person's consent".into()).into());
    }
    let config = &core.config.oauth;
    let rules = RedirectRules { app_schemes: config.app_schemes.clone(), http_hosts: config.http_redirect_hosts.clone() };
    for uri in &args.redirects {
        redirect::acceptable(uri, &rules).map_err(|why| usage(format!("--redirect {uri} {why}")))?;
    }
    let groups =
        args.groups.iter().map(|code| group::find(core, code).map(|group| group.group.id.clone())).collect::<anyhow::Result<Vec<_>>>()?;
    let by = super::by(core, None);
    let secret = if args.confidential { Some(mint::mint(mint::SECRET)?) } else { None };
    let client = Client {
        id: format!("client_{}", new_id(core.clock.as_ref())),
        kind: ClientKind::Operator,
        name,
        uri: None,
        redirect_uris: args.redirects.clone(),
        grant_types: grant_types(args),
        secret_hash: secret.as_ref().map(|secret| mint::hash(secret.expose())),
        groups,
        may_write: args.write,
        may_introspect: args.introspect,
        created_by: by.actor.clone(),
        created_at: core.clock.now_ms(),
        used_at: None,
        revoked_at: None,
    };
    core.store.add_client(client.clone(), by).await?;
    if args.json {
        let mut facts = with_groups(core, &client)?;
        if let (Some(object), Some(secret)) = (facts.as_object_mut(), &secret) {
            object.insert("client_secret".into(), secret.expose().into());
        }
        return output::json(&facts);
    }
    output::say(format_args!("client_id      {}", client.id))?;
    match secret {
        Some(secret) => output::say(format_args!("client_secret  {}   (shown only now)", secret.expose())),
        None => Ok(()),
    }
}

fn grant_types(args: &AddArgs) -> Vec<String> {
    let mut types = Vec::new();
    if !args.redirects.is_empty() {
        types.extend(["authorization_code", "refresh_token"]);
    }
    if args.confidential && !args.groups.is_empty() && !args.introspect {
        types.push("client_credentials");
    }
    types.into_iter().map(str::to_owned).collect()
}

fn grants(core: &Core, all: bool, as_json: bool) -> anyhow::Result<()> {
    let now = core.clock.now_ms();
    let policy = core.gate.policy().current()?;
    let code = |id: &str| {
        policy.groups().iter().find(|group| group.group.id == id).map_or_else(|| "-".to_owned(), |group| group.group.server_code.clone())
    };
    let grants: Vec<Grant> =
        core.store.oauth_grants()?.into_iter().filter(|grant| all || (grant.revoked_at.is_none() && grant.expires_at > now)).collect();
    if as_json {
        return output::json(&grants.iter().map(|grant| grant_facts(grant, &code(&grant.group_id))).collect::<Vec<_>>());
    }
    let rows = grants.iter().map(|grant| {
        let state = match &grant.revoked_at {
            Some(_) => grant.revoked_why.clone().unwrap_or_else(|| "revoked".into()),
            None if grant.expires_at <= now => "expired".into(),
            None => "in force".into(),
        };
        let by = proved_by(grant);
        vec![
            grant.id.clone(),
            grant.client_id.clone(),
            code(&grant.group_id),
            grant.scopes.join(" "),
            by,
            state,
            output::moment(grant.used_at),
        ]
    });
    output::table(&["GRANT", "CLIENT", "GROUP", "SCOPES", "PROVED BY", "STATE", "LAST USED"], rows)
}

fn proved_by(grant: &Grant) -> String {
    match (&grant.key_id, &grant.account_id) {
        (Some(key), _) => format!("key {key}"),
        (None, Some(account)) => format!("account {account}"),
        (None, None) => "the client itself".into(),
    }
}

fn grant_facts(grant: &Grant, code: &str) -> Value {
    json!({
        "id": grant.id, "client_id": grant.client_id, "server_code": code, "audience": grant.audience, "scopes": grant.scopes,
        "key_id": grant.key_id, "account_id": grant.account_id, "created_at": rfc3339(grant.created_at), "expires_at": rfc3339(grant.expires_at),
        "used_at": grant.used_at.map(rfc3339), "revoked_at": grant.revoked_at.map(rfc3339), "revoked_why": grant.revoked_why,
    })
}
