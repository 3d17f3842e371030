//! Who posts: the bearer of the hook's key, or whoever signed the body with a secret we share (Standard Webhooks).

use http::{HeaderMap, StatusCode, header};

use super::Shared;
use crate::{
    outbound::standard_webhooks::{self, Signed, VerifyError},
    problem::Problem,
    telemetry::figures,
};

/// Longest event id that is kept.
const LONGEST_ID: usize = 255;

/// By what somebody was let in: each has a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// The hook's key.
    Key,
    /// The signing secret at this place of the list.
    Secret(usize),
}

/// Somebody who was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) sender: Sender,
    /// The id of the event, where one was given.
    pub(super) event_id: Option<String>,
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the request relies on a signature.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    text(headers, standard_webhooks::SIGNATURE_HEADER).is_some()
}

/// A good signature over `body`, or the key.
pub(super) fn authenticate(hook: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Admitted, Problem> {
    let id = text(headers, standard_webhooks::ID_HEADER);
    let Some(signatures) = text(headers, standard_webhooks::SIGNATURE_HEADER) else {
        authorize(hook, headers)?;
        return Ok(Admitted { sender: Sender::Key, event_id: id.and_then(usable_id) });
    };
    let timestamp = text(headers, standard_webhooks::TIMESTAMP_HEADER).unwrap_or_default();
    let signed = Signed { id: id.unwrap_or_default(), timestamp, signatures };
    let sender = signer(hook, signed, body)
        .inspect_err(|_| figures::auth_failure("hook_signature"))
        .map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, "bad-signature", format!("The signature is not accepted: {error}.")))?;
    Ok(Admitted { sender, event_id: id.map(str::to_owned) })
}

/// An event id as it may be kept; anything else is as if there were none.
pub(super) fn usable_id(id: &str) -> Option<String> {
    (!id.is_empty() && id.len() <= LONGEST_ID).then(|| id.to_owned())
}

/// The secret that made one of the signatures.
fn signer(hook: &Shared, signed: Signed<'_>, body: &[u8]) -> Result<Sender, VerifyError> {
    let (secrets, now) = (&hook.settings.secrets, hook.parts.clock.now().timestamp());
    standard_webhooks::verify(secrets, signed, body, now)?;
    let made = |secret| standard_webhooks::verify(std::slice::from_ref(secret), signed, body, now).is_ok();
    secrets.iter().position(made).map(Sender::Secret).ok_or(VerifyError::Mismatch)
}

/// The key.
pub(super) fn authorize(hook: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let good = token.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && hook.settings.key.matches(token.trim()));
    if good {
        return Ok(());
    }
    figures::auth_failure("hook_key");
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The hook key is missing or wrong. Send `Authorization: Bearer <hook key>` (the file hook.key in the data directory, or `hook.key` in the configuration), or a Standard Webhooks signature.",
    ))
}
