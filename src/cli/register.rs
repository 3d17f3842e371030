//! `register`: a test registration through the running daemon's real webhook.

use clap::Args;
use serde_json::{Value, json};

use super::{Fault, clock, exit, output, timeline};
use crate::{
    app::{DataDir, DataDirError},
    config::Loaded,
    ids::new_id,
    secret::SecretText,
};

#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
    /// The app's user id [default: a new one]
    #[arg(long)]
    user_id: Option<String>,
    /// The new user's name
    #[arg(long, default_value = "测试用户")]
    username: String,
    /// The whole run as JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn register(args: &RegisterArgs, loaded: Loaded) -> anyhow::Result<u8> {
    let dir = DataDir::open(&loaded.config.data_dir)?;
    let running = dir.read_run_file().ok_or_else(|| {
        Fault::new(
            exit::FAILURE,
            format!("no daemon works on {}; start one with `anmei-mcp serve`, or name its directory with --data-dir", dir.path().display()),
        )
    })?;
    let key = hook_key(&loaded, &dir)?;
    let hook = timeline::Hook::new(&running.hook, key)?;
    let user_id = args.user_id.clone().unwrap_or_else(|| format!("usr_{}", new_id(clock().as_ref()).replace('-', "")));
    let path = hook.send(&body(&user_id, &args.username)).await?;
    let run = if args.json { quiet(&hook, &path).await? } else { loud(&hook, &path, &user_id).await? };
    let good = run.get("state").and_then(Value::as_str).is_some_and(|state| state != "dead_letter");
    Ok(if good { exit::OK } else { exit::FAILURE })
}

async fn quiet(hook: &timeline::Hook, path: &str) -> anyhow::Result<Value> {
    let run = hook.wait(path).await?;
    output::json(&run)?;
    Ok(run)
}

async fn loud(hook: &timeline::Hook, path: &str, user_id: &str) -> anyhow::Result<Value> {
    output::say(format_args!("{user_id} → {path}"))?;
    let run = hook.watch(path).await?;
    timeline::show_end(&run)?;
    Ok(run)
}

fn hook_key(loaded: &Loaded, dir: &DataDir) -> anyhow::Result<SecretText> {
    if let Some(key) = &loaded.config.hook.key {
        return Ok(key.clone());
    }
    let path = dir.path().join("hook.key");
    let missing = || {
        Err::<SecretText, DataDirError>(DataDirError::Unusable {
            what: "find",
            path: path.clone(),
            why: std::io::ErrorKind::NotFound.into(),
        })
    };
    Ok(DataDir::secret(&path, missing)?.0)
}

/// The app's own body.
pub(in crate::cli) fn body(user_id: &str, username: &str) -> Value {
    json!({"user_id": user_id, "username": username, "email": null, "roles": ["customer"], "phone": null, "avatar": null})
}
