//! `live`: tokens with which people connect.

use clap::Subcommand;
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    app::Core,
    clock::rfc3339,
    config::HumanDuration,
    ids::AppId,
    live::{self, Role},
};

#[derive(Debug, Subcommand)]
pub(super) enum LiveCommand {
    /// Makes a token with which one user may open live connections
    Token {
        /// The app's user id
        user: String,
        /// customer, operator, doctor, consultant or admin
        #[arg(long, default_value = "consultant")]
        role: String,
        /// How long it is good, such as 12h
        #[arg(long, default_value = "12h")]
        ttl: HumanDuration,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: LiveCommand, core: &Core) -> anyhow::Result<u8> {
    let LiveCommand::Token { user, role, ttl, json: as_json } = command;
    let user = AppId::try_from(user).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    let role = Role::parse(&role)
        .ok_or_else(|| Fault::new(exit::USAGE, format!("--role {role}: customer, operator, doctor, consultant and admin are roles")))?;
    let expires_at = core.clock.now_ms() + ttl.as_ms();
    let token = live::mint(&core.master, &user, role, expires_at)?;
    if as_json {
        output::json(&json!({"token": token.expose(), "expires_at": rfc3339(expires_at)}))?;
    } else {
        output::say(token.expose())?;
    }
    Ok(exit::OK)
}
