//! A small clinic for the tests of this set, and a tiny generator of random ones.

use crate::port::{Customer, Service};

/// A service: its prices of one session, and its recovery days, usual sessions and efficacy.
pub(crate) fn service(code: &str, name: &str, treats: &[&str], yuan: (i64, i64), course: (u32, u32, u32)) -> Service {
    let (recovery_days, sessions, efficacy) = course;
    Service {
        code: code.into(),
        name: name.into(),
        name_en: code.replace('_', " "),
        category: "laser".into(),
        description: "说明".into(),
        treats: treats.iter().map(ToString::to_string).collect(),
        price_min_fen: yuan.0 * 100,
        price_max_fen: yuan.1 * 100,
        duration_minutes: 40,
        recovery_days,
        sessions,
        interval_days: if sessions > 1 { 28 } else { 0 },
        efficacy,
        contraindications: Vec::new(),
        enabled: true,
        bookings_year: 0,
    }
}

/// Nine services of a plausible clinic.
pub(crate) fn catalogue() -> Vec<Service> {
    let with = |service: Service, category: &str, contraindications: &[&str]| Service {
        category: category.into(),
        contraindications: contraindications.iter().map(ToString::to_string).collect(),
        ..service
    };
    vec![
        with(
            service("photorejuvenation", "光子嫩肤", &["色斑", "暗沉", "毛孔粗大"], (800, 1_000), (1, 5, 25)),
            "laser",
            &["pregnancy", "photosensitivity"],
        ),
        with(
            service("pico_laser", "皮秒激光", &["色斑", "痘印"], (2_500, 3_000), (5, 3, 45)),
            "laser",
            &["pregnancy", "keloid", "lidocaine"],
        ),
        with(
            service("fractional_co2", "点阵激光", &["痘印", "毛孔粗大", "疤痕"], (2_000, 2_600), (7, 3, 50)),
            "laser",
            &["keloid", "photosensitivity", "lidocaine"],
        ),
        with(service("hydrafacial", "水氧清洁", &["毛孔粗大", "干燥", "暗沉"], (400, 500), (0, 6, 12)), "skin", &[]),
        with(service("vitamin_c_infusion", "维C导入", &["暗沉", "色斑"], (300, 400), (0, 6, 8)), "skin", &[]),
        with(
            service("botox_wrinkle", "肉毒除皱", &["皱纹"], (1_800, 2_500), (1, 1, 70)),
            "injection",
            &["pregnancy", "breastfeeding", "botulinum", "neuromuscular"],
        ),
        with(
            service("hyaluronic_filler", "玻尿酸填充", &["法令纹", "皱纹"], (3_000, 4_800), (3, 1, 55)),
            "injection",
            &["hyaluronic_acid", "pregnancy", "bleeding_disorder"],
        ),
        with(
            service("thermage", "热玛吉紧肤", &["松弛", "皱纹"], (15_000, 20_000), (2, 1, 75)),
            "laser",
            &["pacemaker", "pregnancy", "metal_implant"],
        ),
        with(
            service("double_eyelid", "双眼皮手术", &["单眼皮"], (6_000, 9_000), (10, 1, 90)),
            "surgery",
            &["bleeding_disorder", "pregnancy", "diabetes"],
        ),
    ]
}

/// A customer on record.
pub(crate) fn customer(user_id: &str, allergies: &[&str], conditions: &[&str]) -> Customer {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    Customer {
        user_id: user_id.into(),
        birth_year: Some(1_994),
        skin_type: Some("dry".into()),
        concerns: vec!["色斑".into()],
        allergies: owned(allergies),
        conditions: owned(conditions),
        ..Customer::default()
    }
}

/// Random numbers that are the same on every machine (Knuth's MMIX constants).
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    /// A number from `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (self.0 >> 33) % (high - low + 1)
    }

    /// One of `items`.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.within(0, items.len() as u64 - 1) as usize]
    }

    /// True in `percent` of cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.within(1, 100) <= percent
    }
}
