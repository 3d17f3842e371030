//! Customers: who they are, what is known of them, and how they want to be served.

use chrono::{DateTime, Utc};

use super::{
    calendar::Calendar,
    catalogue::{self, Entry},
    names::{self, Name},
    random::Random,
    staff::Team,
};
use crate::store::import::{CustomerRecord, PreferencesRecord, UserRecord};

/// How a customer's history went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// Registered, never came.
    Prospect,
    /// Registered in the last weeks.
    New,
    /// Comes every month or two.
    Regular,
    /// Comes often and spends much.
    Vip,
    /// Came for a while, and then no more.
    Lapsed,
}

/// A customer, with what their history is made from.
pub(super) struct Person {
    pub(super) account: UserRecord,
    pub(super) profile: CustomerRecord,
    pub(super) name: Name,
    pub(super) story: Story,
    pub(super) registered: DateTime<Utc>,
    /// Services that treat a concern of theirs and that they may have, best known first.
    pub(super) services: Vec<&'static Entry>,
    /// Id and name of their consultant.
    pub(super) consultant: (String, String),
    /// When they write, and what that is called.
    pub(super) hours: Hours,
}

/// A time of day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hours {
    pub(super) name: &'static str,
    pub(super) from: u32,
    pub(super) to: u32,
}

const HOURS: &[Hours] = &[
    Hours { name: "weekday_evening", from: 19, to: 21 },
    Hours { name: "weekday_evening", from: 19, to: 21 },
    Hours { name: "weekday_noon", from: 12, to: 13 },
    Hours { name: "weekend_afternoon", from: 14, to: 17 },
    Hours { name: "weekday_morning", from: 9, to: 11 },
    Hours { name: "anytime", from: 9, to: 21 },
];
const CITIES: &[&str] = &["上海", "上海", "上海", "上海", "杭州", "苏州", "南京", "宁波", "无锡", "北京", "合肥", "嘉兴"];
const SOURCES: &[&str] = &["xiaohongshu", "xiaohongshu", "douyin", "referral", "referral", "meituan", "wechat", "walk_in"];
const SKIN_TYPES: &[&str] = &["dry", "oily", "combination", "combination", "sensitive", "normal"];
const CONCERNS: &[&str] = &[
    "色斑",
    "暗沉",
    "毛孔粗大",
    "痘痘",
    "痘印",
    "皱纹",
    "松弛",
    "法令纹",
    "黑眼圈",
    "红血丝",
    "干燥",
    "出油",
    "咬肌肥大",
    "双下巴",
    "局部脂肪",
    "多毛",
    "脱发",
];
/// With age, other things matter.
const LATER_CONCERNS: &[&str] = &["松弛", "皱纹", "法令纹", "眼袋", "黄褐斑", "色斑", "暗沉", "双下巴", "干燥"];
const ALLERGIES: &[&str] = &["lidocaine", "penicillin", "hyaluronic_acid", "collagen", "botulinum"];
const CONDITIONS: &[&str] = &[
    "keloid",
    "photosensitivity",
    "autoimmune",
    "bleeding_disorder",
    "diabetes",
    "hypertension",
    "pacemaker",
    "skin_infection",
    "isotretinoin",
    "metal_implant",
    "herpes",
];

impl Person {
    pub(super) fn new(number: u32, team: &Team, random: &mut Random, calendar: &Calendar) -> Self {
        let name = names::name(number, random);
        let story = story(random);
        let registered = registered(story, random, calendar);
        let account = account(number, &name, registered, random);
        let profile = profile(&account.id, &name, random, calendar);
        let consultant = team.consultants.get(random.within(0, team.consultants.len() as u32 - 1) as usize).cloned().unwrap_or_default();
        let services = allowed(&profile);
        Self { account, profile, name, story, registered, services, consultant, hours: random.pick(HOURS) }
    }
}

fn story(random: &mut Random) -> Story {
    match random.within(1, 100) {
        1..=18 => Story::Prospect,
        19..=33 => Story::New,
        34..=72 => Story::Regular,
        73..=82 => Story::Vip,
        _ => Story::Lapsed,
    }
}

fn registered(story: Story, random: &mut Random, calendar: &Calendar) -> DateTime<Utc> {
    let days = match story {
        // One in five new customers registered within the last day.
        Story::New if random.chance(20) => return calendar.minutes_ago(random.within(200, 1_300)),
        Story::New => random.within(2, 29),
        Story::Prospect => random.within(31, 300),
        Story::Regular => random.within(150, 900),
        Story::Vip => random.within(400, 1_400),
        Story::Lapsed => random.within(450, 1_300),
    };
    calendar.at(days.into(), random.within(9, 22), random.within(0, 59))
}

