//! Who was told what: notices over live connections, and pushes over channels.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    form::{FormState, Posted, Queried, by},
    frame::{Frame, Page, PageError, back},
    preferences::local,
};
use crate::admin::{
    calls::{
        CallError, Listed, Words,
        channels::ChannelView,
        notifications::{NoticeView, NoticesWanted, PushView, PushesWanted},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

/// Entries of a page.
const PAGE: u32 = 50;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/notifications", get(notices))
        .route("/panel/notifications/pushes", get(pushes))
        .route("/panel/notifications/pushes/{id}/resend", post(resend))
}

#[derive(Template)]
#[template(path = "notices.html")]
struct NoticesPage {
    frame: Frame,
    form: FormState,
    listed: Listed<NoticeView>,
    query: String,
}

#[derive(Template)]
#[template(path = "pushes.html")]
struct PushesPage {
    frame: Frame,
    form: FormState,
    listed: Listed<PushView>,
    channels: Vec<ChannelView>,
    query: String,
}

impl NoticesPage {
    fn kind(&self, kind: &str) -> String {
        self.frame.t.say(notice_key(kind))
    }

    fn state(&self, state: &str) -> String {
        self.frame.t.say(match state {
            "acknowledged" => "notices-acknowledged",
            "sent" => "notices-sent",
            _ => "notices-waiting",
        })
    }
}

impl PushesPage {
    fn reason(&self, reason: &str) -> String {
        self.frame.t.say(match reason {
            "escalation" => "pushes-escalation",
            "alert" => "pushes-alert",
            "resolved" => "pushes-resolved",
            _ => "pushes-new-customer",
        })
    }

    fn state(&self, state: &str) -> String {
        self.frame.t.say(delivery_key(state))
    }

    /// Whether the push tells of a registration, and not of an alert.
    fn of_registration(push: &PushView) -> bool {
        matches!(push.reason.as_str(), "new_customer" | "escalation")
    }
}

/// The key of the name of a notice's kind.
fn notice_key(kind: &str) -> &'static str {
    match kind {
        "customer_claimed" => "notices-kind-claimed",
        "escalation" => "notices-kind-escalation",
        "message" => "notices-kind-message",
        _ => "notices-kind-new-customer",
    }
}

/// The key of the name of how a push or an event stands.
pub(super) fn delivery_key(state: &str) -> &'static str {
    match state {
        "delivered" => "delivery-delivered",
        "given_up" => "delivery-given-up",
        _ => "delivery-waiting",
    }
}

async fn notices(frame: Frame, reader: Reader, Queried(query): Queried) -> Result<Response, PageError> {
    let given = |name: &str| query.given(name).map(str::to_owned);
    let wanted = NoticesWanted {
        state: given("state"),
        kind: given("kind"),
        recipient_id: given("recipient_id"),
        registration_id: given("registration_id"),
        cursor: given("cursor"),
        limit: PAGE,
    };
    let found = reader.calls.notices(wanted, Words::of(reader.who.role)).await;
    let rest = query.query_but(&["cursor", "said"]);
    Ok(match found {
        Ok(listed) => Page::ok(NoticesPage { form: FormState::new(query), listed, query: rest, frame }).into_response(),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(query, &wrong, frame.language());
            Page::refused(NoticesPage { form, listed: nothing(), query: rest, frame }).into_response()
        }
        Err(other) => return Err(other.into()),
    })
}

async fn pushes(frame: Frame, reader: Reader, Queried(query): Queried) -> Result<Response, PageError> {
    let given = |name: &str| query.given(name).map(str::to_owned);
    let wanted = PushesWanted {
        state: given("state"),
        channel: given("channel"),
        reason: given("reason"),
        subject_id: given("subject_id"),
        cursor: given("cursor"),
        limit: PAGE,
    };
    let (found, channels) = (reader.calls.pushes(wanted).await, reader.calls.channels()?);
    let rest = query.query_but(&["cursor", "said"]);
    Ok(match found {
        Ok(listed) => Page::ok(PushesPage { form: FormState::new(query), listed, channels, query: rest, frame }).into_response(),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(query, &wrong, frame.language());
            Page::refused(PushesPage { form, listed: nothing(), channels, query: rest, frame }).into_response()
        }
        Err(other) => return Err(other.into()),
    })
}

/// A list of which nothing is shown.
pub(super) fn nothing<T>() -> Listed<T> {
    Listed { items: Vec::new(), next_cursor: None }
}

async fn resend(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    operator.calls.resend_push(&id, &by(&operator, &form)?).await?;
    let to = form.given("back").map_or("/panel/notifications/pushes", local);
    Ok(back(to, "push-again"))
}
