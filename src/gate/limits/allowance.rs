//! A meter with the rules in force: what a request asks.

use std::sync::Arc;

use super::{
    exceeded::{Exceeded, Whose},
    meter::{Meter, Meters, ToolMeter, day_of},
    rules::{Origin, Rule, Rules, ToolRules},
};
use crate::store::limits::Kind;

/// When to try again when all places are taken: a call ends when it ends.
const COME_AGAIN_MS: i64 = 1000;

/// What one key (or token) may do, and did.
#[derive(Debug)]
pub struct Allowance {
    rules: Rules,
    meter: Arc<Meter>,
    group: Arc<str>,
}

impl Allowance {
    /// Of `principal`, in the group with the server code `group`.
    pub fn new(meters: &Meters, principal: &Arc<str>, group: &Arc<str>, rules: Rules) -> Self {
        Self { rules, meter: meters.of(principal), group: Arc::clone(group) }
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Calls counted on the day of this moment.
    pub fn used_today(&self, now: i64) -> u32 {
        self.meter.day.used(day_of(now, self.rules.offset_ms).0)
    }

    /// Lets one `tools/list` pass.
    pub fn list(&self, now: i64) -> Result<(), Exceeded> {
        self.rules.rates.list.take(&self.meter.lists, now).map_err(|wait| self.exceeded(Kind::ListPerMinute, self.rules.list, now, wait))
    }

    /// Lets one request pass that is neither a list nor a call.
    pub fn other(&self, now: i64) -> Result<(), Exceeded> {
        self.rules
            .rates
            .other
            .take(&self.meter.others, now)
            .map_err(|wait| self.exceeded(Kind::OtherPerMinute, self.rules.other, now, wait))
    }

    /// Whether a call would pass at this moment. It takes nothing.
    pub fn has_room(&self, now: i64) -> bool {
        let (rules, meter) = (&self.rules, &*self.meter);
        let of_day = rules.day.value == 0 || meter.day.used(rules.day_at(now)) < rules.day.value;
        of_day && meter.running.has_room(rules.concurrent.value) && rules.rates.call.has_room(&meter.calls, now)
    }

    /// Lets one call pass; it counts as running until the guard is dropped.
    pub fn call(&self, now: i64) -> Result<Running<'_>, Exceeded> {
        let (rules, meter) = (&self.rules, &*self.meter);
        if !meter.running.enter(rules.concurrent.value) {
            return Err(self.exceeded(Kind::ConcurrentCalls, rules.concurrent, now, COME_AGAIN_MS));
        }
        let (day, end) = day_of(now, rules.offset_ms);
        let running = Running { meter, day };
        rules.rates.call.take(&meter.calls, now).map_err(|wait| self.exceeded(Kind::CallPerMinute, rules.call, now, wait))?;
        if !meter.day.take(day, rules.day.value) {
            return Err(self.exceeded(Kind::CallsPerDay, rules.day, now, end - now));
        }
        Ok(running)
    }

    #[cold]
    fn exceeded(&self, kind: Kind, rule: Rule, now: i64, wait_ms: i64) -> Exceeded {
        Exceeded {
            kind,
            whose: Whose::Key,
            value: rule.value,
            origin: rule.origin,
            group: self.group.to_string(),
            free_at: now + wait_ms,
            wait_ms,
        }
    }
}

/// A call of a key that runs.
#[derive(Debug)]
pub struct Running<'a> {
    meter: &'a Meter,
    day: u32,
}

impl Running<'_> {
    /// The call was refused by another limit: it does not count for the day.
    pub fn uncount(&self) {
        self.meter.day.give_back(self.day);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.meter.running.leave();
    }
}

/// What may be asked of one tool of a group, by all keys together.
#[derive(Debug)]
pub struct ToolAllowance {
    rules: ToolRules,
    meter: Arc<ToolMeter>,
    group: Arc<str>,
    tool: Arc<str>,
}

impl ToolAllowance {
    /// Of a tool in the group with this id and server code.
    pub fn new(meters: &Meters, group_id: &str, group: &Arc<str>, (tool, rules): (&str, ToolRules)) -> Self {
        Self { rules, meter: meters.of_tool(group_id, tool), group: Arc::clone(group), tool: tool.into() }
    }

    /// The rules in force.
    pub fn rules(&self) -> &ToolRules {
        &self.rules
    }

    /// Whether a call would pass at this moment. It takes nothing.
    pub fn has_room(&self, now: i64) -> bool {
        self.meter.running.has_room(self.rules.concurrent) && self.rules.rate.has_room(&self.meter.calls, now)
    }

    /// Lets one call pass; it counts as running until the guard is dropped.
    pub fn call(&self, now: i64) -> Result<ToolRunning<'_>, Exceeded> {
        let (rules, meter) = (&self.rules, &*self.meter);
        if !meter.running.enter(rules.concurrent) {
            return Err(self.exceeded(Kind::ConcurrentCalls, rules.concurrent, now, COME_AGAIN_MS));
        }
        let running = ToolRunning { meter };
        rules.rate.take(&meter.calls, now).map_err(|wait| self.exceeded(Kind::CallPerMinute, rules.call, now, wait))?;
        Ok(running)
    }

    #[cold]
    fn exceeded(&self, kind: Kind, value: u32, now: i64, wait_ms: i64) -> Exceeded {
        let whose = Whose::Tool(self.tool.to_string());
        Exceeded { kind, whose, value, origin: Origin::Tool, group: self.group.to_string(), free_at: now + wait_ms, wait_ms }
    }
}

