//! The safety vocabulary: every tag with the words for it, and the words of denial.
//!
//! Data only; [`super::tags`] says how it is read. A new tag is one line here. Not formatted by rustfmt, so that an
//! entry stays a line.

/// What kind of fact a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A substance: in free speech it counts only beside a word for allergy.
    Allergen,
    /// A state of health: it counts wherever it is said.
    Condition,
}

/// One entry of the vocabulary.
#[derive(Debug)]
pub(crate) struct Tag {
    /// The tag, as stored and as listed in a service's contraindications.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Chinese name shown to people.
    pub(crate) label: &'static str,
    /// How it is said; normalised. The name itself needs no repeating.
    pub(crate) words: &'static [&'static str],
}

const fn allergen(name: &'static str, label: &'static str, words: &'static [&'static str]) -> Tag {
    Tag { name, kind: Kind::Allergen, label, words }
}

const fn condition(name: &'static str, label: &'static str, words: &'static [&'static str]) -> Tag {
    Tag { name, kind: Kind::Condition, label, words }
}

/// Every tag the tools know.
pub(crate) const TAGS: &[Tag] = &[
    allergen("lidocaine", "利多卡因过敏", &["利多卡因", "麻药", "麻醉药", "麻醉剂", "局麻", "麻膏", "局部麻醉", "local anesthetic", "local anaesthetic", "numbing cream", "anesthesia", "anaesthesia"]),
    allergen("hyaluronic_acid", "透明质酸过敏", &["透明质酸", "玻尿酸", "hyaluronic", "hyaluronan", "hyaluronidase", "filler"]),
    allergen("botulinum", "肉毒素过敏", &["肉毒", "botulinum toxin", "botox", "dysport"]),
    allergen("collagen", "胶原过敏", &["胶原", "collagen"]),
    allergen("penicillin", "青霉素过敏", &["青霉素", "盘尼西林", "阿莫西林", "amoxicillin"]),
    allergen("cephalosporin", "头孢过敏", &["头孢", "cephalosporins", "cefalosporin"]),
    allergen("sulfonamide", "磺胺过敏", &["磺胺", "sulfa", "sulpha"]),
    allergen("latex", "乳胶过敏", &["乳胶", "橡胶", "rubber"]),
    allergen("iodine", "碘过敏", &["碘", "povidone"]),
    allergen("alcohol", "酒精过敏", &["酒精", "乙醇", "ethanol"]),
    allergen("egg", "鸡蛋过敏", &["鸡蛋", "蛋类", "蛋清"]),
    allergen("soy", "大豆过敏", &["大豆", "豆制品", "soya", "soybean"]),
    allergen("fish", "鱼类过敏", &["鱼", "鱼类", "三文鱼", "海鲜", "salmon", "seafood"]),
    allergen("bee_venom", "蜂毒过敏", &["蜂毒", "蜂胶", "bee", "propolis"]),
    allergen("salicylic_acid", "水杨酸过敏", &["水杨酸", "阿司匹林", "salicylate", "aspirin"]),
    allergen("fruit_acid", "果酸过敏", &["果酸", "甘醇酸", "glycolic acid", "aha"]),
    allergen("metal", "金属过敏", &["金属", "镍", "nickel"]),
    condition("pregnancy", "孕期或备孕", &["怀孕", "孕期", "孕妇", "妊娠", "备孕", "有孕", "早孕", "怀了", "pregnant", "expecting a baby", "trying to conceive"]),
    condition("breastfeeding", "哺乳期", &["哺乳", "母乳", "喂奶", "breast feeding", "lactation", "lactating", "nursing"]),
    condition("keloid", "瘢痕体质", &["瘢痕体质", "疤痕体质", "瘢痕疙瘩", "疤痕疙瘩", "疤痕增生", "瘢痕增生", "hypertrophic scar"]),
    condition("photosensitivity", "光敏", &["光敏", "光过敏", "日光过敏", "紫外线过敏", "photosensitive", "sun allergy", "light sensitive"]),
    condition("autoimmune", "自身免疫病", &["自身免疫", "免疫性疾病", "红斑狼疮", "狼疮", "类风湿", "硬皮病", "皮肌炎", "lupus", "rheumatoid", "scleroderma", "auto immune"]),
    condition("bleeding_disorder", "凝血障碍", &["凝血", "血友病", "血小板减少", "出血倾向", "紫癜", "hemophilia", "haemophilia", "bleeding", "clotting", "coagulation", "thrombocytopenia"]),
    condition("anticoagulant", "服用抗凝药", &["抗凝", "华法林", "利伐沙班", "氯吡格雷", "warfarin", "rivaroxaban", "clopidogrel", "blood thinner", "anticoagulation"]),
    condition("diabetes", "糖尿病", &["糖尿病", "血糖高", "高血糖", "胰岛素", "diabetic", "insulin"]),
    condition("hypertension", "高血压", &["高血压", "血压高", "high blood pressure"]),
    condition("heart_disease", "心脏病", &["心脏病", "冠心病", "心律不齐", "心律失常", "心衰", "心梗", "heart disease", "cardiac", "arrhythmia"]),
    condition("pacemaker", "心脏起搏器", &["起搏器", "除颤器", "defibrillator", "icd"]),
    condition("metal_implant", "体内金属植入物", &["金属植入", "钢板", "钢钉", "支架", "metal plate", "stent"]),
    condition("skin_infection", "皮肤感染", &["皮肤感染", "活动性疱疹", "疱疹", "脓疱", "皮肤炎症", "毛囊炎", "伤口感染", "感染", "herpes", "cold sore", "infection", "impetigo"]),
    condition("eczema", "湿疹或皮炎", &["湿疹", "皮炎", "dermatitis"]),
    condition("psoriasis", "银屑病", &["银屑病", "牛皮癣"]),
    condition("vitiligo", "白癜风", &["白癜风"]),
    condition("sensitive_skin", "敏感性皮肤", &["敏感肌", "敏感性皮肤", "敏感皮肤", "皮肤敏感", "sensitive"]),
    condition("dark_skin", "深肤色（V–VI 型）", &["深肤色", "黑皮", "fitzpatrick v", "fitzpatrick vi"]),
    condition("recent_sun_exposure", "近期暴晒", &["暴晒", "晒伤", "日晒", "sunburn", "sunburnt", "tanned"]),
    condition("isotretinoin", "近期服用异维A酸", &["异维a酸", "维a酸", "泰尔丝", "accutane", "roaccutane", "tretinoin"]),
    condition("epilepsy", "癫痫", &["癫痫", "羊癫疯", "seizure", "epileptic"]),
    condition("neuromuscular", "神经肌肉病", &["重症肌无力", "肌无力", "神经肌肉", "肌萎缩", "myasthenia", "als"]),
    condition("cancer", "肿瘤", &["肿瘤", "癌", "化疗", "放疗", "tumor", "tumour", "chemotherapy", "radiotherapy"]),
    condition("immunosuppression", "免疫抑制", &["免疫抑制", "免疫力低下", "艾滋", "器官移植", "immunosuppressed", "immunosuppressant", "hiv", "transplant"]),
    condition("liver_disease", "肝病", &["肝病", "肝炎", "肝硬化", "hepatitis", "cirrhosis"]),
    condition("kidney_disease", "肾病", &["肾病", "肾炎", "肾功能不全", "肾衰", "renal", "kidney failure"]),
    condition("thyroid", "甲状腺疾病", &["甲状腺", "甲亢", "甲减", "hyperthyroidism", "hypothyroidism"]),
    condition("asthma", "哮喘", &["哮喘", "asthmatic"]),
    condition("mental_illness", "精神类疾病", &["精神疾病", "精神分裂", "躁郁", "体象障碍", "psychosis", "schizophrenia", "body dysmorphic"]),
    condition("menstruation", "经期", &["月经期", "经期", "生理期", "on my period"]),
    condition("dry_eye", "干眼症", &["干眼", "dry eyes"]),
    condition("recent_surgery", "近期手术", &["近期手术", "刚做完手术", "recent operation"]),
];

