//! The strikes: kill, start again, send everything again, and compare the ledgers.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};

use super::{
    client::{Answer, Sent},
    site::Site,
};
use crate::{
    admin::calls::verify::{Moment, measures},
    cli::{clock, output},
    drill::POINTS,
    store::verify,
};

/// Registrations in flight when a point strikes.
const BATCH: usize = 3;
/// Longest until a point is reached.
const REACH: Duration = Duration::from_secs(6);
/// Longest until everything is done again.
const DRAIN: Duration = Duration::from_mins(1);
/// Time between two registrations of the load: 50 a second.
const BEAT: Duration = Duration::from_millis(20);
/// Registrations sent again at once.
const AT_ONCE: usize = 32;

/// One kill, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Strike {
    /// The point, or the number of the kill.
    pub(super) moment: String,
    /// Whether the daemon died of it.
    pub(super) hit: bool,
    /// Registrations sent.
    pub(super) sent: usize,
    /// Those that were answered 202 before it died.
    pub(super) acknowledged: usize,
    /// Those of them that are gone.
    pub(super) lost: usize,
    /// Things that are there, or were told, twice.
    pub(super) twice: usize,
    /// Questions the agent heard.
    pub(super) asked: usize,
    /// Time from the next start to the first answer.
    pub(super) ready: Duration,
    /// Time from there until everything was done.
    pub(super) drained: Duration,
    /// What is wrong, by name.
    pub(super) findings: Vec<String>,
}

impl Strike {
    /// Nothing is lost, nothing is twice, nothing is wrong.
    pub(super) fn is_good(&self) -> bool {
        self.hit && self.lost == 0 && self.twice == 0 && self.findings.is_empty()
    }
}

/// Each point in turn, so many times.
pub(super) async fn at_points(site: &mut Site, cycles: u32, only: &[String]) -> anyhow::Result<Vec<Strike>> {
    let chosen = POINTS.iter().filter(|point| only.is_empty() || only.iter().any(|name| name == *point));
    let (mut strikes, mut sent) = (Vec::new(), 0);
    for (cycle, point) in (0..cycles).flat_map(|cycle| chosen.clone().map(move |point| (cycle, *point))) {
        let mut ledger: Vec<Sent> = (sent..sent + BATCH).map(Sent::new).collect();
        sent += BATCH;
        // Every cycle dies at a later pass: first with the others untouched, then among their effects.
        let hit = strike_at(site, &format!("{point}:{}", 1 + cycle as usize % BATCH), &mut ledger).await?;
        strikes.push(recover(site, point.to_owned(), hit, &mut ledger).await?);
    }
    Ok(strikes)
}

async fn strike_at(site: &mut Site, point: &str, ledger: &mut [Sent]) -> anyhow::Result<bool> {
    site.answer_late(point.starts_with("late_answer"));
    let root = site.start(Some(point)).await?;
    send_all(site, &root, ledger).await?;
    let hit = site.died(REACH).await?;
    site.kill()?;
    Ok(hit)
}

/// Random moments under load, so many; the ledger is compared once, at the end.
pub(super) async fn at_random(site: &mut Site, kills: u32, seed: u64) -> anyhow::Result<Vec<Strike>> {
    site.answer_late(false);
    let (mut moments, mut ledger) = (Moments(seed), Vec::new());
    let began = Instant::now();
    for _ in 0..kills {
        let root = site.start(None).await?;
        let life = moments.next();
        let first = ledger.len();
        let beats = usize::try_from(life.as_millis() / BEAT.as_millis())? + 1;
        ledger.extend((first..first + beats).map(Sent::new));
        let fresh = ledger.get_mut(first..).unwrap_or_default();
        load(site, &root, fresh, life).await?;
    }
    let struck = began.elapsed();
    let mut whole = recover(site, format!("{kills} random kills"), true, &mut ledger).await?;
    whole.moment = format!("{} within {} s", whole.moment, struck.as_secs());
    Ok(vec![whole])
}

