//! Conversations and what was said in them, page by page, for people who look into them: the latest first.

use rusqlite::{Connection, Row, params};

use super::{
    Store, StoreError,
    page::{Page, Place},
    rows,
    run_list::namesakes,
};

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedConversation {
    /// Where it stands.
    pub place: Place,
    /// Its id.
    pub id: String,
    /// The customer.
    pub customer_id: String,
    /// The customer's name.
    pub username: String,
    /// The registration that opened it.
    pub registration_id: Option<String>,
    /// Its title.
    pub title: String,
    /// Whether the AI answers in it.
    pub ai_controlled: bool,
    /// `open` or `closed`.
    pub status: String,
    /// When it was created.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// How many messages it has.
    pub messages: i64,
    /// Who claimed the customer, and that person's name.
    pub claimed_by: Option<(String, String)>,
}

/// A message in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMessage {
    /// Where it stands.
    pub place: Place,
    /// Its id.
    pub id: String,
    /// `customer`, `consultant`, `doctor`, `ai` or `system`.
    pub sender_type: String,
    /// The sender's user id, when a person.
    pub sender_id: Option<String>,
    /// The sender's name, when known.
    pub sender_name: Option<String>,
    /// `text`, `media`, `system` or `structured`.
    pub kind: String,
    /// Its content, as JSON text.
    pub content: String,
    /// When it was sent.
    pub created_at: i64,
}

macro_rules! conversations {
    ($from:literal) => {
        concat!(
            "SELECT c.updated_at, c.rowid, c.id, c.customer_id, coalesce(u.username, ''), c.registration_id, c.title, c.ai_controlled, c.status,
                    c.created_at, (SELECT count(*) FROM messages WHERE conversation_id = c.id), k.consultant_id, coalesce(s.username, k.consultant_id)
               FROM ",
            $from,
            " LEFT JOIN users u ON u.id = c.customer_id LEFT JOIN claims k ON k.registration_id = c.registration_id LEFT JOIN users s ON s.id = k.consultant_id "
        )
    };
}

const LATEST: &str = concat!(
    conversations!("conversations c INDEXED BY conversations_by_time"),
    "WHERE (c.updated_at, c.rowid) < (?1, ?2) ORDER BY c.updated_at DESC, c.rowid DESC LIMIT ?3"
);
const OF_USERS: &str = concat!(
    conversations!("conversations c INDEXED BY conversations_by_customer"),
    "WHERE c.customer_id IN (SELECT value FROM json_each(?4)) AND (c.updated_at, c.rowid) < (?1, ?2)
      ORDER BY c.updated_at DESC, c.rowid DESC LIMIT ?3"
);
const BY_ID: &str = concat!(conversations!("conversations c"), "WHERE c.id = ?1");
const MESSAGES: &str = "
    SELECT m.created_at, m.rowid, m.id, m.sender_type, m.sender_id, u.username, m.type, m.content
      FROM messages m LEFT JOIN users u ON u.id = m.sender_id
     WHERE m.conversation_id = ?1 AND (m.created_at, m.rowid) < (?2, ?3) ORDER BY m.created_at DESC, m.rowid DESC LIMIT ?4";

