//! A clinic's worth of sample data: the same on every machine for the same `now`.
//!
//! Plausible, not real: names are drawn from lists, addresses end in example.com, and numbers lie in ranges made up for
//! the purpose. Customers differ as they do in life (new, regular, big spenders, long gone, never came), no treatment of
//! theirs is contraindicated for them, and everything that happened happened before `now`.

mod calendar;
mod catalogue;
mod chats;
mod customers;
mod names;
mod plans;
mod random;
mod staff;
mod visits;

use chrono::{DateTime, Utc};

use self::{calendar::Calendar, customers::Person, random::Random};
use crate::store::import::Record;

/// Customers of the sample clinic.
const CUSTOMERS: u32 = 640;
/// Any number will do, as long as it stays.
const SEED: u64 = 0x5eed_a11e_1e57_c11c;

/// The records of a sample clinic as of `now`, in an order in which they can be imported.
pub fn generate(now: DateTime<Utc>) -> Vec<Record> {
    let calendar = Calendar::new(now);
    let mut random = Random::new(SEED);
    let team = staff::team(&mut random, &calendar);
    let people: Vec<Person> = (0..CUSTOMERS).map(|number| Person::new(number, &team, &mut random, &calendar)).collect();
    let mut records: Vec<Record> = team.accounts.iter().cloned().map(Record::User).collect();
    records.extend(people.iter().map(|person| Record::User(person.account.clone())));
    records.extend(catalogue::records());
    for person in &people {
        records.push(Record::Customer(person.profile.clone()));
        records.extend(customers::preferences(person, &mut random).map(Record::Preferences));
        let visits = visits::of(person, &team, &mut random, &calendar);
        let chats = chats::of(person, &visits, &mut random, &calendar);
        records.extend(visits.into_iter().map(Record::Consultation));
        records.extend(chats);
        records.extend(plans::of(person, &mut random, &calendar).map(Record::Plan));
    }
    records
}

#[cfg(test)]
mod tests;
