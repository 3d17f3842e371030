//! The breaker's rules one by one, the ways in which breakers never close again, and a simulation of everything at once.

use super::{super::random_for_tests::Random, *};

const OPEN_FOR: i64 = 10_000;
const PROBE_LIMIT: i64 = 20_000;
/// The longest wait between two probes of a fault that passes, and of one that needs an administrator.
const LONGEST_WAIT: i64 = OPEN_FOR * 126 / 100;
const LONGEST_FATAL_WAIT: i64 = OPEN_FOR * 630 / 100;
const SERVER: Outcome = Outcome::Failure(Failure::Server);
const FATAL: Outcome = Outcome::Failure(Failure::Fatal);

/// 5 failures, half of the calls, 30 s, 10 s: the defaults.
fn breaker() -> Breaker {
    Breaker::new(Rules::new(&settings::Breaker::default(), PROBE_LIMIT), 7)
}

fn call(breaker: &mut Breaker, now: i64) -> Token {
    match breaker.ask(now) {
        Permit::Call(token) => token,
        other => panic!("a call was expected at {now}, not {other:?}"),
    }
}

fn probe(breaker: &mut Breaker, now: i64) -> Token {
    match breaker.ask(now) {
        Permit::Probe { token, fresh: true } => token,
        other => panic!("a probe over a fresh connection was expected at {now}, not {other:?}"),
    }
}

fn refused_until(breaker: &mut Breaker, now: i64) -> i64 {
    match breaker.ask(now) {
        Permit::Refused { retry_at, .. } => retry_at,
        other => panic!("a refusal was expected at {now}, not {other:?}"),
    }
}

fn check(breaker: &mut Breaker, now: i64) -> Token {
    match breaker.due_probe(now) {
        Due::Now(token) => token,
        other => panic!("a check was expected to be due at {now}, not {other:?}"),
    }
}

fn end_calls(breaker: &mut Breaker, outcome: Outcome, times: std::ops::Range<i64>) -> Option<Change> {
    times
        .filter_map(|now| {
            let token = call(breaker, now);
            breaker.report(token, outcome, now)
        })
        .last()
}

/// Opened at 4 by five failures. Gives the time of the first probe.
fn opened() -> (Breaker, i64) {
    let mut breaker = breaker();
    assert_eq!(end_calls(&mut breaker, SERVER, 0..5), Some(Change::Opened(Reason::Row { failures: 5, last: Failure::Server })));
    let first = refused_until(&mut breaker, 4);
    assert!((4 + OPEN_FOR..=4 + OPEN_FOR * 105 / 100 + 1).contains(&first), "{first}");
    (breaker, first)
}

