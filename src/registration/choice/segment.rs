pub fn of(facts: &crate::store::runs::KnownFacts) -> &'static str {
    if facts.earlier > 0 { "returning" } else if facts.concerns.is_empty() { "new" } else { "concern" }
}
pub fn render(template: &str, username: &str, concern: Option<&str>) -> String {
    template.replace("{username}", username).replace("{concern}", concern.unwrap_or_default())
}
