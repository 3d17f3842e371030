//! A bounded load generator: keep-alive connections over raw sockets, each sending its next request when the last one
//! is answered. It runs on one thread of this process, so that the servers' CPU can be read apart from its own.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{
    histogram::Histogram,
    http::{self, Response},
    request::{Request, find},
};

/// How long the last answers may take after the end.
const GRACE: Duration = Duration::from_secs(5);
/// Errors after which a connection gives up.
const PATIENCE: u64 = 20;

/// What to send, and when to stop.
pub(crate) struct Load {
    pub(crate) request: Request,
    pub(crate) connections: u64,
    pub(crate) at_most: Duration,
    /// Ends the load earlier.
    pub(crate) count: Option<u64>,
    /// Time from one request to the next, over all connections; nothing sends them as fast as they are answered.
    pub(crate) every: Option<Duration>,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) latency: Histogram,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// Requests that were answered as expected.
    pub(crate) fn done(&self) -> u64 {
        self.latency.count()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.done() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    fn add(&mut self, other: Self) {
        self.latency.add(&other.latency);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// What the connections of one load share.
struct Shared {
    begin: Instant,
    end: Instant,
    most: u64,
    every: Option<Duration>,
    taken: AtomicU64,
}

impl Shared {
    /// Leave to send one request, after the wait that the pace asks for. False when there is no more to send.
    async fn take(&self) -> bool {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if Instant::now() >= self.end || number >= self.most {
            return false;
        }
        if let Some(every) = self.every {
            tokio::time::sleep_until((self.begin + every.mul_f64(number as f64)).into()).await;
        }
        true
    }
}

/// Sends the load and waits for its end.
pub(crate) fn run(load: &Load) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begin = Instant::now();
    let (end, most) = (begin + load.at_most, load.count.unwrap_or(u64::MAX));
    let shared = Arc::new(Shared { begin, end, most, every: load.every, taken: AtomicU64::new(0) });
    let mut outcome = runtime.block_on(async {
        let mut connections = JoinSet::new();
        for number in 1..=load.connections {
            connections.spawn(connection(Arc::clone(&shared), load.request.clone(), number));
        }
        let mut outcome = Outcome::default();
        while let Some(one) = connections.join_next().await {
            outcome.add(one?);
        }
        anyhow::Ok(outcome)
    })?;
    outcome.elapsed = begin.elapsed();
    Ok(outcome)
}

async fn connection(shared: Arc<Shared>, mut request: Request, number: u64) -> Outcome {
    let mut outcome = Outcome::default();
    let end = tokio::time::Instant::from_std(shared.end + GRACE);
    let work = keep_asking(&shared, &mut request, number, &mut outcome);
    if tokio::time::timeout_at(end, work).await.is_err() {
        outcome.fail(&anyhow::anyhow!("no answer {GRACE:?} after the end of the load"));
    }
    outcome
}

async fn keep_asking(shared: &Shared, request: &mut Request, number: u64, outcome: &mut Outcome) {
    let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut line = None;
    while outcome.errors < PATIENCE && shared.take().await {
        request.turn(&mut random);
        if let Err(error) = ask(&mut line, request, &mut outcome.latency).await {
            outcome.fail(&error);
            line = None;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn ask(line: &mut Option<Line>, request: &Request, latency: &mut Histogram) -> Result<()> {
    let open = match line {
        Some(open) => open,
        None => line.insert(Line::open(request.target).await?),
    };
    let sent = Instant::now();
    let closing = open.exchange(request).await?;
    latency.record(sent.elapsed());
    if closing {
        *line = None;
    }
    Ok(())
}

/// One connection to the server.
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the last body held its marker.
    hint: usize,
}

impl Line {
    async fn open(target: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(target).await.with_context(|| format!("connecting to {target}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), hint: 0 })
    }

    /// Sends a request and reads its answer; true when the server closes the connection after it.
    async fn exchange(&mut self, request: &Request) -> Result<bool> {
        self.stream.write_all(&request.bytes).await.context("sending")?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await.context("receiving")? == 0 {
                bail!("the server closed the connection instead of answering");
            }
            if let Some(response) = http::parse(&self.buffer)? {
                self.hint = check(&response, request, self.hint)?;
                return Ok(response.close);
            }
        }
    }
}

/// Compares a response with what is expected; the marker is looked for at `hint` first, where the last one was.
fn check(response: &Response<'_>, request: &Request, hint: usize) -> Result<usize> {
    if request.also == Some(response.status) {
        return Ok(hint);
    }
    if response.status != request.status {
        bail!("status {} instead of {}: {}", response.status, request.status, response.excerpt());
    }
    let at_hint = response.body.get(hint..).is_some_and(|rest| rest.starts_with(&request.marker));
    let at = if at_hint { Some(hint) } else { find(&response.body, &request.marker) };
    at.with_context(|| format!("{} is missing in: {}", String::from_utf8_lossy(&request.marker), response.excerpt()))
}

/// Sends one request over a connection of its own, and gives the body of the expected answer.
pub(crate) fn once(request: &Request) -> Result<Vec<u8>> {
    let mut stream = std::net::TcpStream::connect_timeout(&request.target, GRACE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GRACE))?;
    stream.write_all(&request.bytes)?;
    let mut received = Vec::new();
    let mut part = [0; 8 * 1024];
    loop {
        let length = stream.read(&mut part)?;
        if length == 0 {
            bail!("the server closed the connection instead of answering");
        }
        received.extend_from_slice(part.get(..length).unwrap_or_default());
        if let Some(response) = http::parse(&received)? {
            check(&response, request, 0)?;
            return Ok(response.body.into_owned());
        }
    }
}
