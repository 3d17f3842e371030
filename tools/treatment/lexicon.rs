//! The words by which feedback is understood, in both languages.
//!
//! Data only; the files that use a list say what it decides. Normalised. Not formatted by rustfmt, so that a list stays
//! readable.

/// Words that turn a thing down.
pub(super) const NEGATIVE: &[&str] = &[
    "不要", "不想", "不做", "不用", "不需要", "不必", "不喜欢", "不能", "不打", "不考虑", "不接受", "去掉", "去除", "删掉", "删除", "排除", "取消", "拿掉", "换掉", "避免", "拒绝", "别做", "别打", "别用", "别给", "别安排", "害怕", "怕", "疼", "痛",
    "without", "remove", "exclude", "drop", "skip", "avoid", "no", "not", "don't", "dont", "do not", "hate", "get rid of", "instead of", "rather than", "cancel", "afraid", "pain", "painful", "hurts", "never",
];
/// Words after which a concern no longer matters. Narrow: "no improvement of my wrinkles" is about wrinkles.
pub(super) const NO_LONGER: &[&str] = &[
    "不用管", "不管", "不用治", "不治", "不再", "不需要", "不在意", "不关心", "不要", "不用", "先不", "don't care", "no longer", "not worried", "skip", "drop", "ignore", "forget", "remove", "no need",
];
/// Categories whose names are parts of the body, and no word against them.
pub(super) const BODY_PARTS: &[&str] = &["skin", "body", "hair"];
/// What stands before 过敏 or allergy and is no allergen.
pub(super) const NO_ALLERGEN: &[&str] = &["容易", "会", "皮肤", "不", "没有", "无", "怕", "no", "an", "any", "have", "the", "my", "known", "skin"];
/// Words that ask for a thing.
pub(super) const POSITIVE: &[&str] = &[
    "加", "加上", "增加", "想要", "想做", "要做", "换成", "改成", "改做", "换做", "保留", "还要", "希望", "最好有", "试试", "喜欢", "add", "include", "want", "would like", "like", "prefer", "keep", "switch to", "use", "try",
];
/// Words that put a concern before the others.
pub(super) const FIRST: &[&str] = &[
    "主要", "其实", "重点", "更想", "优先", "首先", "最想", "更在意", "更关心", "最在意", "换成", "改成", "instead", "rather", "mainly", "focus", "priority", "prioritise", "prioritize", "more concerned", "first",
];
/// Words that make a clause about improvement even when it also speaks of health.
pub(super) const IMPROVE: &[&str] = &["改善", "想", "希望", "治疗", "improve", "want", "treat"];
/// Words between what goes and what comes: `A 换成 B`, `replace A with B`.
pub(super) const EXCHANGE: &[&str] = &["换成", "换为", "改成", "改为", "改做", "换做", "替换成", "替换为", "with", "to"];
/// The same the other way round: `B instead of A`.
pub(super) const REVERSED: &[&str] = &["instead of", "rather than", "代替", "而不是"];
/// Painless things, whose words contain those for pain.
pub(super) const PAINLESS: &[&str] = &["不疼", "不痛", "无痛", "不怕", "没有痛", "painless", "no pain", "not painful"];
/// Words for "too much money".
pub(super) const EXPENSIVE: &[&str] = &[
    "贵", "便宜", "省钱", "省点", "超预算", "超出预算", "超过预算", "预算有限", "预算不够", "预算太高", "降价", "价格太高", "价格高", "费用太高", "费用高", "负担不起",
    "expensive", "cheaper", "cheap", "costly", "too much money", "over budget", "over my budget", "afford", "lower price", "lower cost", "lower the price", "lower the cost", "less money", "reduce cost", "reduce the cost", "save money", "pricey",
];
/// A price or cost that is this is too much.
pub(super) const HIGH: &[&str] = &["太高", "有点高", "偏高", "很高", "好高", "too high", "a bit high", "too much"];
/// Words that make a clause one about money.
pub(super) const MONEY: &[&str] = &["预算", "价", "费用", "花", "钱", "总价", "budget", "price", "cost", "spend", "pay", "yuan", "rmb"];
/// Words that make a clause one about recovery.
pub(super) const RECOVERY: &[&str] = &[
    "恢复", "停工", "误工", "休息", "红肿", "结痂", "肿", "请假", "downtime", "down time", "recover", "recovery", "time off", "days off", "swelling", "healing", "heal",
];
/// No recovery at all.
pub(super) const NO_RECOVERY: &[&str] = &["没有恢复期", "无恢复期", "零恢复", "免恢复", "不能有恢复期", "不要恢复期", "不想有恢复期", "随做随走", "no downtime", "no recovery", "zero downtime", "without downtime"];
/// Recovery or length that is not as wished.
pub(super) const LONG: &[&str] = &["长", "久", "短", "快", "慢", "不能请假", "没时间", "long", "short", "shorter", "faster", "quick", "quicker", "less", "reduce", "slow"];
/// Too many sessions.
pub(super) const FEWER: &[&str] = &["次数太多", "太多次", "次数多", "少几次", "减少次数", "次数少", "少跑", "次数减少", "少一些次数", "少做几次", "少来几次", "fewer", "less session", "less visit", "too many session", "too many visit", "too many treatment", "too many times", "reduce the number"];
/// Words that make a span of time one of the whole plan.
pub(super) const LENGTH: &[&str] = &["疗程", "周期", "总时长", "完成", "做完", "结束", "全程", "时间", "内", "之前", "finish", "done", "complete", "duration", "course", "within", "plan", "whole"];
/// A number beside one of these is a limit.
pub(super) const LIMIT: &[&str] = &[
    "预算", "以内", "不超过", "不要超过", "不能超过", "最多", "控制", "之内", "以下", "只有", "只能", "改成", "改为", "降到", "降至", "提高到", "增加到", "到", "under", "below", "within", "at most", "max", "maximum", "no more than", "up to", "budget", "only", "less than", "down to", "reduce to", "lower to", "raise to", "increase to",
];
/// A number beside one of these is what is too much.
pub(super) const TOO: &[&str] = &["太", "过于", "有点", "偏", "too", "a bit"];
/// The limit is lifted.
pub(super) const NO_LIMIT: &[&str] = &["不限", "不是问题", "没有上限", "无上限", "无所谓", "no limit", "unlimited", "no problem", "not a problem", "doesn't matter"];
/// An amount beside one of these is a difference …
pub(super) const RELATIVE: &[&str] = &["便宜", "减", "省", "降", "少花", "cheaper", "less", "reduce", "save", "lower", "off"];
/// … unless one of these stands there too.
pub(super) const ABSOLUTE: &[&str] = &["到", "至", "以内", "不超过", "预算", "以下", "to", "under", "below", "budget", "within", "than", "at most"];
/// The effect is to be stronger.
pub(super) const STRONGER: &[&str] = &[
    "效果更好", "更好的效果", "效果更强", "更强", "加强", "效果不够", "不够明显", "效果不明显", "不明显", "更明显", "效果太弱", "太弱", "没效果", "没有效果", "效果差", "改善不够", "没改善", "没有改善", "力度不够", "力度大",
    "stronger", "better result", "better effect", "more effective", "not effective", "more visible", "not enough effect", "too weak", "not strong enough", "more intensive", "no effect", "no improvement", "not improved", "faster result",
];
/// Said to be polite; short clauses with one of these need no understanding.
pub(super) const COURTESY: &[&str] = &["谢谢", "您好", "你好", "好的", "麻烦", "满意", "不错", "可以", "thank", "hello", "hi", "please", "good", "ok", "fine", "great"];
/// The customer is under age.
pub(super) const MINOR: &[&str] = &["未成年", "underage", "a minor"];
