//! An installation of ours to measure: a data directory with users, and the daemon over it.

use std::{
    fs,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{process::Process, request::HOOK_KEY};

/// The installation.
pub(crate) struct Site {
    binary: PathBuf,
    scratch: PathBuf,
    data: PathBuf,
    config: PathBuf,
    /// Key of the group whose tools are called.
    pub(crate) key: String,
}

/// What an installation begins with.
pub(crate) struct Beginning<'a> {
    /// The group whose tools are called.
    pub(crate) group: &'a str,
    /// Users as JSON lines.
    pub(crate) users: &'a str,
    /// Settings besides free ports and the hook key, as TOML.
    pub(crate) settings: &'a str,
}

/// The daemon while it runs.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    pub(crate) mcp: SocketAddr,
    pub(crate) hook: SocketAddr,
    pub(crate) live: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Site {
    /// Makes an installation in `scratch`: first start, group key, users.
    pub(crate) fn prepare(binary: &Path, scratch: &Path, beginning: &Beginning<'_>) -> Result<Self> {
        let mut site = Self::in_folder(binary, scratch);
        fs::write(&site.config, settings(beginning.settings))?;
        site.serve()?.process.terminate(&site.log())?;
        site.key = site.key_of(beginning.group)?;
        site.import(beginning.users)?;
        // Every call comes under one key: what a key may ask in a minute is no matter here.
        let unlimited =
            ["list_per_minute", "call_per_minute", "other_per_minute", "concurrent_calls"].map(|name| format!("limits.{name}=0"));
        let set = ["settings", "set"].into_iter().chain(unlimited.iter().map(String::as_str));
        site.command(&set.collect::<Vec<_>>(), "")?;
        Ok(site)
    }

    /// The installation that was prepared in `scratch` before.
    pub(crate) fn prepared(binary: &Path, scratch: &Path, group: &str) -> Result<Self> {
        let mut site = Self::in_folder(binary, scratch);
        site.key = site.key_of(group)?;
        Ok(site)
    }

    fn in_folder(binary: &Path, scratch: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            scratch: scratch.to_owned(),
            data: scratch.join("data"),
            config: scratch.join("data.toml"),
            key: String::new(),
        }
    }

    fn key_of(&self, group: &str) -> Result<String> {
        let shown = self.command(&["key", "show", group, "--json"], "")?;
        let shown: Value = serde_json::from_str(&shown).with_context(|| format!("`key show --json` printed: {shown}"))?;
        Ok(shown.get("key").and_then(Value::as_str).context("`key show --json` gave no key")?.to_owned())
    }

    /// A copy of the installation as it stands; the daemon must not run.
    pub(crate) fn copy(&self, name: &str) -> Result<Self> {
        let (data, config) = (self.scratch.join(name), self.scratch.join(format!("{name}.toml")));
        copy_folder(&self.data, &data)?;
        fs::copy(&self.config, &config)?;
        Ok(Self { binary: self.binary.clone(), scratch: self.scratch.clone(), data, config, key: self.key.clone() })
    }

    /// Adds to its configuration, as TOML.
    pub(crate) fn configure(&self, more: &str) -> Result<()> {
        Ok(fs::write(&self.config, fs::read_to_string(&self.config)? + more)?)
    }

    /// Deletes the data directory.
    pub(crate) fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.data)?)
    }

    /// Starts the daemon, and returns once it says that it is ready.
    pub(crate) fn serve(&self) -> Result<Daemon> {
        let ready = self.data.join("run.json");
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let mut command = self.program();
        command.arg("serve").arg("--data-dir").arg(&self.data).arg("--config").arg(&self.config);
        let mut process = Process::spawn(&mut command, &self.log(), &self.log())?;
        let id = process.id();
        let (mcp, hook, live, admin) = process.wait_for(&self.log(), Duration::from_micros(200), || {
            let said: Value = serde_json::from_slice(&fs::read(&ready).ok()?).ok()?;
            (said.get("pid")?.as_u64()? == u64::from(id)).then_some((
                address(said.get("mcp")?)?,
                address(said.get("hook")?)?,
                address(said.get("live")?)?,
                address(said.get("admin")?)?,
            ))
        })?;
        Ok(Daemon { process, mcp, hook, live, admin })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.scratch.join("anmei-mcp.log")
    }

    /// Adds users, as JSON lines; the daemon must not run.
    pub(crate) fn import(&self, users: &str) -> Result<()> {
        let file = self.scratch.join("users.jsonl");
        fs::write(&file, users)?;
        self.command(&["import", "users", &file.to_string_lossy()], "").map(drop)
    }

    /// The setup link of a daemon that has just started. There may be one of a daemon before it, at another port.
    pub(crate) fn setup_link(&self, daemon: &mut Daemon) -> Result<String> {
        let (file, root) = (self.data.join("setup-link"), format!("http://{}/", daemon.admin));
        let own = || fs::read_to_string(&file).ok().map(|link| link.trim().to_owned()).filter(|link| link.starts_with(&root));
        daemon.process.wait_for(&self.log(), Duration::from_millis(5), own).context("no setup link")
    }

    /// The database, found by its first bytes.
    pub(crate) fn database(&self) -> Result<PathBuf> {
        let files = fs::read_dir(&self.data)?.filter_map(|entry| Some(entry.ok()?.path()));
        let found = files.filter(|path| is_database(path)).collect::<Vec<_>>();
        ensure!(found.len() == 1, "{} holds {} databases", self.data.display(), found.len());
        found.into_iter().next().context("no database")
    }

    /// Rows in a table.
    pub(crate) fn count(&self, table: &str) -> Result<u64> {
        count(&self.database()?, table)
    }

    /// What `job verify` finds wrong in the database; the daemon must not run.
    pub(crate) fn findings(&self) -> Result<u64> {
        let ended = self.command(&["job", "verify", "--json"], "");
        // Findings make the command fail, and are printed all the same.
        let printed = fs::read_to_string(self.printed())?;
        let said = serde_json::from_str::<Value>(&printed).ok().and_then(|said| said.get("findings")?.as_u64());
        match (said, ended) {
            (Some(findings), _) => Ok(findings),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => anyhow::bail!("`job verify --json` printed: {printed}"),
        }
    }

    fn printed(&self) -> PathBuf {
        self.scratch.join("printed.txt")
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANMEI_MCP_") {
                command.env_remove(name);
            }
        }
        // Everything stays on this machine, whatever proxy it usually goes through.
        command.env("NO_PROXY", "127.0.0.1");
        command
    }

    /// Runs one of the other commands with this on its standard input, and gives what it printed.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> Result<String> {
        let printed = self.printed();
        fs::write(&printed, "")?;
        let mut command = self.program();
        command.args(arguments).arg("--data-dir").arg(&self.data).arg("--config").arg(&self.config);
        let mut process = Process::spawn(&mut command, &printed, &self.log())?;
        process.tell(input)?;
        process.wait_for_end(&self.log()).with_context(|| format!("anmei-mcp {}", arguments.join(" ")))?;
        Ok(fs::read_to_string(&printed)?)
    }
}

/// Rows in a table of the database at `path`; reading recovers what a killed server left in the write-ahead log.
pub(crate) fn count(path: &Path, table: &str) -> Result<u64> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let rows: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    Ok(u64::try_from(rows)?)
}

/// The configuration: free ports, our hook key, `more`, everything else as shipped.
fn settings(more: &str) -> String {
    let listen = "listen = \"127.0.0.1:0\"";
    format!("[mcp]\n{listen}\n\n[live]\n{listen}\n\n[admin]\n{listen}\n\n[hook]\n{listen}\nkey = \"{HOOK_KEY}\"\n{more}")
}

fn address(url: &Value) -> Option<SocketAddr> {
    url.as_str()?.strip_prefix("http://")?.trim_end_matches('/').parse().ok()
}

fn is_database(path: &Path) -> bool {
    let mut start = [0; 16];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"SQLite format 3\0"
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
