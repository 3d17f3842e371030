//! The fields of every kind of records: the one list behind the help text, the reading of files, and error messages.

/// One field of a kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name, in snake_case.
    pub name: &'static str,
    /// Other names that files use for it.
    pub also: &'static [&'static str],
    /// Whether a record without it is refused.
    pub required: bool,
    /// What it means, and in which form.
    pub meaning: &'static str,
}

const fn needed(name: &'static str, also: &'static [&'static str], meaning: &'static str) -> Field {
    Field { name, also, required: true, meaning }
}

const fn optional(name: &'static str, also: &'static [&'static str], meaning: &'static str) -> Field {
    Field { name, also, required: false, meaning }
}

pub(super) const USERS: &[Field] = &[
    needed("id", &["user_id"], "id of the account: 1 to 64 letters, digits, _ or -"),
    needed("username", &["name"], "display name"),
    optional("email", &[], "e-mail address"),
    optional("phone", &[], "phone number; blanks, hyphens and brackets are left out"),
    optional("avatar", &["avatar_url"], "address of the picture"),
    optional("roles", &["role"], "list of role names (default: customer)"),
    optional("is_active", &["active"], "true or false (default: true)"),
    optional("registered_at", &["created_at", "registration_time"], "time of the registration (default: now)"),
];

pub(super) const CUSTOMERS: &[Field] = &[
    needed("user_id", &["id", "customer_id"], "the customer's user id"),
    optional("gender", &[], "female, male or other"),
    optional("birth_year", &[], "year of birth"),
    optional("city", &[], "city of residence"),
    optional("source", &[], "where the customer came from, such as xiaohongshu"),
    optional("skin_type", &[], "dry, oily, combination, sensitive or normal"),
    optional("concerns", &[], "list of concerns in the customer's words"),
    optional("allergies", &[], "list of allergy tags, such as lidocaine"),
    optional("conditions", &[], "list of medical condition tags, such as pregnancy"),
];

pub(super) const PREFERENCES: &[Field] = &[
    needed("user_id", &["id", "customer_id"], "the customer's user id"),
    optional("treatments", &["treatment_preferences"], "list of service codes or categories of interest"),
    optional("budget_min", &[], "lower end of the budget, in yuan"),
    optional("budget_max", &[], "upper end of the budget, in yuan"),
    optional("contact_time", &["preferred_contact_time"], "when to call, such as weekday_evening"),
    optional("communication_style", &[], "how to talk, such as detailed"),
    optional("price_sensitivity", &[], "low, medium or high"),
    optional("brand_loyalty", &[], "low, medium or high"),
];

pub(super) const CONSULTANTS: &[Field] = &[
    needed("user_id", &["id", "consultant_id"], "the consultant's user id"),
    optional("tags", &["specialties"], "list of what the person is good at: concerns, categories, service codes"),
    optional("is_supervisor", &["supervisor"], "true or false (default: false): hears of customers nobody claims"),
    optional("is_available", &["available"], "true or false (default: true): takes new customers"),
];

pub(super) const CONSULTATIONS: &[Field] = &[
    needed("id", &["consultation_id"], "id of the consultation"),
    needed("customer_id", &["user_id"], "the customer's user id"),
    optional("consultant_id", &["doctor_id"], "the consultant's or doctor's user id"),
    needed("kind", &["type"], "consultation, treatment, follow_up or complaint"),
    needed("status", &[], "scheduled, completed, cancelled or no_show"),
    optional("summary", &["notes"], "notes"),
    optional("service_code", &["service"], "code of the service it was about"),
    optional("paid", &["paid_amount"], "what was paid, in yuan"),
    needed("occurred_at", &["date", "time"], "when it took place or will"),
];

pub(super) const CONVERSATIONS: &[Field] = &[
    needed("id", &["conversation_id"], "id of the conversation"),
    needed("customer_id", &["user_id"], "the customer's user id"),
    needed("title", &[], "title shown to people"),
    optional("ai_controlled", &["is_ai_controlled"], "true or false (default: true)"),
    optional("status", &[], "open or closed (default: open)"),
    optional("created_at", &[], "when it was created (default: now)"),
    optional("updated_at", &[], "when it last changed (default: created_at)"),
];

pub(super) const MESSAGES: &[Field] = &[
    needed("id", &["message_id"], "id of the message"),
    needed("conversation_id", &[], "the conversation it belongs to"),
    needed("sender_type", &[], "customer, consultant, doctor, ai or system"),
    optional("sender_id", &[], "the sender's user id (default for customers: the conversation's customer)"),
    optional("kind", &["type"], "text, media, system or structured (default: text)"),
    needed("content", &["text"], "the text, or a JSON object such as {\"text\": \"…\"}"),
    optional("created_at", &["timestamp"], "when it was sent (default: now)"),
];

pub(super) const SERVICES: &[Field] = &[
    needed("code", &["id"], "stable code, such as photorejuvenation"),
    needed("name", &[], "Chinese name"),
    optional("name_en", &[], "English name"),
    needed("category", &[], "skin, injection, laser, body, surgery, …"),
    optional("description", &[], "what it is"),
    optional("treats", &[], "list of concerns it treats, in the words customers use"),
    needed("price_min", &[], "lowest price of one session, in yuan"),
    needed("price_max", &[], "highest price of one session, in yuan"),
    needed("duration_minutes", &["duration"], "length of one session in minutes"),
    optional("recovery_days", &[], "days until the customer lives as usual (default: 0)"),
    optional("sessions", &[], "sessions of a usual course (default: 1)"),
    optional("interval_days", &[], "days between two sessions (default: 0)"),
    optional("efficacy", &[], "the clinic's rating of one session, 1 to 100 (default: 50)"),
    optional("contraindications", &[], "list of allergy and condition tags under which it must not be done"),
    optional("enabled", &["is_active"], "true or false (default: true)"),
];

pub(super) const PLANS: &[Field] = &[
    needed("id", &["plan_id"], "id of the plan"),
    optional("customer_id", &["user_id"], "the customer's user id"),
    optional("parent_id", &[], "the plan it revises, earlier in the file or stored before"),
    optional("status", &[], "pending_physician_review, approved or rejected (default: pending_physician_review)"),
    needed("body", &["plan"], "the plan, a JSON object"),
    optional("created_at", &[], "when it was made (default: now)"),
];
