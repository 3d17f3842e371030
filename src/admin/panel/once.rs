//! What is shown once: a new token, recovery codes.

use askama::Template;

use super::frame::Frame;

#[derive(Template)]
#[template(path = "once.html")]
pub(super) struct OncePage {
    frame: Frame,
    title: String,
    about: String,
    lines: Vec<String>,
    next: &'static str,
}

impl OncePage {
    /// Recovery codes; `next` is where to go on.
    pub(super) fn codes(frame: Frame, codes: Vec<String>, next: &'static str) -> Self {
        let (title, about) = (frame.t.say("once-codes"), frame.t.say("once-codes-about"));
        Self { frame, title, about, lines: codes, next }
    }

    /// A new API token.
    pub(super) fn token(frame: Frame, name: &str, token: String) -> Self {
        let (title, about) = (frame.t.with("once-token", name), frame.t.say("once-token-about"));
        Self { frame, title, about, lines: vec![token], next: "/panel/me" }
    }

    fn text(&self) -> String {
        self.lines.join("\n")
    }
}
