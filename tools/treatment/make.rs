//! From a brief to a plan: screen, choose, check again, and say it for people.
//!
//! Expected results are the clinic's own ratings added up, and are called that. A selection that fails its last check is
//! an error, never a plan.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::{
    choose::{Choice, MAX_NODES, Search},
    constraints::Brief,
    knapsack::{Problem, left_over},
    plan::{BasedOn, Body, Coverage, Excluded, Review, Treatment},
    refuse,
    screen::{self, Screen},
    text,
};
use crate::{
    clinic::{
        concerns::{self, Concern},
        tags,
    },
    money,
    port::{Context, Service},
    tool::ToolError,
};

/// A plan of more services than this is no plan.
const MAX_SERVICES: u32 = 5;
/// Nodes between two reports: about a millisecond's work.
const STEP: u32 = 250;
/// What the first concerns weigh; later ones weigh like the last.
const WEIGHTS: [i64; 6] = [100, 90, 80, 70, 60, 50];

/// Chooses from the catalogue under the brief. The error names the binding constraint.
pub(crate) async fn make(brief: &Brief, services: &[Service], ctx: &Context<'_>) -> Result<Body, ToolError> {
    let concerns = concerns::read_all(&brief.constraints.concerns);
    let screen = Screen::new(&brief.constraints, &concerns, ctx.now);
    refuse::check_included(&screen, services)?;
    let eligible: Vec<&Service> =
        services.iter().filter(|service| screen.concerned(service) && screen.reasons(service).is_empty()).collect();
    let problem = problem(&screen, &eligible);
    let Some(choice) = search(&problem, ctx).await else {
        return Err(refuse::explain(&screen, services));
    };
    let mut chosen: Vec<(&Service, u32)> =
        eligible.iter().zip(&choice.sessions).filter(|(_, count)| **count > 0).map(|(service, count)| (*service, *count)).collect();
    chosen.sort_by_key(|(service, _)| {
        (screen.treats(service).first().copied().unwrap_or(usize::MAX), Reverse(service.efficacy), &service.code)
    });
    screen::verify(&chosen, &brief.constraints, screen.days)
        .map_err(|why| ToolError::Internal(format!("the plan failed its last check and was discarded: {why}")))?;
    ctx.report(95, "方案已复核 / the plan was checked again").await;
    let made = Made { screen: &screen, services, brief, problem: &problem, choice: &choice, chosen };
    Ok(made.body(ctx.now))
}

/// The search, a few nodes at a time.
async fn search(problem: &Problem, ctx: &Context<'_>) -> Option<Choice> {
    let suitable = problem.candidates.len();
    ctx.report(10, &format!("已按禁忌和要求筛选，剩 {suitable} 个项目 / screened: {suitable} services are left")).await;
    let mut search = Search::new(problem);
    while !search.step(STEP) {
        let nodes = search.nodes();
        let percent = 10 + 80 * nodes.min(MAX_NODES) / MAX_NODES;
        ctx.report(percent as u8, &format!("已比较 {nodes} 种组合 / {nodes} combinations compared")).await;
    }
    search.finish()
}

fn problem(screen: &Screen<'_>, eligible: &[&Service]) -> Problem {
    let weight = |at: usize| WEIGHTS.get(at).or(WEIGHTS.last()).copied().unwrap_or(1);
    let insisted = screen.constraints.include.len() as u32;
    // By default a session must be worth one point of the first concern, and a further service three.
    let (session_toll, service_toll) = if screen.constraints.strong { (10, 50) } else { (100, 300) };
    Problem {
        candidates: eligible.iter().map(|service| screen.candidate(service)).collect(),
        weights: (0..screen.concerns.len()).map(weight).collect(),
        budget: screen.constraints.budget_max_fen,
        max_sessions: screen.constraints.max_sessions,
        max_services: MAX_SERVICES.max(insisted),
        session_toll,
        service_toll,
    }
}

struct Made<'a> {
    screen: &'a Screen<'a>,
    services: &'a [Service],
    brief: &'a Brief,
    problem: &'a Problem,
    choice: &'a Choice,
    chosen: Vec<(&'a Service, u32)>,
}

