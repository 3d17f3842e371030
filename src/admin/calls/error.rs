//! Why a call did nothing, in both languages: each skin shows it in its own way.

use serde_json::Value;

use super::settings;
use crate::{
    config::{Bilingual, Language},
    settings::SettingsError,
    store::StoreError,
};

/// One wrong part of what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// JSON pointer to it (RFC 6901), such as `/timeout_seconds`; a form's field has the same name.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub text: Bilingual,
}

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// What is named does not exist.
    #[error("{}", .0.en)]
    NotFound(Bilingual),
    /// What was given is not right, field by field.
    #[error("{}", .0.iter().map(|field| format!("{}: {}", field.pointer, field.text.en)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Field>),
    /// It cannot be done as things are.
    #[error("{}", .0.en)]
    Conflict(Bilingual),
    /// Somebody else changed it in between.
    #[error("it was changed by somebody else in between")]
    Stale {
        /// What it is.
        current: Box<Value>,
        /// The version of what it is.
        version: i64,
    },
    /// Whoever asks may not.
    #[error("{}", .0.en)]
    Forbidden(Bilingual),
    /// Whoever asks may, once they have shown their password again.
    #[error("show the password again first")]
    Unconfirmed,
    /// Only a running daemon can do it, or it cannot at this moment.
    #[error("{}", .0.en)]
    Unavailable(Bilingual),
    /// The database.
    #[error(transparent)]
    Store(StoreError),
}

/// A text in both languages.
pub(in crate::admin) fn said(zh: impl Into<String>, en: impl Into<String>) -> Bilingual {
    Bilingual { zh: zh.into(), en: en.into() }
}

impl CallError {
    /// What is named does not exist.
    pub fn not_found(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::NotFound(said(zh, en))
    }

    /// One field is wrong.
    pub fn invalid(pointer: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Invalid(vec![Field { pointer: pointer.into(), text: said(zh, en) }])
    }

    /// Whoever asks may not.
    pub fn forbidden(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Forbidden(said(zh, en))
    }

    /// Only a running daemon can do it, or it cannot at this moment.
    pub fn unavailable(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Unavailable(said(zh, en))
    }

    /// It cannot be done as things are.
    pub fn conflict(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Conflict(said(zh, en))
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(text) => Self::not_found(format!("不存在：{text}"), text),
            StoreError::Conflict(text) => Self::conflict(format!("无法执行：{text}"), text),
            other => Self::Store(other),
        }
    }
}

impl From<SettingsError> for CallError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Refused(refusals) => Self::Invalid(
                refusals
                    .iter()
                    .map(|refusal| {
                        let text = said(refusal.text(Language::ZhCn), refusal.text(Language::En));
                        Field { pointer: format!("/{}{}", refusal.name.replace('~', "~0").replace('/', "~1"), refusal.place), text }
                    })
                    .collect(),
            ),
            SettingsError::Stale(settings) => settings::stale(settings),
            SettingsError::Store(error) => error.into(),
            SettingsError::Seal(error) => {
                Self::Unavailable(said(format!("无法加密保存设置：{error}"), format!("the settings could not be sealed: {error}")))
            }
        }
    }
}
