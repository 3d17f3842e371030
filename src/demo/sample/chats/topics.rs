//! What people write about before they come, turn by turn; each turn has several wordings.

/// A conversation in outline.
pub(super) struct Topic {
    pub(super) title: &'static str,
    /// Who speaks, and what they may say.
    pub(super) turns: &'static [Turn],
}

/// The sender's part, and wordings to choose from.
pub(super) type Turn = (&'static str, &'static [&'static str]);

pub(super) const WELCOME: Topic = Topic {
    title: "欢迎咨询",
    turns: &[
        (
            "ai",
            &[
                "您好{name}，欢迎来到安美！我是您的专属美丽顾问助手。请问您最近最想改善什么呢？",
                "{name}您好，欢迎加入安美～可以告诉我您的皮肤困扰，我来帮您了解合适的项目。",
                "您好，{name}！感谢注册安美。想先了解项目、价格还是预约面诊？",
            ],
        ),
        (
            "customer",
            &[
                "最近{concern}有点明显，想看看有什么项目",
                "你好，想咨询一下{concern}",
                "朋友推荐来的，主要是{concern}，不知道适合做什么",
                "在小红书上看到你们家{service}，想了解",
            ],
        ),
        (
            "ai",
            &[
                "针对{concern}，我们常做的是{service}，单次约{minutes}分钟。具体适不适合需要医生面诊后确定，您方便到店吗？",
                "明白了。{service}对{concern}比较对症，一般{sessions}次左右一个疗程，恢复期约{recovery}天。您有过敏史或正在用药吗？",
            ],
        ),
        ("customer", &["没做过医美，有点怕疼", "会不会很贵呀", "需要几次才有效果？", "没有过敏，皮肤偏敏感算吗"]),
        (
            "ai",
            &[
                "{service}单次参考价{low}–{high}元，具体以面诊方案为准。怕疼的话可以敷表面麻醉，医生会评估后操作。",
                "不用担心，我们会先做皮肤检测。价格区间是{low}–{high}元/次，首次到店有专属顾问全程陪同。",
            ],
        ),
        ("customer", &["好的，我考虑一下", "那我周末过来看看", "可以，帮我约个时间吧"]),
        (
            "consultant",
            &[
                "您好，我是您的顾问{consultant}，稍后给您发一份{service}的注意事项，有问题随时找我。",
                "{name}您好，我是{consultant}，已帮您登记面诊意向，请问周几方便？",
            ],
        ),
    ],
};

pub(super) const PRICE: Topic = Topic {
    title: "价格咨询",
    turns: &[
        ("customer", &["{service}现在多少钱一次？", "请问{service}做一个疗程大概多少钱", "{service}有活动吗"]),
        (
            "ai",
            &[
                "{service}单次{low}–{high}元，疗程建议{sessions}次。价格会因部位和设备不同，面诊后给您明细。",
                "目前{service}参考价{low}–{high}元/次，购买疗程可以咨询顾问套餐方案。",
            ],
        ),
        ("customer", &["比我预算高一点", "别家好像便宜些，区别在哪里？", "可以分期吗？"]),
        (
            "consultant",
            &[
                "我们用的是原厂设备和耗材，可现场扫码验真；价格包含术后护理。也支持分期。",
                "理解您的顾虑，可以先做单次体验，再决定是否办理疗程。",
            ],
        ),
        ("customer", &["好，我再对比一下", "那先约单次吧", "明白了，谢谢"]),
    ],
};

pub(super) const RECOVERY: Topic = Topic {
    title: "恢复期咨询",
    turns: &[
        ("customer", &["{service}做完多久能上班？", "下周有婚礼，现在做{service}来得及吗", "做完{service}会肿吗"]),
        (
            "ai",
            &[
                "{service}恢复期一般{recovery}天左右，个体有差异。期间注意防晒和保湿，避免高温运动。",
                "通常{recovery}天内恢复，重要场合建议提前两周安排。",
            ],
        ),
        ("customer", &["可以化妆吗", "那饮食要忌口吗", "会反黑吗？"]),
        (
            "doctor",
            &[
                "术后24小时内不建议上妆，之后可用温和产品；严格防晒可以明显降低返黑风险。",
                "饮食清淡即可，忌烟酒辛辣一周。如有异常红肿请及时联系我们复诊。",
            ],
        ),
        ("customer", &["了解了，谢谢医生", "好的，我安排好时间再约"]),
    ],
};

pub(super) const SAFETY: Topic = Topic {
    title: "安全咨询",
    turns: &[
        ("customer", &["我皮肤比较敏感，可以做{service}吗？", "生理期能做{service}吗", "最近在吃消炎药，会影响{service}吗"]),
        (
            "ai",
            &[
                "{service}有一些禁忌情况，需要医生评估。请告诉我您的过敏史、用药和既往治疗，我转给医生。",
                "为了安全，我先帮您转接医生确认，请稍等。",
            ],
        ),
        (
            "doctor",
            &[
                "您好，建议先到店做皮肤检测，停用刺激性护肤品一周后再评估{service}。",
                "需要先停药并等状态稳定，具体间隔面诊时确认，不建议自行决定。",
            ],
        ),
        ("customer", &["好的，那我先调理一下", "明白，下周来面诊"]),
        ("consultant", &["已为您记录，面诊时医生会重点评估。需要我帮您约时间吗？"]),
    ],
};
