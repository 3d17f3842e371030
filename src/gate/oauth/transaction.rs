//! One authorization request on its way through the consent page.
//!
//! It travels in the page's form, sealed under the master key, so that nothing in it can be changed, that looking at the
//! page stores nothing (no crowd fills the database), and that a restart in between costs nobody a click. It is bound
//! to the browser that was shown the page by the hash of a cookie, ends after ten minutes, and is answered once: its id is
//! kept with the code, or among the refused ones.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{base::Resource, lifetimes, mint};
use crate::secret::{MasterKey, SealError};

/// How long a person has to answer, in milliseconds.
pub const LIFETIME: i64 = 10 * 60_000;
const PURPOSE: &str = "oauth/transaction";
/// Longest sealed text that is opened.
const LONGEST: usize = 24 * 1024;

/// The request, and who was shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// UUID v7.
    pub id: String,
    /// The client.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the request left that to the registration. A page that was made before this was known says nothing of it.
    #[serde(default)]
    pub redirect_left_out: bool,
    /// The client's `state`.
    pub state: Option<String>,
    /// PKCE challenge.
    pub challenge: String,
    /// The resource, as a URL.
    pub audience: String,
    /// Server code in it.
    pub resource_code: Option<String>,
    /// The group asked for.
    pub group: Option<String>,
    /// Whether tools that store something were asked for.
    pub write: bool,
    /// The issuer that answers.
    pub issuer: String,
    /// SHA-256 of the browser's cookie.
    pub browser: String,
    /// When the page was made.
    pub created_at: i64,
}

/// Why a form is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTransaction {
    /// It was not made here, or was changed.
    Forged,
    /// It is too old.
    Expired,
    /// Another browser was shown the page.
    OtherBrowser,
}

impl Transaction {
    /// The resource.
    pub fn resource(&self) -> Resource {
        Resource { uri: self.audience.clone(), code: self.resource_code.clone() }
    }

    /// When its page ends.
    pub fn ends_at(&self) -> i64 {
        self.created_at.saturating_add(LIFETIME)
    }

    /// Seals it for the form.
    pub fn seal(&self, master: &MasterKey) -> Result<String, SealError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Ok(URL_SAFE_NO_PAD.encode(master.seal(PURPOSE, &text)?))
    }

    /// Opens what a browser with this cookie sent back.
    pub fn open(sealed: &str, master: &MasterKey, cookie: Option<&str>, now: i64) -> Result<Self, BadTransaction> {
        let forged = BadTransaction::Forged;
        if sealed.len() > LONGEST {
            return Err(forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| forged)?;
        let text = master.open(PURPOSE, &bytes).map_err(|_| forged)?;
        let transaction: Self = serde_json::from_slice(&text).map_err(|_| forged)?;
        if !lifetimes::in_force(transaction.created_at, transaction.ends_at(), now) {
            return Err(BadTransaction::Expired);
        }
        let browser = browser_of(cookie.unwrap_or_default());
        if cookie.is_none() || !bool::from(browser.as_bytes().ct_eq(transaction.browser.as_bytes())) {
            return Err(BadTransaction::OtherBrowser);
        }
        Ok(transaction)
    }
}

/// What a transaction keeps of a cookie.
pub fn browser_of(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(mint::hash(cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction() -> Transaction {
        Transaction {
            id: "1".into(),
            client_id: "c".into(),
            redirect_uri: "https://a.b/cb".into(),
            redirect_left_out: false,
            state: Some("s".into()),
            challenge: "x".into(),
            audience: "http://h/mcp".into(),
            resource_code: None,
            group: None,
            write: true,
            issuer: "http://h".into(),
            browser: browser_of("cookie"),
            created_at: 1_000_000_000,
        }
    }

    #[test]
    fn it_opens_for_the_same_browser_in_time_and_unchanged() {
        let master = MasterKey::generate().unwrap();
        let made = transaction();
        let sealed = made.seal(&master).unwrap();
        let open = |sealed: &str, cookie: Option<&str>, later: i64| Transaction::open(sealed, &master, cookie, made.created_at + later);
        assert_eq!(open(&sealed, Some("cookie"), LIFETIME - 1), Ok(made.clone()));
        assert_eq!(open(&sealed, Some("cookie"), LIFETIME), Err(BadTransaction::Expired));
        assert_eq!(open(&sealed, Some("cookie"), -lifetimes::STEP - 1), Err(BadTransaction::Expired));
        assert_eq!(open(&sealed, Some("other"), 0), Err(BadTransaction::OtherBrowser));
        assert_eq!(open(&sealed, None, 0), Err(BadTransaction::OtherBrowser));
        assert_eq!(open(&sealed.replace(&sealed[40..42], "__"), Some("cookie"), 0), Err(BadTransaction::Forged));
        assert_eq!(open("", Some("cookie"), 0), Err(BadTransaction::Forged));
        let other = MasterKey::generate().unwrap();
        assert_eq!(Transaction::open(&sealed, &other, Some("cookie"), made.created_at), Err(BadTransaction::Forged));
    }
}
