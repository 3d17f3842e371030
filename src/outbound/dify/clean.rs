//! The gate between a model's text and a customer: what is wrapped is unwrapped, what is dangerous is refused.
//!
//! A customer's own profile reaches the model, so the model's text is hostile until shown otherwise. Wrappers (JSON,
//! code fences, prefaces, traces of tool calls), tags and invisible characters are taken off; a text with a link, an
//! e-mail address or a run of digits long enough for a phone or card number is refused whole, because what surrounds it
//! cannot be trusted either, and so is one in another language than the clinic's. The next rung of the ladder writes the
//! welcome then. Checks look at the compatibility form of the text, so that full-width letters and digits are no way
//! around them.
//!
//! What passes is no longer than the setting says, ends at a sentence, and still has to be escaped wherever it is shown.

mod checks;
mod language;

use serde_json::Value;

use self::checks::refuse;
pub use self::language::Language;

/// Why a text may not be shown to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An address, a Markdown link or image.
    #[error("the answer holds a link or an image")]
    Link,
    /// An e-mail address.
    #[error("the answer holds an e-mail address")]
    Email,
    /// A run of digits like a phone number's.
    #[error("the answer holds a number as long as a phone number")]
    Digits,
    /// A script, or tags that do not come off.
    #[error("the answer holds markup that cannot be taken off")]
    Markup,
    /// Data instead of prose.
    #[error("the answer is data, not a text for a person")]
    NotProse,
    /// Prose in another language.
    #[error("the answer is not in the language of the clinic (setting welcome.language)")]
    Language,
}

impl Refusal {
    /// Its name in records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Email => "email",
            Self::Digits => "digits",
            Self::Markup => "markup",
            Self::NotProse => "not_prose",
            Self::Language => "language",
        }
    }
}

/// An agent's words for people who look into its work: without invisible characters, of `most` characters. Not for
/// customers: nothing is refused.
pub fn readable(words: &str, most: usize) -> String {
    visible(words).trim().chars().take(most).collect()
}

/// The text a customer may see, of `most` characters and in `language` if one is named; nothing when nothing is left.
pub fn clean(answer: &str, most: usize, language: Option<Language>) -> Result<Option<String>, Refusal> {
    let text = unwrap(&visible(answer));
    refuse(&text)?;
    let text = without_tags(&text)?;
    let text = tidy(&without_chatter(&text));
    // Once more: taking things off may have joined what stood apart.
    refuse(&text)?;
    if (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']')) {
        return Err(Refusal::NotProse);
    }
    if language.is_some_and(|language| !language.is_language_of(&text)) {
        return Err(Refusal::Language);
    }
    Ok((!text.is_empty()).then(|| shorten(text, most)))
}

/// Without control and invisible characters; line breaks stay, and so do the joiners inside an emoji.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => shown.push('\n'),
            '\t' => shown.push(' '),
            '\u{200d}' if shown.chars().next_back().is_some_and(is_pictorial) => shown.push(c),
            c if c.is_control() || is_invisible(c) => {}
            c => shown.push(c),
        }
    }
    shown
}

fn is_pictorial(c: char) -> bool {
    matches!(c, '\u{fe0f}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Format characters: zero width, direction, tags, interlinear notes, private use.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// Out of code fences, JSON objects and quoted strings, however they are nested.
fn unwrap(text: &str) -> String {
    let mut text = text.trim().to_owned();
    for _ in 0..4 {
        let inner = unfenced(&text).or_else(|| out_of_json(&text));
        match inner {
            Some(inner) => visible(&inner).trim().clone_into(&mut text),
            None => break,
        }
    }
    let fences = |line: &&str| !line.trim_start().starts_with("```");
    text.lines().filter(fences).collect::<Vec<_>>().join("\n")
}

fn unfenced(text: &str) -> Option<String> {
    let inner = text.strip_prefix("```")?.strip_suffix("```")?;
    let (_language, inner) = inner.split_once('\n')?;
    (!inner.contains("```")).then(|| inner.trim().to_owned())
}

fn out_of_json(text: &str) -> Option<String> {
    if !text.starts_with(['{', '"']) {
        return None;
    }
    match serde_json::from_str(text).ok()? {
        Value::String(text) => Some(text),
        Value::Object(fields) => {
            let usual = ["text", "answer", "welcome", "welcome_message", "message", "content", "reply", "output", "result", "action_input"];
            let named = usual.iter().find_map(|name| fields.get(*name)?.as_str());
            let only = if fields.len() == 1 { fields.values().next().and_then(Value::as_str) } else { None };
            named.or(only).map(str::to_owned)
        }
        _ => None,
    }
}

/// Without tags. Line breaks and paragraphs become line breaks; scripts and what does not parse are refused.
fn without_tags(text: &str) -> Result<String, Refusal> {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        kept.push_str(before);
        let after = tag.get(1..).unwrap_or_default();
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            kept.push('<');
            rest = after;
            continue;
        }
        let (inside, behind) = after.split_once('>').ok_or(Refusal::Markup)?;
        let name: String =
            inside.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        match name.as_str() {
            "script" | "style" | "iframe" | "object" | "embed" | "img" | "svg" | "form" | "a" | "tool" | "function" => {
                return Err(Refusal::Markup);
            }
            "br" | "p" | "div" | "li" => kept.push('\n'),
            _ => {}
        }
        rest = behind;
    }
    kept.push_str(rest);
    // What was cut out of the middle may have made a new tag of both ends.
    let opens = |pair: &str| {
        pair.starts_with('<') && pair.get(1..).is_some_and(|c| c.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!'))
    };
    if kept.match_indices('<').any(|(at, _)| kept.get(at..).is_some_and(opens)) { Err(Refusal::Markup) } else { Ok(kept) }
}

/// Without the traces of a ReAct loop, of tool calls, and of a preface before the welcome itself.
fn without_chatter(text: &str) -> String {
    let text = match text.rfind("Final Answer:") {
        Some(at) => text.get(at + "Final Answer:".len()..).unwrap_or_default(),
        None => text,
    };
    let traces = [
        "action:",
        "action input:",
        "observation:",
        "thought:",
        "tool:",
        "tool call:",
        "tool_call",
        "function:",
        "function_call",
        "调用工具",
        "正在调用",
        "工具调用",
        "已调用",
        "思考：",
        "思考:",
        "行动：",
        "行动:",
        "观察：",
        "观察:",
    ];
    let is_trace = |line: &str| {
        let line = line.trim_start_matches(['#', '*', '-', '>', ' ', '【', '[', '(', '（']).to_lowercase();
        traces.iter().any(|trace| line.starts_with(trace))
    };
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_trace(line)).collect();
    if lines.len() > 1 && lines.first().is_some_and(|line| is_preface(line)) {
        lines.remove(0);
    }
    lines.join("\n")
}

