//! Which groups an account opens.
//!
//! Both lists of a group must name the account: one of its roles among `allowed_roles`, and its tier among
//! `user_tier_access`. An empty list names nobody. Tiers are names and no ladder: none includes another, so a group for
//! internal and premium people lists both.

use std::fmt;

use crate::store::{accounts::Account, policy::Group};

/// The app's roles.
pub const ROLES: [&str; 5] = ["admin", "consultant", "doctor", "operator", "customer"];
/// The tiers, each of which stands for itself.
pub const TIERS: [&str; 4] = ["internal", "external", "public", "premium"];
/// What an account may do in the panel.
pub const PANEL_ROLES: [&str; 3] = ["administrator", "operator", "auditor"];

/// Why an account does not open a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The account is switched off.
    AccountDisabled,
    /// The group is switched off.
    GroupDisabled,
    /// The group lists no role.
    NobodyByRole,
    /// The group lists no tier.
    NobodyByTier,
    /// None of the account's roles is listed.
    Role {
        /// Those that are.
        needs: Vec<String>,
    },
    /// The account's tier is not listed.
    Tier {
        /// Those that are.
        needs: Vec<String>,
    },
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountDisabled => f.write_str("该账号已停用 / this account is disabled"),
            Self::GroupDisabled => f.write_str("该工具组已停用 / this group is disabled"),
            Self::NobodyByRole => {
                f.write_str("该工具组未开放给任何角色（allowed_roles 为空），只能用密钥打开 / no role may open this group (allowed_roles is empty); only its key does")
            }
            Self::NobodyByTier => {
                f.write_str("该工具组未开放给任何层级（user_tier_access 为空），只能用密钥打开 / no tier may open this group (user_tier_access is empty); only its key does")
            }
            Self::Role { needs } => {
                let needs = needs.join(", ");
                write!(f, "需要以下角色之一：{needs} / one of these roles is needed: {needs}")
            }
            Self::Tier { needs } => {
                let needs = needs.join(", ");
                write!(f, "需要以下层级之一：{needs} / one of these tiers is needed: {needs}")
            }
        }
    }
}

/// Whether an account opens a group at this moment.
pub fn account_may(account: &Account, group: &Group) -> Result<(), WhyNot> {
    if !account.enabled {
        return Err(WhyNot::AccountDisabled);
    }
    if !group.enabled {
        return Err(WhyNot::GroupDisabled);
    }
    if group.allowed_roles.is_empty() {
        return Err(WhyNot::NobodyByRole);
    }
    if group.user_tier_access.is_empty() {
        return Err(WhyNot::NobodyByTier);
    }
    if !account.roles.iter().any(|role| group.allowed_roles.contains(role)) {
        return Err(WhyNot::Role { needs: group.allowed_roles.clone() });
    }
    if !group.user_tier_access.contains(&account.tier) {
        return Err(WhyNot::Tier { needs: group.user_tier_access.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(roles: &[&str], tiers: &[&str]) -> Group {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Group {
            id: "g".into(),
            server_code: "g".into(),
            name: "g".into(),
            description: String::new(),
            user_tier_access: list(tiers),
            allowed_roles: list(roles),
            enabled: true,
            subject_scoped: false,
            created_by: "test".into(),
            created_at: 0,
            updated_at: 0,
        }
    }

    fn account(roles: &[&str], tier: &str) -> Account {
        Account {
            id: "a".into(),
            login: "a".into(),
            display_name: "A".into(),
            password_hash: String::new(),
            roles: roles.iter().map(|name| (*name).to_owned()).collect(),
            tier: tier.into(),
            panel_role: Some("administrator".into()),
            enabled: true,
            created_by: "test".into(),
            created_at: 0,
            updated_at: 0,
            password_changed_at: 0,
            last_sign_in_at: None,
            failed_count: 0,
            last_failed_at: None,
        }
    }

    #[test]
    fn every_role_and_tier_opens_exactly_the_groups_that_list_both() {
        for role in ROLES {
            for tier in TIERS {
                for listed_role in ROLES {
                    for listed_tier in TIERS {
                        let may = account_may(&account(&[role], tier), &group(&[listed_role], &[listed_tier])).is_ok();
                        assert_eq!(may, role == listed_role && tier == listed_tier, "{role} {tier} into {listed_role} {listed_tier}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_list_names_nobody_and_the_panel_opens_nothing_here() {
        let everything = account(&ROLES, "internal");
        assert_eq!(account_may(&everything, &group(&[], &TIERS)), Err(WhyNot::NobodyByRole));
        assert_eq!(account_may(&everything, &group(&ROLES, &[])), Err(WhyNot::NobodyByTier));
        assert_eq!(account_may(&everything, &group(&ROLES, &TIERS)), Ok(()));
        let nothing = account(&[], "internal");
        assert_eq!(account_may(&nothing, &group(&["admin"], &TIERS)), Err(WhyNot::Role { needs: vec!["admin".into()] }));
    }

    #[test]
    fn what_is_switched_off_opens_nothing() {
        let mut who = account(&["admin"], "internal");
        let mut what = group(&["admin"], &["internal"]);
        what.enabled = false;
        assert_eq!(account_may(&who, &what), Err(WhyNot::GroupDisabled));
        who.enabled = false;
        assert_eq!(account_may(&who, &what), Err(WhyNot::AccountDisabled));
    }
}
