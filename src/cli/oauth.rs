//! `oauth`: who may ask for tokens, who has some, and taking them back.

use clap::{Args, Subcommand};

use super::{exit, fault, output};
use crate::{
    admin::calls::oauth::{GrantsWanted, MadeClient, NewClient, OauthGrantView},
    app::Core,
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
    /// Lets a client that was shut out ask again; what it had been granted stays ended
    Restore {
        /// Its client_id
        client_id: String,
    },
    /// Removes a client with everything it was granted; one that registers itself, or is known by a document, may come again
    Remove {
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
        OauthCommand::Clients(command) => run_clients(command, core).await?,
        OauthCommand::Grants(GrantsCommand::List { all, json }) => grants(core, all, json)?,
        OauthCommand::Grants(GrantsCommand::Revoke { id }) => {
            let ended = core.calls(None).revoke_oauth_grant(&id, &super::by(core, None)).await.map_err(fault)?;
            output::say(if ended { "the grant has ended; in force for the next request" } else { "the grant had ended already" })?;
        }
    }
    Ok(exit::OK)
}

async fn run_clients(command: ClientsCommand, core: &Core) -> anyhow::Result<()> {
    let (calls, by) = (core.calls(None), super::by(core, None));
    match command {
        ClientsCommand::List { json } => clients(core, json),
        ClientsCommand::Add(args) => add(core, &args).await,
        ClientsCommand::Revoke { client_id } => {
            let ended = calls.revoke_oauth_client(&client_id, &by).await.map_err(fault)?;
            output::say(format_args!("{client_id} is shut out; {ended} grant(s) ended with it, in force for the next request"))
        }
        ClientsCommand::Restore { client_id } => {
            calls.restore_oauth_client(&client_id, &by).await.map_err(fault)?;
            output::say(format_args!("{client_id} may ask again; in force for the next request"))
        }
        ClientsCommand::Remove { client_id } => {
            calls.remove_oauth_client(&client_id, &by).await.map_err(fault)?;
            output::say(format_args!("{client_id} is removed with everything it was granted; in force for the next request"))
        }
    }
}

fn clients(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let clients = core.calls(None).oauth_clients().map_err(fault)?;
    if as_json {
        return output::json(&clients);
    }
    let rows = clients.into_iter().map(|client| {
        let state = if client.revoked_at.is_some() { "revoked" } else { "in force" };
        let last = client.used_at.unwrap_or_else(|| "-".into());
        vec![client.client_id, client.name, client.kind, state.into(), last, client.redirect_uris.join(" ")]
    });
    output::table(&["CLIENT", "NAME", "KIND", "STATE", "LAST GRANT", "REDIRECTS"], rows)
}

async fn add(core: &Core, args: &AddArgs) -> anyhow::Result<()> {
    let new = NewClient {
        name: args.name.clone(),
        confidential: args.confidential,
        groups: args.groups.clone(),
        may_write: args.write,
        may_introspect: args.introspect,
        redirect_uris: args.redirects.clone(),
    };
    let made = core.calls(None).add_oauth_client(&new, &super::by(core, None)).await.map_err(fault)?;
    if args.json {
        return output::json(&made);
    }
    let MadeClient { client, client_secret } = made;
    output::say(format_args!("client_id      {}", client.client_id))?;
    match client_secret {
        Some(secret) => output::say(format_args!("client_secret  {}   (shown only now)", secret.expose())),
        None => Ok(()),
    }
}

fn grants(core: &Core, all: bool, as_json: bool) -> anyhow::Result<()> {
    let grants = core.calls(None).oauth_grants(&GrantsWanted { all, ..GrantsWanted::default() }).map_err(fault)?;
    if as_json {
        return output::json(&grants);
    }
    let rows = grants.into_iter().map(|grant| {
        let state = match (&grant.revoked_at, grant.in_force) {
            (Some(_), _) => grant.revoked_why.clone().unwrap_or_else(|| "revoked".into()),
            (None, false) => "expired".into(),
            (None, true) => "in force".into(),
        };
        let by = proved_by(&grant);
        let last = grant.used_at.unwrap_or_else(|| "-".into());
        vec![grant.id, grant.client_id, grant.server_code, grant.scopes.join(" "), by, state, last]
    });
    output::table(&["GRANT", "CLIENT", "GROUP", "SCOPES", "PROVED BY", "STATE", "LAST USED"], rows)
}

fn proved_by(grant: &OauthGrantView) -> String {
    match (&grant.key_id, &grant.account_id, &grant.given_by) {
        (Some(_), _, Some(name)) => format!("key {name}"),
        (None, Some(_), Some(name)) => format!("account {name}"),
        _ => "the client itself".into(),
    }
}
