//! Spans to an OpenTelemetry collector: OTLP over HTTP, protobuf, in batches by a thread of its own.
//!
//! What cannot be sent is dropped: nothing of the daemon's work waits for a collector.

use std::{borrow::Cow, fmt, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};

use super::trace::{Attribute, Done, Kind, Place};

/// Longest a batch may take on its way.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request; the error says why there is no answer.
pub type Post = Box<dyn Fn(http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Bytes>, String>> + Send + Sync>;

/// Where spans go, and which.
#[derive(Debug, Clone)]
pub struct Exporting {
    /// The collector's address for traces.
    pub endpoint: String,
    /// What this service is called there.
    pub service_name: String,
    /// The share of traces that begin here and are sent; others' traces are sent when they say so.
    pub ratio: f64,
}

/// Why no spans are sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to {endpoint}: {why}")]
pub struct StartError {
    endpoint: String,
    why: String,
}

static TRACING: OnceLock<(SdkTracerProvider, SdkTracer)> = OnceLock::new();

/// Sends with `post`, on the runtime that sending began on: the exporter's thread has none.
struct Client {
    post: Post,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn((self.post)(request)).await?;
        if let Err(why) = &sent {
            tracing::warn!(why, "spans could not be sent to the collector and are lost");
        }
        Ok(sent?)
    }
}

/// Sends spans from now on. Call it on the runtime that is to send them.
pub fn start(exporting: Exporting, post: Post) -> Result<(), StartError> {
    let Exporting { endpoint, service_name, ratio } = exporting;
    let client = Client { post, runtime: tokio::runtime::Handle::current() };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(&endpoint)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .build()
        .map_err(|error| StartError { endpoint, why: error.to_string() })?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
        .with_resource(Resource::builder().with_service_name(service_name).with_attribute(version).build())
        .build();
    let tracer = provider.tracer("anmei-mcp");
    // A second start in the same process keeps the first one's.
    let _second = TRACING.set((provider, tracer));
    Ok(())
}

/// Sends what still waits. Blocks: call it on a thread that may, while the runtime still works.
pub fn finish() {
    if let Some((provider, _)) = TRACING.get()
        && let Err(error) = provider.shutdown()
    {
        tracing::warn!(%error, "the last spans could not be sent");
    }
}

pub(super) fn is_on() -> bool {
    TRACING.get().is_some()
}

/// A span on its way.
#[derive(Debug)]
pub(super) struct Sent(opentelemetry_sdk::trace::Span);

impl Sent {
    pub(super) fn begin(name: Cow<'static, str>, kind: Kind, parent: Option<Place>) -> Option<Self> {
        let (_, tracer) = TRACING.get()?;
        let builder = SpanBuilder::from_name(name).with_kind(side(kind));
        Some(Self(tracer.build_with_context(builder, &context(parent))))
    }

    pub(super) fn place(&self) -> Place {
        let context = self.0.span_context();
        let trace = u128::from_be_bytes(context.trace_id().to_bytes());
        let span = u64::from_be_bytes(context.span_id().to_bytes());
        Place { trace, span, flags: context.trace_flags().to_u8() }
    }

    pub(super) fn set(&mut self, key: &'static str, value: Attribute) {
        self.0.set_attribute(pair(key, value));
    }

    pub(super) fn failed(&mut self, error_type: Cow<'static, str>) {
        self.0.set_attribute(KeyValue::new("error.type", error_type));
        self.0.set_status(Status::error(""));
    }
}

/// Sends a span that is over.
pub(super) fn send(done: Done) {
    let Some((_, tracer)) = TRACING.get() else { return };
    let ended = opentelemetry::time::now();
    let began = ended.checked_sub(done.took).unwrap_or(ended);
    let attributes = done.attributes.into_iter().map(|(key, value)| pair(key, value));
    let builder = SpanBuilder::from_name(done.name).with_kind(side(done.kind)).with_start_time(began).with_attributes(attributes);
    let mut span = Sent(tracer.build_with_context(builder, &context(done.parent)));
    if let Some(error_type) = done.error_type {
        span.failed(Cow::Borrowed(error_type));
    }
    span.0.end_with_timestamp(ended);
}

fn pair(key: &'static str, value: Attribute) -> KeyValue {
    match value {
        Attribute::Text(text) => KeyValue::new(key, text),
        Attribute::Number(number) => KeyValue::new(key, number),
    }
}

fn side(kind: Kind) -> SpanKind {
    match kind {
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
        Kind::Consumer => SpanKind::Consumer,
        Kind::Internal => SpanKind::Internal,
    }
}

fn context(parent: Option<Place>) -> Context {
    match parent {
        None => Context::new(),
        Some(place) => {
            let (trace, span) = (TraceId::from(place.trace), SpanId::from(place.span));
            let flags = TraceFlags::new(place.flags);
            Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, TraceState::default()))
        }
    }
}
