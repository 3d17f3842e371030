//! People who sign in with a login and a password, and which groups that opens for them.
//!
//! A password costs tens of milliseconds of a processor, so few are looked at side by side and few may wait. Whatever is
//! wrong (no such login, a wrong password, an account that is switched off), the answer is the same in words and in time: an
//! unknown login is hashed against a password nobody has, and failures are written down later.

mod may;
mod passwords;
pub mod second_factor;
mod throttle;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;

use self::throttle::Throttle;
pub use self::{
    may::{PANEL_ROLES, ROLES, TIERS, WhyNot, account_may},
    passwords::PasswordError,
};
use crate::{
    clock::SharedClock,
    secret::{SecretText, random_bytes},
    store::{
        Store, StoreError,
        accounts::{Account, Failures},
    },
    telemetry::figures,
};

/// Passwords looked at side by side, on a machine with enough processors.
const AT_ONCE: usize = 2;
/// Passwords that may wait for that.
const WAITING: usize = 8;
/// How soon to try again when too many wait.
const BUSY: Duration = Duration::from_secs(2);
/// So many failures in a row on one account are said in the log, and again after as many.
const REMARKABLE: i64 = 20;

/// Why nobody is signed in.
#[derive(Debug, Clone)]
pub enum SignInError {
    /// No account, another password, or an account that is switched off: not said which.
    Wrong,
    /// Too many failures from this address.
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many sign-ins at once.
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// It cannot be checked.
    Unavailable(String),
}

impl SignInError {
    /// How long to wait before trying again, where that is what to do.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Busy { retry_after } => Some(*retry_after),
            Self::Wrong | Self::Unavailable(_) => None,
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("登录名或密码不正确，或账号已停用 / login or password is not right, or the account is disabled"),
            Self::Throttled { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                write!(f, "失败次数过多，请 {seconds} 秒后再试 / too many failures; try again in {seconds} s")
            }
            Self::Busy { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                write!(f, "登录人数过多，请 {seconds} 秒后再试 / too many sign-ins at this moment; try again in {seconds} s")
            }
            Self::Unavailable(_) => f.write_str("暂时无法验证，请稍后再试 / sign-ins cannot be checked at the moment; try again shortly"),
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The form in which a login is kept and looked up: 2 to 64 of `a-z 0-9 . _ @ + -`, the first a letter or digit.
pub fn plain_login(text: &str) -> Option<String> {
    let login: String = text.trim().chars().take(65).nfkc().collect::<String>().to_ascii_lowercase();
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._@+-".contains(&b);
    let first = login.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    (first && (2..=64).contains(&login.len()) && login.bytes().all(allowed)).then_some(login)
}

/// Signs people in.
pub struct Accounts {
    store: Store,
    clock: SharedClock,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
    throttle: Throttle,
    failures: Mutex<HashMap<String, Failures>>,
    /// The hash of a password nobody has; made when it is first needed, because it takes its time.
    nobody: Mutex<Option<Arc<str>>>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

/// A place among those who wait, and a turn; both end with it.
struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Accounts {
    /// Accounts of `store`.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = (processors / 2).clamp(1, AT_ONCE);
        Self {
            store,
            clock,
            turns: Arc::new(Semaphore::new(at_once)),
            room: Arc::new(Semaphore::new(at_once + WAITING)),
            throttle: Throttle::default(),
            failures: Mutex::default(),
            nobody: Mutex::default(),
        }
    }

    /// Who this is, if `also` holds for them: the second factor, a right. What does not hold is a wrong password in every
    /// respect: the same answer, counted and slowed down in the same way. `from` is the address the attempt came from.
    pub async fn sign_in_if<Also: Future<Output = Result<bool, SignInError>> + Send>(
        &self,
        login: &str,
        password: &SecretText,
        from: IpAddr,
        also: impl FnOnce(Account) -> Also,
    ) -> Result<Account, SignInError> {
        let account = self.prove(login, password, from, also).await?;
        self.store.note_sign_in(&account.id, self.clock.now_ms()).await?;
        if !passwords::is_current(&account.password_hash) {
            self.rehash(&account, password.clone()).await;
        }
        tracing::info!(account.id, "signed in");
        Ok(account)
    }

