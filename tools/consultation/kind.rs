//! What kind of consultation it was.
//!
//! What the caller says counts, in Chinese or English. Else the words of the text vote, each occurrence once. A text
//! without any of them is `general`: no kind is guessed.

use crate::words;

/// Kinds with their names and the words that speak for them; of equals the first wins. All normalised.
const KINDS: [Kind; 7] = [
    Kind {
        code: "complaint",
        names: &["投诉", "complaint"],
        words: &["投诉", "不满意", "维权", "退款", "赔偿", "complaint", "refund", "compensation", "unhappy"],
    },
    Kind {
        code: "follow_up",
        names: &["随访", "复诊", "复查", "回访", "术后", "follow up", "followup"],
        words: &["复诊", "复查", "随访", "术后", "恢复情况", "拆线", "follow up", "check up", "aftercare", "post op"],
    },
    Kind {
        code: "injection",
        names: &["注射", "injection", "微整"],
        words: &[
            "注射",
            "玻尿酸",
            "透明质酸",
            "肉毒",
            "水光",
            "瘦脸针",
            "除皱针",
            "填充",
            "苹果肌",
            "法令纹",
            "泪沟",
            "botox",
            "filler",
            "hyaluronic",
            "injection",
        ],
    },
    Kind {
        code: "laser",
        names: &["激光", "光电", "laser"],
        words: &[
            "激光",
            "皮秒",
            "点阵",
            "光子",
            "热玛吉",
            "超声刀",
            "射频",
            "脱毛",
            "祛斑",
            "laser",
            "ipl",
            "pico",
            "thermage",
            "hair removal",
            "radiofrequency",
        ],
    },
    Kind {
        code: "surgery",
        names: &["手术", "整形", "surgery"],
        words: &[
            "手术",
            "双眼皮",
            "隆鼻",
            "鼻综合",
            "眼袋",
            "拉皮",
            "假体",
            "植发",
            "surgery",
            "rhinoplasty",
            "eyelid",
            "implant",
            "facelift",
        ],
    },
    Kind {
        code: "body",
        names: &["形体", "塑形", "体雕", "body"],
        words: &[
            "吸脂",
            "减脂",
            "塑形",
            "瘦身",
            "冷冻溶脂",
            "溶脂",
            "妊娠纹",
            "腰腹",
            "大腿",
            "liposuction",
            "body contouring",
            "slimming",
            "fat reduction",
        ],
    },
    Kind {
        code: "skin",
        names: &["皮肤", "护肤", "skin"],
        words: &[
            "皮肤",
            "色斑",
            "痘",
            "毛孔",
            "暗沉",
            "敏感肌",
            "补水",
            "美白",
            "清洁",
            "红血丝",
            "肤色",
            "皱纹",
            "skin",
            "acne",
            "pore",
            "pigmentation",
            "wrinkle",
            "dull",
        ],
    },
];

/// The kind of a text that none of the words stands in.
const GENERAL: &str = "general";
/// Longest kind of the caller's own that is kept.
const OWN_CHARS: usize = 40;

struct Kind {
    code: &'static str,
    names: &'static [&'static str],
    words: &'static [&'static str],
}

/// The kind a caller named: one of ours when it means one, else as it was written.
pub(super) fn named(given: &str) -> Option<String> {
    let name = words::normalise(given);
    if name.is_empty() {
        return None;
    }
    let code = name.replace(' ', "_");
    if code == GENERAL || KINDS.iter().any(|kind| kind.code == code) {
        return Some(code);
    }
    let meant = KINDS.iter().find(|kind| words::any(&name, kind.names));
    Some(meant.map_or_else(|| given.trim().chars().take(OWN_CHARS).collect(), |kind| kind.code.to_owned()))
}

/// The kind most words speak for.
pub(super) fn voted<'a>(texts: impl IntoIterator<Item = &'a str>) -> &'static str {
    let mut votes = KINDS.map(|kind| (kind, 0_usize));
    for text in texts {
        let text = words::normalise(text);
        for (kind, votes) in &mut votes {
            *votes += kind.words.iter().map(|word| words::occurrences(&text, word).count()).sum::<usize>();
        }
    }
    // Of equals `max_by_key` takes the last, so the first comes last.
    let winner = votes.iter().rev().max_by_key(|(_, votes)| *votes);
    winner.filter(|(_, votes)| *votes > 0).map_or(GENERAL, |(kind, _)| kind.code)
}

#[cfg(test)]
mod tests {
    use super::{KINDS, named, voted};
    use crate::words::normalise;

    #[test]
    fn every_word_is_normalised() {
        for word in KINDS.iter().flat_map(|kind| kind.names.iter().chain(kind.words)) {
            assert_eq!(*word, normalise(word));
        }
    }

    #[test]
    fn names_are_understood_in_both_languages_and_others_kept() {
        assert_eq!(named("skin").as_deref(), Some("skin"));
        assert_eq!(named("Follow-Up").as_deref(), Some("follow_up"));
        assert_eq!(named("皮肤咨询").as_deref(), Some("skin"));
        assert_eq!(named("general").as_deref(), Some("general"));
        assert_eq!(named(" 口腔 ").as_deref(), Some("口腔"));
        assert_eq!(named("  "), None);
    }

    #[test]
    fn the_most_words_win() {
        assert_eq!(voted(["客户想打玻尿酸填充法令纹，皮肤偏干"]), "injection");
        assert_eq!(voted(["色斑明显，毛孔粗大，皮肤暗沉"]), "skin");
        assert_eq!(voted(["asked about pico laser and IPL for her skin"]), "laser");
        assert_eq!(voted(["术后复诊，恢复情况良好"]), "follow_up");
        assert_eq!(voted(["你好", "谢谢"]), "general");
    }

    #[test]
    fn a_complaint_wins_a_draw() {
        assert_eq!(voted(["要求退款", "激光"]), "complaint");
    }
}
