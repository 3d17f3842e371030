//! Sign-ins against a real store.

use std::{sync::Arc, time::Instant};

use super::*;
use crate::{
    clock::FixedClock,
    ids::new_id_at,
    store::{
        accounts::{AccountChange, Changed},
        audit::By,
    },
};

const PASSWORD: &str = "correct horse battery";

struct Rig {
    accounts: Accounts,
    store: Store,
    clock: Arc<FixedClock>,
    _dir: tempfile::TempDir,
}

fn rig() -> Rig {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
    let clock = Arc::new(FixedClock::at_ms(1_790_000_000_000));
    Rig { accounts: Accounts::new(store.clone(), Arc::clone(&clock) as SharedClock), store, clock, _dir: dir }
}

fn account(login: &str, password_hash: String) -> Account {
    Account {
        id: new_id_at(1_790_000_000_000),
        login: login.into(),
        display_name: "Mei".into(),
        password_hash,
        roles: vec!["admin".into()],
        tier: "internal".into(),
        panel_role: None,
        enabled: true,
        created_by: "test".into(),
        created_at: 1,
        updated_at: 1,
        password_changed_at: 1,
        last_sign_in_at: None,
        failed_count: 0,
        last_failed_at: None,
    }
}

fn by(at: i64) -> By {
    By::new("test", at)
}

impl Rig {
    async fn add(&self, login: &str) {
        let hash = self.accounts.hash(login, &SecretText::new(PASSWORD)).await.unwrap();
        self.store.add_account(account(login, hash), by(1)).await.unwrap();
    }

    async fn sign_in(&self, login: &str, password: &str, from: &str) -> Result<Account, SignInError> {
        let whoever = |_| std::future::ready(Ok(true));
        self.accounts.sign_in_if(login, &SecretText::new(password), from.parse().unwrap(), whoever).await
    }
}

#[tokio::test]
async fn the_right_password_signs_in_and_everything_else_sounds_the_same() {
    let rig = rig();
    rig.add("mei.ling@clinic").await;
    let signed_in = rig.sign_in("  Mei.Ling@Clinic ", PASSWORD, "203.0.113.1").await.unwrap();
    assert_eq!(signed_in.login, "mei.ling@clinic");
    assert!(rig.store.account(&signed_in.id).unwrap().unwrap().last_sign_in_at.is_some());
    let wrong = rig.sign_in("mei.ling@clinic", "correct horse", "203.0.113.1").await.unwrap_err();
    let unknown = rig.sign_in("nobody", PASSWORD, "203.0.113.2").await.unwrap_err();
    let odd = rig.sign_in("' OR 1=1 --", PASSWORD, "203.0.113.3").await.unwrap_err();
    let change = AccountChange { enabled: Some(false), ..AccountChange::default() };
    assert_eq!(rig.store.change_account("mei.ling@clinic", change, None, by(2)).await.unwrap(), Changed::Done);
    let disabled = rig.sign_in("mei.ling@clinic", PASSWORD, "203.0.114.1").await.unwrap_err();
    for error in [wrong, unknown, odd, disabled] {
        assert!(matches!(error, SignInError::Wrong), "{error:?}");
    }
    rig.accounts.flush().await.unwrap();
    assert_eq!(rig.store.account_by_login("mei.ling@clinic").unwrap().unwrap().failed_count, 2);
}

