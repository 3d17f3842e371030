//! Changing one key of the configuration file: everything else in it stays as it was, comments too.
//!
//! What is written was checked as a whole before, with the environment and the flags of this process: the next start
//! accepts it. A key that another source sets is refused, for the file's value would never be seen. Secrets and paths
//! are set on the machine itself: whoever administers over the network neither sends a secret nor names a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table};

use super::{
    Bilingual, Catalogue, ConfigError, Environment, KeyInfo, Kind, Loaded, Origin, Problem,
    file::{self, Found},
    load,
};

/// Why a key of the file is not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such key; what is said of it.
    #[error("{0}")]
    Unknown(String),
    /// It is not changed in this way.
    #[error("{}", .0.en)]
    NotHere(Bilingual),
    /// There is no file.
    #[error("no configuration file is in use")]
    NoFile,
    /// Another source says what it is, whatever the file says.
    #[error("the value comes from {0}, which counts before the file")]
    Outranked(Origin),
    /// What is wrong with the new value.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// The file, or what is merged with it, is wrong as it is.
    #[error("the configuration is wrong already: {}", lines(.0))]
    Broken(Vec<Problem>),
    /// Somebody else changed the file; its version is another one.
    #[error("the configuration file was changed in between")]
    Stale,
    /// The file cannot be read or written.
    #[error("cannot change the configuration file {}: {why}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A change that was checked and is not written yet.
#[derive(Debug)]
pub struct Draft {
    /// The file.
    pub path: PathBuf,
    /// The value that the next start would have without the change.
    pub before: Value,
    /// The value that the next start will have.
    pub after: Value,
    text: String,
}

/// The configuration as the next start would read it.
#[derive(Debug)]
pub struct Next {
    /// What it is, or what is wrong with it.
    pub loaded: Result<Loaded, ConfigError>,
    /// The version of the file; 0 where there is none.
    pub version: i64,
}

impl Loaded {
    /// What a start at this moment would read, from the same places.
    pub fn next(&self, environment: &Environment) -> Next {
        match file::find(self.sources.config_path.clone(), environment) {
            Ok(found) => {
                let version = found.as_ref().map_or(0, |found| version(&found.text));
                Next { loaded: load::load_found(found, self.sources.clone(), environment), version }
            }
            Err(error) => Next { loaded: Err(error), version: 0 },
        }
    }

    /// Checks a change of one key; without a value, the key is taken out of the file. `seen` is the version of the file
    /// that was read; none for whatever is there.
    pub fn draft(&self, key: &str, value: Option<&Value>, seen: Option<i64>) -> Result<Draft, EditError> {
        self.draft_in(key, value, seen, &super::environment())
    }

    fn draft_in(&self, key: &str, value: Option<&Value>, seen: Option<i64>, environment: &Environment) -> Result<Draft, EditError> {
        let catalogue = Catalogue::new();
        let info = catalogue.get(key).ok_or_else(|| EditError::Unknown(catalogue.unknown(key)))?;
        if let Some(why) = set_on_the_machine(info) {
            return Err(EditError::NotHere(why));
        }
        let found = file::find(self.sources.config_path.clone(), environment).map_err(unreadable)?.ok_or(EditError::NoFile)?;
        if seen.is_some_and(|seen| seen != version(&found.text)) {
            return Err(EditError::Stale);
        }
        let (path, text) = (found.path.clone(), changed(&found.text, info, value)?);
        let load = |found: Found| load::load_found(Some(found), self.sources.clone(), environment);
        let now = load(found).map_err(|error| EditError::Broken(error.problems().to_vec()))?;
        if matches!(now.origin(key), Origin::Env(_) | Origin::Flag(_) | Origin::Credential(_)) {
            return Err(EditError::Outranked(now.origin(key)));
        }
        let next = load(Found { path: path.clone(), text: text.clone() });
        let next = next.map_err(|error| EditError::Invalid(error.problems().to_vec()))?;
        Ok(Draft { path, before: now.value(key), after: next.value(key), text })
    }
}

impl Draft {
    /// Writes the file: whoever reads it finds the old text or the new one, never a part.
    pub fn write(&self) -> Result<(), EditError> {
        self.replace().map_err(|why| EditError::Unwritable { path: self.path.clone(), why })
    }

