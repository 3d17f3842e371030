//! Which bearer is asked about where: a JWT at the issuer's keys, everything else among our own tokens.

use std::sync::Arc;

use async_trait::async_trait;

use super::external::{External, PRINCIPAL};
use crate::gate::{Grant, Policy, Presented, TokenCheck, TokenRefusal};

/// Our own tokens, if there are any, and those of an issuer.
#[derive(Debug)]
pub struct Doors {
    own: Option<Arc<dyn TokenCheck>>,
    external: External,
}

impl Doors {
    /// Stands before both.
    pub fn new(own: Option<Arc<dyn TokenCheck>>, external: External) -> Self {
        Self { own, external }
    }
}

#[async_trait]
impl TokenCheck for Doors {
    async fn check(&self, bearer: &str, presented: &Presented<'_>, policy: &Policy, now: i64) -> Result<Grant, TokenRefusal> {
        if is_jwt(bearer) {
            return self.external.grant(bearer, presented.code, policy, now).await;
        }
        match &self.own {
            Some(own) => own.check(bearer, presented, policy, now).await,
            None => Err(TokenRefusal::Unknown),
        }
    }

    fn still_holds(&self, grant: &Grant, now: i64) -> bool {
        if grant.principal.starts_with(PRINCIPAL) {
            return now < grant.expires_at;
        }
        self.own.as_ref().is_some_and(|own| own.still_holds(grant, now))
    }
}

/// Three parts, of which the first is an object in base64: `{"` is `ey`. None of our own tokens looks like that.
fn is_jwt(bearer: &str) -> bool {
    bearer.starts_with("ey") && bearer.bytes().filter(|byte| *byte == b'.').count() == 2
}
