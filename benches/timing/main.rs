//! `cargo bench --bench timing`: whether the time of a refusal tells a stranger anything.
//!
//! Two kinds of wrong keys are shown to the gate in random order, and their times compared with Welch's t-test: keys that
//! share all but the last random character with one of many keys in force, against keys that share as much with one of as
//! many that nobody was given; and made-up keys on the URL of a group that exists, against one that does not. Wrong passwords
//! are tried the same way: on an account that there is, against one that there is not. It measures inside the process, where
//! nothing hides a difference. All tries of a round are made before the first is timed: how long it takes to make one would
//! else decide how fresh the policy is that it meets.
//! The last line is the verdict; the exit code is 1 when a pair can be told apart: the median of |t| is 4.5 or more, or what
//! `-- --limit` says.
#![expect(clippy::print_stdout, reason = "a benchmark reports on the terminal")]

use std::{hint::black_box, net::IpAddr, process::ExitCode, sync::Arc, time::Instant};

use anmei_mcp::{
    clock::SystemClock,
    gate::{
        Gate, Presented, Refusal,
        accounts::{Accounts, SignInError},
        keys::{self, Order, PREFIX, Reveal},
    },
    secret::{MasterKey, SecretText, random_bytes},
    store::{
        Store,
        accounts::Account,
        audit::By,
        keys::Key,
        policy::{Group, NewGroup},
    },
};
use anyhow::{Context, Result, bail};
use http::HeaderValue;

/// Tries of each kind in one round.
const TRIES: usize = 20_000;
/// The same of sign-ins: each takes as long as thousands of keys.
const SIGN_INS: usize = 40;
/// Keys in force, and as many that are not. What a single one is made of has a time of its own, and of each there are 61 that
/// are like it: with so many, hardly a try comes twice, so that each says something of its own.
const KEYS: usize = 1024;
/// Rounds; the median counts, so that one disturbance does not decide.
const ROUNDS: usize = 5;
/// From here on two kinds are told apart, unless the command line says otherwise.
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
    let (limit, mut told_apart) = (limit()?, 0);
    for (name, [one, other]) in &pairs {
        let mut values = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            values.push(round(&gate, *one, *other).await?.abs());
        }
        told_apart += usize::from(is_told_apart(name, values, limit)?);
    }
    let accounts = accounts(&store).await?;
    let mut values = Vec::with_capacity(ROUNDS);
    for number in 0..ROUNDS {
        values.push(sign_ins(&accounts, number).await?.abs());
    }
    told_apart += usize::from(is_told_apart("an account that exists / one that does not", values, limit)?);
    store.close().await;
    println!("{} pairs, {told_apart} can be told apart", pairs.len() + 1);
    Ok(if told_apart == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The limit that the command line names, or the usual one.
fn limit() -> Result<f64> {
    let named = std::env::args().skip_while(|argument| argument != "--limit").nth(1);
    named.map_or(Ok(LIMIT), |text| text.parse::<f64>().with_context(|| format!("--limit takes a number, and {text} is none")))
}

/// Says how far apart two kinds are, from the rounds' |t|.
fn is_told_apart(name: &str, mut rounds: Vec<f64>, limit: f64) -> Result<bool> {
    rounds.sort_by(f64::total_cmp);
    let median = rounds.get(rounds.len() / 2).copied().context("there are rounds")?;
    println!("{name}: |t| {median:.2} (rounds: {rounds:.2?}, limit {limit})");
    Ok(median >= limit)
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
    order(TRIES)?.into_iter().map(|kind| Ok((kind, if kind == 0 { one()? } else { other()? }))).collect()
}

/// So many zeros and as many ones, in random order.
fn order(of_each: usize) -> Result<Vec<usize>> {
    let (mut order, mut left) = (Vec::with_capacity(2 * of_each), [of_each, of_each]);
    while order.len() < 2 * of_each {
        let [coin] = random_bytes::<1>()?;
        let kind = usize::from(coin & 1);
        let Some(left) = left.get_mut(kind).filter(|left| **left > 0) else { continue };
        *left -= 1;
        order.push(kind);
    }
    Ok(order)
}

/// Welch's t of one round of sign-ins with a password that is not the one.
async fn sign_ins(accounts: &Accounts, round: usize) -> Result<f64> {
    let mut times = [Vec::with_capacity(SIGN_INS), Vec::with_capacity(SIGN_INS)];
    for (n, kind) in order(SIGN_INS)?.into_iter().enumerate() {
        // From a network of its own each, so that none is slowed down for the others.
        let [high, low] = u16::try_from(round * 2 * SIGN_INS + n)?.to_be_bytes();
        let from = IpAddr::from([10, high, low, 1]);
        let login = if kind == 0 { "somebody" } else { "nobodyyy" };
        let began = Instant::now();
        let refused = black_box(sign_in(accounts, black_box(login), from).await);
        let took = began.elapsed().as_nanos() as f64;
        if !matches!(refused, Err(SignInError::Wrong)) {
            bail!("a wrong password must be refused as one: {refused:?}");
        }
        times.get_mut(kind).context("there are two kinds")?.push(took);
    }
    let [one, other] = times;
    Ok(welch(&cropped(one), &cropped(other)))
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

/// One account, and whoever signs people in: the first attempt, which makes what later ones are compared with, is made here.
async fn accounts(store: &Store) -> Result<Accounts> {
    let accounts = Accounts::new(store.clone(), Arc::new(SystemClock));
    let login = "somebody";
    let password_hash = accounts.hash(login, &SecretText::new("a quiet afternoon in May")).await?;
    let account = Account {
        id: login.into(),
        login: login.into(),
        display_name: login.into(),
        password_hash,
        roles: vec!["admin".into()],
        tier: "internal".into(),
        panel_role: None,
        enabled: true,
        created_by: "bench".into(),
        created_at: 1,
        updated_at: 1,
        password_changed_at: 1,
        last_sign_in_at: None,
        failed_count: 0,
        last_failed_at: None,
    };
    store.add_account(account, By::new("bench", 1)).await?;
    if sign_in(&accounts, "nobodyyy", IpAddr::from([192, 0, 2, 1])).await.is_ok() {
        bail!("nobody signed in");
    }
    Ok(accounts)
}

/// A sign-in with a password that is nobody's.
async fn sign_in(accounts: &Accounts, login: &str, from: IpAddr) -> Result<Account, SignInError> {
    let password = SecretText::new("another afternoon in May");
    accounts.sign_in_if(login, &password, from, |_| std::future::ready(Ok(true))).await
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
