//! Standard Webhooks 1.0: signing the events we send, and verifying the ones others send us.
//!
//! Our own, because the published crate takes an empty secret (anybody can sign then), panics on one timestamp, and
//! reads `+00<time>` as a time; it stays as an oracle in the tests. What is signed is `id.timestamp.body` over the raw
//! bytes as received, so the text of a timestamp is kept as it came and has exactly one spelling.
//!
//! It refuses: no secret at all, a secret that is not `whsec_` + base64 of 24 to 64 bytes, an id with a dot or of no
//! printable ASCII, a timestamp that is not plain digits, one more than five minutes away from our clock, and more
//! signatures than any rotation needs.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::secret::{NoRandomness, SecretText, random_bytes};

/// Header: the event's id, the same on every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// Header: when this attempt was signed, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header: one or more signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a timestamp may be from our clock, in seconds.
const TOLERANCE: i64 = 300;
/// A rotation sends two; what sends more than this wants us to compute.
const MOST_SIGNATURES: usize = 10;
const LONGEST_ID: usize = 256;
const PREFIX: &str = "whsec_";

/// Why a text is no secret for webhooks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The prefix is missing.
    #[error("a webhook secret starts with whsec_; this one does not")]
    Prefix,
    /// Not base64.
    #[error("the part of the webhook secret after whsec_ is not base64")]
    NotBase64,
    /// Too short to be safe, or too long to be right.
    #[error(
        "the webhook secret holds {found} bytes; 24 to 64 random bytes are needed, such as whsec_ followed by the output of `openssl rand -base64 32`"
    )]
    Length {
        /// How many bytes it holds.
        found: usize,
    },
}

/// Why an event could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Nothing to sign with.
    #[error("cannot sign the event: no webhook secret is configured")]
    NoSecret,
    /// The id is not fit for a header or would blur what is signed.
    #[error("cannot sign the event: its id must be 1 to 256 printable ASCII characters without a dot")]
    Id,
    /// Before 1970.
    #[error("cannot sign the event: the clock shows a time before 1970")]
    Timestamp,
}

/// Why an event is not taken for genuine. The texts are for the sender: they tell nothing about our secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Nothing to verify with: no event is genuine.
    #[error("no webhook secret is configured here, so that signed events are not taken")]
    NoSecret,
    /// The id is malformed.
    #[error("webhook-id must be 1 to 256 printable ASCII characters without a dot")]
    Id,
    /// The timestamp is malformed.
    #[error("webhook-timestamp must be seconds since 1970 in plain digits")]
    Timestamp,
    /// The timestamp is older than the tolerance.
    #[error("webhook-timestamp is more than 300 s in the past: sign each attempt anew, and check the sender's clock")]
    TooOld,
    /// The timestamp is further ahead than the tolerance.
    #[error("webhook-timestamp is more than 300 s in the future: check the sender's clock")]
    TooNew,
    /// More signatures than any rotation needs.
    #[error("webhook-signature holds more than 10 signatures")]
    TooManySignatures,
    /// No signature fits.
    #[error("no v1 signature in webhook-signature fits: sign \"id.timestamp.body\" over the raw body with the shared secret")]
    Mismatch,
}

/// A shared secret of 24 to 64 bytes.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// Reads `whsec_` + base64.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::NotBase64)?;
        match bytes.len() {
            24..=64 => Ok(Self(bytes)),
            found => Err(SecretError::Length { found }),
        }
    }

    /// A fresh secret of 32 bytes.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(random_bytes::<32>()?.to_vec()))
    }

    /// The text that [`parse`](Self::parse) reads.
    pub fn to_text(&self) -> SecretText {
        SecretText::new(format!("{PREFIX}{}", STANDARD.encode(&self.0)))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(***)")
    }
}

