//! The process's environment, read once and handed on as a value: no other code asks for a variable.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Language, secrets};
use crate::{
    connect::{Places, Platform},
    secret::SecretText,
};

/// Prefix of our own variables.
pub(super) const PREFIX: &str = "ANMEI_MCP_";

/// Variables with our prefix that are no configuration keys.
pub(super) const RESERVED: [&str; 3] = ["ANMEI_MCP_ACCOUNT_PASSWORD", "ANMEI_MCP_API_KEY", "ANMEI_MCP_CONFIG"];

/// Set by a drill for the daemon it starts, and by nobody else: no help names it.
const DRILL: &str = "ANMEI_MCP_DRILL";

/// What the process was started with.
#[derive(Clone, Default)]
pub struct Environment {
    vars: BTreeMap<String, String>,
}

/// Shows names only: values may be keys.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

/// Reads the process's environment. Variables that are not UTF-8 are read with `�` in place of what is not.
pub fn environment() -> Environment {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(vars: I) -> Self {
        Self { vars: vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl Environment {
    /// A variable, unless it is unset or empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `ANMEI_MCP_API_KEY`: the group key that a stdio client passes.
    pub fn api_key(&self) -> Option<SecretText> {
        self.get("ANMEI_MCP_API_KEY").map(|key| secrets::from_text(key.trim()))
    }

    /// `ANMEI_MCP_ACCOUNT_PASSWORD`: the password that `account add` and `account password` set.
    pub fn account_password(&self) -> Option<SecretText> {
        self.get("ANMEI_MCP_ACCOUNT_PASSWORD").map(secrets::from_text)
    }

    /// `ANMEI_MCP_CONFIG`: the configuration file.
    pub fn config_path(&self) -> Option<PathBuf> {
        self.get("ANMEI_MCP_CONFIG").map(PathBuf::from)
    }

    /// `ANMEI_MCP_DRILL`: the point at which a drill wants this process to die, such as `finish.before_commit:2`.
    pub fn drill(&self) -> Option<&str> {
        self.get(DRILL)
    }

    /// Where other programs of this account keep their settings; nothing without a home directory.
    pub fn places(&self) -> Option<Places> {
        let path = |name: &str| self.get(name).map(PathBuf::from);
        let home = path("HOME").or_else(|| path("USERPROFILE"))?;
        Some(Places {
            platform: Platform::this(),
            home,
            xdg_config: path("XDG_CONFIG_HOME").filter(|path| path.is_absolute()),
            app_data: path("APPDATA"),
            codex: path("CODEX_HOME"),
            claude: path("CLAUDE_CONFIG_DIR"),
        })
    }

    /// `RUST_LOG`: what is logged, above `log.filter`.
    pub fn rust_log(&self) -> Option<&str> {
        self.get("RUST_LOG")
    }

    /// The account that gave the command, for the audit log: `SUDO_USER`, `USER` or `LOGNAME`.
    pub fn account(&self) -> &str {
        ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| self.get(name)).unwrap_or("unknown")
    }

    /// `NO_COLOR`: whether colours are unwanted.
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }

    /// `CREDENTIALS_DIRECTORY`: where systemd puts what `LoadCredential=` names.
    pub fn credentials_directory(&self) -> Option<PathBuf> {
        self.get("CREDENTIALS_DIRECTORY").map(PathBuf::from)
    }

    /// The terminal's language: `LC_ALL`, `LC_MESSAGES` or `LANG`. Without one, or with `C`, it is Chinese.
    pub fn language(&self) -> Language {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| self.get(name));
        let code = locale.and_then(|text| text.split(['_', '.', '@', '-']).next()).unwrap_or_default();
        match code.to_ascii_lowercase().as_str() {
            "" | "c" | "posix" | "zh" => Language::ZhCn,
            _ => Language::En,
        }
    }

    /// Where data goes when nobody says: the system's place for root, else the account's own.
    pub fn default_data_dir(&self) -> PathBuf {
        let system = PathBuf::from("/var/lib/anmei-mcp");
        if running_as_root() {
            return system;
        }
        let home = |below: &str| self.get("HOME").map(|home| PathBuf::from(home).join(below));
        let data = self.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        data.or_else(|| home(".local/share")).map_or(system, |dir| dir.join("anmei-mcp"))
    }

    /// Where a configuration file is looked for when none was named, in this order.
    pub fn search_path(&self) -> Vec<PathBuf> {
        let config = self.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let config = config.or_else(|| self.get("HOME").map(|home| PathBuf::from(home).join(".config")));
        let mut paths = vec![PathBuf::from("anmei-mcp.toml")];
        paths.extend(config.map(|dir| dir.join("anmei-mcp/anmei-mcp.toml")));
        paths.push(PathBuf::from("/etc/anmei-mcp/anmei-mcp.toml"));
        paths
    }

    /// Our own variables that name configuration keys. An empty value counts: it clears a list.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let ours = self.vars.iter().filter(|(name, _)| name.starts_with(PREFIX));
        ours.filter(|(name, _)| !RESERVED.contains(&name.as_str()) && *name != DRILL).map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(unix)]
fn running_as_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of one's own process entry: no call into libc, no crate for it.
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

#[cfg(not(unix))]
fn running_as_root() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_terminal() {
        let of = |vars: &[(&str, &str)]| vars.iter().copied().collect::<Environment>().language();
        assert_eq!(of(&[]), Language::ZhCn);
        assert_eq!(of(&[("LANG", "C.UTF-8")]), Language::ZhCn);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Language::ZhCn);
        assert_eq!(of(&[("LANG", "en_US.UTF-8")]), Language::En);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "en_GB.UTF-8")]), Language::En);
    }

    #[test]
    fn values_are_not_shown() {
        let environment: Environment = [("ANMEI_MCP_API_KEY", "mcp_key_abc")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"ANMEI_MCP_API_KEY"}"#);
    }

    #[test]
    fn the_file_is_looked_for_near_then_far() {
        let environment: Environment = [("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")].into_iter().collect();
        let paths: Vec<String> = environment.search_path().iter().map(|p| p.display().to_string()).collect();
        assert_eq!(paths, ["anmei-mcp.toml", "/x/anmei-mcp/anmei-mcp.toml", "/etc/anmei-mcp/anmei-mcp.toml"]);
    }
}