/// A call of a tool that runs.
#[derive(Debug)]
pub struct ToolRunning<'a> {
    meter: &'a ToolMeter,
}

impl Drop for ToolRunning<'_> {
    fn drop(&mut self) {
        self.meter.running.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::limits::Standard;

    const NOW: i64 = 1_795_651_200_000;

    fn allowance(meters: &Meters, standard: Standard) -> Allowance {
        Allowance::new(meters, &Arc::from("k"), &Arc::from("system_tools"), Rules::resolve(standard, false, &[], Some("k")))
    }

    fn kind<T>(result: Result<T, Exceeded>) -> Option<Kind> {
        result.err().map(|exceeded| exceeded.kind)
    }

    #[test]
    fn each_kind_of_request_has_its_own_rate() {
        let meters = Meters::default();
        let standard = Standard { list_per_minute: 1, call_per_minute: 2, other_per_minute: 3, ..Standard::default() };
        let allowance = allowance(&meters, standard);
        assert!(allowance.list(NOW).is_ok());
        assert_eq!(kind(allowance.list(NOW)), Some(Kind::ListPerMinute));
        assert!(allowance.call(NOW).is_ok() && allowance.call(NOW).is_ok());
        let refused = allowance.call(NOW).unwrap_err();
        assert_eq!((refused.kind, refused.value, refused.wait_ms, refused.free_at), (Kind::CallPerMinute, 2, 30_000, NOW + 30_000));
        assert!((0..3).all(|_| allowance.other(NOW).is_ok()));
        assert_eq!(kind(allowance.other(NOW)), Some(Kind::OtherPerMinute));
    }

    #[test]
    fn what_was_used_outlives_the_policy_and_a_new_value_is_in_force_at_once() {
        let meters = Meters::default();
        let narrow = Standard { call_per_minute: 2, ..Standard::default() };
        assert!((0..2).all(|_| allowance(&meters, narrow).call(NOW).is_ok()));
        assert_eq!(kind(allowance(&meters, narrow).call(NOW)), Some(Kind::CallPerMinute));
        assert!(allowance(&meters, Standard { call_per_minute: 0, ..narrow }).call(NOW).is_ok());
        assert!(allowance(&meters, Standard { call_per_minute: 6000, ..narrow }).call(NOW + 20).is_ok());
    }

    #[test]
    fn places_are_free_again_when_a_call_ends_however_it_ends() {
        let meters = Meters::default();
        let allowance = allowance(&meters, Standard { concurrent_calls: 2, call_per_minute: 4, ..Standard::default() });
        let (first, second) = (allowance.call(NOW).unwrap(), allowance.call(NOW).unwrap());
        assert_eq!(kind(allowance.call(NOW)), Some(Kind::ConcurrentCalls));
        drop(first);
        drop(allowance.call(NOW).unwrap());
        drop(allowance.call(NOW).unwrap());
        // Refused by the rate: the place is given back all the same.
        assert_eq!(kind(allowance.call(NOW)), Some(Kind::CallPerMinute));
        assert_eq!(kind(allowance.call(NOW)), Some(Kind::CallPerMinute));
        drop(second);
        assert!(allowance.meter.running.enter(1), "nobody is left");
    }

    #[test]
    fn a_day_has_its_quota_and_what_another_limit_refused_does_not_count() {
        let meters = Meters::default();
        let allowance = allowance(&meters, Standard { calls_per_day: 2, offset_ms: 8 * 3_600_000, ..Standard::default() });
        allowance.call(NOW).unwrap().uncount();
        assert!(allowance.call(NOW).is_ok() && allowance.call(NOW).is_ok());
        let refused = allowance.call(NOW).unwrap_err();
        // 00:00Z is 08:00 in the clinic: its day ends in sixteen hours.
        assert_eq!((refused.kind, refused.wait_ms, allowance.used_today(NOW)), (Kind::CallsPerDay, 16 * 3_600_000, 2));
        assert!(allowance.call(refused.free_at).is_ok());
    }

    #[test]
    fn a_tools_limit_holds_for_everybody_together() {
        let meters = Meters::default();
        let rules = |call, concurrent| {
            let rows: Vec<_> = [(Kind::CallPerMinute, call), (Kind::ConcurrentCalls, concurrent)]
                .into_iter()
                .map(|(kind, value)| crate::store::limits::LimitRow {
                    scope: crate::store::limits::Scope::Tool,
                    group_id: "g".into(),
                    key_id: None,
                    tool_name: Some("t".into()),
                    kind,
                    value,
                    updated_by: "t".into(),
                    updated_at: 1,
                })
                .collect();
            ToolRules::resolve(&rows, "t")
        };
        let tool = |call, concurrent| ToolAllowance::new(&meters, "g", &Arc::from("system_tools"), ("t", rules(call, concurrent)));
        let free = tool(0, 0);
        assert!((0..1000).all(|_| free.call(NOW).is_ok()));
        let one = tool(0, 1);
        let held = one.call(NOW).unwrap();
        let refused = tool(0, 1).call(NOW).unwrap_err();
        assert_eq!((refused.kind, refused.whose.clone()), (Kind::ConcurrentCalls, Whose::Tool("t".into())));
        drop(held);
        assert!(tool(2, 1).call(NOW).is_ok() && tool(2, 1).call(NOW).is_ok());
        assert_eq!(kind(tool(2, 1).call(NOW)), Some(Kind::CallPerMinute));
    }
}
