//! Where a host keeps its file.

use std::path::PathBuf;

use super::host::Host;

/// The kind of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux and its like.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

impl Platform {
    /// The system this program was built for.
    pub fn this() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Mac
        } else {
            Self::Linux
        }
    }
}

/// The places of one account.
#[derive(Debug, Clone)]
pub struct Places {
    /// The system.
    pub platform: Platform,
    /// The home directory.
    pub home: PathBuf,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config: Option<PathBuf>,
    /// `APPDATA`.
    pub app_data: Option<PathBuf>,
    /// `CODEX_HOME`.
    pub codex: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`.
    pub claude: Option<PathBuf>,
}

impl Places {
    /// The file of a host; nothing for hosts that are set up in their own windows.
    pub fn file(&self, host: Host) -> Option<PathBuf> {
        Some(match host {
            Host::ClaudeCode => self.claude.clone().unwrap_or_else(|| self.home.clone()).join(".claude.json"),
            Host::ClaudeDesktop => self.applications().join("Claude").join("claude_desktop_config.json"),
            Host::Cursor => self.home.join(".cursor").join("mcp.json"),
            Host::VsCode => self.applications().join("Code").join("User").join("mcp.json"),
            Host::Codex => self.codex.clone().unwrap_or_else(|| self.home.join(".codex")).join("config.toml"),
            Host::Gemini => self.home.join(".gemini").join("settings.json"),
            Host::Inspector => self.home.join(".mcp-inspector").join("mcp.json"),
            Host::CherryStudio | Host::N8n | Host::Dify | Host::DifyPlugin => return None,
        })
    }

    /// Where desktop applications keep their settings.
    fn applications(&self) -> PathBuf {
        match self.platform {
            Platform::Linux => self.xdg_config.clone().unwrap_or_else(|| self.home.join(".config")),
            Platform::Mac => self.home.join("Library").join("Application Support"),
            Platform::Windows => self.app_data.clone().unwrap_or_else(|| self.home.join("AppData").join("Roaming")),
        }
    }
}
