//! stdio ⇄ streamable HTTP: a host that can only start programs reaches a server that is elsewhere.
//!
//! ```text
//! message   what a line is: request, notification, answer; and errors in the words of JSON-RPC
//! session   what the server gave: a session, a revision; made anew when the server forgot it
//! wire      one message to the server, and everything it says to it
//! ```
//!
//! Messages pass as they are, in both directions: requests side by side, everything else in the order in which it came.
//! A request that the host cancels is cut off at the server too, whatever revision is spoken. What goes wrong becomes a
//! JSON-RPC error of the request it belongs to, and a line on stderr; the key appears in neither. It refuses lines and
//! answers over a cap.

mod message;
mod session;
mod wire;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    message::{Kind, Message},
    session::Session,
};
use super::{http_client::HttpClient, mcp_client::HttpTarget};

/// Largest line of the host, and largest message of the server.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// Requests under way at once; further ones wait.
const MOST: usize = 256;
/// How long answers are waited for once the host has gone.
const GRACE: Duration = Duration::from_secs(10);
/// A request that lasts for as long as its host wants to hear of changes.
const LISTEN: &str = "subscriptions/listen";

/// Carries messages between a host and a server. Ends with the host's input, or with `stop`.
pub async fn bridge(
    (http, target): (HttpClient, HttpTarget),
    mut input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    stop: CancellationToken,
) -> io::Result<()> {
    let (out, lines) = mpsc::channel(64);
    let bridge = Arc::new(Bridge {
        session: Session::new(http, target),
        out,
        under_way: Mutex::default(),
        room: Arc::new(Semaphore::new(MOST)),
        tasks: TaskTracker::new(),
        gone: CancellationToken::new(),
    });
    let carrying = async {
        let read = bridge.read(&mut input, &stop).await;
        bridge.finish().await;
        // The last sender: the writer ends once everything is written.
        drop(bridge);
        read
    };
    let (read, written) = tokio::join!(carrying, write(output, lines));
    read.and(written)
}

/// One bridge while it stands.
struct Bridge {
    session: Session,
    out: mpsc::Sender<String>,
    /// Requests of the host that have no answer yet, by id.
    under_way: Mutex<HashMap<String, UnderWay>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    /// The host has gone, and so has the time for answers.
    gone: CancellationToken,
}

struct UnderWay {
    cancel: CancellationToken,
    listens: bool,
}

impl Bridge {
    async fn read(self: &Arc<Self>, input: &mut (impl AsyncBufRead + Unpin), stop: &CancellationToken) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            let read = async { (&mut *input).take(MAX_MESSAGE as u64 + 1).read_until(b'\n', &mut line).await };
            let count = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.out.closed() => return Ok(()),
                count = read => count?,
            };
            if count == 0 {
                return Ok(());
            }
            if count > MAX_MESSAGE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a message of the host is larger than {MAX_MESSAGE} bytes"),
                ));
            }
            if !line.trim_ascii().is_empty() {
                self.take(&line).await;
            }
        }
    }

    /// One line of the host.
    async fn take(self: &Arc<Self>, line: &[u8]) {
        match Message::read(line) {
            Err(refusal) => self.say(refusal).await,
            Ok(message) if message.kind == Kind::Request => self.begin(message).await,
            Ok(message) => self.pass(message).await,
        }
    }

    /// Requests run side by side.
    async fn begin(self: &Arc<Self>, message: Message) {
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
        let cancel = self.gone.child_token();
        self.under_way().insert(message.id_text(), UnderWay { cancel: cancel.clone(), listens: message.method == LISTEN });
        let bridge = Arc::clone(self);
        self.tasks.spawn(async move {
            let _room = room;
            tokio::select! {
                biased;
                // The host wants no answer any more; dropping the exchange ends it at the server.
                () = cancel.cancelled() => {}
                answered = bridge.session.ask(&message, &bridge.out) => if let Err(fault) = answered {
                    tracing::warn!(mcp.method = message.method, error = %fault, "a request could not be carried to the server");
                    bridge.say(message.failed(&fault)).await;
                }
            }
            bridge.under_way().remove(&message.id_text());
        });
    }

    /// Everything else goes in its order; nobody waits for an answer to it.
    async fn pass(self: &Arc<Self>, message: Message) {
        if let Some(id) = message.cancels()
            && let Some(request) = self.under_way().remove(&id)
        {
            request.cancel.cancel();
        }
        let initialized = message.method == "notifications/initialized";
        if let Err(fault) = self.session.tell(&message, &self.out).await {
            tracing::warn!(mcp.method = message.method, error = %fault, "a message could not be carried to the server");
        }
        if initialized {
            let bridge = Arc::clone(self);
            self.tasks.spawn(async move {
                tokio::select! {
                    () = bridge.gone.cancelled() => {}
                    () = bridge.out.closed() => {}
                    () = bridge.session.listen(&bridge.out) => {}
                }
            });
        }
    }

    /// Waits for answers that are under way, then ends everything.
    async fn finish(&self) {
        self.under_way().values().filter(|request| request.listens).for_each(|request| request.cancel.cancel());
        let answered = async {
            while !self.under_way().values().all(|request| request.listens) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(GRACE, answered).await.is_err() {
            tracing::warn!("the host has gone before every request was answered");
        }
        self.gone.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.session.end().await;
    }

    async fn say(&self, line: String) {
        if self.out.send(line).await.is_err() {
            tracing::debug!("the host does not read any more");
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line for each message, at once: the host waits for it.
async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        let written = async {
            output.write_all(line.as_bytes()).await?;
            output.flush().await
        };
        match written.await {
            // A host that has gone is the end, and no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