    fn replace(&self) -> io::Result<()> {
        // A link stays a link: what it leads to is replaced.
        let path = fs::canonicalize(&self.path)?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let half = directory.join(format!(".{name}.{}", std::process::id()));
        let written = write_beside(&half, &self.text, &path).and_then(|()| fs::rename(&half, &path));
        if let Err(error) = written {
            if let Err(left) = fs::remove_file(&half) {
                tracing::debug!(%left, "there was nothing to take away");
            }
            return Err(error);
        }
        File::open(directory)?.sync_all()
    }
}

/// Writes a file with the rights of the one it is to replace.
fn write_beside(half: &Path, text: &str, model: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(half)?;
    file.set_permissions(fs::metadata(model)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Why a key is only set on the machine itself.
fn set_on_the_machine(info: &KeyInfo) -> Option<Bilingual> {
    if info.secret {
        return Some(Bilingual::new(
            format!("{} 是密钥，只能在服务器本机上设置：写入配置文件，或通过环境变量、凭据提供", info.key),
            format!("{} is a secret: set it on the machine itself, in the configuration file, a variable or a credential", info.key),
        ));
    }
    (info.kind == Kind::Path).then(|| {
        Bilingual::new(
            format!("{} 是文件路径，只能在服务器本机上设置", info.key),
            format!("{} names a path: set it on the machine itself", info.key),
        )
    })
}

/// Why a key of the file cannot be changed here; none where it can.
pub fn why_fixed(info: &KeyInfo, origin: &Origin) -> Option<Bilingual> {
    set_on_the_machine(info).or_else(|| match origin {
        Origin::Default | Origin::File { .. } => None,
        other => Some(outranked(other)),
    })
}

/// That another source counts before the file.
pub fn outranked(origin: &Origin) -> Bilingual {
    let (zh, en) = match origin {
        Origin::Env(name) => (format!("环境变量 {name}"), format!("the variable {name}")),
        Origin::Flag(name) => (format!("命令行参数 {name}"), format!("the flag {name}")),
        Origin::Credential(name) => (format!("凭据 {name}"), format!("the credential {name}")),
        other => (other.to_string(), other.to_string()),
    };
    Bilingual::new(
        format!("当前值来自{zh}，优先于配置文件；请在那里修改"),
        format!("the value comes from {en}, which counts before the file; change it there"),
    )
}

fn unreadable(error: ConfigError) -> EditError {
    match error {
        ConfigError::Unreadable { path, source } => EditError::Unwritable { path, why: source },
        ConfigError::Invalid(problems) => EditError::Broken(problems),
    }
}

/// Another text has another version.
fn version(text: &str) -> i64 {
    i64::from(crc32fast::hash(text.as_bytes()))
}

/// The file's text with the key set, or without it.
fn changed(text: &str, info: &KeyInfo, value: Option<&Value>) -> Result<String, EditError> {
    let broken = |message: String| EditError::Broken(vec![Problem::new(Origin::Default, "", message)]);
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| broken(error.message().to_owned()))?;
    let root = document.as_table_mut();
    let table = if info.section.is_empty() {
        root as &mut dyn toml_edit::TableLike
    } else {
        let section = root.entry(&info.section).or_insert_with(|| Item::Table(Table::new()));
        section.as_table_like_mut().ok_or_else(|| broken(format!("{} is no section", info.section)))?
    };
    let Some(value) = value else {
        table.remove(&info.name);
        return Ok(document.to_string());
    };
    let misfit = || EditError::Invalid(vec![Problem::new(Origin::Default, &info.key, format!("expected {}", info.expected()))]);
    let mut new = toml(value).ok_or_else(misfit)?;
    match table.get_mut(&info.name).and_then(Item::as_value_mut) {
        Some(old) => {
            // The comment behind a value stays there.
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => drop(table.insert(&info.name, Item::Value(new))),
    }
    Ok(document.to_string())
}

fn toml(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(entries) => toml_edit::Value::Array(entries.iter().map(toml).collect::<Option<toml_edit::Array>>()?),
        Value::Object(_) | Value::Null => return None,
    })
}