/// What people write when there is nothing to write.
pub(super) const NOTHING: &[&str] = &[
    "无", "没有", "暂无", "无过敏", "无过敏史", "没有过敏", "没有过敏史", "不过敏", "否认", "无病史", "无特殊", "健康", "none", "no", "nil", "n a", "na",
    "nothing", "no allergy", "no allergies", "no known allergies", "nka", "nkda", "healthy", "false",
];
/// What stands before a denied word.
pub(super) const DENIED_BEFORE: &[&str] = &[
    "没有", "没", "无", "未", "否认", "不是", "不", "非", "没有对", "不对", "未见", "not", "no", "without", "denies", "never", "no history of", "not allergic to", "no allergy to",
];
/// Questions and doubts end like denials and are none: what is in doubt counts as said.
pub(super) const DOUBTED_BEFORE: &[&str] = &["是不是", "有没有", "是否", "可能", "whether or not", "why not"];
/// Everyday words that contain a safety word and mean something else.
pub(super) const FALSE_FRIENDS: &[&str] = &["妊娠纹", "鱼尾纹", "日晒斑", "晒伤斑", "胶原流失", "胶原蛋白流失", "胶原再生"];
/// What stands after a denied word.
pub(super) const DENIED_AFTER: &[&str] = &["不过敏", "无过敏", "没有过敏", "也不过敏", "阴性", "negative"];
