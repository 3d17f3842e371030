//! What the daemon needs of its machine: directory, secrets, ports, disk.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use http::{HeaderMap, Method};

use super::finding::{Finding, Report};
use crate::{
    admin::calls::health,
    app::{Core, DataDir},
    config::Config,
    outbound::http_client::{Call, HttpClient, ProxyUse},
};

/// Whether the data directory is there; everything else lies in it.
pub(super) fn data_directory(report: &mut Report, config: &Config) -> bool {
    let path = &config.data_dir;
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            report.add(Finding::failed("directory", format!("{shown} is not a directory"), "name another one with --data-dir or data_dir"));
            return false;
        }
        Err(error) => {
            let fix = "`anmei-mcp serve` makes it at the first start; name another one with --data-dir or data_dir";
            report.add(Finding::failed("directory", format!("{shown} cannot be used: {error}"), fix));
            return false;
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let text = format!("{shown} can be entered by other users (mode {mode:04o}); it holds patients' data and keys");
        report.add(Finding::failed("directory", text, format!("chmod 700 {shown}")));
    } else if let Err(error) = tempfile_in(path) {
        report.add(Finding::failed(
            "directory",
            format!("{shown} cannot be written to: {error}"),
            format!("give this user the right to {shown}"),
        ));
    } else {
        report.add(Finding::ok("directory", format!("{shown} is private and can be written to")));
    }
    true
}

/// Makes a file and takes it away again.
fn tempfile_in(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(format!(".doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)
}

/// A file that holds a secret: there, and nobody else's to read.
fn secret_file(report: &mut Report, check: &'static str, path: &Path, fix: &str) -> bool {
    let shown = path.display();
    match std::fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777) {
        // The last six bits are what group and others may do.
        Ok(mode) if mode.trailing_zeros() >= 6 => {
            report.add(Finding::ok(check, format!("{shown} is there and private")));
            true
        }
        Ok(mode) => {
            report.add(Finding::failed(
                check,
                format!("{shown} can be read by other users (mode {mode:04o})"),
                format!("chmod 600 {shown}"),
            ));
            false
        }
        Err(error) => {
            report.add(Finding::failed(check, format!("{shown} cannot be read: {error}"), fix));
            false
        }
    }
}

/// Whether there is a master key to open anything with.
pub(super) fn master_key(report: &mut Report, config: &Config) -> bool {
    if config.keys.master_key.is_some() {
        report.add(Finding::ok("master key", "comes from the configuration"));
        return true;
    }
    let fix = "restore the master key this database was set up with (keys.master_key_file); a new one opens nothing that is sealed";
    secret_file(report, "master key", &config.master_key_path(), fix)
}

/// Whether registrations can prove who sends them.
pub(super) fn hook_secret(report: &mut Report, config: &Config) {
    let (hook, signed) = (&config.hook, config.hook.signing_secrets.len());
    if hook.key.is_some() || signed > 0 {
        let key = if hook.key.is_some() { "a key" } else { "the key made at the first start" };
        report.add(Finding::ok("hook secret", format!("is set: {key}, {signed} signing secret(s)")));
    } else {
        let fix = "`anmei-mcp serve` makes it at its start; or set hook.key or hook.signing_secrets";
        secret_file(report, "hook secret", &config.in_data_dir("hook.key"), fix);
    }
}

/// Whether a running daemon is ready, or its ports are free for one.
pub(super) async fn ports(report: &mut Report, config: &Config, dir: &DataDir, timeout: Duration) {
    let Some(running) = dir.read_run_file() else {
        let mut sections =
            vec![("mcp.listen", config.mcp.listen), ("hook.listen", config.hook.listen), ("live.listen", config.live.listen)];
        if config.admin.enabled {
            sections.push(("admin.listen", config.admin.listen));
        }
        let mut seen: Vec<SocketAddr> = Vec::new();
        for (name, address) in sections {
            if !seen.contains(&address) {
                seen.push(address);
                report.add(free(name, address));
            }
        }
        return;
    };
    let admin = running.admin.as_ref().map(|root| ("admin", root));
    for (name, root) in [("mcp", &running.mcp), ("hook", &running.hook), ("live", &running.live)].into_iter().chain(admin) {
        let fix = "look at the daemon's log; `anmei-mcp serve` starts it anew";
        report.add(match ready(root, timeout).await {
            Ok(()) => Finding::ok("ports", format!("{name}: the daemon (process {}) is ready at {root}", running.pid)),
            Err(why) => Finding::failed("ports", format!("{name}: the daemon (process {}) at {root}: {why}", running.pid), fix),
        });
    }
}

fn free(name: &str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok("ports", format!("{name}: {address} is free; no daemon works on this directory")),
        Err(error) => {
            let fix = format!("stop the program that holds it (`ss -ltnp` names it), or set {name} to another address");
            Finding::failed("ports", format!("{name}: {address} cannot be had, and no daemon works on this directory: {error}"), fix)
        }
    }
}

async fn ready(root: &str, timeout: Duration) -> Result<(), String> {
    let url = format!("{root}/readyz").parse().map_err(|error| format!("is no address: {error}"))?;
    let call = Call { method: Method::GET, url, headers: HeaderMap::new(), body: None, timeout, max_bytes: 64 * 1024 };
    let http = HttpClient::without_pool(ProxyUse::Direct).map_err(|error| error.to_string())?;
    let reply = http.exchange(call).await.map_err(|error| error.to_string())?;
    if reply.status.is_success() { Ok(()) } else { Err(format!("{}: {}", reply.status, String::from_utf8_lossy(&reply.body))) }
}

/// Whether there is room for what comes.
pub(super) fn disk(report: &mut Report, core: &Core) {
    let settings = core.settings.current().unwrap_or_default();
    report.add(health::disk(core.store.free_bytes(), &settings).into());
}
