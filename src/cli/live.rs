//! `live`: tokens with which people connect, made and taken back.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    app::Core,
    clock::rfc3339,
    config::HumanDuration,
    ids::AppId,
    live::{self, NewToken, Role},
    store::live_revocations::{LONGEST_TOKEN_MS, Revocation, RevokedTokens},
};

#[derive(Debug, Subcommand)]
pub(super) enum LiveCommand {
    /// Makes a token with which one user may open live connections
    Token(TokenArgs),
    /// Takes tokens back before their end: one by its id, or all that a user has; open connections end within a second
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The app's user id
    user: String,
    /// customer, operator, doctor, consultant or admin
    #[arg(long, default_value = "consultant")]
    role: String,
    /// How long it is good, such as 12h; at most 365d
    #[arg(long, default_value = "12h")]
    ttl: HumanDuration,
    /// For programs: also says the token's id, by which it can be revoked
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The token of this id, as `live token --json` and `POST /hooks/live-tokens` said it
    #[arg(long, value_name = "ID", required_unless_present = "user")]
    token_id: Option<String>,
    /// Every token of this user that was made until now; JWTs of the app too, unless they were issued later (`iat`)
    #[arg(long, value_name = "USER", conflicts_with = "token_id")]
    user: Option<String>,
    /// Forgets the revocation instead
    #[arg(long)]
    undo: bool,
}

pub(super) async fn run(command: LiveCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        LiveCommand::Token(args) => token(args, core)?,
        LiveCommand::Revoke(args) => revoke(args, core).await?,
    }
    Ok(exit::OK)
}

fn token(args: TokenArgs, core: &Core) -> anyhow::Result<()> {
    let TokenArgs { user, role, ttl, json: as_json } = args;
    let user = AppId::try_from(user).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    let role = Role::parse(&role)
        .ok_or_else(|| Fault::new(exit::USAGE, format!("--role {role}: customer, operator, doctor, consultant and admin are roles")))?;
    if ttl.as_ms() > LONGEST_TOKEN_MS {
        return Err(Fault::new(exit::USAGE, "--ttl: a token is good for 365d at most; make a new one when it ends").into());
    }
    let now = core.clock.now_ms();
    let expires_at = now + ttl.as_ms();
    let minted = live::mint(&core.master, &NewToken { user: &user, role, now, expires_at })?;
    if as_json {
        return output::json(&json!({"token": minted.text.expose(), "token_id": minted.id, "expires_at": rfc3339(expires_at)}));
    }
    output::say(minted.text.expose())
}

async fn revoke(args: RevokeArgs, core: &Core) -> anyhow::Result<()> {
    let (target, what) = match (args.token_id, args.user) {
        (Some(id), _) => (RevokedTokens::One(id.clone()), format!("the live token {id}")),
        (None, user) => {
            let user = user.unwrap_or_default();
            (RevokedTokens::OfUser(user.clone()), format!("every live token of {user}"))
        }
    };
    if args.undo {
        if core.store.restore_live_tokens(target).await? {
            return output::say(format_args!("{what} is good again, until its end"));
        }
        return Err(Fault::new(exit::NOT_FOUND, format!("nothing was revoked: {what}")).into());
    }
    core.store.revoke_live_tokens(Revocation { target, revoked_at: core.clock.now_ms() }).await?;
    output::say(format_args!("revoked {what}; open connections end within a second"))
}
