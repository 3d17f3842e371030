//! Traces to a collector, in builds that can send them (feature `otlp`).

use super::core::{Core, StartError};

/// Sends spans from now on, if there is somewhere to send them.
#[cfg(feature = "otlp")]
pub(super) fn start(core: &Core) -> Result<(), StartError> {
    use crate::{
        outbound::http_client::{HttpClient, ProxyUse},
        telemetry::trace::{self, Exporting},
    };
    let config = &core.config.telemetry;
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(()) };
    let bad = |why: String| StartError::Setting(format!("telemetry.otlp_endpoint: {why}"));
    let http = HttpClient::new(ProxyUse::System).map_err(|error| bad(error.to_string()))?;
    let endpoint = endpoint_for_traces(endpoint).map_err(bad)?;
    let exporting = Exporting { endpoint, service_name: config.service_name.clone(), ratio: config.sample_ratio };
    let post = Box::new(move |request| {
        let http = http.clone();
        Box::pin(async move { post(&http, request).await }) as futures_util::future::BoxFuture<'static, _>
    });
    trace::start(exporting, post).map_err(|error| bad(error.to_string()))
}

/// Nothing: the configuration does not get here with an endpoint.
#[cfg(not(feature = "otlp"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build has something that may fail")]
pub(super) fn start(_core: &Core) -> Result<(), StartError> {
    Ok(())
}

/// Sends what still waits.
#[cfg(feature = "otlp")]
pub(super) async fn finish() {
    if let Err(error) = tokio::task::spawn_blocking(crate::telemetry::trace::finish).await {
        tracing::warn!(%error, "the last spans could not be sent");
    }
}

/// Nothing waits.
#[cfg(not(feature = "otlp"))]
#[expect(clippy::unused_async, reason = "the other build has something to wait for")]
pub(super) async fn finish() {}

/// A collector's address is given without the path for traces, or with one of its own.
#[cfg(any(feature = "otlp", test))]
fn endpoint_for_traces(text: &str) -> Result<String, String> {
    let mut url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(url.into())
}

#[cfg(feature = "otlp")]
async fn post(
    http: &crate::outbound::http_client::HttpClient,
    request: http::Request<bytes::Bytes>,
) -> Result<http::Response<bytes::Bytes>, String> {
    use crate::outbound::http_client::Call;
    /// Longest a batch may take on its way.
    const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
    /// A collector has little to say.
    const MAX_ANSWER: usize = 64 * 1024;
    let (parts, body) = request.into_parts();
    let url = url::Url::parse(&parts.uri.to_string()).map_err(|error| error.to_string())?;
    let call = Call { method: parts.method, url, headers: parts.headers, body: Some(body), timeout: TIMEOUT, max_bytes: MAX_ANSWER };
    let reply = http.exchange(call).await.map_err(|error| error.to_string())?;
    let mut response = http::Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_may_be_named_without_the_path_for_traces() {
        assert_eq!(endpoint_for_traces("http://127.0.0.1:4318").unwrap(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(endpoint_for_traces("https://otel.example/abc").unwrap(), "https://otel.example/abc");
    }
}
