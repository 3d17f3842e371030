//! The words by which a sentence of a consultation shows what it is about, in Chinese and English.
//!
//! Weights order the kinds: safety before decision and next step, these before the rest, a date least. A word that
//! is not listed here means nothing to the summary.

/// What a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Safety,
    Decision,
    Next,
    Concern,
    Budget,
    Advice,
    Result,
    Date,
}

/// Signals with their weight and their words, all normalised.
pub(super) const SIGNALS: [(Signal, u32, &[&str]); 8] = [
    (Signal::Safety, 6, &["过敏", "禁忌", "怀孕", "孕期", "备孕", "哺乳", "病史", "用药", "服药", "服用", "疤痕体质", "瘢痕体质", "高血压", "糖尿病", "心脏病", "凝血", "感染", "allergy", "allergies", "allergic", "contraindication", "contraindicated", "pregnant", "pregnancy", "breastfeeding", "medication", "keloid", "diabetes", "infection"]),
    (Signal::Decision, 4, &["决定", "同意", "确定", "选择", "选定", "下单", "签约", "签署", "定金", "拒绝", "放弃", "接受", "暂不", "考虑", "agreed", "agrees", "decided", "decides", "chose", "booked", "declined", "deposit", "accepted", "postponed", "consider"]),
    (Signal::Next, 4, &["下次", "下一步", "复诊", "随访", "回访", "复查", "安排", "跟进", "预约", "面诊", "next", "follow up", "appointment", "schedule", "scheduled", "call back", "come back", "return visit"]),
    (Signal::Concern, 3, &["色斑", "斑", "皱纹", "细纹", "痘", "松弛", "下垂", "毛孔", "暗沉", "红血丝", "黑眼圈", "眼袋", "法令纹", "希望", "想改善", "想做", "想要", "改善", "关注", "担心", "主诉", "诉求", "困扰", "concern", "concerned", "worried", "worries", "wants", "want", "hopes", "wishes", "improve", "wrinkle", "pigmentation", "acne", "sagging", "pore", "scar"]),
    (Signal::Budget, 3, &["预算", "价格", "费用", "报价", "优惠", "分期", "付款", "元", "¥", "budget", "price", "cost", "yuan", "rmb", "afford", "discount", "instalment", "installment", "paid"]),
    (Signal::Advice, 3, &["建议", "推荐", "方案", "疗程", "注意", "避免", "防晒", "recommend", "recommended", "suggest", "suggested", "plan", "course", "session", "avoid", "sunscreen"]),
    (Signal::Result, 3, &["效果", "满意", "不满", "投诉", "疼", "红肿", "肿胀", "淤青", "副作用", "恢复", "result", "satisfied", "unhappy", "complaint", "complained", "pain", "swelling", "bruising", "side effect", "recovered"]),
    (Signal::Date, 1, &["今天", "明天", "后天", "下周", "下个月", "本周", "周末", "个月", "天后", "月", "日", "号", "周", "tomorrow", "next week", "next month", "week", "month", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]),
];

#[cfg(test)]
mod tests {
    use super::SIGNALS;
    use crate::words::normalise;

    #[test]
    fn every_word_is_normalised() {
        for word in SIGNALS.iter().flat_map(|(_, _, words)| *words) {
            assert_eq!(*word, normalise(word));
        }
    }
}
