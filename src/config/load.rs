//! Merging the layers into one configuration, and telling of each value where it came from.

use std::{collections::BTreeMap, path::PathBuf};

use figment::Figment;
use serde::Serialize;

use super::{
    Catalogue, Config, ConfigError, Environment, Origin, Problem, file,
    layers::{self, Layer},
    secrets, validate, value, warnings,
};
use crate::secret::SecretText;

/// Where to look besides the environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file named by `--config`; it must exist.
    pub config_path: Option<PathBuf>,
    /// Keys set by flags, as dotted key and text: `("mcp.listen", "127.0.0.1:9000")`. Shown as `--set mcp.listen`.
    pub overrides: Vec<(String, String)>,
}

/// A configuration that was accepted.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Where each set key comes from; keys that nobody set are missing.
    pub origins: BTreeMap<String, Origin>,
    /// What is allowed but deserves a thought.
    pub warnings: Vec<Problem>,
    /// Where it was looked for besides the environment.
    pub sources: Sources,
}

/// One key of a dump.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// The key, dotted.
    pub key: String,
    /// Its value, null when unset; a secret is `***`.
    pub value: serde_json::Value,
    /// Where the value comes from: `default`, `file PATH:LINE`, `credential NAME`, `env NAME`, `flag --x`.
    pub origin: String,
}

impl Loaded {
    /// Where a key's value comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or_default()
    }

    /// Every key there is, in the order of the sample file.
    pub fn entries(&self) -> Vec<Entry> {
        let values = serde_json::to_value(&self.config).unwrap_or_default();
        let value = |key: &str| values.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default();
        let entry = |key: &str| Entry { key: key.to_owned(), value: value(key), origin: self.origin(key).to_string() };
        Catalogue::new().keys().map(|info| entry(&info.key)).collect()
    }
}

pub(super) fn load(sources: Sources, environment: &Environment) -> Result<Loaded, ConfigError> {
    let found = file::find(sources.config_path.clone(), environment)?;
    load_found(found, sources, environment)
}

/// As [`load`], with a file that was found, or with none.
pub(super) fn load_found(found: Option<file::Found>, sources: Sources, environment: &Environment) -> Result<Loaded, ConfigError> {
    let catalogue = Catalogue::new();
    let mut layer = layers::computed_defaults(environment);
    if let Some(found) = &found {
        layer.extend(file::read(found, &catalogue));
    }
    layer.extend(layers::credentials(environment, &catalogue));
    layer.extend(layers::variables(environment, &catalogue));
    layer.extend(layers::flags(&sources.overrides, &catalogue));

    let mut merged = merge(layer, &catalogue);
    merged.read_secret_files();
    merged.judge(validate::whole);
    let warnings = merged.findings(warnings::warnings(&merged.config));
    let path = found.map(|found| found.path);
    if merged.problems.is_empty() {
        let warnings = warnings.into_iter().chain(exposed_file(path.as_ref(), &merged.config, &merged.origins)).collect();
        return Ok(Loaded { config: merged.config, file: path, origins: merged.origins, warnings, sources });
    }
    merged.problems.sort_by_key(|problem| place(&problem.origin));
    Err(ConfigError::Invalid(merged.problems))
}

/// All that is wrong with a layer by itself.
#[cfg(feature = "fuzzing")]
pub(super) fn judged(layer: Layer, catalogue: &Catalogue) -> Vec<Problem> {
    let mut merged = merge(layer, catalogue);
    merged.judge(validate::whole);
    let warnings = merged.findings(warnings::warnings(&merged.config));
    merged.problems.into_iter().chain(warnings).collect()
}

