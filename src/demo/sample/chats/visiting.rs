//! What customers write about once they come: appointments, care, complaints, and coming back.

use super::topics::Topic;

pub(super) const BOOKING: Topic = Topic {
    title: "预约安排",
    turns: &[
        ("customer", &["想约这周的{service}", "周六下午有位置吗？做{service}", "我的{service}疗程该做下一次了吧"]),
        ("consultant", &["可以的，周六14:00和16:30都有，您看哪个方便？", "帮您查了，明天晚上19:00有空位。上次做完感觉怎么样？"]),
        ("customer", &["16:30吧", "晚上7点可以", "上次效果不错，还是找同一位医生"]),
        ("consultant", &["好的，已预约。请素颜到店，提前10分钟敷麻药。", "已安排，做之前两天请避免暴晒和去角质。"]),
        ("customer", &["收到", "谢谢{consultant}", "好的，到时见"]),
    ],
};

pub(super) const AFTERCARE: Topic = Topic {
    title: "术后关怀",
    turns: &[
        (
            "consultant",
            &["{name}您好，昨天做完{service}感觉如何？有没有红肿不适？", "{name}，{service}术后第一天，记得多补水、严格防晒哦。"],
        ),
        ("customer", &["有一点点红，其他还好", "稍微有点干，正常吗", "挺好的，没什么感觉"]),
        ("doctor", &["轻微泛红属于正常反应，可以冷敷，一般一两天消退。", "干燥的话加强保湿，先不要用酸类和美白产品。"]),
        ("customer", &["好的医生", "放心了，谢谢"]),
    ],
};

pub(super) const COMPLAINT: Topic = Topic {
    title: "服务反馈",
    turns: &[
        ("customer", &["今天等了快一个小时，体验不太好", "做完{service}没看到什么变化，有点失望", "上次的收费跟一开始说的不一样"]),
        ("consultant", &["非常抱歉给您带来不好的体验，我马上核实并跟进。", "对不起让您失望了，我已反馈给主管，今天内给您答复。"]),
        ("customer", &["希望你们重视一下", "好吧，等你们回复"]),
        (
            "consultant",
            &["已经核实情况，为您安排医生免费复诊，并补偿一次护理，您看可以吗？", "费用明细已整理发给您，差额部分会为您处理。再次抱歉。"],
        ),
        ("customer", &["可以，谢谢处理", "行，那就这样吧"]),
    ],
};

pub(super) const NEWS: Topic = Topic {
    title: "年度方案规划",
    turns: &[
        (
            "consultant",
            &[
                "{name}您好，根据您今年的治疗记录，医生为您更新了维养建议，有空聊聊吗？",
                "{name}，{service}的新设备到店了，VIP可优先预约体验。",
            ],
        ),
        ("customer", &["可以，发我看看", "新设备和之前的有什么区别？", "最近比较忙，下个月吧"]),
        (
            "doctor",
            &[
                "建议{service}按疗程维持，间隔不要缩短；同时注意日常防晒，效果会更稳定。",
                "新设备在能量均匀性上更好，恢复期仍是{recovery}天左右，适合您目前的状态。",
            ],
        ),
        ("customer", &["好，按医生建议来", "那帮我约下周", "价格多少？"]),
        ("consultant", &["参考价{low}–{high}元/次，您的会员权益可以叠加，我帮您预留时间。"]),
    ],
};

pub(super) const RECALL: Topic = Topic {
    title: "回访关怀",
    turns: &[
        (
            "consultant",
            &["{name}您好，好久不见！上次做完{service}后状态还好吗？", "{name}，我是{consultant}，想回访一下您{service}之后的皮肤情况。"],
        ),
        ("customer", &["还行，最近太忙了", "搬家了，离得有点远", "暂时不考虑了，谢谢"]),
        ("consultant", &["理解的，有需要随时联系我，祝您生活愉快。", "好的，我们也有线上面诊，您方便时可以先看看皮肤状态。"]),
    ],
};
