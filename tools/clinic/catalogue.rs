//! Finding services in the catalogue by what people call them: code, name, category, or a part of a name.
//!
//! Shared by the tools that read the catalogue. Services that are not on offer are never found.

use std::{cmp::Reverse, ops::Range};

use crate::{clinic::concerns, port::Service, words};

/// Categories by the words people use; a clinic's other categories are known by their own name.
const CATEGORIES: &[(&str, &[&str])] = &[
    ("skin", &["皮肤", "皮肤美容", "皮肤管理", "护肤", "skincare"]),
    ("injection", &["注射", "注射类", "打针", "针剂", "微整", "微整形", "injectable", "shot", "needle"]),
    ("laser", &["激光", "光电", "激光类", "光电类", "lasers"]),
    ("body", &["身体", "美体", "塑形", "体雕"]),
    ("surgery", &["手术", "整形手术", "外科", "开刀", "动刀", "surgical", "operation"]),
    ("dental", &["口腔", "牙齿", "齿科", "dentistry"]),
    ("hair", &["毛发", "植发", "脱毛"]),
];

/// A category for people: `注射 / injection`.
pub(crate) fn category_label(category: &str) -> String {
    match CATEGORIES.iter().find(|(key, _)| *key == category).and_then(|(_, names)| names.first()) {
        Some(name) => format!("{name} / {category}"),
        None => category.to_owned(),
    }
}

/// The services on offer.
pub(crate) fn on_offer(services: &[Service]) -> Vec<&Service> {
    services.iter().filter(|service| service.enabled).collect()
}

/// The service with exactly this code or name, in either language.
pub(crate) fn exact<'a>(services: &[&'a Service], text: &str) -> Option<&'a Service> {
    let text = words::normalise(text);
    services.iter().find(|service| names(service).contains(&text)).copied()
}

/// The services of the category that goes by this name.
pub(crate) fn category<'a>(services: &[&'a Service], text: &str) -> Vec<&'a Service> {
    let text = words::normalise(text);
    services.iter().filter(|service| category_goes_by(&service.category, &text)).copied().collect()
}

fn category_goes_by(category: &str, text: &str) -> bool {
    let own = words::normalise(category);
    own == *text || CATEGORIES.iter().any(|(key, names)| *key == own && names.contains(&text))
}

/// Whether free speech (normalised) names this category.
pub(crate) fn names_category(text: &str, category: &str) -> bool {
    let own = words::normalise(category);
    let known = CATEGORIES.iter().find(|(key, _)| *key == own).map(|(_, names)| *names).unwrap_or_default();
    words::find(text, &own).is_some() || words::any(text, known)
}

/// The services with this text inside their code or name.
pub(crate) fn part<'a>(services: &[&'a Service], text: &str) -> Vec<&'a Service> {
    let text = words::normalise(text);
    let holds = |service: &&&Service| !text.is_empty() && names(service).iter().any(|name| name.contains(&text));
    services.iter().filter(holds).copied().collect()
}

/// What a person may mean by one word: one service, or those of a category, or those with the word in their name.
pub(crate) fn named<'a>(services: &[&'a Service], text: &str) -> Vec<&'a Service> {
    if let Some(service) = exact(services, text) {
        return vec![service];
    }
    let of_category = category(services, text);
    if of_category.is_empty() { part(services, text) } else { of_category }
}

/// The services most like what was asked for, with how alike they are, best first; strangers are left out.
pub(crate) fn closest<'a>(services: &[&'a Service], text: &str, limit: usize) -> Vec<(&'a Service, f64)> {
    let likeness = |service: &Service| names(service).iter().map(|name| words::similarity(name, text)).fold(0.0, f64::max);
    let mut scored: Vec<(&Service, f64)> = services.iter().map(|service| (*service, likeness(service))).collect();
    scored.retain(|(_, score)| *score > 0.0);
    scored.sort_by(|(a, one), (b, other)| other.total_cmp(one).then_with(|| a.code.cmp(&b.code)));
    scored.truncate(limit);
    scored
}

/// The services that free speech names, with the places of their names in `text` (normalised).
///
/// A full name or code counts first. Failing that, three Chinese characters or a long Latin word of a name do, when they
/// fit one service only: `热玛吉` is 热玛吉紧肤, but `激光治疗` is none of a dozen. A concern (`wrinkle`) names no service.
pub(crate) fn mentioned<'a>(services: &[&'a Service], text: &str) -> Vec<(&'a Service, Range<usize>)> {
    let mut found: Vec<(&Service, Range<usize>)> = Vec::new();
    for service in services {
        found.extend(names(service).iter().filter_map(|name| words::find(text, name)).map(|place| (*service, place)));
    }
    found.sort_by_key(|(service, place)| (Reverse(place.len()), place.start, service.code.clone()));
    let mut kept: Vec<(&Service, Range<usize>)> = Vec::new();
    for (service, place) in found {
        if kept.iter().all(|(_, other)| place.end <= other.start || other.end <= place.start) {
            kept.push((service, place));
        }
    }
    if kept.is_empty() { by_fragment(services, text).into_iter().collect() } else { kept }
}

