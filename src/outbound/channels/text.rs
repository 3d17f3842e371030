//! Texts made fit for where they are shown.
//!
//! Titles and bodies may hold what a customer typed. In markdown, brackets and `<` would let that make a link or call
//! everybody in the group (`<@all>`), so that these are shown as their full-width forms.

use super::{Push, Severity};

/// Longest title, in bytes: what fits every channel with room for the rest.
const MAX_TITLE: usize = 240;
/// Longest link that is shown.
const MAX_LINK: usize = 2_000;
/// The words of a link to a conversation.
pub(super) const OPEN: &str = "查看详情 / Open";

/// Whether an id can stand in a header, a Message-ID and ntfy's `sequence_id`.
pub(super) fn is_good_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The title on one line, marked by how loud it is.
pub(super) fn title(push: &Push) -> String {
    let mark = match push.severity {
        Severity::Info => "",
        Severity::Warning => "⚠️ ",
        Severity::Critical => "🚨 ",
    };
    let line: String = push.title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{mark}{}", cut(line.trim(), MAX_TITLE))
}

/// The link, unless it is no web address.
pub(super) fn link(push: &Push) -> Option<&str> {
    let web = |link: &&str| (link.starts_with("https://") || link.starts_with("http://")) && link.len() <= MAX_LINK;
    push.link.as_deref().filter(web)
}

/// Title, body and link as markdown of at most `max_bytes`; `line_break` is what parts two lines there.
pub(super) fn markdown(push: &Push, line_break: &str, max_bytes: usize) -> String {
    let head = format!("**{}**{line_break}", unmarked(&title(push)));
    let foot = link(push).map(|link| format!("{line_break}[{OPEN}]({})", in_parentheses(link))).unwrap_or_default();
    let body = unmarked(&push.body).lines().collect::<Vec<_>>().join(line_break);
    let room = max_bytes.saturating_sub(head.len() + foot.len());
    format!("{head}{}{foot}", cut(&body, room))
}

/// Title, body and link, one below the other.
pub(super) fn plain(push: &Push) -> String {
    let foot = link(push).map(|link| format!("\n{OPEN}: {link}")).unwrap_or_default();
    format!("{}\n{}{foot}", title(push), push.body)
}

/// At most `max_bytes`, cut between two characters and marked as cut.
pub(super) fn cut(text: &str, max_bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max_bytes.saturating_sub(MARK.len()));
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

/// Text that markdown leaves as it is.
fn unmarked(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => '＜',
            '[' => '［',
            ']' => '］',
            '*' => '＊',
            '`' => '｀',
            c => c,
        })
        .collect()
}

/// An address that does not end the parentheses it stands in.
fn in_parentheses(link: &str) -> String {
    link.replace('(', "%28").replace(')', "%29").replace(' ', "%20").replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::channels::tests::push;

    #[test]
    fn a_cut_is_between_characters_and_keeps_the_link() {
        assert_eq!(cut("安美智享", 12), "安美智享");
        assert_eq!(cut("安美智享", 11), "安美…");
        assert_eq!(cut("abc", 1), "…");
        let long = Push { body: "客户".repeat(3_000), ..push() };
        let text = markdown(&long, "\n", 4_096);
        assert!(text.len() <= 4_096 && text.len() > 4_090, "{}", text.len());
        assert!(text.ends_with("…\n[查看详情 / Open](https://app.example.cn/c/conv_1)"), "{text}");
    }

    #[test]
    fn what_customers_type_is_no_markup() {
        let sly = Push {
            title: "<@all> [赢\n大奖](http://evil)".into(),
            body: "**`x`** ![i](http://evil/i.png)\n第二行".into(),
            link: None,
            ..push()
        };
        assert_eq!(markdown(&sly, "\n", 4_096), "**⚠️ ＜@all> ［赢 大奖］(http://evil)**\n＊＊｀x｀＊＊ !［i］(http://evil/i.png)\n第二行");
    }

    #[test]
    fn only_web_addresses_are_links() {
        for (given, shown) in [("javascript:alert(1)", None), ("https://a.cn/x", Some("https://a.cn/x")), ("", None)] {
            assert_eq!(link(&Push { link: Some(given.into()), ..push() }), shown, "{given}");
        }
        let odd = Push { link: Some("https://a.cn/x) [y](z".into()), body: String::new(), title: "t".into(), ..push() };
        assert!(markdown(&odd, "\n", 4_096).ends_with("(https://a.cn/x%29%20[y]%28z)"));
    }
}
