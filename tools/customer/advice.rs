//! What to do for a customer: recommendations, the next step, the manner. Chosen by rules from facts on record.
//!
//! Every sentence names the fact behind it. A service is named only when it treats a concern on record, is on offer,
//! fits a stated budget and is forbidden by no allergy or condition on record, and it is named as something to assess
//! with a physician. An account that is switched off gets no advice to write to it.

use std::collections::BTreeSet;

use super::{
    facts::{Facts, days},
    segment::Segment,
};
use crate::{
    clinic::{concerns, tags},
    money,
    port::{Customer, Preferences, Service},
};

/// More recommendations than these are read by nobody.
const MOST_RECOMMENDATIONS: usize = 6;
/// Concerns that get services of their own, and services named for one concern.
const MOST_CONCERNS: usize = 2;
const SERVICES_A_CONCERN: usize = 2;
/// Free text of a customer is cut here.
const QUOTE_CHARS: usize = 24;

/// Everything the advice rests on.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub(super) is_active: bool,
    pub(super) facts: Facts<'a>,
    pub(super) segment: Segment,
    pub(super) customer: &'a Customer,
    pub(super) preferences: &'a Preferences,
    pub(super) services: &'a [Service],
}

/// A step with a code for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// For programs.
    pub(super) code: &'static str,
    /// For people.
    pub(super) text: String,
}

fn step(code: &'static str, text: impl Into<String>) -> Step {
    Step { code, text: text.into() }
}

/// What a course of the customer is waiting for.
struct Course<'a> {
    service: &'a Service,
    done: u32,
    days_over: i64,
}

impl<'a> Picture<'a> {
    /// What is recommended, the most pressing first.
    pub(super) fn recommendations(&self) -> Vec<String> {
        if !self.is_active {
            return vec!["账号已停用：不要主动联系，如有疑问请先向管理员确认".into()];
        }
        let single = [self.after_complaint(), self.before_visit(), self.safety(), self.opening(), self.course_text(), self.returning()];
        let mut all: Vec<String> = single.into_iter().flatten().collect();
        all.extend(self.services_for_concerns());
        all.extend([self.budget(), self.profile_gaps()].into_iter().flatten());
        all.truncate(MOST_RECOMMENDATIONS);
        all
    }

    /// The one thing to do next.
    pub(super) fn next_step(&self) -> Step {
        let activity = self.facts.activity;
        if !self.is_active {
            return step("no_contact", "账号已停用：不联系");
        }
        if activity.complaints > 0 {
            return step("resolve_complaint", format!("先回访并跟进{}条投诉的处理结果", activity.complaints));
        }
        if activity.upcoming > 0 {
            return step("confirm_appointment", format!("到店前一天确认{}个待到店预约", activity.upcoming));
        }
        if let Some(course) = self.course().filter(|course| course.days_over >= 0) {
            return step(
                "continue_course",
                format!("邀约「{}」第{}次（疗程通常{}次）", course.service.name, course.done + 1, course.service.sessions),
            );
        }
        match self.segment {
            Segment::New | Segment::Prospect if activity.messages_90d > 0 => {
                step("answer_and_invite", "由顾问一对一答复近期咨询，并邀请首次面诊")
            }
            Segment::New => step("welcome", "发送个性化欢迎，了解诉求并邀请首次面诊"),
            Segment::Prospect => step("reawaken", "以其关注的问题为由轻量回访，邀请首次面诊"),
            Segment::Lapsed => step("win_back", "由熟悉的顾问做关怀回访，了解未再到店的原因"),
            Segment::AtRisk => step("remind_visit", "提醒复诊：已超过其平时到店间隔"),
            _ if self.is_due() => step("remind_visit", "提醒预约复诊：已到其平时到店间隔"),
            Segment::Vip => step("personal_care", "由专属顾问安排定期效果回访与优先预约"),
            Segment::Regular | Segment::Developing => step("follow_up", "回访上次项目的效果与恢复情况，约定下次到店"),
        }
    }

