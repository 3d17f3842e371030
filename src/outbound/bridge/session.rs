//! What the server gave: a session and the revision that was agreed on. A session that the server forgot (it was
//! started anew) is made again by saying what the host said, so that the host need not be started anew.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::HeaderValue;
use tokio::sync::mpsc;

use super::{
    message::Message,
    wire::{self, Fault, Passage, Wire},
};
use crate::outbound::{http_client::HttpClient, mcp_client::HttpTarget};

/// Longest wait for the server to take a message that has no answer.
const TELL: Duration = Duration::from_secs(10);
/// Pause before a broken stream is opened again, and how often in a row it may break at once.
const PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 5;

/// The server, as far as this bridge knows it.
pub(super) struct Session {
    wire: Wire,
    state: Mutex<State>,
    /// One renewal at a time.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    id: Option<HeaderValue>,
    revision: Option<String>,
    /// What the host said at the beginning.
    hello: Option<String>,
}

impl Session {
    pub(super) fn new(http: HttpClient, target: HttpTarget) -> Self {
        Self { wire: Wire::new(http, target), state: Mutex::default(), renewing: tokio::sync::Mutex::new(()) }
    }

    /// Sends a request, and passes on whatever the server says until it has answered.
    pub(super) async fn ask(&self, message: &Message, out: &mpsc::Sender<String>) -> Result<(), Fault> {
        if message.method == "initialize" {
            *self.state() = State { hello: Some(message.text.clone()), ..State::default() };
            let heard = self.wire.exchange(&message.text, &Passage { id: Some(&message.id), ..Passage::default() }, out).await?;
            let mut state = self.state();
            (state.id, state.revision) = (heard.session, heard.revision);
            return Ok(());
        }
        let used = self.id();
        match self.send(message, used.clone(), out).await {
            Err(fault) if used.is_some() && fault.status() == Some(404) => {
                self.renew(used.as_ref()).await?;
                self.send(message, self.id(), out).await
            }
            done => done,
        }
    }

    /// Sends what has no answer.
    pub(super) async fn tell(&self, message: &Message, out: &mpsc::Sender<String>) -> Result<(), Fault> {
        tokio::time::timeout(TELL, self.send(message, self.id(), out)).await.unwrap_or(Err(Fault::Slow(TELL)))
    }

    async fn send(&self, message: &Message, session: Option<HeaderValue>, out: &mpsc::Sender<String>) -> Result<(), Fault> {
        let agreed = self.state().revision.clone();
        let passage = Passage {
            id: (message.kind == super::Kind::Request).then_some(&message.id),
            session,
            headers: wire::headers(message, agreed.as_deref()),
        };
        self.wire.exchange(&message.text, &passage, out).await.map(drop)
    }

    /// Says the host's first words again, unless somebody did meanwhile.
    async fn renew(&self, lost: Option<&HeaderValue>) -> Result<(), Fault> {
        let _alone = self.renewing.lock().await;
        let (current, hello) = {
            let state = self.state();
            (state.id.clone(), state.hello.clone())
        };
        let Some(hello) = hello.filter(|_| current.as_ref() == lost) else { return Ok(()) };
        let Ok(first) = Message::read(hello.as_bytes()) else { return Ok(()) };
        // The host has its answer to this already.
        let (unheard, mut answers) = mpsc::channel(8);
        let passage = Passage { id: Some(&first.id), ..Passage::default() };
        let asked = async {
            let heard = self.wire.exchange(&hello, &passage, &unheard).await;
            drop(unheard);
            heard
        };
        let (heard, ()) = tokio::join!(asked, async { while answers.recv().await.is_some() {} });
        let heard = heard?;
        {
            let mut state = self.state();
            (state.id, state.revision) = (heard.session, heard.revision);
        }
        tracing::info!("the server had forgotten the session; a new one was made");
        let ready = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let Ok(ready) = Message::read(ready) else { return Ok(()) };
        let (nobody, _unread) = mpsc::channel(8);
        self.tell(&ready, &nobody).await
    }

    /// Passes on what the server says by itself, until it says that it never does, or breaks off again and again.
    pub(super) async fn listen(&self, out: &mpsc::Sender<String>) {
        let (mut last, mut broken) = (None, 0);
        while broken < ATTEMPTS {
            let passage = Passage { id: None, session: self.id(), headers: wire::agreed(self.state().revision.as_deref()) };
            match self.wire.listen(&passage, &mut last, out).await {
                Ok(true) => broken = 0,
                Ok(false) => broken += 1,
                Err(fault) => {
                    tracing::debug!(error = %fault, "the server says nothing by itself");
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends the session, if there is one.
    pub(super) async fn end(&self) {
        if let Some(id) = self.id()
            && tokio::time::timeout(TELL / 5, self.wire.delete(id)).await.is_err()
        {
            tracing::debug!("the server did not end its session in time");
        }
    }

    fn id(&self) -> Option<HeaderValue> {
        self.state().id.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
