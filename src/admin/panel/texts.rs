//! The texts of the pages: Fluent files beside the templates, Chinese first, English complete.
//!
//! Keys are looked up when a page is made; a test holds that every key is there in both languages, with the same
//! variables, and that no page asks for one that is missing.

use std::{borrow::Cow, collections::HashMap};

use fluent_templates::{LanguageIdentifier, Loader, fluent_bundle::FluentValue, langid, static_loader};

use crate::{admin::language, config::Language};

static_loader! {
    static LOCALES = {
        locales: "src/admin/panel/locales",
        fallback_language: "zh-CN",
        // Marks around what is filled in would end up in attributes and links.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

const ZH_CN: LanguageIdentifier = langid!("zh-CN");
const EN: LanguageIdentifier = langid!("en");

/// The texts of one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) struct Texts(pub(in crate::admin) Language);

/// What is filled into a text.
pub(in crate::admin) type Filling<'a> = (&'static str, FluentValue<'a>);

impl Texts {
    fn id(self) -> LanguageIdentifier {
        match self.0 {
            Language::ZhCn => ZH_CN,
            Language::En => EN,
        }
    }

    /// The text of this key.
    pub(in crate::admin) fn say(self, key: &str) -> String {
        self.find(key).unwrap_or_else(|| key.to_owned())
    }

    /// The text of this key, if there is one.
    pub(in crate::admin) fn find(self, key: &str) -> Option<String> {
        LOCALES.try_lookup(&self.id(), key)
    }

    /// The text of this key with one value filled in, called `x` in the text.
    pub(in crate::admin) fn with<'a>(self, key: &str, value: impl Into<FluentValue<'a>>) -> String {
        self.fill(key, vec![("x", value.into())])
    }

    /// The text of this key with two values filled in, called `x` and `y` in the text.
    pub(in crate::admin) fn with2<'a>(self, key: &str, x: impl Into<FluentValue<'a>>, y: impl Into<FluentValue<'a>>) -> String {
        self.fill(key, vec![("x", x.into()), ("y", y.into())])
    }

    /// The text of this key with values filled in.
    pub(in crate::admin) fn fill(self, key: &str, values: Vec<Filling<'_>>) -> String {
        let values: HashMap<Cow<'static, str>, FluentValue<'_>> = values.into_iter().map(|(name, value)| (name.into(), value)).collect();
        LOCALES.try_lookup_with_args(&self.id(), key, &values).unwrap_or_else(|| key.to_owned())
    }

    /// The tag of the language.
    pub(in crate::admin) fn tag(self) -> &'static str {
        language::tag(self.0)
    }
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
