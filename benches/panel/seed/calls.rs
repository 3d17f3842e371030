//! The call log: what programs called all day, and what the agents called for each run.

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use super::{Cast, Offer, Ran};
use crate::{common::request::USERS, random::Random};

/// Of ten calls, those that an agent made for a run.
const FOR_RUNS: u64 = 3;
const AGENTS_APP: &str = "dify-welcome";
/// An app that calls once in so many calls.
pub(crate) const RARE_APP: &str = "quarterly-report";
const RARE_APP_EVERY: u64 = 40_000;
/// A client of which the log has a few calls, all of them old.
pub(crate) const RARE_CLIENT: &str = "curl/8.5.0";
const RARE_CLIENT_CALLS: u64 = 5;
const CALL: &str =
    "INSERT INTO mcp_call_logs (call_id, tool_name, group_id, key_id, caller_app_id, registration_id, client_name, channel, protocol,
        request_data, response_data, success, outcome, error_message, duration_ms, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

pub(super) fn write(db: &Connection, cast: &Cast, runs: &[Ran]) -> Result<()> {
    let random = &mut Random::new(2);
    let all = cast.amounts.calls;
    for number in 0..all {
        let share = number as f64 / all as f64;
        let run = (number % 10 < FOR_RUNS).then(|| runs.get((share * runs.len() as f64) as usize)).flatten();
        let offers = if run.is_some() { &cast.welcome_offers } else { &cast.offers };
        let offer = random.of(offers).context("there are tools")?;
        let at = cast.days.at(share).max(run.map_or(0, |run| run.at + 60));
        one(db, random, (number, at), (offer, run))?;
    }
    Ok(())
}

fn one(db: &Connection, random: &mut Random, (number, at): (u64, i64), (offer, run): (&Offer, Option<&Ran>)) -> Result<()> {
    let (outcome, error) = ending(random);
    let named = outcome != "refused";
    let app = match run {
        Some(_) => Some(AGENTS_APP.to_owned()),
        None if number % RARE_APP_EVERY == 9 => Some(RARE_APP.to_owned()),
        None => random.chance(500).then(|| format!("app-{}", random.below(12))),
    };
    let usual = random.mostly("dify/1.9.2", &[(2_500, "claude-code/2.1.0"), (1_500, "cursor/1.7.3"), (500, "python-httpx/0.28.1")]);
    let client = if number < 10 * RARE_CLIENT_CALLS && number % 10 == 9 { RARE_CLIENT } else { usual };
    let protocol = random.mostly("2025-06-18", &[(4_000, "2026-07-28"), (300, "2025-03-26")]);
    let channel = if run.is_some() { "http" } else { random.mostly("http", &[(250, "stdio"), (30, "cli"), (20, "admin")]) };
    let took = match outcome {
        "timeout" => 30_000 + random.below(40),
        "refused" | "limited" | "unknown_tool" | "invalid_arguments" => 1,
        _ if random.chance(4) => random.time(700),
        _ => random.time(6),
    };
    let arguments = format!(r#"{{"user_id":"usr_{:08}","fields":["profile","contact"]}}"#, random.below(USERS as i64));
    db.prepare_cached(CALL)?.execute(params![
        random.id(at),
        if named { offer.tool.as_str() } else { "" },
        offer.group_id,
        named.then_some(&offer.key_id),
        app,
        run.map(|run| &run.id),
        client,
        channel,
        protocol,
        named.then_some(arguments),
        (outcome == "ok").then(|| format!(r#"{{"bytes":{}}}"#, random.time(900))),
        outcome == "ok",
        outcome,
        error,
        took,
        at,
    ])?;
    Ok(())
}

fn ending(random: &mut Random) -> (&'static str, Option<String>) {
    let outcome = random.mostly(
        "ok",
        &[
            (120, "tool_error"),
            (80, "invalid_arguments"),
            (70, "refused"),
            (30, "timeout"),
            (20, "unknown_tool"),
            (20, "limited"),
            (10, "cancelled"),
            (1, "panic"),
        ],
    );
    let error = match outcome {
        "ok" => None,
        "tool_error" => Some(format!("no user usr_{:08}", random.below(1 << 26))),
        "invalid_arguments" => Some(format!("/limit: {} is more than 100", random.between(101, 999))),
        "refused" => Some("key_expired".to_owned()),
        "timeout" => Some("no answer after 30000 ms".to_owned()),
        "unknown_tool" => Some("there is no tool get_profile".to_owned()),
        "limited" => Some(format!("more than 600 calls a minute; again in {} s", random.between(1, 60))),
        "cancelled" => Some("the caller went away".to_owned()),
        _ => Some("the tool panicked".to_owned()),
    };
    (outcome, error)
}
