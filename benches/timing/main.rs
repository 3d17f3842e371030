//! `cargo bench --bench timing`: whether the time of a refusal tells a stranger anything.
//!
//! Two kinds of wrong keys are shown to the gate in random order, and their times compared with Welch's t-test: keys that
//! share all but the last random character with one of many keys in force, against keys that share as much with one of as
//! many that nobody was given; and made-up keys on the URL of a group that exists, against one that does not. It measures inside the process,
//! where nothing hides a difference. All tries of a round are made before the first is timed: how long it takes to make
//! one would else decide how fresh the policy is that it meets.
//! The last line is the verdict; the exit code is 1 when a pair can be told apart (the median of |t| is 4.5 or more).
#![expect(clippy::print_stdout, reason = "a benchmark reports on the terminal")]

use std::{hint::black_box, process::ExitCode, sync::Arc, time::Instant};

use anmei_mcp::{
    clock::SystemClock,
    gate::{
        Gate, Presented, Refusal,
        keys::{self, Order, PREFIX, Reveal},
    },
    secret::{MasterKey, random_bytes},
    store::{
        Store,
        audit::By,
        keys::Key,
        policy::{Group, NewGroup},
    },
};
use anyhow::{Context, Result, bail};
use http::HeaderValue;

/// Tries of each kind in one round.
const TRIES: usize = 20_000;
/// Keys in force, and as many that are not. What a single one is made of has a time of its own, and of each there are 61 that
/// are like it: with so many, hardly a try comes twice, so that each says something of its own.
const KEYS: usize = 1024;
/// Rounds; the median counts, so that one disturbance does not decide.
const ROUNDS: usize = 5;
/// From here on two kinds are told apart.
const LIMIT: f64 = 4.5;
/// Part of the slowest tries that is left out: the system's interruptions.
const CROP: f64 = 0.05;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// One request of a stranger.
struct Try {
    header: HeaderValue,
    code: Option<&'static str>,
}

