//! Visits: consultations, treatments, follow-ups, complaints, and appointments missed or still to come.

use super::{
    calendar::Calendar,
    catalogue::Entry,
    customers::{Person, Story},
    random::Random,
    staff::Team,
};
use crate::store::import::ConsultationRecord;

const CONSULTED: &[&str] = &[
    "面诊：主诉{concern}，查看皮肤状态后建议{service}，{sessions}次为一个疗程，间隔{interval}天。客户关心恢复期，已说明约{recovery}天，术前禁忌已逐项核对。",
    "初次到店，主要想改善{concern}。对比了两种方案，客户倾向{service}，预算有限，先做一次看效果。已签知情同意书。",
    "视频面诊，{concern}中度。医生建议{service}配合居家防晒和保湿，客户表示回去考虑。",
    "客户由朋友介绍到店，关注{concern}，担心疼痛。已解释表面麻醉和术后护理，约定下次做{service}。",
];
const TREATED: &[&str] = &[
    "{service}完成，过程顺利，术后即刻轻微泛红，冷敷20分钟后缓解。嘱防晒、24小时内不沾水。",
    "第{nth}次{service}，{concern}较上次有改善，客户满意。下次间隔{interval}天。",
    "{service}，参数较上次略上调，客户耐受良好。已交代恢复期约{recovery}天及注意事项。",
    "完成{service}，用时{minutes}分钟，无不良反应。客户咨询后续维持方案。",
];
const FOLLOWED_UP: &[&str] = &[
    "术后7天电话回访：恢复良好，无红肿，客户满意。提醒继续防晒。",
    "微信回访：局部轻微干燥，建议加强保湿，无需处理。",
    "到店复查：{concern}改善明显，拍照存档，建议按疗程继续。",
];
const COMPLAINED: &[&str] = &[
    "客户反映到店后等候超过40分钟，体验不佳。已致歉并补偿一次清洁护理。",
    "客户认为{service}效果与预期有差距，已安排医生复诊沟通疗程预期。",
    "客户对收费明细有疑问，已逐项解释并提供清单，客户接受。",
];

/// What a row is about.
#[derive(Default)]
struct Booking<'a> {
    entry: Option<&'static Entry>,
    kind: &'a str,
    status: &'a str,
    days: i64,
    paid: i64,
    nth: u32,
}

/// Everything a customer came, or did not come, for.
pub(super) fn of(person: &Person, team: &Team, random: &mut Random, calendar: &Calendar) -> Vec<ConsultationRecord> {
    let mut visits = Visits { person, team, random, calendar, rows: Vec::new() };
    let since = calendar.days_since(person.registered);
    match person.story {
        Story::Prospect => visits.hesitation(),
        Story::New => visits.beginning(since),
        Story::Regular => visits.series((2, 7), (8, 110), (30, 75)),
        Story::Vip => visits.series((8, 16), (3, 40), (18, 40)),
        Story::Lapsed => visits.series((1, 5), (210, 420), (25, 60)),
    }
    let mut rows = visits.rows;
    rows.sort_by_key(|row| row.occurred_at);
    rows
}

struct Visits<'a> {
    person: &'a Person,
    team: &'a Team,
    random: &'a mut Random,
    calendar: &'a Calendar,
    rows: Vec<ConsultationRecord>,
}