/// The value of [`SIGNATURE_HEADER`]: one signature for each secret, so that a receiver may know either one of a rotation.
pub fn sign(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> Result<String, SignError> {
    if !is_good_id(id) {
        return Err(SignError::Id);
    }
    if timestamp < 0 {
        return Err(SignError::Timestamp);
    }
    let timestamp = timestamp.to_string();
    let macs: Option<Vec<_>> = secrets.iter().map(|secret| secret.mac(id, &timestamp, body)).collect();
    match macs {
        Some(macs) if !macs.is_empty() => {
            let signatures: Vec<_> = macs.iter().map(|mac| format!("v1,{}", STANDARD.encode(mac))).collect();
            Ok(signatures.join(" "))
        }
        _ => Err(SignError::NoSecret),
    }
}

/// Whether an event with these headers and this raw body was signed with one of `secrets` within five minutes of `now`.
///
/// `now` is in seconds since 1970. The id is the receiver's idempotency key: keep it for longer than the tolerance.
pub fn verify(secrets: &[WebhookSecret], headers: Signed<'_>, body: &[u8], now: i64) -> Result<(), VerifyError> {
    if secrets.is_empty() {
        return Err(VerifyError::NoSecret);
    }
    if !is_good_id(headers.id) {
        return Err(VerifyError::Id);
    }
    let signed_at = parse_timestamp(headers.timestamp).ok_or(VerifyError::Timestamp)?;
    match now.saturating_sub(signed_at) {
        age if age > TOLERANCE => return Err(VerifyError::TooOld),
        age if age < -TOLERANCE => return Err(VerifyError::TooNew),
        _ => {}
    }
    let offered: Vec<&str> = headers.signatures.split(' ').filter(|text| !text.is_empty()).collect();
    if offered.len() > MOST_SIGNATURES {
        return Err(VerifyError::TooManySignatures);
    }
    let offered: Vec<Vec<u8>> =
        offered.iter().filter_map(|text| text.strip_prefix("v1,")).filter_map(|encoded| STANDARD.decode(encoded).ok()).collect();
    // Every pair is compared, so that the time taken does not tell which secret or signature fits.
    let mut fits = Choice::from(0);
    for secret in secrets {
        let Some(expected) = secret.mac(headers.id, headers.timestamp, body) else { continue };
        for signature in &offered {
            fits |= expected.as_slice().ct_eq(signature);
        }
    }
    if bool::from(fits) { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// What a signed request says about itself, each header's text as it came.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// [`ID_HEADER`].
    pub id: &'a str,
    /// [`TIMESTAMP_HEADER`].
    pub timestamp: &'a str,
    /// [`SIGNATURE_HEADER`].
    pub signatures: &'a str,
}

fn is_good_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'.')
}