impl Loaded {
    /// The value of a key; secrets as `***`.
    pub fn value(&self, key: &str) -> Value {
        let values = serde_json::to_value(&self.config).unwrap_or_default();
        values.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::config::{Config, Sources};

    const TEXT: &str = "\
# The clinic's own server.
language = \"en\"

[http] # limits
max_connections = 100 # enough for two rooms
# header_timeout = \"5s\"

[hook]
key = \"sixteen-letters-long\"
";

    struct Desk {
        dir: tempfile::TempDir,
        environment: Environment,
        loaded: Loaded,
    }

    fn desk(text: &str, vars: &[(&str, &str)], flags: &[(&str, &str)]) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anmei-mcp.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let overrides = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let environment = vars.iter().copied().collect();
        let loaded = Config::load_from(Sources { config_path: Some(path), overrides }, &environment).unwrap();
        Desk { dir, environment, loaded }
    }

    impl Desk {
        #[expect(clippy::needless_pass_by_value, reason = "made where it is given")]
        fn draft(&self, key: &str, value: Value) -> Result<Draft, EditError> {
            self.loaded.draft_in(key, Some(&value), None, &self.environment)
        }

        fn text(&self) -> String {
            fs::read_to_string(self.dir.path().join("anmei-mcp.toml")).unwrap()
        }
    }

    #[test]
    fn a_key_is_written_and_everything_else_stays() {
        let desk = desk(TEXT, &[], &[]);
        let before = desk.loaded.next(&desk.environment).version;
        let draft = desk.draft("http.max_connections", json!(200)).unwrap();
        assert_eq!((&draft.before, &draft.after), (&json!(100), &json!(200)));
        draft.write().unwrap();
        assert_eq!(desk.text(), TEXT.replace("= 100", "= 200"));
        let mode = fs::metadata(desk.dir.path().join("anmei-mcp.toml")).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, fs::read_dir(desk.dir.path()).unwrap().count()), (0o600, 1));
        desk.draft("mcp.legacy_sse", json!(false)).unwrap().write().unwrap();
        desk.draft("http.trusted_proxies", json!(["10.0.0.0/8"])).unwrap().write().unwrap();
        let next = desk.loaded.next(&desk.environment);
        assert_ne!(next.version, before);
        let next = next.loaded.unwrap();
        assert!(!next.config.mcp.legacy_sse && next.config.http.trusted_proxies == ["10.0.0.0/8"]);
        let text = desk.text();
        for kept in
            ["# The clinic's own server.", "[http] # limits", "# enough for two rooms", "# header_timeout = \"5s\"", "sixteen-letters-long"]
        {
            assert!(text.contains(kept), "{kept} is gone: {text}");
        }
        let back = desk.loaded.draft_in("http.max_connections", None, None, &desk.environment).unwrap();
        assert_eq!(back.after, json!(4096));
        let stale = desk.loaded.draft_in("http.max_connections", None, Some(before), &desk.environment);
        assert!(matches!(stale, Err(EditError::Stale)), "{stale:?}");
    }

    #[test]
    fn what_the_next_start_would_refuse_is_not_written() {
        let desk = desk(TEXT, &[("ANMEI_MCP_HTTP__WRITE_TIMEOUT", "9s")], &[("mcp.listen", "127.0.0.1:9000")]);
        let refused = |key: &str, value: Value| desk.draft(key, value).unwrap_err().to_string();
        assert!(refused("http.max_connections", json!(0)).contains("out of range"));
        assert!(refused("http.max_connections", json!("many")).contains("found the text \"many\""));
        assert!(refused("http.max_connections", json!({"a": 1})).contains("expected a whole number"));
        assert!(refused("hook.listen", json!("0.0.0.0:9000")).contains("overlaps with mcp.listen"));
        assert!(refused("http.max_connection", json!(1)).contains("did you mean http.max_connections?"));
        assert!(refused("hook.key", json!("x")).contains("is a secret"));
        assert!(refused("data_dir", json!("/tmp")).contains("names a path"));
        assert!(refused("http.write_timeout", json!("8s")).contains("env ANMEI_MCP_HTTP__WRITE_TIMEOUT"));
        assert!(refused("mcp.listen", json!("127.0.0.1:9001")).contains("flag --set mcp.listen"));
        assert_eq!(desk.text(), TEXT);
        fs::write(desk.dir.path().join("anmei-mcp.toml"), "[http]\nnope = 1\n").unwrap();
        assert!(refused("http.max_connections", json!(5)).starts_with("the configuration is wrong already"));
        assert!(desk.loaded.next(&desk.environment).loaded.is_err());
    }
}
