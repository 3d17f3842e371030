//! The other sides, on loopback: a web server that keeps what it got, and a server of lines for SMTP and Redis.

use std::sync::Arc;

use axum::{Router, body::Bytes, extract::Request};
use http::{HeaderMap, StatusCode};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};
use tokio_util::task::TaskTracker;

/// What the web server got.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Got {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

/// A web server that answers everything alike.
pub(super) struct Web {
    pub(super) host: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Web {
    pub(super) async fn answering(status: u16, headers: &'static [(&'static str, &'static str)], body: &str) -> Self {
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let (kept, body) = (got.clone(), body.to_owned());
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, content) = request.into_parts();
            let content = axum::body::to_bytes(content, 1 << 20).await.unwrap();
            kept.lock().await.push(Got { uri: parts.uri.to_string(), headers: parts.headers, body: content });
            let headers: HeaderMap = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            (StatusCode::from_u16(status).unwrap(), headers, body)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        Self { host, got }
    }

    /// The one request that came.
    pub(super) async fn got(&self) -> Got {
        let mut got = self.got.lock().await;
        assert_eq!(got.len(), 1, "{got:?}");
        got.remove(0)
    }
}

/// What a server of lines answers to a line; `None` says nothing.
pub(super) type Answers = fn(&str) -> Option<String>;

/// A server that speaks in lines, to any number of connections.
pub(super) struct Lines {
    pub(super) host: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Lines {
    pub(super) async fn speaking(greeting: &'static str, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let (kept, tasks) = (lines.clone(), TaskTracker::new());
        TaskTracker::new().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tasks.spawn(converse(socket, greeting, answers, kept.clone()));
            }
        });
        Self { host, lines }
    }

    /// All lines that came.
    pub(super) async fn lines(&self) -> Vec<String> {
        self.lines.lock().await.clone()
    }
}

async fn converse(socket: TcpStream, greeting: &str, answers: Answers, kept: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    socket.get_mut().write_all(greeting.as_bytes()).await?;
    let mut line = String::new();
    while socket.read_line(&mut line).await? > 0 {
        let said = line.trim_end_matches(['\r', '\n']).to_owned();
        line.clear();
        let answer = answers(&said);
        kept.lock().await.push(said);
        if let Some(answer) = answer {
            socket.get_mut().write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}