    /// The manner in which to talk.
    pub(super) fn strategy(&self) -> Step {
        let style = self.preferences.communication_style.as_deref();
        let price = self.preferences.price_sensitivity.as_deref();
        let base = match self.segment {
            _ if self.facts.activity.complaints > 0 => step("care_first", "关怀修复型：先解决不满，再谈项目"),
            Segment::New => step("gentle", "温和推进型：先了解诉求与顾虑，不急于推荐项目"),
            Segment::Prospect => step("educate", "答疑引导型：用专业信息打消顾虑，降低首次到店门槛"),
            Segment::Lapsed | Segment::AtRisk => step("win_back", "关怀唤回型：以效果回访切入，不以促销开场"),
            Segment::Vip => step("exclusive", "专属服务型：固定顾问、优先预约、提前规划"),
            Segment::Regular | Segment::Developing => step("steady", "稳健维护型：围绕疗程进度与效果持续跟进"),
        };
        let mut text = base.text;
        match style {
            Some("detailed") => text.push_str("；客户偏好详细说明：讲清原理、流程与恢复期"),
            Some("concise") => text.push_str("；客户偏好简洁沟通：先给结论和价格"),
            Some(other) => text = format!("{text}；客户偏好的沟通方式：{}", quote(other)),
            None => {}
        }
        match price {
            Some("high") => text.push_str("；对价格敏感：主动给出价格区间与分期安排"),
            Some("low") => text.push_str("；对价格不敏感：重点讲效果与安全"),
            _ => {}
        }
        step(base.code, text)
    }

    fn after_complaint(&self) -> Option<String> {
        let complaints = self.facts.activity.complaints;
        (complaints > 0).then(|| format!("有{complaints}条投诉记录：先确认处理结果，再介绍任何项目"))
    }

    fn before_visit(&self) -> Option<String> {
        let activity = self.facts.activity;
        match (activity.upcoming, activity.missed) {
            (0, missed) if missed >= 2 => Some(format!("曾{missed}次取消或爽约：约定时间后提前一天再次确认")),
            (0, _) => None,
            (upcoming, missed) if missed >= 2 => Some(format!("有{upcoming}个待到店预约，且曾{missed}次取消或爽约：提前一天电话确认")),
            (upcoming, _) => Some(format!("有{upcoming}个待到店预约：提前一天提醒并告知注意事项")),
        }
    }

    fn safety(&self) -> Option<String> {
        let facts: Vec<String> = safety(self.customer).iter().take(4).map(|fact| tags::label(&quote(fact))).collect();
        (!facts.is_empty()).then(|| format!("档案记录：{}。任何项目须先由医生确认", facts.join("、")))
    }

    fn opening(&self) -> Option<String> {
        let account = days(self.facts.account_days());
        match self.segment {
            Segment::New => Some("新注册客户：发送个性化欢迎，提供基础咨询服务并邀请首次面诊".into()),
            Segment::Prospect => Some(format!("注册{account}天尚未到店：先答疑，再邀请首次面诊")),
            Segment::Vip => Some("VIP客户：由固定的专属顾问接待，优先安排预约".into()),
            _ => None,
        }
    }

    fn returning(&self) -> Option<String> {
        let gap = days(self.facts.days_since_visit()?);
        let rhythm = self.facts.rhythm_days();
        match self.segment {
            Segment::Lapsed | Segment::AtRisk => Some(format!("距上次到店{gap}天（平时约每{rhythm:.0}天一次）：由熟悉的顾问关怀回访")),
            _ if self.facts.activity.upcoming > 0 => None,
            _ if self.is_due() => Some(format!("距上次到店{gap}天，已到其平时约{rhythm:.0}天的间隔：提醒预约复诊")),
            _ => Some(format!("上次到店在{gap}天前：回访效果与恢复情况")),
        }
    }

    /// Whether the customer's own gap between visits is over.
    fn is_due(&self) -> bool {
        self.facts.overdue().is_some_and(|overdue| overdue >= 1.0)
    }

    fn course_text(&self) -> Option<String> {
        let course = self.course()?;
        let Course { service, done, days_over } = course;
        let due = if days_over >= 0 { "已到下一次的间隔时间，可以邀约" } else { "尚在间隔期内，先回访效果" };
        Some(format!("「{}」已做{done}次（疗程通常{}次，间隔{}天）：{due}", service.name, service.sessions, service.interval_days))
    }

