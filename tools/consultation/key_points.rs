//! Key points: the sentences of a consultation that somebody will need again.
//!
//! Extractive, without a model: fields that were filled in on purpose count as they are; of the running text every
//! sentence is scored by the kinds of signal words in it (safety before decision and next step, these before concern,
//! budget, advice and result, a date least), the best are kept, once each, in the order in which they were said. It
//! never rewords and never adds: a key point is always the caller's own text.

use super::{
    given::Given,
    signals::{SIGNALS, Signal},
};
use crate::words;

/// As many key points as fit on a card.
const MOST: usize = 8;
/// Longest key point.
const POINT_CHARS: usize = 120;
/// A longer sentence is judged clause by clause.
const SENTENCE_CHARS: usize = 80;
/// Of running text beyond so many sentences nothing more is read: a summary of a novel is no summary.
const MOST_SENTENCES: usize = 600;
/// Weight from which on a sentence is a key point: a date alone is none.
const LEAST_WEIGHT: u32 = 2;
/// Weight of a field filled in on purpose: above any sentence.
const FIELD_WEIGHT: u32 = 100;
/// Two points as alike as this say the same.
const ALIKE: f64 = 0.8;
/// Without any signal the first sentences stand for the text.
const FALLBACK: usize = 2;

struct Point {
    weight: u32,
    text: String,
    /// Letters and digits alone, to compare.
    bare: String,
}

/// The key points of a consultation, in the order of its data.
pub(super) fn extract(given: &Given) -> Vec<String> {
    let mut points: Vec<Point> = fields("主诉", &given.concerns).into_iter().collect();
    let prose = given.prose();
    let sentences: Vec<&str> = prose.iter().flat_map(|text| sentences(text)).take(MOST_SENTENCES).collect();
    points.extend(sentences.iter().map(|text| point(weight(text), text)));
    points.extend(fields("建议", &given.recommendations));
    points.extend(given.outcome.iter().filter_map(|text| fields("结果", std::slice::from_ref(text))));
    points.extend(fields("下一步", &given.next_steps));
    if points.iter().all(|point| point.weight < LEAST_WEIGHT) {
        points.iter_mut().take(FALLBACK).for_each(|point| point.weight = LEAST_WEIGHT);
    }
    best(points)
}

/// Whether any sentence of the data is about one of these.
pub(super) fn speaks_of(given: &Given, signals: &[Signal]) -> bool {
    given.prose().iter().any(|text| {
        let text = words::normalise(text);
        SIGNALS.iter().any(|(signal, _, known)| signals.contains(signal) && words::any(&text, known))
    })
}

fn fields(name: &str, values: &[String]) -> Option<Point> {
    let values: Vec<&str> = values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    (!values.is_empty()).then(|| point(FIELD_WEIGHT, &format!("{name}：{}", values.join("；"))))
}

fn point(weight: u32, text: &str) -> Point {
    let mut cut: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(POINT_CHARS).collect();
    if text.chars().count() > POINT_CHARS {
        cut.push('…');
    }
    let bare = words::normalise(text).chars().filter(|letter| letter.is_alphanumeric()).collect();
    Point { weight, text: cut, bare }
}

fn weight(sentence: &str) -> u32 {
    let sentence = words::normalise(sentence);
    let kinds = SIGNALS.iter().filter(|(_, _, known)| words::any(&sentence, known));
    kinds.map(|(_, weight, _)| weight).sum()
}

/// The heaviest points, each once, in their own order.
fn best(points: Vec<Point>) -> Vec<String> {
    let mut heaviest: Vec<(usize, Point)> = points.into_iter().enumerate().filter(|(_, point)| point.weight >= LEAST_WEIGHT).collect();
    heaviest.sort_by_key(|(at, point)| (std::cmp::Reverse(point.weight), *at));
    let mut kept: Vec<(usize, Point)> = Vec::with_capacity(MOST);
    for (at, point) in heaviest {
        if kept.len() == MOST {
            break;
        }
        if !point.bare.is_empty() && !kept.iter().any(|(_, other)| says_the_same(&other.bare, &point.bare)) {
            kept.push((at, point));
        }
    }
    kept.sort_by_key(|(at, _)| *at);
    kept.into_iter().map(|(_, point)| point.text).collect()
}

fn says_the_same(kept: &str, new: &str) -> bool {
    let (short, long) = if kept.len() < new.len() { (kept, new) } else { (new, kept) };
    let alike_in_length = short.len() * 2 > long.len();
    kept.contains(new) || (alike_in_length && words::similarity(kept, new) >= ALIKE)
}