/// 50 a second until the daemon is killed after `life`.
async fn load(site: &mut Site, root: &str, fresh: &mut [Sent], life: Duration) -> anyhow::Result<()> {
    let client = site.client.clone();
    let beats = fresh.iter_mut().enumerate().map(|(beat, sent)| {
        let client = &client;
        async move {
            sleep(BEAT * beat as u32).await;
            if let Answer::Kept(id) = client.send(root, sent).await? {
                sent.promised = Some(id);
            }
            anyhow::Ok(())
        }
    });
    let killed = async {
        sleep(life).await;
        site.kill()
    };
    let (answers, killed) = tokio::join!(join_all(beats), killed);
    killed?;
    answers.into_iter().collect()
}

/// From 50 ms to 1.5 s, the same for the same seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        // Knuth's linear congruence: its high bits are even enough for moments.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(50 + (self.0 >> 33) % 1_450)
    }
}

async fn send_all(site: &Site, root: &str, ledger: &mut [Sent]) -> anyhow::Result<()> {
    let answers = try_join_all(ledger.iter().map(|sent| site.client.send(root, sent))).await?;
    for (sent, answer) in ledger.iter_mut().zip(answers) {
        if let Answer::Kept(id) = answer {
            sent.promised = Some(id);
        }
    }
    Ok(())
}

/// Starts again, sends everything again, waits until it is done, and compares.
async fn recover(site: &mut Site, moment: String, hit: bool, ledger: &mut [Sent]) -> anyhow::Result<Strike> {
    let acknowledged = ledger.iter().filter(|sent| sent.promised.is_some()).count();
    let began = Instant::now();
    let root = site.start(None).await?;
    let ready = began.elapsed();
    let mut strike = Strike {
        moment,
        hit,
        sent: ledger.len(),
        acknowledged,
        lost: 0,
        twice: 0,
        asked: 0,
        ready,
        drained: Duration::ZERO,
        findings: Vec::new(),
    };
    send_again(site, &root, ledger, &mut strike).await?;
    let began = Instant::now();
    strike.findings.extend(drain(site).await?);
    strike.drained = began.elapsed();
    send_again(site, &root, ledger, &mut strike).await?;
    compare(site, ledger, &mut strike)?;
    site.kill()?;
    Ok(strike)
}

/// Whatever was promised must be known, under the same id; whatever was not is promised now.
async fn send_again(site: &Site, root: &str, ledger: &mut [Sent], strike: &mut Strike) -> anyhow::Result<()> {
    for some in ledger.chunks_mut(AT_ONCE) {
        let answers = try_join_all(some.iter().map(|sent| site.client.send(root, sent))).await?;
        for (sent, answer) in some.iter_mut().zip(answers) {
            judge(sent, answer, strike);
        }
    }
    Ok(())
}

fn judge(sent: &mut Sent, answer: Answer, strike: &mut Strike) {
    match (&sent.promised, answer) {
        (None, Answer::Kept(id) | Answer::Known(id)) => sent.promised = Some(id),
        (Some(promised), Answer::Known(id)) if *promised == id => {}
        (Some(promised), Answer::Known(id)) => {
            strike.twice += 1;
            strike.findings.push(format!("{} was promised as {promised} and is now {id}", sent.event_id));
        }
        (Some(promised), Answer::Kept(id)) => {
            strike.lost += 1;
            strike.findings.push(format!("{} was promised as {promised}, was gone, and is now {id}", sent.event_id));
        }
        (_, Answer::None) => strike.findings.push(format!("{} was not accepted by the fresh daemon", sent.event_id)),
    }
}

