//! One client, from its token to its close code.
//!
//! Three things happen side by side: frames of the client are heard and answered, rows are sent as far as the client
//! takes them, and pings show whether it is still there. What goes out passes a short queue to the socket; a frame that
//! the other side does not take in time ends the connection, and nobody else notices.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Shared,
    close::Close,
    frames::{self, Command, Heard, MAX_MESSAGE},
    hub::Seat,
    outbox::Outbox,
    token::TokenError,
    who::Who,
};
use crate::{secret::SecretText, settings::Settings, store::StoreError};

/// Frames that may wait for the socket.
const QUEUE: usize = 64;
/// Rows that are read at once.
const BATCH: usize = 32;
/// Unreadable frames in a row before the connection ends.
const PATIENCE: u32 = 10;
/// Pings without a sign of life before the client is gone.
const MISSED: u32 = 2;
/// How long the end of a connection may take.
const GRACE: Duration = Duration::from_secs(2);
/// Shorter heartbeats would be a load of their own.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(20);
/// A sleep beyond this is cut, and the time looked at again.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

type Incoming = SplitStream<WebSocket>;
type Outgoing = SplitSink<WebSocket, Message>;

/// What the request brought to prove who is there.
#[derive(Debug)]
pub(super) enum Credential {
    /// A token in a header.
    Token(SecretText),
    /// A token in the address.
    InUrl,
    /// Nothing yet: the first message has to bring it.
    Later,
}

/// Carries one connection to its end.
pub(super) async fn serve(live: Arc<Shared>, socket: WebSocket, credential: Credential) {
    let (mut outgoing, mut incoming) = socket.split();
    let close = converse(&live, &mut outgoing, &mut incoming, credential).await;
    let goodbye = async {
        if close != Close::Gone && outgoing.send(Message::Close(Some(close.frame()))).await.is_err() {
            return;
        }
        while let Some(Ok(_)) = incoming.next().await {}
    };
    if timeout(GRACE, goodbye).await.is_err() {
        tracing::debug!(close.code = close.code(), "a live client did not answer its close frame");
    }
}

async fn converse(live: &Arc<Shared>, outgoing: &mut Outgoing, incoming: &mut Incoming, credential: Credential) -> Close {
    let entered = tokio::select! {
        () = live.stop.cancelled() => Err(Close::Stopping),
        entered = enter(live, incoming, credential) => entered,
    };
    let (seat, settings) = match entered.and_then(|who| seat(live, who)) {
        Ok(seated) => seated,
        Err(close) => {
            tracing::info!(close.code = close.code(), close.reason = close.reason(), "a live connection was refused");
            return close;
        }
    };
    let user = seat.who().user_id.clone();
    tracing::debug!(user.id = user, "a live connection begins");
    let (out, queue) = mpsc::channel(QUEUE);
    let mut client = Client::new(Arc::clone(live), seat, out, settings);
    let mut writing = pin!(write(outgoing, queue, live.settings.write_timeout));
    let close = tokio::select! {
        close = client.run(incoming) => {
            drop(client);
            // What was answered before the end still goes out; a client that does not take it has been waited for.
            timeout(GRACE, writing).await.ok().filter(|written| *written == Close::TooSlow).unwrap_or(close)
        }
        stuck = writing.as_mut() => stuck,
    };
    tracing::debug!(user.id = user, close.code = close.code(), "a live connection ends");
    close
}

/// Sends what is queued. Ends with the queue, with a broken socket, or with a client that takes nothing.
async fn write(outgoing: &mut Outgoing, mut queue: mpsc::Receiver<Message>, limit: Duration) -> Close {
    while let Some(message) = queue.recv().await {
        match timeout(limit, outgoing.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Close::Gone,
            Err(_) => return Close::TooSlow,
        }
    }
    Close::Gone
}

async fn enter(live: &Shared, incoming: &mut Incoming, credential: Credential) -> Result<Who, Close> {
    let token = match credential {
        Credential::Token(token) => token,
        Credential::InUrl => return Err(Close::TokenInUrl),
        Credential::Later => timeout(live.settings.auth_timeout, first_message(incoming)).await.unwrap_or(Err(Close::NoToken))?,
    };
    live.tokens.verify(token.expose()).await.map_err(Close::Refused)
}