    /// The most advanced course that is neither finished nor forbidden.
    fn course(&self) -> Option<Course<'a>> {
        let gap = days(self.facts.days_since_visit()?);
        let safety = safety(self.customer);
        let open = self.services.iter().filter_map(|service| {
            let done = *self.facts.activity.services.get(&service.code)?;
            let unfinished = service.enabled && service.sessions > 1 && done % service.sessions != 0;
            (unfinished && allowed(service, &safety)).then_some((service, done))
        });
        let (service, done) = open.max_by_key(|(_, done)| *done)?;
        Some(Course { service, done, days_over: gap - i64::from(service.interval_days) })
    }

    fn services_for_concerns(&self) -> Vec<String> {
        let safety = safety(self.customer);
        let found = concerns::read_all(&self.customer.concerns);
        let named = found.iter().take(MOST_CONCERNS).map(|concern| {
            let mut fitting: Vec<&Service> = self
                .services
                .iter()
                .filter(|service| {
                    service.enabled && concerns::treated_by(concern, service) && allowed(service, &safety) && self.affordable(service)
                })
                .collect();
            fitting.sort_by_key(|service| (std::cmp::Reverse(service.efficacy), service.price_min_fen));
            let names: Vec<String> = fitting
                .iter()
                .take(SERVICES_A_CONCERN)
                .map(|service| format!("{}（{}）", service.name, money::range(service.price_min_fen, service.price_max_fen)))
                .collect();
            let concern = quote(&concern.label);
            if names.is_empty() {
                format!("关注「{concern}」：现有目录中没有同时符合预算与安全记录的项目，请面诊评估")
            } else {
                format!("关注「{concern}」：可请医生评估{}", names.join("或"))
            }
        });
        named.collect()
    }

    fn affordable(&self, service: &Service) -> bool {
        self.preferences.budget_max_fen.is_none_or(|budget| service.price_min_fen <= budget)
    }

    fn budget(&self) -> Option<String> {
        let max = self.preferences.budget_max_fen?;
        let sensitive = self.preferences.price_sensitivity.as_deref() == Some("high");
        let manner = if sensitive { "对价格敏感，先说明价格区间" } else { "推荐时不超出预算" };
        Some(format!("预算上限{}：{manner}", money::yuan(max)))
    }

    fn profile_gaps(&self) -> Option<String> {
        let gaps = [
            ("主要诉求", self.customer.concerns.is_empty() && self.preferences.treatments.is_empty()),
            ("预算", self.preferences.budget_max_fen.is_none()),
            ("肤质", self.customer.skin_type.is_none()),
        ];
        let missing: Vec<&str> = gaps.into_iter().filter_map(|(name, missing)| missing.then_some(name)).collect();
        (!missing.is_empty()).then(|| format!("档案缺少{}：下次沟通时询问", missing.join("、")))
    }
}

/// The customer's allergies and conditions, in the vocabulary of the catalogue.
fn safety(customer: &Customer) -> BTreeSet<String> {
    customer.allergies.iter().chain(&customer.conditions).flat_map(|text| tags::read(text).all()).collect()
}

fn allowed(service: &Service, safety: &BTreeSet<String>) -> bool {
    tags::conflicts(safety, &service.contraindications).is_empty()
}

