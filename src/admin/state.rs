//! What the routes share. Handlers get at the calls by an extractor only, which says who asks and what they may do.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Uri, header};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::calls::Calls;
use crate::{config::Admin, gate::origins::Origins, problem::Problem};

/// How the door behaves.
#[derive(Debug, Clone)]
pub struct EntrySettings {
    /// Which hosts may reach it; pages of theirs may as well.
    pub origins: Origins,
    /// The origin under which browsers reach us, when it is not the listener's own.
    pub public_origin: Option<String>,
    /// Origins whose pages may read answers; in lower case.
    pub pages: Vec<String>,
}

impl EntrySettings {
    /// As the configuration says.
    pub fn of(admin: &Admin) -> Self {
        let pages: Vec<String> = admin.allowed_origins.iter().map(|origin| origin.to_ascii_lowercase()).collect();
        let public_origin = admin.public_origin();
        Self { origins: Origins::new(&admin.hosts(), &[], "admin"), public_origin, pages }
    }

    /// Whether a request may be here: under a host of ours, and from no page but ours and those that are listed.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let listed = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_ascii_lowercase);
        if !listed.is_some_and(|origin| self.pages.contains(&origin)) {
            return self.origins.check(uri, headers);
        }
        let mut bare = headers.clone();
        bare.remove(header::ORIGIN);
        self.origins.check(uri, &bare)
    }

    /// Whether browsers reach us through encryption only.
    pub fn is_encrypted(&self) -> bool {
        self.public_origin.as_deref().is_some_and(|origin| origin.starts_with("https://"))
    }

    /// Whether a request came under the public, encrypted address.
    pub fn came_encrypted(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let public = self.public_origin.as_deref().and_then(|origin| origin.strip_prefix("https://"));
        public.is_some_and(|public| public.eq_ignore_ascii_case(host.trim_end_matches(":443")))
    }
}

struct Inner {
    calls: Calls,
    settings: EntrySettings,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct AdminState(Arc<Inner>);

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").finish_non_exhaustive()
    }
}

impl AdminState {
    /// Puts it together. `stop` ends what is open; a stop waits for `tasks`.
    pub fn new(calls: Calls, settings: EntrySettings, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner { calls, settings, stop, tasks }))
    }

    /// How the door behaves.
    pub fn settings(&self) -> &EntrySettings {
        &self.0.settings
    }

    /// Ends what is open, such as a page's live parts.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// What goes on although whoever asked for it has gone; a stop waits for it.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// The calls, for whoever was found to be let in.
    pub(super) fn calls(&self) -> &Calls {
        &self.0.calls
    }
}
