//! Channels: what each would show, and a test over one of them.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::{Fields, FormState, Posted, Queried, by},
    frame::{Frame, Page, PageError},
};
use crate::admin::{
    Right,
    calls::{
        CallError, Calls, Field,
        channels::{ChannelAudience, ChannelPreview, ChannelTest, ChannelView, PreviewAsked},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/notifications/channels", get(show).post(test))
}

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    frame: Frame,
    form: FormState,
    channels: Vec<ChannelView>,
    preview: Option<ChannelPreview>,
    sent: Option<ChannelTest>,
}

impl ChannelsPage {
    fn audience(&self, audience: ChannelAudience) -> String {
        self.frame.t.say(match audience {
            ChannelAudience::Consultants => "channels-consultants",
            ChannelAudience::Administrators => "channels-administrators",
        })
    }

    /// The value that stands for a channel in the form: two lists may have one of the same name.
    fn value(channel: &ChannelView) -> String {
        let list = match channel.audience {
            ChannelAudience::Consultants => "consultants",
            ChannelAudience::Administrators => "administrators",
        };
        format!("{list}/{}", channel.name)
    }

    fn may_change_settings(&self) -> bool {
        self.frame.may(Right::Operate)
    }
}

/// The channel that a form names, and what is to be tried over it.
fn asked(form: &Fields) -> Option<(String, PreviewAsked)> {
    let (list, name) = form.given("channel")?.split_once('/')?;
    let audience = if list == "administrators" { ChannelAudience::Administrators } else { ChannelAudience::Consultants };
    let given = |name: &str| form.given(name).map(str::to_owned);
    let asked = PreviewAsked {
        audience: Some(audience),
        username: given("username"),
        push_title: given("push_title"),
        push_body: given("push_body"),
        link_template: given("link_template"),
    };
    Some((name.to_owned(), asked))
}

/// The texts that are in force, unless others are tried.
fn texts(calls: &Calls, form: &Fields) -> Result<Fields, CallError> {
    let notice = calls.settings.current()?.notice.clone();
    let usual =
        [("push_title", notice.push_title), ("push_body", notice.push_body), ("link_template", notice.link_template.unwrap_or_default())];
    let missing: Vec<_> = usual.into_iter().filter(|(name, _)| form.raw(name).is_none()).collect();
    let typed = form.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Fields::of(typed.chain(missing.into_iter().map(|(name, value)| (name.to_owned(), value)))))
}

/// The channels, and what the chosen one would show.
async fn show(frame: Frame, reader: Reader, Queried(query): Queried) -> Result<Response, PageError> {
    let calls = &reader.calls;
    let preview = match asked(&query) {
        None => Ok(None),
        Some((name, asked)) => calls.preview_channel(&name, asked).await.map(Some),
    };
    let channels = calls.channels()?;
    let fields = texts(calls, &query)?;
    match preview {
        Ok(preview) => Ok(Page::ok(ChannelsPage { frame, form: FormState::new(fields), channels, preview, sent: None }).into_response()),
        Err(CallError::Invalid(wrong)) => Ok(refused(frame, fields, &wrong, channels)),
        Err(other) => Err(other.into()),
    }
}

/// Sends a test, and says how it went.
async fn test(frame: Frame, operator: Operator, Posted(form): Posted) -> Result<Response, PageError> {
    let calls = &operator.calls;
    let sent = match asked(&form) {
        None => Ok(None),
        Some((name, asked)) => calls.test_channel(&name, asked, &by(&operator, &form)?).await.map(Some),
    };
    let channels = calls.channels()?;
    let fields = texts(calls, &form)?;
    match sent {
        Ok(sent) => Ok(Page::ok(ChannelsPage { frame, form: FormState::new(fields), channels, preview: None, sent }).into_response()),
        Err(CallError::Invalid(wrong)) => Ok(refused(frame, fields, &wrong, channels)),
        Err(other) => Err(other.into()),
    }
}

fn refused(frame: Frame, fields: Fields, wrong: &[Field], channels: Vec<ChannelView>) -> Response {
    let form = FormState::refused(fields, wrong, frame.language());
    Page::refused(ChannelsPage { frame, form, channels, preview: None, sent: None }).into_response()
}