/// Waits until nothing is left to do. A finding when it does not come to that.
async fn drain(site: &Site) -> anyhow::Result<Option<String>> {
    let until = Instant::now() + DRAIN;
    loop {
        // Waits of a drill are a second at most: what is due within two is still its work.
        let backlog = verify::backlog(&site.data.database(), clock().now_ms() + 2_000)?;
        if backlog.is_empty() {
            return Ok(None);
        }
        if Instant::now() > until {
            return Ok(Some(format!("{} registrations and {} jobs were not done after {} s", backlog.runs, backlog.jobs, DRAIN.as_secs())));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The rows by themselves, then against what Dify and the app saw.
fn compare(site: &mut Site, ledger: &[Sent], strike: &mut Strike) -> anyhow::Result<()> {
    let path = site.data.database();
    let measures = measures(&path, &site.config, Moment { now: clock().now_ms(), drained: true, daemon_runs: site.data.is_served() })?;
    for check in verify::verify(&path, &measures)? {
        let findings = check.findings.iter().map(|finding| format!("{}: {finding}", check.name));
        strike.findings.extend(findings.filter(|finding| site.is_news(finding)));
    }
    let outside = verify::outside(&path)?;
    let heard = heard_by_run(site);
    for promised in ledger.iter().filter_map(|sent| sent.promised.as_ref()) {
        let (heard, written) = (heard.get(promised).copied().unwrap_or(0), outside.questions.get(promised).copied().unwrap_or(0));
        strike.asked += heard;
        if heard as i64 > written {
            strike.twice += 1;
            strike.findings.push(format!("the agent heard {heard} questions for {promised}, and {written} were written down beforehand"));
        }
    }
    let never_came: Vec<_> = outside.delivered.into_iter().filter(|id| !site.app.has(id)).collect();
    for finding in never_came.into_iter().map(|id| format!("{id} counts as delivered, and never arrived")) {
        if site.is_news(&finding) {
            strike.lost += 1;
            strike.findings.push(finding);
        }
    }
    for finding in site.app.told_twice().into_iter().map(|what| format!("told under two ids: {what}")) {
        if site.is_news(&finding) {
            strike.twice += 1;
            strike.findings.push(finding);
        }
    }
    let refused = format!("{} deliveries to the app were no genuine events", site.app.refused());
    if site.app.refused() > 0 && site.is_news(&refused) {
        strike.findings.push(refused);
    }
    output::aside(format_args!("{}: {}", strike.moment, if strike.is_good() { "ok" } else { "FAILED" }));
    Ok(())
}

/// Questions the agent heard, by the run they name in the user or the trace.
fn heard_by_run(site: &Site) -> BTreeMap<String, usize> {
    let mut heard = BTreeMap::new();
    for run in site.dify.ledger.runs() {
        let named = run.trace_id.unwrap_or_else(|| run.user.trim_start_matches("registration-").to_owned());
        *heard.entry(named).or_default() += 1;
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_seed_and_within_bounds() {
        let of = |seed| {
            let mut moments = Moments(seed);
            (0..200).map(|_| moments.next().as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert!(of(7).iter().all(|ms| (50..1_500).contains(ms)));
        assert!(of(7).iter().any(|ms| *ms < 300) && of(7).iter().any(|ms| *ms > 1_200), "they are spread");
    }

    #[test]
    fn an_answer_is_judged_by_what_was_promised() {
        let mut strike = Strike {
            moment: String::new(),
            hit: true,
            sent: 1,
            acknowledged: 1,
            lost: 0,
            twice: 0,
            asked: 0,
            ready: Duration::ZERO,
            drained: Duration::ZERO,
            findings: Vec::new(),
        };
        let mut sent = Sent::new(1);
        judge(&mut sent, Answer::Kept("a".into()), &mut strike);
        judge(&mut sent, Answer::Known("a".into()), &mut strike);
        assert!(strike.is_good() && sent.promised.as_deref() == Some("a"));
        judge(&mut sent, Answer::Known("b".into()), &mut strike);
        judge(&mut sent, Answer::Kept("c".into()), &mut strike);
        judge(&mut sent, Answer::None, &mut strike);
        assert_eq!((strike.twice, strike.lost, strike.findings.len()), (1, 1, 3));
    }
}
