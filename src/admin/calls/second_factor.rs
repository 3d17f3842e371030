//! The second factor: one-time codes of a telephone (RFC 6238: six digits, thirty seconds, one step of tolerance), and
//! the recovery codes for the day on which the telephone is lost.
//!
//! The secret is not kept before a code proved that the telephone knows it: until then it travels, sealed, in the form.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use qrcode::{QrCode, render::svg};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};
use utoipa::ToSchema;

use super::{CallError, Calls, sign_in::hash};
use crate::{
    admin::who::Who,
    gate::accounts::SignInError,
    secret::random_bytes,
    store::{accounts::Account, audit::By, second_factors::NewSecondFactor},
};

/// How telephones name us.
const ISSUER: &str = "anmei-mcp";
/// Recovery codes of one set.
const RECOVERY_CODES: usize = 10;
/// How long setting up may take.
const PENDING_MS: i64 = 30 * 60 * 1000;
const PENDING: &str = "admin_totp/pending";
/// Characters of recovery codes: none that is taken for another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A second factor that is being set up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Enrolment {
    /// The secret, to be typed into a telephone (base32).
    pub secret: String,
    /// The same with names, for programs and the QR code (`otpauth://`).
    pub uri: String,
    /// What is sent back with the first code.
    pub pending: String,
    /// The QR code of `uri`, as an SVG image in a `data:` URL.
    pub qr: String,
}

/// The codes for the day on which the telephone is lost. Each works once; they are shown once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    pub recovery_codes: Vec<String>,
}

/// How the second factor of an account stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SecondFactorView {
    /// Since when it is asked for (RFC 3339); null when it is not.
    pub since: Option<String>,
    /// Recovery codes that are left.
    pub recovery_codes_left: i64,
}

#[derive(Serialize, Deserialize)]
struct Pending {
    secret: [u8; 20],
    until: i64,
    /// Whose it is: an account, or a setup link.
    owner: String,
}

impl Calls {
    /// How the second factor of an account stands.
    pub fn second_factor(&self, account_id: &str) -> Result<SecondFactorView, CallError> {
        let found = self.store.second_factor(account_id)?;
        Ok(found.map_or_else(SecondFactorView::default, |factor| SecondFactorView {
            since: Some(crate::clock::rfc3339(factor.enrolled_at)),
            recovery_codes_left: factor.recovery_codes,
        }))
    }

