//! Concerns as customers name them, matched with what a service says it treats.
//!
//! Words for the same thing share a key (`雀斑` and `freckles` are 色斑); any other word is its own key, so that a clinic
//! may use words this file has never seen. What it cannot match it leaves unmatched: no concern is guessed.

use crate::{port::Service, words};

/// Words for the same concern. The first is its key.
const GROUPS: &[&[&str]] = &[
    &[
        "色斑",
        "斑点",
        "祛斑",
        "淡斑",
        "雀斑",
        "晒斑",
        "老年斑",
        "长斑",
        "色沉",
        "色素沉着",
        "pigmentation",
        "dark spot",
        "spot",
        "freckle",
        "sun spot",
    ],
    &["黄褐斑", "melasma", "chloasma"],
    &[
        "皱纹",
        "细纹",
        "抗皱",
        "除皱",
        "祛皱",
        "鱼尾纹",
        "抬头纹",
        "川字纹",
        "眉间纹",
        "干纹",
        "wrinkle",
        "fine line",
        "crow's feet",
        "frown line",
        "forehead line",
    ],
    &["法令纹", "泪沟", "凹陷", "nasolabial fold", "tear trough", "volume loss", "填充"],
    &[
        "松弛",
        "下垂",
        "提拉",
        "紧致",
        "抗衰",
        "法令纹松弛",
        "sagging",
        "laxity",
        "loose skin",
        "lifting",
        "firming",
        "anti aging",
        "anti ageing",
    ],
    &["痘痘", "痤疮", "粉刺", "青春痘", "闭口", "黑头", "acne", "pimple", "blackhead", "breakout"],
    &["痘印", "痘疤", "痘坑", "acne scar", "acne mark"],
    &["毛孔粗大", "毛孔", "pore", "enlarged pore"],
    &["暗沉", "肤色不均", "美白", "提亮", "嫩肤", "发黄", "dullness", "dull skin", "uneven tone", "brightening", "whitening"],
    &["红血丝", "泛红", "敏感泛红", "玫瑰痤疮", "redness", "rosacea", "red vein"],
    &["干燥", "缺水", "补水", "保湿", "dryness", "dehydration", "hydration", "dry skin"],
    &["出油", "控油", "油光", "oiliness", "oily skin"],
    &["咬肌肥大", "瘦脸", "咬肌", "大脸", "masseter", "face slimming", "jaw slimming"],
    &["双下巴", "下颌缘", "double chin", "jawline"],
    &["局部脂肪", "脂肪", "减脂", "塑形", "瘦身", "吸脂", "腰腹", "body contouring", "body fat", "fat reduction", "slimming"],
    &["多毛", "脱毛", "体毛", "腋毛", "hair removal", "unwanted hair"],
    &["脱发", "发际线", "植发", "hair loss", "hairline"],
    &["疤痕", "瘢痕", "祛疤", "scar"],
    &["妊娠纹", "生长纹", "stretch mark"],
    &["眼袋", "eye bag", "under eye bag"],
    &["黑眼圈", "dark circle"],
    &["单眼皮", "双眼皮", "眼皮", "double eyelid", "eyelid"],
    &["鼻梁低", "隆鼻", "鼻型", "塌鼻", "鼻子", "nose", "rhinoplasty"],
    &["唇部", "丰唇", "嘴唇", "lip"],
    &["多汗", "腋臭", "狐臭", "sweating", "hyperhidrosis"],
    &["纹身", "洗纹身", "tattoo"],
    &["痣", "点痣", "mole"],
];

/// A concern to be treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Concern {
    /// What is compared.
    pub(crate) key: String,
    /// What is shown: the customer's own word.
    pub(crate) label: String,
}

/// The concerns one phrase names: the known ones in it, or the phrase itself.
pub(crate) fn read(phrase: &str) -> Vec<Concern> {
    words::pieces(phrase)
        .flat_map(|piece| {
            let keys = known(&words::normalise(piece));
            match keys.as_slice() {
                [] => vec![Concern { key: words::normalise(piece), label: piece.to_owned() }],
                [key] => vec![Concern { key: (*key).to_owned(), label: piece.to_owned() }],
                _ => keys.iter().map(|key| Concern { key: (*key).to_owned(), label: (*key).to_owned() }).collect(),
            }
        })
        .collect()
}

/// The concerns of a list, each once, in its order.
pub(crate) fn read_all<'a>(phrases: impl IntoIterator<Item = &'a String>) -> Vec<Concern> {
    let mut found: Vec<Concern> = Vec::new();
    for concern in phrases.into_iter().flat_map(|phrase| read(phrase)) {
        if !found.iter().any(|other| other.key == concern.key) {
            found.push(concern);
        }
    }
    found
}