impl Made<'_> {
    fn body(&self, now: DateTime<Utc>) -> Body {
        let total = |price: fn(&Service) -> i64| self.chosen.iter().map(|(service, count)| price(service) * i64::from(*count)).sum::<i64>();
        let (least, most) = (total(lowest), total(screen::price));
        let days = self.chosen.iter().map(|(service, count)| screen::length(service, *count)).max().unwrap_or_default();
        let coverage = self.coverage();
        Body {
            treatments: self.chosen.iter().map(|(service, count)| self.treatment(service, *count)).collect(),
            duration: text::days(days),
            duration_days: days,
            estimated_cost: money::range(least, most),
            estimated_cost_min_yuan: money::to_yuan(least),
            estimated_cost_max_yuan: money::to_yuan(most),
            sessions: self.chosen.iter().map(|(_, count)| count).sum(),
            frequency: text::frequency(&self.chosen),
            expected_results: text::expected(&coverage),
            warnings: self.warnings(&coverage),
            coverage,
            generated_at: now,
            based_on: self.based_on(),
            excluded: self.excluded(),
            review: Review::pending(),
        }
    }

    fn treatment(&self, service: &Service, count: u32) -> Treatment {
        let (least, most) = (lowest(service), screen::price(service));
        let treats: Vec<String> = self
            .screen
            .treats(service)
            .into_iter()
            .filter_map(|at| self.screen.concerns.get(at))
            .map(|concern| concern.label.clone())
            .collect();
        Treatment {
            service_code: service.code.clone(),
            name: service.name.clone(),
            name_en: service.name_en.clone(),
            sessions: count,
            interval_days: if count > 1 { service.interval_days } else { 0 },
            price_per_session: money::range(least, most),
            price_min_yuan: money::to_yuan(least),
            price_max_yuan: money::to_yuan(most),
            cost: money::range(least * i64::from(count), most * i64::from(count)),
            cost_min_yuan: money::to_yuan(least * i64::from(count)),
            cost_max_yuan: money::to_yuan(most * i64::from(count)),
            duration_minutes: service.duration_minutes,
            recovery_days: service.recovery_days,
            reason: text::chosen(service, count, &treats, &self.brief.constraints),
            treats,
        }
    }

    fn coverage(&self) -> Vec<Coverage> {
        let left = left_over(self.problem, &self.choice.sessions);
        let coverage = |(concern, left): (&Concern, f64)| Coverage {
            concern: concern.label.clone(),
            expected_percent: ((1.0 - left) * 100.0).round() as u32,
        };
        self.screen.concerns.iter().zip(left).map(coverage).collect()
    }

    fn excluded(&self) -> Vec<Excluded> {
        let left_out = |service: &Service| {
            let reason = self.screen.reasons(service).into_iter().next()?;
            Some(Excluded {
                service_code: service.code.clone(),
                name: service.name.clone(),
                reason_type: reason.code().to_owned(),
                reason: refuse::reason_text(&reason, service, self.screen),
            })
        };
        self.services.iter().filter(|service| self.screen.concerned(service)).filter_map(left_out).collect()
    }

    fn warnings(&self, coverage: &[Coverage]) -> Vec<String> {
        let mut warnings = self.brief.warnings.clone();
        for covered in coverage.iter().filter(|covered| covered.expected_percent == 0) {
            warnings.push(format!("方案未覆盖“{0}”：条件内没有合适或值得的项目。 / \"{0}\" is not covered: nothing suitable or worthwhile under the constraints.", covered.concern));
        }
        if !self.choice.proven {
            warnings.push("组合过多：给出的是搜索上限内的最好方案，未证明最优。 / Too many combinations: the best plan within the search limit, not proven optimal.".to_owned());
        }
        warnings
    }

    fn based_on(&self) -> BasedOn {
        BasedOn {
            sources: self.brief.sources.clone(),
            customer_id: self.brief.customer_id.clone(),
            age: self.brief.age,
            gender: self.brief.gender.clone(),
            skin_type: self.brief.skin_type.clone(),
            concerns: self.screen.concerns.iter().map(|concern| concern.label.clone()).collect(),
            safety: self.brief.constraints.safety.iter().map(|fact| tags::label(fact)).collect(),
            limits: text::limits(&self.brief.constraints),
            services_considered: self.services.iter().filter(|service| self.screen.concerned(service)).count() as u32,
            method: "多约束背包的分支定界精确搜索：在预算、次数、项目数内使各诉求的预期改善（边际递减）最大 / exact branch and bound on a knapsack over (service, sessions), maximising expected concern coverage with diminishing returns".to_owned(),
            optimal: self.choice.proven,
        }
    }
}

fn lowest(service: &Service) -> i64 {
    service.price_min_fen.min(service.price_max_fen).max(0)
}
