//! Setting up the second factor of an account, and taking it away. What it is, and who shows it, the gate knows
//! ([`crate::gate::accounts::second_factor`]).
//!
//! The secret is not kept before a code proved that the telephone knows it: until then it travels, sealed, in the form.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use qrcode::{QrCode, render::svg};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CallError, Calls};
use crate::{
    admin::who::Who,
    gate::accounts::second_factor::{self, SharedSecret},
    secret::random_bytes,
    store::{accounts::Account, audit::By, second_factors::NewSecondFactor},
};

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
    secret: SharedSecret,
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
        let Some(step) = second_factor::step(&pending.secret, code, self.clock.now_ms()) else {
            return Err(CallError::invalid(
                "/code",
                "验证码不正确：请输入验证器上当前显示的六位数字，并确认手机时间准确",
                "this code is not right: type the six digits the telephone shows now, and see that its clock is right",
            ));
        };
        let codes = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<Vec<_>, _>>()?;
        let unsealed = Unsealed {
            secret: pending.secret,
            step,
            recovery_codes: codes.iter().map(|code| second_factor::recovery_hash(code)).collect(),
        };
        Ok((unsealed, RecoveryCodes { recovery_codes: codes }))
    }

    /// Seals a proved secret for the account that will have it.
    pub(super) fn sealed_for(&self, account_id: &str, factor: Unsealed) -> Result<NewSecondFactor, CallError> {
        let sealed = self.master.seal(&second_factor::purpose(account_id), &factor.secret).map_err(|error| sealing(&error))?;
        Ok(NewSecondFactor { sealed, step: factor.step, recovery_codes: factor.recovery_codes })
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
    secret: SharedSecret,
    step: i64,
    recovery_codes: Vec<[u8; 32]>,
}

fn enrolment(secret: &SharedSecret, name: &str, pending: String) -> Result<Enrolment, CallError> {
    let failed = |why: String| CallError::unavailable(format!("无法生成两步验证：{why}"), format!("no second factor could be made: {why}"));
    let uri = second_factor::uri(secret, name).map_err(failed)?;
    let qr = QrCode::new(uri.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let image = qr.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    let qr = format!("data:image/svg+xml;base64,{}", base64::engine::general_purpose::STANDARD.encode(image));
    Ok(Enrolment { secret: second_factor::base32(secret), uri, pending, qr })
}

/// Three groups of four: 60 bits.
fn recovery_code() -> Result<String, CallError> {
    let letters: Vec<char> =
        random_bytes::<12>()?.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied().map(char::from)).collect();
    Ok(letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

fn sealing(error: &crate::secret::SealError) -> CallError {
    CallError::unavailable(format!("无法加密保存：{error}"), format!("it could not be sealed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_three_groups_of_four() {
        let code = recovery_code().unwrap();
        let groups: Vec<_> = code.split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 4], "{code}");
        assert_ne!(code, recovery_code().unwrap());
    }

    #[test]
    fn an_enrolment_is_shown_as_text_and_as_an_image() {
        let enrolment = enrolment(&[7; 20], "mei@clinic", "p".into()).unwrap();
        assert!(enrolment.uri.contains(&enrolment.secret) && enrolment.uri.contains("mei%40clinic"), "{}", enrolment.uri);
        assert!(enrolment.qr.starts_with("data:image/svg+xml;base64,"));
    }
}
