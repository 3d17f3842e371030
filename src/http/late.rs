//! Routes that are made when the first of them is asked for.
//!
//! Some come with a description of themselves that takes milliseconds to make and megabytes to keep. A daemon starts
//! without them, and does without them until somebody comes.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn},
    response::Response,
};
use tower::ServiceExt;

use super::health::nothing;

type Make = Box<dyn FnOnce() -> Router + Send>;

/// Routes below some paths, made at the first request for any of them.
#[derive(Clone)]
pub struct Late {
    below: &'static [&'static str],
    made: Arc<LazyLock<Router, Make>>,
}

impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Late").field("below", &self.below).finish_non_exhaustive()
    }
}

impl Late {
    /// What `make` makes answers everything at and below these paths.
    pub fn new(below: &'static [&'static str], make: impl FnOnce() -> Router + Send + 'static) -> Self {
        let make: Make = Box::new(|| make().fallback(nothing).layer(from_fn(told)));
        Self { below, made: Arc::new(LazyLock::new(make)) }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        let mut rests = self.below.iter().filter_map(|top| path.strip_prefix(top));
        rests.any(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) async fn answer(&self, request: Request) -> Response {
        match Router::clone(&self.made).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The route is known inside only, and whoever times requests is outside.
async fn told(matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(matched);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{body::Body, routing::get};
    use http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn the_routes_are_made_once_and_when_somebody_asks() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let late = Late::new(&["/panel", "/"], || {
            MADE.fetch_add(1, Ordering::Relaxed);
            Router::new().route("/panel/{page}", get(async |axum::extract::Path(page): axum::extract::Path<String>| page))
        });
        for (path, is_there) in [("/panel", true), ("/panel/x", true), ("/", true), ("/panels", false), ("/other", false), ("", false)] {
            assert_eq!(late.has(path), is_there, "{path}");
        }
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        let ask = async |path: &str| late.answer(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        let answered = ask("/panel/overview").await;
        assert_eq!(answered.status(), StatusCode::OK);
        assert_eq!(answered.extensions().get::<MatchedPath>().unwrap().as_str(), "/panel/{page}");
        assert_eq!(ask("/").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
    }
}
