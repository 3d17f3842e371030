//! A row of a file, as named JSON values, into a record; or everything that is wrong with it.

use serde_json::Value;

use super::{
    Kind,
    records::{
        ConsultantRecord, ConsultationRecord, ConversationRecord, CustomerRecord, MessageRecord, PlanRecord, PreferencesRecord, Record,
        ServiceRecord, UserRecord,
    },
    values,
};

const SENDERS: &[&str] = &["customer", "consultant", "doctor", "ai", "system"];
const MESSAGE_KINDS: &[&str] = &["text", "media", "system", "structured"];
const VISIT_KINDS: &[&str] = &["consultation", "treatment", "follow_up", "complaint"];
const VISIT_STATES: &[&str] = &["scheduled", "completed", "cancelled", "no_show"];
const LEVELS: &[&str] = &["low", "medium", "high"];
const PLAN_STATES: &[&str] = &["pending_physician_review", "approved", "rejected"];
const SKIN_TYPES: &[&str] = &["dry", "oily", "combination", "sensitive", "normal"];
/// A hundred million yuan: more is a mistake in the unit.
const MOST_FEN: i64 = 10_000_000_000;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Problem {
    /// The field, by its name here.
    pub field: &'static str,
    /// What is wrong, and what is expected.
    pub why: String,
}