impl Visits<'_> {
    /// One in four made an appointment and did not come.
    fn hesitation(&mut self) {
        if self.random.chance(25) {
            let (status, days) = (self.random.pick(&["cancelled", "no_show"]), self.random.within(5, 25));
            self.add(&Booking { kind: "consultation", status, days: days.into(), ..Booking::default() });
        }
    }

    fn beginning(&mut self, since: u32) {
        if since >= 4 && self.random.chance(55) {
            let days = self.random.within(2, since - 1);
            let entry = self.service();
            self.add(&Booking { entry, kind: "consultation", status: "completed", days: days.into(), ..Booking::default() });
            if days > 1 && self.random.chance(45) {
                self.treatment(entry, days - 1, 1);
            }
        } else if self.random.chance(50) {
            self.upcoming("consultation");
        }
    }

    /// A first consultation, then treatments at intervals, the last of them `last` days ago.
    fn series(&mut self, count: (u32, u32), last: (u32, u32), gap: (u32, u32)) {
        let since = self.calendar.days_since(self.person.registered);
        let mut days = self.random.within(last.0, last.1);
        let count = self.random.within(count.0, count.1);
        let mut entry = self.service();
        for nth in (1..=count).rev() {
            if days + 3 >= since {
                break;
            }
            if self.random.chance(35) {
                entry = self.service();
            }
            self.treatment(entry, days, nth);
            days += self.random.within(gap.0, gap.1);
        }
        let first = days.min(since.saturating_sub(1)).max(1);
        self.add(&Booking { entry, kind: "consultation", status: "completed", days: first.into(), ..Booking::default() });
        self.around(first);
        let returning = match self.person.story {
            Story::Vip => 70,
            Story::Regular => 35,
            _ => 0,
        };
        if self.random.chance(returning) {
            self.upcoming("treatment");
        }
    }

    /// What goes wrong between the first visit and today.
    fn around(&mut self, first: u32) {
        let from = if self.person.story == Story::Lapsed { 200 } else { 2 };
        let between = |random: &mut Random| i64::from(random.within(from, first.max(from)).min(first));
        if self.random.chance(22) {
            let status = self.random.pick(&["cancelled", "cancelled", "no_show"]);
            let (entry, days) = (self.service(), between(self.random));
            self.add(&Booking { entry, kind: "treatment", status, days, ..Booking::default() });
        }
        if self.random.chance(6) {
            let (entry, days) = (self.service(), between(self.random));
            self.add(&Booking { entry, kind: "complaint", status: "completed", days, ..Booking::default() });
        }
    }

    fn treatment(&mut self, entry: Option<&'static Entry>, days: u32, nth: u32) {
        let Some(service) = entry else { return };
        let paid = self.price(service);
        self.add(&Booking { entry, kind: "treatment", status: "completed", days: days.into(), paid, nth });
        if days > 9 && self.random.chance(30) {
            self.add(&Booking { entry, kind: "follow_up", status: "completed", days: i64::from(days) - 7, nth, ..Booking::default() });
        }
    }

    fn upcoming(&mut self, kind: &str) {
        let (entry, days) = (self.service(), -i64::from(self.random.within(1, 21)));
        self.add(&Booking { entry, kind, status: "scheduled", days, ..Booking::default() });
    }

    /// A favourite more often than not.
    fn service(&mut self) -> Option<&'static Entry> {
        let few = self.person.services.len().min(if self.random.chance(70) { 3 } else { 8 });
        let at = self.random.within(0, few.max(1) as u32 - 1);
        self.person.services.get(at as usize).copied()
    }

    /// In fen, to the ten yuan; big spenders take the better device.
    fn price(&mut self, service: &Entry) -> i64 {
        let (low, high) = service.yuan;
        let low = if self.person.story == Story::Vip { low.midpoint(high) } else { low };
        i64::from(self.random.within(low / 10, high / 10)) * 1_000
    }

    fn add(&mut self, booking: &Booking<'_>) {
        let texts = match (booking.kind, booking.status) {
            (_, "scheduled" | "cancelled" | "no_show") if booking.entry.is_some() => &["预约{service}", "预约{service}，已发送到店须知"],
            (_, "scheduled" | "cancelled" | "no_show") => &["预约面诊"] as &[&str],
            ("consultation", _) => CONSULTED,
            ("follow_up", _) => FOLLOWED_UP,
            ("complaint", _) => COMPLAINED,
            _ => TREATED,
        };
        let text = self.random.pick(texts);
        let medical = booking.kind == "treatment" && self.random.chance(60);
        let doctor = self.team.doctors.get(self.random.within(0, 2) as usize).filter(|_| medical);
        let (hour, minute) = (self.random.within(10, 19), self.random.pick(&[0, 30]));
        self.rows.push(ConsultationRecord {
            id: self.random.id("con"),
            customer_id: self.person.account.id.clone(),
            consultant_id: Some(doctor.unwrap_or(&self.person.consultant.0).clone()),
            kind: booking.kind.into(),
            status: booking.status.into(),
            summary: Some(self.summary(text, booking)),
            service_code: booking.entry.map(|entry| entry.code.into()),
            paid_fen: Some(booking.paid),
            occurred_at: self.calendar.at(booking.days, hour, minute),
        });
    }

    fn summary(&self, text: &str, booking: &Booking<'_>) -> String {
        let Some(entry) = booking.entry else { return text.to_owned() };
        let concerns = self.person.profile.concerns.as_deref().unwrap_or_default();
        let concern = concerns.iter().find(|concern| entry.treats.contains(&concern.as_str())).map_or("皮肤状态", String::as_str);
        text.replace("{concern}", concern)
            .replace("{service}", entry.name)
            .replace("{sessions}", &entry.sessions.to_string())
            .replace("{interval}", &entry.interval.max(30).to_string())
            .replace("{recovery}", &entry.recovery.to_string())
            .replace("{minutes}", &entry.minutes.to_string())
            .replace("{nth}", &booking.nth.to_string())
    }
}