fn account(number: u32, name: &Name, registered: DateTime<Utc>, random: &mut Random) -> UserRecord {
    UserRecord {
        id: random.id("usr"),
        username: name.shown.clone(),
        email: random.chance(55).then(|| names::email(name, random)),
        phone: random.chance(93).then(|| names::phone(number, random)),
        avatar: random.chance(40).then(|| format!("https://cdn.example.com/avatars/{number}.jpg")),
        roles: Some(vec!["customer".into()]),
        is_active: Some(!random.chance(2)),
        registered_at: Some(registered),
    }
}

fn profile(user_id: &str, name: &Name, random: &mut Random, calendar: &Calendar) -> CustomerRecord {
    let minor = random.chance(1);
    let age = if minor { random.within(15, 17) } else { random.within(19, 36) + if random.chance(30) { random.within(4, 22) } else { 0 } };
    let concerns = random.some(if age > 38 { LATER_CONCERNS } else { CONCERNS }, 1, 3);
    let allergies = if random.chance(14) { random.some(ALLERGIES, 1, 2) } else { Vec::new() };
    let mut conditions = if random.chance(13) { random.some(CONDITIONS, 1, 1) } else { Vec::new() };
    if name.gender == "female" && (24..=40).contains(&age) && random.chance(5) {
        conditions.push(random.pick(&["pregnancy", "breastfeeding"]).into());
    }
    if minor {
        conditions.push("minor".into());
    }
    CustomerRecord {
        user_id: user_id.into(),
        gender: Some(name.gender.into()),
        // The birthday of this year has passed for everyone, so that the tag `minor` always fits.
        birth_year: i32::try_from(age).ok().map(|age| calendar.year() - age - i32::from(!minor)),
        city: Some(random.pick(CITIES).into()),
        source: Some(random.pick(SOURCES).into()),
        skin_type: random.chance(85).then(|| random.pick(SKIN_TYPES).into()),
        concerns: Some(concerns),
        allergies: Some(allergies),
        conditions: Some(conditions),
    }
}

/// The services that treat one of the customer's concerns and are safe for them. Gentle cleaning suits nearly everyone.
fn allowed(profile: &CustomerRecord) -> Vec<&'static Entry> {
    let concerns = profile.concerns.iter().flatten();
    let tags: Vec<&String> = profile.allergies.iter().chain(&profile.conditions).flatten().collect();
    let safe = |entry: &&Entry| entry.enabled && !entry.avoid.iter().any(|tag| tags.iter().any(|known| known == tag));
    let mut services: Vec<&Entry> = Vec::new();
    for concern in concerns {
        let treating = catalogue::all().filter(safe).filter(|entry| entry.treats.contains(&concern.as_str()));
        let new: Vec<&Entry> = treating.filter(|entry| !services.iter().any(|known| known.code == entry.code)).collect();
        services.extend(new);
    }
    if services.is_empty() {
        services.extend(catalogue::all().filter(safe).filter(|entry| entry.code == "vitamin_c_infusion"));
    }
    services
}

/// What a customer said about how they want to be served. Not everyone did.
pub(super) fn preferences(person: &Person, random: &mut Random) -> Option<PreferencesRecord> {
    if random.chance(22) {
        return None;
    }
    let (low, high) = match person.story {
        Story::Vip => (10_000, 60_000),
        Story::Regular => (3_000, 15_000),
        _ => (1_000, 8_000),
    };
    let budget_min = random.within(low / 500, high / 1_000) * 500;
    let budget_max = budget_min + random.within(2, high / 500) * 500;
    let codes: Vec<&str> = person.services.iter().map(|entry| entry.code).collect();
    Some(PreferencesRecord {
        user_id: person.account.id.clone(),
        treatments: Some(random.some(&codes, 1, 3)),
        budget_min_fen: Some(i64::from(budget_min) * 100),
        budget_max_fen: Some(i64::from(budget_max) * 100),
        contact_time: Some(person.hours.name.into()),
        communication_style: Some(random.pick(&["detailed", "concise", "friendly", "professional"]).into()),
        price_sensitivity: Some(if person.story == Story::Vip { "low" } else { random.pick(&["low", "medium", "medium", "high"]) }.into()),
        brand_loyalty: Some(random.pick(&["low", "medium", "high"]).into()),
    })
}
