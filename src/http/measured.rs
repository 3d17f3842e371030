//! How long requests take, by the template of the route they matched: never by the path that was sent, which anybody
//! may make up.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::extract::{MatchedPath, Request};
use http::{Method, Response};
use tower::{Layer, Service};

use crate::telemetry::figures;

/// Measures what it is put around. Put it around routes, where it is known which one matched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured;

impl<S> Layer<S> for Measured {
    type Service = Measuring<S>;

    fn layer(&self, inner: S) -> Measuring<S> {
        Measuring(inner)
    }
}

/// What [`Measured`] makes of a service.
#[derive(Debug, Clone)]
pub struct Measuring<S>(S);

impl<S, B> Service<Request> for Measuring<S>
where
    S: Service<Request, Response = Response<B>>,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        Answering { began: Instant::now(), method, route, answer: self.0.call(request) }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering<F> {
    began: Instant,
    method: Method,
    route: Option<MatchedPath>,
    answer: F,
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let answered = ready!(Pin::new(&mut this.answer).poll(cx));
        if let Ok(response) = &answered {
            // What is routed further in says so with its answer.
            let inner = response.extensions().get::<MatchedPath>();
            let route = inner.or(this.route.as_ref()).map(MatchedPath::as_str);
            figures::request(this.method.as_str(), route, response.status().as_u16(), this.began.elapsed());
        }
        Poll::Ready(answered)
    }
}