#[test]
fn a_row_of_failures_within_the_window_opens_it() {
    let mut breaker = breaker();
    assert_eq!(end_calls(&mut breaker, SERVER, 0..4), None);
    assert_eq!(end_calls(&mut breaker, Outcome::Success, 4..5), None);
    assert_eq!(end_calls(&mut breaker, SERVER, 5..9), None, "a success stands between them");
    assert_eq!(breaker.view(9), View { state: State::Closed, failures: 8, calls: 9 });
    assert_eq!(end_calls(&mut breaker, SERVER, 40_000..40_004), None, "the others are older than the window");
    assert!(end_calls(&mut breaker, SERVER, 40_004..40_005).is_some());
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_calls() {
    let mut breaker = breaker();
    for now in 0..9 {
        let outcome = if now % 2 == 0 { SERVER } else { Outcome::Success };
        assert_eq!(end_calls(&mut breaker, outcome, now..now + 1), None, "{now}");
    }
    assert_eq!(end_calls(&mut breaker, SERVER, 9..10), Some(Change::Opened(Reason::Rate { failed: 6, calls: 10 })));
}

#[test]
fn callers_who_give_up_count_on_neither_side() {
    let mut breaker = breaker();
    assert_eq!(end_calls(&mut breaker, SERVER, 0..4), None);
    assert_eq!(end_calls(&mut breaker, Outcome::Neutral, 4..50), None);
    assert_eq!(breaker.view(50), View { state: State::Closed, failures: 4, calls: 4 });
    assert!(end_calls(&mut breaker, SERVER, 50..51).is_some());
}

#[test]
fn one_failure_that_needs_an_administrator_opens_it_at_once() {
    let mut breaker = breaker();
    assert_eq!(end_calls(&mut breaker, FATAL, 0..1), Some(Change::Opened(Reason::Fatal)));
    assert!(matches!(breaker.ask(1), Permit::Refused { reason: Reason::Fatal, .. }));
    assert_eq!(breaker.reset(2), Some(Change::Closed { after_ms: 2 }));
    call(&mut breaker, 2);
}

/// A hundred at once, of whom seven are refused at once while the others wait for their answers, is no outage.
#[test]
fn quick_failures_of_a_burst_do_not_speak_for_the_calls_under_way() {
    let mut burst = breaker();
    let mut tokens: Vec<_> = (0..100).map(|_| call(&mut burst, 0)).collect();
    for token in tokens.drain(..7) {
        assert_eq!(burst.report(token, SERVER, 10), None);
    }
    for token in tokens.drain(..) {
        assert_eq!(burst.report(token, Outcome::Success, 2_000), None);
    }
    assert_eq!(burst.view(2_000), View { state: State::Closed, failures: 7, calls: 100 });
    // With no answer at all, those under way become failures, and it opens.
    let mut dead = breaker();
    let tokens: Vec<_> = (0..100).map(|_| call(&mut dead, 0)).collect();
    let changes: Vec<_> = tokens.into_iter().filter_map(|token| dead.report(token, SERVER, 10)).collect();
    assert_eq!(changes, [Change::Opened(Reason::Row { failures: 20, last: Failure::Server })]);
    // Eight at once, as many as an agent gets, do not delay it.
    let mut eight = breaker();
    let mut tokens: Vec<_> = (0..8).map(|_| call(&mut eight, 0)).collect();
    let changes: Vec<_> = tokens.drain(..5).map(|token| eight.report(token, SERVER, 10).is_some()).collect();
    assert_eq!(changes, [false, false, false, false, true]);
}

#[test]
fn calls_nobody_reports_on_do_not_keep_it_closed() {
    let mut breaker = breaker();
    for now in 0..1_000 {
        let _vanished = call(&mut breaker, now);
    }
    assert_eq!(end_calls(&mut breaker, SERVER, 40_000..40_005), Some(Change::Opened(Reason::Row { failures: 5, last: Failure::Server })));
}

#[test]
fn half_open_lets_one_probe_through_and_its_success_closes() {
    let (mut breaker, first) = opened();
    assert_eq!(refused_until(&mut breaker, first - 1), first);
    let token = probe(&mut breaker, first);
    assert_eq!(refused_until(&mut breaker, first + 1), first + PROBE_LIMIT, "one at a time");
    assert_eq!(breaker.due_probe(first + 1), Due::At(first + PROBE_LIMIT), "checks as well");
    assert!(matches!(breaker.view(first + 1).state, State::HalfOpen { since: 4, .. }));
    assert_eq!(breaker.report(token, Outcome::Success, first + 900), Some(Change::Closed { after_ms: first + 896 }));
    assert_eq!(breaker.view(first + 900), View { state: State::Closed, failures: 0, calls: 0 });
}

#[test]
fn trap_probe_reuse_every_probe_asks_for_a_connection_of_its_own() {
    let (mut breaker, mut at) = opened();
    for _ in 0..20 {
        // `probe` fails unless `fresh` is said.
        let token = probe(&mut breaker, at);
        breaker.report(token, Outcome::Failure(Failure::Stall), at + 100);
        at = refused_until(&mut breaker, at + 101);
    }
}

#[test]
fn trap_a_failure_that_restamps_the_opening_time_late_results_change_nothing() {
    let mut breaker = breaker();
    let mut early: Vec<_> = (0..40).map(|_| call(&mut breaker, 0)).collect();
    let change = early.drain(..20).filter_map(|token| breaker.report(token, SERVER, 0)).last();
    assert!(change.is_some());
    let first = refused_until(&mut breaker, 0);
    let State::Open { since, probe_at, .. } = breaker.view(0).state else { panic!() };
    assert_eq!((since, probe_at), (0, first));
    for (second, token) in (1..).zip(early.drain(..10)) {
        assert_eq!(breaker.report(token, FATAL, second * 900), None);
        assert_eq!(refused_until(&mut breaker, second * 900), first);
    }
    // Nor do they end the probe, or open it again after it has closed.
    let token = probe(&mut breaker, first);
    for late in early.drain(..5) {
        assert_eq!(breaker.report(late, SERVER, first + 1), None);
    }
    assert!(breaker.report(token, Outcome::Success, first + 2).is_some());
    for late in early {
        assert_eq!(breaker.report(late, FATAL, first + 3), None);
    }
    assert_eq!(breaker.view(first + 3).state, State::Closed);
}

#[test]
fn trap_a_health_check_through_the_breaker_is_never_refused_by_it() {
    let (mut breaker, first) = opened();
    assert_eq!(breaker.due_probe(5), Due::At(first));
    // An administrator's check, long before a probe is due, counts.
    assert_eq!(breaker.report_check(SERVER, 100), None);
    assert_eq!(refused_until(&mut breaker, 100), first, "a failed one delays nothing");
    assert_eq!(breaker.report_check(Outcome::Success, 200), Some(Change::Closed { after_ms: 196 }));
    call(&mut breaker, 200);
    assert_eq!(breaker.report_check(SERVER, 300), None);
    assert_eq!(breaker.report_check(FATAL, 400), Some(Change::Opened(Reason::Fatal)));
    // Without any traffic the background check closes it.
    let Due::At(due) = breaker.due_probe(400) else { panic!() };
    let token = check(&mut breaker, due);
    assert!(breaker.report(token, Outcome::Success, due + 50).is_some());
    assert_eq!(breaker.due_probe(due + 51), Due::No);
}

#[test]
fn trap_a_period_in_phase_with_the_reset_closes_all_the_same() {
    for period in [OPEN_FOR, OPEN_FOR + 1, OPEN_FOR / 2, LONGEST_WAIT, OPEN_FOR * 2] {
        for latency in [0, 1, 50, period - 1] {
            for seed in 0..20 {
                let mut breaker = Breaker::new(Rules::new(&settings::Breaker::default(), PROBE_LIMIT), seed);
                end_calls(&mut breaker, SERVER, 0..5);
                let (recovers, mut closed) = (period * 30, None);
                for tick in 0..60 {
                    let now = tick * period;
                    let Due::Now(token) = breaker.due_probe(now) else { continue };
                    let outcome = if now >= recovers { Outcome::Success } else { SERVER };
                    closed = breaker.report(token, outcome, now + latency).map(|_| now).or(closed);
                }
                let bound = recovers + latency + LONGEST_WAIT + period;
                assert!(closed.is_some_and(|at| at <= bound), "period {period}, latency {latency}: {closed:?} > {bound}");
            }
        }
    }
}

#[test]
fn a_probe_whose_caller_vanished_makes_room_and_a_check_goes_before_the_next_call() {
    let (mut breaker, first) = opened();
    let _vanished = probe(&mut breaker, first);
    let over = first + PROBE_LIMIT;
    assert_eq!(refused_until(&mut breaker, over - 1), over);
    assert_eq!(refused_until(&mut breaker, over), over + OPEN_FOR / PAUSE_AFTER_NOTHING);
    let token = check(&mut breaker, over);
    assert!(breaker.report(token, Outcome::Success, over + 1).is_some());
    // Without a checker, calls go on probing.
    let (mut alone, first) = opened();
    let _vanished = probe(&mut alone, first);
    let next = refused_until(&mut alone, over);
    let token = probe(&mut alone, next);
    assert!(alone.report(token, Outcome::Success, next + 1).is_some());
}

#[test]
fn a_probe_that_was_given_up_but_answers_after_all_closes_and_one_that_fails_late_changes_nothing() {
    let (mut breaker, first) = opened();
    let (slow, over) = (probe(&mut breaker, first), first + PROBE_LIMIT);
    let second = check(&mut breaker, over);
    assert!(breaker.report(slow, Outcome::Success, over + 10).is_some());
    assert_eq!(breaker.report(second, SERVER, over + 20), None);
    assert_eq!(breaker.view(over + 20).state, State::Closed);
    let (mut breaker, first) = opened();
    let (slow, over) = (probe(&mut breaker, first), first + PROBE_LIMIT);
    let second = check(&mut breaker, over);
    assert_eq!(breaker.report(slow, SERVER, over + 10), None);
    assert_eq!(refused_until(&mut breaker, over + 10), over + PROBE_LIMIT, "the second is still the one probe");
    assert!(breaker.report(second, Outcome::Success, over + 20).is_some());
}

#[test]
fn waits_grow_to_their_cap_and_differ_from_agent_to_agent() {
    let waits = |outcome: Outcome, seed: u64| {
        let mut breaker = Breaker::new(Rules::new(&settings::Breaker::default(), PROBE_LIMIT), seed);
        end_calls(&mut breaker, FATAL, 0..1);
        let mut at = refused_until(&mut breaker, 0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let token = probe(&mut breaker, at);
            breaker.report(token, outcome, at);
            let next = refused_until(&mut breaker, at);
            waits.push(next - at);
            at = next;
        }
        waits
    };
    let (passing, fatal) = (waits(SERVER, 1), waits(FATAL, 1));
    assert!(passing[0] >= OPEN_FOR * 11 / 10 && passing[7] >= OPEN_FOR * 12 / 10);
    assert!(passing.iter().all(|wait| *wait <= LONGEST_WAIT), "{passing:?}");
    assert!(fatal[0] >= OPEN_FOR * 2 && fatal[1] >= OPEN_FOR * 4 && fatal[7] >= OPEN_FOR * 6);
    assert!(fatal.iter().all(|wait| *wait <= LONGEST_FATAL_WAIT), "{fatal:?}");
    assert_ne!(passing, waits(SERVER, 2));
}

#[test]
fn an_agent_that_fails_again_at_once_waits_as_if_the_probe_had_failed() {
    let (mut breaker, first) = opened();
    let token = probe(&mut breaker, first);
    breaker.report(token, Outcome::Success, first);
    end_calls(&mut breaker, FATAL, first..first + 1);
    assert!(refused_until(&mut breaker, first) - first >= OPEN_FOR * 2);
    let (mut breaker, first) = opened();
    let token = probe(&mut breaker, first);
    breaker.report(token, Outcome::Success, first);
    end_calls(&mut breaker, FATAL, first + 30_001..first + 30_002);
    assert!(refused_until(&mut breaker, first + 30_001) - first - 30_001 < OPEN_FOR * 2, "long after, it is a new fault");
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    let (mut breaker, first) = opened();
    let hour = 3_600_000;
    let shown = refused_until(&mut breaker, 1_000 - hour);
    assert!((shown - first + hour).abs() <= 1_000, "{shown}: no later than on the old clock, shown on the new one");
    probe(&mut breaker, shown);
}

#[test]
fn changed_rules_hold_from_the_next_decision_on() {
    let mut breaker = breaker();
    breaker.set_rules(Rules::new(&settings::Breaker { failures: 1, ..settings::Breaker::default() }, PROBE_LIMIT));
    assert!(end_calls(&mut breaker, SERVER, 0..1).is_some());
}

/// An agent that works, fails and stalls by turns; callers who come, wait, give up and vanish; a checker that may or
/// may not be there; a clock that is set back.
struct Simulation {
    random: Random,
    breaker: Breaker,
    now: i64,
    clock_behind: i64,
    under_way: Vec<(i64, Token, Outcome)>,
    probes: usize,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    /// Calls in a step.
    calls: f64,
    /// Share of callers who vanish, and of those who give up.
    nothing: f64,
    checker: bool,
}

const STEP: i64 = 100;

impl Simulation {
    fn new(seed: u64) -> Self {
        let breaker = Breaker::new(Rules::new(&settings::Breaker::default(), PROBE_LIMIT), seed);
        Self { random: Random(seed), breaker, now: 0, clock_behind: 0, under_way: Vec::new(), probes: 0 }
    }

    fn clock(&self) -> i64 {
        self.now - self.clock_behind
    }

    fn step(&mut self, traffic: Traffic, outcome: Outcome) {
        self.now += STEP;
        let clock = self.clock();
        for (_, token, outcome) in self.under_way.extract_if(.., |(ends, ..)| *ends <= self.now).collect::<Vec<_>>() {
            self.breaker.report(token, outcome, clock);
        }
        if traffic.checker
            && let Due::Now(token) = self.breaker.due_probe(clock)
        {
            self.begin(token, outcome, true);
        }
        if self.random.chance(traffic.calls) {
            let before = self.breaker.view(clock).state;
            match self.breaker.ask(clock) {
                Permit::Refused { .. } => assert_ne!(before, State::Closed),
                Permit::Call(token) => {
                    assert_eq!(before, State::Closed);
                    self.give(token, traffic, outcome);
                }
                Permit::Probe { token, fresh } => {
                    assert!(fresh && matches!(before, State::HalfOpen { .. }));
                    self.give(token, traffic, outcome);
                    self.probes += 1;
                }
            }
        }
    }

    fn give(&mut self, token: Token, traffic: Traffic, outcome: Outcome) {
        let vanishes = self.random.chance(traffic.nothing);
        if !vanishes {
            let outcome = if self.random.chance(traffic.nothing) { Outcome::Neutral } else { outcome };
            self.begin(token, outcome, false);
        }
    }

    fn begin(&mut self, token: Token, outcome: Outcome, check: bool) {
        let longest = if check { 3_000 } else { PROBE_LIMIT };
        let ends = self.now + self.random.within(0, longest);
        self.under_way.push((ends, token, outcome));
        self.probes += usize::from(check);
    }

    /// A time of faults: what calls become changes every so often, and the clock is set back now and then.
    fn faults(&mut self, traffic: Traffic, steps: i64) {
        let mut outcome = SERVER;
        for _ in 0..steps {
            if self.random.chance(0.01) {
                let kinds = [Outcome::Success, SERVER, FATAL, Outcome::Failure(Failure::Stall), Outcome::Neutral];
                outcome = kinds[self.random.within(0, 5) as usize];
            }
            if self.random.chance(0.001) {
                self.clock_behind += self.random.within(0, 7_200_000);
            }
            self.step(traffic, outcome);
        }
    }

    /// Time from the agent's recovery until the breaker is closed.
    fn recovers_in(&mut self, traffic: Traffic, bound: i64) -> Option<i64> {
        let since = self.now;
        while self.now - since <= bound {
            self.step(traffic, Outcome::Success);
            let clock = self.clock();
            if self.breaker.view(clock).state == State::Closed {
                return Some(self.now - since);
            }
        }
        None
    }
}

#[test]
fn whatever_happened_it_is_closed_within_a_bound_after_the_agent_recovered() {
    let (mut opened, mut probes) = (0, 0);
    for traffic in [
        Traffic { calls: 0.5, nothing: 0.2, checker: true },
        Traffic { calls: 1.0, nothing: 1.0, checker: true },
        Traffic { calls: 0.0, nothing: 0.0, checker: true },
        Traffic { calls: 0.5, nothing: 0.0, checker: false },
    ] {
        // At worst: a probe from before still fails, then the longest wait, then a caller's probe that vanishes, then
        // one that succeeds; a probe that is under way for less than its limit.
        let bound = PROBE_LIMIT + LONGEST_FATAL_WAIT + 2 * PROBE_LIMIT + 100 * STEP;
        for seed in 0..60 {
            let mut simulation = Simulation::new(seed);
            // Something to recover from, even without calls.
            end_calls(&mut simulation.breaker, SERVER, -5..0);
            simulation.faults(traffic, 3_000);
            let clock = simulation.clock();
            opened += usize::from(simulation.breaker.view(clock).state != State::Closed);
            let found = simulation.recovers_in(traffic, bound);
            assert!(found.is_some(), "seed {seed}, {traffic:?}: {:?}", simulation.breaker);
            probes += simulation.probes;
        }
    }
    assert!(opened > 60 && probes > 1_000, "the simulation shows something: {opened} open, {probes} probes");
}

/// A dead agent hears from us seldom, however many ask.
#[test]
fn an_outage_of_two_hours_costs_one_probe_per_wait() {
    let (mut simulation, traffic) = (Simulation::new(1), Traffic { calls: 1.0, nothing: 0.0, checker: true });
    for _ in 0..72_000 {
        simulation.step(traffic, SERVER);
    }
    assert!((300..=720).contains(&simulation.probes), "{} probes", simulation.probes);
    assert!(simulation.recovers_in(traffic, PROBE_LIMIT + LONGEST_WAIT + PROBE_LIMIT).is_some());
}
