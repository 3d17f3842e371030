//! The hard filter before the optimiser: which services of the catalogue may be proposed at all, and why not the others.
//!
//! Safety is decided here and nowhere later, before any price or preference is looked at; [`verify`] repeats it on the
//! finished selection from the raw rows, so that a mistake in between cannot reach a customer.

use chrono::{DateTime, Utc};

use super::{constraints::Constraints, knapsack::Candidate};
use crate::{
    clinic::{
        concerns::{self, Concern},
        tags,
    },
    port::Service,
};

/// No course is longer, whatever the catalogue says.
const LONGEST_COURSE: u32 = 60;

/// A reason not to propose a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// It must not be done under these safety facts.
    Contraindicated(Vec<String>),
    /// The customer does not want it.
    Unwanted,
    /// Its recovery takes more days than allowed.
    Recovery,
    /// One session costs more than the budget.
    Budget,
    /// One session and its recovery take longer than there is time.
    Time,
}

impl Why {
    /// The word for it in results.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Contraindicated(_) => "contraindicated",
            Self::Unwanted => "excluded_by_request",
            Self::Recovery => "recovery_too_long",
            Self::Budget => "over_budget",
            Self::Time => "takes_too_long",
        }
    }
}

/// One question to the filter: what is asked for, and until when.
pub(crate) struct Screen<'a> {
    pub(crate) constraints: &'a Constraints,
    pub(crate) concerns: &'a [Concern],
    /// Days the plan may take.
    pub(crate) days: Option<u32>,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(constraints: &'a Constraints, concerns: &'a [Concern], now: DateTime<Utc>) -> Self {
        Self { constraints, concerns, days: constraints.days(now) }
    }

    /// The concerns a service treats, as indices.
    pub(crate) fn treats(&self, service: &Service) -> Vec<usize> {
        let treated = |(at, concern): (usize, &Concern)| concerns::treated_by(concern, service).then_some(at);
        self.concerns.iter().enumerate().filter_map(treated).collect()
    }

    /// Whether the service has anything to do with the request.
    pub(crate) fn concerned(&self, service: &Service) -> bool {
        service.enabled && (self.constraints.include.contains(&service.code) || !self.treats(service).is_empty())
    }

    /// Every reason against a service, safety first.
    pub(crate) fn reasons(&self, service: &Service) -> Vec<Why> {
        let facts = tags::conflicts(&self.constraints.safety, &service.contraindications);
        let above = |value: i64, limit: Option<i64>| limit.is_some_and(|limit| value > limit);
        let recovery = i64::from(service.recovery_days);
        let mut reasons = Vec::new();
        if !facts.is_empty() {
            reasons.push(Why::Contraindicated(facts));
        }
        if self.constraints.exclude.contains(&service.code) {
            reasons.push(Why::Unwanted);
        }
        if above(recovery, self.constraints.max_recovery_days.map(i64::from)) {
            reasons.push(Why::Recovery);
        }
        if above(price(service), self.constraints.budget_max_fen) {
            reasons.push(Why::Budget);
        }
        if above(recovery, self.days.map(i64::from)) {
            reasons.push(Why::Time);
        }
        reasons
    }

    /// The service as the optimiser sees it. Only for one without reasons against it.
    pub(crate) fn candidate(&self, service: &Service) -> Candidate {
        let insisted = self.constraints.include.contains(&service.code);
        Candidate {
            price: price(service),
            min_sessions: u32::from(insisted),
            max_sessions: self.most_sessions(service),
            efficacy: service.efficacy.clamp(1, 100),
            treats: self.treats(service),
            wanted: self.constraints.prefer.contains(&service.code),
        }
    }

    /// Sessions of a usual course, or as many of them as money, time and the customer's patience allow for this service.
    fn most_sessions(&self, service: &Service) -> u32 {
        let mut most = service.sessions.clamp(1, LONGEST_COURSE);
        if let Some(sessions) = self.constraints.max_sessions {
            most = most.min(sessions);
        }
        if let (Some(budget), true) = (self.constraints.budget_max_fen, price(service) > 0) {
            most = most.min(u32::try_from(budget / price(service)).unwrap_or(u32::MAX));
        }
        while most > 1 && self.days.is_some_and(|days| length(service, most) > days) {
            most -= 1;
        }
        most
    }
}

/// The price that counts against a budget: the highest, so that no plan ever costs more than was agreed.
pub(crate) fn price(service: &Service) -> i64 {
    service.price_max_fen.max(service.price_min_fen).max(0)
}

/// Days from the first session to the end of the last recovery.
pub(crate) fn length(service: &Service, sessions: u32) -> u32 {
    sessions.saturating_sub(1).saturating_mul(service.interval_days).saturating_add(service.recovery_days)
}

