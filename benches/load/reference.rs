//! Reference servers: what bare hyper, bare rmcp, and hyper doing the same work reach on this machine in the same run.
//! Each is a child process of the benchmark; it writes its port to a file and ends when its standard input closes.

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    fs,
    io::Read,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::task::TaskTracker;

use crate::{
    common::request::{HOOK_KEY, REFERENCE_KEY},
    reference_answers::{Intake, Limit, bare_rmcp},
    reference_store,
};

/// How long the call log of the reference gathers rows: nobody waits for it, and larger groups are cheaper.
const LINGER: Duration = Duration::from_millis(25);

/// What hyper answers when it does nothing.
const FIXED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"user_id\":\"usr_00000000\",\"username\":\"王伟\",\"roles\":[\"customer\"],\"primary_role\":\"customer\",\"is_active\":true,\"is_new_user\":false,\"registration_time\":\"2026-01-01T00:00:00Z\",\"details_included\":false}"}],"structuredContent":{"user_id":"usr_00000000","username":"王伟","roles":["customer"],"primary_role":"customer","is_active":true,"is_new_user":false,"registration_time":"2026-01-01T00:00:00Z","details_included":false},"isError":false}}"#;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reference {
    /// hyper with a fixed body.
    Hyper,
    /// hyper, key check, SQLite read and call-log row: the limit of what ours could reach.
    Limit,
    /// rmcp on axum with the SQLite read, without key, validation or log.
    Rmcp,
    /// hyper committing the rows of a registration before it answers.
    Intake,
}

impl Reference {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Limit => "limit",
            Self::Rmcp => "rmcp",
            Self::Intake => "intake",
        }
    }
}

pub(crate) type Reply = Response<Full<Bytes>>;

/// Serves until standard input closes, then finishes what waits to be written.
pub(crate) fn run(kind: Reference, db: &Path, port_file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let port = listener.local_addr()?.port();
    let writer = start(kind, db, &runtime, listener)?;
    let unfinished = port_file.with_extension("new");
    fs::write(&unfinished, port.to_string())?;
    fs::rename(unfinished, port_file)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // Dropping the runtime drops every task, and with them the senders that the writer waits for.
    drop(runtime);
    if let Some(writer) = writer {
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?;
    }
    Ok(())
}

/// Spawns the server; its writer thread, if it has one, is for the caller to join.
fn start(kind: Reference, db: &Path, runtime: &Runtime, listener: TcpListener) -> Result<Option<JoinHandle<()>>> {
    let db = PathBuf::from(db);
    let (server, writer) = match kind {
        Reference::Hyper => (runtime.spawn(accept(listener, service_fn(fixed))), None),
        Reference::Rmcp => (runtime.spawn(accept(listener, TowerToHyperService::new(bare_rmcp(db)))), None),
        Reference::Limit => {
            let (log, writer) = reference_store::start(&db, LINGER)?;
            let limit = Arc::new(Limit { keys: HashMap::from([(sha256(REFERENCE_KEY.as_bytes()), "system_tools")]), db, log });
            let service = service_fn(move |request| {
                let limit = Arc::clone(&limit);
                async move { Ok::<_, Infallible>(settle(limit.answer(request).await)) }
            });
            (runtime.spawn(accept(listener, service)), Some(writer))
        }
        Reference::Intake => {
            let (queue, writer) = reference_store::start(&db, Duration::ZERO)?;
            let intake = Arc::new(Intake { authorization: format!("Bearer {HOOK_KEY}"), queue });
            let service = service_fn(move |request| {
                let intake = Arc::clone(&intake);
                async move { Ok::<_, Infallible>(settle(intake.answer(request).await)) }
            });
            (runtime.spawn(accept(listener, service)), Some(writer))
        }
    };
    // It runs until the runtime is dropped.
    drop(server);
    Ok(writer)
}

async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connections = TaskTracker::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        // A connection that breaks is its client's loss.
        connections.spawn(async move { served.await.is_ok() });
    }
}

async fn fixed(request: Request<Incoming>) -> Result<Reply, Infallible> {
    Ok(settle(read(request.into_body()).await.map(|_| json(StatusCode::OK, FIXED))))
}

/// The whole body.
pub(crate) async fn read(body: Incoming) -> Result<Bytes> {
    Ok(body.collect().await.context("reading the body")?.to_bytes())
}

pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    reply
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The value of `Authorization`.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

fn settle(answer: Result<Reply>) -> Reply {
    answer.unwrap_or_else(|error| json(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))
}
