//! People at work in the panel: each watches the overview live, and loads a page every second.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{JoinHandle, sleep, spawn},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};

use crate::{
    browser::{Browser, events},
    common::histogram::Histogram,
};

/// How many there are, and which range each watches.
pub(crate) const WATCHED: [&str; 5] = ["24h", "1h", "7d", "30d", "90d"];
/// Time from one page to the next.
const EVERY: Duration = Duration::from_secs(1);
/// Longest wait for everybody to be at work.
const PATIENCE: Duration = Duration::from_secs(20);

/// People while they are there.
pub(crate) struct Visitors {
    stop: Arc<AtomicBool>,
    parts: Arc<AtomicU64>,
    watching: Vec<JoinHandle<Result<()>>>,
    reading: Vec<JoinHandle<Result<Histogram>>>,
}

/// What they saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// How long their pages took.
    pub(crate) pages: Histogram,
    /// Parts that came over the live streams.
    pub(crate) parts: u64,
}

impl Visitors {
    /// Everybody signs in, opens the overview and begins to look around.
    pub(crate) fn arrive(target: SocketAddr, run: &str) -> Result<Self> {
        let (stop, parts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut visitors = Self { stop, parts, watching: Vec::new(), reading: Vec::new() };
        for (n, range) in WATCHED.into_iter().enumerate() {
            let mut browser = Browser::signed_in(target)?;
            browser.get(&format!("/panel/?range={range}"))?;
            let (stop, parts) = (Arc::clone(&visitors.stop), Arc::clone(&visitors.parts));
            let watcher = Browser::signed_in(target)?;
            visitors.watching.push(spawn(move || watch(&watcher, range, &stop, &parts)));
            let stop = Arc::clone(&visitors.stop);
            let (pages, first) = (round(run), EVERY.mul_f64(n as f64 / WATCHED.len() as f64));
            visitors.reading.push(spawn(move || {
                sleep(first);
                read(&mut browser, &pages, n, &stop)
            }));
        }
        let end = Instant::now() + PATIENCE;
        while visitors.parts.load(Ordering::Relaxed) < WATCHED.len() as u64 {
            ensure!(Instant::now() < end, "the live streams did not begin within {PATIENCE:?}");
            sleep(Duration::from_millis(20));
        }
        Ok(visitors)
    }

    /// Everybody leaves.
    pub(crate) fn leave(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        for one in self.watching {
            one.join().map_err(|_| anyhow!("a live stream was not read to its end"))??;
        }
        for one in self.reading {
            seen.pages.add(&one.join().map_err(|_| anyhow!("a person did not leave"))??);
        }
        seen.parts = self.parts.load(Ordering::Relaxed);
        Ok(seen)
    }
}

/// The pages that people go round.
fn round(run: &str) -> Vec<String> {
    let pages =
        ["", "registrations", "conversations", "calls", "calls?success=false", "errors", "notifications", "consultants", "agents", "jobs"];
    let mut round: Vec<String> = pages.map(|page| format!("/panel/{page}")).into();
    round.push(format!("/panel/registrations/{run}"));
    round
}

/// A stream ends after a while, and is opened again, as a browser does.
fn watch(browser: &Browser, range: &str, stop: &AtomicBool, parts: &AtomicU64) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let mut stream = browser.listen(&format!("/panel/overview/live?range={range}"))?;
        let one = || {
            parts.fetch_add(1, Ordering::Relaxed);
        };
        events(&mut stream, one, || stop.load(Ordering::Relaxed))?;
    }
    Ok(())
}

fn read(browser: &mut Browser, pages: &[String], first: usize, stop: &AtomicBool) -> Result<Histogram> {
    let mut times = Histogram::default();
    for page in pages.iter().cycle().skip(2 * first) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let next = Instant::now() + EVERY;
        times.record(browser.get(page)?.took);
        sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(times)
}