/// A configuration on its way, with all that is wrong so far.
struct Merged {
    config: Config,
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

/// Merges the values that are right by themselves, so that one wrong value does not hide what else is wrong.
fn merge(layer: Layer, catalogue: &Catalogue) -> Merged {
    let mut problems = layer.problems;
    let mut origins = BTreeMap::new();
    let mut figment = Figment::new();
    for leaf in layer.leaves {
        let checked = catalogue.get(&leaf.key).map_or(Ok(()), |info| value::check(&leaf, info));
        if let Err(message) = checked {
            problems.push(Problem::new(leaf.origin, leaf.key, message));
            continue;
        }
        origins.insert(leaf.key.clone(), leaf.origin.clone());
        figment = figment.merge(leaf);
    }
    let config = figment.extract().unwrap_or_else(|error| {
        problems.push(Problem::new(Origin::Default, "", error.to_string()));
        Config::default()
    });
    let mut merged = Merged { config, origins, problems };
    merged.config.mcp.public_url.truncate(merged.config.mcp.public_url.trim_end_matches('/').len());
    merged
}

impl Merged {
    fn judge(&mut self, judge: impl Fn(&Config) -> Vec<validate::Finding>) {
        let findings = self.findings(judge(&self.config));
        self.problems.extend(findings);
    }

    fn findings(&self, findings: Vec<validate::Finding>) -> Vec<Problem> {
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or_default();
        findings.into_iter().map(|(key, message)| Problem::new(origin(key), key, message)).collect()
    }

    /// Takes secrets from the files that are named for them.
    fn read_secret_files(&mut self) {
        let hook = self.config.hook.key.is_some();
        if let Some(text) = self.secret_file("hook.key", self.config.hook.key_file.clone(), hook) {
            self.config.hook.key = Some(secrets::from_text(&text));
        }
        let signing = !self.config.hook.signing_secrets.is_empty();
        if let Some(text) = self.secret_file("hook.signing_secrets", self.config.hook.signing_secrets_file.clone(), signing) {
            self.config.hook.signing_secrets = text.split_whitespace().map(SecretText::new).collect();
        }
        let jwt = self.config.live.jwt_secret.is_some();
        if let Some(text) = self.secret_file("live.jwt_secret", self.config.live.jwt_secret_file.clone(), jwt) {
            self.config.live.jwt_secret = Some(secrets::from_text(&text));
        }
        let webhook = self.config.outbound.webhook_secret.is_some();
        if let Some(text) = self.secret_file("outbound.webhook_secret", self.config.outbound.webhook_secret_file.clone(), webhook) {
            self.config.outbound.webhook_secret = Some(secrets::from_text(&text));
        }
        let metrics = self.config.metrics.token.is_some();
        if let Some(text) = self.secret_file("metrics.token", self.config.metrics.token_file.clone(), metrics) {
            self.config.metrics.token = Some(secrets::from_text(&text));
        }
        // This file is made at first start: only the choice is checked here.
        if self.config.keys.master_key.is_some() && self.config.keys.master_key_file.is_some() {
            self.both("keys.master_key", "keys.master_key_file");
        }
    }

    /// The text of the file named by `KEY_file`, unless `KEY` itself is set as well.
    fn secret_file(&mut self, key: &str, path: Option<PathBuf>, already: bool) -> Option<String> {
        let path = path?;
        let file_key = format!("{key}_file");
        if already {
            self.both(key, &file_key);
            return None;
        }
        let origin = self.origins.get(&file_key).cloned().unwrap_or_default();
        match secrets::read(&path) {
            Ok(text) => {
                self.origins.insert(key.to_owned(), origin);
                Some(text)
            }
            Err(error) => {
                self.problems.push(Problem::new(origin, file_key, error.to_string()));
                None
            }
        }
    }

