//! What was probably meant: the answer to a key that does not exist.

use super::{Catalogue, catalogue::join};

/// Keys that are runtime settings, each with the setting and a value for it.
const MOVED: [(&str, &str, &str); 8] = [
    ("registration.enabled", "registration_automation.enabled", "true"),
    ("registration.welcome_deadline", "welcome.deadline", "3s"),
    ("registration.conversation_title", "conversation.title", "欢迎咨询"),
    ("registration.retry_delays", "retry.delays", "5s,15s,60s"),
    ("registration.retry_jitter", "retry.jitter", "0.1"),
    ("registration.static_welcome", "welcome.static_text", "您好！"),
    ("registration.expected_response", "notice.expected_response", "5m"),
    ("registration.link_template", "notice.link_template", "https://app.example.com/conversations/{conversation_id}"),
];

/// What to say of a key that is a runtime setting.
pub(super) fn moved(key: &str) -> Option<String> {
    let (_, name, example) = MOVED.iter().find(|(moved, ..)| *moved == key)?;
    let given = if example.contains('{') { format!("'{name}={example}'") } else { format!("{name}={example}") };
    Some(format!(
        "is the runtime setting {name}, kept in the database and in force without a restart: take it out here and run `anmei-mcp settings set {given}`"
    ))
}

impl Catalogue {
    /// What was probably meant by a key that does not exist.
    pub fn meant(&self, key: &str) -> Option<String> {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let here = self.section(section).map(|home| home.keys.iter().map(|info| info.name.as_str()));
        let here = here.and_then(|names| nearest(name, names)).map(|name| join(section, name));
        let corrected = || nearest(section, self.sections.iter().map(|known| known.name.as_str())).map(|known| join(known, name));
        here.or_else(|| corrected().filter(|key| self.get(key).is_some()))
            .or_else(|| self.same_name_elsewhere(name))
            .or_else(|| self.nearest_key(key))
    }

    /// What to say of a key that does not exist: what was probably meant, and what is allowed in its place.
    pub fn unknown(&self, key: &str) -> String {
        if let Some(moved) = moved(key) {
            return moved;
        }
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let Some(home) = self.section(section) else {
            return self.unknown_section(section, name);
        };
        let mut allowed: Vec<String> = home.keys.iter().map(|info| info.name.clone()).collect();
        if section.is_empty() {
            allowed.extend(self.section_names());
        }
        let meant = nearest(name, allowed.iter().map(String::as_str)).map(|name| join(section, name));
        let meant = meant.or_else(|| self.same_name_elsewhere(name)).or_else(|| self.nearest_key(key));
        format!("unknown key{} Allowed here: {}", did_you_mean(meant), allowed.join(", "))
    }

    fn unknown_section(&self, section: &str, name: &str) -> String {
        let meant = nearest(section, self.sections.iter().map(|known| known.name.as_str()))
            .map(|known| join(known, name))
            .filter(|key| self.get(key).is_some())
            .or_else(|| nearest(section, self.sections.iter().map(|known| known.name.as_str())).map(str::to_owned))
            .or_else(|| self.same_name_elsewhere(name));
        format!("unknown section{} Sections: {}", did_you_mean(meant), self.section_names().join(", "))
    }

    fn section_names(&self) -> Vec<String> {
        let named = self.sections.iter().filter(|section| !section.name.is_empty());
        named.map(|section| format!("[{}]", section.name)).collect()
    }

    fn same_name_elsewhere(&self, name: &str) -> Option<String> {
        self.keys().find(|info| info.name == name).map(|info| info.key.clone())
    }

    fn nearest_key(&self, key: &str) -> Option<String> {
        nearest(key, self.keys().map(|info| info.key.as_str())).map(str::to_owned)
    }
}

/// The word that was probably meant, when one is near enough.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.filter(|known| !known.is_empty()).map(|known| (strsim::normalized_damerau_levenshtein(word, known), known));
    near.filter(|(score, _)| *score >= 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

fn did_you_mean(meant: Option<String>) -> String {
    meant.map_or_else(|| ".".to_owned(), |key| format!("; did you mean {key}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_answered_with_what_is_near() {
        let catalogue = Catalogue::new();
        let said = catalogue.unknown("http.header_timout");
        assert!(said.starts_with("unknown key; did you mean http.header_timeout? Allowed here: max_connections"), "{said}");
        assert!(catalogue.unknown("htp.header_timeout").contains("did you mean http.header_timeout?"));
        assert!(catalogue.unknown("shutdown_timeout").contains("did you mean http.shutdown_timeout?"));
        assert!(catalogue.unknown("hooks").contains("[hook]"));
        assert!(!catalogue.unknown("http.zzzzzz").contains("did you mean"));
        assert_eq!(catalogue.meant("htp.header_timeout").as_deref(), Some("http.header_timeout"));
        assert_eq!(catalogue.meant("header_timeout").as_deref(), Some("http.header_timeout"));
        assert_eq!(catalogue.meant("zzzzzz"), None);
    }

    #[test]
    fn a_key_that_is_a_runtime_setting_is_answered_with_its_command() {
        let said = Catalogue::new().unknown("registration.welcome_deadline");
        assert!(said.contains("the runtime setting welcome.deadline,"), "{said}");
        assert!(said.ends_with("`anmei-mcp settings set welcome.deadline=3s`"), "{said}");
    }
}
