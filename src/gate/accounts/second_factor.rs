//! The second factor of an account: one-time codes of a telephone (RFC 6238: six digits, thirty seconds, one step of
//! tolerance), and the recovery codes for the day on which the telephone is lost.
//!
//! Asked inside the one check of a sign-in ([`super::Accounts::sign_in_if`]), wherever a password counts: a code that is
//! missing, wrong or used up is a wrong password in every respect. Who has a second factor is decided on the admin side.

use std::{net::IpAddr, sync::Arc};

use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};

use super::SignInError;
use crate::{
    clock::SharedClock,
    secret::MasterKey,
    store::{Store, accounts::Account, audit::By, second_factors::SecondFactor},
};

/// How telephones name us.
const ISSUER: &str = "anmei-mcp";

/// What a telephone and we know.
pub type SharedSecret = [u8; 20];

/// The second factors that accounts have.
#[derive(Debug, Clone)]
pub struct SecondFactors {
    store: Store,
    clock: SharedClock,
    master: Arc<MasterKey>,
}

impl SecondFactors {
    /// Those of `store`, sealed under `master`.
    pub fn new(store: Store, clock: SharedClock, master: Arc<MasterKey>) -> Self {
        Self { store, clock, master }
    }

    /// Whether somebody shows the second factor of an account, if it has one. What was shown is used up.
    pub async fn shown(&self, account: &Account, code: &str, from: IpAddr) -> Result<bool, SignInError> {
        let Some(factor) = self.store.second_factor(&account.id)? else { return Ok(true) };
        if digits(code).is_none() {
            return self.shown_recovery(account, code, from).await;
        }
        match step(&self.secret(account, &factor)?, code, self.clock.now_ms()) {
            Some(step) if step > factor.last_step => Ok(self.store.use_totp_step(&account.id, step).await?),
            _ => Ok(false),
        }
    }

    async fn shown_recovery(&self, account: &Account, code: &str, from: IpAddr) -> Result<bool, SignInError> {
        let recovery = recovery_hash(code);
        // Asked first, so that a wrong one writes nothing and takes no longer.
        if !self.store.has_recovery_code(&account.id, &recovery)? {
            return Ok(false);
        }
        let by = By { address: Some(from.to_string()), ..By::new(format!("account:{}", account.login), self.clock.now_ms()) };
        Ok(self.store.use_recovery_code(account, recovery, by).await?)
    }

    fn secret(&self, account: &Account, factor: &SecondFactor) -> Result<SharedSecret, SignInError> {
        let opened = self.master.open(&purpose(&account.id), &factor.sealed).ok();
        opened
            .and_then(|bytes| SharedSecret::try_from(bytes).ok())
            .ok_or_else(|| SignInError::Unavailable("the second factor was sealed under another master key".into()))
    }
}

/// The step of a code that a telephone with this secret shows at `now`; none when it shows another one.
pub fn step(secret: &SharedSecret, code: &str, now: i64) -> Option<i64> {
    let seconds = u64::try_from(now / 1000).unwrap_or_default();
    let step = totp(secret)?.check(&digits(code)?, seconds)?;
    i64::try_from(step).ok()
}

/// What a recovery code is looked up by, however it was typed.
pub fn recovery_hash(code: &str) -> [u8; 32] {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    Sha256::digest(plain.as_bytes()).into()
}

/// Binds a sealed secret to its account.
pub fn purpose(account_id: &str) -> String {
    format!("admin_totp/{account_id}/sealed")
}

/// A secret with names, as programs and QR codes have it (`otpauth://`); telephones show it as `name`.
pub fn uri(secret: &SharedSecret, name: &str) -> Result<String, String> {
    let named = Builder::new().with_secret(*secret).with_issuer(Some(ISSUER)).with_account_name(name);
    named.build().and_then(|totp| totp.to_url()).map_err(|error| error.to_string())
}

/// A secret as it is typed into a telephone.
pub fn base32(secret: &SharedSecret) -> String {
    Secret::from(*secret).to_base32()
}

fn totp(secret: &SharedSecret) -> Option<Totp> {
    Builder::new().with_secret(*secret).build().ok()
}

/// Six digits, however they are grouped; none when it is something else.
fn digits(code: &str) -> Option<String> {
    let bare: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (bare.len() == 6 && bare.bytes().all(|byte| byte.is_ascii_digit())).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_typed() {
        assert_eq!((digits("123 456").as_deref(), digits("123-456").as_deref()), (Some("123456"), Some("123456")));
        assert!(digits("12345").is_none() && digits("１２３４５６").is_none() && digits("").is_none());
        assert_eq!(recovery_hash("ABCD efgh 2345"), recovery_hash("abcd-efgh-2345"));
        assert_ne!(recovery_hash("abcd-efgh-2345"), recovery_hash("abcd-efgh-2346"));
    }

    #[test]
    fn a_telephone_is_told_everything_by_the_uri() {
        let uri = uri(&[7; 20], "mei@clinic").unwrap();
        assert!(uri.starts_with("otpauth://totp/anmei-mcp:mei%40clinic?secret="), "{uri}");
        assert!(uri.contains(&base32(&[7; 20])) && uri.contains("issuer=anmei-mcp"), "{uri}");
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B, the last six digits of SHA-1's.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let at = |seconds: i64| step(b"12345678901234567890", code, seconds * 1000);
            assert_eq!(at(time), Some(time / 30));
            assert_eq!(at(time + 30), Some(time / 30), "one step late");
            assert_eq!(at(time + 60), None);
        }
    }
}
