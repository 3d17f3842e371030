//! Texts with places for a customer's data: `{username}` and `{concern}`.
//!
//! Whoever writes a setting is told at once what a template cannot hold; whoever says it puts values in, in one pass:
//! what is put in is never read as a template itself.

/// The places there are.
const PLACES: [(&str, Place); 2] = [("username", Place::Username), ("concern", Place::Concern)];
/// Ends of a clause.
const CLAUSE_ENDS: [char; 13] = ['，', ',', '。', '.', '！', '!', '？', '?', '；', ';', '：', ':', '\n'];
/// Separators that nothing stands before any more once a name is left out.
const JOINS: [char; 8] = ['，', ',', '：', ':', '、', '；', ';', ' '];
/// Words before a name that say nothing without it.
const NEED_A_NAME: [&str; 2] = ["的", "dear"];
/// Words after a name that say nothing without it.
const BELONG_TO_A_NAME: [&str; 4] = ["女士", "先生", "小姐", "同学"];

/// What is put in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values<'a> {
    /// The customer's name; without one, the sentence is said without it.
    pub username: Option<&'a str>,
    /// What the customer wants to have treated; without one, a template that names it is not said.
    pub concern: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Username,
    Concern,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Place(Place),
}

/// Says of each place in `template` that cannot be filled what is wrong with it.
pub fn check_template(template: &str) -> Result<(), Vec<String>> {
    let wrong: Vec<String> = pieces(template).filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The text with its values. `None` when the template cannot be used, or needs a concern and there is none.
pub fn render(template: &str, values: Values<'_>) -> Option<String> {
    let mut text = String::with_capacity(template.len() + 32);
    let mut left_out = false;
    for piece in pieces(template) {
        match (piece.ok()?, values.username) {
            (Piece::Text(next), _) if left_out => append_without_name(&mut text, next),
            (Piece::Text(next), _) => text.push_str(next),
            (Piece::Place(Place::Concern), _) => text.push_str(values.concern?),
            (Piece::Place(Place::Username), Some(name)) => text.push_str(name),
            (Piece::Place(Place::Username), None) => {
                left_out = true;
                continue;
            }
        }
        left_out = false;
    }
    if left_out {
        append_without_name(&mut text, "");
    }
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The template's texts and places, and what is wrong between them.
fn pieces(template: &str) -> impl Iterator<Item = Result<Piece<'_>, String>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let at = rest.find(['{', '}']).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(at);
        if !text.is_empty() {
            rest = behind;
            return Some(Ok(Piece::Text(text)));
        }
        let first = behind.chars().next()?;
        let inner = behind.get(1..).unwrap_or_default();
        let name_and_rest = inner.split_once('}').filter(|(name, _)| first == '{' && !name.contains(['{', '\n']));
        let Some((name, after)) = name_and_rest else {
            rest = inner;
            return Some(Err(format!("a single {first} stands for nothing; to show a brace, write ｛ or ｝")));
        };
        rest = after;
        let place = PLACES.iter().find(|(known, _)| *known == name);
        Some(place.map(|(_, place)| Piece::Place(*place)).ok_or_else(|| unknown(name)))
    })
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("{{{shown}}} is unknown; there are {{username}} and {{concern}}")
}

/// Appends what follows a name that is left out, and takes back what only led to it: "尊敬的{username}，您好" becomes
/// "您好", "欢迎回来，{username}！" becomes "欢迎回来！", "Welcome back, {username}!" becomes "Welcome back!".
fn append_without_name(text: &mut String, next: &str) {
    let begins = text.rfind(CLAUSE_ENDS).map_or(0, |at| at + text.get(at..).and_then(|end| end.chars().next()).map_or(0, char::len_utf8));
    let clause = text.get(begins..).unwrap_or_default().trim().to_lowercase();
    if NEED_A_NAME.iter().any(|word| clause.ends_with(word)) {
        text.truncate(begins);
    }
    let next = BELONG_TO_A_NAME.iter().find_map(|word| next.strip_prefix(word)).unwrap_or(next);
    let kept = text.trim_end_matches([' ', '，', ',', '、']).len();
    let sentence_begins =
        text.trim_end_matches(' ').is_empty() || text.trim_end_matches(' ').ends_with(['。', '！', '？', '!', '?', '.', '\n']);
    if sentence_begins {
        push_sentence(text, next.trim_start_matches(JOINS));
    } else if next.is_empty() || next.starts_with(CLAUSE_ENDS) {
        text.truncate(kept);
        text.push_str(next);
    } else if text.ends_with(' ') {
        text.push_str(next.trim_start_matches(' '));
    } else {
        text.push_str(next);
    }
}

fn push_sentence(text: &mut String, next: &str) {
    let mut letters = next.chars();
    if let Some(first) = letters.next() {
        text.push(first.to_ascii_uppercase());
        text.push_str(letters.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(template: &str, username: Option<&str>) -> String {
        render(template, Values { username, concern: Some("色斑") }).unwrap()
    }

    #[test]
    fn values_are_put_in_and_never_read_again() {
        assert_eq!(said("{username}，您关心的{concern}", Some("张伟")), "张伟，您关心的色斑");
        assert_eq!(said("您好，{username}", Some("{concern}")), "您好，{concern}");
    }

    #[test]
    fn a_sentence_reads_well_without_the_name() {
        for (template, expected) in [
            ("{username}，欢迎回来！", "欢迎回来！"),
            ("{username}您好！", "您好！"),
            ("{username}女士，您好！", "您好！"),
            ("尊敬的{username}，您好！", "您好！"),
            ("尊敬的{username}女士：\n您好！", "您好！"),
            ("您好{username}！请问", "您好！请问"),
            ("您好，{username}！", "您好！"),
            ("欢迎回来，{username}", "欢迎回来"),
            ("您好，{username}，欢迎回来", "您好，欢迎回来"),
            ("您好！亲爱的{username}，欢迎回来", "您好！欢迎回来"),
            ("您好！\n\n{username}，欢迎回来", "您好！\n\n欢迎回来"),
            ("欢迎{username}来到安美", "欢迎来到安美"),
            ("Dear {username}, welcome back!", "Welcome back!"),
            ("Hello {username}!", "Hello!"),
            ("Hello {username}, how are you?", "Hello, how are you?"),
            ("Welcome back, {username}! How are you?", "Welcome back! How are you?"),
            ("Hello. {username}, welcome", "Hello. Welcome"),
        ] {
            assert_eq!(said(template, None), expected, "{template}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        let nothing = Values::default();
        assert_eq!(render("关于{concern}", nothing), None);
        assert_eq!(render("{username}", nothing), None);
        assert_eq!(render("{name}，您好", Values { username: Some("张伟"), ..nothing }), None);
    }

    #[test]
    fn every_place_that_is_unknown_is_named() {
        assert_eq!(check_template("{username}，您关心的{concern}\n欢迎！😊"), Ok(()));
        assert_eq!(check_template(""), Ok(()));
        let wrong = check_template("{user}，{username}，{ concern }，{}，{").unwrap_err();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert_eq!(wrong[0], "{user} is unknown; there are {username} and {concern}");
        assert!(wrong[1].starts_with("{ concern } is unknown") && wrong[2].starts_with("{} is unknown"));
        assert!(wrong[3].starts_with("a single { stands for nothing"));
        assert_eq!(check_template("a } b {{username}}").unwrap_err().len(), 3);
    }
}