/// Checks a finished selection against the raw rows, independently of how it was found. `Err` says what is wrong.
pub(crate) fn verify(chosen: &[(&Service, u32)], constraints: &Constraints, days: Option<u32>) -> Result<(), String> {
    let cost: i64 = chosen.iter().map(|(service, sessions)| price(service) * i64::from(*sessions)).sum();
    let sessions: u32 = chosen.iter().map(|(_, sessions)| *sessions).sum();
    if chosen.is_empty() || sessions == 0 {
        return Err("the plan is empty".to_owned());
    }
    if constraints.budget_max_fen.is_some_and(|budget| cost > budget) {
        return Err("the plan costs more than the budget".to_owned());
    }
    if constraints.max_sessions.is_some_and(|most| sessions > most) {
        return Err("the plan has more sessions than allowed".to_owned());
    }
    chosen.iter().try_for_each(|(service, sessions)| verify_service(service, *sessions, constraints, days))
}

fn verify_service(service: &Service, sessions: u32, constraints: &Constraints, days: Option<u32>) -> Result<(), String> {
    let code = &service.code;
    if !service.enabled {
        return Err(format!("{code} is not on offer"));
    }
    if !tags::conflicts(&constraints.safety, &service.contraindications).is_empty() {
        return Err(format!("{code} is contraindicated"));
    }
    if constraints.exclude.contains(code) {
        return Err(format!("{code} is excluded"));
    }
    if constraints.max_recovery_days.is_some_and(|most| service.recovery_days > most) {
        return Err(format!("the recovery of {code} is too long"));
    }
    if days.is_some_and(|days| length(service, sessions) > days) {
        return Err(format!("{code} takes too long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Screen, Why, verify};
    use crate::{clinic::concerns, port::Service, treatment::constraints::Constraints};

    fn service() -> Service {
        Service {
            code: "ipl".into(),
            treats: vec!["色斑".into()],
            price_min_fen: 80_000,
            price_max_fen: 100_000,
            recovery_days: 3,
            sessions: 4,
            interval_days: 30,
            efficacy: 30,
            contraindications: vec!["pregnancy".into()],
            enabled: true,
            ..Service::default()
        }
    }

    fn reasons(constraints: &Constraints) -> Vec<Why> {
        let concerns = concerns::read("色斑");
        Screen { constraints, concerns: &concerns, days: constraints.max_days }.reasons(&service())
    }

    #[test]
    fn every_limit_gives_its_reason_and_safety_comes_first() {
        assert!(reasons(&Constraints::default()).is_empty());
        let all = Constraints {
            safety: ["pregnancy".to_owned()].into(),
            exclude: ["ipl".to_owned()].into(),
            max_recovery_days: Some(2),
            budget_max_fen: Some(99_999),
            max_days: Some(1),
            ..Constraints::default()
        };
        assert_eq!(reasons(&all), [Why::Contraindicated(vec!["pregnancy".into()]), Why::Unwanted, Why::Recovery, Why::Budget, Why::Time]);
        let just = Constraints { max_recovery_days: Some(3), budget_max_fen: Some(100_000), max_days: Some(3), ..Constraints::default() };
        assert!(reasons(&just).is_empty());
    }

    #[test]
    fn a_course_is_cut_to_what_money_time_and_patience_allow() {
        let concerns = concerns::read("色斑");
        let most = |constraints: &Constraints| {
            Screen { constraints, concerns: &concerns, days: constraints.max_days }.candidate(&service()).max_sessions
        };
        assert_eq!(most(&Constraints::default()), 4);
        assert_eq!(most(&Constraints { budget_max_fen: Some(350_000), ..Constraints::default() }), 3);
        assert_eq!(most(&Constraints { max_days: Some(34), ..Constraints::default() }), 2);
        assert_eq!(most(&Constraints { max_sessions: Some(1), ..Constraints::default() }), 1);
    }

    #[test]
    fn the_last_check_sees_each_violation() {
        let service = service();
        let check = |constraints: Constraints| verify(&[(&service, 2)], &constraints, constraints.max_days);
        assert!(check(Constraints::default()).is_ok());
        assert!(
            check(Constraints { safety: ["pregnancy".to_owned()].into(), ..Constraints::default() })
                .unwrap_err()
                .contains("contraindicated")
        );
        assert!(check(Constraints { budget_max_fen: Some(199_999), ..Constraints::default() }).is_err());
        assert!(check(Constraints { max_sessions: Some(1), ..Constraints::default() }).is_err());
        assert!(check(Constraints { max_recovery_days: Some(2), ..Constraints::default() }).is_err());
        assert!(check(Constraints { max_days: Some(32), ..Constraints::default() }).is_err());
        assert!(check(Constraints { exclude: ["ipl".to_owned()].into(), ..Constraints::default() }).is_err());
        assert!(verify(&[], &Constraints::default(), None).is_err());
        assert!(verify(&[(&Service { enabled: false, ..service.clone() }, 1)], &Constraints::default(), None).is_err());
    }
}
