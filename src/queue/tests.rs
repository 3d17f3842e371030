use std::sync::Mutex;

use super::*;
use crate::{
    clock::{Clock, FixedClock},
    store::jobs::{NewJob, Priority},
};

/// Plays back what each try of a job is to end in, and notes when it was tried.
struct Script {
    clock: Arc<FixedClock>,
    ends: Mutex<Vec<Result<(), JobError>>>,
    tried: Mutex<Vec<(String, u32, i64)>>,
    given_up: Mutex<Vec<String>>,
    panics: bool,
}

#[async_trait]
impl Handler for Script {
    async fn run(&self, subject_id: &str, attempt: u32) -> Result<(), JobError> {
        let now = self.clock.now_ms();
        self.tried.lock().unwrap().push((subject_id.to_owned(), attempt, now));
        assert!(!self.panics || attempt > 1, "as the script says");
        let mut ends = self.ends.lock().unwrap();
        if ends.is_empty() { Ok(()) } else { ends.remove(0) }
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        let seconds = *[5, 15, 60].get(usize::try_from(attempt).unwrap() - 1)?;
        Some(Duration::from_secs(seconds))
    }

    async fn given_up(&self, subject_id: &str, _error: &JobError) {
        self.given_up.lock().unwrap().push(subject_id.to_owned());
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    clock: Arc<FixedClock>,
    script: Arc<Script>,
    queue: Queue,
}

fn bench(ends: Vec<Result<(), JobError>>, panics: bool) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("db")).unwrap();
    let clock = Arc::new(FixedClock::at_ms(1_000_000));
    let script =
        Arc::new(Script { clock: Arc::clone(&clock), ends: Mutex::new(ends), tried: Mutex::default(), given_up: Mutex::default(), panics });
    let handlers: Handlers = HashMap::from([("work", Arc::clone(&script) as _)]);
    let settings = QueueSettings { workers: 4, lease: Duration::from_secs(30) };
    let queue = Queue::new(store.clone(), clock.clone(), settings, handlers, Arc::new(Notify::new()));
    Bench { _dir: dir, store, clock, script, queue }
}

impl Bench {
    async fn add(&self, subject: &str, priority: Priority) {
        let run_at = self.clock.now_ms();
        let job = NewJob { id: new_id(self.clock.as_ref()), kind: "work", subject_id: subject.into(), run_at, priority };
        self.store.add_job(job, run_at).await.unwrap();
    }

    /// Works off what is due at this moment of the clock.
    async fn work(&self) {
        loop {
            let jobs = self.queue.claim(8).await.unwrap();
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                self.queue.work(job, &CancellationToken::new()).await;
            }
        }
    }

    fn pass(&self, ms: i64) {
        self.clock.advance_ms(ms);
    }

    fn tries(&self) -> usize {
        self.script.tried.lock().unwrap().len()
    }
}

fn failed() -> Result<(), JobError> {
    Err(JobError::Retry { why: "no".into(), after: None })
}

#[tokio::test]
async fn a_job_that_fails_is_tried_after_5_15_and_60_seconds_and_then_given_up() {
    let bench = bench(vec![failed(), failed(), failed(), failed()], false);
    bench.add("a", Priority::Urgent).await;
    bench.work().await;
    for (seconds, tries) in [(5, 2), (15, 3), (60, 4)] {
        bench.pass(seconds * 1000 - 1);
        bench.work().await;
        assert_eq!(bench.tries(), tries - 1, "not before {seconds} s");
        // Jitter lengthens a wait by a tenth at most.
        bench.pass(seconds * 100 + 1);
        bench.work().await;
        assert_eq!(bench.tries(), tries, "after {seconds} s");
    }
    assert_eq!(*bench.script.given_up.lock().unwrap(), ["a"]);
    bench.pass(3_600_000);
    bench.work().await;
    assert_eq!(bench.tries(), 4, "a dead job rests");
}

#[tokio::test]
async fn work_that_goes_on_later_costs_no_attempt() {
    let later = |run_at| Err(JobError::Later { run_at });
    let bench = bench(vec![later(1_060_000), later(1_120_000), failed()], false);
    bench.add("a", Priority::Normal).await;
    for _ in 0..3 {
        bench.work().await;
        bench.pass(60_000);
    }
    bench.work().await;
    let attempts: Vec<u32> = bench.script.tried.lock().unwrap().iter().map(|(_, attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 1, 1, 2]);
}

#[tokio::test]
async fn a_panic_is_a_failure_of_one_try() {
    let bench = bench(Vec::new(), true);
    bench.add("a", Priority::Normal).await;
    bench.work().await;
    bench.pass(6_000);
    bench.work().await;
    assert_eq!(bench.tries(), 2);
    assert!(bench.script.given_up.lock().unwrap().is_empty());
}

#[tokio::test]
async fn urgent_jobs_go_first_and_the_receiver_s_wait_is_kept() {
    let wait = Err(JobError::Retry { why: "429".into(), after: Some(Duration::from_secs(90)) });
    let bench = bench(vec![wait], false);
    for (subject, priority) in [("bulk", Priority::Bulk), ("normal", Priority::Normal), ("urgent", Priority::Urgent)] {
        bench.add(subject, priority).await;
    }
    let jobs = bench.queue.claim(2).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.subject_id.as_str()).collect::<Vec<_>>(), ["urgent", "normal"]);
    bench.queue.work(jobs.into_iter().next().unwrap(), &CancellationToken::new()).await;
    bench.pass(60_000);
    assert!(bench.queue.claim(8).await.unwrap().iter().all(|job| job.subject_id != "urgent"));
    bench.pass(31_000);
    assert!(bench.queue.claim(8).await.unwrap().iter().any(|job| job.subject_id == "urgent"));
}

#[tokio::test]
async fn a_silent_worker_loses_its_job_and_cannot_end_it() {
    let bench = bench(Vec::new(), false);
    bench.add("a", Priority::Normal).await;
    let lost = bench.queue.claim(1).await.unwrap().remove(0);
    bench.pass(31_000);
    bench.queue.expire().await;
    let found = bench.queue.claim(1).await.unwrap().remove(0);
    assert_ne!(lost.lease_token, found.lease_token);
    let now = bench.clock.now_ms();
    assert!(!bench.store.end_job(&lost, Ending::Done, now).await.unwrap());
    assert!(bench.store.end_job(&found, Ending::Done, now).await.unwrap());
}

#[tokio::test]
async fn a_soft_stop_puts_a_job_back_and_costs_no_attempt() {
    let bench = bench(Vec::new(), false);
    bench.add("a", Priority::Normal).await;
    let job = bench.queue.claim(1).await.unwrap().remove(0);
    assert!(bench.store.end_job(&job, Ending::Released, bench.clock.now_ms()).await.unwrap());
    assert_eq!(bench.queue.claim(1).await.unwrap().remove(0).attempt, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_nobody_wait() {
    let bench = bench(vec![failed()], false);
    bench.add("now", Priority::Urgent).await;
    bench.pass(-86_400_000);
    bench.work().await;
    assert_eq!(bench.tries(), 1, "what was due stays due");
    bench.pass(-3_600_000);
    bench.work().await;
    bench.pass(6_000);
    bench.work().await;
    assert_eq!(bench.tries(), 2, "a retry keeps its wait");
    bench.add("left", Priority::Urgent).await;
    bench.pass(-7_200_000);
    bench.store.rescue_orphans("another process", bench.clock.now_ms()).await.unwrap();
    assert!(bench.store.next_job().unwrap().unwrap() <= bench.clock.now_ms(), "a restart does not make it wait either");
}