impl Store {
    /// Conversations behind `after`, the latest change first: all, or those of the user with this id or a name like it.
    pub async fn conversation_list(
        &self,
        user: Option<String>,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Page<ListedConversation>, StoreError> {
        let (after, limit) = (after.unwrap_or(Place::LATEST), i64::from(limit));
        self.scan(move |db| {
            let items = match &user {
                None => rows::all(db, LATEST, params![after.at, after.row, limit + 1], conversation)?,
                Some(user) => {
                    let users = serde_json::json!(namesakes(db, user)?).to_string();
                    rows::all(db, OF_USERS, params![after.at, after.row, limit + 1, users], conversation)?
                }
            };
            Ok(Page::of(items, limit, |one| one.place))
        })
        .await
    }

    /// One conversation.
    pub fn listed_conversation(&self, id: &str) -> Result<Option<ListedConversation>, StoreError> {
        self.point(|db| rows::one(db, BY_ID, [id], conversation))
    }

    /// Messages of a conversation behind `after`, the latest first.
    pub async fn message_list(&self, conversation_id: &str, after: Option<Place>, limit: u32) -> Result<Page<ListedMessage>, StoreError> {
        let (id, after, limit) = (conversation_id.to_owned(), after.unwrap_or(Place::LATEST), i64::from(limit));
        self.scan(move |db| messages(db, &id, after, limit)).await
    }
}

fn messages(db: &Connection, id: &str, after: Place, limit: i64) -> rusqlite::Result<Page<ListedMessage>> {
    Ok(Page::of(rows::all(db, MESSAGES, params![id, after.at, after.row, limit + 1], message)?, limit, |one| one.place))
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<ListedConversation> {
    let updated_at = row.get(0)?;
    let (consultant, name): (Option<String>, Option<String>) = (row.get(11)?, row.get(12)?);
    Ok(ListedConversation {
        place: Place { at: updated_at, row: row.get(1)? },
        id: row.get(2)?,
        customer_id: row.get(3)?,
        username: row.get(4)?,
        registration_id: row.get(5)?,
        title: row.get(6)?,
        ai_controlled: row.get(7)?,
        status: row.get(8)?,
        created_at: row.get(9)?,
        updated_at,
        messages: row.get(10)?,
        claimed_by: consultant.zip(name),
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<ListedMessage> {
    let created_at = row.get(0)?;
    Ok(ListedMessage {
        place: Place { at: created_at, row: row.get(1)? },
        id: row.get(2)?,
        sender_type: row.get(3)?,
        sender_id: row.get(4)?,
        sender_name: row.get(5)?,
        kind: row.get(6)?,
        content: row.get(7)?,
        created_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows_for_tests::{Bench, Run};

    #[tokio::test]
    async fn conversations_and_messages_come_page_by_page() {
        let bench = Bench::new();
        for n in 0..5 {
            let id = format!("run_{n}");
            bench.run(Run { id: &id, accepted_at: 10 + n / 2, ..Run::default() });
            for at in 0..7 {
                bench.says(&id, 100 + at);
            }
            // Three of them in the same millisecond.
            bench.sql("UPDATE messages SET created_at = 103 WHERE created_at BETWEEN 102 AND 104", &[]);
        }
        bench.claimed("run_3", 50);
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = bench.store.conversation_list(None, after, 2).await.unwrap();
            seen.extend(page.items.iter().map(|one| one.id.clone()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["run_4", "run_3", "run_2", "run_1", "run_0"]);
        let one = bench.store.listed_conversation("run_3").unwrap().unwrap();
        assert_eq!((one.claimed_by, one.username.as_str()), (Some(("c".into(), "c".into())), "x"));
        let found = bench.store.conversation_list(Some("run_1".into()), None, 9).await.unwrap();
        assert_eq!((found.items.len(), found.items[0].id.as_str(), found.next), (1, "run_1", None));
        let first = bench.store.message_list("run_1", None, 3).await.unwrap();
        let rest = bench.store.message_list("run_1", first.next, 50).await.unwrap();
        let times: Vec<_> = first.items.iter().chain(&rest.items).map(|message| message.created_at).collect();
        assert_eq!(times, [106, 105, 103, 103, 103, 101, 100]);
        assert!(first.items[2].place > rest.items[0].place && rest.next.is_none());
    }

    #[test]
    fn each_list_walks_along_its_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
        for (sql, index, sorts) in [
            (LATEST, "conversations_by_time", false),
            (OF_USERS, "conversations_by_customer", true),
            (BY_ID, "sqlite_autoindex_conversations_1", false),
            (MESSAGES, "messages_by_conversation", false),
        ] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(steps[0].contains(index) && steps.iter().any(|step| step.contains("TEMP B-TREE")) == sorts, "{steps:?}");
        }
    }
}