/// The sentences of a text; a long one in clauses. Bullets and numbers in front of a line are dropped.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines().map(unnumbered) {
        for sentence in line.split(['。', '！', '？', '!', '?', '；', ';']).flat_map(|part| part.split(". ")) {
            if sentence.chars().count() > SENTENCE_CHARS {
                found.extend(sentence.split('，').flat_map(|clause| clause.split(", ")));
            } else {
                found.push(sentence);
            }
        }
    }
    let trimmed = found.into_iter().map(|sentence| sentence.trim().trim_end_matches('.'));
    trimmed.filter(|sentence| !sentence.is_empty()).collect()
}

/// `1. …`, `2、…`, `3）…` and `- …` without what stands in front.
fn unnumbered(line: &str) -> &str {
    let line = line.trim_start_matches(|letter: char| letter.is_whitespace() || "-*•·#".contains(letter));
    let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = line.len() - rest.len();
    let unnumbered =
        rest.strip_prefix("、").or_else(|| rest.strip_prefix('）')).or_else(|| rest.strip_prefix(") ")).or_else(|| rest.strip_prefix(". "));
    match unnumbered {
        Some(rest) if (1..=2).contains(&digits) => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Signal, extract, sentences, speaks_of};
    use crate::consultation::given::Given;

    fn given(value: serde_json::Value) -> Given {
        Given::read(value).unwrap()
    }

    #[test]
    fn small_talk_is_left_out_and_facts_are_kept_in_order() {
        let points = extract(&given(json!({
            "notes": "您好，欢迎光临。客户主诉两颊色斑三年。今天天气不错！对利多卡因过敏。预算约5000元。\n建议光子嫩肤3次疗程。客户决定先做一次。谢谢您",
        })));
        assert_eq!(points, ["客户主诉两颊色斑三年", "对利多卡因过敏", "预算约5000元", "建议光子嫩肤3次疗程", "客户决定先做一次"]);
    }

    #[test]
    fn english_is_read_too() {
        let points = extract(&given(json!(
            "Hello there. She is allergic to lidocaine. Her budget is 5,000 yuan. Nice weather. Next appointment in two weeks."
        )));
        assert_eq!(points, ["She is allergic to lidocaine", "Her budget is 5,000 yuan", "Next appointment in two weeks"]);
    }

    #[test]
    fn fields_filled_in_on_purpose_come_with_their_names() {
        let points = extract(&given(json!({
            "concerns": ["色斑", "毛孔粗大"], "recommendations": ["光子嫩肤"], "outcome": "已付定金", "next_steps": ["6月1日到店"], "notes": "对阿司匹林过敏",
        })));
        assert_eq!(points, ["主诉：色斑；毛孔粗大", "对阿司匹林过敏", "建议：光子嫩肤", "结果：已付定金", "下一步：6月1日到店"]);
    }

    #[test]
    fn repetitions_are_said_once() {
        let points = extract(&given(json!({
            "notes": "客户对利多卡因过敏。", "messages": [{"text": "客户对利多卡因过敏！"}, {"text": "对利多卡因过敏"}, {"text": "预算5000元"}],
        })));
        assert_eq!(points, ["客户对利多卡因过敏", "预算5000元"]);
    }

    #[test]
    fn of_many_the_weightiest_eight_are_kept() {
        let topics = ["额头", "眼周", "脸颊", "鼻翼", "下巴", "颈部", "手背", "肩背", "腰腹", "小腿"];
        let notes = format!("{}皱纹困扰多年。另外青霉素过敏。", topics.join("皱纹困扰多年。"));
        let points = extract(&given(json!({"notes": notes})));
        assert_eq!(points.len(), 8);
        assert_eq!(points.last().unwrap(), "另外青霉素过敏", "safety is never crowded out");
    }

    #[test]
    fn a_long_sentence_is_judged_by_its_clauses() {
        let filler = "我们先是聊了聊最近的生活和工作还有旅行的见闻".repeat(3);
        let points = extract(&given(json!({"notes": format!("{filler}，对海鲜过敏，{filler}")})));
        assert_eq!(points, ["对海鲜过敏"]);
    }

    #[test]
    fn without_signals_the_first_sentences_stand_for_the_text() {
        assert_eq!(extract(&given(json!({"notes": "甲。乙。丙"}))), ["甲", "乙"]);
    }

    #[test]
    fn a_point_is_cut_and_on_one_line() {
        let points = extract(&given(json!({"outcome": format!("同意\t{}", "很".repeat(300))})));
        assert_eq!(points[0].chars().count(), 121);
        assert!(!points[0].contains('\t'));
    }

    #[test]
    fn bullets_and_numbers_are_dropped_and_amounts_kept() {
        assert_eq!(sentences("1. 预算 3.5 万\n- 对麻药过敏\n2、复诊\n3次疗程"), ["预算 3.5 万", "对麻药过敏", "复诊", "3次疗程"]);
    }

    #[test]
    fn topics_are_recognised() {
        let data = given(json!({"notes": "下周复诊"}));
        assert!(speaks_of(&data, &[Signal::Next]));
        assert!(!speaks_of(&data, &[Signal::Concern, Signal::Safety]));
    }
}