fn is_preface(line: &str) -> bool {
    let line = line.trim().trim_matches('*').to_lowercase();
    line.ends_with(['：', ':']) && ["欢迎语", "欢迎消息", "欢迎词", "欢迎辞", "welcome message"].iter().any(|word| line.contains(word))
}

/// Lines trimmed, at most one empty line in a row, no quotes around the whole.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines().map(str::trim) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    let text = tidied.trim();
    let quoted = [('"', '"'), ('“', '”'), ('「', '」')].iter().find_map(|&(open, close)| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        (!inner.contains([open, close])).then_some(inner)
    });
    quoted.unwrap_or(text).trim().to_owned()
}

/// Cut after the last sentence that fits; a sentence longer than half of the room is cut where it stands.
fn shorten(text: String, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text };
    let fits = text.get(..end).unwrap_or_default();
    let is_end = |c: char| matches!(c, '。' | '！' | '？' | '!' | '?' | '…' | '～' | '\n');
    let sentence = fits.char_indices().rev().find(|(_, c)| is_end(*c)).map(|(at, c)| at + c.len_utf8());
    match sentence.and_then(|at| fits.get(..at)) {
        Some(kept) if kept.chars().count() >= most / 2 => kept.trim_end().to_owned(),
        _ => {
            let kept: String = fits.chars().take(most.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end_matches(['\u{200d}', '\u{fe0f}']).trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 600;

    fn passes(text: &str) -> String {
        clean(text, LONGEST, None).unwrap_or_else(|refusal| panic!("{text}: {refusal}")).unwrap_or_default()
    }

    #[test]
    fn a_good_welcome_is_left_alone() {
        for text in [
            "张伟，您好！欢迎来到安美智享。🌟\n\n我们为您准备了个性化的护肤建议，预算 10000-20000 元都有合适的方案。",
            "Welcome, O'Neil-李! 3<5, 2026-11-22 起 8:30 营业。👩‍⚕️ 医生团队随时为您服务。",
            "zhang_wei.li，您好！e.g. 水光针，1.5 小时，恢复期 3-5 天。",
            "您好。Welcome。一起开始吧，第一次二十元，三四五六月均可预约。",
        ] {
            assert_eq!(passes(text), text);
        }
    }

    #[test]
    fn wrappers_come_off() {
        for text in [
            "```json\n{\"text\": \"您好！\"}\n```",
            "```\n您好！\n```",
            "{\"welcome_message\":\"您好！\",\"tone\":\"warm\"}",
            "{\"greeting\":\"您好！\"}",
            "\"您好！\"",
            "“您好！”",
            "{\"answer\":\"```text\\n您好！\\n```\"}",
            "好的，以下是为您生成的欢迎语：\n\n您好！",
            "Thought: I know her\nAction: get_user_profile\nAction Input: {\"user_id\":1}\nObservation: {}\nFinal Answer: 您好！",
            "调用工具 get_user_profile…\n您好！",
            "正在调用 analyze_customer\n观察：{}\n您好！",
            "<p>您好！</p>",
            "<b>您</b>好！<br/>",
            "您\u{200b}好\u{202e}！\u{e0041}\u{7}\u{1b}",
            "\u{feff}  您好！  \r\n\r\n",
            "```\n您好！",
        ] {
            assert_eq!(passes(text), "您好！", "{text:?}");
        }
        assert_eq!(passes("a\r\n\r\n\r\n\r\nb\tc\u{2028}d"), "a\n\nb c\nd");
    }

    #[test]
    fn words_for_people_keep_everything_but_what_hides() {
        assert_eq!(readable(" 见 https://evil.example\u{202e}\u{7}<b>\n", 100), "见 https://evil.example<b>");
        assert_eq!(readable(&"美".repeat(9), 4), "美美美美");
    }

    #[test]
    fn nothing_is_nothing() {
        for text in ["", "  \n ", "\u{200b}", "```json\n```", "{\"text\":\"\"}", "<br>", "\"\"", "Action: x"] {
            assert_eq!(clean(text, LONGEST, None), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn links_and_images_are_refused() {
        for text in [
            "见 https://evil.example/x",
            "见 evil.com/x",
            "见 evil。com",
            "见 ｅｖｉｌ．ｃｏｍ",
            "EVIL.CN",
            "www.anything",
            "![x](y)",
            "[点这里](//evil)",
            "<a href=\"x\">点</a>",
            "javascript:alert(1)",
            "ht\u{200b}tps://evil.example",
            "10.0.0.1 上看",
            "evil.co.uk",
            "{\"text\":\"https:\\/\\/evil.example\"}",
            "加我 t.me",
            "h<b></b>ttps://e",
        ] {
            assert_eq!(clean(text, LONGEST, None), Err(Refusal::Link), "{text:?}");
        }
    }

    #[test]
    fn contacts_and_numbers_are_refused() {
        for text in ["写信给 a@b.cn", "ａ＠ｂ", "x@localhost", "a<i></i>@b"] {
            assert_eq!(clean(text, LONGEST, None), Err(Refusal::Email), "{text:?}");
        }
        for text in [
            "电话 13812345678",
            "1234567",
            "１３８１２３４５６７８",
            "138-1234-5678",
            "138 1234 5678",
            "(138)12345678",
            "一三八一二三四五六七八",
            "①③⑧①②③④⑤",
            "١٢٣٤٥٦٧",
            "123\u{200b}4567",
            "123<b></b>4567",
            "400.820.8820",
            "138 - 1234 - 5678",
            "138123 45678",
            "1 3 8 1 2 3 4 5 6 7 8",
        ] {
            assert_eq!(clean(text, LONGEST, None), Err(Refusal::Digits), "{text:?}");
        }
    }

    #[test]
    fn markup_and_data_are_refused() {
        for text in [
            "<script>alert(1)</script>",
            "您好<img onerror=x>",
            "<<b>script>x",
            "您好 <b",
            "<tool_call>{}</tool_call>您好",
            "<iframe/>",
            "<SvG/onload=x>",
        ] {
            assert_eq!(clean(text, LONGEST, None), Err(Refusal::Markup), "{text:?}");
        }
        for text in ["{\"a\":1,\"b\":2}", "[1, 2]", "{\"a\":\"x\",\"b\":\"y\"}", "{坏的}"] {
            assert_eq!(clean(text, LONGEST, None), Err(Refusal::NotProse), "{text:?}");
        }
    }

    #[test]
    fn another_language_is_refused_and_what_comes_off_does_not_count() {
        let said = |text: &str, language| clean(text, LONGEST, Some(language));
        let traced = "Thought: I should greet her warmly, and then tell her about the clinic\n林晓月，您好！";
        assert_eq!(said(traced, Language::Chinese), Ok(Some("林晓月，您好！".into())));
        assert_eq!(said("Dear 林晓月, welcome to our clinic!", Language::Chinese), Err(Refusal::Language));
        assert_eq!(said("Dear 林晓月, welcome to our clinic!", Language::English), Ok(Some("Dear 林晓月, welcome to our clinic!".into())));
        assert_eq!(said("林晓月，您好！", Language::English), Err(Refusal::Language));
        assert_eq!(said("<br>", Language::Chinese), Ok(None), "nothing is in no language");
        // A tool call that was meant for the installation: its argument comes out as if it were the answer.
        let call = r#"{"action":"get_user_profile","action_input":"usr_1"}"#;
        assert_eq!(said(call, Language::Chinese), Err(Refusal::Language));
    }

    #[test]
    fn long_texts_end_at_a_sentence() {
        let sentence = "欢迎您来到安美智享，我们会陪您一起变美。";
        let long = passes(&sentence.repeat(100));
        assert_eq!(long, sentence.repeat(600 / sentence.chars().count()));
        let endless = passes(&"美".repeat(700));
        assert_eq!(endless.chars().count(), 600);
        assert!(endless.ends_with("美…"));
        assert_eq!(passes(&"美".repeat(600)).chars().count(), 600);
        let early = passes(&format!("您好！{}", "美".repeat(700)));
        assert_eq!(early.chars().count(), 600);
        let emoji = passes(&"👩\u{200d}⚕\u{fe0f}".repeat(300));
        assert!(emoji.chars().count() <= 600 && !emoji.contains("\u{200d}…"));
    }
}
