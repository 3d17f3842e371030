//! Calls on a database of their own: for tests of what they check and say.

use std::sync::Arc;

use super::Calls;
use crate::{
    app::Core,
    clock::FixedClock,
    config::Config,
    store::{audit::By, rows_for_tests::T0},
};

/// Calls beside no daemon.
pub(in crate::admin) struct Bench {
    _dir: tempfile::TempDir,
    pub(in crate::admin) calls: Calls,
    pub(in crate::admin) db: rusqlite::Connection,
}

impl Bench {
    pub(in crate::admin) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With another configuration.
    pub(in crate::admin) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
        configure(&mut config);
        let core = Core::open(config, Arc::new(FixedClock::at_ms(T0))).await.unwrap();
        let db = rusqlite::Connection::open(core.store.path()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        Self { _dir: dir, calls: core.calls(None), db }
    }

    pub(in crate::admin) fn text(&self, sql: &str) -> String {
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Everything that is in the audit log.
    pub(in crate::admin) fn audited(&self) -> String {
        self.text("SELECT coalesce(group_concat(action || ' ' || object || ' ' || coalesce(before, '') || coalesce(after, ''), '\n'), '') FROM audit_log")
    }
}

/// Somebody with an account.
pub(in crate::admin) fn by() -> By {
    By { reason: Some("试".into()), ..By::new("account:xu", T0) }
}
