//! The people who work at the sample clinic.

use super::{calendar::Calendar, names, random::Random};
use crate::store::import::UserRecord;

const DOCTORS: [&str; 3] = ["顾明远医生", "宋清和医生", "Dr. Sarah Lin"];
const CONSULTANTS: u32 = 12;
/// Numbers of staff start where customers never get.
const FIRST_NUMBER: u32 = 9_000;

/// The team: accounts, and who is what.
pub(super) struct Team {
    pub(super) accounts: Vec<UserRecord>,
    /// Ids and names of the consultants.
    pub(super) consultants: Vec<(String, String)>,
    /// Ids of the doctors.
    pub(super) doctors: Vec<String>,
}

pub(super) fn team(random: &mut Random, calendar: &Calendar) -> Team {
    let mut team = Team { accounts: Vec::new(), consultants: Vec::new(), doctors: Vec::new() };
    for _ in 0..CONSULTANTS {
        let name = names::chinese(random, 85).shown;
        let id = team.hire(name.clone(), "consultant", random, calendar);
        team.consultants.push((id, name));
    }
    for name in DOCTORS {
        let id = team.hire(name.to_owned(), "doctor", random, calendar);
        team.doctors.push(id);
    }
    team.hire("运营小安".into(), "operator", random, calendar);
    team.hire("系统管理员".into(), "admin", random, calendar);
    team
}

impl Team {
    fn hire(&mut self, name: String, role: &str, random: &mut Random, calendar: &Calendar) -> String {
        let id = random.id("usr");
        let number = self.accounts.len() as u32;
        self.accounts.push(UserRecord {
            id: id.clone(),
            username: name,
            email: Some(format!("{role}{}@example.com", number + 1)),
            phone: Some(names::phone(FIRST_NUMBER + number, random)),
            avatar: None,
            roles: Some(vec![role.to_owned()]),
            is_active: Some(true),
            registered_at: Some(calendar.at(i64::from(random.within(800, 1600)), 9, 0)),
        });
        id
    }
}
