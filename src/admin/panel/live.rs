//! Parts of pages that renew themselves: the part is made again every so often, and sent when it differs.
//!
//! A stream ends after a minute and the browser asks again: so whoever was signed out or lost a right sees nothing
//! new from then on, and a page that is left open costs one request a minute.

use std::{convert::Infallible, future::Future, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How often a part is made again.
const EVERY: Duration = Duration::from_secs(1);
/// How long a stream lasts.
const LASTS: Duration = Duration::from_mins(1);

/// A stream of a part as `make` makes it; nothing is sent while it stays the same, or cannot be made. `stop` ends it.
pub(in crate::admin) fn live<F, Made>(stop: CancellationToken, make: F) -> Response
where
    F: FnMut() -> Made + Send + 'static,
    Made: Future<Output = Option<String>> + Send,
{
    let until = Instant::now() + LASTS;
    let state = (make, String::new(), false, stop);
    let parts = stream::unfold(state, move |(mut make, mut last, mut begun, stop)| async move {
        loop {
            if begun {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    () = sleep(EVERY) => {}
                }
            }
            begun = true;
            if Instant::now() >= until {
                return None;
            }
            if let Some(part) = make().await.filter(|part| *part != last) {
                last.clone_from(&part);
                return Some((Ok::<_, Infallible>(Event::default().data(part)), (make, last, begun, stop)));
            }
        }
    });
    Sse::new(parts).keep_alive(KeepAlive::default()).into_response()
}
