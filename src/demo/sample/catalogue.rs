//! The sample clinic's services. Prices, durations and recovery are of the usual order; the efficacy ratings are made up.

mod body;
mod injection;
mod light;
mod skin;
mod surgery;

use crate::store::import::{Record, ServiceRecord};

/// One service.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) name_en: &'static str,
    pub(super) category: &'static str,
    pub(super) about: &'static str,
    pub(super) treats: &'static [&'static str],
    /// Price of one session, from and to.
    pub(super) yuan: (u32, u32),
    pub(super) minutes: u32,
    pub(super) recovery: u32,
    pub(super) sessions: u32,
    pub(super) interval: u32,
    pub(super) efficacy: u32,
    /// Tags under which it must not be done.
    pub(super) avoid: &'static [&'static str],
    pub(super) enabled: bool,
}

/// Every service.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    [light::ENTRIES, skin::ENTRIES, injection::ENTRIES, body::ENTRIES, surgery::ENTRIES].into_iter().flatten()
}

/// Every service, as a record.
pub(super) fn records() -> impl Iterator<Item = Record> {
    all().map(|entry| {
        let texts = |list: &[&str]| Some(list.iter().map(|text| (*text).to_owned()).collect());
        Record::Service(ServiceRecord {
            code: entry.code.into(),
            name: entry.name.into(),
            name_en: Some(entry.name_en.into()),
            category: entry.category.into(),
            description: Some(entry.about.into()),
            treats: texts(entry.treats),
            price_min_fen: i64::from(entry.yuan.0) * 100,
            price_max_fen: i64::from(entry.yuan.1) * 100,
            duration_minutes: entry.minutes,
            recovery_days: Some(entry.recovery),
            sessions: Some(entry.sessions),
            interval_days: Some(entry.interval),
            efficacy: Some(entry.efficacy),
            contraindications: texts(entry.avoid),
            enabled: Some(entry.enabled),
        })
    })
}