    fn both(&mut self, key: &str, file_key: &str) {
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or_default();
        let message = format!("{key} is set too (by {}); use one of the two", origin(key));
        self.problems.push(Problem::new(origin(file_key), file_key, message));
    }
}

/// A warning when the file holds secrets and everyone can read it.
fn exposed_file(path: Option<&PathBuf>, config: &Config, origins: &BTreeMap<String, Origin>) -> Option<Problem> {
    let path = path?;
    secrets::exposed_mode(path).ok().flatten()?;
    let catalogue = Catalogue::new();
    // `signing_secrets = []` gives nothing away.
    let empty = |key: &str| key == "hook.signing_secrets" && config.hook.signing_secrets.is_empty();
    let inside = |info: &&super::KeyInfo| {
        info.secret
            && !empty(&info.key)
            && matches!(origins.get(&info.key), Some(Origin::File { .. }))
            && !origins.contains_key(&format!("{}_file", info.key))
    };
    let info = catalogue.keys().find(inside)?;
    let message = format!("{} can be read by everyone and holds a secret: run `chmod 600` on it", path.display());
    Some(Problem::new(origins.get(&info.key).cloned().unwrap_or_default(), &info.key, message))
}

/// The order in which problems are told: the file from top to bottom, then the other sources.
fn place(origin: &Origin) -> (u8, usize) {
    match origin {
        Origin::File { line, .. } => (0, *line),
        Origin::Credential(_) => (1, 0),
        Origin::Env(_) => (2, 0),
        Origin::Flag(_) => (3, 0),
        Origin::Default => (4, 0),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(text: &str, vars: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("anmei-mcp.toml");
        fs::write(&path, text).unwrap();
        let overrides = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let sources = Sources { config_path: Some(path), overrides };
        let loaded = Config::load_from(sources, &vars.iter().copied().collect());
        let prefix = format!("{}/", directory.path().display());
        loaded.map_err(|error| error.to_string().replace(&prefix, ""))
    }

    fn refused(text: &str, vars: &[(&str, &str)]) -> String {
        run(text, vars, &[]).unwrap_err()
    }

    #[test]
    fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
        let text = "[http]\nheader_timeout = \"1s\"\nrequest_timeout = \"2s\"\nshutdown_timeout = \"3s\"\n";
        let vars = [("ANMEI_MCP_HTTP__REQUEST_TIMEOUT", "20s"), ("ANMEI_MCP_HTTP__SHUTDOWN_TIMEOUT", "30s")];
        let loaded = run(text, &vars, &[("http.shutdown_timeout", "300s")]).unwrap();
        let http = &loaded.config.http;
        let shown = [http.first_byte_timeout, http.header_timeout, http.request_timeout, http.shutdown_timeout];
        assert_eq!(shown.map(|time| time.to_string()), ["5s", "1s", "20s", "5m"]);
        let origin = |key: &str| loaded.origin(key).to_string();
        assert_eq!(origin("http.first_byte_timeout"), "default");
        assert!(origin("http.header_timeout").ends_with("/anmei-mcp.toml:2"));
        assert_eq!(origin("http.request_timeout"), "env ANMEI_MCP_HTTP__REQUEST_TIMEOUT");
        assert_eq!(origin("http.shutdown_timeout"), "flag --set http.shutdown_timeout");
    }

    #[test]
    fn rust_log_wins_over_the_variable_and_the_file() {
        let vars = [("RUST_LOG", "debug"), ("ANMEI_MCP_LOG__FILTER", "warn")];
        let loaded = run("[log]\nfilter = \"error\"", &vars, &[]).unwrap();
        assert_eq!(loaded.config.log.filter, "debug");
        assert_eq!(loaded.origin("log.filter").to_string(), "env RUST_LOG");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
        let said = refused("data_dir = \"/tmp/x\"\n\n[http]\nheader_timout = \"5s\"\n", &[]);
        let expected = "anmei-mcp.toml:4: http.header_timout: unknown key; did you mean http.header_timeout? Allowed here: ";
        assert!(said.starts_with(expected), "{said}");
        let said = refused("[htpp]\nheader_timeout = \"5s\"\n", &[]);
        assert!(said.starts_with("anmei-mcp.toml:1: htpp: unknown section; did you mean http.header_timeout?"), "{said}");
        let said = refused("http = 3\n", &[]);
        assert_eq!(said, "anmei-mcp.toml:1: http: this is a section: write [http] and its keys below");
    }

    #[test]
    fn a_wrong_type_says_what_was_found_and_what_would_be_right() {
        let cases = [
            ("[http]\nheader_timeout = 30", "http.header_timeout: found the number 30, expected a length of time such as \"5s\""),
            ("[http]\nheader_timeout = \"30\"", "http.header_timeout: found the text \"30\", expected a length of time such as \"5s\""),
            ("[http]\nmax_connections = true", "http.max_connections: found true, expected a whole number such as 4096"),
            ("[http]\nmax_connections = 0", "http.max_connections: found the number 0 is out of range; allowed: 1 to 1000000"),
            ("[http]\nheader_timeout = \"1h\"", "http.header_timeout: the text \"1h\" is out of range; allowed: 100ms to 10m"),
            (
                "[mcp]\nlisten = \"localhost\"",
                "mcp.listen: found the text \"localhost\", expected an address and a port such as \"127.0.0.1:8000\"",
            ),
            ("[mcp]\nmax_body = \"1TB\"", "mcp.max_body: found the text \"1TB\", expected a size in bytes such as 65536 or \"1MiB\""),
            (
                "[mcp]\nallowed_hosts = \"a\"",
                "mcp.allowed_hosts: found the text \"a\", expected a list such as [\"localhost\", \"127.0.0.1\", \"::1\"]",
            ),
            ("[keys]\nreveal = \"always\"", "keys.reveal: found the text \"always\", expected one of \"sealed\", \"never\""),
            ("[keys.reveal]\nx = 1", "keys.reveal: found a table, expected one of \"sealed\", \"never\""),
        ];
        for (text, message) in cases {
            let line = if text.starts_with("[keys.reveal]") { 1 } else { 2 };
            let message = message.replace("found the number 0 is", "the number 0 is");
            assert_eq!(refused(text, &[]), format!("anmei-mcp.toml:{line}: {message}"));
        }
    }

    #[test]
    fn bad_syntax_is_shown_where_it_stands() {
        let said = refused("[mcp]\nlisten 1\n", &[]);
        assert!(said.starts_with("anmei-mcp.toml:2: column ") && said.ends_with("\n    listen 1"), "{said}");
        let said = refused("[hook]\nkey = \"half-a-secret\n", &[]);
        assert!(said.ends_with("\n    key = …") && !said.contains("half"), "{said}");
    }

    #[test]
    fn a_variable_that_is_unknown_or_wrong_is_an_error() {
        let said = refused("", &[("ANMEI_MCP_HTTP_REQUEST_TIMEOUT", "5s")]);
        let expected = "env ANMEI_MCP_HTTP_REQUEST_TIMEOUT: unknown variable; did you mean ANMEI_MCP_HTTP__REQUEST_TIMEOUT?";
        assert!(said.starts_with(expected), "{said}");
        let said = refused("", &[("ANMEI_MCP_HTTP__MAX_CONNECTIONS", "many")]);
        let expected = "env ANMEI_MCP_HTTP__MAX_CONNECTIONS: http.max_connections: found the text \"many\", expected a whole number";
        assert!(said.starts_with(expected), "{said}");
        assert!(run("", &[("ANMEI_MCP_API_KEY", "x"), ("ANMEI_MCP_LANGUAGE", "")], &[]).is_ok());
        let said = run("", &[], &[("http.nope", "1")]).unwrap_err();
        assert!(said.starts_with("flag --set http.nope: unknown key"), "{said}");
    }

    #[test]
    fn every_error_is_told_in_the_order_of_the_file() {
        let text = "[outbound]\nwebhook_url = \"https://a.example\"\n[mcp]\nlisten = 1\nnope = 2\nserver_name = \" \"\n[log]\nfilter = \"a=b=c\"\n";
        let said = refused(text, &[("ANMEI_MCP_NOPE", "1"), ("ANMEI_MCP_HOOK__KEY", "short")]);
        let starts = [
            "anmei-mcp.toml:2: outbound.webhook_url: what is sent is signed",
            "anmei-mcp.toml:4: mcp.listen: found the number 1",
            "anmei-mcp.toml:5: mcp.nope: unknown key",
            "anmei-mcp.toml:6: mcp.server_name: is empty",
            "anmei-mcp.toml:8: log.filter: ",
            "env ANMEI_MCP_NOPE: unknown variable",
            "env ANMEI_MCP_HOOK__KEY: hook.key: must be at least 16",
        ];
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), starts.len(), "{said}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}\nshould start with\n{start}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
        let text = format!("[hook]\nkey = \"sixteen-letters-long\"\nsigning_secrets = [\"{secret}\"]\n");
        let loaded = run(&text, &[], &[]).unwrap();
        let shown = serde_json::to_string(&loaded.entries()).unwrap() + &format!("{loaded:?}");
        assert!(!shown.contains("sixteen") && !shown.contains("c2Vj") && shown.contains("***"));
        assert!(loaded.config.hook.key.unwrap().matches("sixteen-letters-long"));
        assert!(loaded.config.hook.signing_secrets[0].matches(secret));
        let said = refused("[hook]\nkey = 12345\nsigning_secrets = \"hush\"\n", &[]);
        assert!(!said.contains("12345") && !said.contains("hush"), "{said}");
        assert!(said.contains("hook.key: found a number, expected text in quotes"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_comes_from_a_file_that_others_cannot_read() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("hook.secret"), "sixteen-letters-long\n").unwrap();
        let config = directory.path().join("anmei-mcp.toml");
        fs::write(&config, "[hook]\nkey_file = \"hook.secret\"\n").unwrap();
        let load = |mode: u32, vars: &[(&str, &str)]| {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(directory.path().join("hook.secret"), mode).unwrap();
            let sources = Sources { config_path: Some(config.clone()), overrides: Vec::new() };
            Config::load_from(sources, &vars.iter().copied().collect())
        };
        let loaded = load(0o600, &[]).unwrap();
        assert!(loaded.config.hook.key.as_ref().unwrap().matches("sixteen-letters-long"));
        assert!(loaded.origin("hook.key").to_string().ends_with("anmei-mcp.toml:2"));
        assert!(loaded.warnings.is_empty());
        assert!(load(0o644, &[]).unwrap_err().to_string().contains("can be read by everyone (mode 0644)"));
        let said = load(0o600, &[("ANMEI_MCP_HOOK__KEY", "another-sixteen-letters")]).unwrap_err().to_string();
        assert!(said.contains("hook.key is set too (by env ANMEI_MCP_HOOK__KEY); use one of the two"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn a_credential_is_named_like_its_key() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hook.key");
        fs::write(&file, "sixteen-letters-long\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let loaded = run("", &[("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap())], &[]).unwrap();
        assert!(loaded.config.hook.key.as_ref().unwrap().matches("sixteen-letters-long"));
        assert_eq!(loaded.origin("hook.key").to_string(), "credential hook.key");
    }

    #[test]
    fn a_named_file_must_exist_and_the_variable_names_one() {
        let missing = Sources { config_path: Some("/nonexistent/a.toml".into()), overrides: Vec::new() };
        let said = Config::load_from(missing, &Environment::default()).unwrap_err().to_string();
        assert!(said.starts_with("cannot read the configuration file /nonexistent/a.toml"), "{said}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.toml");
        fs::write(&path, "data_dir = \"data\"\n").unwrap();
        let environment: Environment = [("ANMEI_MCP_CONFIG", path.to_str().unwrap())].into_iter().collect();
        let loaded = Config::load_from(Sources::default(), &environment).unwrap();
        assert_eq!(loaded.config.data_dir, directory.path().join("data"));
        assert_eq!(loaded.file, Some(path));
    }
}