    /// As [`Self::sign_in_if`], for somebody who is signed in already and shows the password again.
    pub async fn prove<Also: Future<Output = Result<bool, SignInError>> + Send>(
        &self,
        login: &str,
        password: &SecretText,
        from: IpAddr,
        also: impl FnOnce(Account) -> Also,
    ) -> Result<Account, SignInError> {
        let now = self.clock.now_ms();
        let login = plain_login(login).unwrap_or_default();
        self.throttle.begin(&login, from, now).map_err(|retry_after| {
            figures::auth_failure("password_throttled");
            SignInError::Throttled { retry_after }
        })?;
        let checked = self.check(&login, password, also).await;
        match &checked {
            Ok(_) => self.throttle.forgive(&login, from, true),
            Err(SignInError::Wrong) => figures::auth_failure("password"),
            Err(_) => self.throttle.forgive(&login, from, false),
        }
        checked
    }

    async fn check<Also: Future<Output = Result<bool, SignInError>> + Send>(
        &self,
        login: &str,
        password: &SecretText,
        also: impl FnOnce(Account) -> Also,
    ) -> Result<Account, SignInError> {
        let turn = self.turn().await.ok_or(SignInError::Busy { retry_after: BUSY })?;
        let account = if login.is_empty() { None } else { self.store.account_by_login(login)? };
        if !passwords::plausible(password) {
            return Err(self.failed(account.as_ref()));
        }
        let kept = account.as_ref().map(|account| Arc::from(account.password_hash.as_str()));
        let nobody = self.nobody.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let password = password.clone();
        let (right, nobody) = on_a_thread(turn, move || {
            // Made even when it is not needed, so that the first attempt after a start tells nothing either.
            let nobody = match nobody {
                Some(nobody) => nobody,
                None => Arc::from(nobodys_hash()?),
            };
            Ok::<_, PasswordError>((passwords::verify(&password, kept.as_ref().unwrap_or(&nobody)), nobody))
        })
        .await
        .map_err(|error| SignInError::Unavailable(error.to_string()))?;
        *self.nobody.lock().unwrap_or_else(PoisonError::into_inner) = Some(nobody);
        match account {
            Some(account) if right && account.enabled && also(account.clone()).await? => Ok(account),
            other => Err(self.failed(other.as_ref())),
        }
    }

    /// The hash of a new password, if it is fit to be one.
    pub async fn hash(&self, login: &str, password: &SecretText) -> Result<String, PasswordError> {
        passwords::check(login, password)?;
        let turn = self.turn().await.ok_or(PasswordError::Busy)?;
        let password = password.clone();
        on_a_thread(turn, move || passwords::hash(&password)).await
    }

    /// Writes down the failures that were counted since the last time.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        if failures.is_empty() {
            return Ok(());
        }
        self.store.note_failed_sign_ins(failures.into_values().collect()).await
    }

    /// A turn, after a wait; none when too many wait already.
    async fn turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        Some(Turn { _place: place, _turn: turn })
    }

    /// Counts a failure without writing: a write would tell that the account exists.
    fn failed(&self, account: Option<&Account>) -> SignInError {
        if let Some(account) = account {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = failures.entry(account.id.clone()).or_insert_with(|| Failures { id: account.id.clone(), count: 0, at: 0 });
            entry.count += 1;
            entry.at = self.clock.now_ms();
            let in_a_row = account.failed_count + entry.count;
            if in_a_row % REMARKABLE == 0 {
                tracing::warn!(account.id = account.id, failures = in_a_row, "many sign-ins to one account failed");
            }
        }
        SignInError::Wrong
    }

    /// Keeps the password under today's parameters. Not worth failing a sign-in for.
    async fn rehash(&self, account: &Account, password: SecretText) {
        let Some(turn) = self.turn().await else { return };
        let fresh = match on_a_thread(turn, move || passwords::hash(&password)).await {
            Ok(fresh) => fresh,
            Err(error) => return tracing::warn!(%error, account.id = account.id, "a password could not be hashed anew"),
        };
        if let Err(error) = self.store.rehash_account(&account.id, account.password_hash.clone(), fresh).await {
            tracing::warn!(%error, account.id = account.id, "a password's new hash could not be kept");
        }
    }
}

fn nobodys_hash() -> Result<String, PasswordError> {
    let random: [u8; 32] = random_bytes()?;
    passwords::hash(&SecretText::new(random.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))))
}

/// Hashing is done on a blocking thread, which holds the turn until it is done: a caller that goes away must not make
/// room for another while the work goes on.
async fn on_a_thread<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordError> {
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    });
    done.await.unwrap_or_else(|error| Err(PasswordError::Hasher(error.to_string())))
}

#[cfg(test)]
#[path = "accounts/tests.rs"]
mod tests;