/// Plain digits without a leading zero: one spelling for one time, and none that overflows.
fn parse_timestamp(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: [(&str, &str, i64, &str, &str); 2] = [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];

    fn secret(byte: u8) -> WebhookSecret {
        WebhookSecret(vec![byte; 24])
    }

    fn check(secrets: &[WebhookSecret], id: &str, timestamp: &str, signatures: &str, now: i64) -> Result<(), VerifyError> {
        verify(secrets, Signed { id, timestamp, signatures }, b"body", now)
    }

    #[test]
    fn the_published_vectors_hold() {
        for (text, id, at, body, signature) in VECTORS {
            let secrets = [WebhookSecret::parse(text).unwrap()];
            assert_eq!(sign(&secrets, id, at, body.as_bytes()).unwrap(), signature);
            let timestamp = at.to_string();
            let headers = Signed { id, timestamp: &timestamp, signatures: signature };
            assert_eq!(verify(&secrets, headers, body.as_bytes(), at), Ok(()));
            let altered = body.replace('t', "T");
            assert_eq!(verify(&secrets, headers, altered.as_bytes(), at), Err(VerifyError::Mismatch));
            assert_eq!(secrets[0].to_text().expose(), text);
        }
    }

    #[test]
    fn the_reference_crate_agrees() {
        let ours = WebhookSecret::generate().unwrap();
        let theirs = standardwebhooks::Webhook::new(ours.to_text().expose()).unwrap();
        for (id, at, body) in [("msg_1", 0, ""), ("msg_2", 1_700_000_000, "{\"名\":\"值\"}"), ("a-b_c", 1, "x.y.z")] {
            let signature = sign(std::slice::from_ref(&ours), id, at, body.as_bytes()).unwrap();
            assert_eq!(signature, theirs.sign(id, at, body.as_bytes()).unwrap());
        }
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::UNIX_EPOCH + std::time::UNIX_EPOCH.elapsed().unwrap()).timestamp();
        let mut headers = http::HeaderMap::new();
        headers.insert(ID_HEADER, "msg_3".parse().unwrap());
        headers.insert(TIMESTAMP_HEADER, now.to_string().parse().unwrap());
        headers.insert(SIGNATURE_HEADER, sign(&[secret(1), ours], "msg_3", now, b"{}").unwrap().parse().unwrap());
        theirs.verify(b"{}", &headers).unwrap();
    }

    #[test]
    fn rotation_either_secret_and_either_signature_will_do() {
        let (old, new, stranger) = (secret(1), secret(2), secret(3));
        let both = sign(&[old.clone(), new.clone()], "msg_1", 1000, b"body").unwrap();
        assert_eq!(both.split(' ').count(), 2);
        for known in [vec![old.clone()], vec![new.clone()], vec![stranger.clone(), new.clone()], vec![old.clone(), new]] {
            assert_eq!(check(&known, "msg_1", "1000", &both, 1000), Ok(()));
        }
        assert_eq!(check(&[stranger], "msg_1", "1000", &both, 1000), Err(VerifyError::Mismatch));
        let among_others = format!("v1a,AAAA v2,xyz  {both} v1,short");
        assert_eq!(check(&[old], "msg_1", "1000", &among_others, 1000), Ok(()));
    }

    #[test]
    fn without_secrets_nothing_is_genuine_and_nothing_is_signed() {
        assert_eq!(sign(&[], "msg_1", 1, b""), Err(SignError::NoSecret));
        assert_eq!(check(&[], "msg_1", "1", "", 1), Err(VerifyError::NoSecret));
        assert_eq!(WebhookSecret::parse("whsec_").unwrap_err(), SecretError::Length { found: 0 });
        assert_eq!(WebhookSecret::parse("").unwrap_err(), SecretError::Prefix);
        assert_eq!(WebhookSecret::parse("whsec_!!!!").unwrap_err(), SecretError::NotBase64);
        let of = |length: usize| WebhookSecret::parse(&format!("whsec_{}", STANDARD.encode(vec![9; length])));
        assert_eq!(of(23).unwrap_err(), SecretError::Length { found: 23 });
        assert_eq!(of(65).unwrap_err(), SecretError::Length { found: 65 });
        assert!(of(24).is_ok() && of(64).is_ok());
        assert_eq!(format!("{:?}", secret(1)), "WebhookSecret(***)");
    }

    #[test]
    fn timestamps_have_one_spelling_and_five_minutes() {
        let secrets = [secret(1)];
        let signature = sign(&secrets, "msg_1", 1000, b"body").unwrap();
        for now in [700, 1000, 1300] {
            assert_eq!(check(&secrets, "msg_1", "1000", &signature, now), Ok(()));
        }
        assert_eq!(check(&secrets, "msg_1", "1000", &signature, 1301), Err(VerifyError::TooOld));
        assert_eq!(check(&secrets, "msg_1", "1000", &signature, 699), Err(VerifyError::TooNew));
        let malformed = [
            "",
            "+1000",
            "-1000",
            "01000",
            "1000.0",
            "1e3",
            " 1000",
            "1000 ",
            "٣",
            "9223372036854775808",
            "-9223372036854775808",
            "1000000000000",
        ];
        for text in malformed {
            assert_eq!(check(&secrets, "msg_1", text, &signature, 1000), Err(VerifyError::Timestamp), "{text:?}");
        }
        assert_eq!(check(&secrets, "msg_1", "999999999999", &signature, i64::MIN), Err(VerifyError::TooNew));
        assert_eq!(sign(&secrets, "msg_1", -1, b""), Err(SignError::Timestamp));
    }

    #[test]
    fn ids_do_not_blur_what_is_signed() {
        let secrets = [secret(1)];
        for id in ["", "a.b", "a b", "a\n", "é", &"x".repeat(257)] {
            assert_eq!(sign(&secrets, id, 1, b""), Err(SignError::Id), "{id:?}");
            assert_eq!(check(&secrets, id, "1", "v1,x", 1), Err(VerifyError::Id), "{id:?}");
        }
    }

    #[test]
    fn signatures_that_are_none_do_not_fit() {
        let secrets = [secret(1)];
        let good = sign(&secrets, "msg_1", 1000, b"body").unwrap();
        let bare = good.strip_prefix("v1,").unwrap();
        for text in ["", "v1,", "v1", bare, &good.replace("v1,", "v1a,"), &good[..good.len() - 1], &good.replace("v1", "V1")] {
            assert_eq!(check(&secrets, "msg_1", "1000", text, 1000), Err(VerifyError::Mismatch), "{text:?}");
        }
        let many = [good.as_str(); 11].join(" ");
        assert_eq!(check(&secrets, "msg_1", "1000", &many, 1000), Err(VerifyError::TooManySignatures));
        assert_eq!(check(&secrets, "msg_2", "1000", &good, 1000), Err(VerifyError::Mismatch));
        assert_eq!(check(&secrets, "msg_1", "1001", &good, 1000), Err(VerifyError::Mismatch));
    }
}
