//! The folder rules: arrows point down only, and each heavy dependency lives in one place.
//!
//! Reads the `use` lines and paths of every source file. A rule that has to be broken is changed here, in the open.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Folders (or files) of `src`, each with those it may use. What is missing here does not exist.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "admin",
            "app",
            "clock",
            "config",
            "connect",
            "demo",
            "dispatch",
            "drill",
            "gate",
            "ids",
            "lifecycle",
            "live",
            "mcp",
            "outbound",
            "registration",
            "secret",
            "settings",
            "store",
            "telemetry",
        ],
    ),
    (
        "admin",
        &[
            "alerts",
            "clock",
            "config",
            "connect",
            "dispatch",
            "gate",
            "http",
            "ids",
            "lifecycle",
            "live",
            "network",
            "outbound",
            "problem",
            "registration",
            "secret",
            "settings",
            "store",
        ],
    ),
    ("connect", &["secret"]),
    ("demo", &["clock", "outbound", "secret", "store"]),
    (
        "app",
        &[
            "admin",
            "alerts",
            "clock",
            "config",
            "dispatch",
            "gate",
            "http",
            "identity",
            "ids",
            "lifecycle",
            "live",
            "mcp",
            "oauth",
            "outbound",
            "problem",
            "queue",
            "registration",
            "secret",
            "settings",
            "store",
            "telemetry",
        ],
    ),
    ("http", &["network", "problem", "store", "telemetry"]),
    ("mcp", &["clock", "dispatch", "gate", "http", "problem", "secret", "telemetry"]),
    (
        "registration",
        &["clock", "drill", "gate", "ids", "live", "names", "outbound", "problem", "queue", "secret", "settings", "store", "telemetry"],
    ),
    ("oauth", &["clock", "gate", "http", "ids", "outbound", "problem", "secret", "store"]),
    ("dispatch", &["clock", "gate", "ids", "names", "problem", "secret", "store", "telemetry"]),
    ("gate", &["clock", "ids", "problem", "secret", "store", "telemetry"]),
    ("identity", &["gate", "outbound"]),
    ("queue", &["clock", "ids", "secret", "store"]),
    ("outbound", &["clock", "secret"]),
    ("settings", &["clock", "config", "secret", "store"]),
    ("live", &["clock", "gate", "ids", "outbound", "problem", "secret", "settings", "store", "telemetry"]),
    ("alerts", &["clock", "ids", "outbound", "queue", "settings", "store"]),
    ("drill", &[]),
    ("fuzzing", &["config", "dispatch", "gate", "mcp"]),
    ("store", &["clock", "drill", "ids", "telemetry"]),
    ("config", &["connect", "network", "outbound", "secret"]),
    ("lifecycle", &[]),
    ("telemetry", &[]),
    ("ids", &["clock"]),
    ("names", &[]),
    ("network", &[]),
    ("clock", &[]),
    ("secret", &[]),
    ("problem", &[]),
    ("lib", &[]),
];

/// Crates that may be named in these places only.
const LIVES_IN: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("r2d2", &["store"]),
    ("r2d2_sqlite", &["store"]),
    ("rusqlite_migration", &["store"]),
    ("rustix", &["cli", "lifecycle", "store"]),
    ("argon2", &["gate"]),
    ("totp_rs", &["gate"]),
    ("qrcode", &["admin"]),
    ("reqwest", &["outbound"]),
    ("eventsource_stream", &["outbound"]),
    ("rmcp", &["mcp"]),
    ("lettre", &["outbound"]),
    ("redis", &["outbound"]),
    ("jsonwebtoken", &["live", "outbound"]),
    ("clap", &["cli"]),
    ("figment", &["config"]),
    ("jsonc_parser", &["connect"]),
    ("toml_edit", &["config", "connect"]),
    ("jsonschema", &["dispatch"]),
    // By the import alone: `metrics::` is also what a module of that name is called by.
    ("use metrics", &["telemetry"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("metrics_process", &["telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_http", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("anmei_mcp_tools", &["app", "dispatch", "fuzzing", "mcp", "store"]),
];

/// Every source but the test modules that are files of their own: those may look anywhere.
fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.file_stem().unwrap().to_str().unwrap().ends_with("tests") {
                found.insert(path.clone(), fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The folder (or top-level file) a source belongs to.
fn part(path: &Path) -> String {
    let inner = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inner.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code without comments and without its tests: those may look anywhere.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap();
    product.lines().map(|line| without_texts(line).split("//").next().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A line without what stands between its quotes; lines in the midst of a longer text stay as they are.
fn without_texts(line: &str) -> String {
    let parts: Vec<&str> = line.split('"').collect();
    if parts.len().is_multiple_of(2) { line.to_owned() } else { parts.into_iter().step_by(2).collect() }
}

/// Parts named behind `crate::`, in paths and in grouped imports.
fn used_parts(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => used.push(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned()),
            Some(group) => used.extend(top_level_names(group)),
        }
    }
    used
}

/// `a::{b, c}, d::e}` → a, d.
fn top_level_names(group: &str) -> Vec<String> {
    let (mut depth, mut name, mut names) = (0, String::new(), Vec::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.iter().map(|name| name.trim().split(':').next().unwrap().trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn arrows_point_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let part = part(&path);
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == part).unwrap_or_else(|| panic!("{part} is not in MAY_USE"));
        for used in used_parts(&code(&text)) {
            if used != part && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses crate::{used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn heavy_dependencies_live_in_one_place() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let (part, code) = (part(&path), code(&text));
        for (krate, homes) in LIVES_IN {
            let named = code.contains(&format!("{krate}::")) || code.contains(&format!("use {krate} "));
            let inside_a_word =
                code.match_indices(&format!("{krate}::")).all(|(at, _)| code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if named && !inside_a_word && !homes.contains(&part.as_str()) {
                wrong.push(format!("{} names {krate}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tools_know_nothing_of_the_daemon() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/Cargo.toml")).unwrap();
    for krate in ["rusqlite", "rmcp", "reqwest", "axum", "hyper", "anmei-mcp "] {
        assert!(!manifest.contains(krate), "tools depends on {krate}");
    }
}

#[test]
fn environment_variables_are_read_in_config_only() {
    for (path, text) in sources() {
        let reads = ["env::var(", "env::var_os(", "env::vars("].iter().any(|call| code(&text).contains(call));
        assert!(!reads || part(&path) == "config", "{} reads the environment", path.display());
    }
}

#[test]
fn files_stay_small() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
        if lines > 500 {
            wrong.push(format!("{}: {lines}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