fn by_fragment<'a>(services: &[&'a Service], text: &str) -> Option<(&'a Service, Range<usize>)> {
    let mut best: Option<(&Service, Range<usize>)> = None;
    let mut ambiguous = false;
    for service in services {
        let Some(place) = names(service).iter().filter_map(|name| fragment(text, name)).max_by_key(Range::len) else {
            continue;
        };
        let longest = best.as_ref().map_or(0, |(_, other)| other.len());
        ambiguous = if place.len() > longest { false } else { ambiguous || place.len() == longest };
        if place.len() > longest {
            best = Some((service, place));
        }
    }
    best.filter(|_| !ambiguous)
}

/// The longest run of at least three Chinese characters, or the longest Latin word of at least six letters, of `name` in `text`.
fn fragment(text: &str, name: &str) -> Option<Range<usize>> {
    let latin = name.split(' ').filter(|word| word.len() >= 6 && word.is_ascii()).filter_map(|word| words::find(text, word));
    let starts: Vec<usize> = name.char_indices().map(|(at, _)| at).chain([name.len()]).collect();
    let runs = starts.iter().enumerate().flat_map(|(from, start)| starts.iter().skip(from + 3).map(move |end| *start..*end));
    let chinese =
        runs.filter_map(|run| name.get(run)).filter(|run| run.chars().all(|c| !c.is_ascii())).filter_map(|run| words::find(text, run));
    let a_concern = |place: &Range<usize>| text.get(place.clone()).is_some_and(concerns::is_known);
    latin.chain(chinese).filter(|place| !a_concern(place)).max_by_key(Range::len)
}

fn names(service: &Service) -> [String; 3] {
    [&service.code, &service.name, &service.name_en].map(|name| words::normalise(name))
}

#[cfg(test)]
mod tests {
    use super::{category_label, closest, exact, mentioned, named, on_offer};
    use crate::port::Service;

    fn service(code: &str, name: &str, name_en: &str, category: &str) -> Service {
        Service {
            code: code.into(),
            name: name.into(),
            name_en: name_en.into(),
            category: category.into(),
            enabled: true,
            ..Service::default()
        }
    }

    fn catalogue() -> Vec<Service> {
        vec![
            service("photorejuvenation", "光子嫩肤", "IPL Photorejuvenation", "laser"),
            service("thermage", "热玛吉紧肤", "Thermage FLX", "laser"),
            service("botox_wrinkle", "肉毒除皱", "Botulinum wrinkle treatment", "injection"),
            Service { enabled: false, ..service("old", "旧项目", "Old", "skin") },
        ]
    }

    fn codes(found: &[&Service]) -> Vec<String> {
        found.iter().map(|service| service.code.clone()).collect()
    }

    #[test]
    fn a_service_is_found_by_code_name_category_and_part() {
        let all = catalogue();
        let all = on_offer(&all);
        assert_eq!(exact(&all, " IPL photorejuvenation").unwrap().code, "photorejuvenation");
        assert_eq!(codes(&named(&all, "热玛吉")), ["thermage"]);
        assert_eq!(codes(&named(&all, "打针")), ["botox_wrinkle"]);
        assert_eq!(codes(&named(&all, "LASER")), ["photorejuvenation", "thermage"]);
        assert!(named(&all, "旧项目").is_empty(), "not on offer");
        assert!(named(&all, "  ").is_empty());
    }

    #[test]
    fn names_are_heard_in_free_speech() {
        let all = catalogue();
        let all = on_offer(&all);
        let heard = |text: &str| mentioned(&all, text).iter().map(|(service, _)| service.code.clone()).collect::<Vec<_>>();
        assert_eq!(heard("光子嫩肤可以 不要热玛吉紧肤"), ["thermage", "photorejuvenation"]);
        assert_eq!(heard("不想做热玛吉"), ["thermage"]);
        assert_eq!(heard("please drop thermage"), ["thermage"]);
        assert!(heard("太贵了").is_empty());
    }

    #[test]
    fn strangers_are_not_close() {
        let all = catalogue();
        let all = on_offer(&all);
        assert_eq!(closest(&all, "光子美肤", 3)[0].0.code, "photorejuvenation");
        assert!(closest(&all, "ω", 3).is_empty());
        assert_eq!(category_label("injection"), "注射 / injection");
        assert_eq!(category_label("迷你"), "迷你");
    }
}
