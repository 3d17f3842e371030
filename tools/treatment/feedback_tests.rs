//! Phrases in both languages, and what must be made of them.

use std::collections::BTreeSet;

use super::{Budget, Current, Heard, apply, read};
use crate::treatment::{constraints::Constraints, fixture::catalogue};

const CURRENT: Current = Current { cost: 1_000_000, recovery: 7, sessions: 8, days: 120 };

fn hear(text: &str) -> Heard {
    read(text, CURRENT, &catalogue())
}

fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(ToString::to_string).collect()
}

#[test]
fn money_is_understood() {
    for (text, fen) in [
        ("预算5000元", 500_000),
        ("太贵了，预算控制在 5,000 以内", 500_000),
        ("预算1.5万", 1_500_000),
        ("最多花八千块", 800_000),
        ("总价不超过6000", 600_000),
        ("Too expensive, my budget is 4000 yuan.", 400_000),
        ("keep it under ¥3,000", 300_000),
        ("8000太贵了", 800_000),
        ("太贵了", 800_000),
        ("can it be cheaper?", 800_000),
        ("价格有点高，能便宜点吗", 800_000),
        ("便宜2000元", 800_000),
        ("便宜30%", 700_000),
        ("预算可以提高到2万", 2_000_000),
        ("预算5000，太贵了", 500_000),
        ("预算5000-8000", 800_000),
    ] {
        let heard = hear(text);
        assert_eq!(heard.budget, Some(Budget::AtMost(fen)), "{text}: {heard:?}");
        assert!(heard.not_understood.is_empty(), "{text}: {heard:?}");
    }
    assert_eq!(hear("预算可以提高一点").budget, None, "by how much?");
    assert_eq!(hear("预算不限").budget, Some(Budget::Lifted));
    assert_eq!(hear("money is no problem, no limit on budget").budget, Some(Budget::Lifted));
}

#[test]
fn recovery_sessions_and_length_are_understood() {
    for (text, recovery) in [
        ("恢复期不超过3天", 3),
        ("恢复期最多一周", 7),
        ("恢复期太长了", 3),
        ("恢复期7天太长了", 3),
        ("不能有恢复期", 0),
        ("no downtime please", 0),
        ("downtime at most 2 days", 2),
        ("recovery is too long", 3),
        ("不能请假，想恢复快一点", 3),
    ] {
        assert_eq!(hear(text).recovery, Some(recovery), "{text}: {:?}", hear(text));
    }
    for (text, sessions) in
        [("最多2次", 2), ("做三次就够了", 3), ("次数太多", 6), ("fewer sessions please", 6), ("at most 4 visits", 4), ("做8次太多了", 6)]
    {
        assert_eq!(hear(text).sessions, Some(sessions), "{text}: {:?}", hear(text));
    }
    for (text, days) in [("3个月内做完", 90), ("疗程太长", 90), ("I want it done within 6 weeks", 42), ("全程不超过60天", 60)]
    {
        assert_eq!(hear(text).days, Some(days), "{text}: {:?}", hear(text));
    }
    let both = hear("太贵了，预算5000以内，恢复期不超过3天，最多2次");
    assert_eq!((both.budget, both.recovery, both.sessions, both.days), (Some(Budget::AtMost(500_000)), Some(3), Some(2), None));
    assert_eq!(both.areas.len(), 3, "{:?}", both.areas);
}

#[test]
fn services_and_categories_are_dropped_added_and_exchanged() {
    assert_eq!(hear("不要热玛吉").exclude, set(&["thermage"]));
    assert_eq!(hear("I don't want pico laser").exclude, set(&["pico_laser"]));
    assert_eq!(hear("皮秒激光太疼了").exclude, set(&["pico_laser"]));
    assert_eq!(hear("不想打针").exclude, set(&["botox_wrinkle", "hyaluronic_filler"]));
    assert_eq!(hear("no surgery").exclude, set(&["double_eyelid"]));
    assert_eq!(hear("想加一个光子嫩肤").include, set(&["photorejuvenation"]));
    for text in ["把皮秒激光换成光子嫩肤", "replace pico laser with photorejuvenation", "photorejuvenation instead of pico laser"]
    {
        let heard = hear(text);
        assert_eq!((heard.exclude, heard.include), (set(&["pico_laser"]), set(&["photorejuvenation"])), "{text}");
    }
    let mentioned = hear("光子嫩肤太贵");
    assert!(mentioned.exclude.is_empty() && mentioned.budget.is_some(), "too expensive is not unwanted");
    assert!(hear("my skin is not better").exclude.is_empty());
    assert!(hear("特别喜欢现在的安排").exclude.is_empty());
    assert!(hear("皮秒激光不痛").exclude.is_empty());
}

#[test]
fn health_is_understood_and_never_unsaid() {
    let tags = |text: &str| hear(text).safety.tags;
    assert_eq!(tags("我怀孕了"), set(&["pregnancy"]));
    assert_eq!(tags("allergic to lidocaine, penicillin"), set(&["lidocaine", "penicillin"]));
    assert_eq!(tags("我对利多卡因、青霉素过敏"), set(&["lidocaine", "penicillin"]));
    assert_eq!(tags("刚发现有高血压"), set(&["hypertension"]));
    assert_eq!(hear("我对花生过敏").safety.unknown, set(&["花生"]));
    let denial = hear("我没有怀孕");
    assert!(denial.safety.tags.is_empty() && denial.areas.is_empty());
    assert!(denial.not_understood[0].contains("pregnancy"));
    assert!(hear("我才16岁").minor);
    assert!(!hear("我26岁，太贵了").minor);
}

#[test]
fn effect_and_concerns_are_understood() {
    assert!(hear("想要效果更好的").stronger);
    assert!(hear("I'd like a stronger effect").stronger);
    let keys = |concerns: &[super::Concern]| concerns.iter().map(|concern| concern.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&hear("其实更想改善毛孔").first), ["毛孔粗大"]);
    assert_eq!(keys(&hear("also improve wrinkles").also), ["皱纹"]);
    assert_eq!(keys(&hear("色斑不用管了").no_longer), ["色斑"]);
    let complaint = hear("no improvement in my wrinkles");
    assert!(complaint.stronger && complaint.no_longer.is_empty());
    assert!(hear("不要肉毒除皱").no_longer.is_empty(), "a service's name is no concern");
}

#[test]
fn what_is_not_understood_is_handed_back() {
    let heard = hear("太贵了。希望前台换个人");
    assert_eq!(heard.not_understood, ["希望前台换个人"]);
    assert!(hear("嗯嗯随便吧").areas.is_empty());
    assert_eq!(hear("谢谢！").not_understood, Vec::<String>::new());
}

#[test]
fn constraints_are_changed_and_safety_only_grows() {
    let old = Constraints {
        concerns: vec!["脸上的斑点".into(), "毛孔".into()],
        safety: set(&["keloid"]),
        exclude: set(&["photorejuvenation"]),
        include: set(&["pico_laser"]),
        budget_max_fen: Some(2_000_000),
        ..Constraints::default()
    };
    let new = apply(&hear("把皮秒激光换成光子嫩肤，我怀孕了，预算5000，更想改善皱纹，毛孔不用管"), &old);
    assert_eq!(new.include, set(&["photorejuvenation"]));
    assert_eq!(new.exclude, set(&["pico_laser"]));
    assert_eq!(new.safety, set(&["keloid", "pregnancy"]));
    assert_eq!(new.budget_max_fen, Some(500_000));
    assert_eq!(new.concerns, ["皱纹", "脸上的斑点"]);
    assert_eq!(apply(&Heard::default(), &old).concerns, old.concerns);
}