/// A customer's own words, as a short quotation: no line breaks, no control characters.
fn quote(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(QUOTE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::Picture;
    use crate::{
        customer::{
            facts::tests::{facts, visits},
            segment::Segment,
        },
        port::{Activity, Customer, Preferences, Service},
    };

    fn service(code: &str, name: &str, efficacy: u32, price: i64) -> Service {
        Service {
            code: code.into(),
            name: name.into(),
            treats: vec!["色斑".into()],
            price_min_fen: price,
            price_max_fen: price * 2,
            sessions: 3,
            interval_days: 28,
            efficacy,
            enabled: true,
            ..Service::default()
        }
    }

    struct Case {
        activity: Activity,
        customer: Customer,
        preferences: Preferences,
        services: Vec<Service>,
        registered: i64,
        active: bool,
    }

    impl Case {
        fn new(activity: Activity, registered: i64) -> Self {
            Self {
                activity,
                customer: Customer::default(),
                preferences: Preferences::default(),
                services: vec![service("ipl", "光子嫩肤", 70, 120_000), service("pico", "皮秒激光", 90, 300_000)],
                registered,
                active: true,
            }
        }

        fn picture(&self) -> Picture<'_> {
            let facts = facts(&self.activity, self.registered);
            Picture {
                is_active: self.active,
                facts,
                segment: Segment::of(&facts),
                customer: &self.customer,
                preferences: &self.preferences,
                services: &self.services,
            }
        }

        fn all(&self) -> String {
            self.picture().recommendations().join("\n")
        }
    }

    #[test]
    fn a_new_customer_is_welcomed_and_asked_what_is_not_known() {
        let case = Case::new(Activity::default(), 1);
        assert!(case.all().contains("欢迎") && case.all().contains("档案缺少主要诉求、预算、肤质"), "{}", case.all());
        assert_eq!(case.picture().next_step().code, "welcome");
        assert_eq!(case.picture().strategy().code, "gentle");
    }

    #[test]
    fn a_concern_names_the_most_effective_service_first() {
        let mut case = Case::new(Activity::default(), 1);
        case.customer.concerns = vec!["色斑".into()];
        assert!(case.all().contains("皮秒激光（¥3,000–6,000）或光子嫩肤（¥1,200–2,400）"), "{}", case.all());
    }

    #[test]
    fn what_is_contraindicated_disabled_or_over_budget_is_never_named() {
        let mut case = Case::new(Activity::default(), 1);
        case.customer.concerns = vec!["色斑".into()];
        case.services[1].contraindications = vec!["pregnancy".into()];
        case.customer.conditions = vec!["怀孕".into()];
        assert!(!case.all().contains("皮秒激光") && case.all().contains("光子嫩肤"), "{}", case.all());
        case.services[0].enabled = false;
        assert!(!case.all().contains("光子嫩肤") && case.all().contains("请面诊评估"), "{}", case.all());
        case.services[0].enabled = true;
        case.preferences.budget_max_fen = Some(100_000);
        assert!(!case.all().contains("光子嫩肤"), "{}", case.all());
    }

    #[test]
    fn an_unfinished_course_is_continued_when_its_interval_is_over() {
        let mut case = Case::new(visits(1, 30, 30), 60);
        case.activity.services.insert("ipl".into(), 1);
        assert_eq!(case.picture().next_step().code, "continue_course");
        case.activity = visits(1, 20, 20);
        case.activity.services.insert("ipl".into(), 1);
        assert_eq!(case.picture().next_step().code, "follow_up");
        assert!(case.all().contains("尚在间隔期内"), "{}", case.all());
        case.activity.services.insert("ipl".into(), 3);
        assert!(!case.all().contains("疗程通常"), "a finished course is finished: {}", case.all());
    }

    #[test]
    fn a_course_that_became_forbidden_is_not_continued() {
        let mut case = Case::new(visits(1, 30, 30), 60);
        case.activity.services.insert("ipl".into(), 1);
        case.services[0].contraindications = vec!["pregnancy".into()];
        case.customer.conditions = vec!["pregnancy".into()];
        assert_eq!(case.picture().next_step().code, "follow_up");
    }

    #[test]
    fn complaints_come_before_appointments_and_both_before_the_rest() {
        let mut case = Case::new(visits(5, 300, 10), 400);
        case.activity.upcoming = 1;
        assert_eq!(case.picture().next_step().code, "confirm_appointment");
        case.activity.complaints = 1;
        assert_eq!(case.picture().next_step().code, "resolve_complaint");
        assert_eq!(case.picture().strategy().code, "care_first");
        assert!(case.all().starts_with("有1条投诉记录"));
    }

    #[test]
    fn a_lapsed_customer_is_won_back_and_a_new_one_is_not() {
        let lapsed = Case::new(visits(2, 500, 400), 600);
        assert_eq!(lapsed.picture().next_step().code, "win_back");
        assert!(lapsed.all().contains("距上次到店400天"), "{}", lapsed.all());
        assert!(!Case::new(Activity::default(), 1).all().contains("距上次到店"));
    }

    #[test]
    fn who_is_due_is_reminded_and_who_is_not_is_asked_how_it_went() {
        let due = Case::new(visits(4, 300, 100), 400);
        assert_eq!(due.picture().segment, Segment::Regular);
        assert_eq!(due.picture().next_step().code, "remind_visit");
        assert!(due.all().contains("提醒预约复诊"), "{}", due.all());
        let early = Case::new(visits(4, 300, 10), 400);
        assert_eq!(early.picture().next_step().code, "follow_up");
        assert!(early.all().contains("上次到店在10天前"), "{}", early.all());
    }

    #[test]
    fn nobody_writes_to_a_switched_off_account() {
        let mut case = Case::new(Activity::default(), 1);
        case.active = false;
        assert_eq!(case.picture().recommendations().len(), 1);
        assert_eq!(case.picture().next_step().code, "no_contact");
    }

    #[test]
    fn the_manner_follows_stated_preferences() {
        let mut case = Case::new(visits(4, 200, 10), 400);
        case.preferences.communication_style = Some("detailed".into());
        case.preferences.price_sensitivity = Some("high".into());
        let strategy = case.picture().strategy();
        assert!(strategy.text.contains("详细说明") && strategy.text.contains("价格敏感"), "{}", strategy.text);
    }

    #[test]
    fn quoted_words_are_short_and_on_one_line() {
        let mut case = Case::new(Activity::default(), 1);
        case.customer.concerns = vec![format!("色斑\n{}", "很".repeat(200))];
        assert!(case.picture().recommendations().iter().all(|text| text.chars().count() < 120 && !text.contains('\n')));
    }
}
