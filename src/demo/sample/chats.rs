//! Conversations and what was said in them, around the visits of each customer.

mod english;
mod topics;
mod visiting;

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use self::topics::Topic;
use super::{
    calendar::Calendar,
    catalogue::Entry,
    customers::{Person, Story},
    random::Random,
};
use crate::store::import::{ConsultationRecord, ConversationRecord, MessageRecord, Record};

/// A customer's conversations with their messages, oldest first.
pub(super) fn of(person: &Person, visits: &[ConsultationRecord], random: &mut Random, calendar: &Calendar) -> Vec<Record> {
    let mut chats = Chats { person, random, calendar, records: Vec::new() };
    chats.welcome();
    let since = calendar.days_since(person.registered);
    match person.story {
        Story::New => {}
        Story::Prospect => chats.later(&[topics::PRICE, topics::RECOVERY, topics::SAFETY], 60, 3, since.saturating_sub(2)),
        Story::Regular => chats.around(visits, 45),
        Story::Vip => {
            chats.around(visits, 60);
            chats.later(&[visiting::NEWS], 70, 2, 40);
        }
        Story::Lapsed => {
            chats.around(visits, 30);
            chats.later(&[visiting::RECALL], 55, 20, 120);
        }
    }
    chats.records
}

struct Chats<'a> {
    person: &'a Person,
    random: &'a mut Random,
    calendar: &'a Calendar,
    records: Vec<Record>,
}

impl Chats<'_> {
    /// The first conversation, minutes after the registration.
    fn welcome(&mut self) {
        let start = self.person.registered + Duration::minutes(i64::from(self.random.within(1, 4)));
        let topic = if self.person.name.english { english::WELCOME } else { topics::WELCOME };
        self.hold(&topic, start);
    }

    /// Before some treatments an appointment is made, after some the customer asks about care; a complaint is heard.
    fn around(&mut self, visits: &[ConsultationRecord], percent: u32) {
        for visit in visits {
            let day = i64::from(self.calendar.days_since(visit.occurred_at));
            match visit.kind.as_str() {
                "complaint" => self.begin(&visiting::COMPLAINT, day),
                "treatment" if self.random.chance(percent) => {
                    let topic = self.random.pick(&[0, 0, 1, 2, 3]);
                    let topics = [visiting::BOOKING, visiting::AFTERCARE, topics::PRICE, topics::SAFETY];
                    let after = topic == 1;
                    let day = if after { day - 1 } else { day + i64::from(self.random.within(1, 5)) };
                    if let Some(topic) = topics.get(topic).filter(|_| day > 0) {
                        self.begin(topic, day);
                    }
                }
                _ => {}
            }
        }
    }

    fn later(&mut self, topics: &[Topic], percent: u32, from: u32, to: u32) {
        if self.random.chance(percent) && from < to {
            let day = self.random.within(from, to);
            if let Some(topic) = topics.get(self.random.within(0, topics.len() as u32 - 1) as usize) {
                self.begin(topic, day.into());
            }
        }
    }

    /// Begins at the customer's time of day; those who write English have the one topic.
    fn begin(&mut self, topic: &Topic, day: i64) {
        let (hour, minute) = (self.random.within(self.person.hours.from, self.person.hours.to), self.random.within(0, 29));
        let topic = if self.person.name.english { &english::QUESTION } else { topic };
        let start = self.calendar.at(day, hour, minute);
        if start > self.person.registered {
            self.hold(topic, start);
        }
    }

    fn hold(&mut self, topic: &Topic, start: DateTime<Utc>) {
        let id = self.random.id("cnv");
        let service = self.person.services.get(self.random.within(0, 2) as usize).or(self.person.services.first()).copied();
        // Not every conversation comes to its end.
        let turns = self.random.within((topic.turns.len() as u32).div_ceil(2), topic.turns.len() as u32) as usize;
        let mut at = start;
        let mut messages = Vec::new();
        for (sender, texts) in topic.turns.iter().take(turns) {
            if !self.calendar.is_past(at) {
                break;
            }
            let text = self.random.pick(texts);
            let text = self.fill(text, service);
            messages.push(self.message(&id, sender, &text, at));
            at += Duration::seconds(i64::from(self.random.within(20, 400)));
        }
        let ai_controlled = !topic.turns.iter().take(turns).any(|(sender, _)| matches!(*sender, "consultant" | "doctor"));
        self.records.push(Record::Conversation(ConversationRecord {
            id,
            customer_id: self.person.account.id.clone(),
            title: topic.title.into(),
            ai_controlled: Some(ai_controlled),
            status: Some(if self.calendar.days_since(start) > 30 { "closed" } else { "open" }.into()),
            created_at: Some(start),
            updated_at: messages.last().and_then(|message| message.created_at),
        }));
        self.records.extend(messages.into_iter().map(Record::Message));
    }

    fn message(&mut self, conversation_id: &str, sender: &str, text: &str, at: DateTime<Utc>) -> MessageRecord {
        let sender_id = match sender {
            "customer" => Some(self.person.account.id.clone()),
            "consultant" => Some(self.person.consultant.0.clone()),
            _ => None,
        };
        let photo = sender == "customer" && self.random.chance(4);
        let (kind, content) = if photo {
            ("media", json!({ "text": text, "url": format!("https://cdn.example.com/photos/{}.jpg", self.random.within(1, 9_999)) }))
        } else {
            ("text", json!({ "text": text }))
        };
        MessageRecord {
            id: self.random.id("msg"),
            conversation_id: conversation_id.into(),
            sender_type: sender.into(),
            sender_id,
            kind: Some(kind.into()),
            content,
            created_at: Some(at),
        }
    }

    fn fill(&self, text: &str, service: Option<&Entry>) -> String {
        let concerns = self.person.profile.concerns.as_deref().unwrap_or_default();
        let text = text.replace("{name}", &self.person.name.shown).replace("{consultant}", &self.person.consultant.1);
        let Some(service) = service else { return text };
        let concern = concerns.iter().find(|concern| service.treats.contains(&concern.as_str())).map_or("皮肤状态", String::as_str);
        let name = if self.person.name.english { service.name_en } else { service.name };
        text.replace("{concern}", concern)
            .replace("{service}", name)
            .replace("{low}", &service.yuan.0.to_string())
            .replace("{high}", &service.yuan.1.to_string())
            .replace("{recovery}", &service.recovery.to_string())
            .replace("{sessions}", &service.sessions.to_string())
            .replace("{minutes}", &service.minutes.to_string())
    }
}