    /// Begins to set up a second factor for `owner`, whom telephones show as `name`.
    pub fn begin_second_factor(&self, owner: &str, name: &str) -> Result<Enrolment, CallError> {
        let pending = Pending { secret: random_bytes()?, until: self.clock.now_ms() + PENDING_MS, owner: owner.to_owned() };
        let sealed = self.master.seal(PENDING, &serde_json::to_vec(&pending).unwrap_or_default()).map_err(|error| sealing(&error))?;
        enrolment(&pending.secret, name, URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What is shown again while a second factor is being set up.
    pub fn continue_second_factor(&self, owner: &str, name: &str, pending: &str) -> Result<Enrolment, CallError> {
        enrolment(&self.pending(owner, pending)?.secret, name, pending.to_owned())
    }

    /// Sets up the second factor of whoever asks, once a code shows that their telephone knows it.
    pub async fn finish_second_factor(&self, who: &Who, pending: &str, code: &str) -> Result<RecoveryCodes, CallError> {
        who.confirmed(self.clock.as_ref())?;
        let account = self.own_account(who)?;
        let (factor, codes) = self.proved_second_factor(&account.id, pending, code)?;
        let factor = self.sealed_for(&account.id, factor)?;
        self.store.set_second_factor(&account, factor, who.by(self.clock.as_ref())).await?;
        Ok(codes)
    }

    /// Takes the second factor of an account away.
    pub async fn remove_second_factor(&self, account: &Account, by: By) -> Result<(), CallError> {
        if self.store.remove_second_factor(account, by).await? {
            return Ok(());
        }
        let login = &account.login;
        Err(CallError::conflict(format!("{login} 没有启用两步验证"), format!("{login} has no second factor")))
    }

    /// The secret of an enrolment that a code proved, not sealed yet, with new recovery codes.
    pub(super) fn proved_second_factor(&self, owner: &str, pending: &str, code: &str) -> Result<(Unsealed, RecoveryCodes), CallError> {
        let pending = self.pending(owner, pending)?;
        let now = u64::try_from(self.clock.now_ms() / 1000).unwrap_or_default();
        let step = totp(&pending.secret).and_then(|totp| totp.check(&digits(code)?, now));
        let Some(step) = step else {
            return Err(CallError::invalid(
                "/code",
                "验证码不正确：请输入验证器上当前显示的六位数字，并确认手机时间准确",
                "this code is not right: type the six digits the telephone shows now, and see that its clock is right",
            ));
        };
        let codes = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<Vec<_>, _>>()?;
        let unsealed = Unsealed {
            secret: pending.secret,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            recovery_codes: codes.iter().map(|code| hash(&plain(code))).collect(),
        };
        Ok((unsealed, RecoveryCodes { recovery_codes: codes }))
    }

    /// Seals a proved secret for the account that will have it.
    pub(super) fn sealed_for(&self, account_id: &str, factor: Unsealed) -> Result<NewSecondFactor, CallError> {
        let sealed = self.master.seal(&purpose(account_id), &factor.secret).map_err(|error| sealing(&error))?;
        Ok(NewSecondFactor { sealed, step: factor.step, recovery_codes: factor.recovery_codes })
    }

    /// Whether somebody shows the second factor of an account, if it has one. What was shown is used up.
    pub(super) async fn shows_second_factor(&self, account: &Account, code: &str, address: IpAddr) -> Result<bool, SignInError> {
        let Some(factor) = self.store.second_factor(&account.id)? else { return Ok(true) };
        let now = self.clock.now_ms();
        let Some(code) = digits(code) else {
            let recovery = hash(&plain(code));
            // Asked first, so that a wrong one writes nothing and takes no longer.
            if !self.store.has_recovery_code(&account.id, &recovery)? {
                return Ok(false);
            }
            let by = By { address: Some(address.to_string()), ..By::new(format!("account:{}", account.login), now) };
            return Ok(self.store.use_recovery_code(account, recovery, by).await?);
        };
        let secret = self
            .master
            .open(&purpose(&account.id), &factor.sealed)
            .ok()
            .and_then(|bytes| <[u8; 20]>::try_from(bytes).ok())
            .ok_or_else(|| SignInError::Unavailable("the second factor was sealed under another master key".into()))?;
        let step = totp(&secret).and_then(|totp| totp.check(&code, u64::try_from(now / 1000).unwrap_or_default()));
        match step.and_then(|step| i64::try_from(step).ok()) {
            Some(step) if step > factor.last_step => Ok(self.store.use_totp_step(&account.id, step).await?),
            _ => Ok(false),
        }
    }

    fn pending(&self, owner: &str, text: &str) -> Result<Pending, CallError> {
        let open = || {
            let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
            let pending: Pending = serde_json::from_slice(&self.master.open(PENDING, &sealed).ok()?).ok()?;
            Some(pending).filter(|pending| pending.owner == owner && self.clock.now_ms() < pending.until)
        };
        open().ok_or_else(|| {
            CallError::invalid("/pending", "设置两步验证超时，请重新开始", "setting up the second factor took too long; begin again")
        })
    }
}

/// A secret that was proved, before it is known whose it will be.
pub(super) struct Unsealed {
    secret: [u8; 20],
    step: i64,
    recovery_codes: Vec<[u8; 32]>,
}

fn enrolment(secret: &[u8; 20], name: &str, pending: String) -> Result<Enrolment, CallError> {
    let failed = |why: String| CallError::unavailable(format!("无法生成两步验证：{why}"), format!("no second factor could be made: {why}"));
    let named = Builder::new().with_secret(*secret).with_issuer(Some(ISSUER)).with_account_name(name);
    let uri = named.build().and_then(|totp| totp.to_url()).map_err(|error| failed(error.to_string()))?;
    let qr = QrCode::new(uri.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let image = qr.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    let qr = format!("data:image/svg+xml;base64,{}", base64::engine::general_purpose::STANDARD.encode(image));
    Ok(Enrolment { secret: Secret::from(*secret).to_base32(), uri, pending, qr })
}

fn totp(secret: &[u8; 20]) -> Option<Totp> {
    Builder::new().with_secret(*secret).build().ok()
}

/// Six digits, however they are grouped; none when it is something else.
fn digits(code: &str) -> Option<String> {
    let bare: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (bare.len() == 6 && bare.bytes().all(|byte| byte.is_ascii_digit())).then_some(bare)
}

/// Three groups of four: 60 bits.
fn recovery_code() -> Result<String, CallError> {
    let letters: Vec<char> =
        random_bytes::<12>()?.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied().map(char::from)).collect();
    Ok(letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

/// A recovery code as it is compared, however it was typed.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Binds a sealed secret to its account.
fn purpose(account_id: &str) -> String {
    format!("admin_totp/{account_id}/sealed")
}

fn sealing(error: &crate::secret::SealError) -> CallError {
    CallError::unavailable(format!("无法加密保存：{error}"), format!("it could not be sealed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_typed() {
        assert_eq!((digits("123 456").as_deref(), digits("123-456").as_deref()), (Some("123456"), Some("123456")));
        assert!(digits("12345").is_none() && digits("１２３４５６").is_none() && digits("").is_none());
        let code = recovery_code().unwrap();
        assert_eq!((code.len(), plain(&code).len()), (14, 12));
        assert_eq!(plain(&code.to_uppercase().replace('-', " ")), plain(&code));
        assert!(digits(&code).is_none());
    }

    #[test]
    fn a_telephone_is_told_everything_by_the_uri() {
        let enrolment = enrolment(&[7; 20], "mei@clinic", "p".into()).unwrap();
        assert!(enrolment.uri.starts_with("otpauth://totp/anmei-mcp:mei%40clinic?secret="), "{}", enrolment.uri);
        assert!(enrolment.uri.contains(&enrolment.secret) && enrolment.uri.contains("issuer=anmei-mcp"));
        assert!(enrolment.qr.starts_with("data:image/svg+xml;base64,"));
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let totp = totp(b"12345678901234567890").unwrap();
        // Appendix B, the last six digits of SHA-1's.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(totp.check(code, time), Some(time / 30));
            assert_eq!(totp.check(code, time + 30), Some(time / 30), "one step late");
            assert_eq!(totp.check(code, time + 60), None);
        }
    }
}