async fn first_message(incoming: &mut Incoming) -> Result<SecretText, Close> {
    loop {
        match incoming.next().await {
            Some(Ok(Message::Text(text))) if text.len() > MAX_MESSAGE => return Err(Close::TooLarge),
            Some(Ok(Message::Text(text))) => {
                return match frames::read(&text).command {
                    Ok(Command::Auth { token }) => Ok(token),
                    _ => Err(Close::NoToken),
                };
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(Close::NoToken),
            Some(Err(_)) => return Err(Close::Broken),
            Some(Ok(Message::Close(_))) | None => return Err(Close::Gone),
        }
    }
}

/// A place in the hub, and the settings it was taken under.
fn seat(live: &Shared, who: Who) -> Result<(Seat, Arc<Settings>), Close> {
    let settings = live.book.current().map_err(|error| unavailable(&error))?;
    let cap = settings.live.connections_per_user as usize;
    let seat = live.hub.join(who, live.clock.now_ms(), cap).ok_or(Close::TooMany)?;
    // Asked once it has its place: whatever is revoked from here on finds it there.
    if live.is_revoked(seat.who()).map_err(|error| unavailable(&error))? {
        return Err(Close::Refused(TokenError::Revoked));
    }
    Ok((seat, settings))
}

fn unavailable(error: &StoreError) -> Close {
    tracing::error!(%error, "a live connection ends because the database does not answer");
    Close::Unavailable
}

/// A client that is let in.
struct Client {
    live: Arc<Shared>,
    seat: Seat,
    out: mpsc::Sender<Message>,
    outbox: Outbox,
    settings: Arc<Settings>,
    next_beat: Instant,
    /// Whether anything came since the last ping.
    heard: bool,
    missed: u32,
    garbage: u32,
}

impl Client {
    fn new(live: Arc<Shared>, seat: Seat, out: mpsc::Sender<Message>, settings: Arc<Settings>) -> Self {
        let next_beat = Instant::now() + heartbeat(&settings);
        Self { live, seat, out, outbox: Outbox::default(), settings, next_beat, heard: true, missed: 0, garbage: 0 }
    }

    async fn run(&mut self, incoming: &mut Incoming) -> Close {
        if let Err(close) = self.greet().await {
            return close;
        }
        let stop = self.live.stop.clone();
        loop {
            let patience: Duration = self.settings.notice.ack_timeout.into();
            let due = self.outbox.due(patience);
            let expiry = Instant::now() + self.time_left().min(LONGEST_SLEEP);
            let step = tokio::select! {
                message = incoming.next() => self.hear(message).await,
                () = self.seat.poked() => self.look(),
                // Only as many rows are read as the queue has room for.
                () = room(&self.out), if self.outbox.has_room() => self.send_rows().await,
                () = sleep_until(due.unwrap_or(expiry)), if due.is_some() => { self.outbox.overdue(Instant::now(), patience); Ok(()) }
                () = sleep_until(self.next_beat) => self.beat().await,
                () = sleep_until(expiry) => self.still_valid(),
                () = stop.cancelled() => Err(Close::Stopping),
            };
            if let Err(close) = step {
                return close;
            }
        }
    }

    fn look(&mut self) -> Result<(), Close> {
        if self.seat.is_revoked() {
            return Err(Close::Refused(TokenError::Revoked));
        }
        self.outbox.look();
        Ok(())
    }

    async fn greet(&mut self) -> Result<(), Close> {
        let audience = self.seat.who().audience();
        let unacked = self.live.store.count_waiting_notifications(&audience).map_err(|error| unavailable(&error))?;
        self.outbox.look();
        self.send(&frames::hello(self.seat.who(), unacked)).await
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Close> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(_)) => return Err(Close::Broken),
            None => return Err(Close::Gone),
        };
        self.heard = true;
        self.missed = 0;
        self.seat.seen(self.live.clock.now_ms());
        match message {
            Message::Text(text) => self.answer(&text).await,
            Message::Binary(_) => self.answer("").await,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(Close::Gone),
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), Close> {
        if text.len() > MAX_MESSAGE {
            return Err(Close::TooLarge);
        }
        let Heard { reference, command } = frames::read(text);
        let result = match command {
            Ok(command) => {
                self.garbage = 0;
                self.live.command(self.seat.who(), command, &mut self.outbox).await
            }
            Err(refusal) => {
                self.garbage += 1;
                Err(refusal)
            }
        };
        self.send(&frames::answer(reference, result)).await?;
        if self.garbage >= PATIENCE { Err(Close::Garbage) } else { Ok(()) }
    }

    async fn send_rows(&mut self) -> Result<(), Close> {
        let wanted = self.outbox.wanted(BATCH);
        let rows = self.live.store.waiting_notifications(&self.seat.who().audience(), &wanted).map_err(|error| unavailable(&error))?;
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        self.outbox.sent(&ids, wanted.limit, Instant::now());
        for row in &rows {
            self.send(&frames::notification(row)).await?;
        }
        if !ids.is_empty() {
            self.mark_sent(ids);
        }
        Ok(())
    }

    /// Noted on the side: a busy database must not hold up the client.
    fn mark_sent(&self, ids: Vec<String>) {
        let (store, now) = (self.live.store.clone(), self.live.clock.now_ms());
        self.live.tasks.spawn(async move {
            if let Err(error) = store.mark_notifications_sent(ids, now).await {
                tracing::error!(%error, "the time at which notices were sent could not be noted");
            }
        });
    }

    /// Pings, after a look at whether the last pings were answered; takes changed settings into force.
    async fn beat(&mut self) -> Result<(), Close> {
        self.still_valid()?;
        if !std::mem::take(&mut self.heard) {
            self.missed += 1;
        }
        if self.missed >= MISSED {
            return Err(Close::Silent);
        }
        if let Ok(settings) = self.live.book.current() {
            self.settings = settings;
        }
        self.next_beat = Instant::now() + heartbeat(&self.settings);
        self.queue(Message::Ping(Bytes::new())).await
    }

    fn time_left(&self) -> Duration {
        let left = self.seat.who().expires_at.saturating_sub(self.live.clock.now_ms());
        Duration::from_millis(u64::try_from(left).unwrap_or_default())
    }

    fn still_valid(&self) -> Result<(), Close> {
        if self.time_left().is_zero() { Err(Close::Expired) } else { Ok(()) }
    }

    async fn send(&self, frame: &Value) -> Result<(), Close> {
        self.queue(Message::text(frame.to_string())).await
    }

    /// Waits for room: a client that does not read its answers is not heard either.
    async fn queue(&self, message: Message) -> Result<(), Close> {
        self.out.send(message).await.map_err(|_| Close::Gone)
    }
}

fn heartbeat(settings: &Settings) -> Duration {
    Duration::from(settings.live.heartbeat).max(SHORTEST_HEARTBEAT)
}

/// Waits until a batch of rows fits into the queue.
async fn room(out: &mpsc::Sender<Message>) {
    if out.reserve_many(BATCH).await.is_err() {
        // The socket is gone, which the writing side reports.
        std::future::pending::<()>().await;
    }
}
