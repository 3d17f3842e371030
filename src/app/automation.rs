//! The automation: the queue, its handlers, and what watches beside them.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    core::{Core, StartError},
    serve::secrets,
    watching,
};
use crate::{
    config::Bodies,
    live::Hub,
    outbound::http_client::{HttpClient, ProxyUse},
    queue::{Handler, Handlers, Queue, QueueSettings},
    registration::{
        Agents, Desk, ESCALATION_JOB, Escalation, EventReceiver, EventSender, FEEDBACK_JOB, FeedbackSender, NOTICE_JOB, NoticeWatch,
        PushSender, RUN_JOB, Runner, RunnerParts,
    },
    store::{events::EVENT_JOB, pushes::PUSH_JOB},
};

/// Every kind of job that is worked on here.
pub(super) const JOBS: [&str; 6] = [RUN_JOB, EVENT_JOB, NOTICE_JOB, ESCALATION_JOB, PUSH_JOB, FEEDBACK_JOB];

/// What the automation shares with the listeners.
#[derive(Clone)]
pub(super) struct Shared {
    /// Who is connected.
    pub(super) hub: Hub,
    /// Tells the queue that there is a job.
    pub(super) wake: Arc<Notify>,
    /// Where agents are asked, once the automation has started.
    pub(super) desk: Arc<OnceLock<Arc<Desk>>>,
}

/// Starts the queue behind the listeners: loading the system's certificates takes tens of milliseconds, and the first
/// caller should not wait for them.
pub(super) fn start(core: &Core, shared: Shared, stop: &CancellationToken, tasks: &TaskTracker) -> Result<(), StartError> {
    let receiver = receiver(core)?;
    if core.config.registration.workers == 0 {
        tracing::warn!("registration.workers is 0: registrations are accepted and kept, and wait");
        return Ok(());
    }
    let (core, stop, spawner) = (core.clone(), stop.clone(), tasks.clone());
    tasks.spawn(async move {
        let built = tokio::task::spawn_blocking(|| HttpClient::new(ProxyUse::System)).await;
        let http = match built.map_err(|error| error.to_string()).and_then(|built| built.map_err(|error| error.to_string())) {
            Ok(http) => http,
            Err(error) => {
                tracing::error!(%error, "the automation cannot start");
                stop.cancel();
                return;
            }
        };
        let desk = Arc::clone(shared.desk.get_or_init(|| desk(&core, &http)));
        watching::start(&core, Arc::clone(&desk), &shared.wake, &stop, &spawner);
        let queue = queue(&core, &http, receiver, (Arc::clone(&desk), shared));
        let healing = desk.heal(core.settings.clone(), stop.clone());
        if let Err(error) = core.store.end_lost_replays().await {
            tracing::error!(%error, "rehearsals of an earlier process could not be ended; they show as going on");
        }
        match queue.rescue().await {
            Ok(0) => {}
            Ok(rescued) => tracing::warn!(rescued, "jobs of a process that was killed go on"),
            Err(error) => tracing::error!(%error, "jobs of a killed process could not be taken over; they wait for their leases to end"),
        }
        tokio::join!(queue.run(stop), healing);
    });
    Ok(())
}

fn desk(core: &Core, http: &HttpClient) -> Arc<Desk> {
    let environment = &core.config.registration.environment;
    let agents = Agents::new(core.store.clone(), http.clone(), Arc::clone(&core.master), environment);
    Arc::new(Desk::new(agents, core.config.call_log.bodies == Bodies::Full))
}

fn queue(core: &Core, http: &HttpClient, receiver: Option<EventReceiver>, (desk, shared): (Arc<Desk>, Shared)) -> Queue {
    let (store, clock, book) = (core.store.clone(), Arc::clone(&core.clock), core.settings.clone());
    let Shared { hub, wake, .. } = shared;
    let runner = Runner::new(RunnerParts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        desk: Arc::clone(&desk),
        book: book.clone(),
        connected: Arc::new(hub.clone()),
        events: receiver.is_some(),
        wake: Arc::clone(&wake),
    });
    let escalation = Escalation {
        store: store.clone(),
        clock: Arc::clone(&clock),
        book: book.clone(),
        connected: Arc::new(hub),
        wake: Arc::clone(&wake),
    };
    let events = EventSender::new(store.clone(), Arc::clone(&clock), http.clone(), book.clone(), receiver);
    let notices = NoticeWatch::new(store.clone(), Arc::clone(&clock), book.clone(), Arc::clone(&wake));
    let pushes = PushSender::new(store.clone(), Arc::clone(&clock), http.clone(), book.clone());
    let feedback = FeedbackSender { store: store.clone(), clock: Arc::clone(&clock), desk, book };
    let handlers: Handlers = HashMap::from([
        (RUN_JOB, Arc::new(runner) as Arc<dyn Handler>),
        (EVENT_JOB, Arc::new(events) as _),
        (NOTICE_JOB, Arc::new(notices) as _),
        (ESCALATION_JOB, Arc::new(escalation) as _),
        (PUSH_JOB, Arc::new(pushes) as _),
        (FEEDBACK_JOB, Arc::new(feedback) as _),
    ]);
    let config = &core.config.registration;
    let settings = QueueSettings { workers: config.workers, lease: config.lease.into() };
    Queue::new(store, clock, settings, handlers, wake)
}

fn receiver(core: &Core) -> Result<Option<EventReceiver>, StartError> {
    let outbound = &core.config.outbound;
    match (&outbound.webhook_url, &outbound.webhook_secret) {
        (None, _) => Ok(None),
        (Some(url), Some(secret)) => {
            let secrets = secrets(std::slice::from_ref(secret), "outbound.webhook_secret")?;
            Ok(Some(EventReceiver { url: url.clone(), secrets, timeout: outbound.timeout.into() }))
        }
        (Some(_), None) => Err(StartError::Setting("outbound.webhook_url is set, and outbound.webhook_secret is not: events are always signed. Make a secret (`whsec_` and base64 of 32 random bytes) and give it to the receiver too".into())),
    }
}