/// Reads one row. `cells` are values by the names of [`Kind::fields`]; null and empty text count as absent.
pub fn parse(kind: Kind, cells: Vec<(&'static str, Value)>) -> Result<Record, Vec<Problem>> {
    let mut row = Row { kind, cells, problems: Vec::new() };
    let record = match kind {
        Kind::Users => Record::User(user(&mut row)),
        Kind::Customers => Record::Customer(customer(&mut row)),
        Kind::Preferences => Record::Preferences(preferences(&mut row)),
        Kind::Consultants => Record::Consultant(consultant(&mut row)),
        Kind::Consultations => Record::Consultation(consultation(&mut row)),
        Kind::Conversations => Record::Conversation(conversation(&mut row)),
        Kind::Messages => Record::Message(message(&mut row)),
        Kind::Services => Record::Service(service(&mut row)),
        Kind::Plans => Record::Plan(plan(&mut row)),
    };
    if row.problems.is_empty() { Ok(record) } else { Err(row.problems) }
}

/// A row being read: a wrong field leaves a problem behind and a default in the record, so that all are found at once.
struct Row {
    kind: Kind,
    cells: Vec<(&'static str, Value)>,
    problems: Vec<Problem>,
}

impl Row {
    fn optional<T>(&mut self, field: &'static str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let (_, value) = self.cells.iter().find(|(name, _)| *name == field)?;
        if value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        match read(value) {
            Ok(read) => Some(read),
            Err(why) => {
                self.problems.push(Problem { field, why });
                None
            }
        }
    }

    fn needed<T: Default>(&mut self, field: &'static str, read: impl FnOnce(&Value) -> Result<T, String>) -> T {
        let before = self.problems.len();
        let value = self.optional(field, read);
        if value.is_none() && self.problems.len() == before {
            let meaning = self.kind.fields().iter().find(|one| one.name == field).map_or("a value", |one| one.meaning);
            self.problems.push(Problem { field, why: format!("it is missing; expected {meaning}") });
        }
        value.unwrap_or_default()
    }

    fn choice(&mut self, field: &'static str, words: &[&str]) -> Option<String> {
        self.optional(field, |value| values::choice(value, words))
    }

    fn fen(&mut self, field: &'static str) -> Option<i64> {
        self.optional(field, fen)
    }

    fn count(&mut self, field: &'static str, least: u32, most: u32) -> Option<u32> {
        self.optional(field, |value| count(value, least, most))
    }

    /// The second of two amounts must not be below the first.
    fn ascending(&mut self, field: &'static str, least: Option<i64>, most: Option<i64>) {
        if least.zip(most).is_some_and(|(least, most)| most < least) {
            let why = "it is below the lower end of the range; expected the two the other way round".into();
            self.problems.push(Problem { field, why });
        }
    }
}

fn fen(value: &Value) -> Result<i64, String> {
    let fen = values::fen(value)?;
    if fen <= MOST_FEN { Ok(fen) } else { Err("it is over a hundred million yuan; expected an amount in yuan, such as 1980.50".into()) }
}

fn count(value: &Value, least: u32, most: u32) -> Result<u32, String> {
    values::number(value, least.into(), most.into()).map(|number| u32::try_from(number).unwrap_or(least))
}

fn user(row: &mut Row) -> UserRecord {
    UserRecord {
        id: row.needed("id", values::id),
        username: row.needed("username", values::name),
        email: row.optional("email", values::email),
        phone: row.optional("phone", values::phone),
        avatar: row.optional("avatar", values::text),
        roles: row.optional("roles", values::list),
        is_active: row.optional("is_active", values::flag),
        registered_at: row.optional("registered_at", values::time),
    }
}

fn customer(row: &mut Row) -> CustomerRecord {
    CustomerRecord {
        user_id: row.needed("user_id", values::id),
        gender: row.choice("gender", &["female", "male", "other"]),
        birth_year: row.count("birth_year", 1900, 2100).and_then(|year| i32::try_from(year).ok()),
        city: row.optional("city", values::name),
        source: row.optional("source", values::name),
        skin_type: row.choice("skin_type", SKIN_TYPES),
        concerns: row.optional("concerns", values::list),
        allergies: row.optional("allergies", values::tags),
        conditions: row.optional("conditions", values::tags),
    }
}

fn preferences(row: &mut Row) -> PreferencesRecord {
    let record = PreferencesRecord {
        user_id: row.needed("user_id", values::id),
        treatments: row.optional("treatments", values::list),
        budget_min_fen: row.fen("budget_min"),
        budget_max_fen: row.fen("budget_max"),
        contact_time: row.optional("contact_time", values::name),
        communication_style: row.optional("communication_style", values::name),
        price_sensitivity: row.choice("price_sensitivity", LEVELS),
        brand_loyalty: row.choice("brand_loyalty", LEVELS),
    };
    row.ascending("budget_max", record.budget_min_fen, record.budget_max_fen);
    record
}

fn consultant(row: &mut Row) -> ConsultantRecord {
    ConsultantRecord {
        user_id: row.needed("user_id", values::id),
        tags: row.optional("tags", values::list),
        is_supervisor: row.optional("is_supervisor", values::flag),
        is_available: row.optional("is_available", values::flag),
    }
}

fn consultation(row: &mut Row) -> ConsultationRecord {
    ConsultationRecord {
        id: row.needed("id", values::id),
        customer_id: row.needed("customer_id", values::id),
        consultant_id: row.optional("consultant_id", values::id),
        kind: row.needed("kind", |value| values::choice(value, VISIT_KINDS)),
        status: row.needed("status", |value| values::choice(value, VISIT_STATES)),
        summary: row.optional("summary", values::text),
        service_code: row.optional("service_code", values::id),
        paid_fen: row.fen("paid"),
        occurred_at: row.needed("occurred_at", values::time),
    }
}

fn conversation(row: &mut Row) -> ConversationRecord {
    ConversationRecord {
        id: row.needed("id", values::id),
        customer_id: row.needed("customer_id", values::id),
        title: row.needed("title", values::name),
        ai_controlled: row.optional("ai_controlled", values::flag),
        status: row.choice("status", &["open", "closed"]),
        created_at: row.optional("created_at", values::time),
        updated_at: row.optional("updated_at", values::time),
    }
}

fn message(row: &mut Row) -> MessageRecord {
    MessageRecord {
        id: row.needed("id", values::id),
        conversation_id: row.needed("conversation_id", values::id),
        sender_type: row.needed("sender_type", |value| values::choice(value, SENDERS)),
        sender_id: row.optional("sender_id", values::id),
        kind: row.choice("kind", MESSAGE_KINDS),
        content: row.needed("content", values::content),
        created_at: row.optional("created_at", values::time),
    }
}

fn service(row: &mut Row) -> ServiceRecord {
    let record = ServiceRecord {
        code: row.needed("code", values::id),
        name: row.needed("name", values::name),
        name_en: row.optional("name_en", values::name),
        category: row.needed("category", values::name),
        description: row.optional("description", values::text),
        treats: row.optional("treats", values::list),
        price_min_fen: row.needed("price_min", fen),
        price_max_fen: row.needed("price_max", fen),
        duration_minutes: row.needed("duration_minutes", |value| count(value, 1, 1440)),
        recovery_days: row.count("recovery_days", 0, 3650),
        sessions: row.count("sessions", 1, 1000),
        interval_days: row.count("interval_days", 0, 3650),
        efficacy: row.count("efficacy", 1, 100),
        contraindications: row.optional("contraindications", values::tags),
        enabled: row.optional("enabled", values::flag),
    };
    if row.problems.is_empty() {
        row.ascending("price_max", Some(record.price_min_fen), Some(record.price_max_fen));
    }
    record
}

fn plan(row: &mut Row) -> PlanRecord {
    PlanRecord {
        id: row.needed("id", values::id),
        customer_id: row.optional("customer_id", values::id),
        parent_id: row.optional("parent_id", values::id),
        status: row.choice("status", PLAN_STATES),
        body: row.needed("body", values::object),
        created_at: row.optional("created_at", values::time),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::parse;
    use crate::store::import::{Kind, Record};

    fn row(kind: Kind, object: Value) -> Vec<(&'static str, Value)> {
        let Value::Object(object) = object else { panic!("an object") };
        object.into_iter().map(|(name, value)| (kind.field(&name).unwrap().name, value)).collect()
    }

    #[test]
    fn a_row_becomes_a_record() {
        let cells = row(
            Kind::Users,
            json!({"userId": "usr_1", "username": " 张伟 ", "phone": "", "email": null, "roles": "doctor;admin", "isActive": "false"}),
        );
        let Ok(Record::User(user)) = parse(Kind::Users, cells) else { panic!("a user") };
        assert_eq!((user.id.as_str(), user.username.as_str(), user.phone, user.is_active), ("usr_1", "张伟", None, Some(false)));
        assert_eq!(user.roles.unwrap(), ["doctor", "admin"]);
    }

    #[test]
    fn everything_wrong_with_a_row_is_said_at_once() {
        let cells = row(Kind::Users, json!({"id": "usr 1", "phone": "ask", "registered_at": "yesterday"}));
        let problems = parse(Kind::Users, cells).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert_eq!(said[1], "username: it is missing; expected display name");
        assert_eq!(said[2], "phone: `ask` is not understood; expected 3 to 20 digits, such as 13812348888 or +86 138-1234-8888");
    }

    #[test]
    fn ranges_must_ascend() {
        let cells = row(Kind::Preferences, json!({"user_id": "usr_1", "budget_min": 5000, "budgetMax": "3000.00"}));
        assert_eq!(parse(Kind::Preferences, cells).unwrap_err()[0].field, "budget_max");
    }

    #[test]
    fn every_field_of_every_kind_is_read() {
        // A number suits no text-like field and a list no other: each field that is read complains about one of the two.
        for kind in Kind::ALL {
            for field in kind.fields() {
                let wrong = [json!({"nested": []}), json!(true), json!("\u{1}[")];
                let complains = wrong.into_iter().any(|value| {
                    let problems = parse(kind, vec![(field.name, value)]).err().unwrap_or_default();
                    problems.iter().any(|problem| problem.field == field.name && !problem.why.starts_with("it is missing"))
                });
                assert!(complains, "{kind} {}", field.name);
            }
        }
    }
}
