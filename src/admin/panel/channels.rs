//! Channels: what each would show, and a test over one of them.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::{Fields, FormState, Posted, Queried, by, mistakes},
    frame::{Frame, Page, PageError},
};
use crate::admin::{
    Right,
    calls::{
        CallError, Calls, Field,
        channels::{ChannelAudience, ChannelTest, ChannelView, PreviewAsked},
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
    preview: Option<Preview>,
    sent: Option<ChannelTest>,
}

/// What people would see.
struct Preview {
    /// The channel on which they would; none while there is none, and it is said of any.
    channel: Option<String>,
    text: String,
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
    Some((name.to_owned(), PreviewAsked { audience: Some(audience), ..tried(form) }))
}

/// The texts of a form.
fn tried(form: &Fields) -> PreviewAsked {
    let given = |name: &str| form.given(name).map(str::to_owned);
    PreviewAsked {
        audience: None,
        username: given("username"),
        push_title: given("push_title"),
        push_body: given("push_body"),
        link_template: given("link_template"),
    }
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
    let preview = previewed(calls, &query).await;
    let channels = calls.channels()?;
    let fields = texts(calls, &query)?;
    match preview {
        Ok(preview) => Ok(Page::ok(ChannelsPage { frame, form: FormState::new(fields), channels, preview, sent: None }).into_response()),
        Err(error) => Ok(refused(frame, fields, &mistakes(error)?, channels)),
    }
}

/// What a form asks to see; nothing when it was not sent yet.
async fn previewed(calls: &Calls, form: &Fields) -> Result<Option<Preview>, CallError> {
    if let Some((name, asked)) = asked(form) {
        let preview = calls.preview_channel(&name, asked).await?;
        return Ok(Some(Preview { channel: Some(preview.channel.name), text: preview.shown }));
    }
    if form.raw("push_title").is_none() {
        return Ok(None);
    }
    let push = calls.preview_push(tried(form))?;
    let lines: Vec<String> = [Some(push.title), Some(push.body), push.link].into_iter().flatten().collect();
    Ok(Some(Preview { channel: None, text: lines.join("\n") }))
}

/// Sends a test, and says how it went.
async fn test(frame: Frame, operator: Operator, Posted(form): Posted) -> Result<Response, PageError> {
    let calls = &operator.calls;
    let sent = tested(&operator, &form).await;
    let channels = calls.channels()?;
    let fields = texts(calls, &form)?;
    match sent {
        Ok(sent) => Ok(Page::ok(ChannelsPage { frame, form: FormState::new(fields), channels, preview: None, sent }).into_response()),
        Err(error) => Ok(refused(frame, fields, &mistakes(error)?, channels)),
    }
}

async fn tested(operator: &Operator, form: &Fields) -> Result<Option<ChannelTest>, CallError> {
    let Some((name, asked)) = asked(form) else { return Ok(None) };
    let by = by(operator, form)?;
    operator.calls.test_channel(&name, asked, &by).await.map(Some)
}

fn refused(frame: Frame, fields: Fields, wrong: &[Field], channels: Vec<ChannelView>) -> Response {
    let form = FormState::refused(fields, wrong, frame.language());
    Page::refused(ChannelsPage { frame, form, channels, preview: None, sent: None }).into_response()
}