#[tokio::test]
async fn an_unknown_login_takes_as_long_as_a_wrong_password() {
    let rig = rig();
    rig.add("mei").await;
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..8 {
        for (index, login) in ["mei", "nobody"].into_iter().enumerate() {
            let from = format!("10.{n}.{index}.1");
            let before = Instant::now();
            rig.sign_in(login, "not the password", &from).await.unwrap_err();
            times[index].push(before.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    assert!(known / unknown < 2.0 && unknown / known < 2.0, "{known} {unknown}");
}

#[tokio::test]
async fn attempts_are_slowed_down_by_address_and_a_person_elsewhere_is_not() {
    let rig = rig();
    rig.add("mei").await;
    for _ in 0..4 {
        assert!(matches!(rig.sign_in("mei", "not it at all", "198.51.100.9").await, Err(SignInError::Wrong)));
    }
    let throttled = rig.sign_in("mei", PASSWORD, "198.51.100.9").await.unwrap_err();
    assert_eq!(throttled.retry_after(), Some(Duration::from_secs(2)));
    assert!(throttled.to_string().contains("2 s"), "{throttled}");
    rig.sign_in("mei", PASSWORD, "203.0.113.1").await.unwrap();
    rig.clock.advance_ms(2000);
    rig.sign_in("mei", PASSWORD, "198.51.100.9").await.unwrap();
}

#[tokio::test]
async fn when_too_many_wait_the_rest_hear_so_at_once_and_it_does_not_count_against_them() {
    let rig = Arc::new(rig());
    rig.add("mei").await;
    let tasks = tokio_util::task::TaskTracker::new();
    let attempts: Vec<_> = (0..40_u8)
        .map(|n| {
            let rig = Arc::clone(&rig);
            tasks.spawn(async move { rig.sign_in("mei", PASSWORD, &format!("10.0.{n}.1")).await })
        })
        .collect();
    let (mut good, mut busy) = (0, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => good += 1,
            Err(SignInError::Busy { .. }) => busy += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(good >= 8 && busy >= 10, "{good} {busy}");
    rig.sign_in("mei", PASSWORD, "10.0.39.1").await.unwrap();
}

#[tokio::test]
async fn a_hash_of_other_parameters_is_made_anew_at_the_sign_in() {
    let rig = rig();
    // Made with m=8, t=1, p=1.
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let old: argon2::password_hash::phc::PasswordHash =
        argon2::PasswordHasher::hash_password_with_salt(&hasher, PASSWORD.as_bytes(), &[7; 16]).unwrap();
    rig.store.add_account(account("mei", old.to_string()), by(1)).await.unwrap();
    rig.sign_in("mei", PASSWORD, "203.0.113.1").await.unwrap();
    let kept = rig.store.account_by_login("mei").unwrap().unwrap().password_hash;
    assert!(kept.contains("m=19456,t=2,p=1"), "{kept}");
    rig.sign_in("mei", PASSWORD, "203.0.113.1").await.unwrap();
}

#[tokio::test]
async fn what_an_account_may_do_counts_as_policy_and_signing_in_does_not() {
    let rig = rig();
    let revision = || rig.store.policy_revision().unwrap();
    let start = revision();
    rig.add("mei").await;
    assert_eq!(revision(), start + 1);
    let signed_in = rig.sign_in("mei", PASSWORD, "203.0.113.1").await.unwrap();
    rig.sign_in("mei", "something else", "203.0.113.1").await.unwrap_err();
    rig.accounts.flush().await.unwrap();
    rig.store.rehash_account(&signed_in.id, signed_in.password_hash.clone(), "x".into()).await.unwrap();
    assert_eq!(revision(), start + 1);
    let premium = AccountChange { tier: Some("premium".into()), ..AccountChange::default() };
    assert_eq!(rig.store.change_account("mei", premium, None, by(2)).await.unwrap(), Changed::Done);
    rig.store.set_account_password("mei", "y".into(), None, by(3)).await.unwrap();
    assert_eq!(revision(), start + 3);
    assert_eq!(rig.store.delete_account("mei", None, by(4)).await.unwrap(), Changed::Done);
    assert_eq!(revision(), start + 4);
}

#[test]
fn logins_have_one_form() {
    assert_eq!(plain_login(" Mei.Ling+1@Clinic-A ").as_deref(), Some("mei.ling+1@clinic-a"));
    assert_eq!(plain_login("ｍｅｉ").as_deref(), Some("mei"));
    for bad in ["", "a", ".mei", "mei ling", "小美", "a\0b", &"x".repeat(65)] {
        assert_eq!(plain_login(bad), None, "{bad:?}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?}", account("mei", "$argon2id$secret".into()));
    assert!(!shown.contains("argon2id"), "{shown}");
}