/// Makes tries of one kind.
type Kind<'a> = &'a dyn Fn() -> Result<Try>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(&dir.path().join("timing.sqlite3"))?;
    let valid = groups(&store).await?;
    let gate = Gate::new(store.clone(), Arc::new(SystemClock));
    // Made as keys in force are, so that their letters are as often small, great and figures.
    let nobodys: Vec<_> = (0..KEYS).map(|_| Ok(mint("nobodys")?.1)).collect::<Result<_>>()?;
    let beside = |keys: &[String]| -> Result<Try> { Ok(Try { header: bearer(&near(one_of(keys)?)?)?, code: None }) };
    let at = |code| -> Result<Try> { Ok(Try { header: bearer(&made_up()?)?, code: Some(code) }) };
    let pairs: [(&str, [Kind<'_>; 2]); 2] = [
        ("a key in force but for one character / a key of nobody but for one", [&|| beside(&valid), &|| beside(&nobodys)]),
        ("a group that exists / one that does not", [&|| at("lab-0007"), &|| at("lab-9999")]),
    ];
    let mut told_apart = 0;
    for (name, [one, other]) in pairs {
        let mut values = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            values.push(round(&gate, one, other).await?.abs());
        }
        values.sort_by(f64::total_cmp);
        let median = values.get(ROUNDS / 2).copied().context("there are rounds")?;
        println!("{name}: |t| {median:.2} (rounds: {values:.2?}, limit {LIMIT})");
        told_apart += usize::from(median >= LIMIT);
    }
    store.close().await;
    println!("{} pairs, {told_apart} can be told apart", pairs.len());
    Ok(if told_apart == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Welch's t of one round.
async fn round(gate: &Gate, one: Kind<'_>, other: Kind<'_>) -> Result<f64> {
    let mut times = [Vec::with_capacity(TRIES), Vec::with_capacity(TRIES)];
    for (kind, attempt) in shuffled(one, other)? {
        let presented = Presented { authorization: Some(&attempt.header), code: attempt.code, ..Presented::default() };
        let began = Instant::now();
        let refused = black_box(gate.admit(black_box(presented)).await);
        let took = began.elapsed().as_nanos() as f64;
        if !matches!(refused, Err(Refusal::BadKey)) {
            bail!("a stranger must be refused as one: {refused:?}");
        }
        times.get_mut(kind).context("there are two kinds")?.push(took);
    }
    let [one, other] = times;
    Ok(welch(&cropped(one), &cropped(other)))
}

/// As many tries of both kinds, in random order.
fn shuffled(one: Kind<'_>, other: Kind<'_>) -> Result<Vec<(usize, Try)>> {
    let (mut tries, mut left) = (Vec::with_capacity(2 * TRIES), [TRIES, TRIES]);
    while tries.len() < 2 * TRIES {
        let [coin] = random_bytes::<1>()?;
        let kind = usize::from(coin & 1);
        let Some(left) = left.get_mut(kind).filter(|left| **left > 0) else { continue };
        *left -= 1;
        tries.push((kind, if kind == 0 { one()? } else { other()? }));
    }
    Ok(tries)
}

fn cropped(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times.truncate((times.len() as f64 * (1.0 - CROP)) as usize);
    times
}

fn welch(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    // The variance of a mean.
    let spread = |values: &[f64]| {
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        squares / (values.len() as f64 - 1.0) / values.len() as f64
    };
    (mean(one) - mean(other)) / (spread(one) + spread(other)).sqrt()
}

/// As many groups as there are to be keys; returns the keys.
async fn groups(store: &Store) -> Result<Vec<String>> {
    let (mut groups, mut texts) = (Vec::with_capacity(KEYS), Vec::with_capacity(KEYS));
    for number in 0..KEYS {
        let id = format!("lab-{number:04}");
        let (key, text) = mint(&id)?;
        texts.push(text);
        groups.push(NewGroup { group: group(id), key, tools: Vec::new() });
    }
    store.create_groups(groups, By::new("bench", 0)).await?;
    Ok(texts)
}

/// A key of a group, and its text.
fn mint(group_id: &str) -> Result<(Key, String)> {
    let order = Order { group_id, name: "default", created_by: "bench", expires_at: None };
    let (key, text) = keys::mint(order, &MasterKey::generate()?, Reveal::Never, &SystemClock)?;
    Ok((key, text.expose().to_owned()))
}

fn group(id: String) -> Group {
    Group {
        server_code: id.clone(),
        name: id.clone(),
        id,
        description: String::new(),
        user_tier_access: Vec::new(),
        allowed_roles: Vec::new(),
        enabled: true,
        subject_scoped: false,
        created_by: "bench".into(),
        created_at: 0,
        updated_at: 0,
    }
}

fn one_of(keys: &[String]) -> Result<&str> {
    keys.get(usize::from(u16::from_le_bytes(random_bytes()?)) % KEYS).map(String::as_str).context("there are as many keys")
}

fn bearer(key: &str) -> Result<HeaderValue> {
    Ok(HeaderValue::from_str(&format!("Bearer {key}"))?)
}

/// A key like `key` but for its last random character.
fn near(key: &str) -> Result<String> {
    let head = key.rsplit_once('_').context("a key has a checksum")?.0;
    let (same, last) = head.split_at(head.len() - 1);
    let [byte] = random_bytes::<1>()?;
    let other = if digit(byte) == last { digit(byte.wrapping_add(1)) } else { digit(byte) };
    Ok(checked(&format!("{same}{other}")))
}

/// A key nobody was given.
fn made_up() -> Result<String> {
    let random: String = random_bytes::<30>()?.into_iter().map(digit).collect();
    Ok(checked(&format!("{PREFIX}{random}")))
}

fn digit(byte: u8) -> &'static str {
    let at = usize::from(byte % 62);
    BASE62.get(at..=at).and_then(|digit| std::str::from_utf8(digit).ok()).unwrap_or("0")
}

/// With the checksum that belongs to it.
fn checked(head: &str) -> String {
    let mut left = crc32fast::hash(head.as_bytes());
    let mut digits = [""; 6];
    for slot in digits.iter_mut().rev() {
        *slot = digit((left % 62) as u8);
        left /= 62;
    }
    format!("{head}_{}", digits.concat())
}
