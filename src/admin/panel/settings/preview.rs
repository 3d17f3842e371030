//! What the templates on a page of settings become for a sample customer, as they stand in its fields: saved or not.

use super::item::{Item, Widget};
use crate::{admin::panel::texts::Texts, settings::template};

/// Whom previews greet, and what about.
const SAMPLE: template::Values<'static> = template::Values { username: Some(NAME), concern: Some("光子嫩肤") };
const NAME: &str = "林晓月";
/// The conversation that links lead to: there is none of this id.
const CONVERSATION: &str = "conv_sample";

/// What one template, or several that are read together, become.
pub(super) struct Preview {
    pub(super) of: String,
    /// None where a template cannot be used as it is.
    pub(super) text: Option<String>,
}

/// The previews of a page.
pub(super) fn previews(page: &str, items: &[Item], t: Texts) -> Vec<Preview> {
    match page {
        "welcome" => welcomes(items),
        "notice" => notices(items, t),
        _ => Vec::new(),
    }
}

fn welcomes(items: &[Item]) -> Vec<Preview> {
    let rows = items.iter().filter_map(|item| match &item.widget {
        Widget::Texts(rows) => Some(rows),
        _ => None,
    });
    rows.flatten().map(|row| Preview { of: row.name.clone(), text: template::render(&row.text, SAMPLE) }).collect()
}

/// What a connected consultant is shown, and what goes over the channels to those who are not.
fn notices(items: &[Item], t: Texts) -> Vec<Preview> {
    let preview = |key: &str, title: &str, body: &str| Preview { of: t.say(key), text: notice(items, title, body) };
    vec![
        preview("settings-preview-notice", "notice.title", "notice.message"),
        preview("settings-preview-push", "notice.push_title", "notice.push_body"),
    ]
}

fn notice(items: &[Item], title: &str, body: &str) -> Option<String> {
    let lines = [
        filled(text(items, title), &[])?,
        filled(text(items, body), &[("{username}", NAME)])?,
        filled(text(items, "notice.link_template"), &[("{conversation_id}", CONVERSATION)])?,
    ];
    Some(lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// What stands in the field of a text.
fn text<'a>(items: &'a [Item], name: &str) -> &'a str {
    let item = items.iter().find(|item| item.name == name);
    match item.map(|item| &item.widget) {
        Some(Widget::Line { value, .. } | Widget::Area { value, .. }) => value.as_str(),
        _ => "",
    }
}

/// A text with its places filled; none when it has others, which a change of the setting would be refused for.
fn filled(text: &str, places: &[(&str, &str)]) -> Option<String> {
    let filled = places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value));
    (!filled.contains('{')).then_some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_filled_or_not_shown() {
        let places = &[("{username}", NAME)][..];
        assert_eq!(filled("{username} 在等您", places).unwrap(), "林晓月 在等您");
        assert_eq!((filled("{phone}", places), filled("{username", places), filled("{username}", &[])), (None, None, None));
    }
}