/// Whether a service says it treats this concern.
pub(crate) fn treated_by(concern: &Concern, service: &Service) -> bool {
    service.treats.iter().any(|text| {
        let text = words::normalise(text);
        text == concern.key || known(&text).contains(&concern.key.as_str()) || overlaps(&text, &concern.key)
    })
}

/// Whether a text (normalised) holds a word for a known concern.
pub(crate) fn is_known(text: &str) -> bool {
    !known(text).is_empty()
}

/// A word outside every group also matches a longer or shorter form of itself (`手部` and `手部护理`).
fn overlaps(text: &str, key: &str) -> bool {
    let contains = |text: &str, word: &str| word.chars().count() > 1 && words::find(text, word).is_some();
    known(text).is_empty() && known(key).is_empty() && (contains(text, key) || contains(key, text))
}

/// The concerns that free speech mentions, among the known ones and those the catalogue treats.
pub(crate) fn mentioned(text: &str, services: &[Service]) -> Vec<Concern> {
    let text = words::normalise(text);
    let mut found: Vec<Concern> = known(&text).into_iter().map(|key| Concern { key: key.to_owned(), label: key.to_owned() }).collect();
    for treats in services.iter().flat_map(|service| &service.treats) {
        let word = words::normalise(treats);
        let new = known(&word).is_empty() && !found.iter().any(|concern| concern.key == word);
        if new && word.chars().count() > 1 && words::find(&text, &word).is_some() {
            found.push(Concern { key: word, label: treats.clone() });
        }
    }
    found
}

/// Keys of the groups with a word in `text` (normalised), in the text's order; of overlapping words the longest counts.
fn known(text: &str) -> Vec<&'static str> {
    let mut places: Vec<(usize, usize, &'static str)> = Vec::new();
    for group in GROUPS {
        let Some(key) = group.first() else { continue };
        for word in *group {
            places.extend(words::occurrences(text, word).map(|place| (place.start, place.end, *key)));
        }
    }
    places.sort_by_key(|&(start, end, _)| (std::cmp::Reverse(end - start), start));
    let mut kept: Vec<(usize, usize, &'static str)> = Vec::new();
    for place in places {
        if kept.iter().all(|other| place.1 <= other.0 || other.1 <= place.0) {
            kept.push(place);
        }
    }
    kept.sort_unstable();
    let mut keys = Vec::new();
    for (_, _, key) in kept {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, mentioned, read, read_all, treated_by};
    use crate::{port::Service, words::normalise};

    fn service(treats: &[&str]) -> Service {
        Service { treats: treats.iter().map(ToString::to_string).collect(), ..Service::default() }
    }

    fn treats(service: &Service, phrase: &str) -> bool {
        read(phrase).iter().any(|concern| treated_by(concern, service))
    }

    #[test]
    fn every_word_is_normalised_and_leads_to_its_own_group() {
        for group in GROUPS {
            for word in *group {
                assert_eq!(*word, normalise(word));
                assert_eq!(read(word)[0].key, group[0], "{word}");
            }
        }
    }

    #[test]
    fn words_for_the_same_thing_match_and_others_do_not() {
        let spots = service(&["色斑", "暗沉"]);
        assert!(treats(&spots, "脸上有雀斑"));
        assert!(treats(&spots, "Freckles"));
        assert!(treats(&spots, "dark spots"));
        assert!(!treats(&spots, "黄褐斑"), "melasma is not treated like other spots");
        assert!(!treats(&spots, "皱纹"));
        assert!(treats(&service(&["手部护理"]), "手部"));
    }

    #[test]
    fn a_phrase_with_two_concerns_is_two_and_repeats_are_one() {
        let phrases = ["色斑和毛孔粗大".to_owned(), "雀斑".to_owned()];
        let keys: Vec<_> = read_all(&phrases).into_iter().map(|concern| concern.key).collect();
        assert_eq!(keys, ["色斑", "毛孔粗大"]);
        assert_eq!(read("痘印")[0].key, "痘印", "the longest word counts");
    }

    #[test]
    fn speech_mentions_known_concerns_and_those_of_the_catalogue() {
        let services = [service(&["手部护理"])];
        let found = mentioned("其实更想改善细纹，还有手部护理", &services);
        assert_eq!(found.iter().map(|concern| concern.key.as_str()).collect::<Vec<_>>(), ["皱纹", "手部护理"]);
        assert!(mentioned("太贵了", &services).is_empty());
    }
}
